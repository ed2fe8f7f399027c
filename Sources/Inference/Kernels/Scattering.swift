import ModelGraph

extension Families {
  /// Operators that put elements where indices say.
  static let scattering = [
    scatterElements("ScatterElements"), scatterElements("Scatter"), scatterND,
  ]

  private static func scatterElements(_ name: String) -> OperatorDefinition {
    OperatorDefinition(
      name, versions: name == "Scatter" ? "9 and 10" : "add and mul since 16, min and max since 18",
      types: "all; numbers where they are reduced",
      tensors: { settings in
        let axis = try settings.int("axis", default: 0)
        let reduction = try ScatterReduction(settings)
        return reduction.widening { call in
          let free = call.takeForWriting(0, try call.tensor(0).elementType)
          let data = try call.tensor(0)
          let places = try call.tensor(1)
          let updates = try call.tensor(2, data.elementType)
          guard updates.shape == places.shape else {
            throw KernelProblem(
              "indices \(places.description) and updates \(updates.description) differ in shape")
          }
          let lines = try ElementLines(data, places, axis: axis, call)
          let result = try free ?? data.copied(call.context)
          try reduction.apply(
            LineScattering(lines: lines, updates: updates, result: result), data.elementType)
          return [result]
        }
      })
  }

  private static let scatterND = OperatorDefinition(
    "ScatterND", versions: "add and mul since 16, min and max since 18",
    types: "all; numbers where they are reduced",
    tensors: { settings in
      let reduction = try ScatterReduction(settings)
      return reduction.widening { call in
        let free = call.takeForWriting(0, try call.tensor(0).elementType)
        let data = try call.tensor(0)
        let places = try call.tensor(1)
        let updates = try call.tensor(2, data.elementType)
        let tuples = try IndexTuples(places, in: data, batchAxes: 0, call)
        guard updates.shape == places.shape.dropLast() + data.shape[tuples.length...] else {
          throw KernelProblem(
            "updates \(updates.description) do not fit \(data.description) at indices "
              + places.description)
        }
        let result = try free ?? data.copied(call.context)
        if updates.count == 0 { return [result] }
        if case .none = reduction {
          let run = tuples.inner * data.width
          for (index, row) in tuples.rows.enumerated() {
            (result.target + Int(row) * run).copyMemory(
              from: updates.start + index * run, byteCount: run)
          }
        } else {
          try reduction.apply(
            RowScattering(tuples: tuples, updates: updates, result: result), data.elementType)
        }
        return [result]
      }
    })
}

/// What happens to an element that is there already.
private enum ScatterReduction {
  case none, add, multiply, least, greatest

  init(_ settings: NodeSettings) throws {
    let name = try settings.string("reduction") ?? "none"
    switch name {
    case "none": self = .none
    case "add": self = .add
    case "mul": self = .multiply
    case "min": self = .least
    case "max": self = .greatest
    default: throw KernelProblem("'\(name)' is not a reduction")
    }
  }

  /// Only arithmetic needs wider numbers.
  func widening(_ kernel: @escaping TensorKernel) -> TensorKernel {
    if case .none = self { kernel } else { wideningHalves(kernel) }
  }

  /// Runs a loop with the elements' own type where it computes, and any of their width otherwise.
  func apply(_ scattering: some Scattering, _ type: ElementType) throws {
    switch self {
    case .none: try type.visitWidth(WidthScattering(scattering: scattering))
    case _ where type == .bool:
      let logical: ScatterReduction = self == .add || self == .greatest ? .greatest : .least
      try ElementType.uint8.visitNumber(
        NumberScattering(scattering: scattering, reduction: logical))
    default: try type.visitNumber(NumberScattering(scattering: scattering, reduction: self))
    }
  }

  @inline(__always)
  func combine<Element: NumberElement>(_ old: Element, _ new: Element) -> Element {
    switch self {
    case .none: new
    case .add: old.addingProduct(wrapping: new, 1)
    case .multiply: Element.zero.addingProduct(wrapping: old, new)
    case .least: new < old || new != new ? new : old
    case .greatest: new > old || new != new ? new : old
    }
  }
}

/// A loop over updates and the places they go to.
private protocol Scattering {
  func scatter<Element: TensorElement>(
    _ type: Element.Type, _ combine: (Element, Element) -> Element)
}

private struct WidthScattering<Loop: Scattering>: WidthVisitor {
  let scattering: Loop

  func visit<Element: TensorElement & FixedWidthInteger>(_ type: Element.Type) throws {
    scattering.scatter(type) { _, new in new }
  }
}

private struct NumberScattering<Loop: Scattering>: NumberVisitor {
  let scattering: Loop
  let reduction: ScatterReduction

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    switch reduction {
    case .add: scattering.scatter(type) { ScatterReduction.add.combine($0, $1) }
    default: scattering.scatter(type) { reduction.combine($0, $1) }
    }
  }
}

private struct LineScattering: Scattering {
  let lines: ElementLines
  let updates: Tensor
  let result: Tensor

  @inline(__always)
  func scatter<Element: TensorElement>(
    _ type: Element.Type, _ combine: (Element, Element) -> Element
  ) {
    let (source, out) = (updates.elements(type), result.mutableElements(type))
    lines.forEach { line, base in
      for column in 0..<lines.length {
        let place = lines.place(line + column, column, base)
        out[place] = combine(out[place], source[line + column])
      }
    }
  }
}

private struct RowScattering: Scattering {
  let tuples: IndexTuples
  let updates: Tensor
  let result: Tensor

  @inline(__always)
  func scatter<Element: TensorElement>(
    _ type: Element.Type, _ combine: (Element, Element) -> Element
  ) {
    let (source, out) = (updates.elements(type), result.mutableElements(type))
    for index in 0..<tuples.rows.count {
      let (from, to) = (index * tuples.inner, Int(tuples.rows[index]) * tuples.inner)
      for offset in 0..<tuples.inner {
        out[to + offset] = combine(out[to + offset], source[from + offset])
      }
    }
  }
}
