import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct ProductRowsTests {
  private func numbers(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float(($0 &* 7919 &+ seed &* 104_729) % 1009) / 500 - 1 }
  }

  /// Rows times weights are the convolution, as its definition says.
  @Test(arguments: 0..<24) func rowsTimesWeightsAreTheConvolution(seed: Int) throws {
    let group = [1, 1, 2, 6][seed % 4]
    let strides = [seed % 2 + 1, seed / 2 % 2 + 1]
    let dilations = [seed / 3 % 2 + 1, 1]
    let pads = [seed % 3, seed / 2 % 3, 1, seed % 2]
    let input = [2, 6, 9, 8 + seed % 3]
    let weights = [12, 6 / group, 3, 1 + seed % 3]
    let node = Node(
      operatorType: "Conv", inputs: [Value(name: "x"), Value(name: "w")],
      outputs: [Value(name: "y")],
      attributes: [
        Attribute("group", .int(Int64(group))),
        Attribute("strides", .ints(strides.map { Int64($0) })),
        Attribute("dilations", .ints(dilations.map { Int64($0) })),
        Attribute("pads", .ints(pads.map { Int64($0) })),
      ])
    let rows = try #require(ProductRows(node, weights: weights))
    let elements = numbers(input.reduce(1, *), seed)
    let kernel = numbers(weights.reduce(1, *), seed + 50)
    let reference = ConvolutionReference(
      input: input, weights: weights, group: group, strides: strides, dilations: dilations,
      begin: Array(pads[..<2]), end: Array(pads[2...]))
    let expected = reference.result(elements, kernel, bias: nil)
    let positions = reference.outputExtents.reduce(1, *)
    var plain = Tensor(input, elements)
    if seed % 2 == 1 {
      plain = try plain.converted(
        to: .channelsLast, RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1)))
    }
    let perChannel = weights[1...].reduce(1, *)
    var checked = 0
    rows.sample(plain, limit: Int.max, seed: 0) { block in
      #expect(block.count == input[0] * positions)
      for row in 0..<block.count {
        for channel in 0..<weights[0] {
          let channelGroup = channel / (weights[0] / group)
          guard rows.isDepthwise || channelGroup == block.group else { continue }
          var sum = 0.0
          for column in 0..<rows.columns {
            let place =
              rows.isDepthwise
              ? (row * rows.columns + column) * group + channelGroup : row * rows.columns + column
            sum +=
              Double(block.elements[place])
              * Double(kernel[channel * perChannel + rows.weight(ofColumn: column)])
          }
          let (sample, position) = row.quotientAndRemainder(dividingBy: positions)
          let target = expected[(sample * weights[0] + channel) * positions + position]
          #expect(abs(sum - Double(target)) < 1e-4, "seed \(seed)")
          checked += 1
        }
      }
    }
    #expect(checked == expected.count)
  }

  @Test func rowsOfMatrixProductsAreTheInputs() throws {
    let node = Node(
      operatorType: "MatMul", inputs: [Value(name: "x"), Value(name: "w")],
      outputs: [Value(name: "y")])
    let rows = try #require(ProductRows(node, weights: [3, 5]))
    let elements = numbers(2 * 4 * 3, 1)
    var seen: [Float] = []
    rows.sample(Tensor([2, 4, 3], elements), limit: 100, seed: 0) { seen += Array($0.elements) }
    #expect(seen == elements)
    #expect((0..<3).map(rows.weight(ofColumn:)) == [0, 1, 2])
    rows.sample(Tensor([2, 4], numbers(8, 1)), limit: 100, seed: 0) { _ in
      Issue.record("an input of another width has no rows")
    }
  }

  @Test(arguments: [(10, 3), (7, 7), (1, 5), (1000, 33)])
  func chosenRowsAreDifferentAndSpread(count: Int, limit: Int) {
    for seed in 0..<5 {
      let chosen = ProductRows.chosen(count, limit: limit, seed: seed)
      #expect(chosen.count == min(count, limit))
      #expect(zip(chosen, chosen.dropFirst()).allSatisfy { $0 < $1 })
      #expect(chosen.allSatisfy { (0..<count).contains($0) })
    }
  }
}
