import ModelGraph
import Support

/// Batch normalization with known statistics, as a factor and a term for each channel:
/// y = scale * (x - mean) / sqrt(variance + epsilon) + bias.
enum BatchNormalizationMap {
  /// What a normalization with statistics known before any run does to each channel; nil for others.
  static func terms(_ draft: Draft, constant: (Value) -> Tensor?) -> ChannelTerms? {
    guard draft.node.isONNX("BatchNormalization"), draft.outputs.count == 1,
      draft.node.int("training_mode") ?? 0 == 0, draft.node.int("spatial") ?? 1 == 1,
      draft.inputs.count == 5
    else { return nil }
    let parameters = draft.inputs[1...].compactMap { $0.flatMap(constant) }
    guard parameters.count == 4,
      parameters.allSatisfy({ $0.elementType == .float32 && $0.count == parameters[0].count })
    else { return nil }
    let values = parameters.compactMap { try? $0.doubles() }
    guard values.count == 4 else { return nil }
    return ChannelTerms(
      scale: values[0], bias: values[1], mean: values[2], variance: values[3],
      epsilon: Double(draft.node.float("epsilon") ?? 1e-5))
  }

  /// Numbers of channels in float32; nil where one is beyond its range, or without memory.
  static func tensor(_ values: [Double]) -> Tensor? {
    let floats = values.map { Float($0) }
    guard floats.allSatisfy(\.isFinite),
      let tensor = try? RunContext(pool: BufferPool(), workers: .init(threads: 1))
        .allocate(.float32, [floats.count])
    else { return nil }
    let target = tensor.mutableElements(Float.self)
    for (index, value) in floats.enumerated() { target[index] = value }
    return tensor
  }
}
