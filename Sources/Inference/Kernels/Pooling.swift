import CKernels
import ModelGraph

extension Families {
  /// Pooling over windows, over everything, and its inverse.
  static let pooling: [OperatorDefinition] = [
    maxPool, averagePool, lpPool, globalMaxPool, globalAveragePool, globalLpPool, maxUnpool,
    maxRoiPool,
  ]

  private static let averagePool = OperatorDefinition(
    "AveragePool", versions: "ceil_mode since 10, dilations since 19; one to three spatial axes",
    layouts: .any,
    tensors: { settings in
      let windows = try PoolWindows(settings)
      let countsPadding = try settings.flag("count_include_pad")
      return wideningHalves { call in
        let data = try call.tensor(0)
        guard data.elementType == .float32 else {
          let sums = WindowSums(windows: windows, power: nil, countsPadding: countsPadding)
          return [try sums.pool(data, call.context)]
        }
        return [
          try windows.poolLines(data, call.context) { axes, source, channels, depth, height, out in
            gs_average_pool_line(axes, source, channels, depth, height, countsPadding ? 1 : 0, out)
          }
        ]
      }
    })

  private static let lpPool = OperatorDefinition(
    "LpPool", versions: "ceil_mode and dilations since 18; one to three spatial axes",
    layouts: .any,
    tensors: { settings in
      let sums = WindowSums(
        windows: try PoolWindows(settings), power: try settings.int("p", default: 2),
        countsPadding: false)
      guard sums.power ?? 0 > 0 else { throw KernelProblem("the attribute 'p' is not positive") }
      return wideningHalves { call in [try sums.pool(try call.tensor(0), call.context)] }
    })

  private static let globalMaxPool = globalPool("GlobalMaxPool", .maximum)
  private static let globalAveragePool = globalPool("GlobalAveragePool", .mean)

  private static func globalPool(_ name: String, _ kind: ReductionKind) -> OperatorDefinition {
    OperatorDefinition(
      name, layouts: .any,
      tensors: { _ in
        wideningHalves { call in
          let data = try call.tensor(0)
          let axes = Set(data.shape.indices.dropFirst(2))
          let reduction = Reduction(kind, axes: axes, keepsAxes: true)
          return [try reduction.apply(to: data, call.context)]
        }
      })
  }

  private static let globalLpPool = OperatorDefinition(
    "GlobalLpPool", layouts: .any,
    tensors: { settings in
      let power = try settings.int("p", default: 2)
      guard power > 0 else { throw KernelProblem("the attribute 'p' is not positive") }
      return wideningHalves { call in
        let data = try call.tensor(0)
        if power == 1 || power == 2 {
          let kind: ReductionKind = power == 1 ? .magnitudes : .norm
          let axes = Set(data.shape.indices.dropFirst(2))
          let reduction = Reduction(kind, axes: axes, keepsAxes: true)
          return [try reduction.apply(to: data, call.context)]
        }
        let whole = PoolWindows(covering: Array(data.shape.dropFirst(2)))
        let sums = WindowSums(windows: whole, power: power, countsPadding: false)
        return [try sums.pool(data, call.context)]
      }
    })
}

extension PoolWindows {
  /// One line of results: the axes, a sample with its channels together, how many they are, the
  /// line's place, and where the results go.
  typealias LineKernel =
    @Sendable (
      [gs_pool_axis], UnsafePointer<Float>, Int, _ depth: Int, _ height: Int,
      UnsafeMutablePointer<Float>
    ) -> Void

  /// Pools float32 line by line. With eight channels or more they are brought together first, which
  /// is faster even when it has to be done; with fewer each plane is a sample of one channel.
  func poolLines(
    _ data: Tensor, _ context: RunContext, _ kernel: @escaping LineKernel
  ) throws -> Tensor {
    try data.checkExtents()
    let axes = try axes(for: data.shape)
    let isWide = data.shape[1] >= 8 && data.rank >= 3
    let source = try isWide ? data.converted(to: .channelsLast, context) : data
    let result = try context.allocate(.float32, try shape(of: data, axes), layout: source.layout)
    guard result.count > 0 else { return result }
    let channels = source.layout == .channelsLast ? data.shape[1] : 1
    let samples = data.shape[0] * (channels == 1 ? data.shape[1] : 1)
    let lines = axes[0].out * axes[1].out
    let sampleSize = axes.reduce(channels) { $0 * $1.in }
    let lineSize = axes[2].out * channels
    let window = axes.reduce(1) { $0 &* $1.window }
    let cost = min(lineSize.multipliedReportingOverflow(by: window).partialValue.magnitude, 1 << 30)
    try context.forEach(samples * lines, cost: Int(cost)) { item in
      let line = item % lines
      kernel(
        axes, source.start(Float.self) + item / lines * sampleSize, channels, line / axes[1].out,
        line % axes[1].out, result.writableStart(Float.self) + item * lineSize)
    }
    return result
  }
}
