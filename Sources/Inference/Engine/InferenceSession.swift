import ModelGraph
import Support

/// A float model made ready to run on the processor.
///
/// Any number of threads may call `run` at once; each call has memory of its own and gives the
/// same bytes whatever the number of threads. Weights that are mapped from a file stay mapped
/// until a kernel has brought them into the order it wants.
public final class InferenceSession: Sendable {
  /// How a session works.
  public struct Options: Sendable {
    /// Workers inside one operator; 0 means one for each processor.
    public var threads: Int
    /// Which values an observer wants to see, by name. What isn't watched costs nothing.
    public var isWatched: @Sendable (String) -> Bool
    /// How operators between QuantizeLinear and DequantizeLinear are computed.
    public var arithmetic: QuantizedArithmetic

    /// Makes options.
    public init(
      threads: Int = 1, arithmetic: QuantizedArithmetic = .simulated,
      isWatched: @escaping @Sendable (String) -> Bool = { _ in false }
    ) {
      self.threads = threads
      self.arithmetic = arithmetic
      self.isWatched = isWatched
    }
  }

  /// Something to feed.
  public struct Input: Sendable {
    /// The graph's name for it.
    public let name: String
    /// What the model declares of its type.
    public let type: ValueType?
  }

  /// Told of each watched value while it is alive, on the running thread. The tensor must not be
  /// kept.
  public typealias Observer = (_ name: String, _ tensor: Tensor) -> Void

  /// What has to be fed, in the model's order.
  public let inputs: [Input]
  /// The results' names, in the model's order.
  public let outputNames: [String]

  private let program: Program
  private let workers: WorkerPool
  private let sparePools = Guarded<[BufferPool]>([])

  /// Prepares a model.
  ///
  /// - Throws: an operator that the engine lacks, or settings that cannot be.
  /// - Complexity: O(nodes + constants that nodes compute from constants).
  public init(model: Model, options: Options = Options()) throws(Failure) {
    let graph = model.graph
    inputs = graph.inputs.filter { $0.initializer == nil }.map {
      Input(name: $0.name, type: $0.type)
    }
    outputNames = graph.outputs.map(\.name)
    workers = WorkerPool(threads: options.threads)
    do {
      program = try ProgramBuilder.build(
        graph,
        environment: .init(
          operatorSets: model.operatorSets, pool: BufferPool(), arithmetic: options.arithmetic,
          isWatched: options.isWatched))
    } catch {
      throw Failure(inference: error)
    }
    self.feedPositions = graph.inputs.map { $0.initializer == nil }
  }
  private let feedPositions: [Bool]

  /// Runs the model once.
  ///
  /// - Parameters:
  ///   - feeds: a tensor for each input.
  ///   - observer: told of watched values; observing changes no result.
  /// - Throws: an input that is missing or doesn't fit, or a node whose inputs can't work.
  public func run(
    _ feeds: [String: TensorData], observer: Observer? = nil
  ) throws(Failure) -> [(name: String, data: TensorData)] {
    var values: [String: RunValue] = [:]
    let pool = sparePools.withLock { $0.popLast() } ?? BufferPool()
    defer { release(pool) }
    for (name, data) in feeds {
      do {
        values[name] = .tensor(try Tensor(constant: data, pool: pool))
      } catch {
        throw Failure(.inferenceInputInvalid, "the input '\(name)' cannot be fed: \(error)")
      }
    }
    return try run(values, pool: pool, observer: observer).map { (name, value) throws(Failure) in
      guard case .tensor(let tensor) = value else {
        throw Failure(.inferenceFailed, "the output '\(name)' is not a tensor")
      }
      return (name, tensor.copied())
    }
  }

  /// Lends the watched values that are known before any run: constants, and what nodes made of
  /// constants alone. A run tells its observer of them again.
  public func visitConstants(_ visit: Observer) { program.visitConstants(visit) }

  private func release(_ pool: BufferPool) {
    pool.endRound()
    sparePools.withLock { $0.append(pool) }
  }

  /// Runs the model on values of any kind.
  package func run(
    values feeds: [String: RunValue], observer: Observer? = nil
  ) throws(Failure) -> [(name: String, value: RunValue)] {
    let pool = sparePools.withLock { $0.popLast() } ?? BufferPool()
    defer { release(pool) }
    return try run(feeds, pool: pool, observer: observer)
  }

  private func run(
    _ feeds: [String: RunValue], pool: BufferPool, observer: Observer?
  ) throws(Failure) -> [(name: String, value: RunValue)] {
    try FeedCheck.check(feeds, against: inputs)
    var next = inputs.makeIterator()
    let ordered: [RunValue] = feedPositions.map { isFed in
      isFed ? next.next().flatMap { feeds[$0.name] } ?? .nothing : .nothing
    }
    let context = RunContext(pool: pool, workers: workers)
    do {
      let results = try program.run(ordered, context: context, observer: observer)
      let rowMajor = try results.map { value -> RunValue in
        guard case .tensor(let tensor) = value else { return value }
        return try .tensor(tensor.converted(to: .rowMajor, context))
      }
      return Array(zip(outputNames, rowMajor)).map { ($0, $1) }
    } catch {
      throw Failure(inference: error)
    }
  }
}

extension Failure {
  /// Puts what a kernel said into words for people.
  init(inference error: any Error) {
    switch error {
    case let failure as NodeFailure:
      let problem = failure.problem as? KernelProblem
      let message = problem?.message ?? "\(failure.problem)"
      let node = "the node '\(failure.label.name)' (\(failure.label.operatorType))"
      if problem?.isLack ?? false {
        self.init(
          .operatorUnsupported, "\(node) cannot be run: \(message)",
          help: "docs/operators.md lists what the engine runs")
      } else {
        self.init(.inferenceFailed, "\(node) cannot be run: \(message)")
      }
    case let problem as KernelProblem:
      self.init(
        problem.isLack ? .operatorUnsupported : .inferenceFailed,
        "the model cannot be run: \(problem.message)")
    case let failure as Failure: self = failure
    default: self.init(.internalError, "running the model failed: \(error)")
    }
  }
}
