import Support

extension TensorData {
  /// The tensor with each index along an axis multiplied by its factor, in double precision and rounded
  /// once; nil unless all elements are float32 and stay finite.
  ///
  /// - Precondition: a factor for each index of the axis.
  /// - Complexity: O(elements).
  public func multiplied(by factors: [Double], along axis: Int) -> TensorData? {
    guard elementType == .float32, let packed else { return nil }
    precondition(dimensions[axis] == factors.count, "a factor for each index")
    let inner = dimensions[(axis + 1)...].reduce(1, *)
    var largest: UInt32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: packed.count) { target, count in
      packed.withUnsafeBytes { source in
        target.withMemoryRebound(to: UInt32.self) { words in
          largest = TensorData.multiply(source, by: factors, each: inner, into: words)
        }
      }
      count = packed.count
    }
    guard largest < Float.infinity.bitPattern else { return nil }
    return TensorData(
      elementType: .float32, dimensions: dimensions, storage: .packed(Bytes(bytes)))
  }

  /// Multiplies runs of `inner` floats by the factors in turn, over and over.
  ///
  /// - Returns: the bits of the largest magnitude.
  private static func multiply(
    _ source: UnsafeRawBufferPointer, by factors: [Double], each inner: Int,
    into words: UnsafeMutableBufferPointer<UInt32>
  ) -> UInt32 {
    var largest: UInt32 = 0
    @inline(__always)
    func multiply(_ place: Int, by factor: Double) {
      let word = source.loadUnaligned(fromByteOffset: 4 &* place, as: UInt32.self)
      let product = Float(Double(Float(bitPattern: UInt32(littleEndian: word))) * factor)
      words[place] = product.bitPattern.littleEndian
      largest = max(largest, product.magnitude.bitPattern)
    }
    factors.withUnsafeBufferPointer { factors in
      for first in stride(from: 0, to: words.count, by: max(1, inner &* factors.count)) {
        for index in factors.indices {
          let (start, factor) = (first &+ index &* inner, factors[index])
          for offset in 0..<inner { multiply(start &+ offset, by: factor) }
        }
      }
    }
    return largest
  }
}
