import ModelGraph
import Support

/// Normalizations whose parameters changed.
enum NormalizationRewrites {
  /// BatchNormalization lost `spatial`. Without it each element had parameters of its own, which
  /// a matrix with as many channels as elements expresses.
  static func batchWithoutSpatial(_ place: NodeRewrite) throws(Failure) {
    let spatial = try place.int("spatial") ?? 1
    place.node.setAttribute("spatial", nil)
    guard spatial != 1 else { return }
    let data = try place.requiredInput(0)
    let output = try place.requiredOutput()
    let shape = place.insert("Shape", [data], role: "shape")
    place.setInput(0, place.insert("Flatten", [data], role: "matrix"))
    let flat = place.constant(TensorData(int64: [-1]), role: "flat")
    for (index, name) in ["scale", "bias", "mean", "variance"].enumerated() {
      let parameter = try place.requiredInput(index + 1)
      place.setInput(index + 1, place.insert("Reshape", [parameter, flat], role: name))
    }
    let result = place.divertOutput(role: "result")
    place.append("Reshape", [result, shape], output: output)
  }

  /// MeanVarianceNormalization, on trial before, named its axes by whether channels are together.
  static func meanVarianceAxes(_ place: NodeRewrite) throws(Failure) {
    guard try place.int("normalize_variance") ?? 1 != 0 else {
      throw place.refusal("it keeps the variance (normalize_variance is 0)")
    }
    let isAcrossChannels = try place.int("across_channels") ?? 0 != 0
    place.node.attributes.removeAll()
    place.node.setAttribute("axes", .ints(isAcrossChannels ? [0, 1, 2, 3] : [0, 2, 3]))
  }

  /// BatchNormalization trains when told so; before, more than one output told it.
  static func batchOutputs(_ place: NodeRewrite) throws(Failure) {
    guard !place.node.outputs.dropFirst().contains(where: { $0 != nil }) else {
      throw place.refusal(
        "it is in training mode: it has outputs for statistics",
        help: "export the model for inference")
    }
    place.node.outputs = Array(place.node.outputs.prefix(1))
  }

  /// GroupNormalization's scale and bias, one for each group before, became one for each channel.
  /// It computed in the data's own type, which is a setting since.
  static func groupPerChannel(_ place: NodeRewrite) throws(Failure) {
    let data = try place.requiredInput(0)
    let groups = try place.required("num_groups", place.int("num_groups"))
    guard let type = ElementTypeFinder.elementType(of: data) else {
      throw place.unknownType(of: data)
    }
    if type != .float32 { place.node.setAttribute("stash_type", .int(Int64(type.onnxCode))) }
    let ends = [Attribute("start", .int(1)), Attribute("end", .int(2))]
    let channels = place.insert("Shape", [data], ends, role: "channels")
    let groupCount = place.constant(TensorData(int64: [groups]), role: "groups")
    let groupSize = place.insert("Div", [channels, groupCount], role: "group_size")
    let shape = place.insert(
      "Concat", [groupCount, groupSize], [Attribute("axis", .int(0))], role: "group_shape")
    let inner = place.constant(TensorData(int64: [1]), role: "inner")
    let flat = place.constant(TensorData(int64: [-1]), role: "flat")
    for (index, name) in ["scale", "bias"].enumerated() {
      let column = place.insert(
        "Unsqueeze", [try place.requiredInput(index + 1), inner], role: name + "_column")
      let rows = place.insert("Expand", [column, shape], role: name + "_rows")
      place.setInput(index + 1, place.insert("Reshape", [rows, flat], role: name))
    }
  }
}
