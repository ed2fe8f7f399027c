import ModelFormats
import ModelGraph
import Support

extension GraphReading {
  /// States the graph's results: in the file's order of axes, of its types and names.
  ///
  /// - Throws: a tensor that nothing made, or a result that is stated twice.
  /// - Complexity: O(results).
  func finish() throws(Failure) {
    var stated: Set<Int> = []
    var results: Set<ObjectIdentifier> = []
    for tensor in main.outputs {
      guard stated.insert(tensor).inserted else {
        throw malformed("its output '\(source.tensors[tensor].name)' is stated twice")
      }
      if let input = inputs[tensor] {
        results.insert(ObjectIdentifier(input))
        graph.outputs.append(input)
        continue
      }
      let value = try result(tensor, besides: results)
      results.insert(ObjectIdentifier(value))
      let known = facts(of: value)
      value.type = .tensor(
        known.elementType ?? .float32,
        shape: known.shape.map { $0.map { $0.map { Dimension.fixed($0) } ?? .unknown } })
      graph.outputs.append(value)
    }
  }

  /// The value of a result: one that a node makes, and no other result's.
  private func result(
    _ tensor: Int, besides others: Set<ObjectIdentifier>
  ) throws(Failure) -> Value {
    let name = name(of: tensor)
    let held = try heldValue(tensor).value
    let ordered = try plain(tensor)
    var value = ordered
    let type = source.tensors[tensor].elementType
    if ConstantReading.type(type) != nil, facts(of: value).elementType != type {
      value = cast(value, to: type, name: unique(name + "_cast"))
    }
    if value.producer == nil || others.contains(ObjectIdentifier(value)) {
      let copy = unique(name + "_result")
      value = add("Identity", [value], name: copy, output: copy)
    }
    for step in [held, ordered] where step !== value && step.name == name {
      step.name = unique(name + "_held")
    }
    value.name = name
    return value
  }
}
