import ModelGraph
import Support
import WeightCoding

/// Nodes that make weights float while the model runs.
///
/// The model has a QuantDTypeCast before the readers of each constant; what that can't do is said in
/// other operators here, which need the integers and their parameters.
public enum MSLiteDequantization {
  /// What weights become float by.
  public enum Form: Sendable {
    /// QuantDTypeCast, with one scale for the tensor: runtimes up to 2.0 take the first of several.
    /// AddFusion and MulFusion apply those of channels. With fewer than 8 bits, FSEDecode of an
    /// entropy code in at most `segments` segments takes the cast's place.
    case casts(segments: Int)
    /// Cast, AddFusion and MulFusion on integers that the file doesn't call quantized.
    case arithmetic
  }

  /// Constants of up to as many elements are decoded in one segment.
  public static let undividedCount = 10_000

  /// Replaces the casts that need it.
  ///
  /// - Parameters:
  ///   - model: a translated model with a QuantDTypeCast for each of the constants.
  ///   - pool: the workers that encode.
  ///   - onSlab: called from any worker with the parameters of each encoded slab; `constant` is the
  ///     constant's number.
  /// - Returns: what the constants take that were encoded.
  /// - Complexity: O(elements) of these; memory for their codes.
  public static func apply(
    _ form: Form, to model: inout MSLiteModel, pool: WorkerPool,
    onSlab: @escaping @Sendable (_ constant: Int, _ parameters: EncodedParameters) -> Void
  ) -> [MSLiteWeightStorage.Stored] {
    let tasks = Task.all(of: model, form)
    let gate = ByteBudget(MSLiteWeightStorage.budget)
    let made = pool.map(tasks.count) { [tasks] index in
      let task = tasks[index]
      let granted = gate.take(task.constant.source.byteCount)
      defer { gate.give(granted) }
      return task.encoded { if task.isFirst { onSlab(task.constant.number, $0) } }
    }
    var stored: [MSLiteWeightStorage.Stored] = []
    var replaced: [Int: [MSLiteNode]] = [:]
    for (task, weights) in zip(tasks, made) {
      var chain = DequantizationChain(
        model, task.node, weights: task.weights, bits: task.constant.storage.bits)
      switch weights {
      case .stream(let stream, let integers): chain.decode(stream, integers)
      case .fields(let bytes, let integers): chain.cast(fields: bytes, integers)
      case .plain(let bytes, let integers): chain.compute(bytes, integers)
      }
      model.tensors = chain.tensors
      replaced[task.node] = chain.nodes
      if task.isFirst {
        stored.append(
          .init(
            number: task.constant.number, compression: chain.compression,
            byteCount: chain.addedByteCount))
      }
    }
    model.nodes = model.nodes.indices.flatMap { replaced[$0] ?? [model.nodes[$0]] }
    if !model.subgraphs.isEmpty { model.subgraphs[0].nodes = Array(model.nodes.indices) }
    return stored
  }

  /// A constant's integers in the form that its nodes read.
  private enum Weights: Sendable {
    case stream(EntropyStream, EncodedIntegers)
    case fields(CodedWeights, EncodedIntegers)
    case plain(CodedWeights, EncodedIntegers)
  }

  private struct Task: Sendable {
    let node: Int
    /// The tensor of the constant.
    let weights: Int
    let constant: QuantizedConstant
    let form: Form
    /// Whether no task before is for the same constant.
    let isFirst: Bool
    private let rearrange: (@Sendable (EncodedSlab) -> [UInt8])?

    /// The casts that have to be replaced.
    static func all(of model: MSLiteModel, _ form: Form) -> [Task] {
      var lookups: [Int: Int] = [:]
      for node in model.nodes where node.primitive.name == "Gather" {
        lookups[node.outputs[0]] = node.inputs[0]
      }
      var seen: Set<Int> = []
      return model.nodes.indices.compactMap { index in
        let node = model.nodes[index]
        guard node.primitive.name == "QuantDTypeCast", let input = node.inputs.first,
          let task = Task(index, weights: lookups[input] ?? input, model, form, &seen)
        else { return nil }
        return task
      }
    }

    /// Nil for a cast of an activation, and for one that does all there is to do.
    private init?(
      _ node: Int, weights: Int, _ model: MSLiteModel, _ form: Form, _ seen: inout Set<Int>
    ) {
      guard case .quantized(let constant, let rearrange) = model.tensors[weights].content else {
        return nil
      }
      if case .casts = form, [8, 16].contains(constant.storage.bits), constant.channelCount == 1 {
        return nil
      }
      self.node = node
      self.weights = weights
      self.constant = constant
      self.form = form
      self.rearrange = rearrange
      isFirst = seen.insert(constant.number).inserted
    }

    func encoded(_ onSlab: (EncodedParameters) -> Void) -> Weights {
      let integers = EncodedIntegers(constant, rearrange: rearrange, onSlab)
      let bits = constant.storage.bits
      guard case .casts(let segments) = form else {
        return .plain(FixedWidthCode.plain(integers.integers, bits: bits > 8 ? 16 : 8), integers)
      }
      let count = integers.integers.count > undividedCount ? segments : 1
      if bits < 8, let stream = EntropyStream(integers.integers, segments: count) {
        return .stream(stream, integers)
      }
      return .fields(FixedWidthCode.plain(integers.integers, bits: bits), integers)
    }
  }
}
