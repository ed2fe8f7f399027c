import ModelGraph
import Support
import Testing

@testable import Inference

/// Runs one operator without a model around it.
struct OperatorHarness {
  let name: String
  var domain = ""
  var attributes: [Attribute] = []
  var version = 17
  var outputCount = 1
  /// Indices of inputs the node also knows when it is prepared, as constants are known.
  var constantInputs: Set<Int> = []
  var followers: [Follower] = []
  var threads = 1

  /// The operator's results for `inputs`; nil stands for an input that is left out.
  func run(_ inputs: [Tensor?]) throws -> [Tensor] {
    try runValues(inputs.map { $0.map { .tensor($0) } }).compactMap { $0?.tensor }
  }

  /// The same for values of any kind.
  func runValues(_ inputs: [RunValue?]) throws -> [RunValue?] {
    let definition = try #require(OperatorTable.find(name, domain: domain))
    let node = Node(
      name: "node", operatorType: name, domain: domain,
      inputs: inputs.enumerated().map { $1 == nil ? nil : Value(name: "in\($0)") },
      outputs: (0..<outputCount).map { Value(name: "out\($0)") }, attributes: attributes)
    var constants: [Int: Tensor] = [:]
    for index in constantInputs { constants[index] = inputs[index]?.tensor }
    let settings = NodeSettings(
      node: node, version: version, constants: constants, inputCount: inputs.count,
      followers: followers,
      nested: { _ in throw KernelProblem("the harness has no nested graphs") },
      versionOf: { _ in version })
    let body = try definition.prepare(settings)
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: threads))
    var given = inputs
    if definition.layouts == .rowMajor {
      given = try inputs.map { value in
        try value?.tensor.map { .tensor(try $0.converted(to: .rowMajor, context)) } ?? value
      }
    }
    let call = KernelCall(inputs: given, context: context, observer: nil)
    return try body(call)
  }
}

extension Tensor {
  /// A row-major tensor of given elements.
  init<Element: TensorElement>(_ shape: [Int], _ values: [Element]) {
    let byteCount = values.count * MemoryLayout<Element>.size
    guard let storage = try? BufferPool().storage(byteCount: byteCount) else {
      preconditionFailure("no memory for a test's tensor")
    }
    self.init(Element.elementType, shape, storage: storage)
    precondition(count == values.count)
    let out = mutableElements(Element.self)
    for (index, value) in values.enumerated() { out[index] = value }
  }

  /// The same tensor with its elements in channels-last order.
  var channelsLast: Tensor {
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
    guard let result = try? converted(to: .channelsLast, context) else {
      preconditionFailure("no memory for a test's tensor")
    }
    return result
  }

  /// The elements in row-major order, whatever the layout.
  func array<Element: TensorElement>(_ type: Element.Type) -> [Element] {
    rowMajorBytes.withUnsafeBytes { Array($0.bindMemory(to: Element.self)) }
  }
}

/// A random generator with a seed (SplitMix64), so that a failing case can be run again.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// Floats spread evenly over a range.
  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -2...2) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}
