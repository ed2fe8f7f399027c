import ModelGraph

extension Families {
  static let col2Im = OperatorDefinition(
    "Col2Im", types: "numbers",
    tensors: { settings in
      let image = try IntegerOperand(settings, input: 1)
      let block = try IntegerOperand(settings, input: 2)
      let dilations = try settings.ints("dilations")
      let pads = try settings.ints("pads")
      let strides = try settings.ints("strides")
      return wideningHalves { call in
        let image = try image.required(call)
        let plan = try FoldPlan(
          image: image, block: block.required(call),
          dilations: dilations ?? image.map { _ in 1 },
          pads: pads ?? (image + image).map { _ in 0 },
          strides: strides ?? image.map { _ in 1 })
        let tensor = try call.tensor(0)
        return [try tensor.elementType.visitNumber(Folding(plan: plan, tensor: tensor, call: call))]
      }
    })
}

/// How columns of blocks lie in an image.
private struct FoldPlan {
  let image: [Int]
  let block: [Int]
  let dilations: [Int]
  let pads: [Int]
  let strides: [Int]
  /// How many blocks there are along each axis.
  let blocks: [Int]

  init(image: [Int], block: [Int], dilations: [Int], pads: [Int], strides: [Int]) throws {
    let rank = image.count
    let most = 1 << 30
    guard rank > 0, [block, dilations, strides].allSatisfy({ $0.count == rank }),
      pads.count == 2 * rank, (block + dilations + strides).allSatisfy({ (1..<most).contains($0) }),
      (image + pads).allSatisfy({ (0..<most).contains($0) })
    else {
      throw KernelProblem(
        "an image of \(image) with blocks of \(block), strides \(strides), dilations \(dilations) "
          + "and pads \(pads) cannot be put together")
    }
    (self.image, self.block, self.dilations) = (image, block, dilations)
    (self.pads, self.strides) = (pads, strides)
    blocks = image.indices.map { axis in
      let room = image[axis] + pads[axis] + pads[rank + axis] - dilations[axis] * (block[axis] - 1)
      return room < 1 ? 0 : (room - 1) / strides[axis] + 1
    }
  }

  /// The blocks along an axis whose place `offset` lies inside the image.
  func inside(_ axis: Int, offset: Int) -> Range<Int> {
    let first = offset * dilations[axis] - pads[axis]
    let low = first >= 0 ? 0 : (-first + strides[axis] - 1) / strides[axis]
    let high = first >= image[axis] ? 0 : (image[axis] - first - 1) / strides[axis] + 1
    return min(low, blocks[axis])..<max(min(low, blocks[axis]), min(high, blocks[axis]))
  }

  /// The image's place, along an axis, of one place of one block.
  func place(_ axis: Int, offset: Int, block: Int) -> Int {
    block * strides[axis] + offset * dilations[axis] - pads[axis]
  }
}

/// Sums up the columns of blocks that overlap in an image.
private struct Folding: NumberVisitor {
  let plan: FoldPlan
  let tensor: Tensor
  let call: KernelCall

  func visit<Element: NumberElement>(_ type: Element.Type) throws -> Tensor {
    guard tensor.rank == 3, let blockSize = TensorData.elementCount(of: plan.block),
      let blockCount = TensorData.elementCount(of: plan.blocks), tensor.shape[2] == blockCount,
      tensor.shape[1] % blockSize == 0
    else {
      throw KernelProblem(
        "\(tensor.description) does not hold \(plan.blocks) blocks of \(plan.block) elements")
    }
    let channels = tensor.shape[1] / blockSize
    let result = try call.context.allocate(
      tensor.elementType, [tensor.shape[0], channels] + plan.image)
    let out = result.mutableElements(type)
    out.initialize(repeating: 0)
    let columns = tensor.elements(type)
    guard columns.count > 0, out.count > 0 else { return result }
    let imageSize = plan.image.reduce(1, *)
    for image in 0..<tensor.shape[0] * channels {
      let target = UnsafeMutableBufferPointer(
        rebasing: out[image * imageSize..<(image + 1) * imageSize])
      for place in 0..<blockSize {
        let line = (image * blockSize + place) * blockCount
        add(
          UnsafeBufferPointer(rebasing: columns[line..<line + blockCount]),
          at: indices(of: place, in: plan.block), to: target)
      }
    }
    return result
  }

  /// Adds one place of all blocks to an image.
  private func add<Element: NumberElement>(
    _ values: UnsafeBufferPointer<Element>, at offsets: [Int],
    to image: UnsafeMutableBufferPointer<Element>
  ) {
    let last = plan.image.count - 1
    let inner = plan.inside(last, offset: offsets[last])
    let step = plan.strides[last]
    for row in 0..<values.count / plan.blocks[last] {
      let block = indices(of: row, in: plan.blocks.dropLast())
      var start = 0
      var isInside = true
      for axis in 0..<last {
        let place = plan.place(axis, offset: offsets[axis], block: block[axis])
        isInside = isInside && (0..<plan.image[axis]).contains(place)
        start = (start &+ place) &* plan.image[axis + 1]
      }
      guard isInside else { continue }
      start += plan.place(last, offset: offsets[last], block: 0)
      let line = row * plan.blocks[last]
      for column in inner {
        let place = start + column * step;
        image[place] = image[place].addingProduct(wrapping: values[line + column], 1)
      }
    }
  }

  private func indices(of place: Int, in extents: [Int]) -> [Int] {
    var rest = place
    var result = extents
    for axis in extents.indices.reversed() {
      result[axis] = rest % extents[axis]
      rest /= extents[axis]
    }
    return result
  }
}
