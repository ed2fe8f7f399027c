import ModelGraph
import Support

/// Convolutions and LSTMs.
extension DynamicQuantizeInsertion {
  /// ConvInteger of the activation's integers, with scales and bias behind it.
  ///
  /// - Returns: the weights.
  mutating func replace(convolution node: Node) -> [Value] {
    guard node.inputs.count > 1, let input = node.inputs[0], let weights = node.inputs[1],
      let output = node.outputs[0], let quantized = weights.quantized
    else {
      draft.append(node)
      return []
    }
    let name = node.displayName
    let spatialAxes = (1..<max(2, quantized.source.dimensions.count - 1)).map { Int64($0) }
    let activation = tensorIntegers(of: input)
    let parts = draft.integerParts(of: weights)
    let sums = draft.append(
      "ConvInteger", name, [activation.values, parts.integers, activation.zeroPoint],
      node.attributes)
    let floats = draft.append("Cast", name, [sums], [Attribute("to", .int(1))])
    let scales = draft.append("Mul", name + "_scale", [activation.scale, parts.scales])
    let shaped = expanded(scales, at: spatialAxes, name + "_scale")
    guard node.inputs.count > 2, let bias = node.inputs[2] else {
      draft.append("Mul", name, [floats, shaped], into: output)
      return [weights]
    }
    let product = draft.append("Mul", name, [floats, shaped])
    draft.append(
      "Add", name, [product, expanded(bias, at: spatialAxes, name + "_bias")], into: output)
    return [weights]
  }

  private mutating func expanded(_ value: Value, at axes: [Int64], _ name: String) -> Value {
    let places = draft.constant(
      "dynamic_quantization_axes_" + axes.map(String.init).joined(separator: "_"),
      TensorData(int64: axes))
    return draft.append("Unsqueeze", name, [value, places])
  }

  /// DynamicQuantizeLSTM, whose weights lie `[directions, inputs, gates]`.
  ///
  /// - Returns: the weights.
  mutating func replace(recurrence node: Node) -> [Value] {
    guard node.inputs.count > 2, let weights = node.inputs[1], let recurrence = node.inputs[2],
      let directions = weights.quantized?.source.dimensions.first,
      let gates = weights.quantized?.source.dimensions[1]
    else {
      draft.append(node)
      return []
    }
    var inputs = node.inputs + [Value?](repeating: nil, count: max(0, 8 - node.inputs.count))
    let zeros = draft.constant(
      "dynamic_quantization_zeros_\(directions)_\(gates)",
      TensorData(
        elementType: .int8, dimensions: [directions, gates],
        storage: .packed(Bytes([UInt8](repeating: 0, count: directions * gates)))))
    for (place, value) in [(1, weights), (2, recurrence)] {
      let parts = draft.integerParts(of: value)
      inputs[place] = draft.append(
        "Transpose", value.name, [parts.integers], [Attribute("perm", .ints([0, 2, 1]))])
      let row = expanded(parts.scales, at: [0], value.name + "_scale")
      let scales =
        directions == 1
        ? row
        : draft.append(
          "Concat", value.name + "_scale", [Value](repeating: row, count: directions),
          [Attribute("axis", .int(0))])
      inputs += [scales, zeros]
    }
    draft.append(
      Node(
        name: node.displayName, operatorType: "DynamicQuantizeLSTM",
        domain: RuntimeOperatorInsertion.domain, inputs: inputs, outputs: node.outputs,
        attributes: node.attributes.filter { $0.name != "layout" }))
    return [weights, recurrence]
  }
}
