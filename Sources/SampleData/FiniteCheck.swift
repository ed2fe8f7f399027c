import CKernels
import ModelGraph
import Support

/// Numbers that calibration can use: neither NaN nor infinite.
enum FiniteCheck {
  /// - Throws: the first number that isn't finite, with its index.
  /// - Complexity: O(elements) for floats, O(1) for integers.
  static func check(_ tensor: TensorData) throws(SampleProblem) {
    guard let place = firstNonFinite(tensor) else { return }
    var index: [Int] = []
    var rest = place
    for extent in tensor.dimensions.reversed() {
      index.insert(rest % extent, at: 0)
      rest /= extent
    }
    let value = TensorNumbers.read(tensor).map { $0[place] } ?? .nan
    throw SampleProblem(
      .nonFinite, "a calibration sample holds \(value.isNaN ? "NaN" : "an infinity")",
      notes: [
        "element \(place), at [\(index.map(String.init).joined(separator: ","))] of "
          + ModelInput.text(tensor.elementType, tensor.dimensions)
      ],
      help: "remove the file, or mend what made it")
  }

  private static func firstNonFinite(_ tensor: TensorData) -> Int? {
    switch tensor.elementType {
    case .float32:
      var largest: Float = 0
      let isFinite = tensor.packed?.withUnsafeBytes { bytes in
        let isAligned = Int(bitPattern: bytes.baseAddress) % 4 == 0
        return isAligned
          && gs_scan(
            bytes.bindMemory(to: Float.self).baseAddress, bytes.count / 4, &largest) != 0
      }
      guard isFinite == false else { return nil }
    case .float16, .bfloat16, .float64: break
    default: return nil
    }
    return TensorNumbers.read(tensor)?.firstIndex { !$0.isFinite }
  }
}

/// A tensor's elements as numbers.
enum TensorNumbers {
  /// All elements; nil for types that aren't real numbers of whole bytes.
  ///
  /// - Complexity: O(elements), with 8 bytes for each.
  static func read(_ tensor: TensorData) -> [Double]? {
    guard let packed = tensor.packed else { return nil }
    switch tensor.elementType {
    case .float32: return tensor.float32Values?.map(Double.init)
    case .float64: return packed.load(UInt64.self).map { Double(bitPattern: $0) }
    case .float16: return widened(packed, gs_widen_half)
    case .bfloat16: return widened(packed, gs_widen_bfloat)
    case .int8: return packed.load(Int8.self).map(Double.init)
    case .int16: return packed.load(Int16.self).map(Double.init)
    case .int32: return packed.load(Int32.self).map(Double.init)
    case .int64: return packed.load(Int64.self).map(Double.init)
    case .uint8, .bool: return packed.load(UInt8.self).map(Double.init)
    case .uint16: return packed.load(UInt16.self).map(Double.init)
    case .uint32: return packed.load(UInt32.self).map(Double.init)
    case .uint64: return packed.load(UInt64.self).map(Double.init)
    default: return nil
    }
  }

  private static func widened(
    _ packed: Bytes,
    _ widen: (UnsafePointer<UInt16>?, Int, UnsafeMutablePointer<Float>?) -> Void
  ) -> [Double] {
    let halves = packed.load(UInt16.self)
    var floats = [Float](repeating: 0, count: halves.count)
    widen(halves, halves.count, &floats)
    return floats.map(Double.init)
  }
}
