import ModelGraph

/// Where an operation of a run finds an operand.
enum ChainSource: Hashable, Sendable {
  /// An input of the whole step.
  case input(Int)
  /// What an earlier operation made.
  case result(Int)
}

/// The nodes of a run, from which its step is prepared.
struct ChainRecipe: Sendable {
  /// One node.
  struct Node: Sendable {
    let member: ElementwiseMember
    nonisolated(unsafe) let node: ModelGraph.Node
    let definition: OperatorDefinition
    let operands: [ChainSource]
  }

  let nodes: [Node]

  /// An operator that does what the nodes do.
  var definition: OperatorDefinition {
    OperatorDefinition(
      "Elementwise", types: "float32", layouts: .any,
      values: { settings in
        let separate = try nodes.map { try SeparateNode($0, settings.version) }
        let operations = try nodes.map { node in
          let own = node.settings(version: settings.version)
          return ChainProgram.Instruction(
            operation: try node.member.operation(own), operands: node.operands)
        }
        let program = ChainProgram(operations)
        return { call in
          if let result = try program.run(call) { return [.tensor(result)] }
          return try SeparateNode.run(separate, call)
        }
      })
  }
}

extension ChainRecipe.Node {
  /// The node's settings.
  func settings(version: Int) -> NodeSettings {
    NodeSettings(
      node: node, version: version, constants: member.settings, inputCount: node.inputs.count,
      followers: [], nested: { _ in throw KernelProblem("an elementwise node has no graphs") },
      versionOf: { _ in version })
  }
}

/// A node of a run that runs by itself.
private struct SeparateNode: Sendable {
  let label: NodeLabel
  let body: KernelBody
  let operands: [ChainSource]
  let settings: [Int: Tensor]
  let inputCount: Int

  init(_ node: ChainRecipe.Node, _ version: Int) throws {
    label = NodeLabel(node.node)
    operands = node.operands
    settings = node.member.settings
    inputCount = node.node.inputs.count
    do {
      body = try node.definition.prepare(node.settings(version: version))
    } catch {
      throw NodeFailure(label: label, problem: error)
    }
  }

  /// Runs the nodes one after the other.
  static func run(_ nodes: [SeparateNode], _ call: KernelCall) throws -> [RunValue?] {
    var results: [RunValue?] = []
    for node in nodes {
      let operands = node.operands.map { source in
        switch source {
        case .input(let index): call.inputs[index]
        case .result(let index): results[index]
        }
      }
      var inputs = [RunValue?](repeating: nil, count: node.inputCount)
      var next = operands.makeIterator()
      for index in inputs.indices {
        if let tensor = node.settings[index] {
          inputs[index] = .tensor(tensor)
        } else if let operand = next.next() {
          inputs[index] = operand
        }
      }
      do {
        let own = KernelCall(inputs: inputs, context: call.context, observer: nil)
        results.append(try node.body(own).first ?? nil)
      } catch {
        throw NodeFailure(label: node.label, problem: error)
      }
    }
    return [results.last ?? nil]
  }
}
