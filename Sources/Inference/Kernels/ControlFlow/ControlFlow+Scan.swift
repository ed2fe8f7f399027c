import ModelGraph

/// Scan: runs a graph for each element along an axis of some inputs, handing states on.
struct ScanKernel: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "Scan", versions: "8: batches and sequence lengths; since 9: axes of inputs and outputs",
    types: "all",
    values: { settings in
      let scan = try ScanKernel(settings)
      return { try scan.version == 8 ? scan.runBatches($0) : scan.run($0) }
    })

  private let version: Int
  private let body: NestedProgram
  /// Inputs before the first state: the sequence lengths of version 8.
  private let firstState: Int
  private let stateCount, scanCount: Int
  private let gathered: [DeclaredResult]
  private let inputAxes, outputAxes: [Int]
  private let isInputReversed, isOutputReversed: [Bool]

  private init(_ settings: NodeSettings) throws {
    version = settings.version < 9 ? 8 : 9
    firstState = version == 8 ? 1 : 0
    let graph = try settings.graph("body")
    scanCount = try settings.int("num_scan_inputs", default: 0)
    guard scanCount >= 1, scanCount <= settings.node.inputs.count else {
      throw KernelProblem("\(scanCount) of \(settings.node.inputs.count) inputs are scanned")
    }
    stateCount = settings.node.inputs.count - firstState - scanCount
    guard stateCount >= 0, graph.inputs.count == stateCount + scanCount,
      graph.outputs.count >= stateCount
    else {
      throw KernelProblem(
        "the body has \(graph.inputs.count) inputs and \(graph.outputs.count) outputs, which does "
          + "not fit \(scanCount) scanned of \(settings.node.inputs.count) inputs")
    }
    gathered = graph.outputs.dropFirst(stateCount).map(DeclaredResult.init)
    let directions = version == 8 ? "directions" : "scan_input_directions"
    isInputReversed = try Self.list(settings, directions, count: scanCount).map { $0 != 0 }
    isOutputReversed = try Self.list(
      settings, "scan_output_directions", count: gathered.count
    ).map { $0 != 0 }
    inputAxes = try Self.list(settings, "scan_input_axes", count: scanCount)
    outputAxes = try Self.list(settings, "scan_output_axes", count: gathered.count)
    body = try settings.nested(graph)
  }

  private static func list(_ settings: NodeSettings, _ name: String, count: Int) throws -> [Int] {
    guard let values = try settings.ints(name) else { return Array(repeating: 0, count: count) }
    guard values.count == count else {
      throw KernelProblem("'\(name)' has \(values.count) entries, \(count) are needed")
    }
    return values
  }

  private func run(_ call: KernelCall) throws -> [RunValue?] {
    let states = (0..<stateCount).map { call.inputs[$0] ?? .nothing }
    let scanned = try (0..<scanCount).map { try call.tensor(stateCount + $0) }
    let axes = try zip(inputAxes, scanned).map { try resolvedAxis($0, rank: $1.rank) }
    let extents = zip(axes, scanned).map { $1.shape[$0] }
    guard extents.allSatisfy({ $0 == extents[0] }) else {
      throw KernelProblem("the scanned axes have unequal extents \(extents)")
    }
    let (final, parts) = try scan(scanned, axes: axes, turns: extents[0], from: states, call)
    let stacks = try gathered.indices.map { index -> RunValue in
      guard let first = parts[index].first else {
        return .tensor(try gathered[index].noneStacked(axis: 0, call.context))
      }
      let axis = try resolvedAxis(outputAxes[index], rank: first.rank + 1)
      let ordered = isOutputReversed[index] ? parts[index].reversed() : parts[index]
      return .tensor(try .stacked(ordered, axis: axis, call.context))
    }
    return final + stacks
  }

  /// Runs the body `turns` times.
  ///
  /// - Returns: the last states, and what each iteration gave for each gathered result.
  private func scan(
    _ scanned: [Tensor], axes: [Int], turns: Int, from first: [RunValue], _ call: KernelCall
  ) throws -> (states: [RunValue], parts: [[Tensor]]) {
    var states = first
    var parts = [[Tensor]](repeating: [], count: gathered.count)
    let mark = call.context.mark
    for turn in 0..<turns {
      let elements = try scanned.indices.map { index -> RunValue in
        let position = isInputReversed[index] ? turns - 1 - turn : turn
        return .tensor(try scanned[index].slice(axis: axes[index], at: position, call.context))
      }
      let results = try body.run(states + elements, call)
      states = Array(results[..<stateCount])
      for index in gathered.indices {
        guard case .tensor(let tensor) = results[stateCount + index] else {
          throw KernelProblem("a result to gather is not a tensor")
        }
        parts[index].append(try tensor.converted(to: .rowMajor, call.context))
      }
      call.context.endNode(keeping: mark)
    }
    return (states, parts)
  }

  // MARK: Version 8

  private func runBatches(_ call: KernelCall) throws -> [RunValue?] {
    let states = try (0..<stateCount).map { try call.tensor(1 + $0) }
    let scanned = try (0..<scanCount).map { try call.tensor(1 + stateCount + $0) }
    guard scanned.allSatisfy({ $0.rank >= 2 }), let shape = scanned.first?.shape.prefix(2),
      scanned.allSatisfy({ $0.shape.prefix(2) == shape }),
      states.allSatisfy({ $0.rank >= 1 && $0.shape[0] == shape[0] })
    else { throw KernelProblem("the inputs differ in the extent of the batch or the sequence") }
    let (batch, steps) = (shape[0], shape[1])
    let lengths = try call.integers(0) ?? Array(repeating: steps, count: batch)
    guard lengths.count == batch, lengths.allSatisfy({ (0...steps).contains($0) }) else {
      throw KernelProblem("the sequence lengths do not fit \(batch) sequences of \(steps) steps")
    }
    var finals = [[Tensor]](repeating: [], count: stateCount)
    var stacks = [[Tensor]](repeating: [], count: gathered.count)
    for sample in 0..<batch {
      let first = try states.map {
        RunValue.tensor(try $0.slice(axis: 0, at: sample, call.context))
      }
      let own = try scanned.map { try $0.slice(axis: 0, at: sample, call.context) }
      let (final, parts) = try scan(
        own, axes: own.map { _ in 0 }, turns: lengths[sample], from: first, call)
      for index in 0..<stateCount {
        guard case .tensor(let tensor) = final[index] else {
          throw KernelProblem("a state is not a tensor")
        }
        finals[index].append(try tensor.converted(to: .rowMajor, call.context))
      }
      for index in gathered.indices {
        stacks[index].append(try padded(parts[index], index, steps: steps, call.context))
      }
    }
    guard batch > 0 else { throw KernelProblem(lacking: "a Scan of version 8 over no batch") }
    return try (finals + stacks).map { .tensor(try .stacked($0, axis: 0, call.context)) }
  }

  /// Stacks one sequence's results and fills up with zeros.
  private func padded(
    _ parts: [Tensor], _ index: Int, steps: Int, _ context: RunContext
  ) throws -> Tensor {
    guard let last = parts.last else {
      guard steps == 0 else { throw KernelProblem(lacking: "a sequence without any step") }
      return try gathered[index].noneStacked(axis: 0, context)
    }
    let zero = try context.allocate(last.elementType, last.shape)
    zero.storage.base.initializeMemory(as: UInt8.self, repeating: 0, count: zero.byteCount)
    let missing = Array(repeating: zero, count: steps - parts.count)
    return try .stacked(parts + missing, axis: 0, context)
  }
}
