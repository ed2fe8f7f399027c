import Foundation
import Inference
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support
import Testing

/// `.ms` files that are read compute what the real runtime computed on them (make_reading.py), on
/// gsconvert's own and on the real converter's.
@Suite struct ReadingTests {
  /// What the runtime was fed and computed.
  struct Run: Decodable, Sendable, CustomTestStringConvertible {
    struct Array: Decodable, Sendable {
      let shape: [Int]
      let type: String
      let elements: [Double]

      var data: TensorData {
        type == "int32"
          ? TensorData(int32: elements.map { Int32($0) }, dimensions: shape)
          : TensorData(float32: elements.map { Float($0) }, dimensions: shape)
      }
    }

    let file: String
    let inputs: [Array]
    let outputs: [Array]

    var testDescription: String { file }
    var path: String { GoldenFileTests.folder.appending(path: file).path }
  }

  static let runs: [Run] = {
    let file = GoldenFileTests.folder.appending(path: "reading.json")
    return (try? JSONDecoder().decode([Run].self, from: Data(contentsOf: file))) ?? []
  }()

  private func results(of model: Model, _ run: Run) throws -> [TensorData] {
    let session = try InferenceSession(model: model)
    let feeds = zip(session.inputs.map(\.name), run.inputs.map(\.data))
    return try session.run(Dictionary(uniqueKeysWithValues: feeds)).map(\.data)
  }

  private func expect(_ found: [TensorData], near run: Run) throws {
    #expect(found.count == run.outputs.count)
    for (found, expected) in zip(found, run.outputs) {
      #expect(found.dimensions == expected.shape)
      guard expected.type == "float32" else {
        #expect(found.elementType == .int32)
        #expect(found.integers?.map { Double($0) } == expected.elements)
        continue
      }
      let values = try #require(found.float32Values)
      let largest = expected.elements.reduce(1) { max($0, abs($1)) }
      let error = zip(values, expected.elements).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
      #expect(error <= 1e-5 * largest, "\(run.file)")
    }
  }

  private func translated(_ model: Model) throws -> MSLiteModel {
    try MSLiteTranslator.prepare(model)
    return try MSLiteTranslator.translate(model, options: .init(keepsInputLayout: true))
  }

  private func moves(_ model: MSLiteModel) -> Int {
    model.nodes.count { $0.primitive.name == "Transpose" }
  }

  @Test func thereAreFilesOfBothConverters() {
    #expect(Self.runs.count == 12)
    #expect(Self.runs.count { $0.file.hasSuffix("_converter.ms") } == 6)
  }

  @Test(arguments: runs)
  func aFileComputesWhatTheRuntimeComputes(run: Run) throws {
    try expect(results(of: MSLiteGraphReader.read(path: run.path), run), near: run)
  }

  @Test(arguments: runs)
  func aFileIsWrittenAgainWithoutFurtherTranspositions(run: Run) throws {
    let first = try MSLiteReader.read(path: run.path)
    let second = try translated(MSLiteGraphReader.read(path: run.path))
    #expect(moves(second) <= moves(first))
    let bytes = try GoldenFileTests.write(second)
    let again = try MSLiteReader.read(Bytes(bytes), name: run.file)
    try expect(results(of: MSLiteGraphReader.read(again, name: run.file), run), near: run)
  }

  @Test(arguments: runs)
  func namesAndShapesOfEndsAreTheFiles(run: Run) throws {
    let file = try MSLiteReader.read(path: run.path)
    let graph = try MSLiteGraphReader.read(path: run.path).graph
    let main = try #require(file.subgraphs.first)
    #expect(graph.inputs.map(\.name) == main.inputs.map { file.tensors[$0].name })
    #expect(graph.outputs.map(\.name) == main.outputs.map { file.tensors[$0].name })
    for (value, tensor) in zip(graph.inputs, main.inputs.map { file.tensors[$0] }) {
      let shape = tensor.dimensions.map { $0 < 0 ? Dimension.unknown : .fixed($0) }
      #expect(value.type == .tensor(tensor.elementType, shape: shape))
    }
    let again = try translated(MSLiteGraphReader.read(path: run.path))
    for (old, new) in zip(main.inputs, again.subgraphs[0].inputs) {
      #expect(again.tensors[new].name == file.tensors[old].name)
      #expect(again.tensors[new].dimensions == file.tensors[old].dimensions)
    }
  }

  @Test(arguments: runs)
  func layersKeepTheirNames(run: Run) throws {
    let file = try MSLiteReader.read(path: run.path)
    let names = Set(try MSLiteGraphReader.read(path: run.path).graph.nodes.map(\.name))
    let layers: Set = ["Conv2DFusion", "Conv2dTransposeFusion", "LSTM", "MatMulFusion"]
    for node in file.nodes where layers.contains(node.primitive.name) {
      #expect(names.contains(node.name))
    }
  }

  @Test func integersInsideAreWideAndThoseOutsideAsTheyAre() throws {
    let model = try MSLiteGraphReader.read(
      path: GoldenFileTests.folder.appending(path: "selection.ms").path)
    #expect(model.graph.inputs.first?.type == .tensor(.int32, shape: [.unknown, .fixed(3)]))
    for value in model.graph.initializers { #expect(value.initializer?.elementType != .int32) }
  }
}
