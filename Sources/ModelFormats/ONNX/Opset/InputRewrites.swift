import ModelGraph
import Support

/// Settings that became inputs.
enum InputRewrites {
  /// `axes` of Squeeze, Unsqueeze and the reductions. No axis and no list mean the same.
  static func axes(_ place: NodeRewrite) throws(Failure) {
    guard let axes = try place.ints("axes") else { return }
    place.node.setAttribute("axes", nil)
    guard !axes.isEmpty || place.node.operatorType == "Unsqueeze" else { return }
    place.setInput(1, place.constant(TensorData(int64: axes), role: "axes"))
  }

  /// `starts`, `ends` and `axes` of Slice.
  static func slice(_ place: NodeRewrite) throws(Failure) {
    let starts = try place.required("starts", place.ints("starts"))
    let ends = try place.required("ends", place.ints("ends"))
    let axes = try place.ints("axes")
    place.setInput(1, place.constant(TensorData(int64: starts), role: "starts"))
    place.setInput(2, place.constant(TensorData(int64: ends), role: "ends"))
    if let axes { place.setInput(3, place.constant(TensorData(int64: axes), role: "axes")) }
    for name in ["starts", "ends", "axes"] { place.node.setAttribute(name, nil) }
  }

  /// `k` of TopK.
  static func topK(_ place: NodeRewrite) throws(Failure) {
    let count = try place.required("k", place.int("k"))
    place.setInput(1, place.constant(TensorData(int64: [count]), role: "k"))
    place.node.setAttribute("k", nil)
  }

  /// `min` and `max` of Clip.
  static func clip(_ place: NodeRewrite) throws(Failure) {
    let data = try place.requiredInput(0)
    for (index, name) in ["min", "max"].enumerated() {
      guard let bound = try place.float(name) else { continue }
      place.setInput(index + 1, try place.scalar(bound, like: data, role: name))
      place.node.setAttribute(name, nil)
    }
  }

  /// `pads` and `value` of Pad. The value 0 is left to its default.
  static func pad(_ place: NodeRewrite) throws(Failure) {
    let data = try place.requiredInput(0)
    let pads = try place.required("pads", place.ints("pads"))
    place.setInput(1, place.constant(TensorData(int64: pads), role: "pads"))
    place.node.setAttribute("pads", nil)
    if let value = try place.float("value"), value.bitPattern != 0 {
      place.setInput(2, try place.scalar(value, like: data, role: "value"))
    }
    place.node.setAttribute("value", nil)
  }

  /// `split` of Split.
  static func split(_ place: NodeRewrite) throws(Failure) {
    guard let lengths = try place.ints("split") else { return }
    place.node.setAttribute("split", nil)
    guard !lengths.isEmpty else { return }
    place.setInput(1, place.constant(TensorData(int64: lengths), role: "split"))
  }

  /// The number of parts of a Split into equal ones, which the outputs told before.
  static func splitCount(_ place: NodeRewrite) throws(Failure) {
    guard place.input(1) == nil else { return }
    place.node.setAttribute("num_outputs", .int(Int64(place.node.outputs.count)))
  }

  /// `axis` of DFT, whose default was the second axis and became the last but one.
  static func dft(_ place: NodeRewrite) throws(Failure) {
    let axis = try place.int("axis") ?? 1
    let data = TensorData(int64: [axis], isScalar: true)
    place.setInput(2, place.constant(data, role: "axis"))
    place.node.setAttribute("axis", nil)
  }
}
