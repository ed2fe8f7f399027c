import ModelGraph

/// The shape of a matrix's integers as MatMulNBits has them: `[channels, blocks, bytes]`, its zero
/// points `[channels, bytes]`.
struct BlockRows {
  /// Results of the product.
  let channels: Int
  /// Blocks of a channel.
  let blocks: Int
  /// Integers in a byte: 2 or 1.
  let perByte: Int

  /// The shape of a constant; nil without blocks.
  init?(_ constant: QuantizedConstant) {
    let dimensions = constant.source.dimensions
    guard let block = constant.storage.block, dimensions.count == 2 else { return nil }
    channels = dimensions[1 - block.axis]
    blocks = dimensions[block.axis] / block.size
    perByte = constant.storage.elementType == .int4 ? 2 : 1
  }

  /// Bytes of a block of `size` integers.
  func bytesPerBlock(_ size: Int) -> Int { size / perByte }

  /// Bytes of a channel's zero points.
  var zeroPointBytes: Int { (blocks + perByte - 1) / perByte }

  /// Bytes of whole channels' zero points, shifted to start at 0; each channel begins on a byte.
  func packed(_ zeroPoints: [Int32]) -> [UInt8] {
    let shift: Int32 = perByte == 2 ? 8 : 128
    return stride(from: 0, to: zeroPoints.count, by: blocks).flatMap { start in
      stride(from: start, to: start + blocks, by: perByte).map { index in
        let low = zeroPoints[index] + shift
        let hasHigh = perByte == 2 && index + 1 < start + blocks
        let high = hasHigh ? zeroPoints[index + 1] + shift : 0
        return UInt8(truncatingIfNeeded: low | high << 4)
      }
    }
  }
}
