extension TargetProfile {
  /// The integer kernels of MindSpore Lite's processor runtime: int8 activations with a zero point,
  /// int8 weights without, one scale for each output channel, results of the same kind.
  public static let mindSporeLite = TargetProfile(
    name: "MindSpore Lite", activationIntegers: -128...127, activationType: .int8,
    hasSymmetricActivations: false,
    integerOperators: [
      "Conv": .init(needsQuantizedOutput: true, ranks: 3...4, takesGroups: false),
      "Gemm": .init(needsQuantizedOutput: true, ranks: 2...2),
      "MatMul": .init(needsQuantizedOutput: true, ranks: 2...6),
    ],
    movers: [
      "Concat", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze",
      "Transpose", "Unsqueeze",
    ],
    pairSumLimit: nil, scalesActivationChannels: false, absorbsClipping: true,
    fusesIntegerOperators: false, roundsInFixedPoint: true, takesAddedBias: true)
}
