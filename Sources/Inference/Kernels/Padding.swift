import CKernels
import ModelGraph

extension Families {
  static let pad = OperatorDefinition(
    "Pad",
    versions: "pads and value as attributes before 11; axes since 18; wrap since 19",
    types: "all", layouts: .any,
    tensors: { settings in
      let mode = try PadMode(settings.string("mode") ?? "constant")
      let pads = try IntegerOperand(settings, input: 1, attribute: "pads")
      let axes = try IntegerOperand(settings, input: 3)
      let value = try settings.float("value", default: 0)
      return { call in
        let tensor = try call.tensor(0)
        let widths = try padWidths(pads.required(call), axes: axes.read(call), rank: tensor.rank)
        if mode != .constant { return [try repeated(tensor, widths, mode, call.context)] }
        var element = PadElement(zero: ())
        if let given = try call.optional(2), given.count > 0 {
          guard given.elementType == tensor.elementType else {
            throw KernelProblem(
              "a tensor of \(tensor.elementType.name) is padded with \(given.elementType.name)")
          }
          element = PadElement(first: given)
        } else if value != 0 {
          element = try PadElement(value, as: tensor.elementType)
        } else if tensor.elementType == .string {
          element = PadElement(bits: StringTable.number(of: []))
        }
        return [try padded(tensor, widths, with: element, call.context)]
      }
    })

  /// What is put around a tensor, as the bytes of one element.
  struct PadElement {
    private var bits: (UInt64, UInt64)

    init(zero: Void) { bits = (0, 0) }
    init(bits: UInt64) { self.bits = (bits, 0) }

    init(first tensor: Tensor) {
      bits = (0, 0)
      withUnsafeMutableBytes(of: &bits) { bytes in
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: tensor.start, count: tensor.width))
      }
    }

    init(_ value: Float, as type: ElementType) throws {
      switch type {
      case .float32: self.init(bits: UInt64(value.bitPattern))
      case .float64: self.init(bits: Double(value).bitPattern)
      case .float16: self.init(bits: UInt64(value.halfBits))
      case .bfloat16: self.init(bits: UInt64(value.bfloatBits))
      default:
        self.init(bits: UInt64(bitPattern: Int64(converting: Double(value))))
      }
    }

    func withBytes<Result>(_ body: (UnsafeRawPointer) throws -> Result) rethrows -> Result {
      try withUnsafeBytes(of: bits) { bytes in
        guard let base = bytes.baseAddress else { preconditionFailure("an element has bytes") }
        return try body(base)
      }
    }
  }

  private enum PadMode {
    case constant, reflect, edge, wrap

    init(_ name: String) throws {
      switch name {
      case "constant": self = .constant
      case "reflect": self = .reflect
      case "edge": self = .edge
      case "wrap": self = .wrap
      default: throw KernelProblem("'\(name)' is not a mode of padding")
      }
    }

    /// The place among `count` that a place before or behind them repeats.
    func source(of place: Int, count: Int) -> Int {
      if place >= 0, place < count { return place }
      switch self {
      case .constant, .edge: return place < 0 ? 0 : count - 1
      case .wrap:
        let rest = place % count
        return rest < 0 ? rest + count : rest
      case .reflect:
        if count == 1 { return 0 }
        let period = 2 * (count - 1)
        let rest = (place % period + period) % period
        return rest < count ? rest : period - rest
      }
    }
  }

  /// How many places an axis gets at its ends; fewer than none cuts places off.
  struct PadWidth {
    var before = 0
    var after = 0

    var isNone: Bool { before == 0 && after == 0 }
  }

  private static func padWidths(_ pads: [Int], axes: [Int]?, rank: Int) throws -> [PadWidth] {
    let axes = axes ?? Array(0..<rank)
    guard pads.count == 2 * axes.count else {
      throw KernelProblem("\(pads.count) pads for \(axes.count) axes")
    }
    var widths = [PadWidth](repeating: PadWidth(), count: rank)
    for (place, axis) in axes.enumerated() {
      let (before, after) = (pads[place], pads[axes.count + place])
      guard abs(clamping: before) < 1 << 60, abs(clamping: after) < 1 << 60 else {
        throw KernelProblem("pads \(pads) are out of all proportion")
      }
      widths[try resolvedAxis(axis, rank: rank)] = PadWidth(before: before, after: after)
    }
    return widths
  }

  private static func paddedShape(_ shape: [Int], _ widths: [PadWidth]) throws -> [Int] {
    try shape.indices.map { axis in
      let (extent, overflow) = shape[axis].addingReportingOverflow(
        widths[axis].before + widths[axis].after)
      guard !overflow, extent >= 0 else {
        throw KernelProblem("more is cut off axis \(axis) than its \(shape[axis]) elements")
      }
      return extent
    }
  }

  /// A tensor with `element` put around it, in its layout.
  static func padded(
    _ tensor: Tensor, _ widths: [PadWidth], with element: PadElement, _ context: RunContext
  ) throws -> Tensor {
    let shape = try paddedShape(tensor.shape, widths)
    if widths.allSatisfy(\.isNone) { return tensor }
    let result = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    if result.count == 0 { return result }
    let (from, to) = (tensor.strides, result.strides)
    var axes: [gs_pad_axis] = []
    var offset = 0
    for axis in tensor.layout.axisOrder(rank: tensor.rank) {
      let width = widths[axis]
      let first = min(shape[axis], max(0, width.before))
      let skipped = max(0, -width.before)
      let count = max(0, min(tensor.shape[axis] - skipped, shape[axis] - first))
      if count > 0 { offset += skipped * from[axis] }
      // Neighbouring axes of which the inner one is kept whole are one.
      if width.isNone, let outer = axes.last {
        let extent = shape[axis]
        axes[axes.count - 1] = gs_pad_axis(
          before: outer.before * extent, count: outer.count * extent, after: outer.after * extent,
          in_stride: from[axis], out_stride: to[axis])
      } else {
        axes.append(
          gs_pad_axis(
            before: first, count: count, after: shape[axis] - first - count,
            in_stride: from[axis], out_stride: to[axis]))
      }
    }
    if axes.isEmpty { return tensor }
    let source = tensor.count > 0 ? tensor.start + offset * tensor.width : tensor.start
    element.withBytes {
      gs_pad(source, result.target, axes, axes.count, $0, result.width)
    }
    return result
  }

  /// A tensor with its own elements repeated around it, in its layout. What is cut off is cut off
  /// first.
  private static func repeated(
    _ given: Tensor, _ widths: [PadWidth], _ mode: PadMode, _ context: RunContext
  ) throws -> Tensor {
    let shape = try paddedShape(given.shape, widths)
    if widths.allSatisfy(\.isNone) { return given }
    let kept = given.shape.indices.map { axis in
      let start = max(0, -widths[axis].before)
      var range = SliceRange(all: given.shape[axis] - start - max(0, -widths[axis].after))
      range.start = start
      return range
    }
    guard kept.allSatisfy({ $0.count >= 0 }) else {
      throw KernelProblem("more is cut off \(given.description) than there is")
    }
    let tensor = try sliced(given, kept, context)
    let result = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    if result.count == 0 { return result }
    guard tensor.count > 0 else { throw KernelProblem("there is nothing to repeat") }
    let order = tensor.layout.axisOrder(rank: tensor.rank)
    let sources = order.map { axis in
      let before = max(0, widths[axis].before)
      return (0..<shape[axis]).map { place in
        Int64(mode.source(of: place - before, count: tensor.shape[axis]))
      }
    }
    pick(sources, tensor, into: result)
    return result
  }

  /// Fills a tensor from another of the same layout: along each axis, in memory order, from the
  /// places that `sources` lists.
  private static func pick(_ sources: [[Int64]], _ tensor: Tensor, into result: Tensor) {
    let extents = tensor.layout.physicalShape(tensor.shape)
    let strides = elementStrides(extents)
    var axis = sources.count - 1
    while axis > 0, sources[axis].count == extents[axis],
      sources[axis] == Array(0..<Int64(extents[axis]))
    {
      axis -= 1
    }
    let run = strides[axis] * tensor.width
    let line = sources[axis]
    var index = [Int](repeating: 0, count: axis)
    var target = result.target
    while true {
      var offset = 0
      for outer in 0..<axis { offset += Int(sources[outer][index[outer]]) * strides[outer] }
      gs_gather_rows(tensor.start + offset * tensor.width, line, line.count, run, target)
      target += line.count * run
      var outer = axis - 1
      while outer >= 0 {
        index[outer] += 1
        if index[outer] < sources[outer].count { break }
        index[outer] = 0
        outer -= 1
      }
      if outer < 0 { return }
    }
  }

  static let centerCropPad = OperatorDefinition(
    "CenterCropPad", types: "all", layouts: .any,
    tensors: { settings in
      let wanted = try IntegerOperand(settings, input: 1)
      let axes = try settings.ints("axes")
      return { call in
        let tensor = try call.tensor(0)
        let axes = axes ?? Array(0..<tensor.rank)
        let wanted = try wanted.required(call)
        guard wanted.count == axes.count else {
          throw KernelProblem("\(wanted.count) extents for \(axes.count) axes")
        }
        var widths = [PadWidth](repeating: PadWidth(), count: tensor.rank)
        for (axis, extent) in zip(axes, wanted) {
          let axis = try resolvedAxis(axis, rank: tensor.rank)
          guard (0..<1 << 60).contains(extent) else {
            throw KernelProblem("\(extent) is not an extent")
          }
          let change = extent - tensor.shape[axis]
          widths[axis] = PadWidth(before: change / 2, after: change - change / 2)
        }
        let zero =
          tensor.elementType == .string
          ? PadElement(bits: StringTable.number(of: [])) : PadElement(zero: ())
        return [try padded(tensor, widths, with: zero, call.context)]
      }
    })
}

/// The magnitude of a number; the largest one for the least of all.
private func abs(clamping value: Int) -> Int { value == .min ? .max : Swift.abs(value) }
