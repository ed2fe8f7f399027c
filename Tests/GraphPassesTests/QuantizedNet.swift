import ModelGraph
import Support

/// A model under construction that is quantized already.
final class QuantizedNet {
  let graph = Graph(name: "net")
  var model: Model {
    Model(graph: graph, operatorSets: [.init(domain: "", version: 13)], formatVersion: 8)
  }

  func input(_ name: String) -> Value {
    let value = Value(name: name)
    value.type = .tensor(.float32, shape: [.fixed(1), .fixed(2), .fixed(4), .fixed(4)])
    graph.inputs.append(value)
    return value
  }

  func constant(_ name: String, _ data: TensorData) -> Value {
    let value = Value(name: name)
    value.initializer = data
    graph.initializers.append(value)
    return value
  }

  func floats(_ name: String, _ values: [Float], _ extents: [Int] = []) -> Value {
    constant(name, TensorData(float32: values, dimensions: extents))
  }

  func bytes(_ name: String, _ type: ElementType, _ values: [Int], _ extents: [Int] = []) -> Value {
    constant(
      name,
      TensorData(
        elementType: type, dimensions: extents,
        storage: .packed(Bytes(values.map { UInt8(truncatingIfNeeded: $0) }))))
  }

  @discardableResult
  func node(
    _ type: String, _ inputs: [Value?], _ output: String, _ attributes: [Attribute] = [],
    domain: String = ""
  ) -> Value {
    let value = Value(name: output)
    graph.nodes.append(
      Node(
        name: output + "_node", operatorType: type, domain: domain, inputs: inputs,
        outputs: [value], attributes: attributes))
    return value
  }

  /// A value behind QuantizeLinear and DequantizeLinear.
  func pair(_ value: Value, _ scale: Float, _ zeroPoint: Int, _ type: ElementType = .uint8)
    -> Value
  {
    let grid = [
      floats(value.name + "_scale", [scale]), bytes(value.name + "_zero", type, [zeroPoint]),
    ]
    let integers = node("QuantizeLinear", [value] + grid, value.name + "_q")
    return node("DequantizeLinear", [integers] + grid, value.name + "_dq")
  }

  /// A convolution of one point with int8 weights.
  func convolution(_ input: Value, _ name: String) -> Value {
    let weights = node(
      "DequantizeLinear",
      [
        bytes(name + "_w", .int8, [1, -2, 3, -4], [2, 2, 1, 1]),
        floats(name + "_ws", [0.5, 0.25], [2]), bytes(name + "_wz", .int8, [0, 0], [2]),
      ], name + "_wdq", [Attribute("axis", .int(0))])
    return node("Conv", [input, weights], name)
  }

  var types: [String] { graph.nodes.map(\.operatorType) }
}
