import ModelGraph
import Support
import Testing

@testable import Quantization

@Suite struct WeightEncoderTests {
  private func constant(
    _ weights: [Float], _ dimensions: [Int], axis: Int?, layoutAxis: Int, bits: Int,
    round: WeightQuantizationSettings.RoundMethod = .nearest,
    range: WeightQuantizationSettings.RangeMethod = .maxMin, corrects: Bool = false,
    kernelAxis: Int? = nil
  ) -> QuantizedConstant {
    let type: ElementType = bits <= 4 ? .int4 : bits <= 8 ? .int8 : .int16
    let recipe = WeightRecipe(
      storage: QuantizedStorage(bits: bits, elementType: type, axis: axis),
      layout: ChannelLayout(dimensions: dimensions, axis: layoutAxis, kernelAxis: kernelAxis),
      range: range, round: round, correctsScale: corrects)
    let bytes = weights.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
    let source = TensorData(
      elementType: .float32, dimensions: dimensions, storage: .packed(Bytes(bytes)))
    return WeightEncoder(source: source, recipe: recipe).quantizedConstant(number: 0)
  }

  /// All slabs put together and read back.
  private func decoded(
    _ constant: QuantizedConstant, order: (Range<Int>) -> [Int] = Array.init
  ) -> [Float] {
    let count = constant.source.elementCount
    let type = constant.storage.elementType
    var bytes = [UInt8](repeating: 0xee, count: type.byteCount(of: count) ?? 0)
    var scales = [Float](repeating: 0, count: constant.channelCount)
    var zeroPoints = [Int32](repeating: 0, count: constant.channelCount)
    for index in order(0..<constant.slabCount) {
      let slab = constant.encode(index)
      bytes.replaceSubrange(
        slab.byteOffset..<slab.byteOffset + slab.integers.count, with: slab.integers)
      let first = slab.parameters.firstChannel
      scales.replaceSubrange(
        first..<first + slab.parameters.scales.count, with: slab.parameters.scales)
      zeroPoints.replaceSubrange(
        first..<first + slab.parameters.zeroPoints.count, with: slab.parameters.zeroPoints)
    }
    let dimensions = constant.source.dimensions
    let inner = constant.storage.axis.map { dimensions[($0 + 1)...].reduce(1, *) } ?? 1
    return (0..<count).map { index in
      let integer: Int32 =
        switch type {
        case .int4:
          Int32(Int8(bitPattern: (index % 2 == 0 ? bytes[index / 2] << 4 : bytes[index / 2])) >> 4)
        case .int8: Int32(Int8(bitPattern: bytes[index]))
        default:
          Int32(Int16(bitPattern: UInt16(bytes[2 * index]) | UInt16(bytes[2 * index + 1]) << 8))
        }
      let channel = constant.storage.axis.map { index / inner % dimensions[$0] } ?? 0
      return Float(integer - zeroPoints[channel]) * scales[channel]
    }
  }

  /// The formulas, element by element.
  private func expected(_ weights: [Float], _ dimensions: [Int], axis: Int?, bits: Int) -> [Float] {
    let inner = axis.map { dimensions[($0 + 1)...].reduce(1, *) } ?? 1
    let channel = { (index: Int) in axis.map { index / inner % dimensions[$0] } ?? 0 }
    var groups: [Int: [Float]] = [:]
    for (index, weight) in weights.enumerated() {
      groups[channel(index), default: []].append(weight)
    }
    let grids = groups.mapValues { group in
      AffineGrid(minimum: group.min() ?? 0, maximum: group.max() ?? 0, bits: bits)
    }
    return weights.enumerated().map { index, weight in
      guard let grid = grids[channel(index)] else { return .nan }
      let exact = Double(weight) / Double(grid.scale) + Double(grid.zeroPoint)
      let integer = max(
        Double(grid.lowest), min(Double(grid.highest), exact.rounded(.toNearestOrAwayFromZero)))
      return (Float(integer) - Float(grid.zeroPoint)) * grid.scale
    }
  }

  @Test(arguments: 1...16)
  func everyLayoutReadsBackAsTheFormulasSay(bits: Int) {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    for dimensions in [[5, 3], [1, 7], [4, 3, 5, 5], [2, 9, 3], [70, 130]] {
      let weights = numbers.weights(dimensions.reduce(1, *))
      for axis in dimensions.indices {
        let constant = constant(weights, dimensions, axis: axis, layoutAxis: axis, bits: bits)
        #expect(decoded(constant) == expected(weights, dimensions, axis: axis, bits: bits))
      }
      let whole = constant(weights, dimensions, axis: nil, layoutAxis: 0, bits: bits)
      #expect(decoded(whole) == expected(weights, dimensions, axis: nil, bits: bits))
    }
  }

  @Test func slabsOfALargeTensorCanBeMadeInAnyOrder() {
    var numbers = TestNumbers(seed: 11)
    let dimensions = [2051, 4097]
    let weights = numbers.weights(dimensions[0] * dimensions[1])
    let constant = constant(
      weights, dimensions, axis: 0, layoutAxis: 0, bits: 4, round: .squant, corrects: true)
    #expect(constant.slabCount > 1)
    #expect(decoded(constant) == decoded(constant, order: { $0.reversed() }))
  }

  @Test func balancedChannelsErrByLessThanHalfAStepInSum() {
    var numbers = TestNumbers(seed: 13)
    let dimensions = [6, 10, 3, 3]
    let weights = numbers.weights(540)
    let constant = constant(
      weights, dimensions, axis: 0, layoutAxis: 0, bits: 5, round: .squant, kernelAxis: 2)
    let values = decoded(constant)
    let slab = constant.encode(0)
    for channel in 0..<6 {
      let scale = Double(slab.parameters.scales[channel])
      for start in stride(from: channel * 90, to: (channel + 1) * 90, by: 9) {
        let sum = (start..<start + 9).reduce(0.0) { $0 + Double(values[$1]) - Double(weights[$1]) }
        #expect(abs(sum) <= 1.51 * scale)
      }
      let sum = (channel * 90..<(channel + 1) * 90).reduce(0.0) {
        $0 + Double(values[$1]) - Double(weights[$1])
      }
      #expect(abs(sum) <= 0.51 * scale)
    }
  }

  @Test(arguments: 1...8)
  func theSearchedRangeIsNeverWorseThanTheWholeOne(bits: Int) {
    var numbers = TestNumbers(seed: UInt64(bits))
    let weights = numbers.weights(2000) + [Float(bits) * 2]
    func noise(_ range: WeightQuantizationSettings.RangeMethod) -> Double {
      let values = decoded(
        constant(weights, [3, 667], axis: 0, layoutAxis: 0, bits: bits, range: range))
      return zip(values, weights).reduce(0) { $0 + pow2(Double($1.0) - Double($1.1)) }
    }
    #expect(noise(.meanSquaredError) <= noise(.maxMin) * 1.00001)
  }

  @Test(arguments: [4, 8, 16], [9, 48, 200, 300])
  func fittedRangesAreNeverWorseThanTheWholeOnes(bits: Int, perChannel: Int) {
    var numbers = TestNumbers(seed: UInt64(bits * perChannel))
    let weights = numbers.weights(12 * perChannel)
    func encoded(_ range: WeightQuantizationSettings.RangeMethod) -> [Float] {
      decoded(
        constant(weights, [12, perChannel], axis: 0, layoutAxis: 0, bits: bits, range: range))
    }
    let (whole, fitted) = (encoded(.maxMin), encoded(.fitted))
    guard perChannel <= 256 else {
      #expect(whole == fitted)
      return
    }
    func noise(_ values: [Float], _ channel: Int) -> Double {
      (channel * perChannel..<(channel + 1) * perChannel).reduce(0.0) { sum, index in
        sum + pow2(Double(values[index]) - Double(weights[index]))
      }
    }
    var (before, after) = (0.0, 0.0)
    for channel in 0..<12 {
      #expect(noise(fitted, channel) <= noise(whole, channel) * 1.00001)
      before += noise(whole, channel)
      after += noise(fitted, channel)
    }
    // With fewer bits so little more range changes fewer integers.
    let share = bits < 8 ? 1 : perChannel < 64 ? 0.9 : 0.99
    #expect(after < before * share)
  }

  @Test func fittedRangesAreThoseOfTheWeightsWhereNothingIsLarger() {
    let weights: [Float] = [-.greatestFiniteMagnitude / 2, 1, .greatestFiniteMagnitude / 2, 3]
    func encoded(_ range: WeightQuantizationSettings.RangeMethod) -> [Float] {
      decoded(constant(weights, [1, 4], axis: 0, layoutAxis: 0, bits: 8, range: range))
    }
    #expect(encoded(.maxMin) == encoded(.fitted))
  }

  private func pow2(_ x: Double) -> Double { x * x }

  @Test func zerosStayZerosAndConstantsStayConstant() {
    let weights =
      [Float](repeating: 0, count: 20) + [Float](repeating: 0.75, count: 20)
      + [Float](repeating: -3, count: 20) + [Float](repeating: Float(bitPattern: 70000), count: 20)
    for bits in 1...16 {
      for round in [WeightQuantizationSettings.RoundMethod.nearest, .squant] {
        let values = decoded(
          constant(
            weights, [4, 20], axis: 0, layoutAxis: 0, bits: bits, round: round, corrects: true))
        #expect(values[..<20].allSatisfy { $0 == 0 })
        #expect(values[20..<40].allSatisfy { abs($0 - 0.75) < 1e-6 })
        #expect(values[40..<60].allSatisfy { abs($0 + 3) < 1e-5 })
        #expect(values[60...].allSatisfy { abs($0) <= 1e-10 })
      }
    }
  }

  @Test(arguments: [false, true]) func channelsWithOffsetsAreReadBackNearer(knowsMeans: Bool) {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var numbers = TestNumbers(seed: seed)
    let (channels, count) = (6, 40)
    let weights = numbers.weights(channels * count)
    let source = TensorData(float32: weights, dimensions: [channels, count])
    var recipe = WeightRecipe(
      storage: QuantizedStorage(bits: 3, elementType: .int8, axis: 0),
      layout: ChannelLayout(dimensions: [channels, count], axis: 0, kernelAxis: nil),
      range: .maxMin, round: .squant, correctsScale: true)
    if knowsMeans { recipe.inputMeans = (0..<count).map { _ in Int32(numbers.integer(0...256)) } }
    recipe.weighsScales = true
    func errors() -> (square: Double, means: [Double]) {
      let floats = WeightEncoder(source: source, recipe: recipe).quantizedConstant(number: 0)
        .floats()
      let errors = zip(weights, floats).map { Double($0) - Double($1) }
      let means = (0..<channels).map { channel in
        errors[channel * count..<(channel + 1) * count].reduce(0, +) / Double(count)
      }
      return (errors.reduce(0) { $0 + $1 * $1 }, means)
    }
    let plain = errors()
    recipe.storage.hasOffsets = true
    let offset = errors()
    #expect(offset.means.allSatisfy { abs($0) < 3e-7 })
    if !knowsMeans { #expect(offset.square < plain.square) }
  }
}
