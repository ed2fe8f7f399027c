import CKernels
import ModelGraph

extension Families {
  /// Pad: constant, edge, reflect and wrap.
  static let padding = [
    OperatorDefinition(
      "Pad", versions: "attributes before 11, inputs since; axes since 18, wrap since 19",
      types: "all", layouts: .any,
      tensors: { settings in
        let mode = try settings.string("mode") ?? "constant"
        let attribute = try settings.ints("pads") ?? settings.ints("paddings")
        let value = try settings.float("value", default: 0)
        guard ["constant", "edge", "reflect", "wrap"].contains(mode) else {
          throw KernelProblem("the mode '\(mode)' does not exist")
        }
        return { call in
          let input = try call.tensor(0)
          guard let pads = try call.integers(1) ?? attribute else {
            throw KernelProblem("the pads are missing")
          }
          let amounts = try PadAmounts(pads, axes: call.integers(3), of: input)
          if mode == "constant" {
            return [try padded(input, amounts, call.optional(2), value, call)]
          }
          return [try amounts.continued(input, mode: mode, call.context)]
        }
      })
  ]

  private static func padded(
    _ input: Tensor, _ amounts: PadAmounts, _ value: Tensor?, _ fallback: Float, _ call: KernelCall
  ) throws -> Tensor {
    let result = call.context.allocate(input.elementType, amounts.shape, layout: input.layout)
    guard let width = input.elementType.memoryWidth else { return result }
    if let value {
      guard value.elementType == input.elementType, value.count == 1 else {
        throw KernelProblem("the padding \(value.description) is not one \(input.elementType.name)")
      }
      gs_fill(result.storage.base, result.count, value.storage.base, width)
    } else if fallback == 0 || input.elementType != .float32 {
      result.storage.base.initializeMemory(as: UInt8.self, repeating: 0, count: result.byteCount)
    } else {
      result.mutableElements(Float.self).update(repeating: fallback)
    }
    var from = StridedPlace(input)
    var to = StridedPlace(result)
    var block: [Int] = []
    for axis in input.shape.indices {
      let skipped = max(0, -amounts.begin[axis])
      let kept = input.shape[axis] - skipped - max(0, -amounts.end[axis])
      from.offset += skipped * from.strides[axis]
      to.offset += max(0, amounts.begin[axis]) * to.strides[axis]
      block.append(max(0, kept))
    }
    copyBlock(block, from: input, from, to: result, to)
    return result
  }
}

/// How much is added before and behind each axis; negative amounts cut off.
private struct PadAmounts {
  private(set) var begin: [Int]
  private(set) var end: [Int]
  /// The result's shape.
  let shape: [Int]

  init(_ pads: [Int], axes: [Int]?, of input: Tensor) throws {
    let axes =
      try axes?.map { try resolvedAxis($0, rank: input.rank) } ?? Array(input.shape.indices)
    guard pads.count == 2 * axes.count, pads.allSatisfy({ abs($0) < 1 << 40 }) else {
      throw KernelProblem("pads \(pads) do not fit \(axes.count) axes of \(input.description)")
    }
    try checkRank(input.rank)
    begin = [Int](repeating: 0, count: input.rank)
    end = begin
    for (index, axis) in axes.enumerated() {
      begin[axis] = pads[index]
      end[axis] = pads[axes.count + index]
    }
    shape = input.shape.indices.map { [begin, end] in input.shape[$0] + begin[$0] + end[$0] }
    guard let count = TensorData.elementCount(of: shape), count < 1 << 40 else {
      throw KernelProblem("pads \(pads) make \(input.description) the shape \(shape)")
    }
  }

  /// The tensor with its own elements continued beyond its borders: axis after axis.
  func continued(_ input: Tensor, mode: String, _ context: RunContext) throws -> Tensor {
    var current = input
    for axis in shape.indices where begin[axis] != 0 || end[axis] != 0 {
      let extent = current.shape[axis]
      guard extent > 0 || shape[axis] == 0 else {
        throw KernelProblem("an empty axis cannot be continued")
      }
      var extents = current.shape
      extents[axis] = shape[axis]
      let result = context.allocate(current.elementType, extents, layout: current.layout)
      var slab = extents
      slab[axis] = 1
      let from = StridedPlace(current)
      let to = StridedPlace(result)
      for position in 0..<shape[axis] {
        let source = Self.source(position - begin[axis], extent: extent, mode: mode)
        var piece = from
        piece.offset += source * from.strides[axis]
        var place = to
        place.offset += position * to.strides[axis]
        copyBlock(slab, from: current, piece, to: result, place)
      }
      current = result
    }
    return current
  }

  /// Which element stands at a position that may lie outside.
  private static func source(_ position: Int, extent: Int, mode: String) -> Int {
    if (0..<extent).contains(position) { return position }
    switch mode {
    case "edge": return position < 0 ? 0 : extent - 1
    case "wrap": return ((position % extent) + extent) % extent
    default:
      guard extent > 1 else { return 0 }
      let period = 2 * (extent - 1)
      let folded = ((position % period) + period) % period
      return folded < extent ? folded : period - folded
    }
  }
}
