import ModelGraph
import Support

/// Operators that early versions had on trial and that version 10 no longer has.
enum ExperimentalRewrites {
  /// Nothing in the newer versions is known to mean the same.
  static func refuse(_ place: NodeRewrite) throws(Failure) {
    throw place.refusal("the operator was experimental and is gone since operator set 10")
  }

  /// A factor for all elements, then a bias for each channel.
  static func imageScaler(_ place: NodeRewrite) throws(Failure) {
    let data = try place.requiredInput(0)
    let bias = try place.required("bias", place.floats("bias"))
    let factor = try place.float("scale") ?? 1
    let scale = place.constant(TensorData(float32: [factor], isScalar: true), role: "scale")
    let flat = TensorData(float32: bias)
    let shaped = TensorData(
      elementType: .float32, dimensions: [bias.count, 1, 1], storage: flat.storage)
    place.node.inputs = [
      place.insert("Mul", [data, scale], role: "scaled"), place.constant(shaped, role: "bias"),
    ]
    place.node.operatorType = "Add"
    place.node.attributes.removeAll()
  }
}
