import ModelGraph

/// A tensor seen through labels: each has an extent and a stride, wherever its axis lies.
struct EinsumOperand {
  let tensor: Tensor
  private(set) var labels: [EinsumLabel]
  private var strides: [EinsumLabel: Int]

  /// Sees a dense row-major tensor; axes with one label are walked together, and axes of extent 1
  /// are repeated.
  init(_ tensor: Tensor, labels axes: [EinsumLabel], extents: [EinsumLabel: Int]) {
    self.tensor = tensor
    labels = []
    strides = [:]
    for (axis, stride) in elementStrides(tensor.shape).enumerated() {
      let label = axes[axis]
      if strides[label] == nil { labels.append(label) }
      let isRepeated = tensor.shape[axis] == 1 && extents[label] != 1
      strides[label, default: 0] += isRepeated ? 0 : stride
    }
  }

  /// The stride of a label; 0 for one the operand lacks.
  func stride(_ label: EinsumLabel) -> Int { strides[label] ?? 0 }

  /// Some labels from the slowest to the fastest in memory.
  func sorted(_ labels: [EinsumLabel]) -> [EinsumLabel] {
    labels.enumerated().sorted {
      (-stride($0.element), $0.offset) < (-stride($1.element), $1.offset)
    }.map(\.element)
  }

  /// The stride at which labels can be walked like one axis; nil if they cannot.
  func commonStride(_ labels: [EinsumLabel], _ extents: [EinsumLabel: Int]) -> Int? {
    let walked = labels.filter { extents[$0] != 1 }
    for (outer, inner) in zip(walked, walked.dropFirst())
    where stride(outer) != stride(inner) * (extents[inner] ?? 1) { return nil }
    return walked.last.map(stride) ?? 0
  }
}

/// One evaluation of an equation: operands are contracted two at a time, from the left.
struct EinsumRun {
  private let extents: [EinsumLabel: Int]
  private let context: RunContext

  /// The result for these operands.
  static func result(
    of equation: EinsumEquation, _ operands: [Tensor], _ context: RunContext
  ) throws -> Tensor {
    let labels = try equation.labels(of: operands.map(\.shape))
    let wanted = try equation.resultLabels(labels)
    for operand in operands where operand.elementType != operands[0].elementType {
      throw KernelProblem(
        "\(operand.elementType.name) and \(operands[0].elementType.name) are mixed")
    }
    let run = EinsumRun(extents: try extents(operands, labels), context: context)
    let views = zip(operands, labels).map { EinsumOperand($0, labels: $1, extents: run.extents) }
    guard var current = views.first else { throw KernelProblem("there is no operand") }
    for (index, next) in views.enumerated().dropFirst() {
      let kept = Set(wanted).union(views[(index + 1)...].flatMap(\.labels))
      current = try run.contract(current, next, keeping: kept)
    }
    let dropped = current.labels.filter { !wanted.contains($0) }
    if !dropped.isEmpty { current = try run.sum(current, over: dropped) }
    return try run.dense(current, order: wanted)
  }

  private static func extents(
    _ operands: [Tensor], _ labels: [[EinsumLabel]]
  ) throws -> [EinsumLabel: Int] {
    var extents: [EinsumLabel: Int] = [:]
    for (operand, labels) in zip(operands, labels) {
      for (extent, label) in zip(operand.shape, labels) {
        let known = extents[label] ?? 1
        guard known == 1 || extent == 1 || known == extent else {
          throw KernelProblem("one axis of the equation has the extents \(known) and \(extent)")
        }
        extents[label] = known == 1 ? extent : known
      }
    }
    return extents
  }

  private func extent(_ label: EinsumLabel) -> Int { extents[label] ?? 1 }

  private func count(_ labels: [EinsumLabel]) throws -> Int {
    guard let count = TensorData.elementCount(of: labels.map(extent)) else {
      throw KernelProblem("a result of extents \(labels.map(extent)) is too large")
    }
    return count
  }

  /// Products of two operands, summed over labels that nothing else needs.
  private func contract(
    _ left: EinsumOperand, _ right: EinsumOperand, keeping kept: Set<EinsumLabel>
  ) throws -> EinsumOperand {
    let (a, b) = (Set(left.labels), Set(right.labels))
    let onlyLeft = left.labels.filter { !b.contains($0) && !kept.contains($0) }
    let onlyRight = right.labels.filter { !a.contains($0) && !kept.contains($0) }
    if !onlyLeft.isEmpty { return try contract(sum(left, over: onlyLeft), right, keeping: kept) }
    if !onlyRight.isEmpty { return try contract(left, sum(right, over: onlyRight), keeping: kept) }
    return try product(
      left, right, samples: left.sorted(left.labels.filter { b.contains($0) && kept.contains($0) }),
      rows: left.sorted(left.labels.filter { !b.contains($0) }),
      columns: right.sorted(right.labels.filter { !a.contains($0) }),
      terms: left.sorted(left.labels.filter { b.contains($0) && !kept.contains($0) }))
  }

  /// Sums an operand over some of its labels: its product with a column of ones.
  private func sum(_ operand: EinsumOperand, over terms: [EinsumLabel]) throws -> EinsumOperand {
    let one = try context.allocate(operand.tensor.elementType, [])
    switch operand.tensor.elementType {
    case .float32: one.mutableElements(Float.self)[0] = 1
    case .float64: one.mutableElements(Double.self)[0] = 1
    default:
      one.storage.base.initializeMemory(as: UInt8.self, repeating: 0, count: one.byteCount)
      one.storage.base.storeBytes(of: 1, as: UInt8.self)
    }
    let ones = EinsumOperand(one, labels: [], extents: extents)
    return try product(
      operand, ones, samples: [],
      rows: operand.sorted(operand.labels.filter { !terms.contains($0) }),
      columns: [], terms: operand.sorted(terms))
  }

  private func product(
    _ left: EinsumOperand, _ right: EinsumOperand, samples: [EinsumLabel], rows: [EinsumLabel],
    columns: [EinsumLabel], terms: [EinsumLabel]
  ) throws -> EinsumOperand {
    let (a, leftStrides) = try matrix(left, samples, rows, terms)
    let (b, rightStrides) = try matrix(right, samples, terms, columns)
    let labels = samples + rows + columns
    _ = try count(labels)
    let product = BatchedProduct(
      samples: try count(samples), rows: try count(rows), columns: try count(columns),
      depth: try count(terms), left: leftStrides, right: rightStrides)
    let result = try product.multiply(a, b, shape: labels.map(extent), context)
    return EinsumOperand(result, labels: labels, extents: extents)
  }

  /// An operand as matrices: as it lies in memory if strides can say it, else as a dense copy.
  private func matrix(
    _ operand: EinsumOperand, _ samples: [EinsumLabel], _ rows: [EinsumLabel],
    _ columns: [EinsumLabel]
  ) throws -> (Tensor, BatchedProduct.Strides) {
    if let sample = operand.commonStride(samples, extents),
      let row = operand.commonStride(rows, extents),
      let column = operand.commonStride(columns, extents)
    {
      return (operand.tensor, .init(sample: sample, row: row, column: column))
    }
    let copy = try dense(operand, order: samples + rows + columns)
    return (copy, .dense(rows: try count(rows), columns: try count(columns)))
  }

  /// The elements with the labels in a given order.
  private func dense(_ operand: EinsumOperand, order: [EinsumLabel]) throws -> Tensor {
    let shape = order.map(extent)
    let strides = order.map(operand.stride)
    let elements = try count(order)
    if elements == operand.tensor.count, operand.commonStride(order, extents) ?? 0 == 1 {
      return operand.tensor.reshaped(shape)
    }
    let result = try context.allocate(operand.tensor.elementType, shape)
    try Movement(extents: shape, from: strides, to: result.strides).run(
      operand.tensor.start, to: result.target, width: result.width, context)
    return result
  }
}
