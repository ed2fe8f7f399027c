import Glibc
import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct AttentionTests {
  /// softmax(scale · Q Kᵀ + mask) V, one number at a time; keys after `reach` + query are not seen.
  private struct Reference {
    let batch, heads, keyHeads, queries, keys, size, valueSize: Int
    let query, key, value: [Float]
    var mask: [Float]?
    var reach: Int?
    var softcap: Double = 0

    func run() -> [Double] {
      var result: [Double] = []
      for outer in 0..<batch * heads {
        let source = outer / heads * keyHeads + outer % heads / (heads / keyHeads)
        for row in 0..<queries {
          let scores = (0..<keys).map { key in
            score((outer * queries + row) * size, (source * keys + key) * size, outer, row, key)
          }
          let top = scores.max() ?? 0
          let shares = scores.map { top == -.infinity ? 0 : exp($0 - top) }
          let sum = max(shares.reduce(0, +), .leastNonzeroMagnitude)
          for column in 0..<valueSize {
            result.append(
              (0..<keys).reduce(0) {
                $0 + shares[$1] / sum * Double(value[(source * keys + $1) * valueSize + column])
              })
          }
        }
      }
      return result
    }

    private func score(_ q: Int, _ k: Int, _ outer: Int, _ row: Int, _ column: Int) -> Double {
      if let reach, column > row + reach { return -.infinity }
      let product = (0..<size).reduce(0.0) { $0 + Double(query[q + $1]) * Double(key[k + $1]) }
      var score = product / Double(size).squareRoot()
      if softcap > 0 { score = softcap * tanh(score / softcap) }
      return score + Double(mask?[row * keys + column] ?? 0)
    }
  }

  @Test(arguments: 0..<12)
  func rowsAreMeansOfValues(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let keyHeads = [1, 2, 3][seed % 3]
    let (batch, heads) = ([1, 2][seed % 2], keyHeads * [1, 2][seed / 3 % 2])
    let (queries, keys) = ([1, 5, 70][seed % 3], [1, 7, 33, 70][seed % 4])
    let (size, valueSize) = (8, [8, 5][seed % 2])
    var reference = Reference(
      batch: batch, heads: heads, keyHeads: keyHeads, queries: queries, keys: keys, size: size,
      valueSize: valueSize, query: generator.floats(batch * heads * queries * size),
      key: generator.floats(batch * keyHeads * keys * size),
      value: generator.floats(batch * keyHeads * keys * valueSize))
    var attributes: [Attribute] = []
    if seed % 4 == 1 {
      reference.reach = 0
      attributes.append(Attribute("is_causal", .int(1)))
    }
    if seed % 3 == 2 {
      reference.softcap = 2
      attributes.append(Attribute("softcap", .float(2)))
    }
    if seed % 2 == 1 {
      reference.mask = generator.floats(queries * keys).map { $0 < -1 ? -.infinity : $0 }
    }
    let result = try OperatorHarness(
      name: "Attention", attributes: attributes, version: 23, threads: 1 + seed % 2
    ).run([
      Tensor([batch, heads, queries, size], reference.query),
      Tensor([batch, keyHeads, keys, size], reference.key),
      Tensor([batch, keyHeads, keys, valueSize], reference.value),
      reference.mask.map { Tensor([queries, keys], $0) },
    ])[0]
    #expect(result.shape == [batch, heads, queries, valueSize])
    let expected = reference.run()
    for (value, wanted) in zip(result.array(Float.self), expected) {
      #expect(abs(Double(value) - wanted) < 1e-5, "seed \(seed)")
    }
  }

  @Test func aCacheGoesBeforeTheNewKeys() throws {
    var generator = SeededGenerator(seed: 3)
    let (query, key, value) = (
      generator.floats(2 * 4), generator.floats(2 * 5 * 4), generator.floats(2 * 5 * 4)
    )
    func rows(_ values: [Float], _ range: Range<Int>) -> [Float] {
      (0..<2).flatMap { head in
        values[(head * 5 + range.lowerBound) * 4..<(head * 5 + range.upperBound) * 4]
      }
    }
    let whole = try OperatorHarness(name: "Attention", version: 23).run([
      Tensor([1, 2, 1, 4], query), Tensor([1, 2, 5, 4], key), Tensor([1, 2, 5, 4], value),
    ])
    let cached = try OperatorHarness(name: "Attention", version: 23, outputCount: 3).run([
      Tensor([1, 2, 1, 4], query), Tensor([1, 2, 2, 4], rows(key, 3..<5)),
      Tensor([1, 2, 2, 4], rows(value, 3..<5)), nil, Tensor([1, 2, 3, 4], rows(key, 0..<3)),
      Tensor([1, 2, 3, 4], rows(value, 0..<3)),
    ])
    #expect(cached[0].array(Float.self) == whole[0].array(Float.self))
    #expect(cached[1].array(Float.self) == key)
    #expect(cached[2].array(Float.self) == value)
  }

  @Test(arguments: [false, true])
  func rotationsKeepLengths(_ isInterleaved: Bool) throws {
    var generator = SeededGenerator(seed: 5)
    let values = generator.floats(3 * 6)
    let angles = generator.floats(4 * 2)
    let result = try OperatorHarness(
      name: "RotaryEmbedding",
      attributes: [Attribute("interleaved", .int(isInterleaved ? 1 : 0))], version: 23
    ).run([
      Tensor([1, 1, 3, 6], values), Tensor([4, 2], angles.map { cos($0) }),
      Tensor([4, 2], angles.map { sin($0) }), Tensor([1, 3], [Int64(2), 0, 3]),
    ])[0].array(Float.self)
    for (row, position) in [2, 0, 3].enumerated() {
      for index in 0..<2 {
        let (first, second) = isInterleaved ? (2 * index, 2 * index + 1) : (index, index + 2)
        let (a, b) = (values[row * 6 + first], values[row * 6 + second])
        let angle = angles[position * 2 + index]
        #expect(abs(result[row * 6 + first] - (a * cos(angle) - b * sin(angle))) < 1e-5)
        #expect(abs(result[row * 6 + second] - (a * sin(angle) + b * cos(angle))) < 1e-5)
      }
      #expect(result[row * 6 + 4..<row * 6 + 6] == values[row * 6 + 4..<row * 6 + 6])
    }
  }

  @Test func whatDoesNotFitIsRefused() {
    func zeros(_ shape: [Int]) -> Tensor {
      Tensor(shape, [Float](repeating: 0, count: shape.reduce(1, *)))
    }
    let cases: [[Tensor?]] = [
      [zeros([1, 3, 2, 4]), zeros([1, 2, 2, 4]), zeros([1, 2, 2, 4])],
      [zeros([1, 2, 2, 4]), zeros([1, 2, 2, 5]), zeros([1, 2, 2, 4])],
      [zeros([1, 2, 2, 4]), zeros([1, 2, 2, 4]), zeros([1, 2, 2, 4]), zeros([3, 2])],
      [zeros([1, 2, 8]), zeros([1, 2, 8]), zeros([1, 2, 8])],
      [
        zeros([1, 2, 2, 4]), zeros([1, 2, 2, 4]), zeros([1, 2, 2, 4]), nil, zeros([1, 2, 4]),
        zeros([1, 2, 1, 4]),
      ],
    ]
    for inputs in cases {
      #expect(throws: KernelProblem.self) {
        try OperatorHarness(name: "Attention", version: 23).run(inputs)
      }
    }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "RotaryEmbedding", version: 23).run([
        zeros([1, 1, 1, 4]), zeros([3, 2]), zeros([3, 2]), Tensor([1, 1], [Int64(3)]),
      ])
    }
  }
}
