import ModelFormats
import ModelGraph
import Quantization
import Reports

/// The parameters of all that full quantization stores as integers: of each operator its activation,
/// weights, bias and, where that is quantized for all, result.
struct FullParameters {
  /// The tensors, operator by operator.
  let tensors: [QuantizedTensor]

  /// Gathers the parameters.
  ///
  /// - Parameters:
  ///   - shapes: the activations' extents in the first sample, by name.
  ///   - types: the operators of the written model's nodes by their names, where these differ.
  init(
    _ operations: [QuantizedOperation], _ pairs: [InsertedPair], shapes: [String: [Int]],
    types: [String: String] = [:]
  ) {
    let pairs = Dictionary(pairs.map { ($0.name, $0.quantization) }) { first, _ in first }
    tensors = operations.flatMap { operation in
      func activation(_ name: String?) -> QuantizedTensor? {
        guard let name, let quantization = pairs[name] else { return nil }
        return FullParameters.tensor(operation, name, quantization, shapes[name] ?? [])
      }
      let constants = [operation.weights, operation.bias].compactMap { constant in
        constant.map { FullParameters.tensor(operation, $0) }
      }
      return [activation(operation.inputName)].compactMap { $0 } + constants
        + [activation(operation.outputName)].compactMap { $0 }
    }.map { tensor in
      var tensor = tensor
      tensor.operatorType = types[tensor.node] ?? tensor.operatorType
      return tensor
    }
  }

  /// An activation; where channels are multiplied by factors each has its own step.
  private static func tensor(
    _ operation: QuantizedOperation, _ name: String, _ quantization: ActivationQuantization,
    _ shape: [Int]
  ) -> QuantizedTensor {
    let scales = (quantization.factors?.values ?? [1]).map { quantization.scale / $0 }
    return QuantizedTensor(
      node: operation.nodeName, operatorType: operation.node.operatorType, tensor: name,
      dimensions: shape, scales: scales,
      zeroPoints: scales.map { _ in quantization.zeroPoint }, bits: 8)
  }

  private static func tensor(
    _ operation: QuantizedOperation, _ constant: QuantizedOperation.Constant
  ) -> QuantizedTensor {
    QuantizedTensor(
      node: operation.nodeName, operatorType: operation.node.operatorType,
      tensor: constant.originalName ?? constant.name, dimensions: constant.dimensions,
      scales: constant.scales, zeroPoints: constant.zeroPoints, bits: Double(constant.bits))
  }
}
