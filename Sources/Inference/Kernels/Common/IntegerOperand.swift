import CKernels
import ModelGraph

/// Integers that a node takes from an attribute, a constant or an input that each run makes.
struct IntegerOperand: Sendable {
  private let index: Int
  private let known: [Int]?

  /// An input, read now if it is constant; an attribute of that name, where there is one, goes first.
  init(_ settings: NodeSettings, input index: Int, attribute: String? = nil) throws {
    self.index = index
    if let attribute, let values = try settings.ints(attribute) {
      known = values
    } else {
      known = try settings.constants[index].map { try $0.integers(named: "input \(index)") }
    }
  }

  /// The integers; nil where they are left out.
  func read(_ call: KernelCall) throws -> [Int]? { try known ?? call.integers(index) }

  /// The integers.
  func required(_ call: KernelCall) throws -> [Int] {
    guard let values = try read(call) else { throw KernelProblem("input \(index) is missing") }
    return values
  }
}

extension Tensor {
  /// The elements of an integer tensor.
  func integers(named name: String) throws -> [Int] {
    switch elementType {
    case .int64: return elements(Int64.self).map { Int($0) }
    case .int32: return elements(Int32.self).map { Int($0) }
    default: throw KernelProblem("\(name) is \(elementType.name), not int64 or int32")
    }
  }
}

extension KernelCall {
  /// The elements of an index tensor, counted from the front: negative ones count from the back of
  /// `extent`. Lives until the node ends.
  ///
  /// - Throws: indices outside the extent.
  func indices(_ tensor: Tensor, extent: Int) throws -> UnsafeBufferPointer<Int64> {
    let out = try context.scratch(Int64.self, tensor.count)
    var isInside = true
    func resolve<Index: FixedWidthInteger>(_ values: UnsafeBufferPointer<Index>) {
      let extent = Int64(extent)
      for place in 0..<values.count {
        let index = Int64(values[place])
        let resolved = index < 0 ? index &+ extent : index
        isInside = isInside && resolved >= 0 && resolved < extent
        out[place] = resolved
      }
    }
    switch tensor.elementType {
    case .int64: resolve(tensor.elements(Int64.self))
    case .int32: resolve(tensor.elements(Int32.self))
    default: throw KernelProblem("indices are \(tensor.elementType.name), not int64 or int32")
    }
    guard isInside else {
      let wrong = out.first { $0 < 0 || $0 >= Int64(extent) } ?? 0
      throw Self.outside(wrong < 0 ? wrong - Int64(extent) : wrong, extent)
    }
    return UnsafeBufferPointer(out)
  }

  /// The same for the only element of a tensor.
  func index(_ tensor: Tensor, extent: Int) throws -> Int {
    let index: Int64
    switch tensor.elementType {
    case .int64: index = tensor.elements(Int64.self)[0]
    case .int32: index = Int64(tensor.elements(Int32.self)[0])
    default: throw KernelProblem("indices are \(tensor.elementType.name), not int64 or int32")
    }
    let resolved = index < 0 ? index &+ Int64(extent) : index
    guard resolved >= 0, resolved < Int64(extent) else { throw Self.outside(index, extent) }
    return Int(resolved)
  }

  private static func outside(_ index: Int64, _ extent: Int) -> KernelProblem {
    KernelProblem("an index is \(index), outside the extent \(extent)")
  }
}
