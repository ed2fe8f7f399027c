import Glibc
import Inference
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support
import Testing

/// Single operators of the format's, read and run, against what their definitions say.
@Suite struct ReadingOperatorTests: OneNodeModels {
  private static let activations: [(Int64, @Sendable (Double) -> Double)] = [
    (1, { max($0, 0) }), (2, { 1 / (1 + exp(-$0)) }), (3, { min(max($0, 0), 6) }),
    (4, { $0 < 0 ? 0.5 * (exp($0) - 1) : $0 }), (5, { $0 < 0 ? 0.5 * $0 : $0 }),
    (8, { $0 / (1 + abs($0)) }), (9, { log(1 + exp($0)) }), (10, { tanh($0) }),
    (12, { $0 * min(max($0 + 3, 0), 6) / 6 }), (13, { min(max($0 + 3, 0), 6) / 6 }),
    (18, { $0 / (1 + exp(-$0)) }), (19, { $0 * (1 + erf($0 / 2.squareRoot())) / 2 }),
  ]

  private static let functionsOfOne: [(String, @Sendable (Double) -> Double)] = [
    ("Square", { $0 * $0 }), ("Rsqrt", { 1 / $0.squareRoot() }), ("Reciprocal", { 1 / $0 }),
    ("Neg", { -$0 }), ("ExpFusion", { exp($0) }), ("Cos", { cos($0) }),
  ]

  private static let functionsOfTwo: [(String, @Sendable (Float, Float) -> Float)] = [
    ("SquaredDifference", { ($0 - $1) * ($0 - $1) }), ("FloorDiv", { ($0 / $1).rounded(.down) }),
    ("FloorMod", { $0 - ($0 / $1).rounded(.down) * $1 }),
    ("Mod", { $0.truncatingRemainder(dividingBy: $1) }), ("Maximum", { max($0, $1) }),
    ("RealDiv", { $0 / $1 }),
  ]

  private static let contradictions: [(String, @Sendable (inout MSLiteModel) -> Void)] = [
    ("the tensor is read before it is made", { $0.nodes[0].inputs = [1] }),
    ("the node makes the input", { $0.nodes[0].outputs = [0] }),
    ("the node stands there twice", { $0.subgraphs[0].nodes = [0, 0] }),
    ("the input is stated twice", { $0.subgraphs[0].inputs = [0, 0] }),
    ("the output is stated twice", { $0.subgraphs[0].outputs = [1, 1] }),
  ]

  private static let numbers: [Float] = [-3, -1.5, -0.25, 0.25, 0.5, 1, 2, 7]

  @Test(arguments: activations)
  func anActivationIsWhatItsNumberSays(
    number: Int64, function: @Sendable (Double) -> Double
  ) throws {
    let settings: [String: MSLitePrimitive.Setting] = [
      "activation_type": .int(number), "alpha": .float(0.5),
    ]
    let alone = try run(model(MSLitePrimitive("Activation", settings), [8]), Self.numbers)
    var fused = settings
    fused["alpha"] = nil
    for (x, y) in zip(Self.numbers, try #require(alone.float32Values)) {
      #expect(abs(Double(y) - function(Double(x))) < 1e-5)
    }
    guard number != 4, number != 5 else { return }
    let sum = try run(
      model(MSLitePrimitive("AddFusion", fused), [8], [floats("c", [0.5])]), Self.numbers)
    for (x, y) in zip(Self.numbers, try #require(sum.float32Values)) {
      #expect(abs(Double(y) - function(Double(x) + 0.5)) < 1e-5)
    }
  }

  @Test func aGeluCanBeApproximated() throws {
    let primitive = MSLitePrimitive(
      "Activation", ["activation_type": .int(19), "approximate": .int(1)])
    let read = try run(model(primitive, [8]), Self.numbers)
    for (x, y) in zip(Self.numbers.map(Double.init), try #require(read.float32Values)) {
      let share = tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))
      #expect(abs(Double(y) - x * (1 + share) / 2) < 1e-6)
    }
  }

  @Test(arguments: functionsOfOne)
  func aFunctionOfOneNumberIsWhatItsNameSays(
    name: String, function: @Sendable (Double) -> Double
  ) throws {
    let values = Self.numbers.map { abs($0) }
    let found = try run(model(MSLitePrimitive(name), [8]), values)
    for (x, y) in zip(values, try #require(found.float32Values)) {
      let expected = function(Double(x))
      #expect(abs(Double(y) - expected) < 1e-6 * max(1, abs(expected)))
    }
  }

  @Test(arguments: functionsOfTwo)
  func aFunctionOfTwoNumbersIsWhatItsNameSays(
    name: String, function: @Sendable (Float, Float) -> Float
  ) throws {
    let found = try run(
      model(MSLitePrimitive(name), [8], [floats("c", [1.5])]), Self.numbers)
    #expect(found.float32Values == Self.numbers.map { function($0, 1.5) })
  }

  @Test func aBoundedWindowPoolsWithChannelsLast() throws {
    let pool = MSLitePrimitive(
      "MaxPoolFusion",
      ["kernel_size": .ints([2, 1]), "strides": .ints([2, 1]), "pad": .ints([0, 0, 0, 0])])
    // Height 2, width 2, two channels.
    let found = try run(model(pool, [1, 2, 2, 2]), [1, 8, 2, 7, 5, 4, 3, 6])
    #expect(found.dimensions == [1, 1, 2, 2])
    #expect(found.float32Values == [5, 8, 3, 7])
  }

  @Test func aFullConnectionMultipliesByTheTurnedMatrix() throws {
    let found = try run(
      model(
        MSLitePrimitive("FullConnection", ["has_bias": .int(1), "activation_type": .int(1)]),
        [1, 2], [floats("w", [1, 2, 3, -4], [2, 2]), floats("b", [10, 0])]), [1, 2])
    #expect(found.float32Values == [15, 0])
  }

  @Test func aMatrixOfMoreAxesIsTurnedAsAConstant() throws {
    let source = model(
      MSLitePrimitive("MatMulFusion", ["transpose_b": .int(1)]), [2, 1, 2],
      [floats("w", [1, 2, 3, 4, 5, 6], [3, 2])])
    let found = try run(source, [1, 10, 100, 1000])
    #expect(found.dimensions == [2, 1, 3])
    #expect(found.float32Values == [21, 43, 65, 2100, 4300, 6500])
    let graph = try MSLiteGraphReader.read(source, name: "tiny.ms").graph
    #expect(graph.nodes.map(\.operatorType) == ["MatMul"])
  }

  @Test func slicesAndPaddingsFollowTheirAxes() throws {
    let slice = MSLitePrimitive("SliceFusion", ["axes": .ints([1, 0])])
    let part = try run(
      model(slice, [2, 3], [integers("begin", [1, 0]), integers("size", [2, 1])]),
      [1, 2, 3, 4, 5, 6])
    #expect(part.dimensions == [1, 2])
    #expect(part.float32Values == [2, 3])
    let pad = MSLitePrimitive("PadFusion", ["constant_value": .float(9)])
    let wide = try run(model(pad, [1, 2], [integers("p", [0, 1, 1, 0])]), [1, 2])
    #expect(wide.dimensions == [2, 3])
    #expect(wide.float32Values == [9, 1, 2, 9, 9, 9])
  }

  @Test func channelsOfANormalizationAreTheLastAxis() throws {
    let found = try run(
      model(
        MSLitePrimitive("FusedBatchNorm", ["epsilon": .float(0)]), [1, 1, 2, 2],
        [
          floats("s", [2, 1]), floats("o", [0, 5]), floats("m", [1, 0]), floats("v", [4, 1]),
        ]), [1, 2, 3, 4])
    #expect(found.float32Values == [0, 7, 2, 9])
  }

  /// The largest two of each row, whatever the file says of the smallest: the runtime's way.
  @Test func theLargestAreFoundAlongAnAxis() throws {
    let primitive = MSLitePrimitive("TopKFusion", ["axis": .int(1), "largest": .int(0)])
    var source = model(primitive, [2, 3], [integers("k", [2])])
    source.tensors.append(MSLiteTensor(name: "places", elementType: .int32))
    source.nodes[0].outputs.append(3)
    source.subgraphs[0].outputs.append(3)
    let session = try InferenceSession(model: MSLiteGraphReader.read(source, name: "tiny.ms"))
    let feed = TensorData(float32: [1, 9, 5, -1, -3, -2], dimensions: [2, 3])
    let found = try session.run(["x": feed]).map(\.data)
    #expect(found[0].float32Values == [9, 5, -1, -2])
    #expect(found[1].integers == [1, 2, 0, 2])
  }

  @Test func whatIsNotZeroHasARowOfPlaces() throws {
    let found = try run(model(MSLitePrimitive("Where"), [2, 2], makes: .int32), [0, 3, 0, -1])
    #expect(found.dimensions == [2, 2])
    #expect(found.integers == [0, 1, 1, 1])
  }

  @Test func sumsRunAsTheSettingsSay() throws {
    let settings: [String: MSLitePrimitive.Setting] = ["exclusive": .int(1), "reverse": .int(1)]
    let found = try run(
      model(MSLitePrimitive("CumSum", settings), [1, 3], [integers("axis", [1])]), [1, 2, 4])
    #expect(found.float32Values == [6, 4, 0])
  }

  @Test func sequencesAreReversedAsFarAsTheyGo() throws {
    let settings: [String: MSLitePrimitive.Setting] = ["seq_dim": .int(1), "batch_dim": .int(0)]
    let lengths = integers("lengths", [2, 3])
    let found = try run(
      model(MSLitePrimitive("ReverseSequence", settings), [2, 3], [lengths]), [1, 2, 3, 4, 5, 6])
    #expect(found.float32Values == [2, 1, 3, 6, 5, 4])
    let failure = try #require(throws: Failure.self) {
      _ = try run(
        model(MSLitePrimitive("ReverseSequence", ["seq_dim": .int(2)]), [1, 1, 1], [lengths]), [1])
    }
    #expect(failure.diagnostics.first?.code == .operatorUnsupported)
  }

  /// Blocks of 2 by 2 pixels, channels last: each block's pixels are four channels.
  @Test func blocksOfPixelsBecomeChannelsAndBack() throws {
    let settings: [String: MSLitePrimitive.Setting] = ["block_size": .int(2), "format": .int(1)]
    let values: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    let deep = try run(model(MSLitePrimitive("SpaceToDepth", settings), [1, 2, 4, 1]), values)
    #expect(deep.dimensions == [1, 1, 2, 4])
    #expect(deep.float32Values == [1, 2, 5, 6, 3, 4, 7, 8])
    let wide = try run(model(MSLitePrimitive("DepthToSpace", settings), [1, 1, 2, 4]), values)
    #expect(wide.dimensions == [1, 2, 4, 1])
    #expect(wide.float32Values == [1, 2, 5, 6, 3, 4, 7, 8])
  }

  @Test(arguments: [("ScatterNdUpdate", Float(7)), ("TensorScatterAdd", 9)])
  func updatesGoToTheirPlaces(name: String, last: Float) throws {
    var places = integers("places", [1])
    places.dimensions = [1, 1]
    let found = try run(model(MSLitePrimitive(name), [2], [places, floats("u", [7])]), [1, 2])
    #expect(found.float32Values == [1, last])
  }

  /// Of the second box the first covers 9/11.
  @Test func overlappingBoxesAreLeftOut() throws {
    let source = model(
      MSLitePrimitive("NonMaxSuppression", ["center_point_box": .int(0)]), [1, 3, 4],
      [
        floats("scores", [0.9, 0.8, 0.7], [1, 1, 3]), integers("most", [3]),
        floats("overlap", [0.5]), floats("least", [0]),
      ], makes: .int32)
    let found = try run(source, [0, 0, 1, 1, 0, 0.1, 1, 1.1, 5, 5, 6, 6])
    #expect(found.dimensions == [2, 3])
    #expect(found.integers == [0, 0, 0, 0, 0, 2])
  }

  /// One unit, one step: all weights 0, so that its gates are halves and the new state is half of the
  /// old one and tanh of the bias.
  @Test func aGatedUnitKeepsAsMuchAsItsGateSays() throws {
    var source = model(
      MSLitePrimitive("GRU", ["bidirectional": .int(0)]), [1, 1, 1],
      [
        floats("w", [0, 0, 0], [1, 3, 1]), floats("r", [0, 0, 0], [1, 3, 1]),
        floats("b", [0, 0, 0.25, 0, 0, 0.25], [1, 6]), floats("h", [0.5], [1, 1, 1]),
      ])
    source.tensors.append(MSLiteTensor(name: "state", elementType: .float32))
    source.nodes[0].outputs.append(6)
    let found = try run(source, [3])
    #expect(found.dimensions == [1, 1, 1, 1])
    let value = try #require(found.float32Values?.first)
    #expect(abs(value - (0.25 + Float(tanh(0.5)) / 2)) < 1e-6)
  }

  @Test func aResultThatIsMovedAndOfAnotherTypeHasItsNameAlone() throws {
    var source = model(
      MSLitePrimitive("ArgMaxFusion", ["axis": .int(2)]), [1, 2, 3], makes: .int32)
    source.tensors += [integers("perm", [1, 0]), MSLiteTensor(name: "z", elementType: .int32)]
    source.nodes.append(
      MSLiteNode(
        name: "z", primitive: MSLitePrimitive("Transpose"), inputs: [1, 2], outputs: [3]))
    source.subgraphs[0].nodes = [0, 1]
    source.subgraphs[0].outputs = [3]
    let graph = try MSLiteGraphReader.read(source, name: "tiny.ms").graph
    let names = graph.nodes.flatMap { $0.outputs.compactMap { $0?.name } }
    #expect(Set(names).count == names.count)
    #expect(graph.outputs.map(\.name) == ["z"])
    #expect(try run(source, [1, 3, 2, 6, 5, 4]).integers == [1, 0])
  }

  @Test func indicesLeaveWithTheTypeOfTheFile() throws {
    let found = try run(
      model(
        MSLitePrimitive("ArgMaxFusion", ["axis": .int(1)]), [2, 2], makes: .int32), [1, 2, 4, 3])
    #expect(found.elementType == .int32)
    #expect(found.integers == [1, 0])
  }

  @Test func everyOperatorWithoutAFormIsNamedAtOnce() throws {
    var source = model(MSLitePrimitive("FftReal"), [2])
    source.nodes.append(source.nodes[0])
    source.nodes[1].primitive = MSLitePrimitive("Custom", ["type": .string("Strange")])
    source.nodes[1].name = "m"
    source.subgraphs[0].nodes = [0, 1]
    let failure = try #require(throws: Failure.self) {
      _ = try MSLiteGraphReader.read(source, name: "tiny.ms")
    }
    #expect(
      failure.diagnostics.map(\.message) == [
        "the node 'n' (FftReal) of the .ms file cannot be read",
        "the node 'm' (Custom Strange) of the .ms file cannot be read",
      ])
    #expect(failure.diagnostics.allSatisfy { $0.code == .operatorUnsupported })
  }

  @Test func aQuantizedFileIsRefused() throws {
    var source = model(MSLitePrimitive("Neg"), [2])
    source.tensors[0].quantization = [MSLiteQuantization(scale: 1, zeroPoint: 0)]
    let failure = try #require(throws: Failure.self) {
      _ = try MSLiteGraphReader.read(source, name: "tiny.ms")
    }
    #expect(failure.diagnostics.first?.code == .alreadyQuantized)
  }

  @Test(arguments: contradictions)
  func aFileThatContradictsItselfIsRefused(
    what: String, change: @Sendable (inout MSLiteModel) -> Void
  ) throws {
    var source = model(MSLitePrimitive("Neg"), [2])
    change(&source)
    let failure = try #require(throws: Failure.self, "\(what)") {
      _ = try MSLiteGraphReader.read(source, name: "tiny.ms")
    }
    #expect(failure.diagnostics.first?.code == .modelMalformed)
  }

  /// Any setting and any edge may be wrong in a file whose tables are sound.
  @Test func changedModelsAreReadOrRefused() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("changed models from seed \(seed)")
    var random = SplitMix64(seed: seed)
    var read = 0
    let sources = try ReadingTests.runs.map { try MSLiteReader.read(path: $0.path) }
    for _ in 0..<600 {
      var source = sources[Int(random.next() % UInt64(sources.count))]
      for _ in 0...random.next() % 3 { change(&source, &random) }
      guard let model = try? MSLiteGraphReader.read(source, name: "changed") else { continue }
      read += 1
      guard (try? MSLiteTranslator.prepare(model)) != nil else { continue }
      _ = try? MSLiteTranslator.translate(model)
    }
    #expect((1..<600).contains(read))
  }

  private func change(_ model: inout MSLiteModel, _ random: inout SplitMix64) {
    func pick(_ count: Int) -> Int { Int(random.next() % UInt64(max(1, count))) }
    let extremes: [Int64] = [0, 1, -1, 2, 3, 64, 1 << 20, -(1 << 31), .max, .min]
    let index = pick(model.nodes.count)
    switch pick(5) {
    case 0 where !model.nodes[index].inputs.isEmpty:
      let place = pick(model.nodes[index].inputs.count)
      model.nodes[index].inputs[place] = pick(model.tensors.count)
    case 1 where !model.nodes[index].inputs.isEmpty: model.nodes[index].inputs.removeLast()
    case 2:
      let others = model.nodes.map(\.primitive)
      model.nodes[index].primitive = others[pick(others.count)]
    case 3:
      for name in model.nodes[index].primitive.settings.keys.sorted() where pick(2) == 0 {
        let value = extremes[pick(extremes.count)]
        model.nodes[index].primitive.settings[name] =
          pick(2) == 0 ? .int(value) : .ints(Array(repeating: value, count: pick(5)))
      }
    default:
      let tensor = pick(model.tensors.count)
      guard case .bytes(let bytes) = model.tensors[tensor].content,
        model.tensors[tensor].elementType == .int32
      else {
        model.tensors[tensor].dimensions = [extremes[pick(6)], extremes[pick(6)]].map { Int($0) }
        return
      }
      var values = bytes.load(Int32.self)
      if !values.isEmpty { values[pick(values.count)] = Int32(clamping: extremes[pick(10)]) }
      model.tensors[tensor].content = .bytes(Bytes(values.withUnsafeBytes(Array.init)))
    }
  }
}
