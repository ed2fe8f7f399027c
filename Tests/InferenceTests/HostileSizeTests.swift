import ModelGraph
import Support
import Testing

@testable import Inference

/// A node that asks for far more memory than any machine has.
struct HostileSize: CustomTestStringConvertible, Sendable {
  let name: String
  var version = 17
  var attributes: @Sendable () -> [Attribute] = { [] }
  let inputs: @Sendable () -> [Tensor?]
  var testDescription: String { name }

  private static let long = 1 << 21
  private static func column() -> Tensor { Tensor([long, 1], [Float](repeating: 1, count: long)) }
  private static func row() -> Tensor { Tensor([1, long], [Float](repeating: 1, count: long)) }
  private static func integers(_ values: Int64...) -> Tensor { Tensor([values.count], values) }
  private static func pixel() -> Tensor { Tensor([1, 1, 1, 1], [Float(1)]) }

  static let all: [HostileSize] = [
    .init(name: "ConstantOfShape") { [integers(1 << 20, 1 << 22)] },
    .init(name: "ConstantOfShape") { [integers(1 << 62, 1 << 62)] },
    .init(name: "ConstantOfShape") { [integers(4, -1)] },
    .init(name: "Expand") { [pixel(), integers(1 << 22, 1, 1 << 20)] },
    .init(name: "Expand") { [pixel(), integers(1 << 62, 4, 1, 1, 1)] },
    .init(name: "Tile") { [pixel(), integers(1 << 40, 1, 1, 4)] },
    .init(name: "Range") { [0, 1e14, 1].map { Tensor([], [Double($0)]) } },
    .init(name: "Pad") { [pixel(), integers(0, 0, 1 << 41, 0, 0, 0, 0, 3)] },
    .init(name: "OneHot") { [integers(1), integers(1 << 42), Tensor([2], [Float(0), 1])] },
    .init(name: "Resize") { [pixel(), nil, nil, integers(1, 1, 1 << 20, 1 << 22)] },
    .init(name: "Upsample", version: 9) { [pixel(), Tensor([4], [Float(1), 1, 1e6, 1e7])] },
    .init(
      name: "RandomNormal", attributes: { [Attribute("shape", .ints([1 << 20, 1 << 22]))] }
    ) { [] },
    .init(name: "Multinomial", attributes: { [Attribute("sample_size", .int((1 << 31) - 1))] }) {
      [Tensor([1 << 11, 1], [Float](repeating: 1, count: 1 << 11))]
    },
    .init(name: "Add") { [column(), row()] },
    .init(name: "Less") { [column(), row()] },
    .init(name: "MatMul") { [column(), row()] },
    .init(name: "Gemm") { [column(), row()] },
    .init(name: "Einsum", attributes: { [Attribute("equation", .string(Array("ij,kl->il".utf8)))] })
    {
      [column(), row()]
    },
    .init(name: "Conv", attributes: { [Attribute("pads", .ints([1 << 30, 1 << 30, 1, 1]))] }) {
      [pixel(), pixel()]
    },
    .init(
      name: "ConvTranspose",
      attributes: {
        [
          Attribute("output_padding", .ints([1 << 40, 0])),
          Attribute("strides", .ints([1 << 41, 1])),
        ]
      }
    ) { [pixel(), pixel()] },
    .init(name: "CenterCropPad", version: 18) { [column(), integers(1 << 21, 1 << 21)] },
    .init(name: "AffineGrid", version: 20) {
      [Tensor([1, 2, 3], [Float](repeating: 1, count: 6)), integers(1, 1, 1 << 20, 1 << 21)]
    },
    .init(name: "Where") { [Tensor([], [Truth(true)]), column(), row()] },
  ]
}

@Suite struct HostileSizeTests {
  @Test(arguments: HostileSize.all)
  func aSizeBeyondAllMemoryIsRefused(sample: HostileSize) throws {
    let harness = OperatorHarness(
      name: sample.name, attributes: sample.attributes(), version: sample.version)
    #expect(throws: KernelProblem.self) { try harness.run(sample.inputs()) }
  }

  @Test func theMessageHasShapeAndSize() throws {
    let context = RunContext(pool: BufferPool(limit: 1 << 30), workers: WorkerPool(threads: 1))
    func message(_ type: ElementType, _ shape: [Int]) -> String? {
      do {
        _ = try context.allocate(type, shape)
        return nil
      } catch {
        return (error as? KernelProblem)?.message
      }
    }
    #expect(
      message(.float32, [1 << 20, 300_000])
        == "a tensor float32[1048576,300000] would need 1.26 TB, and at most 1.07 GB of memory can "
        + "be had")
    #expect(
      message(.int8, [1 << 40, 1 << 40])
        == "a tensor int8[1099511627776,1099511627776] is larger than any memory")
    #expect(message(.int8, [2, -1]) == "a tensor int8[2,-1] cannot be: an extent is negative")
    #expect(message(.int8, [0, 1 << 40]) == nil)
    #expect(message(.undefined, [1]) == "undefined has no representation in memory")
  }

  @Test func aPoolKeepsWithinItsLimit() throws {
    let pool = BufferPool(limit: 1 << 20)
    var first: Storage? = try pool.storage(byteCount: 600_000)
    #expect(first?.capacity ?? 0 >= 600_000)
    #expect(throws: KernelProblem.self) { try pool.storage(byteCount: 600_000) }
    let small = try pool.storage(byteCount: 300_000)
    #expect(throws: KernelProblem.self) { try pool.storage(byteCount: 200_000) }
    first = nil
    let next = try pool.storage(byteCount: 700_000)
    #expect(next.capacity + small.capacity <= 1 << 20)
    #expect(throws: KernelProblem.self) { try pool.storage(byteCount: 1 << 62) }
  }

  @Test func aModelThatAsksForTooMuchFailsWithItsNode() throws {
    let (shape, output) = (Value(name: "shape"), Value(name: "y"))
    let graph = Graph(name: "g")
    graph.inputs = [shape]
    graph.outputs = [output]
    graph.nodes = [
      Node(
        name: "fill", operatorType: "ConstantOfShape", inputs: [shape], outputs: [output],
        attributes: [])
    ]
    let model = Model(
      graph: graph, operatorSets: [OperatorSet(domain: "", version: 17)], formatVersion: 8)
    let session = try InferenceSession(model: model)
    do {
      _ = try session.run(["shape": TensorData(int64: [1 << 20, 1 << 22])])
      Issue.record("it ran")
    } catch {
      let problem = error.diagnostics[0]
      #expect(problem.code == .inferenceFailed)
      #expect(
        problem.message.hasPrefix(
          "the node 'fill' (ConstantOfShape) cannot be run: a tensor float32[1048576,4194304] would "
            + "need 17.59 TB, and at most "), "\(problem.message)")
    }
    #expect(try session.run(["shape": TensorData(int64: [2])])[0].data.dimensions == [2])
  }
}
