import ModelGraph
import Support

/// Takes the branches of If into the graph: the one that is meant where that is known, else both, and
/// chooses between their results.
enum BranchInlining {
  /// Branches within branches, at most.
  private static let depthLimit = 16

  /// - Parameter inputShapes: shapes of inputs that the model leaves open, by name.
  /// - Throws: an If whose branches' results differ in shape, by name.
  /// - Complexity: O(nodes) for each level of branches.
  static func apply(to graph: Graph, inputShapes: [String: [Int]]) throws(Failure) {
    var choices: [(Node, choice: Node)] = []
    for _ in 0..<depthLimit where graph.nodes.contains(where: { $0.isONNX("If") }) {
      choices += try inline(graph, FactTable(graph, inputShapes: inputShapes))
    }
    if let node = graph.nodes.first(where: { $0.isONNX("If") }) {
      throw node.refused("it has more than \(depthLimit) levels of branches")
    }
    if choices.isEmpty { return }
    let facts = FactTable(graph, inputShapes: inputShapes)
    for (node, choice) in choices {
      let results = choice.inputs.dropFirst().map { $0.map(facts.of) ?? ValueFacts() }
      guard let shape = results[0].shape, !shape.contains(nil), results[1].shape == shape else {
        throw node.refused("its branches' results may have different shapes")
      }
    }
  }

  /// Inlines one level.
  ///
  /// - Returns: the nodes that choose, each with the If that it was.
  private static func inline(
    _ graph: Graph, _ facts: FactTable
  ) throws(Failure) -> [(Node, choice: Node)] {
    var names = Set(
      (graph.nodes.flatMap { $0.outputs.compactMap { $0 } } + graph.inputs + graph.initializers)
        .map(\.name))
    var nodes: [Node] = []
    var choices: [(Node, choice: Node)] = []
    for node in graph.nodes {
      guard node.isONNX("If") else {
        nodes.append(node)
        continue
      }
      let condition = try node.operand(0)
      let known =
        facts.of(condition).integers?.first.map { $0 != 0 }
        ?? condition.constant?.packed?.withUnsafeBytes { $0.first.map { $0 != 0 } } ?? nil
      let branches = try ["then_branch", "else_branch"].map { name throws(Failure) -> Graph in
        guard case .graph(let branch) = node.attribute(name),
          branch.outputs.count >= node.outputs.count
        else { throw node.refused("its \(name) is missing, or has too few results") }
        return branch
      }
      let taken = known.map { [branches[$0 ? 0 : 1]] } ?? branches
      for branch in taken {
        rename(branch, among: &names)
        graph.initializers += branch.initializers
        nodes += branch.nodes
      }
      for (index, output) in node.outputs.enumerated() {
        guard let output else { continue }
        let results = taken.map { $0.outputs[index] }
        let isChosen = results.count == 2
        let last = Node(
          name: index == 0 ? node.name : output.name,
          operatorType: isChosen ? "Where" : "Identity",
          inputs: (isChosen ? [condition] : []) + results, outputs: [output])
        nodes.append(last)
        if isChosen { choices.append((node, choice: last)) }
      }
    }
    graph.nodes = nodes
    return choices
  }

  /// Gives a branch's values names that nothing has yet.
  private static func rename(_ branch: Graph, among names: inout Set<String>) {
    let made = branch.nodes.flatMap { $0.outputs.compactMap { $0 } } + branch.initializers
    for value in made where !names.insert(value.name).inserted {
      var number = 2
      while !names.insert("\(value.name)_\(number)").inserted { number += 1 }
      value.name = "\(value.name)_\(number)"
    }
  }
}
