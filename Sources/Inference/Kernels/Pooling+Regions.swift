import ModelGraph

extension Families {
  static let maxUnpool = OperatorDefinition(
    "MaxUnpool",
    versions:
      "with output_shape indices still count in the inferred shape, as ONNX's tests have it",
    types: "all",
    tensors: { settings in
      let kernel = try Unpooling(settings)
      return { call in
        let data = try call.tensor(0)
        let places = try call.tensor(1, .int64)
        return [try kernel.unpool(data, places, shape: try call.integers(2), call.context)]
      }
    })

  static let maxRoiPool = OperatorDefinition(
    "MaxRoiPool",
    tensors: { settings in
      let shape = try settings.requiredInts("pooled_shape")
      guard shape.count == 2, shape.allSatisfy({ (1...1 << 20).contains($0) }) else {
        throw KernelProblem("the pooled_shape \(shape) is not two positive extents")
      }
      let pooling = RegionPooling(
        height: shape[0], width: shape[1], scale: try settings.float("spatial_scale", default: 1))
      return wideningHalves { call in
        let data = try call.tensor(0)
        let regions = try call.tensor(1, data.elementType)
        switch data.elementType {
        case .float32: return [try pooling.pool(Float.self, data, regions, call.context)]
        case .float64: return [try pooling.pool(Double.self, data, regions, call.context)]
        default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
        }
      }
    })
}

/// Puts pooled values back where they came from; everything else is zero.
private struct Unpooling: Sendable {
  private let extents: [Int]
  private let strides: [Int]
  private let pads: [Int]

  init(_ settings: NodeSettings) throws {
    extents = try settings.requiredInts("kernel_shape")
    strides = try settings.ints("strides") ?? extents.map { _ in 1 }
    pads = try settings.ints("pads") ?? (extents + extents).map { _ in 0 }
    let small = 1 << 30
    guard strides.count == extents.count, pads.count == 2 * extents.count,
      (extents + strides).allSatisfy({ (1...small).contains($0) }),
      pads.allSatisfy({ (0...small).contains($0) })
    else { throw KernelProblem("kernel_shape, strides and pads do not fit together") }
  }

  func unpool(
    _ data: Tensor, _ places: Tensor, shape given: [Int]?, _ context: RunContext
  ) throws -> Tensor {
    try data.checkExtents()
    guard data.rank == extents.count + 2, places.shape == data.shape else {
      throw KernelProblem("\(data.description) cannot be unpooled with \(places.description)")
    }
    let inferred =
      Array(data.shape.prefix(2))
      + extents.indices.map { axis in
        (data.shape[axis + 2] - 1) * strides[axis] - pads[axis] - pads[axis + extents.count]
          + extents[axis]
      }
    let shape = given ?? inferred
    guard shape.count == inferred.count, inferred.allSatisfy({ $0 >= 0 }),
      zip(shape, inferred).allSatisfy({ $0 >= $1 }),
      TensorData.elementCount(of: shape) != nil, TensorData.elementCount(of: inferred) != nil
    else { throw KernelProblem("the shape \(inferred) cannot be unpooled into \(shape)") }
    let result = try context.allocate(data.elementType, shape)
    try data.elementType.visitWidth(
      UnpoolVisitor(data: data, places: places, inferred: inferred, result: result))
    return result
  }
}

/// The moving of an unpooling.
private struct UnpoolVisitor: WidthVisitor {
  let data: Tensor
  let places: Tensor
  let inferred: [Int]
  let result: Tensor

  func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
    let out = result.mutableElements(type)
    out.update(repeating: 0)
    let values = data.elements(type)
    let count = inferred.reduce(1, *)
    let from = elementStrides(inferred)
    let to = elementStrides(result.shape)
    for (index, place) in places.elements(Int64.self).enumerated() {
      guard (0..<Int64(count)).contains(place) else {
        throw KernelProblem("the index \(place) lies outside the shape \(inferred)")
      }
      var rest = Int(place)
      var target = 0
      for axis in inferred.indices {
        target += rest / from[axis] * to[axis]
        rest %= from[axis]
      }
      out[target] = values[index]
    }
  }
}

/// Largest values in a grid of cells over each region of interest, as Fast R-CNN has it.
private struct RegionPooling: Sendable {
  let height: Int
  let width: Int
  let scale: Float

  func pool<Element: NumberElement & BinaryFloatingPoint>(
    _ type: Element.Type, _ data: Tensor, _ regions: Tensor, _ context: RunContext
  ) throws -> Tensor {
    try data.checkExtents()
    guard data.rank == 4, regions.rank == 2, regions.shape[1] == 5 else {
      throw KernelProblem("\(data.description) has no regions like \(regions.description)")
    }
    let shape = [regions.shape[0], data.shape[1], height, width]
    guard TensorData.elementCount(of: shape) != nil else {
      throw KernelProblem("the pooled shape \(shape) has too many elements")
    }
    let result = try context.allocate(data.elementType, shape)
    let out = result.mutableElements(type)
    let values = regions.elements(type)
    for region in 0..<shape[0] {
      let numbers = (0..<5).map { values[region * 5 + $0].asDouble }
      guard numbers[0] >= 0, numbers[0] < Double(data.shape[0]) else {
        throw KernelProblem("region \(region) is in the sample \(numbers[0]), which does not exist")
      }
      let sample = Int(numbers[0])
      let box = try numbers.dropFirst().map { try place($0) }
      let rows = cells(from: box[1], to: box[3], count: height, extent: data.shape[2])
      let columns = cells(from: box[0], to: box[2], count: width, extent: data.shape[3])
      for channel in 0..<shape[1] {
        let plane = (sample * shape[1] + channel) * data.shape[2] * data.shape[3]
        let target = (region * shape[1] + channel) * height * width
        for cell in 0..<height * width {
          out[target + cell] = largest(
            data.elements(type), plane, data.shape[3], rows[cell / width], columns[cell % width])
        }
      }
    }
    return result
  }

  private func place(_ coordinate: Double) throws -> Int {
    let place = (coordinate * Double(scale)).rounded(.toNearestOrAwayFromZero)
    guard abs(place) < 1e9 else { throw KernelProblem("a region has the corner \(coordinate)") }
    return Int(place)
  }

  /// The positions of each cell along one axis.
  private func cells(from start: Int, to end: Int, count: Int, extent: Int) -> [Range<Int>] {
    let size = Float(max(end - start + 1, 1)) / Float(count)
    return (0..<count).map { cell in
      let low = Int((Float(cell) * size).rounded(.down)) + start
      let high = Int((Float(cell + 1) * size).rounded(.up)) + start
      let first = min(max(low, 0), extent)
      return first..<max(first, min(max(high, 0), extent))
    }
  }

  private func largest<Element: NumberElement>(
    _ values: UnsafeBufferPointer<Element>, _ plane: Int, _ stride: Int, _ rows: Range<Int>,
    _ columns: Range<Int>
  ) -> Element {
    guard !rows.isEmpty, !columns.isEmpty else { return 0 }
    var best = values[plane + rows.lowerBound * stride + columns.lowerBound]
    for row in rows {
      for column in columns {
        let value = values[plane + row * stride + column]
        if value > best { best = value }
      }
    }
    return best
  }
}
