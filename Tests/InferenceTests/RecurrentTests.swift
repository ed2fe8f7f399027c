import CKernels
import Glibc
import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct RecurrentTests {
  @Test(arguments: RecurrentReference.Kind.allCases, 0..<12)
  func layersFollowTheirFormulas(_ kind: RecurrentReference.Kind, _ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed) * 17 + 3)
    let (steps, batch) = (Int.random(in: 0...6, using: &generator), [1, 2, 7][seed % 3])
    let (inputSize, size) = ([1, 5, 20][seed % 3], [3, 16, 33, 1][seed % 4])
    let rows = kind.gates * size
    var reference = RecurrentReference(
      kind: kind, steps: steps, batch: batch, inputSize: inputSize, size: size,
      isReversed: seed % 2 == 1, input: generator.floats(steps * batch * inputSize),
      weights: generator.floats(rows * inputSize, in: -0.5...0.5),
      recurrence: generator.floats(rows * size, in: -0.5...0.5),
      bias: generator.floats(2 * rows), peepholes: [], hidden: generator.floats(batch * size),
      cell: generator.floats(batch * size))
    if seed % 4 > 1 {
      reference.lengths = (0..<batch).map { _ in Int.random(in: 0...steps, using: &generator) }
    }
    reference.resetsLast = seed % 3 == 1
    reference.couplesForget = seed % 5 == 1
    if kind == .lstm, seed % 3 == 2 { reference.peepholes = generator.floats(3 * size) }
    let results = try run(reference, isConstant: seed % 2 == 0)
    let expected = reference.run()
    #expect(isClose(results[0].array(Float.self), expected.all), "seed \(seed)")
    #expect(isClose(results[1].array(Float.self), expected.hidden), "seed \(seed)")
    if kind == .lstm { #expect(isClose(results[2].array(Float.self), expected.cell)) }
  }

  private func run(_ layer: RecurrentReference, isConstant: Bool) throws -> [Tensor] {
    let rows = layer.kind.gates * layer.size
    let state = [1, layer.batch, layer.size]
    var inputs: [Tensor?] = [
      Tensor([layer.steps, layer.batch, layer.inputSize], layer.input),
      Tensor([1, rows, layer.inputSize], layer.weights),
      Tensor([1, rows, layer.size], layer.recurrence), Tensor([1, 2 * rows], layer.bias),
      layer.lengths.map { Tensor([layer.batch], $0.map { Int32($0) }) },
      Tensor(state, layer.hidden),
    ]
    var attributes = [
      Attribute("hidden_size", .int(Int64(layer.size))),
      Attribute("direction", .string(Array((layer.isReversed ? "reverse" : "forward").utf8))),
    ]
    if layer.kind == .gru, layer.resetsLast {
      attributes.append(Attribute("linear_before_reset", .int(1)))
    }
    if layer.kind == .lstm {
      inputs.append(Tensor(state, layer.cell))
      if !layer.peepholes.isEmpty { inputs.append(Tensor([1, 3 * layer.size], layer.peepholes)) }
      if layer.couplesForget { attributes.append(Attribute("input_forget", .int(1))) }
    }
    return try OperatorHarness(
      name: layer.kind.rawValue, attributes: attributes,
      outputCount: layer.kind == .lstm ? 3 : 2, constantInputs: isConstant ? [1, 2, 3] : []
    ).run(inputs)
  }

  private func isClose(_ values: [Float], _ expected: [Double]) -> Bool {
    values.count == expected.count
      && zip(values, expected).allSatisfy { abs(Double($0) - $1) < 2e-5 }
  }

  @Test func aLayerTakesBothDirectionsAndBatchesFirst() throws {
    var generator = SeededGenerator(seed: 4)
    let (steps, batch, inputSize, size) = (4, 3, 5, 6)
    let input = generator.floats(steps * batch * inputSize)
    let weights = Tensor([2, 4 * size, inputSize], generator.floats(8 * size * inputSize))
    let recurrence = Tensor([2, 4 * size, size], generator.floats(8 * size * size))
    let direction = Attribute("direction", .string(Array("bidirectional".utf8)))
    let timeFirst = try OperatorHarness(name: "LSTM", attributes: [direction], outputCount: 3).run(
      [Tensor([steps, batch, inputSize], input), weights, recurrence])
    var swapped = input
    for t in 0..<steps {
      for b in 0..<batch {
        for i in 0..<inputSize {
          swapped[(b * steps + t) * inputSize + i] = input[(t * batch + b) * inputSize + i]
        }
      }
    }
    let batchFirst = try OperatorHarness(
      name: "LSTM", attributes: [direction, Attribute("layout", .int(1))], outputCount: 3
    ).run([Tensor([batch, steps, inputSize], swapped), weights, recurrence])
    #expect(batchFirst[0].shape == [batch, steps, 2, size])
    let (one, other) = (timeFirst[0].array(Float.self), batchFirst[0].array(Float.self))
    for t in 0..<steps {
      for d in 0..<2 {
        for b in 0..<batch {
          for h in 0..<size {
            #expect(
              one[((t * 2 + d) * batch + b) * size + h]
                == other[((b * steps + t) * 2 + d) * size + h])
          }
        }
      }
    }
  }

  @Test func wrongWeightsAreRefused() {
    let input = Tensor([2, 1, 3], [Float](repeating: 0, count: 6))
    for (weights, recurrence) in [
      ([1, 8, 4], [1, 8, 2]), ([1, 8, 3], [1, 8, 3]), ([8, 3], [8, 2]),
    ] {
      #expect(throws: KernelProblem.self) {
        try OperatorHarness(name: "LSTM", outputCount: 3).run([
          input, Tensor(weights, [Float](repeating: 0, count: weights.reduce(1, *))),
          Tensor(recurrence, [Float](repeating: 0, count: recurrence.reduce(1, *))),
        ])
      }
    }
  }

  @Test(arguments: 0..<30)
  func productsAreTheSameHoweverTheyAreBlocked(_ seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let (m, n) = ([0, 1, 2, 5, 7, 13, 99][seed % 7], [1, 15, 16, 17, 64, 70][seed % 6])
    let k = [0, 1, 7, 256, 300, 513][seed % 5]
    let a = generator.floats(m * k)
    let b = generator.floats(k * n)
    let isTransposed = seed % 2 == 1
    let (row, column) = isTransposed ? (1, k) : (n, 1)
    var packed = [Float](repeating: 0, count: gs_packed_count(k, n))
    gs_pack_panels(k, n, b, row, column, &packed)
    var small = [Float](repeating: 1, count: m * n)
    var other = small
    gs_matmul_small(m, n, k, a, k, 1, b, row, column, &small, n, seed % 3 == 0 ? 1 : 0)
    gs_matmul_packed(m, n, k, a, k, 1, packed, &other, n, seed % 3 == 0 ? 1 : 0)
    #expect(small == other, "seed \(seed)")
    for i in 0..<m {
      for j in 0..<n {
        let exact = (0..<k).reduce(seed % 3 == 0 ? 1 : 0.0) {
          $0 + Double(a[i * k + $1]) * Double(b[$1 * row + j * column])
        }
        #expect(abs(Double(small[i * n + j]) - exact) < 2e-4, "seed \(seed)")
      }
    }
  }

  @Test(arguments: 0..<12)
  func integerProductsAreExact(_ seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let (m, n, k) = ([1, 3, 20][seed % 3], [1, 16, 37][seed % 3], [1, 255, 700, 2000][seed % 4])
    let a = (0..<m * k).map { _ in Int.random(in: 200...255, using: &generator) }
    let b = (0..<k * n).map { _ in Int.random(in: -255...255, using: &generator) }
    var sums = [Int32](repeating: 7, count: m * n)
    gs_matmul_exact(m, n, k, a.map { Float($0) }, k, 1, b.map { Float($0) }, n, 1, &sums, n)
    for i in 0..<m {
      for j in 0..<n {
        let exact = (0..<k).reduce(0) { $0 + a[i * k + $1] * b[$1 * n + j] }
        #expect(Int(sums[i * n + j]) == exact, "seed \(seed)")
      }
    }
  }
}
