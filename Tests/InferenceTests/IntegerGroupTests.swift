import ModelGraph
import Support
import Testing

@testable import Inference

/// Quantized groups in integers: the same integers as ONNX Runtime's, and as a slow reference's.
@Suite struct IntegerGroupTests {
  private func run(
    _ model: Model, _ feeds: [String: TensorData], _ arithmetic: QuantizedArithmetic,
    observer: ((String) -> Void)? = nil
  ) throws -> [TensorData] {
    let isWatching = observer != nil
    let session = try InferenceSession(
      model: model, options: .init(arithmetic: arithmetic, isWatched: { _ in isWatching }))
    return try session.run(
      feeds, observer: observer.map { observer in { name, _ in observer(name) } }
    )
    .map(\.data)
  }

  private func operators(_ model: Model, _ arithmetic: QuantizedArithmetic) throws -> [String] {
    try ProgramBuilder.build(
      model.graph,
      environment: .init(
        operatorSets: model.operatorSets, pool: BufferPool(), arithmetic: arithmetic,
        isWatched: { _ in false })
    ).steps.map(\.label.operatorType)
  }

  @Test(arguments: GoldenCase.integers)
  func resultsAreThoseOfONNXRuntime(sample: GoldenCase) throws {
    let model = try sample.model()
    let results = try run(model, try sample.feeds(model), .integer)
    for (result, expected) in zip(results, try sample.expected(model)) {
      #expect(result.elementType == expected.elementType)
      #expect(result.dimensions == expected.dimensions)
      #expect(try Tensor(constant: result).doubles() == Tensor(constant: expected).doubles())
    }
  }

  @Test func thereAreCases() { #expect(GoldenCase.integers.count == 4) }

  @Test func simulationGivesOthers() throws {
    let sample = try #require(GoldenCase.integers.first { $0.path.hasSuffix("ties") })
    let model = try sample.model()
    let feeds = try sample.feeds(model)
    let (a, b) = (try run(model, feeds, .simulated), try run(model, feeds, .integer))
    #expect(try Tensor(constant: a[0]).doubles() != Tensor(constant: b[0]).doubles())
  }

  @Test func groupsAreRecognisedWhereWanted() throws {
    let sample = try #require(GoldenCase.integers.first { $0.path.hasSuffix("convolutions") })
    let integers = try operators(sample.model(), .integer)
    #expect(integers.filter { $0 == "QLinearConv" }.count == 4)
    for name in ["QLinearAdd", "QLinearGlobalAveragePool", "QGemm"] {
      #expect(integers.contains("com.microsoft.\(name)"))
    }
    for name in ["Conv", "Relu", "Clip", "Add", "Gemm"] { #expect(!integers.contains(name)) }
    #expect(try !operators(sample.model(), .simulated).contains("QLinearConv"))
  }

  @Test(arguments: GoldenCase.integers)
  func watchingChangesNothing(sample: GoldenCase) throws {
    let model = try sample.model()
    let feeds = try sample.feeds(model)
    var seen: Set<String> = []
    let watched = try run(model, feeds, .integer) { seen.insert($0) }
    let unwatched = try run(model, feeds, .integer)
    for (a, b) in zip(watched, unwatched) {
      #expect(try Tensor(constant: a).rowMajorBytes == Tensor(constant: b).rowMajorBytes)
    }
    let made = model.graph.nodes.flatMap { $0.outputs.compactMap { $0?.name } }
    #expect(seen.isSuperset(of: made))
  }

  // MARK: A slow reference

  @Test(arguments: 0..<40)
  func convolutionsAreExact(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed) + 900)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let groups = [1, 1, 2, 4][pick(0...3)]
    // Sums over the widest don't fit float32.
    let perGroup = [1, 3, 8, 700][pick(0...3)]
    let (filters, kernel) = (groups * pick(1...5), pick(1...3))
    let (stride, pad, width) = (pick(1...2), pick(0...2), pick(3...14))
    let inputs = groups * perGroup
    let x = (0..<2 * inputs * width).map { _ in UInt8(pick(0...255)) }
    let w = (0..<filters * perGroup * kernel).map { _ in Int8(pick(-127...127)) }
    let bias = (0..<filters).map { _ in Int32(pick(-5000...5000)) }
    let (xZero, yZero) = (UInt8(pick(0...255)), UInt8(pick(0...255)))
    let xScale: Float = 0.02
    let scales = generator.floats(filters, in: 0.001...0.01)
    let yScale = xScale * 0.005 * Float(perGroup * kernel).squareRoot() * 80
    let result = try OperatorHarness(
      name: "QLinearConv",
      attributes: [
        Attribute("group", .int(Int64(groups))),
        Attribute("strides", .ints([Int64(stride)])),
        Attribute("pads", .ints([Int64(pad), Int64(pad)])),
      ], constantInputs: seed % 5 == 0 ? [] : [1, 2, 3, 4, 5, 6, 7, 8]
    ).run([
      Tensor([2, inputs, width], x), Tensor([], [xScale]), Tensor([], [xZero]),
      Tensor([filters, perGroup, kernel], w), Tensor([filters], scales),
      Tensor([filters], [Int8](repeating: 0, count: filters)), Tensor([], [yScale]),
      Tensor([], [yZero]), Tensor([filters], bias),
    ])[0]
    let length = (width + 2 * pad - kernel) / stride + 1
    var expected: [Double] = []
    for sample in 0..<2 {
      for filter in 0..<filters {
        for place in 0..<length {
          var sum = Int(bias[filter])
          for channel in 0..<perGroup {
            for tap in 0..<kernel {
              let position = place * stride + tap - pad
              guard position >= 0, position < width else { continue }
              let plane = sample * inputs + filter / (filters / groups) * perGroup + channel
              sum +=
                (Int(x[plane * width + position]) - Int(xZero))
                * Int(w[(filter * perGroup + channel) * kernel + tap])
            }
          }
          let steps = Float(sum) * (xScale * scales[filter] / yScale)
          let integer = Int(steps.rounded(.toNearestOrEven)) + Int(yZero)
          expected.append(Double(min(255, max(0, integer))))
        }
      }
    }
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
    let integers = try result.converted(to: Layout.rowMajor, context).doubles()
    #expect(result.shape == [2, filters, length])
    #expect(integers == expected, "seed \(seed)")
  }

  @Test(arguments: 0..<40)
  func generalProductsAreExact(_ seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed) + 1900)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let (rows, columns, inner) = (pick(1...7), pick(1...40), [5, 33, 900][pick(0...2)])
    let (isLeft, isRight, hasGrid) = (pick(0...1) == 1, pick(0...1) == 1, pick(0...1) == 1)
    let a = (0..<rows * inner).map { _ in UInt8(pick(0...255)) }
    let b = (0..<inner * columns).map { _ in Int8(pick(-127...127)) }
    let bias = (0..<columns).map { _ in Int32(pick(-5000...5000)) }
    let zeros = (0..<columns).map { _ in Int8(pick(-9...9)) }
    let (aZero, yZero, alpha) = (UInt8(pick(0...255)), UInt8(pick(0...255)), Float(0.75))
    let scales = generator.floats(columns, in: 0.001...0.01)
    let yScale = Float(inner).squareRoot() * 0.006
    let result = try OperatorHarness(
      name: "QGemm", domain: "com.microsoft",
      attributes: [
        Attribute("alpha", .float(alpha)),
        Attribute("transA", .int(isLeft ? 1 : 0)),
        Attribute("transB", .int(isRight ? 1 : 0)),
      ], constantInputs: seed % 4 == 0 ? [] : [3, 5]
    ).run([
      Tensor(isLeft ? [inner, rows] : [rows, inner], a), Tensor([], [Float(0.02)]),
      Tensor([], [aZero]), Tensor(isRight ? [columns, inner] : [inner, columns], b),
      Tensor([columns], scales), Tensor([columns], zeros), Tensor([columns], bias),
      hasGrid ? Tensor([], [yScale]) : nil, hasGrid ? Tensor([], [yZero]) : nil,
    ])[0]
    var expected: [Double] = []
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = Int(bias[column])
        for k in 0..<inner {
          let left = a[isLeft ? k * rows + row : row * inner + k]
          let right = b[isRight ? column * inner + k : k * columns + column]
          sum += (Int(left) - Int(aZero)) * (Int(right) - Int(zeros[column]))
        }
        let scale = alpha * 0.02 * scales[column]
        guard hasGrid else {
          expected.append(Double(Float(sum) * scale))
          continue
        }
        let integer = Int((Float(sum) * (scale / yScale)).rounded(.toNearestOrEven)) + Int(yZero)
        expected.append(Double(min(255, max(0, integer))))
      }
    }
    #expect(result.shape == [rows, columns])
    #expect(try result.doubles() == expected, "seed \(seed)")
  }
}
