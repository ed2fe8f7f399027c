import ModelGraph
import WeightCoding

/// The integers of a constant as a `.ms` file lays them out, with their parameters.
struct EncodedIntegers: Sendable {
  /// The integers, in the order of the file.
  let integers: [Int16]
  /// The scale of each channel, or one.
  let scales: [Float]
  /// The zero point of each channel, or one.
  let zeroPoints: [Int32]
  /// The offset of each channel; empty where there are none.
  let offsets: [Float]

  /// Makes them.
  ///
  /// - Parameter onSlab: called with the parameters of each slab.
  init(
    _ constant: QuantizedConstant, rearrange: ((EncodedSlab) -> [UInt8])?,
    _ onSlab: (EncodedParameters) -> Void
  ) {
    let isWide = constant.storage.elementType == .int16
    var integers = [Int16](repeating: 0, count: constant.source.elementCount)
    var slabs: [EncodedParameters] = []
    for number in 0..<constant.slabCount {
      let slab = constant.encode(number)
      let bytes = rearrange?(slab) ?? slab.integers
      let first = isWide ? slab.byteOffset / 2 : slab.byteOffset
      IntegerReader.read(bytes, isWide: isWide, into: &integers, at: first)
      slabs.append(slab.parameters)
      onSlab(slab.parameters)
    }
    slabs.sort { $0.firstChannel < $1.firstChannel }
    self.integers = integers
    scales = slabs.flatMap(\.scales)
    zeroPoints = slabs.flatMap(\.zeroPoints)
    offsets = slabs.flatMap(\.offsets)
  }
}
