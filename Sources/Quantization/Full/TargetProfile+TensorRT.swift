import ModelGraph

extension TargetProfile {
  /// TensorRT with explicit quantization, as its developer guide's placement rules ask.
  ///
  /// Inputs of weighted operators and of average pooling are quantized, results are not: TensorRT
  /// fuses the activation function behind an operator and moves the next reader's QuantizeLinear
  /// up. A sum behind a weighted operator runs in that operator's kernel if its other term is
  /// quantized. Integers are signed and lie evenly around zero; biases stay float.
  public static let tensorRT = TargetProfile(
    name: "TensorRT", activationIntegers: -127...127, activationType: .int8,
    hasSymmetricActivations: true,
    integerOperators: [
      "Conv": .init(needsQuantizedOutput: false, ranks: 3...5),
      "ConvTranspose": .init(needsQuantizedOutput: false, ranks: 3...5),
      "Gemm": .init(needsQuantizedOutput: false, ranks: 2...2),
      "MatMul": .init(needsQuantizedOutput: false, ranks: 2...6),
    ],
    movers: onnxRuntime.movers, pairSumLimit: nil, quantizesBiases: false, correctsBiases: false,
    quantizedReaders: ["AveragePool", "GlobalAveragePool"], fusesSums: true,
    sharesConcatInputs: true)
}
