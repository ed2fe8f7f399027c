import ModelGraph
import Support

/// Upsample, which became Resize, whose meaning was then spelled out in settings.
enum ResizeRewrites {
  /// `scales` of Upsample became an input.
  static func upsampleScalesInput(_ place: NodeRewrite) throws(Failure) {
    let scales = try place.required("scales", place.floats("scales"))
    place.setInput(1, place.constant(TensorData(float32: scales), role: "scales"))
    place.node.setAttribute("scales", nil)
  }

  /// Upsample is called Resize.
  static func upsampleToResize(_ place: NodeRewrite) {
    place.node.operatorType = "Resize"
  }

  /// Resize got other ways to find coordinates and nearest elements.
  ///
  /// Nearest elements were those before where a scale is above 1, those behind where it is below.
  /// The new form has one way for all axes: with both kinds of scales, or scales that only
  /// running tells, one node enlarges and the next one shrinks.
  static func resizeWithModes(_ place: NodeRewrite) throws(Failure) {
    let data = try place.requiredInput(0)
    let scales = try place.requiredInput(1)
    let isNearest = try place.text("mode") ?? "nearest" == "nearest"
    let region =
      place.target >= 13 ? nil : place.constant(TensorData(float32: []), role: "region")
    place.node.setAttribute("coordinate_transformation_mode", .string(text: "asymmetric"))
    place.node.inputs = [data, region, scales]
    guard isNearest else { return }
    let factors = scales.constant?.floats
    let enlarges = factors?.contains { $0 > 1 } ?? true
    let shrinks = factors?.contains { $0 < 1 } ?? true
    place.node.setAttribute("nearest_mode", .string(text: shrinks ? "ceil" : "floor"))
    guard enlarges, shrinks else { return }
    let parts = split(scales, factors, place)
    var attributes = place.node.attributes
    attributes.removeAll { $0.name == "nearest_mode" }
    attributes.append(Attribute("nearest_mode", .string(text: "floor")))
    let enlarged = place.insert(
      "Resize", [data, region, parts.enlarging], attributes, role: "enlarged")
    place.node.inputs = [enlarged, region, parts.shrinking]
  }

  /// Resize's region and scales may be left out; empty ones stood for that before.
  static func resizeWithOptionalInputs(_ place: NodeRewrite) {
    for index in 1...2 where place.input(index)?.constant?.elementCount == 0 {
      place.setInput(index, nil)
    }
  }

  private static func split(
    _ scales: Value, _ factors: [Float]?, _ place: NodeRewrite
  ) -> (enlarging: Value, shrinking: Value) {
    if let factors {
      let above = factors.map { $0 > 1 ? $0 : 1 }
      let below = factors.map { $0 < 1 ? $0 : 1 }
      return (
        place.constant(TensorData(float32: above), role: "enlarging"),
        place.constant(TensorData(float32: below), role: "shrinking")
      )
    }
    let one = place.constant(TensorData(float32: [1]), role: "one")
    return (
      place.insert("Max", [scales, one], role: "enlarging"),
      place.insert("Min", [scales, one], role: "shrinking")
    )
  }
}

extension TensorData {
  /// The elements of a tensor of 32-bit floats; nil for other types.
  fileprivate var floats: [Float]? {
    guard elementType == .float32, let packed else { return nil }
    return packed.load(UInt32.self).map { Float(bitPattern: UInt32(littleEndian: $0)) }
  }
}
