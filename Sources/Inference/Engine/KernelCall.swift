import CKernels
import ModelGraph
import Support

/// One execution of a node: its inputs, and what it may use.
///
/// Inputs stay alive for the whole call, and so does all that `context` allocates.
final class KernelCall {
  /// The inputs in the node's order; nil where an optional one is left out. Values that a nested
  /// graph captures follow the node's own.
  var inputs: [RunValue?]
  /// Memory and workers.
  let context: RunContext
  /// Told of watched values inside nested graphs.
  let observer: Program.Observer?

  /// Makes a call.
  init(inputs: [RunValue?], context: RunContext, observer: Program.Observer?) {
    self.inputs = inputs
    self.context = context
    self.observer = observer
  }

  /// Whether an input is given.
  func has(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }

  /// A required tensor.
  func tensor(_ index: Int) throws -> Tensor {
    guard let tensor = try optional(index) else { throw KernelProblem("input \(index) is missing") }
    return tensor
  }

  /// A tensor that may be left out.
  func optional(_ index: Int) throws -> Tensor? {
    guard index < inputs.count, let value = inputs[index] else { return nil }
    guard case .tensor(let tensor) = value else {
      throw KernelProblem("input \(index) is not a tensor")
    }
    return tensor
  }

  /// A required tensor of one element type.
  func tensor(_ index: Int, _ type: ElementType) throws -> Tensor {
    let tensor = try self.tensor(index)
    guard tensor.elementType == type else {
      throw KernelProblem("input \(index) is \(tensor.elementType.name), not \(type.name)")
    }
    return tensor
  }

  /// A required sequence.
  func sequence(_ index: Int) throws -> (tensors: [Tensor], type: ElementType) {
    guard index < inputs.count, case .sequence(let tensors, let type)? = inputs[index] else {
      throw KernelProblem("input \(index) is not a sequence")
    }
    return (tensors, type)
  }

  /// All given inputs from `first` on, as tensors.
  func tensors(from first: Int = 0) throws -> [Tensor] {
    try inputs.indices.dropFirst(first).compactMap { try optional($0) }
  }

  /// The elements of an integer tensor (shapes, axes, indices); nil where the input is left out.
  func integers(_ index: Int) throws -> [Int]? {
    try optional(index)?.integers(named: "input \(index)")
  }

  /// The one element of a number tensor as a double; nil where the input is left out.
  func scalar(_ index: Int) throws -> Double? {
    guard let tensor = try optional(index) else { return nil }
    guard tensor.count == 1 else {
      throw KernelProblem("input \(index) has \(tensor.count) elements instead of one")
    }
    return try tensor.doubles()[0]
  }

  /// An input's memory to write the result into: row-major or of any layout, of that type, and
  /// held by nothing else. Nil when there is none; then allocate.
  func takeForWriting(_ index: Int, _ type: ElementType) -> Tensor? {
    guard index < inputs.count, case .tensor(var tensor)? = inputs[index],
      tensor.elementType == type, tensor.storage.isWritable
    else { return nil }
    inputs[index] = nil
    let isFree = isKnownUniquelyReferenced(&tensor.storage)
    inputs[index] = .tensor(tensor)
    return isFree ? tensor : nil
  }
}

extension Tensor {
  /// All elements as doubles, for small parameter tensors.
  ///
  /// - Throws: strings and complex numbers.
  package func doubles() throws -> [Double] {
    switch elementType {
    case .float32: elements(Float.self).map { Double($0) }
    case .float64: Array(elements(Double.self))
    case .float16: floats(gs_widen_half)
    case .bfloat16: floats(gs_widen_bfloat)
    case .int8, .int4: elements(Int8.self).map { Double($0) }
    case .int16: elements(Int16.self).map { Double($0) }
    case .int32: elements(Int32.self).map { Double($0) }
    case .int64: elements(Int64.self).map { Double($0) }
    case .uint8, .uint4, .bool: elements(UInt8.self).map { Double($0) }
    case .uint16: elements(UInt16.self).map { Double($0) }
    case .uint32: elements(UInt32.self).map { Double($0) }
    case .uint64: elements(UInt64.self).map { Double($0) }
    default: throw KernelProblem("\(elementType.name) is not a number")
    }
  }

  private func floats(
    _ widen: (UnsafePointer<UInt16>?, Int, UnsafeMutablePointer<Float>?) -> Void
  ) -> [Double] {
    [Float](unsafeUninitializedCapacity: count) { floats, filled in
      widen(elements(UInt16.self).baseAddress, count, floats.baseAddress)
      filled = count
    }.map { Double($0) }
  }
}
