import ModelGraph

extension TargetProfile {
  /// Digital signal processors, which compute everything they can in integers: signed activations
  /// with a zero point, a scale for each channel in convolutions only.
  public static let digitalSignalProcessor = TargetProfile(
    name: "DSP", activationIntegers: -128...127, activationType: .int8,
    hasSymmetricActivations: false,
    integerOperators: [
      "Conv": .init(needsQuantizedOutput: true, ranks: 3...5),
      "ConvTranspose": .init(needsQuantizedOutput: true, ranks: 3...5),
      "Gemm": .init(needsQuantizedOutput: true, ranks: 2...2),
      "MatMul": .init(needsQuantizedOutput: true, ranks: 2...6),
    ],
    perChannelOperators: ["Conv", "ConvTranspose"], movers: onnxRuntime.movers, pairSumLimit: nil,
    scalesActivationChannels: false, absorbsClipping: true, fusesIntegerOperators: false,
    integerFunctions: onnxRuntime.movers.union([
      "Add", "AveragePool", "Clip", "GlobalAveragePool", "GlobalMaxPool", "MatMul", "Mul", "Pad",
      "Relu", "Resize", "Sigmoid", "Softmax", "Sub", "Tanh",
    ]))

  /// Ascend processors, which take convolutions and products with weights of their own: signed
  /// activations with a zero point, weights without, a scale for each channel.
  public static let ascend = TargetProfile(
    name: "Ascend", activationIntegers: -128...127, activationType: .int8,
    hasSymmetricActivations: false,
    integerOperators: [
      "Conv": .init(needsQuantizedOutput: true, ranks: 3...5),
      "Gemm": .init(needsQuantizedOutput: true, ranks: 2...2),
      "MatMul": .init(needsQuantizedOutput: true, ranks: 2...6),
    ],
    perChannelOperators: ["Conv", "Gemm", "MatMul"], movers: [], pairSumLimit: nil,
    absorbsClipping: true, takesSharedWeights: false)

  /// Kirin's neural processor, which takes convolutions and fully connected layers: unsigned
  /// activations with a zero point, a scale for each channel in convolutions only.
  public static let kirin = TargetProfile(
    name: "Kirin", activationIntegers: 0...255, activationType: .uint8,
    hasSymmetricActivations: false,
    integerOperators: [
      "Conv": .init(needsQuantizedOutput: true, ranks: 3...5),
      "Gemm": .init(needsQuantizedOutput: true, ranks: 2...2),
    ],
    perChannelOperators: ["Conv"], movers: onnxRuntime.movers, pairSumLimit: nil,
    scalesActivationChannels: false, correctsBiases: false, absorbsClipping: true,
    fusesIntegerOperators: false)
}
