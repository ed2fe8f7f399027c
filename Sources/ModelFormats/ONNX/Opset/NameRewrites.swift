import ModelGraph
import Support

/// Operators and settings that got another name or another default.
enum NameRewrites {
  /// Scatter is called ScatterElements.
  static func scatter(_ place: NodeRewrite) {
    place.node.operatorType = "ScatterElements"
  }

  /// RoiAlign shifts coordinates by half a pixel unless told to go on without.
  static func roiAlign(_ place: NodeRewrite) {
    guard place.node.attribute("coordinate_transformation_mode") == nil else { return }
    place.node.setAttribute("coordinate_transformation_mode", .string(text: "output_half_pixel"))
  }

  /// GridSample's modes are named without the number of axes.
  static func gridSample(_ place: NodeRewrite) throws(Failure) {
    switch try place.text("mode") {
    case "bilinear": place.node.setAttribute("mode", .string(text: "linear"))
    case "bicubic": place.node.setAttribute("mode", .string(text: "cubic"))
    default: break
    }
  }
}

extension Attribute.Value {
  /// A text attribute.
  static func string(text: String) -> Attribute.Value { .string(Array(text.utf8)) }
}
