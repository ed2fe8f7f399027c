import ModelGraph

/// A convolution or product with the nodes that follow it, becoming one step.
struct FollowerChain {
  /// How one node follows.
  enum Link {
    case plain(Follower)
    case shift(Value)
    case scale(Value)
    case normalize(scale: Value, shift: Value)
    case sum(Value)
  }

  let kind: HeadKind
  private let head: Draft
  private var nodes: [Draft] = []
  private var followers: [Follower] = []
  private var inputs: [Value?]
  private(set) var hasSum = false

  init(head: Draft, kind: HeadKind) {
    self.head = head
    self.kind = kind
    // A third input is the bias: its place stays, given or not.
    inputs = head.inputs + [Value?](repeating: nil, count: max(0, 3 - head.inputs.count))
  }

  /// The value the chain makes so far.
  var output: Value? { (nodes.last ?? head).outputs[0] }

  mutating func append(_ draft: Draft, _ link: Link) {
    nodes.append(draft)
    switch link {
    case .plain(let follower): followers.append(follower)
    case .shift(let term):
      if !kind.isConvolution, followers.isEmpty, inputs[2] == nil {
        inputs[2] = term
      } else {
        followers.append(.shift(input: add(term)))
      }
    case .scale(let factor): followers.append(.scale(input: add(factor)))
    case .normalize(let scale, let shift):
      followers.append(.scale(input: add(scale)))
      followers.append(.shift(input: add(shift)))
    case .sum(let other):
      hasSum = true
      followers.append(.add(input: add(other)))
    }
  }

  private mutating func add(_ value: Value) -> Int {
    inputs.append(value)
    return inputs.count - 1
  }

  /// The one step. Where a residual sum turns out to broadcast, the nodes run one by one instead.
  func draft() -> Draft {
    let originals = [head] + nodes
    let separate = SeparateNodes(originals, fusedReads: inputs)
    let followers = followers
    let definition = head.definition
    let fusedInputs = inputs.count
    let fused = OperatorDefinition(
      definition.name, layouts: definition.layouts,
      values: { settings in
        let kernel = try definition.prepare(
          settings.fusing(followers, inputCount: fusedInputs))
        let fallback = try separate.prepare(settings)
        return { call in
          let given = call.inputs
          do {
            return try kernel(call)
          } catch is FollowerMismatch {
            call.inputs = given
            return try fallback(call)
          }
        }
      })
    return Draft(
      node: head.node, definition: fused, inputs: separate.reads,
      outputs: originals[originals.count - 1].outputs, captures: [])
  }
}

/// A follower's operand doesn't have the shape of the result; nothing has been computed.
struct FollowerMismatch: Error {}
