import CKernels
import ModelGraph

extension Families {
  static let slice = OperatorDefinition(
    "Slice", versions: "starts, ends and axes as attributes before 10; steps since 10",
    types: "all", layouts: .any,
    tensors: { settings in
      let starts = try IntegerOperand(settings, input: 1, attribute: "starts")
      let ends = try IntegerOperand(settings, input: 2, attribute: "ends")
      let axes = try IntegerOperand(settings, input: 3, attribute: "axes")
      let steps = try IntegerOperand(settings, input: 4)
      return { call in
        let tensor = try call.tensor(0)
        let ranges = try sliceRanges(
          tensor.shape, starts: starts.required(call), ends: ends.required(call),
          axes: axes.read(call), steps: steps.read(call))
        return [try sliced(tensor, ranges, call.context)]
      }
    })

  /// Places of one axis that a slice keeps.
  struct SliceRange {
    var start: Int
    var count: Int
    var step: Int

    /// Cuts a range to what the axis has, by ONNX's rules (Python's, with the greatest numbers for
    /// open ends in either direction, and a backward start always inside).
    init(start: Int, end: Int, step: Int, extent: Int) throws {
      guard step != 0 else { throw KernelProblem("a slice has steps of 0") }
      let step = max(step, -Int.max)
      let isOpen = end == .max || end == Int(Int32.max)
      let first = start < 0 ? start + extent : start
      let last = isOpen ? (step > 0 ? extent : -1) : end < 0 ? end + extent : end
      if step > 0 {
        self.start = max(0, min(first, extent))
        let end = max(0, min(last, extent))
        count = end > self.start ? (end - self.start - 1) / step + 1 : 0
      } else {
        self.start = max(0, min(first, extent - 1))
        let end = max(-1, min(last, extent - 1))
        count = self.start > end && extent > 0 ? (self.start - end - 1) / -step + 1 : 0
      }
      self.step = count > 1 ? step : 1
      if count == 0 { self.start = 0 }
    }

    /// All places.
    init(all extent: Int) { (start, count, step) = (0, extent, 1) }
  }

  private static func sliceRanges(
    _ shape: [Int], starts: [Int], ends: [Int], axes: [Int]?, steps: [Int]?
  ) throws -> [SliceRange] {
    guard starts.count == ends.count, axes.map({ $0.count == starts.count }) ?? true,
      steps.map({ $0.count == starts.count }) ?? true
    else { throw KernelProblem("starts, ends, axes and steps of a slice differ in length") }
    var ranges = shape.map { SliceRange(all: $0) }
    for place in starts.indices {
      let axis = try resolvedAxis(axes?[place] ?? place, rank: shape.count)
      ranges[axis] = try SliceRange(
        start: starts[place], end: ends[place], step: steps?[place] ?? 1, extent: shape[axis])
    }
    return ranges
  }

  /// The part of a tensor that ranges keep, in its layout.
  static func sliced(
    _ tensor: Tensor, _ ranges: [SliceRange], _ context: RunContext
  ) throws -> Tensor {
    let shape = ranges.map(\.count)
    if shape == tensor.shape, ranges.allSatisfy({ $0.step == 1 }) { return tensor }
    let result = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    if result.count == 0 { return result }
    let strides = tensor.strides
    var offset = 0
    for axis in ranges.indices { offset += ranges[axis].start * strides[axis] }
    let source = tensor.start + offset * tensor.width
    if isOneRun(ranges, tensor) {
      result.target.copyMemory(from: source, byteCount: result.byteCount)
      return result
    }
    let from = ranges.indices.map { strides[$0] * ranges[$0].step }
    try Movement(extents: shape, from: from, to: result.strides).run(
      source, to: result.target, width: tensor.width, context)
    return result
  }

  /// Whether what is kept lies in one piece: a range of the slowest axis that has more than one
  /// place, and all of the others.
  private static func isOneRun(_ ranges: [SliceRange], _ tensor: Tensor) -> Bool {
    guard tensor.layout == .rowMajor else { return false }
    var isInside = false
    for (axis, range) in ranges.enumerated() {
      if range.count == tensor.shape[axis], range.step == 1 {
        isInside = isInside || range.count > 1
      } else {
        if isInside || range.step != 1 { return false }
        isInside = range.count > 1
      }
    }
    return true
  }
}
