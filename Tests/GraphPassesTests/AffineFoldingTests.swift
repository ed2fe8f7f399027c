import GraphPasses
import ModelGraph
import Testing

@Suite struct AffineFoldingTests {
  private func constant(_ name: String, _ values: [Float], _ dimensions: [Int]? = nil) -> Value {
    let value = Value(name: name)
    value.initializer = TensorData(float32: values, dimensions: dimensions ?? [values.count])
    return value
  }

  /// A 1x1 convolution of two channels into two, followed by what `tail` adds.
  private func graph(_ tail: (Value, (String, [Float], [Int]) -> Value) -> [Node]) -> Graph {
    let graph = Graph(name: "test")
    let input = Value(name: "x")
    let weights = constant("w", [1, 2, 3, 4], [2, 2, 1, 1])
    let bias = constant("b", [10, 20])
    let made = Value(name: "made")
    graph.inputs = [input]
    graph.initializers = [weights, bias]
    let convolution = Node(
      name: "conv", operatorType: "Conv", inputs: [input, weights, bias], outputs: [made])
    let rest = tail(made) { name, values, dimensions in
      let value = self.constant(name, values, dimensions)
      graph.initializers.append(value)
      return value
    }
    graph.nodes = [convolution] + rest
    graph.outputs = [rest.last?.outputs[0] ?? made].compactMap { $0 }
    return graph
  }

  @Test func foldsANormalizationAndConstantsInOrder() throws {
    let graph = graph { made, constant in
      let (a, b, c) = (Value(name: "a"), Value(name: "b1"), Value(name: "c"))
      return [
        Node(
          operatorType: "BatchNormalization",
          inputs: [
            made, constant("scale", [2, 3], [2]), constant("offset", [1, -1], [2]),
            constant("mean", [4, 5], [2]), constant("variance", [3, 8], [2]),
          ], outputs: [a], attributes: [Attribute("epsilon", .float(1))]),
        Node(operatorType: "Mul", inputs: [constant("half", [0.5], []), a], outputs: [b]),
        Node(
          operatorType: "Sub", inputs: [constant("from", [7, 8], [1, 2, 1, 1]), b], outputs: [c]),
      ]
    }
    #expect(AffineFolding.apply(to: graph) == 3)
    let node = try #require(graph.nodes.first)
    #expect(graph.nodes.count == 1)
    #expect(node.outputs[0]?.name == "c")
    // Channel 0: scale 2 / sqrt(3 + 1) = 1, then 0.5, then negated; channel 1: 3 / sqrt(8 + 1) = 1.
    #expect(node.inputs[1]?.constant?.float32Values == [-0.5, -1, -1.5, -2])
    // 7 - 0.5 ((10 - 4) + 1) = 3.5 and 8 - 0.5 ((20 - 5) - 1) = 1.
    #expect(node.inputs[2]?.constant?.float32Values == [3.5, 1])
    #expect(graph.initializers.count == 2)
    // The normalization leaves means 1 and -1 and deviations 2 and 3; what follows moves these too.
    #expect(
      node.outputs[0]?.channelMoments == ChannelMoments(means: [6.5, 8.5], variances: [1, 2.25]))
  }

  @Test func leavesWhatOthersReadOrWhatIsNotByChannel() {
    let shared = graph { made, constant in
      let (a, b) = (Value(name: "a"), Value(name: "c"))
      return [
        Node(operatorType: "Mul", inputs: [made, constant("two", [2], [])], outputs: [a]),
        Node(operatorType: "Add", inputs: [made, a], outputs: [b]),
      ]
    }
    #expect(AffineFolding.apply(to: shared) == 0)
    let alongWidth = graph { made, constant in
      [
        Node(
          operatorType: "Mul", inputs: [made, constant("row", [2, 3], [2])],
          outputs: [Value(name: "c")])
      ]
    }
    #expect(AffineFolding.apply(to: alongWidth) == 0)
    #expect(alongWidth.nodes.count == 2)
  }

  @Test func leavesOverridableAndEndlessConstants() {
    let endless = graph { made, constant in
      [
        Node(
          operatorType: "Div", inputs: [made, constant("zero", [0], [])],
          outputs: [Value(name: "c")])
      ]
    }
    #expect(AffineFolding.apply(to: endless) == 0)
    let overridable = graph { made, constant in
      let factor = constant("factor", [2], [])
      factor.isOverridable = true
      return [Node(operatorType: "Mul", inputs: [made, factor], outputs: [Value(name: "c")])]
    }
    #expect(AffineFolding.apply(to: overridable) == 0)
  }
}
