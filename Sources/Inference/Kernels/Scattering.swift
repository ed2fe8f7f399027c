import ModelGraph

extension Families {
  /// Operators that write elements to named places of a copy.
  static let scattering = [
    scatterElements("ScatterElements", "reduction since 16, min and max since 18"),
    scatterElements("Scatter", "9 and 10"), scatterND,
  ]

  private static func scatterElements(_ name: String, _ versions: String) -> OperatorDefinition {
    OperatorDefinition(
      name, versions: versions, types: "all",
      tensors: { settings in
        let axis = try settings.int("axis", default: 0)
        let reduction = try Reduction(settings)
        return { call in
          let data = try call.tensor(0)
          let updates = try call.tensor(2, data.elementType)
          let indices = try call.tensor(1)
          guard indices.shape == updates.shape else {
            throw KernelProblem("indices \(indices.description) do not fit \(updates.description)")
          }
          let places = try ElementPlaces(
            indices, in: data, axis: resolvedAxis(axis, rank: data.rank), call)
          let result = data.copied(call.context)
          try reduction.write(updates, to: result, rows: places.offsets, inner: 1)
          return [result]
        }
      })
  }

  private static let scatterND = OperatorDefinition(
    "ScatterND", versions: "reduction since 16, min and max since 18", types: "all",
    tensors: { settings in
      let reduction = try Reduction(settings)
      return { call in
        let data = try call.tensor(0)
        let updates = try call.tensor(2, data.elementType)
        let tuples = try IndexTuples(call, data: data, batchAxes: 0)
        guard updates.count == tuples.rows.count * tuples.inner else {
          throw KernelProblem("updates \(updates.description) do not fit \(data.description)")
        }
        let result = data.copied(call.context)
        try reduction.write(updates, to: result, rows: tuples.rows, inner: tuples.inner)
        return [result]
      }
    })

  /// What happens where several updates, or an update and an old value, meet.
  private enum Reduction: String {
    case none, add, mul, min, max

    init(_ settings: NodeSettings) throws {
      let word = try settings.string("reduction") ?? "none"
      guard let reduction = Reduction(rawValue: word) else {
        throw KernelProblem("the reduction '\(word)' does not exist")
      }
      self = reduction
    }

    func write(
      _ updates: Tensor, to result: Tensor, rows: UnsafeMutableBufferPointer<Int64>, inner: Int
    ) throws {
      if self == .none {
        try result.elementType.visitWidth(
          RowWriter(updates: updates, result: result, rows: rows, inner: inner))
      } else {
        try result.elementType.visitNumber(
          RowReducer(reduction: self, updates: updates, result: result, rows: rows, inner: inner))
      }
    }
  }

  private struct RowWriter: WidthVisitor {
    let updates: Tensor
    let result: Tensor
    let rows: UnsafeMutableBufferPointer<Int64>
    let inner: Int

    func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
      let source = updates.elements(type)
      let out = result.mutableElements(type)
      for index in 0..<rows.count {
        for offset in 0..<inner {
          out[Int(rows[index]) * inner + offset] = source[index * inner + offset]
        }
      }
    }
  }

  private struct RowReducer: NumberVisitor {
    let reduction: Reduction
    let updates: Tensor
    let result: Tensor
    let rows: UnsafeMutableBufferPointer<Int64>
    let inner: Int

    func visit<Element: NumberElement>(_ type: Element.Type) throws {
      let source = updates.elements(type)
      let out = result.mutableElements(type)
      for index in 0..<rows.count * inner {
        let place = Int(rows[index / inner]) * inner + index % inner
        let update = source[index]
        switch reduction {
        case .none: out[place] = update
        case .add: out[place] = out[place].addingProduct(wrapping: update, 1)
        case .mul: out[place] = Element.zero.addingProduct(wrapping: out[place], update)
        case .min: out[place] = Swift.min(out[place], update)
        case .max: out[place] = Swift.max(out[place], update)
        }
      }
    }
  }
}

extension Tensor {
  /// A writable copy.
  func copied(_ context: RunContext) -> Tensor {
    let result = context.allocate(elementType, shape, layout: layout)
    result.storage.base.copyMemory(from: storage.base, byteCount: byteCount)
    return result
  }
}
