import Glibc
import ModelGraph
import Support

/// Factors that even out the channels of an activation behind a normalization, or between two layers
/// of a network, told from weights alone.
///
/// A normalization's channel reaches about its offset and four gains. Of two layers the first reads
/// normalized channels: with weights `v`, bias `b`, and gains `g` and offsets `o` of the
/// normalization, its channel `c` has mean `b[c] + sum o[k] v[k, c]` and variance
/// `sum g[k]^2 v[k, c]^2`. What an activation function leaves reaches about the mean and four
/// deviations. A channel that reaches further than the middle one is divided by the ratio, or between
/// layers, where less is known, by its power of 0.7; its weights are multiplied (SmoothQuant, arXiv
/// 2211.10438, without samples).
enum DynamicSmoothing {
  private static let deviations: Float = 4
  private static let betweenLayers: Float = 0.7
  /// Nodes of an activation function that is written out, at most.
  private static let depthLimit = 12

  private static let elementwise: Set<String> = [
    "Add", "Clip", "Div", "Erf", "Gelu", "Mul", "Pow", "Relu", "Sigmoid", "Sqrt", "Tanh",
  ]

  /// What weights tell of how far the channels of a product's input reach.
  enum Evidence: Sendable {
    /// The reach of each channel behind a normalization.
    case normalized([Float])
    /// The layer before.
    case layer(Layer)

    /// The divisor of each channel, at least 1; nil where nothing is known, or all channels reach about
    /// equally far.
    ///
    /// - Complexity: O(weights of the layer before).
    func divisors() -> [Float]? {
      switch self {
      case .normalized(let reaches):
        DynamicSmoothing.divisors(reaches, power: 1, atLeast: 2)
      case .layer(let layer):
        DynamicSmoothing.reaches(of: layer).flatMap {
          DynamicSmoothing.divisors($0, power: DynamicSmoothing.betweenLayers, atLeast: 1.25)
        }
      }
    }
  }

  /// What is known of a product's input, if anything is.
  static func evidence(of input: Value) -> Evidence? {
    if let (gains, offsets) = normalization(input.producer) {
      return .normalized(zip(gains, offsets).map { abs($1) + deviations * abs($0) })
    }
    return layer(before: input).map(Evidence.layer)
  }

  private static func divisors(
    _ reaches: [Float], power: Float, atLeast least: Float
  ) -> [Float]? {
    guard reaches.allSatisfy(\.isFinite), !reaches.isEmpty else { return nil }
    let middle = reaches.sorted()[reaches.count / 2]
    guard middle > 0 else { return nil }
    let divisors = reaches.map { powf(max(1, $0 / middle), power) }
    return divisors.contains { $0 > least } ? divisors : nil
  }

  /// A product of normalized channels and `[inputs, outputs]` weights, with its bias.
  struct Layer: Sendable {
    let weights: TensorData
    let bias: [Float]
    let gains: [Float]
    let offsets: [Float]
  }

  /// The one layer that a value is a function of, element by element.
  private static func layer(before value: Value) -> Layer? {
    var sums: [ObjectIdentifier: Node] = [:]
    func visit(_ value: Value, _ depth: Int) -> Bool {
      if value.constant != nil { return (value.constant?.elementCount ?? 0) == 1 }
      guard depth < depthLimit, let node = value.producer, node.isStandard else { return false }
      if isBiased(node) {
        sums[ObjectIdentifier(node)] = node
        return sums.count == 1
      }
      return elementwise.contains(node.operatorType)
        && node.inputs.allSatisfy { $0.map { visit($0, depth + 1) } ?? true }
    }
    guard visit(value, 0), let sum = sums.values.first else { return nil }
    return layer(sum)
  }

  /// Whether a node adds a constant vector to a product.
  private static func isBiased(_ node: Node) -> Bool {
    node.operatorType == "Add"
      && node.inputs.contains { $0?.producer?.isONNX("MatMul") ?? false }
      && node.inputs.contains { ($0?.constant?.elementCount ?? 0) > 1 }
  }

  private static func layer(_ sum: Node) -> Layer? {
    guard let product = sum.inputs.lazy.compactMap({ $0?.producer }).first,
      let bias = sum.inputs.lazy.compactMap({ $0?.constant?.float32Values }).first,
      let matrix = product.inputs[1]?.constant, matrix.dimensions.count == 2,
      matrix.elementType.isQuantizableFloat, bias.count == matrix.dimensions[1],
      let (gains, offsets) = normalization(product.inputs[0]?.producer),
      gains.count == matrix.dimensions[0]
    else { return nil }
    return Layer(weights: matrix, bias: bias, gains: gains, offsets: offsets)
  }

  /// The gains and offsets of a LayerNormalization that has both.
  private static func normalization(_ node: Node?) -> (gains: [Float], offsets: [Float])? {
    guard let node, node.isONNX("LayerNormalization"), node.inputs.count > 2,
      let gains = node.inputs[1]?.constant?.float32Values,
      let offsets = node.inputs[2]?.constant?.float32Values, offsets.count == gains.count
    else { return nil }
    return (gains, offsets)
  }

  /// How far each channel reaches above zero; nil where the weights can't be read.
  private static func reaches(of layer: Layer) -> [Float]? {
    let count = layer.bias.count
    guard let bytes = layer.weights.packed, count > 0 else { return nil }
    var means = layer.bias
    var variances = [Float](repeating: 0, count: count)
    means.withUnsafeMutableBufferPointer { means in
      variances.withUnsafeMutableBufferPointer { variances in
        FloatReader.forEachPart(bytes, layer.weights.elementType, rowLength: count) {
          first, weights in
          for row in 0..<weights.count / count {
            let (offset, gain) = (layer.offsets[first + row], layer.gains[first + row])
            let power = gain * gain
            for channel in 0..<count {
              let weight = weights[row &* count &+ channel]
              means[channel] += offset * weight
              variances[channel] += power * weight * weight
            }
          }
        }
      }
    }
    return zip(means, variances).map { max(0, $0 + deviations * $1.squareRoot()) }
  }
}
