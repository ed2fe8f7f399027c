import CKernels
import ModelGraph
import Support

/// Stores float constants of a model in half precision; a runtime makes of them what its kernels
/// compute with.
public enum MSLiteHalfPrecision {
  /// The largest number that is rounded to a finite one.
  static let largest = Float(65519.996)
  /// The smallest number that keeps all its 11 bits.
  static let smallest = Float(0x1p-14)

  /// Halves the float32 constants of two and more axes that aren't quantized: biases and factors would
  /// lose bits and save next to nothing.
  ///
  /// What its range can't hold stays as it is: constants with infinities, NaN or numbers beyond
  /// 65504, and constants without any number from 2^-14 on, which would lose most of their bits or
  /// vanish. Elements are rounded to nearest, ties to even, when they are written.
  ///
  /// - Parameters:
  ///   - model: what is to be written; its constants are read once to know their range.
  ///   - pool: the workers.
  /// - Returns: the names of constants that stay, in the model's order.
  /// - Complexity: O(elements).
  public static func apply(to model: inout MSLiteModel, pool: WorkerPool) -> [String] {
    let candidates = model.tensors.indices.filter { index in
      let tensor = model.tensors[index]
      return tensor.isConstant && tensor.elementType == .float32 && tensor.dimensions.count > 1
        && tensor.quantization.isEmpty
    }
    let contents = candidates.map { model.tensors[$0].content }
    let fits = pool.map(contents.count) { [contents] in fitsHalf(contents[$0]) }
    for (index, fits) in zip(candidates, fits) where fits {
      model.tensors[index].elementType = .float16
      model.tensors[index].content = halved(model.tensors[index].content)
    }
    return zip(candidates, fits).filter { !$0.1 }.map { model.tensors[$0.0].name }
  }

  private static func fitsHalf(_ content: MSLiteTensor.Content) -> Bool {
    var found: Float = 0
    let isFinite = floats(of: content) { values in
      values.baseAddress.map { gs_scan($0, values.count, &found) != 0 } ?? true
    }
    return isFinite && found <= largest && (found == 0 || found >= smallest)
  }

  private static func halved(_ content: MSLiteTensor.Content) -> MSLiteTensor.Content {
    let count: Int
    switch content {
    case .variable, .quantized: return content
    case .bytes(let bytes): count = bytes.count / 4
    case .made(let byteCount, _, _): count = byteCount / 4
    }
    return .made(byteCount: 2 * count, sourceByteCount: 4 * count) { bytes(halving: content) }
  }

  /// A constant as what its halves stand for: what a runtime computes with.
  ///
  /// - Returns: nil for a constant that `apply` leaves as it is.
  /// - Complexity: O(elements).
  public static func rounded(_ data: TensorData) -> TensorData? {
    guard data.elementType == .float32, data.dimensions.count > 1, let packed = data.packed,
      fitsHalf(.bytes(packed))
    else { return nil }
    let halves = bytes(halving: .bytes(packed))
    let count = halves.count / 2
    let floats = [Float](unsafeUninitializedCapacity: count) { target, written in
      halves.withUnsafeBytes { raw in
        guard let from = raw.bindMemory(to: UInt16.self).baseAddress, let to = target.baseAddress
        else { return }
        gs_widen_half(from, count, to)
        written = count
      }
    }
    return TensorData(float32: floats, dimensions: data.dimensions)
  }

  private static func bytes(halving content: MSLiteTensor.Content) -> [UInt8] {
    floats(of: content) { values in
      [UInt8](unsafeUninitializedCapacity: 2 * values.count) { target, written in
        target.withMemoryRebound(to: UInt16.self) { halves in
          guard let from = values.baseAddress, let to = halves.baseAddress else { return }
          gs_narrow_half(from, values.count, to)
        }
        written = 2 * values.count
      }
    }
  }

  /// Shows a constant's elements to `body`; nothing of it is kept.
  private static func floats<Result>(
    of content: MSLiteTensor.Content, _ body: (UnsafeBufferPointer<Float>) -> Result
  ) -> Result {
    let bytes: Bytes
    switch content {
    case .bytes(let given): bytes = given
    case .made(_, _, let make): bytes = Bytes(make())
    case .variable, .quantized: bytes = Bytes([])
    }
    defer { bytes.release() }
    return bytes.withUnsafeBytes { raw in
      guard Int(bitPattern: raw.baseAddress) % 4 != 0 else {
        return body(raw.bindMemory(to: Float.self))
      }
      return withUnsafeTemporaryAllocation(of: Float.self, capacity: raw.count / 4) { values in
        UnsafeMutableRawBufferPointer(values).copyMemory(from: raw)
        return body(UnsafeBufferPointer(values))
      }
    }
  }
}
