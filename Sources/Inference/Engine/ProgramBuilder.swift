import ModelGraph

/// Turns a graph into a program: orders the nodes, computes what is constant, fuses, and assigns
/// slots.
struct ProgramBuilder {
  /// What is the same for a graph and all graphs inside it.
  struct Environment {
    let operatorSets: [OperatorSet]
    /// Memory of constants.
    let pool: BufferPool
    /// How quantized operators are computed.
    let arithmetic: QuantizedArithmetic
    /// Which values a tap wants to see, by name.
    let isWatched: (String) -> Bool

    /// The version of a domain's operator set.
    func version(of domain: String) -> Int {
      let standard = domain.isEmpty || domain == "ai.onnx"
      return operatorSets.first {
        standard ? $0.domain.isEmpty || $0.domain == "ai.onnx" : $0.domain == domain
      }?.version ?? 1
    }
  }

  private let graph: Graph
  private let environment: Environment
  /// Values from around a nested graph, which follow its inputs.
  private let captured: [Value]
  /// What is known before any run, by value.
  private var constants: [ObjectIdentifier: RunValue]
  /// Constants that fusions made; kept, so that their identities stay theirs.
  private var madeConstants: [Value] = []

  /// Builds the program of a whole model's graph.
  ///
  /// - Throws: `NodeFailure`, or `KernelProblem` where no node is to blame.
  static func build(_ graph: Graph, environment: Environment) throws -> Program {
    var builder = ProgramBuilder(
      graph: graph, environment: environment, captured: [], constants: [:])
    return try builder.program()
  }

  private init(
    graph: Graph, environment: Environment, captured: [Value],
    constants: [ObjectIdentifier: RunValue]
  ) {
    self.graph = graph
    self.environment = environment
    self.captured = captured
    self.constants = constants
  }

  private mutating func program() throws -> Program {
    for value in graph.initializers {
      if let data = value.initializer {
        constants[ObjectIdentifier(value)] = .tensor(
          try Tensor(constant: data, pool: environment.pool))
      }
    }
    var drafts = needed(onIntegers(try ordered()))
    drafts = try fold(drafts)
    drafts = fuse(drafts)
    return try assemble(drafts)
  }

  /// Drafts of all nodes in an order in which each finds its inputs made.
  private func ordered() throws -> [Draft] {
    var known = Set((graph.inputs + graph.initializers + captured).map(ObjectIdentifier.init))
    known.formUnion(constants.keys)
    var waiting: [Draft] = []
    for node in graph.nodes {
      guard let definition = OperatorTable.find(node.operatorType, domain: node.domain) else {
        throw NodeFailure(
          label: NodeLabel(node),
          problem: KernelProblem(
            lacking: "the engine has no operator \(NodeLabel(node).operatorType)"))
      }
      waiting.append(
        Draft(
          node: node, definition: definition, inputs: node.inputs, outputs: node.outputs,
          captures: Captures.of(node)))
    }
    var result: [Draft] = []
    while !waiting.isEmpty {
      var later: [Draft] = []
      for draft in waiting {
        let needs = draft.inputs.compactMap { $0 } + draft.captures
        if needs.allSatisfy({ known.contains(ObjectIdentifier($0)) || $0.initializer != nil }) {
          for output in draft.outputs { if let output { known.insert(ObjectIdentifier(output)) } }
          result.append(draft)
        } else {
          later.append(draft)
        }
      }
      guard later.count < waiting.count else {
        throw NodeFailure(
          label: NodeLabel(later[0].node),
          problem: KernelProblem("the node waits for its own result: the graph has a cycle"))
      }
      waiting = later
    }
    return result
  }

  /// The drafts with quantized groups on integers, where the session wants that.
  private func onIntegers(_ drafts: [Draft]) -> [Draft] {
    guard environment.arithmetic != .simulated else { return drafts }
    let known = constants
    let isFixedPoint = environment.arithmetic == .fixedPoint
    return IntegerGroups(drafts, graph: graph, isFixedPoint: isFixedPoint) {
      known[ObjectIdentifier($0)]?.tensor
    }.replaced()
  }

  /// Leaves out nodes that neither an output nor a tap needs.
  private func needed(_ drafts: [Draft]) -> [Draft] {
    var wanted = Set(graph.outputs.map(ObjectIdentifier.init))
    var kept: [Draft] = []
    for draft in drafts.reversed() {
      let isNeeded = draft.outputs.contains { output in
        output.map { wanted.contains(ObjectIdentifier($0)) || environment.isWatched($0.name) }
          ?? false
      }
      let watchesInside = !draft.captures.isEmpty || !draft.node.subgraphs.isEmpty
      guard isNeeded || watchesInside else { continue }
      for value in draft.inputs.compactMap({ $0 }) + draft.captures {
        wanted.insert(ObjectIdentifier(value))
      }
      kept.append(draft)
    }
    return kept.reversed()
  }

  /// Computes the nodes whose inputs are all known.
  private mutating func fold(_ drafts: [Draft]) throws -> [Draft] {
    let context = RunContext(pool: environment.pool, workers: .init(threads: 1))
    var rest: [Draft] = []
    for draft in drafts {
      if let data = draft.node.constantOutput, let output = draft.outputs.first ?? nil {
        constants[ObjectIdentifier(output)] = .tensor(
          try Tensor(constant: data, pool: environment.pool))
        continue
      }
      let inputs = draft.inputs.map { value in value.flatMap { constants[ObjectIdentifier($0)] } }
      let allKnown = zip(draft.inputs, inputs).allSatisfy { $0 == nil || $1 != nil }
      guard allKnown, draft.definition.isPure, draft.node.subgraphs.isEmpty else {
        rest.append(draft)
        continue
      }
      do {
        let body = try draft.definition.prepare(settings(of: draft))
        let call = KernelCall(inputs: inputs, context: context, observer: nil)
        let results = try body(call)
        for (output, result) in zip(draft.outputs, results) {
          guard let output, let result else { continue }
          constants[ObjectIdentifier(output)] =
            try result.tensor.map { .tensor(try $0.converted(to: .rowMajor, context)) } ?? result
        }
        context.endNode()
      } catch {
        throw NodeFailure(label: NodeLabel(draft.node), problem: error)
      }
    }
    return rest
  }

  private mutating func fuse(_ drafts: [Draft]) -> [Draft] {
    let known = constants
    var made: [Value] = []
    let fused = Fusion.apply(
      to: drafts, graph: graph, isWatched: environment.isWatched,
      constant: { known[ObjectIdentifier($0)]?.tensor },
      define: { tensor in
        let value = Value(name: "")
        made.append(value)
        constants[ObjectIdentifier(value)] = .tensor(tensor)
        return value
      })
    madeConstants = made
    return fused
  }

  private func settings(
    of draft: Draft,
    nested: @escaping (Graph) throws -> NestedProgram = { _ in
      throw KernelProblem("an operator without nested graphs has one")
    }
  ) -> NodeSettings {
    var known: [Int: Tensor] = [:]
    for (index, value) in draft.inputs.enumerated() {
      if let value, let tensor = constants[ObjectIdentifier(value)]?.tensor {
        known[index] = tensor
      }
    }
    return NodeSettings(
      node: draft.node, version: environment.version(of: draft.node.domain), constants: known,
      inputCount: draft.inputs.count, followers: draft.followers, nested: nested,
      versionOf: environment.version)
  }

  // MARK: Assembling

  private func assemble(_ drafts: [Draft]) throws -> Program {
    var table = SlotTable(constants: constants)
    for value in graph.inputs + captured where constants[ObjectIdentifier(value)] == nil {
      table.define(value)
    }
    var prepared: [(draft: Draft, body: KernelBody, reads: [Value?])] = []
    for draft in drafts {
      do {
        let (body, reads) = try prepare(draft)
        prepared.append((draft, body, reads))
      } catch let failure as NodeFailure {
        throw failure
      } catch {
        throw NodeFailure(label: NodeLabel(draft.node), problem: error)
      }
    }
    table.countReads(prepared.map(\.reads), outputs: graph.outputs)
    var steps: [Program.Step] = []
    for (index, (draft, body, reads)) in prepared.enumerated() {
      let inputs = operands(reads, of: index, in: &table)
      let taps = draft.outputs.enumerated().compactMap { position, output in
        output.flatMap { environment.isWatched($0.name) ? (output: position, name: $0.name) : nil }
      }
      steps.append(
        Program.Step(
          label: NodeLabel(draft.node), inputs: inputs,
          outputs: draft.outputs.map { $0.flatMap { table.slotIfRead($0) } }, taps: taps,
          layouts: draft.definition.layouts, body: body))
    }
    let outputs = graph.outputs.map { table.operand(of: $0, readBy: .max) }
    let constantTaps = watchedConstants(in: &table)
    return Program(
      slotCount: table.slotCount, constants: table.values,
      inputs: (graph.inputs + captured).map { table.slotIfRead($0) }, outputs: outputs,
      steps: steps, constantTaps: constantTaps,
      inputTaps: graph.inputs.enumerated().compactMap { index, value in
        environment.isWatched(value.name) ? (index, value.name) : nil
      })
  }

  /// Operands of one step. Of a value read twice only the last reading takes it out.
  private func operands(
    _ reads: [Value?], of step: Int, in table: inout SlotTable
  ) -> [Program.Operand] {
    var operands = reads.map { table.operand(of: $0, readBy: step) }
    for (index, value) in reads.enumerated() {
      if case .slot(let slot, true) = operands[index],
        reads[(index + 1)...].contains(where: { $0 === value })
      {
        operands[index] = .slot(slot, isLast: false)
      }
    }
    return operands
  }

  private func prepare(_ draft: Draft) throws -> (KernelBody, reads: [Value?]) {
    var reads = draft.inputs
    let settings = settings(of: draft) { graph in
      let captures = Captures.of(graph).filter { constants[ObjectIdentifier($0)] == nil }
      var builder = ProgramBuilder(
        graph: graph, environment: environment, captured: captures, constants: constants)
      let program = try builder.program()
      let range = reads.count..<reads.count + captures.count
      reads += captures
      return NestedProgram(program: program, captures: range, inputCount: graph.inputs.count)
    }
    return (try draft.definition.prepare(settings), reads)
  }

  private func watchedConstants(in table: inout SlotTable) -> [(constant: Int, name: String)] {
    var result: [(constant: Int, name: String)] = []
    for node in graph.nodes {
      for case let output? in node.outputs
      where environment.isWatched(output.name) && constants[ObjectIdentifier(output)] != nil {
        if case .constant(let index) = table.operand(of: output, readBy: .max) {
          result.append((index, output.name))
        }
      }
    }
    return result
  }
}

/// Gives values their places: constants by index, all else by slot.
private struct SlotTable {
  private let constants: [ObjectIdentifier: RunValue]
  private(set) var values: [RunValue] = []
  private(set) var slotCount = 0
  private var constantIndex: [ObjectIdentifier: Int] = [:]
  private var slots: [ObjectIdentifier: Int] = [:]
  private var lastReader: [ObjectIdentifier: Int] = [:]

  init(constants: [ObjectIdentifier: RunValue]) { self.constants = constants }

  mutating func define(_ value: Value) {
    slots[ObjectIdentifier(value)] = slotCount
    slotCount += 1
  }

  /// Notes who reads what last, and gives every value that is read a slot.
  mutating func countReads(_ reads: [[Value?]], outputs: [Value]) {
    func note(_ value: Value, readBy reader: Int) {
      let identity = ObjectIdentifier(value)
      lastReader[identity] = reader
      if constants[identity] == nil, slots[identity] == nil { define(value) }
    }
    for (index, values) in reads.enumerated() {
      for case let value? in values { note(value, readBy: index) }
    }
    for value in outputs { note(value, readBy: .max) }
  }

  /// The slot of a value that something reads.
  func slotIfRead(_ value: Value) -> Int? {
    let identity = ObjectIdentifier(value)
    return lastReader[identity] == nil ? nil : slots[identity]
  }

  mutating func operand(of value: Value?, readBy reader: Int) -> Program.Operand {
    guard let value else { return .absent }
    let identity = ObjectIdentifier(value)
    if let constant = constants[identity] {
      if let index = constantIndex[identity] { return .constant(index) }
      values.append(constant)
      constantIndex[identity] = values.count - 1
      return .constant(values.count - 1)
    }
    guard let slot = slots[identity] else { return .absent }
    return .slot(slot, isLast: reader != .max && lastReader[identity] == reader)
  }
}
