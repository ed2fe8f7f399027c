/// The kinds of attributes that the graph understands, with ONNX's numbers.
enum AttributeKind: Int32 {
  case float = 1
  case int, string, tensor, graph, floats, ints, strings, tensors, graphs

  /// The kind an attribute says, or, in files from before it was said, the field that is filled.
  init?(of proto: ONNXAttribute) {
    if proto.type != 0 {
      self.init(rawValue: proto.type)
      return
    }
    let filled: [(Bool, AttributeKind)] = [
      (proto.hasF, .float), (proto.hasI, .int), (proto.hasS, .string), (proto.hasT, .tensor),
      (proto.hasG, .graph), (!proto.floats.isEmpty, .floats), (!proto.ints.isEmpty, .ints),
      (!proto.strings.isEmpty, .strings), (!proto.tensors.isEmpty, .tensors),
      (!proto.graphs.isEmpty, .graphs),
    ]
    guard let kind = filled.first(where: \.0)?.1 else { return nil }
    self = kind
  }
}
