import ModelGraph

extension Families {
  /// Makes the places that GridSample reads from affine maps of the result's positions.
  static let affineGrid = OperatorDefinition(
    "AffineGrid", types: "float",
    tensors: { settings in
      let alignsCorners = try settings.flag("align_corners")
      return wideningHalves { call in
        let theta = try call.tensor(0)
        guard let size = try call.integers(1) else { throw KernelProblem("the size is missing") }
        switch theta.elementType {
        case .float32: return [try grid(Float.self, theta, size, alignsCorners, call.context)]
        case .float64: return [try grid(Double.self, theta, size, alignsCorners, call.context)]
        default: throw KernelProblem(lacking: "\(theta.elementType.name) maps are not supported")
        }
      }
    })

  /// grid[n, ..., i] = sum over j of theta[n, i, j] * (position, 1)[j], the last axis' position
  /// first.
  private static func grid<Element: TensorElement & BinaryFloatingPoint>(
    _ type: Element.Type, _ theta: Tensor, _ size: [Int], _ alignsCorners: Bool,
    _ context: RunContext
  ) throws -> Tensor {
    let axes = size.count - 2
    guard axes == 2 || axes == 3, theta.shape == [size[0], axes, axes + 1] else {
      throw KernelProblem("maps of shape \(theta.shape) do not fit a result of shape \(size)")
    }
    let extents = Array(size[2...])
    let shape = [size[0]] + extents + [axes]
    guard let count = TensorData.elementCount(of: shape), count < 1 << 46 else {
      throw KernelProblem("a grid of shape \(shape) is too large")
    }
    let result = try context.allocate(theta.elementType, shape)
    guard count > 0 else { return result }
    let target = result.mutableElements(Element.self)
    let maps = theta.elements(Element.self)
    let places = extents.map { extent in
      (0..<extent).map { normalized(Element.self, $0, extent, alignsCorners) }
    }
    var index = [Int](repeating: 0, count: axes)
    for position in 0..<count / axes {
      let map = position / (count / axes / size[0]) * axes * (axes + 1)
      for row in 0..<axes {
        let start = map + row * (axes + 1)
        var sum: Element = 0
        for column in 0..<axes {
          let axis = axes - 1 - column
          sum += maps[start + column] * places[axis][index[axis]]
        }
        target[position * axes + row] = sum + maps[start + axes]
      }
      for axis in (0..<axes).reversed() {
        index[axis] += 1
        if index[axis] < extents[axis] { break }
        index[axis] = 0
      }
    }
    return result
  }

  private static func normalized<Element: BinaryFloatingPoint>(
    _ type: Element.Type, _ index: Int, _ extent: Int, _ alignsCorners: Bool
  ) -> Element {
    let length = Element(extent)
    guard alignsCorners else { return (2 * Element(index) + 1) / length - 1 }
    return extent > 1 ? 2 * Element(index) / (length - 1) - 1 : 1
  }
}
