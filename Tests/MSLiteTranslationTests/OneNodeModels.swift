import Inference
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support
import Testing

/// What tests of single operators of the format's share.
protocol OneNodeModels {}

extension OneNodeModels {
  /// A model of one node: an input, constants, one result.
  func model(
    _ primitive: MSLitePrimitive, _ shape: [Int], _ constants: [MSLiteTensor] = [],
    of input: ElementType = .float32, makes type: ElementType = .float32
  ) -> MSLiteModel {
    var model = MSLiteModel()
    model.tensors = [MSLiteTensor(name: "x", elementType: input, dimensions: shape)]
    model.tensors += constants + [MSLiteTensor(name: "y", elementType: type)]
    let last = model.tensors.count - 1
    model.nodes = [
      MSLiteNode(name: "n", primitive: primitive, inputs: Array(0..<last), outputs: [last])
    ]
    model.subgraphs = [MSLiteSubgraph(name: "g", inputs: [0], outputs: [last], nodes: [0])]
    return model
  }

  func floats(_ name: String, _ values: [Float], _ shape: [Int]? = nil) -> MSLiteTensor {
    constant(name, .float32, values, shape ?? [values.count])
  }

  func integers(_ name: String, _ values: [Int32]) -> MSLiteTensor {
    constant(name, .int32, values, [values.count])
  }

  func constant<Element>(
    _ name: String, _ type: ElementType, _ values: [Element], _ shape: [Int]
  ) -> MSLiteTensor {
    MSLiteTensor(
      name: name, elementType: type, dimensions: shape,
      content: .bytes(Bytes(values.withUnsafeBytes(Array.init))))
  }

  /// Runs what is read of a model.
  func run(_ model: MSLiteModel, _ values: [Float]) throws -> TensorData {
    try run(model, TensorData(float32: values, dimensions: model.tensors[0].dimensions))
  }

  func run(_ model: MSLiteModel, _ feed: TensorData) throws -> TensorData {
    let session = try InferenceSession(model: MSLiteGraphReader.read(model, name: "tiny.ms"))
    return try #require(session.run(["x": feed]).first?.data)
  }
}
