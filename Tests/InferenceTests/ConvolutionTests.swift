import ModelGraph
import Support
import Testing

@testable import Inference

/// A random convolution with everything a node can say.
private struct RandomConvolution: CustomStringConvertible {
  let reference: ConvolutionReference
  let values: [Float]
  let kernel: [Float]
  let bias: [Float]?

  init(using generator: inout SeededGenerator, depthwise: Bool) {
    let axes = Int.random(in: 1...3, using: &generator)
    let group =
      depthwise
      ? [4, 16, 24].randomElement(using: &generator) ?? 4
      : Int.random(in: 1...3, using: &generator)
    let perGroup = depthwise ? 1 : [1, 3, 8, 16].randomElement(using: &generator) ?? 1
    let outputs = depthwise ? 1 : [1, 2, 8, 16].randomElement(using: &generator) ?? 1
    func each(_ range: ClosedRange<Int>) -> [Int] {
      (0..<axes).map { _ in Int.random(in: range, using: &generator) }
    }
    let window = each(1...3)
    let dilations = each(1...2)
    let begin = each(0...2)
    let end = each(0...2)
    let extents = window.indices.map { axis in
      dilations[axis] * (window[axis] - 1) + 1 + Int.random(in: 0...5, using: &generator)
    }
    reference = ConvolutionReference(
      input: [Int.random(in: 1...2, using: &generator), group * perGroup] + extents,
      weights: [group * outputs, perGroup] + window, group: group, strides: each(1...2),
      dilations: dilations, begin: begin, end: end)
    values = generator.floats(reference.input.reduce(1, *))
    kernel = generator.floats(reference.weights.reduce(1, *))
    bias = Bool.random(using: &generator) ? generator.floats(reference.weights[0]) : nil
  }

  var attributes: [Attribute] {
    func ints(_ values: [Int]) -> Attribute.Value { .ints(values.map { Int64($0) }) }
    return [
      Attribute("group", .int(Int64(reference.group))),
      Attribute("strides", ints(reference.strides)),
      Attribute("dilations", ints(reference.dilations)),
      Attribute("pads", ints(reference.begin + reference.end)),
    ]
  }

  var inputs: [Tensor?] {
    [
      Tensor(reference.input, values), Tensor(reference.weights, kernel),
      bias.map { Tensor([$0.count], $0) },
    ]
  }

  var description: String { "\(reference), bias \(bias != nil)" }
}

@Test(arguments: [false, true]) func convolutionMatchesItsDefinition(depthwise: Bool) throws {
  let seed: UInt64 = 20_261_121
  var generator = SeededGenerator(seed: seed)
  for round in 0..<40 {
    let random = RandomConvolution(using: &generator, depthwise: depthwise)
    let harness = OperatorHarness(
      name: "Conv", attributes: random.attributes,
      constantInputs: round % 2 == 0 ? [1, 2] : [])
    let result = try harness.run(random.inputs)[0]
    let expected = random.reference.result(random.values, random.kernel, bias: random.bias)
    #expect(
      result.shape == [random.reference.input[0], random.reference.weights[0]]
        + random.reference.outputExtents)
    let actual = result.array(Float.self)
    let worst = zip(actual, expected).map { abs($0 - $1) }.max() ?? 0
    #expect(worst < 1e-4, "seed \(seed), round \(round): \(random)")
  }
}

/// What followers do, applied to a finished result in the separate nodes' way.
private func separately(
  _ followers: [Follower], _ plain: Tensor, _ operands: [Int: [Float]]
) -> [Float] {
  var values = plain.array(Float.self)
  let channels = plain.shape[1]
  let positions = plain.shape[2...].reduce(1, *)
  for follower in followers {
    for index in values.indices {
      let channel = index / positions % channels
      switch follower {
      case .relu: values[index] = max(values[index], 0)
      case .clip(let low, let high): values[index] = min(max(values[index], low), high)
      case .add(let input): values[index] += operands[input]?[index] ?? 0
      case .scale(let input): values[index] *= operands[input]?[channel] ?? 1
      case .shift(let input): values[index] += operands[input]?[channel] ?? 0
      }
    }
  }
  return values
}

@Test func followersGiveTheBytesOfSeparateSteps() throws {
  let seed: UInt64 = 77
  var generator = SeededGenerator(seed: seed)
  for round in 0..<150 {
    let random = RandomConvolution(using: &generator, depthwise: round % 3 == 0)
    let plain = try OperatorHarness(
      name: "Conv", attributes: random.attributes, constantInputs: [1, 2]
    ).run(random.inputs)[0]
    let channels = plain.shape[1]
    let operands: [Int: [Float]] = [
      3: generator.floats(channels), 4: generator.floats(channels),
      5: generator.floats(plain.count),
    ]
    let choices: [[Follower]] = [
      [.relu], [.clip(low: 0, high: 6)], [.add(input: 5)], [.shift(input: 3)],
      [.scale(input: 3), .shift(input: 4), .clip(low: 0, high: 6)],
      [.shift(input: 3), .add(input: 5), .relu],
      [.scale(input: 3), .shift(input: 4), .add(input: 5)],
    ]
    let followers = choices[round % choices.count]
    let harness = OperatorHarness(
      name: "Conv", attributes: random.attributes, constantInputs: [1, 2, 3, 4],
      followers: followers)
    let inputs =
      random.inputs + [
        Tensor([channels], operands[3] ?? []), Tensor([channels], operands[4] ?? []),
        Tensor(plain.shape, operands[5] ?? []),
      ]
    let fused = try harness.run(inputs)[0].array(Float.self)
    let expected = separately(followers, plain, operands)
    let differing = zip(fused, expected).filter { $0.bitPattern != $1.bitPattern && $0 != $1 }.count
    let worst = zip(fused, expected).map { abs($0 - $1) }.max() ?? 0
    #expect(
      differing == 0,
      "worst \(worst) of \(fused.count), seed \(seed), round \(round), \(followers): \(random)")
  }
}

@Test func aFollowingSumOfAnotherShapeIsLeftToTheSeparateNodes() throws {
  var generator = SeededGenerator(seed: 3)
  let inputs: [Tensor?] = [
    Tensor([1, 2, 4, 4], generator.floats(32)), Tensor([3, 2, 1, 1], generator.floats(6)), nil,
    Tensor([1, 3, 1, 1], generator.floats(3)),
  ]
  let harness = OperatorHarness(
    name: "Conv", constantInputs: [1], followers: [.add(input: 3)])
  #expect(throws: FollowerMismatch.self) { try harness.run(inputs) }
}

@Test func windowsThatDoNotFitAreRefused() {
  let cases: [(input: [Int], weights: [Int], attributes: [Attribute])] = [
    ([1, 2, 2, 2], [3, 2, 5, 5], []),
    ([1, 2, 4, 4], [3, 3, 1, 1], []),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("group", .int(0))]),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("group", .int(-2))]),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("strides", .ints([0, 1]))]),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("strides", .ints([1]))]),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("pads", .ints([1, 1, 1]))]),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("pads", .ints([.max, 1, 1, 1]))]),
    ([1, 2, 4, 4], [3, 2, 1, 1], [Attribute("auto_pad", .string(Array("SAME".utf8)))]),
    ([1, 2], [3, 2], []),
  ]
  for (input, weights, attributes) in cases {
    let harness = OperatorHarness(name: "Conv", attributes: attributes)
    #expect(throws: KernelProblem.self, "\(input) \(weights) \(attributes)") {
      try harness.run([
        Tensor(input, [Float](repeating: 1, count: input.reduce(1, *))),
        Tensor(weights, [Float](repeating: 1, count: weights.reduce(1, *))),
      ])
    }
  }
}

@Test func anEmptyBatchGivesAnEmptyResult() throws {
  let harness = OperatorHarness(name: "Conv")
  let result = try harness.run([
    Tensor([0, 2, 4, 4], [Float]()), Tensor([3, 2, 1, 1], [Float](repeating: 1, count: 6)),
  ])
  #expect(result[0].shape == [0, 3, 4, 4])
}

@Test(arguments: [1, 2]) func pieceByPieceIsTheSameForAnyNumberOfWorkers(stride: Int) throws {
  var generator = SeededGenerator(seed: 5)
  let reference = ConvolutionReference(
    input: [1, 16, 48 * stride, 50 * stride], weights: [32, 16, 3, 3], group: 1,
    strides: [stride, stride], dilations: [2, 1], begin: [3, 1], end: [0, 2])
  let values = generator.floats(reference.input.reduce(1, *))
  let kernel = generator.floats(reference.weights.reduce(1, *))
  let whole = ConvolutionPiece(
    input: reference.input, output: [1, 32] + reference.outputExtents,
    window: Window(
      kernel: [3, 3], strides: [stride, stride], dilations: [2, 1], begin: [3, 1], end: [0, 2]))
  #expect(ConvolutionPiece.split(whole, weights: kernel.count * 4).count > 1)
  var harness = OperatorHarness(
    name: "Conv",
    attributes: [
      Attribute("strides", .ints([Int64(stride), Int64(stride)])),
      Attribute("dilations", .ints([2, 1])), Attribute("pads", .ints([3, 1, 0, 2])),
    ], constantInputs: [1])
  // Four times the outputs, so that there are several pieces.
  let many = kernel + kernel + kernel + kernel
  let inputs = [Tensor(reference.input, values), Tensor([128, 16, 3, 3], many)]
  let single = try harness.run(inputs)[0].array(Float.self)
  harness.threads = 3
  #expect(try harness.run(inputs)[0].array(Float.self) == single)
  let expected = reference.result(values, kernel, bias: nil)
  let worst = zip(single, expected).map { abs($0 - $1) }.max() ?? .infinity
  #expect(worst < 1e-4)
}

/// Long rows are cut into runs that share a kernel, with the padding at the ends alone.
@Test(arguments: [([1, 3, 5003], 1), ([2, 3, 1, 2603], 2)])
func runsOfALongRowAreThoseOfTheWhole(input: [Int], stride: Int) throws {
  var generator = SeededGenerator(seed: 6)
  let spatial = input.count - 2
  let ones = [Int](repeating: 1, count: spatial - 1)
  let none = [Int](repeating: 0, count: spatial - 1)
  let reference = ConvolutionReference(
    input: input, weights: [4, 3] + ones + [7], group: 1, strides: ones + [stride],
    dilations: ones + [2], begin: none + [5], end: none + [8])
  let values = generator.floats(input.reduce(1, *))
  let kernel = generator.floats(4 * 3 * 7)
  let whole = ConvolutionPiece(
    input: input, output: [input[0], 4] + reference.outputExtents,
    window: Window(
      kernel: ones + [7], strides: reference.strides, dilations: reference.dilations,
      begin: reference.begin, end: reference.end))
  let pieces = ConvolutionPiece.split(whole, weights: kernel.count)
  #expect(pieces.count > 2)
  #expect(pieces.allSatisfy { $0.output.last! <= 1024 })
  var harness = OperatorHarness(
    name: "Conv",
    attributes: [
      Attribute("strides", .ints(reference.strides.map(Int64.init))),
      Attribute("dilations", .ints(reference.dilations.map(Int64.init))),
      Attribute("pads", .ints((reference.begin + reference.end).map(Int64.init))),
    ], constantInputs: [1])
  let inputs = [Tensor(input, values), Tensor([4, 3] + ones + [7], kernel)]
  let single = try harness.run(inputs)[0].array(Float.self)
  harness.threads = 3
  #expect(try harness.run(inputs)[0].array(Float.self) == single)
  let expected = reference.result(values, kernel, bias: nil)
  #expect(single.count == expected.count)
  #expect(zip(single, expected).allSatisfy { abs($0 - $1) < 1e-4 })
}

/// A run that lies in the padding alone has nothing to convolve.
@Test(arguments: [[1, 2, 2000], [1, 2, 1], [2, 2, 1, 1500], [1, 2, 70, 70]])
func paddingLongerThanARunIsComputed(input: [Int]) throws {
  var generator = SeededGenerator(seed: 7)
  let spatial = input.count - 2
  let isSquare = input[2] > 1 && spatial == 2
  let ones = [Int](repeating: 1, count: spatial - 1)
  let none = [Int](repeating: 0, count: spatial - 1)
  let channels = isSquare ? 80 : 3
  let reference = ConvolutionReference(
    input: input, weights: [channels, 2] + ones + [5], group: 1, strides: ones + [1],
    dilations: ones + [1], begin: isSquare ? [600, 0] : none + [3000],
    end: isSquare ? [100, 0] : none + [2500])
  let values = generator.floats(input.reduce(1, *))
  let kernel = generator.floats(channels * 2 * 5)
  let harness = OperatorHarness(
    name: "Conv",
    attributes: [
      Attribute("pads", .ints((reference.begin + reference.end).map(Int64.init)))
    ], constantInputs: [1])
  let result = try harness.run([
    Tensor(input, values), Tensor([channels, 2] + ones + [5], kernel),
  ])[0].array(Float.self)
  let expected = reference.result(values, kernel, bias: nil)
  #expect(result.count == expected.count)
  #expect(zip(result, expected).allSatisfy { abs($0 - $1) < 1e-4 })
}

@Test func aVolumeIsCutAlongItsDepth() throws {
  var generator = SeededGenerator(seed: 8)
  let reference = ConvolutionReference(
    input: [1, 8, 24, 16, 16], weights: [8, 8, 3, 3, 3], group: 1, strides: [1, 1, 1],
    dilations: [1, 1, 1], begin: [1, 1, 0], end: [1, 0, 1])
  let values = generator.floats(reference.input.reduce(1, *))
  let kernel = generator.floats(reference.weights.reduce(1, *))
  // Many times the outputs, so that there are several pieces.
  let outputs = 64
  let whole = ConvolutionPiece(
    input: reference.input, output: [1, outputs] + reference.outputExtents,
    window: Window(
      kernel: [3, 3, 3], strides: [1, 1, 1], dilations: [1, 1, 1], begin: [1, 1, 0], end: [1, 0, 1])
  )
  #expect(ConvolutionPiece.split(whole, weights: outputs * 8 * 27).count > 1)
  var harness = OperatorHarness(
    name: "Conv", attributes: [Attribute("pads", .ints([1, 1, 0, 1, 0, 1]))], constantInputs: [1])
  let many = [[Float]](repeating: kernel, count: outputs / 8).flatMap { $0 }
  let inputs = [Tensor(reference.input, values), Tensor([outputs, 8, 3, 3, 3], many)]
  let single = try harness.run(inputs)[0].array(Float.self)
  harness.threads = 3
  #expect(try harness.run(inputs)[0].array(Float.self) == single)
  let expected = reference.result(values, kernel, bias: nil)
  #expect(single.count == expected.count * outputs / 8)
  #expect(zip(single, expected).allSatisfy { abs($0 - $1) < 1e-4 })
}
