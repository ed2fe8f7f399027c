import GraphPasses
import ModelGraph

/// Why a constant isn't rounded with feedback.
public enum FeedbackObstacle: String, CaseIterable, Error, Hashable, Sendable {
  case otherOperator = "read by other operators than Conv, Gemm and MatMul"
  case shared = "shared by several operators"
  case nested = "inside a graph of another operator"
  case moved = "the first input, or moved before they are read"
  case elementType = "not float32"
  case bits = "of more than 8 bits"
  case filterBank = "filter banks"
}

/// A constant that is rounded with feedback: the weights of one operator of the main graph. A table
/// that is looked up too (tied embeddings) may be among them, turned or not.
public struct FeedbackLayer: Sendable {
  /// The constant's number in `QuantizationPlan.quantized`, or the operator's in
  /// `FullPlan.operations`.
  public let number: Int
  /// The operator's place in the main graph.
  public let place: Int
  /// The weights.
  public let source: TensorData
  private let recipe: WeightRecipe
  private let use: Use
  /// Whether a bias may take the mean error.
  private let correctsMeans: Bool

  /// How a constant is read.
  private struct Use {
    /// The product's place in the main graph.
    let place: Int
    /// Whether the product reads it behind a Transpose.
    let isTurned: Bool
    /// Whether rows are looked up too.
    let isTable: Bool
  }

  /// The weights' extents as the operator sees them.
  public var dimensions: [Int] { use.isTurned ? source.dimensions.reversed() : source.dimensions }

  /// Every constant of a plan that one Conv, Gemm or MatMul reads as float32 weights, and nothing else
  /// but lookups of rows, in the graph's order.
  ///
  /// - Parameter correctsMeans: whether biases may take the mean errors.
  public static func layers(
    of plan: QuantizationPlan, in graph: Graph, correctsMeans: Bool = true
  ) -> [FeedbackLayer] {
    let places = places(in: graph)
    let found = plan.quantized.enumerated().compactMap { number, entry -> FeedbackLayer? in
      guard case .success(let use) = use(of: entry, places) else { return nil }
      return FeedbackLayer(
        number: number, place: use.place, source: entry.plan.source, recipe: entry.recipe, use: use,
        correctsMeans: correctsMeans)
    }
    return found.sorted { $0.place < $1.place }
  }

  /// The weights of operators that will run in integers, in the graph's order.
  static func layers(of encoders: [OperationEncoder], in graph: Graph) -> [FeedbackLayer] {
    let places = places(in: graph)
    let found = encoders.enumerated().compactMap { number, encoder in
      places[ObjectIdentifier(encoder.operation.node)].map { place in
        FeedbackLayer(
          number: number, place: place, source: encoder.source, recipe: encoder.recipe,
          use: Use(place: place, isTurned: false, isTable: false),
          correctsMeans: encoder.takesMeanErrors)
      }
    }
    return found.sorted { $0.place < $1.place }
  }

  /// Why constants of a plan aren't rounded with feedback, each reason with how many have it.
  public static func obstacles(
    of plan: QuantizationPlan, in graph: Graph
  ) -> [(reason: FeedbackObstacle, count: Int)] {
    let places = places(in: graph)
    let found = plan.quantized.compactMap { entry -> FeedbackObstacle? in
      guard case .failure(let obstacle) = use(of: entry, places) else { return nil }
      return obstacle
    }
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

  private static func use(
    of entry: (plan: ConstantPlan, recipe: WeightRecipe), _ places: [ObjectIdentifier: Int]
  ) -> Result<Use, FeedbackObstacle> {
    let table = entry.plan.value
    let products = entry.plan.nodes.filter { node in
      !(node.isONNX("Gather") && (node.int("axis") ?? 0) == 0 && node.inputs[0] === table)
    }
    let isProduct = { (node: Node) in ["Conv", "Gemm", "MatMul"].contains(where: node.isONNX) }
    guard let node = products.first, products.allSatisfy(isProduct) else {
      return .failure(.otherOperator)
    }
    guard products.count == 1 else { return .failure(.shared) }
    guard let place = places[ObjectIdentifier(node)] else { return .failure(.nested) }
    let weights = node.inputs.count > 1 ? node.inputs[1] : nil
    let isTurned = weights !== table && isTransposed(weights, of: table) && node.isONNX("MatMul")
    guard weights === table || isTurned else { return .failure(.moved) }
    let isTable = products.count < entry.plan.nodes.count
    let hasRowChannels = isTurned || (node.isONNX("Gemm") && node.int("transB") ?? 0 != 0)
    if isTable, !hasRowChannels { return .failure(.shared) }
    guard entry.plan.source.elementType == .float32 else { return .failure(.elementType) }
    guard entry.recipe.effectiveBits <= 8 else { return .failure(.bits) }
    if entry.recipe.shapesNoise { return .failure(.filterBank) }
    return .success(Use(place: place, isTurned: isTurned, isTable: isTable))
  }

  private static func isTransposed(_ value: Value?, of table: Value) -> Bool {
    guard let node = value?.producer, node.isONNX("Transpose"), node.inputs[0] === table else {
      return false
    }
    return table.constant?.dimensions.count == 2 && node.ints("perm") ?? [1, 0] == [1, 0]
  }

  /// The bias that takes the mean error; nil where there is no place for one.
  public func bias(_ graph: Graph, _ uses: GraphUses) -> ChannelBias? {
    guard correctsMeans else { return nil }
    return ChannelBias(graph.nodes[place], channels: recipe.layout.channels, uses)
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
      correctsMeans: correctsMeans, isTable: use.isTable
    ).rounded()
  }

  /// The weights as the operator of the rounded model reads them.
  public func dequantized(_ rounded: RoundedWeights) -> TensorData {
    let values = rounded.dequantized(recipe.layout)
    guard use.isTurned else { return TensorData(float32: values, dimensions: dimensions) }
    let (rows, columns) = (dimensions[0], dimensions[1])
    var turned = values
    for row in 0..<rows {
      for column in 0..<columns { turned[row * columns + column] = values[column * rows + row] }
    }
    return TensorData(float32: turned, dimensions: dimensions)
  }
}
