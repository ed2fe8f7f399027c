import ModelGraph

/// Replaces what stands between DequantizeLinear and QuantizeLinear by one operator on integers, as
/// ONNX Runtime does.
///
/// A group is DequantizeLinear for each input, an operator, perhaps a ReLU or Clip that saturation
/// does anyway, and one QuantizeLinear that alone reads the result; products need none. The
/// replacement takes the place of the group's last node. The others stay for whoever else reads or
/// watches what they make, so that watching changes no result.
///
/// In fixed-point arithmetic only convolutions and products are replaced, these with the bias added
/// to them, and each QuantizeLinear that remains rounds as MindSpore Lite's casts do.
struct IntegerGroups {
  /// The setting of this program's own that says how an operator rounds.
  static let fixedPoint = "gsconvert_fixed_point"

  private let isFixedPoint: Bool
  private let drafts: [Draft]
  private let readers: Readers
  private let constant: (Value) -> Tensor?
  /// Which draft makes a value.
  private var makers: [ObjectIdentifier: Int] = [:]
  /// What QuantizeLinear reads.
  private var quantized: Set<ObjectIdentifier> = []

  /// - Parameter constant: the tensor of a value known before any run.
  init(
    _ drafts: [Draft], graph: Graph, isFixedPoint: Bool = false,
    constant: @escaping (Value) -> Tensor?
  ) {
    self.isFixedPoint = isFixedPoint
    self.drafts = drafts
    self.constant = constant
    readers = Readers(drafts, graph: graph)
    for (index, draft) in drafts.enumerated() {
      for case let output? in draft.outputs { makers[ObjectIdentifier(output)] = index }
      if draft.node.isONNX("QuantizeLinear"), case let input?? = draft.inputs.first {
        quantized.insert(ObjectIdentifier(input))
      }
    }
  }

  /// The drafts with the last node of each group replaced.
  func replaced() -> [Draft] {
    drafts.map { draft in
      guard draft.node.isStandard else { return draft }
      switch draft.node.operatorType {
      case "QuantizeLinear": return onGrid(draft) ?? (isFixedPoint ? fixedPoint(draft) : draft)
      case "MatMul" where !isFixedPoint, "Gemm" where !isFixedPoint:
        return toFloat(draft) ?? draft
      default: return draft
      }
    }
  }

  // MARK: Recognition

  /// An integer tensor whose numbers an operator reads.
  private struct Source {
    let value: Value
    let scale: Value
    let zero: Value?
    let type: ElementType
    /// The axis that scales differ along; nil where there is one scale.
    let axis: Int?
    /// The integers, their scale and their zero point.
    var three: [Value?] { [value, scale, zero] }
  }

  /// How a QuantizeLinear or DequantizeLinear stands to its integers; nil unless scales are known
  /// and the integers have 8 bits (or 32, of a bias).
  private func source(_ draft: Draft, integers: Value?) -> Source? {
    guard draft.node.isStandard, draft.inputs.count >= 2, let value = integers,
      let scale = draft.inputs[1], let scales = constant(scale), scales.elementType == .float32,
      draft.node.int("block_size") ?? 0 == 0
    else { return nil }
    let zero = draft.inputs.count > 2 ? draft.inputs[2] : nil
    let zeros = zero.flatMap(constant)
    guard zero == nil || zeros != nil,
      let type = zeros?.elementType ?? constant(value)?.elementType,
      [.int8, .uint8, .int32].contains(type)
    else { return nil }
    let axis = scales.count == 1 ? nil : Int(clamping: draft.node.int("axis") ?? 1)
    return Source(value: value, scale: scale, zero: zero, type: type, axis: axis)
  }

  /// What a value is dequantized from.
  private func source(of value: Value?) -> Source? {
    guard let value, let maker = makers[ObjectIdentifier(value)] else { return nil }
    let draft = drafts[maker]
    guard draft.node.isONNX("DequantizeLinear") else { return nil }
    return source(draft, integers: draft.inputs[0])
  }

  /// What all inputs of an operator are dequantized from; nil unless all are.
  private func sources(_ draft: Draft) -> [Source]? {
    let found = draft.inputs.compactMap { $0 }.map(source(of:))
    let known = found.compactMap { $0 }
    return known.count == found.count && !known.isEmpty ? known : nil
  }

  /// The operator whose result only this QuantizeLinear reads, looking through a ReLU or Clip that
  /// saturation makes needless.
  private func operation(before quantize: Draft, on target: Source) -> Draft? {
    guard var value = quantize.inputs[0], readers.onlyReader(of: value) != nil,
      var maker = makers[ObjectIdentifier(value)]
    else { return nil }
    if ["Relu", "Clip"].contains(drafts[maker].node.operatorType) {
      guard drafts[maker].node.isStandard, isNeedless(drafts[maker], on: target),
        let inner = drafts[maker].inputs[0], readers.onlyReader(of: inner) != nil,
        let next = makers[ObjectIdentifier(inner)]
      else { return nil }
      (value, maker) = (inner, next)
    }
    return drafts[maker].outputs.first.flatMap { $0 } === value ? drafts[maker] : nil
  }

  /// Whether the grid's ends lie within a ReLU's or Clip's bounds.
  private func isNeedless(_ draft: Draft, on target: Source) -> Bool {
    guard let bounds = FollowerFusion.bounds(of: draft, constant: constant),
      let scale = constant(target.scale)?.elements(Float.self).first,
      let grid = try? target.type.integerGrid(),
      let zero = try? target.zero.flatMap(constant)?.doubles().first ?? 0
    else { return false }
    return bounds.low <= (Float(grid.low) - Float(zero)) * scale
      && bounds.high >= (Float(grid.high) - Float(zero)) * scale
  }

  // MARK: Replacement

  /// The operator on integers that makes what a QuantizeLinear makes.
  private func onGrid(_ quantize: Draft) -> Draft? {
    guard let output = quantize.outputs.first.flatMap({ $0 }),
      let target = source(quantize, integers: output) ?? untyped(quantize, output),
      target.axis == nil, let last = operation(before: quantize, on: target),
      last.node.isStandard, let (operation, sources) = biased(last) ?? plain(last),
      sources[0].type == target.type, sources[0].axis == nil
    else { return nil }
    let grid: [Value?] = [target.scale, target.zero]
    let threes = sources.flatMap(\.three)
    func make(_ name: String, _ inputs: [Value?]) -> Draft? {
      draft(name, like: operation.node, inputs, quantize.outputs)
    }
    switch operation.node.operatorType {
    case "Conv" where areOperands(sources, weightAxis: 0):
      let bias = sources.count > 2 ? [sources[2].value] : []
      return make("QLinearConv", threes.prefix(6) + grid + bias)
    case "MatMul" where areOperands(sources, weightAxis: 1):
      let bias = sources.count > 2 ? [sources[2].value] : []
      return make("QLinearMatMul", threes.prefix(6) + grid + bias)
    case "Gemm" where isGemm(operation, sources):
      return make("QGemm", gemmInputs(sources) + grid)
    case _ where isFixedPoint: return nil
    case "Add", "Mul":
      guard arePlain(sources), sources.count == 2 else { return nil }
      return make("QLinear" + operation.node.operatorType, threes + grid)
    case "Concat" where arePlain(sources): return make("QLinearConcat", grid + threes)
    case "GlobalAveragePool", "Sigmoid", "LeakyRelu":
      return make("QLinear" + operation.node.operatorType, threes + grid)
    default: return nil
    }
  }

  private func plain(_ operation: Draft) -> (Draft, [Source])? {
    sources(operation).map { (operation, $0) }
  }

  /// A product and the bias of integers that is added to it; nil for anything else.
  private func biased(_ sum: Draft) -> (Draft, [Source])? {
    guard isFixedPoint, sum.node.isONNX("Add"), sum.inputs.count == 2 else { return nil }
    for (product, bias) in [(0, 1), (1, 0)] {
      guard let value = sum.inputs[product], let maker = makers[ObjectIdentifier(value)],
        drafts[maker].node.isONNX("MatMul"), readers.onlyReader(of: value) != nil,
        let bias = source(of: sum.inputs[bias]), bias.type == .int32,
        constant(bias.value)?.rank == 1, let factors = sources(drafts[maker]), factors.count == 2
      else { continue }
      return (drafts[maker], factors + [bias])
    }
    return nil
  }

  /// A QuantizeLinear that rounds as a cast of MindSpore Lite's.
  private func fixedPoint(_ quantize: Draft) -> Draft {
    let node = Node(
      name: quantize.node.displayName, operatorType: quantize.node.operatorType,
      domain: quantize.node.domain, inputs: quantize.inputs,
      attributes: quantize.node.attributes + settings)
    return Draft(
      node: node, definition: quantize.definition, inputs: quantize.inputs,
      outputs: quantize.outputs, captures: quantize.captures)
  }

  /// What is added to a node's own settings.
  private var settings: [Attribute] {
    isFixedPoint ? [Attribute(IntegerGroups.fixedPoint, .int(1))] : []
  }

  /// A QuantizeLinear without a zero point makes uint8.
  private func untyped(_ quantize: Draft, _ output: Value) -> Source? {
    guard quantize.inputs.count < 3 || quantize.inputs[2] == nil,
      quantize.node.int("output_dtype") ?? 0 == 0, quantize.inputs.count >= 2,
      let scale = quantize.inputs[1], constant(scale)?.count == 1
    else { return nil }
    return Source(value: output, scale: scale, zero: nil, type: .uint8, axis: nil)
  }

  /// The product of integers that makes floats; nil where a QuantizeLinear reads the result.
  private func toFloat(_ product: Draft) -> Draft? {
    guard let output = product.outputs.first.flatMap({ $0 }), let sources = sources(product),
      sources[0].axis == nil, !quantized.contains(ObjectIdentifier(output))
    else { return nil }
    if product.node.operatorType == "Gemm" {
      guard isGemm(product, sources) else { return nil }
      return draft("QGemm", like: product.node, gemmInputs(sources), product.outputs)
    }
    guard sources.count == 2, areOperands(sources, weightAxis: 1) else { return nil }
    let (a, b) = (sources[0], sources[1])
    return draft(
      "MatMulIntegerToFloat", like: product.node,
      [a.value, b.value, a.scale, b.scale, a.zero, b.zero], product.outputs)
  }

  /// Whether these are an input, weights with one scale or one along an axis, and maybe a bias.
  private func areOperands(_ sources: [Source], weightAxis: Int) -> Bool {
    guard sources.count >= 2, sources[0].type != .int32, sources[1].type != .int32,
      sources[1].axis ?? weightAxis == weightAxis,
      sources[1].axis == nil || constant(sources[1].value)?.rank ?? 0 > weightAxis
    else { return false }
    return sources.count == 2 || sources.count == 3 && sources[2].type == .int32
  }

  /// Whether all have one scale and one type.
  private func arePlain(_ sources: [Source]) -> Bool {
    sources.allSatisfy { $0.axis == nil && $0.type == sources[0].type }
  }

  private func isGemm(_ draft: Draft, _ sources: [Source]) -> Bool {
    let columns = draft.node.int("transB") ?? 0 == 0 ? 1 : 0
    return areOperands(sources, weightAxis: columns)
      && (sources.count == 2 || draft.node.float("beta") ?? 1 == 1)
  }

  private func gemmInputs(_ sources: [Source]) -> [Value?] {
    sources[0].three + sources[1].three + [sources.count > 2 ? sources[2].value : nil]
  }

  private func draft(
    _ name: String, like node: Node, _ inputs: [Value?], _ outputs: [Value?]
  ) -> Draft? {
    let domain = ["QLinearConv", "QLinearMatMul"].contains(name) ? "" : "com.microsoft"
    guard let definition = OperatorTable.find(name, domain: domain) else { return nil }
    let made = Node(
      name: node.displayName, operatorType: name, domain: domain, inputs: inputs,
      attributes: node.attributes + settings)
    return Draft(node: made, definition: definition, inputs: inputs, outputs: outputs, captures: [])
  }
}
