import CKernels
import ModelGraph

/// What LSTM, GRU and RNN nodes say in their attributes.
struct RecurrentSettings: Sendable {
  /// Whether each direction runs from the end to the start.
  let isReversed: [Bool]
  /// The functions of each direction.
  let functions: [[gs_activation]]
  /// Bound of what goes into functions; infinite for none.
  let clip: Float
  /// Whether the batch axis comes first (`layout` 1).
  let isBatchFirst: Bool
  private let hiddenSize: Int?

  /// Reads the attributes.
  ///
  /// - Parameter defaults: the functions of one direction, where none are named.
  init(_ settings: NodeSettings, defaults: [gs_function]) throws {
    let direction = try settings.string("direction") ?? "forward"
    switch direction.lowercased() {
    case "forward": isReversed = [false]
    case "reverse": isReversed = [true]
    case "bidirectional": isReversed = [false, true]
    default: throw KernelProblem("there is no direction '\(direction)'")
    }
    let bound = try settings.float("clip") ?? 0
    guard bound >= 0 else { throw KernelProblem("clip is \(bound), below 0") }
    clip = bound == 0 ? .infinity : bound
    isBatchFirst = try settings.flag("layout")
    hiddenSize = try settings.int("hidden_size")
    functions = try Self.functions(settings, directions: isReversed.count, defaults: defaults)
  }

  private static func functions(
    _ settings: NodeSettings, directions: Int, defaults: [gs_function]
  ) throws -> [[gs_activation]] {
    var alphas = (try settings.floats("activation_alpha") ?? [])[...]
    var betas = (try settings.floats("activation_beta") ?? [])[...]
    let names = try settings.strings("activations")?.map { String(decoding: $0, as: UTF8.self) }
    if let names, names.count != defaults.count * directions {
      throw KernelProblem(
        "\(names.count) activations are named, \(defaults.count * directions) are needed")
    }
    let all = try (0..<defaults.count * directions).map { index in
      try names.map { try function($0[index], &alphas, &betas) }
        ?? gs_activation(function: defaults[index % defaults.count], p: 0, q: 0)
    }
    return (0..<directions).map { Array(all[$0 * defaults.count..<($0 + 1) * defaults.count]) }
  }

  /// The function of that name, with the next parameters of those that take any.
  private static func function(
    _ name: String, _ alphas: inout ArraySlice<Float>, _ betas: inout ArraySlice<Float>
  ) throws -> gs_activation {
    func make(_ function: gs_function, _ alpha: Float?, _ beta: Float?) -> gs_activation {
      gs_activation(
        function: function, p: alpha.map { alphas.popFirst() ?? $0 } ?? 0,
        q: beta.map { betas.popFirst() ?? $0 } ?? 0)
    }
    switch name.lowercased() {
    case "sigmoid": return make(GS_SIGMOID, nil, nil)
    case "tanh": return make(GS_TANH, nil, nil)
    case "relu": return make(GS_RELU, nil, nil)
    case "affine": return make(GS_AFFINE, 1, 0)
    case "leakyrelu": return make(GS_LEAKY_RELU, 0.01, nil)
    case "thresholdedrelu": return make(GS_THRESHOLDED_RELU, 1, nil)
    case "scaledtanh": return make(GS_SCALED_TANH, 1, 1)
    case "hardsigmoid": return make(GS_HARD_SIGMOID, 0.2, 0.5)
    case "elu": return make(GS_ELU, 1, nil)
    case "softsign": return make(GS_SOFTSIGN, nil, nil)
    case "softplus": return make(GS_SOFTPLUS, nil, nil)
    default: throw KernelProblem(lacking: "there is no activation '\(name)'")
    }
  }

  /// Checks the weights against each other and the attributes.
  ///
  /// - Returns: the hidden size.
  func hiddenSize(weights: Tensor, recurrence: Tensor, gates: Int) throws -> Int {
    guard weights.rank == 3, recurrence.rank == 3 else {
      throw KernelProblem("weights \(weights.shape) and \(recurrence.shape) need three axes")
    }
    let size = recurrence.shape[2]
    let isConsistent =
      weights.elementType == .float32 && recurrence.elementType == .float32
      && weights.shape[0] == isReversed.count && recurrence.shape[0] == isReversed.count
      && weights.shape[1] == recurrence.shape[1]
      && recurrence.shape[1].isMultiple(of: gates) && recurrence.shape[1] / gates == size
    guard isConsistent, hiddenSize ?? size == size else {
      throw KernelProblem(
        "weights \(weights.description) and \(recurrence.description) do not fit "
          + "\(isReversed.count) directions of \(gates) gates"
          + (hiddenSize.map { " of \($0)" } ?? ""))
    }
    return size
  }
}

/// The extents and optional inputs of one execution of a recurrent layer.
struct RecurrentShape: Sendable {
  let steps, batch, inputSize, size, directions: Int
  let isBatchFirst: Bool
  /// How many steps each sequence has; nil where all have all.
  let lengths: [Int]?

  /// Reads them from the call; inputs have the same order in all three operators.
  init(_ call: KernelCall, _ settings: RecurrentSettings, size: Int, inputSize: Int) throws {
    let input = try call.tensor(0, .float32)
    guard input.rank == 3, input.shape[2] == inputSize else {
      throw KernelProblem(
        "the input \(input.shape) is not a batch of sequences of \(inputSize) numbers")
    }
    isBatchFirst = settings.isBatchFirst
    let (steps, batch) = (input.shape[isBatchFirst ? 1 : 0], input.shape[isBatchFirst ? 0 : 1])
    self.steps = steps
    self.batch = batch
    self.inputSize = inputSize
    self.size = size
    directions = settings.isReversed.count
    guard let lengths = try call.integers(4) else {
      self.lengths = nil
      return
    }
    guard lengths.count == batch, lengths.allSatisfy({ (0...steps).contains($0) }) else {
      throw KernelProblem(
        "sequence lengths \(lengths.prefix(8)) do not fit \(batch) sequences of \(steps) steps")
    }
    self.lengths = lengths.allSatisfy { $0 == steps } ? nil : lengths
  }

  /// The shape of all hidden states of all steps.
  var sequenceShape: [Int] {
    isBatchFirst ? [batch, steps, directions, size] : [steps, directions, batch, size]
  }

  /// The shape of one state for each sequence and direction.
  var stateShape: [Int] { isBatchFirst ? [batch, directions, size] : [directions, batch, size] }

  /// Where the input of a step stands among rows of the input.
  func inputRow(step: Int, sequence: Int) -> Int {
    isBatchFirst ? sequence * steps + step : step * batch + sequence
  }

  /// Where a sequence's state stands among rows of a tensor of `stateShape`.
  func stateRow(direction: Int, sequence: Int) -> Int {
    isBatchFirst ? sequence * directions + direction : direction * batch + sequence
  }

  /// Where a step's hidden state stands among rows of a tensor of `sequenceShape`.
  func outputRow(step: Int, direction: Int, sequence: Int) -> Int {
    isBatchFirst
      ? (sequence * steps + step) * directions + direction
      : (step * directions + direction) * batch + sequence
  }

  /// The time step that a sequence's turn number `turn` treats; nil after its end.
  func step(turn: Int, sequence: Int, isReversed: Bool) -> Int? {
    let length = lengths?[sequence] ?? steps
    guard turn < length else { return nil }
    return isReversed ? length - 1 - turn : turn
  }
}
