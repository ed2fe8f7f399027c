import ModelGraph
import Support

extension ControlFlowInlining {
  /// Takes the branch that is meant where that is known, else both, and chooses between their
  /// results.
  mutating func takeBranches(of node: Node) throws(Failure) {
    let condition = try node.operand(0)
    let branches = try ["then_branch", "else_branch"].map { name throws(Failure) -> Graph in
      guard case .graph(let branch) = node.attribute(name),
        branch.outputs.count >= node.outputs.count
      else { throw node.refused("its \(name) is missing, or has too few results") }
      return branch
    }
    let meant = truth(condition).map { [branches[$0 ? 0 : 1]] } ?? branches
    for branch in meant {
      adopt(branch.initializers, renaming: true)
      for inner in branch.nodes { try take(inner, of: node) }
    }
    for index in node.outputs.indices {
      let results = meant.map { $0.outputs[index] }
      finish(
        node, index, results.count == 2 ? "Where" : "Identity",
        (results.count == 2 ? [condition] : []) + results)
    }
  }
}
