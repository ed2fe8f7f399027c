import GraphPasses
import ModelGraph

/// Why a constant isn't rounded with feedback.
public enum FeedbackObstacle: String, CaseIterable, Hashable, Sendable {
  case otherOperator = "read by other operators than Conv, Gemm and MatMul"
  case shared = "shared by several operators"
  case nested = "inside a graph of another operator"
  case moved = "the first input, or moved before they are read"
  case elementType = "not float32"
  case bits = "of more than 8 bits"
  case filterBank = "filter banks"
}

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
    let places = places(in: graph)
    let found = plan.quantized.enumerated().compactMap { number, entry -> FeedbackLayer? in
      guard obstacle(entry, places) == nil, let node = entry.plan.nodes.first,
        let place = places[ObjectIdentifier(node)]
      else { return nil }
      return FeedbackLayer(
        number: number, place: place, source: entry.plan.source, recipe: entry.recipe)
    }
    return found.sorted { $0.place < $1.place }
  }

  /// Why constants of a plan aren't rounded with feedback, each reason with how many have it.
  public static func obstacles(
    of plan: QuantizationPlan, in graph: Graph
  ) -> [(reason: FeedbackObstacle, count: Int)] {
    let places = places(in: graph)
    let found = plan.quantized.compactMap { obstacle($0, places) }
    return FeedbackObstacle.allCases.compactMap { reason in
      let count = found.count { $0 == reason }
      return count > 0 ? (reason, count) : nil
    }
  }

  private static func places(in graph: Graph) -> [ObjectIdentifier: Int] {
    var places: [ObjectIdentifier: Int] = [:]
    for (place, node) in graph.nodes.enumerated() { places[ObjectIdentifier(node)] = place }
    return places
  }

  private static func obstacle(
    _ entry: (plan: ConstantPlan, recipe: WeightRecipe), _ places: [ObjectIdentifier: Int]
  ) -> FeedbackObstacle? {
    let nodes = entry.plan.nodes
    let isProduct = { (node: Node) in ["Conv", "Gemm", "MatMul"].contains(where: node.isONNX) }
    guard nodes.allSatisfy(isProduct) else { return .otherOperator }
    guard nodes.count == 1, let node = nodes.first else { return .shared }
    guard places[ObjectIdentifier(node)] != nil else { return .nested }
    guard node.inputs.count > 1, node.inputs[1] === entry.plan.value else { return .moved }
    guard entry.plan.source.elementType == .float32 else { return .elementType }
    guard entry.recipe.effectiveBits <= 8 else { return .bits }
    return entry.recipe.shapesNoise ? .filterBank : nil
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
