import CKernels
import ModelGraph

/// MatMulNBits: a product with weights of 4 or 8 bits, in blocks that share a scale. Weights are
/// turned into float32 a strip of columns at a time.
struct BlockQuantizedProduct: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "MatMulNBits", domain: "com.microsoft", versions: "4 and 8 bits",
    types: "float32, float16 by uint8",
    tensors: { settings in
      let product = try BlockQuantizedProduct(settings)
      return wideningHalves { [try product.run($0)] }
    })

  private let depth, columns, bits, block: Int
  private var blocks: Int { (depth + block - 1) / block }
  /// Bytes of a block.
  private var blockBytes: Int { block * bits / 8 }

  private init(_ settings: NodeSettings) throws {
    depth = try settings.int("K", default: 0)
    columns = try settings.int("N", default: 0)
    bits = try settings.int("bits", default: 4)
    block = try settings.int("block_size", default: 0)
    guard bits == 4 || bits == 8 else {
      throw KernelProblem(lacking: "weights of \(bits) bits are not supported")
    }
    guard depth > 0, columns > 0, block >= 16, block & (block - 1) == 0, block < 1 << 30,
      depth < 1 << 40, columns < 1 << 40
    else { throw KernelProblem("K \(depth), N \(columns) or block_size \(block) cannot be") }
    guard !settings.hasInput(4) else {
      throw KernelProblem(lacking: "columns in groups (g_idx) are not supported")
    }
  }

  private func run(_ call: KernelCall) throws -> Tensor {
    let input = try call.tensor(0, .float32)
    let weights = try call.tensor(1, .uint8)
    let scales = try call.tensor(2, .float32)
    let bias = try call.optional(5)
    guard input.shape.last == depth,
      weights.count == TensorData.elementCount(of: [columns, blocks, blockBytes]),
      scales.count == TensorData.elementCount(of: [columns, blocks]),
      bias.map({ $0.elementType == .float32 && $0.count == columns }) ?? true
    else {
      throw KernelProblem(
        "\(input.description), \(weights.description), \(scales.description) or the bias do not fit "
          + "K \(depth) and N \(columns)")
    }
    let zeros = try zeros(call)
    let rows = input.count / depth
    guard TensorData.elementCount(of: [rows, columns]) != nil else {
      throw KernelProblem("\(rows) rows of \(columns) columns are too many")
    }
    let result = try call.context.allocate(.float32, input.shape.dropLast() + [columns])
    let strip = GS_PANEL
    try call.context.forEach((columns + strip - 1) / strip, cost: (rows + 4) * depth) { index in
      multiply(input, weights, scales, zeros, result, rows: rows, first: index * strip)
    }
    if let bias { add(bias, to: result) }
    return result
  }

  /// One strip of columns of the result.
  private func multiply(
    _ input: Tensor, _ weights: Tensor, _ scales: Tensor, _ zeros: [Float], _ result: Tensor,
    rows: Int, first: Int
  ) {
    let count = min(GS_PANEL, columns - first)
    let strip = UnsafeMutablePointer<Float>.allocate(capacity: depth * count)
    defer { strip.deallocate() }
    guard let values = input.elements(Float.self).baseAddress,
      let packed = weights.elements(UInt8.self).baseAddress,
      let steps = scales.elements(Float.self).baseAddress,
      let out = result.mutableElements(Float.self).baseAddress
    else { return }
    zeros.withUnsafeBufferPointer { zeros in
      guard let zeros = zeros.baseAddress else { return }
      for column in 0..<count {
        let row = (first + column) * blocks
        gs_dequantize_blocks(
          packed + row * blockBytes, Int32(bits), depth, block, steps + row, zeros + row,
          strip + column, count)
      }
    }
    gs_matmul_small(
      rows, count, depth, values, depth, 1, strip, count, 1, out + first, columns, 0)
  }

  /// The zero point of each block: half of the range unless given, as numbers or packed.
  private func zeros(_ call: KernelCall) throws -> [Float] {
    let count = columns * blocks
    guard let given = try call.optional(3) else {
      return [Float](repeating: Float(1 << (bits - 1)), count: count)
    }
    if given.elementType == .float32, given.count == count {
      return Array(given.elements(Float.self))
    }
    let rowBytes = (blocks * bits + 7) / 8
    guard given.elementType == .uint8, given.count == columns * rowBytes else {
      throw KernelProblem("zero points \(given.description) do not fit \(count) blocks")
    }
    let bytes = given.elements(UInt8.self)
    return (0..<count).map { index in
      let (column, block) = index.quotientAndRemainder(dividingBy: blocks)
      if bits == 8 { return Float(bytes[column * rowBytes + block]) }
      let byte = bytes[column * rowBytes + block / 2]
      return Float(block % 2 == 0 ? byte & 15 : byte >> 4)
    }
  }

  private func add(_ bias: Tensor, to result: Tensor) {
    let (out, shifts) = (result.mutableElements(Float.self), bias.elements(Float.self))
    for index in 0..<result.count { out[index] += shifts[index % columns] }
  }
}
