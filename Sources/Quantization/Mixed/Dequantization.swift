import CKernels
import ModelGraph
import Support

/// Constants as a quantized model computes with them.
public enum Dequantization {
  /// A constant as float32 elements after quantization.
  ///
  /// - Complexity: O(elements), what quantizing it takes.
  public static func floats(_ source: TensorData, _ recipe: WeightRecipe) -> [Float] {
    var recipe = recipe
    if recipe.storage.elementType == .int4 { recipe.storage.elementType = .int8 }
    let constant = WeightEncoder(source: source, recipe: recipe).quantizedConstant(number: 0)
    var floats = [Float](repeating: 0, count: source.elementCount)
    let layout = recipe.layout
    for number in 0..<constant.slabCount {
      let slab = constant.encode(number)
      slab.integers.withUnsafeBytes { bytes in
        let isWide = recipe.storage.elementType == .int16
        let first = isWide ? slab.byteOffset / 2 : slab.byteOffset
        let count = isWide ? bytes.count / 2 : bytes.count
        let scales = slab.parameters.scales
        let zeroPoints = slab.parameters.zeroPoints
        let inner = recipe.storage.axis == nil ? max(1, source.elementCount) : layout.inner
        let channels = recipe.storage.axis == nil ? 1 : layout.channels
        var index = 0
        while index < count {
          let run = min(count - index, inner - (first + index) % inner)
          let channel = (first + index) / inner % channels - slab.parameters.firstChannel
          let (scale, zeroPoint) = (scales[channel], zeroPoints[channel])
          for place in index..<index + run {
            let integer =
              isWide
              ? Int32(Int16(littleEndian: bytes.load(fromByteOffset: 2 * place, as: Int16.self)))
              : Int32(bytes.load(fromByteOffset: place, as: Int8.self))
            floats[first + place] = Float(integer - zeroPoint) * scale
          }
          index += run
        }
      }
    }
    return floats
  }

  /// The same in the constant's own type.
  public static func tensor(_ source: TensorData, _ recipe: WeightRecipe) -> TensorData {
    let floats = floats(source, recipe)
    func halves(_ bits: (Float) -> UInt16) -> TensorData {
      TensorData(
        elementType: source.elementType, dimensions: source.dimensions,
        storage: .packed(Bytes(floats.map { bits($0).littleEndian }.withUnsafeBytes(Array.init))))
    }
    switch source.elementType {
    case .float16: return halves { Float16($0).bitPattern }
    case .bfloat16: return halves { UInt16($0.bitPattern >> 16) }
    default: return TensorData(float32: floats, dimensions: source.dimensions)
    }
  }
}
