import ModelGraph

/// Loop: runs a graph until a count is reached or a condition fails, handing values on from one
/// iteration to the next.
struct LoopKernel: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "Loop", versions: "sequences carried since 13, optionals since 16", types: "all", layouts: .any,
    values: { settings in
      let loop = try LoopKernel(settings)
      return { try loop.run($0) }
    })

  private let body: NestedProgram
  private let carriedCount: Int
  /// The results that are gathered from all iterations.
  private let gathered: [DeclaredResult]

  private init(_ settings: NodeSettings) throws {
    let graph = try settings.graph("body")
    guard settings.node.inputs.prefix(2).contains(where: { $0 != nil }) else {
      throw KernelProblem("neither a count nor a condition ends it")
    }
    carriedCount = max(0, settings.node.inputs.count - 2)
    guard graph.inputs.count == carriedCount + 2, graph.outputs.count > carriedCount else {
      throw KernelProblem(
        "the body has \(graph.inputs.count) inputs and \(graph.outputs.count) outputs, which does "
          + "not fit \(carriedCount) carried values")
    }
    gathered = graph.outputs.dropFirst(carriedCount + 1).map(DeclaredResult.init)
    body = try settings.nested(graph)
  }

  private func run(_ call: KernelCall) throws -> [RunValue?] {
    let limit = try limit(call)
    var condition = try call.optional(1)
    var carried = (0..<carriedCount).map { call.inputs[$0 + 2] ?? .nothing }
    var parts = [[Tensor]](repeating: [], count: gathered.count)
    let isConditional = condition != nil
    let mark = call.context.mark
    var turn: Int64 = 0
    while turn < limit, try condition.map(Families.isTrue) ?? true {
      let goes = try condition ?? truth(call.context)
      let inputs = [try number(turn, call.context), .tensor(goes)]
      let results = try body.run(inputs + carried, call)
      guard case .tensor(let goesOn) = results[0] else {
        throw KernelProblem("the body's first result is not a condition")
      }
      if isConditional { condition = try goesOn.converted(to: .rowMajor, call.context) }
      carried = Array(results[1...carriedCount])
      for index in gathered.indices {
        guard case .tensor(let tensor) = results[index + carriedCount + 1] else {
          throw KernelProblem("a result to gather is not a tensor")
        }
        parts[index].append(try tensor.converted(to: .rowMajor, call.context))
      }
      call.context.endNode(keeping: mark)
      turn += 1
    }
    let stacks = try gathered.indices.map { index -> RunValue in
      try .tensor(
        parts[index].isEmpty
          ? gathered[index].noneStacked(axis: 0, call.context)
          : .stacked(parts[index], axis: 0, call.context))
    }
    return carried + stacks
  }

  private func limit(_ call: KernelCall) throws -> Int64 {
    guard let count = try call.integers(0) else { return .max }
    guard count.count == 1 else {
      throw KernelProblem("\(count.count) trip counts are given instead of one")
    }
    return Int64(count[0])
  }

  private func number(_ turn: Int64, _ context: RunContext) throws -> RunValue {
    let tensor = try context.allocate(.int64, [])
    tensor.mutableElements(Int64.self)[0] = turn
    return .tensor(tensor)
  }

  private func truth(_ context: RunContext) throws -> Tensor {
    let tensor = try context.allocate(.bool, [])
    tensor.mutableElements(UInt8.self)[0] = 1
    return tensor
  }
}
