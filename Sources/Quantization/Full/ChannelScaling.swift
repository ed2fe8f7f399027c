import ModelGraph

/// What an operator's weights and bias hold so that its activations' channel factors cancel out:
/// weights are divided by the input channels' factors and multiplied by the output channels'.
public struct ChannelScaling: Sendable {
  let rows: WeightRows
  /// The factors of the input channels; nil without.
  let inputs: [Float]?
  /// The factors of the output channels; nil without.
  let outputs: [Float]?

  private var isIdentity: Bool { inputs == nil && outputs == nil }

  /// The weights for multiplied channels.
  ///
  /// - Complexity: O(weights).
  func applied(to source: TensorData) -> TensorData {
    guard !isIdentity, var values = source.float32Values else { return source }
    for output in 0..<rows.outputs {
      let factor = outputs?[output] ?? 1
      rows.forEach(output) { element, input in
        values[element] = values[element] * factor / (inputs?[input] ?? 1)
      }
    }
    return TensorData(float32: values, dimensions: source.dimensions)
  }

  /// Brings weights back to plain channels; leaves any other number of elements alone.
  ///
  /// - Complexity: O(weights).
  public func remove(fromWeights values: inout [Float]) {
    guard !isIdentity, values.count == rows.elementCount else { return }
    for output in 0..<rows.outputs {
      let factor = outputs?[output] ?? 1
      rows.forEach(output) { element, input in
        values[element] = values[element] * (inputs?[input] ?? 1) / factor
      }
    }
  }

  /// Brings a bias, an element for each output channel, back to plain channels.
  public func remove(fromBias values: inout [Float]) {
    guard let outputs, values.count == outputs.count else { return }
    for index in values.indices { values[index] /= outputs[index] }
  }
}
