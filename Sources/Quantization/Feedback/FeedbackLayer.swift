import GraphPasses
import ModelGraph

/// A constant that is rounded with feedback: the weights of one operator of the main graph.
public struct FeedbackLayer: Sendable {
  /// The constant's number in `QuantizationPlan.quantized`.
  public let number: Int
  /// The operator's place in the main graph.
  public let place: Int
  /// The weights.
  public let source: TensorData
  private let recipe: WeightRecipe

  /// Every constant of a plan that one Conv, Gemm or MatMul alone reads, as float32 weights, in the
  /// graph's order.
  public static func layers(of plan: QuantizationPlan, in graph: Graph) -> [FeedbackLayer] {
    var places: [ObjectIdentifier: Int] = [:]
    for (place, node) in graph.nodes.enumerated() { places[ObjectIdentifier(node)] = place }
    let found = plan.quantized.enumerated().compactMap { number, entry -> FeedbackLayer? in
      guard entry.plan.nodes.count == 1, let node = entry.plan.nodes.first,
        let place = places[ObjectIdentifier(node)], node.inputs.count > 1,
        node.inputs[1] === entry.plan.value, entry.plan.source.elementType == .float32,
        entry.recipe.storage.bits <= 8, !entry.recipe.shapesNoise
      else { return nil }
      return FeedbackLayer(
        number: number, place: place, source: entry.plan.source, recipe: entry.recipe)
    }
    return found.sorted { $0.place < $1.place }
  }

  /// The bias that takes the mean error; nil where there is no place for one.
  public func bias(_ graph: Graph, _ uses: GraphUses) -> ChannelBias? {
    ChannelBias(graph.nodes[place], channels: recipe.layout.channels, uses)
  }

  /// Rounds the weights; nil for no integers other than they would have anyway.
  ///
  /// - Parameter weightOfColumn: for each column of the moments the weight that multiplies it.
  public func rounded(
    _ moments: InputMoments, weightOfColumn: [Int], correctsMeans: Bool
  ) -> RoundedWeights? {
    guard moments.count > 0, weightOfColumn.count == recipe.layout.elementsPerChannel,
      recipe.layout.channels.isMultiple(of: moments.groups)
    else { return nil }
    return FeedbackRounding(
      source: source, recipe: recipe, moments: moments, weightOfColumn: weightOfColumn,
      correctsMeans: correctsMeans
    ).rounded()
  }

  /// The weights as the rounded model has them.
  public func dequantized(_ rounded: RoundedWeights) -> TensorData {
    TensorData(float32: rounded.dequantized(recipe.layout), dimensions: source.dimensions)
  }
}
