import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct QuantizationTests {
  /// An integer type with how to make tensors of it.
  private static let types: [ElementType] = [.int8, .uint8, .int16, .uint16]

  private func tensor(_ type: ElementType, _ shape: [Int], _ values: [Int32]) -> Tensor {
    switch type {
    case .int8: Tensor(shape, values.map { Int8(truncatingIfNeeded: $0) })
    case .uint8: Tensor(shape, values.map { UInt8(truncatingIfNeeded: $0) })
    case .int16: Tensor(shape, values.map { Int16(truncatingIfNeeded: $0) })
    case .uint16: Tensor(shape, values.map { UInt16(truncatingIfNeeded: $0) })
    default: Tensor(shape, values)
    }
  }

  private func integers(_ tensor: Tensor) throws -> [Int32] {
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
    return try tensor.converted(to: .rowMajor, context).doubles().map { Int32($0) }
  }

  private func range(_ type: ElementType) -> ClosedRange<Int32> {
    switch type {
    case .int8: -128...127
    case .uint8: 0...255
    case .int16: -32768...32767
    default: 0...65535
    }
  }

  /// Index of the scale of each element, with rows of `inner` elements for each of `extent` places.
  private func scaleIndex(_ element: Int, _ shape: [Int], axis: Int?, block: Int) -> Int {
    guard let axis else { return 0 }
    let inner = shape[(axis + 1)...].reduce(1, *)
    let place = element / inner % shape[axis]
    guard block > 0 else { return place }
    let blocks = (shape[axis] + block - 1) / block
    return (element / inner / shape[axis] * blocks + place / block) * inner + element % inner
  }

  @Test(arguments: types, 0..<14)
  func numbersGoToTheGridAndBack(_ type: ElementType, _ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed) + 40)
    let shape = [[2, 3, 4, 5], [1, 40, 3, 3], [7], [3, 600], [], [0, 3], [2, 5, 9]][seed % 7]
    let axis = seed % 3 == 0 || shape.isEmpty ? nil : seed % shape.count
    let block = axis != nil && seed % 5 == 1 ? 2 : 0
    var scaleShape = axis.map { [shape[$0]] } ?? []
    if let axis, block > 0 {
      scaleShape = shape
      scaleShape[axis] = (shape[axis] + block - 1) / block
    }
    let count = scaleShape.reduce(1, *)
    let scales = generator.floats(count, in: 0.01...0.1)
    let zeros = (0..<count).map { _ in
      Int32.random(in: range(type).clamped(to: -128...300), using: &generator)
    }
    let values = generator.floats(shape.reduce(1, *), in: -20...20)
    var attributes: [Attribute] = []
    if let axis { attributes.append(Attribute("axis", .int(Int64(axis)))) }
    if block > 0 { attributes.append(Attribute("block_size", .int(Int64(block)))) }
    var input = Tensor(shape, values)
    if seed % 2 == 0, shape.count > 2 { input = input.channelsLast }
    let parameters = [Tensor(scaleShape, scales), tensor(type, scaleShape, zeros)]
    let quantized = try OperatorHarness(
      name: "QuantizeLinear", attributes: attributes, version: 21,
      constantInputs: seed % 4 < 2 ? [1, 2] : []
    ).run([input] + parameters)[0]
    let wanted = values.enumerated().map { index, value in
      let parameter = scaleIndex(index, shape, axis: axis, block: block)
      let steps = (value / scales[parameter]).rounded(.toNearestOrEven) + Float(zeros[parameter])
      return Int32(max(Float(range(type).lowerBound), min(Float(range(type).upperBound), steps)))
    }
    #expect(try integers(quantized) == wanted, "seed \(seed)")
    let numbers = try OperatorHarness(
      name: "DequantizeLinear", attributes: attributes, version: 21
    ).run([quantized] + parameters)[0]
    #expect(block > 0 || numbers.layout == input.layout)
    let back = wanted.enumerated().map { index, integer in
      let parameter = scaleIndex(index, shape, axis: axis, block: block)
      return Float(integer - zeros[parameter]) * scales[parameter]
    }
    #expect(numbers.array(Float.self) == back, "seed \(seed)")
  }

  @Test func halvesGoToEvenAndOthersSaturate() throws {
    let input = Tensor([9], [Float(0.5), 1.5, -0.5, -2.5, 300, -.infinity, .infinity, .nan, 126.5])
    let result = try OperatorHarness(name: "QuantizeLinear").run(
      [input, Tensor([], [Float(1)]), Tensor([], [Int8(0)])])[0]
    #expect(result.array(Int8.self) == [0, 2, 0, -2, 127, -128, 127, -128, 126])
  }

  @Test func scalesThatDoNotFitAreRefused() {
    let input = Tensor([2, 3], [Float](repeating: 0, count: 6))
    for scales in [[Int](repeating: 2, count: 1), [3, 1], [0]] {
      #expect(throws: KernelProblem.self) {
        try OperatorHarness(name: "QuantizeLinear").run(
          [input, Tensor(scales, [Float](repeating: 1, count: scales.reduce(1, *)))])
      }
    }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "DequantizeLinear").run(
        [Tensor([2], [Int8(1), 2]), Tensor([], [Float(1)]), Tensor([], [UInt8(1)])])
    }
  }

  @Test(arguments: 0..<12)
  func integerConvolutionsAreExact(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let groups = [1, 2, 4][seed % 3]
    let (channels, filters) = (4 / groups, 8)
    let (height, width) = (Int.random(in: 3...9, using: &generator), 70)
    let kernel = [Int.random(in: 1...3, using: &generator), 3]
    let (stride, pad) = (1 + seed % 2, seed % 3)
    let x = (0..<4 * height * width).map { _ in Int32.random(in: 0...255, using: &generator) }
    let w = (0..<filters * channels * kernel[0] * 3).map { _ in
      Int32.random(in: -128...127, using: &generator)
    }
    let pads = [pad, 1, pad, 0].map { Int64($0) }
    let result = try OperatorHarness(
      name: "ConvInteger",
      attributes: [
        Attribute("group", .int(Int64(groups))), Attribute("pads", .ints(pads)),
        Attribute("strides", .ints([Int64(stride), 2])),
      ], version: 10, constantInputs: seed % 2 == 0 ? [1] : [], threads: 2
    ).run([
      tensor(.uint8, [1, 4, height, width], x), tensor(.int8, [filters, channels] + kernel, w),
      Tensor([], [UInt8(9)]), nil,
    ])[0]
    let sums = result.array(Int32.self)
    for (index, sum) in sums.enumerated() {
      let (filter, y, column) = (
        index / (result.shape[2] * result.shape[3]), index / result.shape[3] % result.shape[2],
        index % result.shape[3]
      )
      var exact: Int32 = 0
      for channel in 0..<channels {
        for dy in 0..<kernel[0] {
          for dx in 0..<3 {
            let (row, place) = (y * stride + dy - pad, column * 2 + dx - 1)
            guard (0..<height).contains(row), (0..<width).contains(place) else { continue }
            let source = filter / (filters / groups) * channels + channel
            exact +=
              (x[(source * height + row) * width + place] - 9)
              * w[((filter * channels + channel) * kernel[0] + dy) * 3 + dx]
          }
        }
      }
      #expect(sum == exact, "seed \(seed)")
    }
  }

  @Test(arguments: [4, 8])
  func blocksOfWeightsAreUnpacked(_ bits: Int) throws {
    var generator = SeededGenerator(seed: 12)
    let (rows, depth, columns, block) = (3, 40, 21, 16)
    let blocks = 3
    let input = generator.floats(rows * depth)
    let bytes = (0..<columns * blocks * block * bits / 8).map { _ in
      UInt8.random(in: 0...255, using: &generator)
    }
    let scales = generator.floats(columns * blocks, in: 0.1...1)
    let result = try OperatorHarness(
      name: "MatMulNBits", domain: "com.microsoft",
      attributes: [
        Attribute("K", .int(40)), Attribute("N", .int(21)), Attribute("bits", .int(Int64(bits))),
        Attribute("block_size", .int(16)),
      ]
    ).run([
      Tensor([rows, depth], input), Tensor([columns, blocks, block * bits / 8], bytes),
      Tensor([columns * blocks], scales),
    ])[0].array(Float.self)
    for (index, value) in result.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let sum = (0..<depth).reduce(0.0) { sum, l in
        let position = column * blocks * block + l
        let byte = bytes[position * bits / 8]
        let integer = bits == 8 ? Int(byte) : Int(position % 2 == 0 ? byte & 15 : byte >> 4)
        let scale = Double(scales[column * blocks + l / block])
        return sum + Double(input[row * depth + l]) * Double(integer - (1 << (bits - 1))) * scale
      }
      #expect(abs(Double(value) - sum) < 1e-2)
    }
  }
}
