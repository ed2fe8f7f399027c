import ModelGraph

extension Families {
  /// Operators that run graphs of their own.
  static let controlFlow = [conditional, LoopKernel.definition, ScanKernel.definition]

  /// If: runs one of two graphs.
  private static let conditional = OperatorDefinition(
    "If", versions: "results may be sequences since 13, optionals since 16", types: "all",
    layouts: .any,
    values: { settings in
      if let known = settings.constants[0] {
        let branch = try settings.nested(
          settings.graph(try isTrue(known) ? "then_branch" : "else_branch"))
        return { call in try branch.run([], call) }
      }
      let yes = try settings.nested(settings.graph("then_branch"))
      let no = try settings.nested(settings.graph("else_branch"))
      return { call in try (isTrue(call.tensor(0)) ? yes : no).run([], call) }
    })

  /// Reads a condition.
  static func isTrue(_ condition: Tensor) throws -> Bool {
    guard condition.elementType == .bool, condition.count == 1 else {
      throw KernelProblem("a condition is \(condition.description), not one truth value")
    }
    return condition.elements(UInt8.self)[0] != 0
  }
}

/// What a nested graph declares of a result, for runs in which it is never made.
struct DeclaredResult: Sendable {
  private let type: ElementType
  private let shape: [Int]

  /// Reads what the graph says; unknown extents count as 0.
  init(_ value: Value) {
    guard case .tensor(let type, let shape)? = value.type else {
      self.type = .float32
      self.shape = []
      return
    }
    self.type = type == .undefined ? .float32 : type
    self.shape = (shape ?? []).map { dimension in
      if case .fixed(let extent) = dimension { extent } else { 0 }
    }
  }

  /// None of these tensors, side by side along a new axis.
  func noneStacked(axis: Int, _ context: RunContext) throws -> Tensor {
    var shape = self.shape
    shape.insert(0, at: min(axis, shape.count))
    return try context.allocate(type, shape)
  }
}
