import GraphPasses
import ModelGraph
import Testing

/// Parts of random graphs, run on symbols: each value is its node, the version of the node's weights
/// and what the node read.
@Suite struct GraphStagesTests {
  private struct Numbers {
    var state: UInt64
    mutating func below(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
  }

  /// A graph of up to 24 nodes of one or two inputs, and groups of some of them.
  private static func graph(_ numbers: inout Numbers) -> (model: Model, groups: [[Node]]) {
    let graph = Graph(name: "g")
    graph.inputs = [Value(name: "x"), Value(name: "y")]
    let constant = Value(name: "c")
    constant.initializer = TensorData(float32: [1])
    graph.initializers = [constant]
    var values = graph.inputs + [constant]
    var groups: [[Node]] = [[]]
    for index in 0..<6 + numbers.below(18) {
      let inputs = (0...numbers.below(2)).map { _ in
        values[numbers.below(3) == 0 ? numbers.below(values.count) : values.count - 1]
      }
      let output = Value(name: "v\(index)")
      let node = Node(
        name: "n\(index)", operatorType: "Relu", inputs: inputs, outputs: [output])
      graph.nodes.append(node)
      values.append(output)
      guard numbers.below(3) == 0 else { continue }
      if numbers.below(2) == 0, groups[groups.count - 1].count > 0 { groups.append([]) }
      groups[groups.count - 1].append(node)
    }
    graph.outputs = [values[values.count - 1]]
    return (Model(graph: graph, operatorSets: [], formatVersion: 8), groups)
  }

  /// What nodes make, and how many of them make something of what is fed; what is known needn't be
  /// made.
  private static func run(
    _ nodes: [Node], known: [String: String], _ done: Set<String>
  ) -> (values: [String: String], count: Int) {
    var values = known
    var count = 0
    for node in nodes {
      let read = node.inputs.map { values[$0?.name ?? ""] ?? "missing" }
      let name = node.outputs[0]?.name ?? ""
      guard values[name] == nil else { continue }
      let version = done.contains(node.name) ? "'" : ""
      let made = "\(node.name)\(version)(\(read.joined(separator: ",")))"
      values[name] = made
      if made.contains(where: { "xy".contains($0) }) { count += 1 }
    }
    return (values, count)
  }

  @Test(arguments: 0..<60) func everyGroupSeesWhatTheWholeModelMakes(seed: Int) {
    var numbers = Numbers(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1)
    let (model, groups) = Self.graph(&numbers)
    let fed = ["x": "x", "y": "y", "c": "c"]
    let stages = GraphStages(model, groups: groups)
    var done: Set<String> = []
    var start: [Value] = []
    var kept: [String: String] = [:]
    var runs = 0
    var keepsAlways = true
    for (number, group) in groups.enumerated() {
      let part = stages.part(number, from: start)
      #expect(part.canBeKept)
      let feeds = fed.filter { part.readsInputs || $0.key == "c" }
        .merging(kept.filter { entry in part.known.contains { $0.name == entry.key } }) { a, _ in a
        }
      let (made, count) = Self.run(part.model.graph.nodes, known: feeds, done)
      runs += count
      let whole = Self.run(model.graph.nodes, known: fed, done).values
      for node in group {
        let input = node.inputs[0]?.name ?? ""
        #expect((made[input] ?? fed[input]) == whole[input], "seed \(seed), \(node.name)")
      }
      done.formUnion(group.map(\.name))
      if numbers.below(4) > 0 {
        start = part.kept
        kept = Dictionary(uniqueKeysWithValues: start.map { ($0.name, made[$0.name] ?? "missing") })
      } else {
        keepsAlways = false
      }
    }
    if keepsAlways { #expect(runs <= 2 * model.graph.nodes.count, "seed \(seed)") }
  }

  @Test func whatComesOutOfOrderIsNotKept() {
    var numbers = Numbers(state: 7)
    let (model, groups) = Self.graph(&numbers)
    model.graph.nodes.reverse()
    #expect(!GraphStages(model, groups: groups).part(0, from: []).canBeKept)
  }

  @Test func sequencesAreNotKept() {
    let graph = Graph(name: "g")
    let (input, list, item) = (Value(name: "x"), Value(name: "l"), Value(name: "i"))
    graph.inputs = [input]
    let made = Value(name: "r")
    let first = Node(name: "a", operatorType: "MatMul", inputs: [input], outputs: [made])
    graph.nodes = [
      first, Node(operatorType: "SplitToSequence", inputs: [input], outputs: [list]),
      Node(operatorType: "SequenceAt", inputs: [list, first.outputs[0]], outputs: [item]),
    ]
    let last = Node(name: "b", operatorType: "MatMul", inputs: [item], outputs: [Value(name: "q")])
    graph.nodes.append(last)
    let model = Model(graph: graph, operatorSets: [], formatVersion: 8)
    let part = GraphStages(model, groups: [[first], [last]]).part(0, from: [])
    #expect(part.kept.map(\.name) == ["l"])
    #expect(!part.canBeKept)
  }
}
