import ModelGraph

extension Families {
  /// Operators that read a tensor between its elements.
  static let resampling = [resize, upsample, gridSample, affineGrid, roiAlign]

  private static let resize = OperatorDefinition(
    "Resize",
    versions: "no coordinate modes in 10; cubic, sizes and roi since 11; axes, antialias and "
      + "aspect ratio policy since 18",
    types: "numbers; nearest moves any type", layouts: .any,
    tensors: { settings in
      let resampling = try Resampling(settings)
      let target = try ResizeTarget(settings)
      return { call in
        let tensor = try call.tensor(0)
        let axes = try target.axes(of: tensor, call)
        return [try resampling.apply(to: tensor, axes, call.context)]
      }
    })

  private static let upsample = OperatorDefinition(
    "Upsample", versions: "scales as attribute in 7, as input since 9",
    types: "numbers; nearest moves any type", layouts: .any,
    tensors: { settings in
      let resampling = try Resampling(upsample: settings)
      let scales = try settings.floats("scales")
      return { call in
        let tensor = try call.tensor(0)
        let given = try scales ?? call.tensor(1).doubles().map { Float($0) }
        let axes = try ResizeTarget.axes(of: tensor, scales: given)
        return [try resampling.apply(to: tensor, axes, call.context)]
      }
    })
}

/// How one axis changes its extent.
struct ResizedAxis: Hashable, Sendable {
  /// Elements of the source and of the result.
  let source: Int
  let target: Int
  /// The ratio of target to source that coordinates are computed with.
  let scale: Float
  /// The extent before rounding, as the scale gives it.
  let exactTarget: Float
  /// What corner alignment maps to the last source element: with scales the fraction counts.
  let alignedLast: Float
  /// The part of the source that is meant, in fractions of its last index.
  var start: Float = 0
  var end: Float = 1

  /// An axis that stays as it is.
  init(unchanged extent: Int) {
    source = extent
    target = extent
    scale = 1
    exactTarget = Float(extent)
    alignedLast = exactTarget - 1
  }

  /// An axis with a wanted extent.
  init(source: Int, target: Int, scale: Float) {
    self.source = source
    self.target = target
    self.scale = scale
    exactTarget = Float(source) * scale
    alignedLast = Float(target - 1)
  }

  /// An axis that is scaled.
  init(source: Int, scale: Float) throws {
    self.source = source
    self.scale = scale
    exactTarget = Float(source) * scale
    guard scale.isFinite, scale > 0, exactTarget < 2_147_483_648 else {
      throw KernelProblem("an axis of \(source) elements cannot be scaled by \(scale)")
    }
    target = Int(exactTarget)
    alignedLast = exactTarget - 1
  }
}

/// Reads Resize's wanted extents: from scales or sizes, for all axes or some.
struct ResizeTarget: Sendable {
  private let axes: [Int]?
  private let policy: Policy
  private let usesRegion: Bool
  private let version: Int

  private enum Policy: String {
    case stretch
    case notLarger = "not_larger"
    case notSmaller = "not_smaller"
  }

  init(_ settings: NodeSettings) throws {
    version = settings.version
    axes = version >= 18 ? try settings.ints("axes") : nil
    let name = try settings.string("keep_aspect_ratio_policy") ?? Policy.stretch.rawValue
    guard let policy = Policy(rawValue: name) else {
      throw KernelProblem("the aspect ratio policy '\(name)' does not exist")
    }
    self.policy = policy
    usesRegion =
      try settings.string("coordinate_transformation_mode")
      == Resampling.Coordinates.cropAndResize.rawValue
  }

  /// What becomes of each axis of a tensor.
  func axes(of tensor: Tensor, _ call: KernelCall) throws -> [ResizedAxis] {
    if version < 11 {
      return try ResizeTarget.axes(
        of: tensor, scales: call.tensor(1).doubles().map { Float($0) })
    }
    let chosen = try chosenAxes(rank: tensor.rank)
    let extents = chosen.map { tensor.shape[$0] }
    var resized: [ResizedAxis]
    if let scales = try call.optional(2), scales.count > 0 {
      let values = try scales.doubles().map { Float($0) }
      resized = try ResizeTarget.resized(extents, scales: values)
    } else if let sizes = try call.integers(3), !sizes.isEmpty {
      resized = try self.resized(extents, sizes: sizes)
    } else {
      throw KernelProblem("neither scales nor sizes are given")
    }
    if usesRegion { try setRegion(&resized, call) }
    var result = tensor.shape.map { ResizedAxis(unchanged: $0) }
    for (axis, change) in zip(chosen, resized) { result[axis] = change }
    return result
  }

  /// What becomes of each axis when all are scaled.
  static func axes(of tensor: Tensor, scales: [Float]) throws -> [ResizedAxis] {
    try resized(tensor.shape, scales: scales)
  }

  private func chosenAxes(rank: Int) throws -> [Int] {
    guard let axes else { return Array(0..<rank) }
    let resolved = try axes.map { try resolvedAxis($0, rank: rank) }
    guard Set(resolved).count == resolved.count else {
      throw KernelProblem("an axis is named twice in \(axes)")
    }
    return resolved
  }

  private static func resized(_ extents: [Int], scales: [Float]) throws -> [ResizedAxis] {
    guard scales.count == extents.count else {
      throw KernelProblem("\(scales.count) scales are given for \(extents.count) axes")
    }
    return try zip(extents, scales).map { try ResizedAxis(source: $0, scale: $1) }
  }

  private func resized(_ extents: [Int], sizes: [Int]) throws -> [ResizedAxis] {
    guard sizes.count == extents.count else {
      throw KernelProblem("\(sizes.count) sizes are given for \(extents.count) axes")
    }
    for size in sizes where !(0..<2_147_483_648).contains(size) {
      throw KernelProblem("an axis cannot get \(size) elements")
    }
    let scales = zip(extents, sizes).map { Float($1) / Float($0) }
    let common = policy == .notLarger ? scales.min() : scales.max()
    guard policy != .stretch, let common else {
      return zip(extents, zip(sizes, scales)).map { extent, wanted in
        ResizedAxis(source: extent, target: wanted.0, scale: wanted.1)
      }
    }
    return try extents.map { extent in
      let target = (common * Float(extent)).rounded()
      guard target < 2_147_483_648 else {
        throw KernelProblem("an axis of \(extent) elements cannot be scaled by \(common)")
      }
      return ResizedAxis(source: extent, target: Int(target), scale: common)
    }
  }

  private func setRegion(_ axes: inout [ResizedAxis], _ call: KernelCall) throws {
    let region = try call.tensor(1).doubles().map { Float($0) }
    guard region.count == 2 * axes.count else {
      throw KernelProblem("the roi has \(region.count) numbers instead of \(2 * axes.count)")
    }
    for index in axes.indices {
      axes[index].start = region[index]
      axes[index].end = region[axes.count + index]
    }
  }
}
