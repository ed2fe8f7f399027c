import ModelGraph
import Support

/// Softmax, LogSoftmax and Hardmax: over all axes from `axis` on before, over `axis` alone since.
enum SoftmaxRewrites {
  /// Where `axis` is the last one both are the same; elsewhere the input is made a matrix first.
  static func oneAxis(_ place: NodeRewrite) throws(Failure) {
    let axis = try place.int("axis") ?? 1
    let data = try place.requiredInput(0)
    let output = try place.requiredOutput()
    place.node.setAttribute("axis", .int(-1))
    let rank = ElementTypeFinder.rank(of: data) ?? ElementTypeFinder.rank(of: output)
    if axis == -1 || rank.map({ axis == Int64($0) - 1 }) == true { return }
    let shape = place.insert("Shape", [data], role: "shape")
    let matrix = place.insert("Flatten", [data], [Attribute("axis", .int(axis))], role: "matrix")
    place.setInput(0, matrix)
    let result = place.divertOutput(role: "result")
    let keepsZeros = place.target >= 14 ? [Attribute("allowzero", .int(1))] : []
    place.append("Reshape", [result, shape], keepsZeros, output: output)
  }
}
