import ModelGraph

/// What a reduction makes of the values it joins.
enum ReductionKind: Sendable {
  case sum, mean, product, maximum, minimum
  /// L1: sum of magnitudes.
  case magnitudes
  /// L2: square root of the sum of squares.
  case norm
  case squares
  case logSum
  case logSumExp
}

extension Families {
  /// ReduceSum and its kin.
  static let reductions: [OperatorDefinition] = [
    reduction("ReduceSum", .sum, axesInputSince: 13),
    reduction("ReduceMean", .mean),
    reduction("ReduceMax", .maximum),
    reduction("ReduceMin", .minimum),
    reduction("ReduceProd", .product),
    reduction("ReduceL1", .magnitudes),
    reduction("ReduceL2", .norm),
    reduction("ReduceLogSum", .logSum),
    reduction("ReduceLogSumExp", .logSumExp),
    reduction("ReduceSumSquare", .squares),
  ]

  private static func reduction(
    _ name: String, _ kind: ReductionKind, axesInputSince: Int = 18
  ) -> OperatorDefinition {
    let isOrder = kind == .maximum || kind == .minimum
    return OperatorDefinition(
      name,
      versions: "axes as attribute before \(axesInputSince), as input since; noop_with_empty_axes",
      types: isOrder ? "float, integers, bool" : "float, integers", layouts: .any,
      tensors: { settings in
        let givenAxes = try settings.ints("axes")
        let keepsAxes = try settings.flag("keepdims", default: true)
        let emptyIsNone = try settings.flag("noop_with_empty_axes")
        return wideningHalves { call in
          let data = try call.tensor(0)
          let listed = try call.integers(1) ?? givenAxes ?? []
          let axes =
            listed.isEmpty && !emptyIsNone
            ? Set(0..<data.rank) : try Reduction.resolved(listed, rank: data.rank)
          return [
            try Reduction(kind, axes: axes, keepsAxes: keepsAxes).apply(to: data, call.context)
          ]
        }
      })
  }
}

/// A reduction over some axes of a tensor.
struct Reduction: Sendable {
  /// What is computed.
  let kind: ReductionKind
  /// The axes that vanish, counted from the front.
  let axes: Set<Int>
  /// Whether they stay with an extent of 1.
  let keepsAxes: Bool

  /// Describes a reduction.
  init(_ kind: ReductionKind, axes: Set<Int>, keepsAxes: Bool) {
    self.kind = kind
    self.axes = axes
    self.keepsAxes = keepsAxes
  }

  /// Axes counted from the front. A scalar's 0 and -1 stand for nothing.
  static func resolved(_ axes: [Int], rank: Int) throws -> Set<Int> {
    if rank == 0, axes.allSatisfy({ $0 == 0 || $0 == -1 }) { return [] }
    return Set(try axes.map { try resolvedAxis($0, rank: rank) })
  }

  /// The reduced tensor, in `data`'s layout where it has one.
  func apply(to data: Tensor, _ context: RunContext) throws -> Tensor {
    try data.checkExtents()
    let kept = data.shape.indices.map { axes.contains($0) ? 1 : data.shape[$0] }
    let result = try context.allocate(data.elementType, kept, layout: data.layout)
    let visitor = ReductionVisitor(reduction: self, data: data, result: result, context: context)
    switch data.elementType {
    case .float32: try visitor.reduceFloats()
    case .float64: try visitor.reduceDoubles()
    case .int8: try visitor.reduceIntegers(Int8.self)
    case .int16: try visitor.reduceIntegers(Int16.self)
    case .int32: try visitor.reduceIntegers(Int32.self)
    case .int64: try visitor.reduceIntegers(Int64.self)
    case .uint8: try visitor.reduceIntegers(UInt8.self)
    case .uint16: try visitor.reduceIntegers(UInt16.self)
    case .uint32: try visitor.reduceIntegers(UInt32.self)
    case .uint64: try visitor.reduceIntegers(UInt64.self)
    case .bool where kind == .maximum || kind == .minimum: try visitor.reduceTruths()
    default: throw KernelProblem(lacking: "\(data.elementType.name) cannot be reduced this way")
    }
    return keepsAxes ? result : try withoutAxes(result, context)
  }

  /// Drops the reduced axes, which have an extent of 1.
  private func withoutAxes(_ result: Tensor, _ context: RunContext) throws -> Tensor {
    let shape = result.shape.indices.filter { !axes.contains($0) }.map { result.shape[$0] }
    if Layout.coincide(for: result.shape) { return result.relabelled(.rowMajor).reshaped(shape) }
    if result.layout == .channelsLast, !axes.contains(0), !axes.contains(1), shape.count >= 3 {
      return Tensor(result.elementType, shape, layout: .channelsLast, storage: result.storage)
    }
    return try result.converted(to: .rowMajor, context).reshaped(shape)
  }

  /// How many values each result joins.
  func extent(in shape: [Int]) -> Int { axes.reduce(1) { $0 * shape[$1] } }

  /// The passes over memory that do the reduction: each joins neighbouring axes, the fastest first.
  /// At least one, unless there is nothing to read.
  func passes(over data: Tensor) -> [AxisBlock] {
    let order = data.layout.axisOrder(rank: data.rank)
    var extents: [(extent: Int, isReduced: Bool)] = []
    for axis in order where data.shape[axis] != 1 {
      let isReduced = axes.contains(axis)
      if let last = extents.last, last.isReduced == isReduced {
        extents[extents.count - 1].extent = last.extent * data.shape[axis]
      } else {
        extents.append((data.shape[axis], isReduced))
      }
    }
    var passes: [AxisBlock] = []
    var inner = 1
    for index in extents.indices.reversed() {
      guard extents[index].isReduced else {
        inner *= extents[index].extent
        continue
      }
      let outer = extents[..<index].reduce(1) { $0 * $1.extent }
      passes.append(AxisBlock(outer: outer, extent: extents[index].extent, inner: inner))
    }
    return passes.isEmpty ? [AxisBlock(outer: data.count, extent: 1, inner: 1)] : passes
  }
}
