import CKernels
import ModelGraph
import Support
import Testing

@testable import Inference

/// MindSpore Lite's way to bring sums and numbers to 8 bits.
@Suite struct FixedPointTests {
  /// Sum, multiplier, zero point and the integer that the real runtime (2.0.0) made of them; half of
  /// them are other ones than a single rounding gives.
  private static let rows: [(sum: Int32, scale: Float, zero: Int32, result: Int8)] = [
    (-10574, 0.0035462756641209126, 18, -20), (5037, 0.0020842114463448524, 18, 29),
    (-582, 0.0025768831837922335, 18, 16), (-6264, 0.0034320491831749678, 18, -4),
    (-2768, 0.0034320491831749678, 18, 8), (-19529, 0.00217620050534606, 18, -25),
    (14981, 0.00277011189609766, 18, 60), (-3730, 0.0035462756641209126, 18, 5),
    (89, 0.0029899028595536947, 18, 18), (14000, 0.00277011189609766, 18, 57),
    (4883, 0.004197492264211178, 4, 25), (11051, 0.002669287845492363, 4, 34),
    (-204, 0.0024469781201332808, 4, 3), (22606, 0.0031628443393856287, 4, 76),
    (-7874, 0.003169809700921178, 4, -21), (-660, 0.0022700298577547073, -4, -6),
    (13267, 0.004409274086356163, -4, 55), (-11175, 0.003069403348490596, -4, -38),
    (8450, 0.004954380914568901, -4, 38), (-3910, 0.0035399063490331173, -4, -18),
  ]

  private func grid(step: Float = 1) -> gs_grid {
    gs_grid(
      type: GS_HELD_INT8, low: -128, high: 127, rounding: GS_ROUND_FIXED_POINT, step: step)
  }

  @Test(arguments: rows)
  func sumsBecomeTheRuntimesIntegers(sum: Int32, scale: Float, zero: Int32, result: Int8) {
    var found: [Int8] = [0, 0, 0]
    gs_requantize([sum - 7], 1, 7, scale, zero, grid(), &found)
    gs_requantize_each([sum - 7], 1, [7], [scale], zero, grid(), &found[1])
    gs_requantize_sums([Float(sum)], 1, nil, [scale], zero, grid(), &found[2])
    #expect(found == [result, result, result])
  }

  /// gemmlowp's words: SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT.
  private func reference(_ sum: Int32, _ scale: Double, _ zero: Int32) -> Int8 {
    guard scale >= 0x1p-32 else { return Int8(clamping: zero) }
    var exponent = Int(scale.exponent) + 1
    var multiplier = Int64((scale.significand * 0x1p30).rounded(.toNearestOrAwayFromZero))
    if multiplier == 1 << 31 { (multiplier, exponent) = (1 << 30, exponent + 1) }
    let shifted = Int64(Int32(clamping: Int64(sum) << max(0, exponent)))
    let product = shifted * multiplier
    var value = (product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / (1 << 31)
    if exponent < 0 {
      let size = Double(value.magnitude) / Double(sign: .plus, exponent: -exponent, significand: 1)
      let rounded = Int64(size.rounded(.toNearestOrAwayFromZero))
      value = value < 0 ? -rounded : rounded
    }
    return Int8(clamping: value + Int64(zero))
  }

  @Test(arguments: 0..<8) func sumsAreRoundedTwice(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed) + 40)
    for _ in 0..<2000 {
      let exponent = Int.random(in: -30...2, using: &random)
      let step = Float.random(in: 0.01..<1, using: &random)
      let product = Float(
        sign: .plus, exponent: exponent, significand: .random(in: 1..<2, using: &random))
      let scale = Double(product) / Double(step)
      let bound = Int32(clamping: Int64(min(200 / scale, 0x1p31 - 1)))
      let sum = Int32.random(in: -bound...bound, using: &random)
      let zero = Int32.random(in: -128...127, using: &random)
      var found: Int8 = 0
      gs_requantize([sum], 1, 0, product, zero, grid(step: step), &found)
      #expect(found == reference(sum, scale, zero), "\(sum) times \(product) / \(step), \(zero)")
    }
  }

  @Test(arguments: [0, .leastNonzeroMagnitude, 1e-30, 1e30, .infinity, .nan] as [Float])
  func noScaleTraps(scale: Float) {
    for sum in [Int32.min, -1, 0, 1, Int32.max] {
      var found: Int8 = 5
      gs_requantize([sum], 1, 0, scale, 3, grid(), &found)
      #expect(scale > 1 || scale.isNaN || found == 3)
    }
  }

  /// numpy: `away(float32(float64(x) * float64(float32(1) / s) + z))`, with halves away from 0.
  @Test func numbersAreRoundedOnceWithTheZeroPoint() {
    let values: [Float] = [
      0.5, -0.5, 1.5, 2.5, -2.5, 1000, -1000, 0, .infinity, -.infinity, .nan, 3.4999998,
    ]
    var found = [Int8](repeating: 0, count: values.count)
    gs_quantize_even(values, values.count, 1, 3, grid(), &found)
    #expect(found == [4, 3, 5, 6, 1, 127, -128, 3, 127, -128, -128, 7])
  }

  @Test func productsTakeTheBiasThatIsAdded() throws {
    let graph = Graph()
    func constant(_ name: String, _ data: TensorData) -> Value {
      let value = Value(name: name)
      value.initializer = data
      graph.initializers.append(value)
      return value
    }
    func add(_ type: String, _ inputs: [Value]) -> Value {
      let output = Value(name: "\(type)\(graph.nodes.count)")
      graph.nodes.append(
        Node(name: output.name, operatorType: type, inputs: inputs, outputs: [output]))
      return output
    }
    func integers(_ values: [Int8], _ dimensions: [Int]) -> TensorData {
      TensorData(
        elementType: .int8, dimensions: dimensions,
        storage: .packed(Bytes(values.map { UInt8(bitPattern: $0) })))
    }
    func scale(_ name: String, _ value: Float) -> Value {
      constant(name, TensorData(float32: [value], isScalar: true))
    }
    let zero = constant("zero", integers([18], []))
    let none = constant("none", integers([0], []))
    let whole = constant(
      "whole",
      TensorData(elementType: .int32, dimensions: [], storage: .packed(Bytes([0, 0, 0, 0]))))
    let x = Value(name: "x")
    x.type = .tensor(.float32, shape: [.fixed(1), .fixed(2)])
    graph.inputs = [x]
    let one = scale("one", 1)
    let read = add("DequantizeLinear", [add("QuantizeLinear", [x, one, none]), one, none])
    let w = constant("w", integers([100, 1], [2, 1]))
    let b = constant("b", TensorData(int32: [-10000], dimensions: [1]))
    let sum = add(
      "Add",
      [
        add("MatMul", [read, add("DequantizeLinear", [w, one, none])]),
        add("DequantizeLinear", [b, one, whole]),
      ])
    // The multiplier is 0.0035462756641209126.
    let wide = scale("wide", 1 / 0.0035462756641209126)
    graph.outputs = [add("QuantizeLinear", [sum, wide, zero])]
    let model = Model(
      graph: graph, operatorSets: [.init(domain: "", version: 13)], formatVersion: 8)
    func run(_ arithmetic: QuantizedArithmetic) throws -> [Double] {
      let session = try InferenceSession(model: model, options: .init(arithmetic: arithmetic))
      let feed = TensorData(float32: [-6, 26], dimensions: [1, 2])
      return try Tensor(constant: session.run(["x": feed])[0].data).doubles()
    }
    // -6 * 100 + 26 - 10000 = -10574, the first row.
    #expect(try run(.fixedPoint) == [-20])
    #expect(try run(.simulated) == [-19])
  }
}
