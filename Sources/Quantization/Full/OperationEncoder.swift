import GraphPasses
import ModelGraph

/// Makes the integers of one operator's weights and bias.
struct OperationEncoder: @unchecked Sendable {
  let operation: IntegerOperation
  let inputScale: Float
  /// What is known of the input, its channels multiplied as they are before rounding.
  let facts: ActivationFacts?
  let scaling: ChannelScaling
  let settings: FullQuantizationSettings
  let source: TensorData
  let recipe: WeightRecipe
  private var rows: WeightRows { scaling.rows }
  private var isPerChannel: Bool { recipe.storage.axis != nil }
  /// The operator's own bias.
  let oldBias: Value?
  /// The constant that an Add right behind a MatMul adds to each channel.
  let followingBias: FollowingBias?
  /// The weights' integers where they are chosen already; nil to choose them.
  var rounded: RoundedWeights?

  /// Integers that are made already.
  struct Integers: Sendable {
    let source: TensorData
    let storage: QuantizedStorage
    let bytes: [UInt8]
    let parameters: EncodedParameters

    /// The constant that these integers stand for.
    func constant(number: Int) -> QuantizedConstant {
      QuantizedConstant(
        number: number, source: source, storage: storage, integers: bytes, parameters: parameters)
    }
  }

  /// A bias as floats, and as integers where the operator takes those.
  struct Bias: Sendable {
    let float: TensorData
    let integers: Integers
  }

  struct Encoded: Sendable {
    let weights: Integers
    let parameters: TensorParameters
    let bias: Bias?
  }

  init(
    operation: IntegerOperation, input: ActivationForms.Form?, outputFactors: [Float]?,
    facts: ActivationFacts?, settings: FullQuantizationSettings, uses: GraphUses
  ) {
    self.operation = operation
    inputScale = input?.grid.scale ?? 1
    self.settings = settings
    let node = operation.node
    let plain = operation.weights.constant ?? TensorData(float32: [])
    scaling = ChannelScaling(
      rows: WeightRows(operation, plain.dimensions), inputs: input?.factors,
      outputs: outputFactors)
    let source = scaling.applied(to: plain)
    self.source = source
    let means = facts.map { facts in
      input?.factors.map { facts.multiplied(by: $0) } ?? facts
    }
    self.facts = means
    let layout = ChannelLayout(
      dimensions: source.dimensions, axis: operation.channelAxis, kernelAxis: operation.kernelAxis)
    oldBias = node.inputs.count > 2 ? node.inputs[2] : nil
    followingBias =
      operation.adding != nil
        || settings.biasCorrection && settings.profile.quantizesBiases && outputFactors == nil
      ? FollowingBias(node, channels: layout.channels, uses) : nil
    let hasChannels =
      settings.perChannel
      && settings.profile.takesChannelScales(node, rank: source.dimensions.count)
    var recipe = WeightRecipe(
      storage: QuantizedStorage(
        bits: 8, elementType: .int8, axis: hasChannels ? operation.channelAxis : nil),
      layout: layout, range: .maxMin, round: settings.roundMethod,
      correctsScale: settings.biasCorrection)
    recipe.isSymmetric = true
    recipe.inputMeans = OperationEncoder.means(
      means?.relativeMeans, elementsPerChannel: layout.elementsPerChannel,
      kernel: operation.kernelAxis == nil ? 1 : layout.kernel)
    let kernel = operation.kernelAxis == nil ? 1 : layout.kernel
    if let sum = settings.profile.pairSumLimit, !OperationEncoder.isDepthwise(operation, layout) {
      recipe.pairLimit = PairLimit(
        sum: sum, inputs: layout.elementsPerChannel / max(1, kernel), kernel: kernel)
    }
    self.recipe = recipe
  }

  /// Whether every channel is filtered by itself; such kernels add in 32 bits.
  private static func isDepthwise(_ operation: IntegerOperation, _ layout: ChannelLayout) -> Bool {
    operation.node.isONNX("Conv") && operation.node.int("group") == Int64(layout.channels)
      && layout.channels > 1
  }

  /// One mean for each of a channel's weights: weights of one kernel read the same input channel.
  private static func means<Element>(
    _ means: [Element]?, elementsPerChannel: Int, kernel: Int
  ) -> [Element]? {
    guard let means, means.count > 1, kernel > 0, means.count * kernel == elementsPerChannel else {
      return nil
    }
    return kernel == 1 ? means : means.flatMap { Array(repeating: $0, count: kernel) }
  }

  // MARK: Encoding

  func encoded() -> Encoded {
    let constant = WeightEncoder(source: source, recipe: recipe, rounded: rounded)
      .quantizedConstant(number: 0)
    let slabs = (0..<constant.slabCount).map(constant.encode)
    let parameters = TensorParameters(slabs: slabs.map(\.parameters))
    var weights = Integers(
      source: source, storage: recipe.storage, bytes: slabs.flatMap(\.integers),
      parameters: EncodedParameters(
        firstChannel: 0, scales: parameters.scales, zeroPoints: parameters.zeroPoints))
    guard settings.profile.quantizesBiases else {
      return Encoded(weights: weights, parameters: parameters, bias: nil)
    }
    let floats = source.float32Values ?? []
    var bias = biasFloats()
    if takesMeanErrors {
      bias =
        rounded?.meanErrors.map { errors in
          errors.indices.map { (bias?[$0] ?? 0) + errors[$0] }
        } ?? corrected(bias, floats, weights)
    }
    guard let bias else { return Encoded(weights: weights, parameters: parameters, bias: nil) }
    if followingBias != nil, operation.adding == nil {
      return Encoded(weights: weights, parameters: parameters, bias: integers(of: bias, weights))
    }
    weights = widened(weights, floats, for: bias)
    return Encoded(
      weights: weights, parameters: parameters, bias: integers(of: bias, weights))
  }

  /// The bias in floats where it holds output channels' factors; nil where it stays as it is.
  var floatBias: TensorData? {
    guard scaling.outputs != nil else { return nil }
    let floats = biasFloats()?.map { Float($0) }
    return floats.map { TensorData(float32: $0, dimensions: [$0.count]) }
  }

  private func biasFloats() -> [Double]? {
    guard let bias = (oldBias ?? followingBias?.value)?.constant?.float32Values else { return nil }
    return bias.enumerated().map { Double($1) * Double(scaling.outputs?[$0] ?? 1) }
  }

  /// Whether the operator has a place for what rounding takes from each channel's mean.
  var takesMeanErrors: Bool {
    settings.biasCorrection && settings.profile.quantizesBiases
      && (operation.node.operatorType != "MatMul" || followingBias != nil)
  }

  /// Adds what rounding the weights takes from each channel's mean.
  ///
  /// With weights `w`, rounded `v` and input means `m`, a channel's mean falls by
  /// `sum (w - v) m` (Nagel et al., arXiv 1906.04721, section 4.2).
  private func corrected(_ bias: [Double]?, _ floats: [Float], _ weights: Integers) -> [Double]? {
    guard let facts, !facts.channelMeans.isEmpty,
      facts.channelMeans.count == rows.inputs * rows.groups
    else { return bias }
    var result = bias ?? Array(repeating: 0, count: rows.outputs)
    for output in 0..<rows.outputs {
      let scale = Double(weights.parameters.scales[isPerChannel ? output : 0])
      var lost = 0.0
      rows.forEach(output) { element, input in
        let integer = Double(Int8(bitPattern: weights.bytes[element]))
        lost += (Double(floats[element]) - scale * integer) * facts.channelMeans[input]
      }
      result[output] += lost
    }
    return result
  }

  /// The same weights with a coarser scale in channels whose bias would not fit 31 bits.
  private func widened(_ weights: Integers, _ floats: [Float], for bias: [Double]) -> Integers {
    let layout = recipe.layout
    var parameters = weights.parameters
    var bytes = weights.bytes
    for index in parameters.scales.indices {
      let largest =
        isPerChannel ? abs(bias[index]) : bias.reduce(0) { max($0, abs($1)) }
      let least = Float(largest / (Double(inputScale) * OperationEncoder.largestBias))
      guard parameters.scales[index] < least else { continue }
      parameters.scales[index] = least
      for element in floats.indices
      where !isPerChannel || element / layout.inner % layout.channels == index {
        let integer = (floats[element] / least).rounded(.toNearestOrAwayFromZero)
        bytes[element] = UInt8(bitPattern: Int8(max(-127, min(127, integer))))
      }
    }
    return Integers(
      source: weights.source, storage: weights.storage, bytes: bytes, parameters: parameters)
  }

  /// Half of what 32 bits hold, so that sums of products fit beside the bias.
  private static let largestBias = Double(1 << 30)

  /// `round(bias / (input scale * weight scale))` in 32 bits.
  private func integers(of bias: [Double], _ weights: Integers) -> Bias {
    let scales = weights.parameters.scales.map { $0 * inputScale }
    let integers = bias.indices.map { channel in
      let scale = Double(scales[scales.count == bias.count ? channel : 0])
      let integer = scale > 0 ? (bias[channel] / scale).rounded(.toNearestOrAwayFromZero) : 0
      return Int32(max(-Double(Int32.max), min(Double(Int32.max), integer)))
    }
    let float = TensorData(float32: bias.map { Float($0) }, dimensions: [bias.count])
    let bytes = TensorData(int32: integers, dimensions: [bias.count])
    return Bias(
      float: float,
      integers: Integers(
        source: float,
        storage: QuantizedStorage(
          bits: 32, elementType: .int32, axis: scales.count == bias.count ? 0 : nil),
        bytes: bytes.packed.map { $0.withUnsafeBytes(Array.init) } ?? [],
        parameters: EncodedParameters(
          firstChannel: 0, scales: scales,
          zeroPoints: Array(repeating: 0, count: scales.count))))
  }
}
