import CKernels
import ModelGraph

extension Families {
  /// Operators that put elements into another order or leave some out.
  static let rearrangement =
    [transpose, concat, split, slice, pad, tile]
    + [depthToSpace, spaceToDepth, reverseSequence, trilu, centerCropPad, col2Im]

  private static let transpose = OperatorDefinition(
    "Transpose", types: "all", layouts: .any,
    tensors: { settings in
      let given = try settings.ints("perm")
      return { call in
        let tensor = try call.tensor(0)
        let permutation = given ?? Array((0..<tensor.rank).reversed())
        try checkPermutation(permutation, rank: tensor.rank)
        return [try transposed(tensor, permutation, call.context)]
      }
    })

  private static func checkPermutation(_ permutation: [Int], rank: Int) throws {
    var seen = [Bool](repeating: false, count: rank)
    guard permutation.count == rank else {
      throw KernelProblem("perm \(permutation) is not an order of \(rank) axes")
    }
    for axis in permutation {
      guard (0..<rank).contains(axis), !seen[axis] else {
        throw KernelProblem("perm \(permutation) is not an order of \(rank) axes")
      }
      seen[axis] = true
    }
  }

  /// A tensor with its axes in another order. The elements stay where they are when one of the
  /// layouts has them so already.
  static func transposed(
    _ tensor: Tensor, _ permutation: [Int], _ context: RunContext
  ) throws -> Tensor {
    let strides = tensor.strides
    let shape = permutation.map { tensor.shape[$0] }
    let from = permutation.map { strides[$0] }
    for layout in [Layout.rowMajor, .channelsLast]
    where layout == .rowMajor || shape.count >= 3 {
      if holdsSameOrder(shape, from, elementStrides(shape, layout)) {
        return Tensor(tensor.elementType, shape, layout: layout, storage: tensor.storage)
      }
    }
    let result = try context.allocate(tensor.elementType, shape)
    try Movement(extents: shape, from: from, to: result.strides).run(
      tensor.start, to: result.target, width: tensor.width, context)
    return result
  }

  private static func holdsSameOrder(_ shape: [Int], _ from: [Int], _ to: [Int]) -> Bool {
    if shape.contains(0) { return true }
    return shape.indices.allSatisfy { shape[$0] == 1 || from[$0] == to[$0] }
  }
}
