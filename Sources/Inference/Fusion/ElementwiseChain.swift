import ModelGraph

/// Joins runs of elementwise nodes into one step that works tile by tile, so that what one node
/// hands to the next stays in the first-level cache.
///
/// The step runs the same loops as the separate nodes, on fewer elements at a time: its results
/// are theirs to the last bit. Where shapes or types turn out otherwise at run time, it runs the
/// nodes one after the other.
enum ElementwiseChain {
  /// Inputs that one step may have.
  static let largestInputCount = 8

  /// The drafts with runs of elementwise nodes joined.
  static func fuse(
    _ drafts: [Draft], graph: Graph, isWatched: (String) -> Bool, constant: (Value) -> Tensor?
  ) -> [Draft] {
    let members = drafts.map { member(of: $0, constant) }
    let search = Search(
      drafts, members, visible: Set((graph.outputs + drafts.flatMap(\.captures)).map(\.identity)),
      isWatched: isWatched)
    var joined: [Int: Draft] = [:]
    var taken = Set<Int>()
    for root in drafts.indices.reversed() where members[root] != nil && !taken.contains(root) {
      let run = search.run(endingAt: root, taken: taken)
      guard run.count > 1 else { continue }
      taken.formUnion(run)
      joined[root] = draft(of: run.map { (drafts[$0], members[$0]) }, root: drafts[root])
    }
    return drafts.indices.compactMap { index in
      joined[index] ?? (taken.contains(index) ? nil : drafts[index])
    }
  }

  /// Finds which nodes a run takes in.
  private struct Search {
    let drafts: [Draft]
    let members: [ElementwiseMember?]
    /// Values that nothing but steps reads.
    private var hidden: Set<ObjectIdentifier> = []
    private var producers: [ObjectIdentifier: Int] = [:]
    private var readers: [ObjectIdentifier: Set<Int>] = [:]

    init(
      _ drafts: [Draft], _ members: [ElementwiseMember?], visible: Set<ObjectIdentifier>,
      isWatched: (String) -> Bool
    ) {
      self.drafts = drafts
      self.members = members
      for (index, draft) in drafts.enumerated() {
        for case let output? in draft.outputs {
          producers[output.identity] = index
          if !visible.contains(output.identity), !isWatched(output.name) {
            hidden.insert(output.identity)
          }
        }
        for case let input? in draft.inputs {
          readers[input.identity, default: []].insert(index)
        }
      }
    }

    /// The nodes of a run in order: the last one, and all before it whose values only the run
    /// reads, as long as the run's inputs stay few.
    func run(endingAt root: Int, taken: Set<Int>) -> [Int] {
      var run: Set<Int> = [root]
      var grows = true
      while grows {
        grows = false
        for value in inputs(of: run) {
          guard let producer = producers[value.identity], members[producer] != nil,
            !taken.contains(producer), hidden.contains(value.identity),
            readers[value.identity, default: []].isSubset(of: run),
            inputs(of: run.union([producer])).count <= ElementwiseChain.largestInputCount
          else { continue }
          run.insert(producer)
          grows = true
          break
        }
      }
      return run.sorted()
    }

    /// What a run reads from outside, in order.
    private func inputs(of run: Set<Int>) -> [Value] {
      var seen = Set(
        run.flatMap { drafts[$0].outputs }.compactMap { $0 }.map(\.identity))
      return run.sorted().flatMap { members[$0]?.operands ?? [] }
        .filter { seen.insert($0.identity).inserted }
    }
  }

  private static func draft(
    of run: [(draft: Draft, member: ElementwiseMember?)], root: Draft
  ) -> Draft {
    var inputs: [Value] = []
    var results: [ObjectIdentifier: Int] = [:]
    var nodes: [ChainRecipe.Node] = []
    func source(of value: Value) -> ChainSource {
      if let result = results[value.identity] { return .result(result) }
      if let index = inputs.firstIndex(where: { $0 === value }) { return .input(index) }
      inputs.append(value)
      return .input(inputs.count - 1)
    }
    for case (let draft, let member?) in run {
      nodes.append(
        ChainRecipe.Node(
          member: member, node: draft.node, definition: draft.definition,
          operands: member.operands.map(source)))
      if case let output?? = draft.outputs.first {
        results[output.identity] = nodes.count - 1
      }
    }
    let first = run.first { $0.draft.node.isStandard } ?? run[0]
    return Draft(
      node: first.draft.node, definition: ChainRecipe(nodes: nodes).definition, inputs: inputs,
      outputs: root.outputs, captures: [])
  }
}

extension Value {
  /// Tells values apart.
  fileprivate var identity: ObjectIdentifier { ObjectIdentifier(self) }
}
