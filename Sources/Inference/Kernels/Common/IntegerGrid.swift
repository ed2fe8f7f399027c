import CKernels
import ModelGraph

extension ElementType {
  /// How quantized integers of this type are stored; four-bit integers take a byte each.
  ///
  /// - Throws: other types.
  func storedInteger() throws -> gs_integer {
    switch self {
    case .int8, .int4: GS_HELD_INT8
    case .uint8, .uint4: GS_HELD_UINT8
    case .int16: GS_HELD_INT16
    case .uint16: GS_HELD_UINT16
    case .int32: GS_HELD_INT32
    default: throw KernelProblem(lacking: "\(name) as a quantized type is not supported")
    }
  }

  /// The integers of this type, as results of quantization.
  ///
  /// - Throws: types that nothing is quantized to.
  func integerGrid() throws -> gs_grid {
    let bounds: (Int32, Int32) =
      switch self {
      case .int4: (-8, 7)
      case .uint4: (0, 15)
      case .int8: (-128, 127)
      case .uint8: (0, 255)
      case .int16: (-32768, 32767)
      case .uint16: (0, 65535)
      default: throw KernelProblem(lacking: "quantizing to \(name) is not supported")
      }
    return gs_grid(
      type: try storedInteger(), low: bounds.0, high: bounds.1, rounding: GS_ROUND_EVEN,
      step: 1)
  }
}

/// Scales and zero points of a quantized tensor.
struct ScaleParameters: Sendable {
  /// The scales.
  let scales: [Float]
  /// The integers that stand for 0, as many as scales.
  let zeros: [Int32]
  /// The extents of the tensor of scales.
  let shape: [Int]
  /// The type of the scales.
  let scaleType: ElementType
  /// The type of the zero points; nil where none are given.
  let zeroType: ElementType?

  /// Reads them.
  ///
  /// - Throws: unequal numbers of scales and zero points, and types that neither can have.
  init(scale: Tensor, zero: Tensor?) throws {
    guard scale.elementType.isFloat else {
      throw KernelProblem("scales are \(scale.elementType.name), not floating-point numbers")
    }
    scales = try scale.doubles().map { Float($0) }
    shape = scale.shape
    scaleType = scale.elementType
    zeroType = zero?.elementType
    guard let zero else {
      zeros = [Int32](repeating: 0, count: scales.count)
      return
    }
    _ = try zero.elementType.storedInteger()
    guard zero.count == scale.count else {
      throw KernelProblem("there are \(scale.count) scales and \(zero.count) zero points")
    }
    zeros = try zero.doubles().map { Int32($0) }
  }

  /// One scale and zero point for a whole tensor.
  init(scale: Float, zero: Int32, type: ElementType) {
    scales = [scale]
    zeros = [zero]
    shape = []
    scaleType = .float32
    zeroType = type
  }

  /// The one scale and zero point.
  func single() throws -> (scale: Float, zero: Int32) {
    guard scales.count == 1 else {
      throw KernelProblem(lacking: "\(scales.count) scales where the engine takes one")
    }
    return (scales[0], zeros[0])
  }

  /// The parameters that two constant inputs give; nil unless both are known before any run.
  static func constant(_ settings: NodeSettings, scale: Int, zero: Int) throws -> ScaleParameters? {
    guard let scales = settings.constants[scale],
      !settings.hasInput(zero) || settings.constants[zero] != nil
    else { return nil }
    return try ScaleParameters(scale: scales, zero: settings.constants[zero])
  }

  /// The parameters that two inputs of a call give.
  static func given(_ call: KernelCall, scale: Int, zero: Int) throws -> ScaleParameters {
    try ScaleParameters(scale: call.tensor(scale), zero: call.optional(zero))
  }
}

/// Which elements of a tensor share which scale, as runs in memory.
struct ScaleRuns: Sendable {
  /// Elements that lie together: with one scale, or with as many as there are elements.
  struct Run {
    let start, count: Int
    /// The first scale.
    let parameter: Int
    /// Whether each element has its own.
    let isEach: Bool
  }

  /// How many runs there are.
  let count: Int
  /// The usual length of a run.
  let length: Int
  /// The scales, and zero points, in the order that runs use.
  let scales: [Float]
  let zeros: [Int32]
  private let kind: Kind

  private enum Kind {
    case whole(count: Int)
    /// Runs of `inner` elements for each of `extent` scales.
    case axis(extent: Int, inner: Int)
    /// The axis varies fastest: rows of elements with a scale each.
    case fastest(length: Int, count: Int)
    /// Rows of `inner` elements, with a scale each, that `block` rows share.
    case blockRows(extent: Int, inner: Int, block: Int, blocks: Int)
    /// Blocks along the fastest axis.
    case blocks(extent: Int, block: Int, blocks: Int)
  }

  /// Cuts a tensor into runs.
  ///
  /// - Throws: scales of a shape that doesn't go with the tensor.
  init(_ tensor: Tensor, _ parameters: ScaleParameters, axis: Int, blockSize: Int) throws {
    var (scales, zeros) = (parameters.scales, parameters.zeros)
    if scales.count == 1, blockSize == 0 || tensor.rank == 0 {
      kind = .whole(count: tensor.count)
      length = 1 << 16
      count = (tensor.count + length - 1) / length
    } else {
      let axis = try resolvedAxis(axis, rank: tensor.rank)
      let physical = tensor.layout.physicalShape(tensor.shape)
      let position = tensor.layout.physicalAxis(axis, rank: tensor.rank)
      let outer = physical[..<position].reduce(1, *)
      let inner = physical[(position + 1)...].reduce(1, *)
      let extent = physical[position]
      if blockSize > 0 {
        let blocks = try Self.blocks(tensor, parameters, axis: axis, blockSize: blockSize)
        kind =
          inner > 1
          ? .blockRows(extent: extent, inner: inner, block: blockSize, blocks: blocks)
          : .blocks(extent: extent, block: blockSize, blocks: blocks)
        length = inner > 1 ? inner : min(blockSize, extent)
        count = tensor.count == 0 ? 0 : inner > 1 ? outer * extent : outer * blocks
      } else {
        guard parameters.shape == [extent] else {
          throw KernelProblem(
            "scales of shape \(parameters.shape) do not fit axis \(axis) of \(tensor.shape)")
        }
        if inner == 1, extent > 0 {
          let repeats = max(1, min(outer, 512 / extent))
          length = extent * repeats
          count = (tensor.count + length - 1) / length
          kind = .fastest(length: length, count: tensor.count)
          scales = Array(repeatElement(scales, count: repeats).joined())
          zeros = Array(repeatElement(zeros, count: repeats).joined())
        } else {
          kind = .axis(extent: extent, inner: inner)
          length = inner
          count = tensor.count == 0 ? 0 : outer * extent
        }
      }
    }
    self.scales = scales
    self.zeros = zeros
  }

  private static func blocks(
    _ tensor: Tensor, _ parameters: ScaleParameters, axis: Int, blockSize: Int
  ) throws -> Int {
    var expected = tensor.shape
    let extent = expected[axis]
    expected[axis] = extent / blockSize + (extent % blockSize == 0 ? 0 : 1)
    guard tensor.layout == .rowMajor, parameters.shape == expected else {
      throw KernelProblem(
        "scales of shape \(parameters.shape) do not fit blocks of \(blockSize) along axis \(axis) "
          + "of \(tensor.shape)")
    }
    return expected[axis]
  }

  /// One run.
  func run(_ index: Int) -> Run {
    switch kind {
    case .whole(let count), .fastest(_, let count):
      let start = index * length
      let isEach = if case .fastest = kind { true } else { false }
      return Run(start: start, count: min(length, count - start), parameter: 0, isEach: isEach)
    case .axis(let extent, let inner):
      return Run(start: index * inner, count: inner, parameter: index % extent, isEach: false)
    case .blockRows(let extent, let inner, let block, let blocks):
      let (outer, row) = index.quotientAndRemainder(dividingBy: extent)
      return Run(
        start: index * inner, count: inner, parameter: (outer * blocks + row / block) * inner,
        isEach: true)
    case .blocks(let extent, let block, let blocks):
      let (outer, number) = index.quotientAndRemainder(dividingBy: blocks)
      let first = number * block
      return Run(
        start: outer * extent + first, count: min(block, extent - first), parameter: index,
        isEach: false)
    }
  }
}
