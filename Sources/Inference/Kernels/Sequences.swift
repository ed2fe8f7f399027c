import ModelGraph

extension Families {
  /// Operators on sequences of tensors, and on values that may be absent.
  static let sequences = [
    sequenceConstruct, sequenceEmpty, sequenceInsert, sequenceErase, sequenceAt, sequenceLength,
    splitToSequence, concatFromSequence, sequenceMap, optional, optionalHasElement,
    optionalGetElement,
  ]

  private static let sequenceConstruct = OperatorDefinition(
    "SequenceConstruct", types: "all",
    values: { _ in
      { call in
        let tensors = try call.tensors()
        guard let first = tensors.first else {
          throw KernelProblem("a sequence is made of at least one tensor")
        }
        return [
          .sequence(try tensors.map { try checked($0, first.elementType) }, of: first.elementType)
        ]
      }
    })

  private static func checked(_ tensor: Tensor, _ type: ElementType) throws -> Tensor {
    guard tensor.elementType == type else {
      throw KernelProblem("\(tensor.description) does not belong into a sequence of \(type.name)")
    }
    return tensor
  }

  private static let sequenceEmpty = OperatorDefinition(
    "SequenceEmpty", types: "all",
    values: { settings in
      let type = try settings.int("dtype").map { try ElementType(sequenceTypeAttribute: $0) }
      return { _ in [.sequence([], of: type ?? .float32)] }
    })

  private static let sequenceInsert = OperatorDefinition(
    "SequenceInsert", types: "all",
    values: { _ in
      { call in
        var (tensors, type) = try call.sequence(0)
        let tensor = try call.tensor(1)
        if tensors.isEmpty { type = tensor.elementType }
        let position = try call.position(2, among: tensors.count, orEnd: true) ?? tensors.count
        tensors.insert(try checked(tensor, type), at: position)
        return [.sequence(tensors, of: type)]
      }
    })

  private static let sequenceErase = OperatorDefinition(
    "SequenceErase", types: "all",
    values: { _ in
      { call in
        var (tensors, type) = try call.sequence(0)
        let position = try call.position(1, among: tensors.count) ?? tensors.count - 1
        guard position >= 0 else { throw KernelProblem("an empty sequence has nothing to erase") }
        tensors.remove(at: position)
        return [.sequence(tensors, of: type)]
      }
    })

  private static let sequenceAt = OperatorDefinition(
    "SequenceAt", types: "all",
    tensors: { _ in
      { call in
        let tensors = try call.sequence(0).tensors
        guard let position = try call.position(1, among: tensors.count) else {
          throw KernelProblem("input 1 is missing")
        }
        return [tensors[position]]
      }
    })

  private static let sequenceLength = OperatorDefinition(
    "SequenceLength", types: "all",
    tensors: { _ in
      { call in
        [try call.context.integers([Int64(try call.sequence(0).tensors.count)]).reshaped([])]
      }
    })

  private static let splitToSequence = OperatorDefinition(
    "SplitToSequence", types: "all",
    values: { settings in
      let axis = try settings.int("axis", default: 0)
      let keepsAxis = try settings.flag("keepdims", default: true)
      return { call in
        let tensor = try call.tensor(0)
        let axis = try resolvedAxis(axis, rank: tensor.rank)
        let lengths = try partLengths(call, extent: tensor.shape[axis])
        var parts = try parted(tensor, axis: axis, lengths, call.context)
        let isUniform = try call.optional(1).map { $0.rank == 0 } ?? true
        if !keepsAxis, isUniform, lengths.allSatisfy({ $0 == 1 }) {
          var shape = tensor.shape
          shape.remove(at: axis)
          parts = parts.map { $0.reshaped(shape) }
        }
        return [.sequence(parts, of: tensor.elementType)]
      }
    })

  /// The lengths of SplitToSequence's parts: single elements, chunks of one length, or as given.
  private static func partLengths(_ call: KernelCall, extent: Int) throws -> [Int] {
    guard extent <= 1 << 16 else {
      throw KernelProblem("a sequence of \(extent) tensors is too long")
    }
    guard let given = try call.integers(1) else { return [Int](repeating: 1, count: extent) }
    guard try call.tensor(1).rank == 0 else { return given }
    guard let length = given.first, length > 0 else {
      throw KernelProblem("parts of \(given.first ?? 0) elements cannot be")
    }
    return stride(from: 0, to: extent, by: min(length, max(1, extent))).map {
      min(length, extent - $0)
    }
  }

  private static let concatFromSequence = OperatorDefinition(
    "ConcatFromSequence", types: "all",
    tensors: { settings in
      let axis = try settings.int("axis")
      let addsAxis = try settings.flag("new_axis")
      return { call in
        var tensors = try call.sequence(0).tensors
        guard let axis, let first = tensors.first else {
          throw KernelProblem("there is nothing to join, or no axis to join along")
        }
        if addsAxis {
          var shape = first.shape
          shape.insert(1, at: try resolvedAxis(axis, rank: first.rank + 1))
          tensors = try tensors.map { tensor in
            guard tensor.shape == first.shape else {
              throw KernelProblem(
                "\(first.description) and \(tensor.description) do not stack")
            }
            return tensor.reshaped(shape)
          }
        }
        return [try joined(tensors, axis: axis, call.context)]
      }
    })

  private static let sequenceMap = OperatorDefinition(
    "SequenceMap", types: "all",
    values: { settings in
      let graph = try settings.graph("body")
      let body = try settings.nested(graph)
      let inputCount = settings.node.inputs.count
      let types = graph.outputs.map { output in
        if case .tensor(let type, _)? = output.type { type } else { ElementType.float32 }
      }
      return { call in
        let count = try call.sequence(0).tensors.count
        var results = [[Tensor]](repeating: [], count: types.count)
        for place in 0..<count {
          let inputs = try (0..<inputCount).map { try mapped(call, input: $0, place, of: count) }
          for (output, value) in try body.run(inputs, call).enumerated() {
            guard case .tensor(let tensor) = value else {
              throw KernelProblem("the body of a SequenceMap made something else than a tensor")
            }
            results[output].append(try tensor.converted(to: .rowMajor, call.context))
          }
        }
        return zip(results, types).map { tensors, type in
          .sequence(tensors, of: tensors.first?.elementType ?? type)
        }
      }
    })

  /// What one run of the body gets: an element of a sequence, or a tensor as it is.
  private static func mapped(
    _ call: KernelCall, input: Int, _ place: Int, of count: Int
  ) throws -> RunValue {
    guard let value = call.inputs[input] else { throw KernelProblem("input \(input) is missing") }
    guard case .sequence(let tensors, _) = value else { return value }
    guard tensors.count == count else {
      throw KernelProblem("sequences of \(count) and of \(tensors.count) tensors do not pair up")
    }
    return .tensor(tensors[place])
  }

  private static let optional = OperatorDefinition(
    "Optional", types: "all", layouts: .any,
    values: { _ in { call in [call.has(0) ? call.inputs[0] : .nothing] } })

  private static let optionalHasElement = OperatorDefinition(
    "OptionalHasElement", versions: "no input since 18", types: "all", layouts: .any,
    tensors: { _ in
      { call in
        var hasElement = call.has(0)
        if case .nothing? = call.inputs.first ?? nil { hasElement = false }
        let result = try call.context.allocate(.bool, [])
        result.mutableElements(Truth.self)[0] = Truth(hasElement)
        return [result]
      }
    })

  private static let optionalGetElement = OperatorDefinition(
    "OptionalGetElement", versions: "tensors and sequences as they are since 18", types: "all",
    layouts: .any,
    values: { _ in
      { call in
        guard let value = call.inputs.first ?? nil else {
          throw KernelProblem("input 0 is missing")
        }
        if case .nothing = value { throw KernelProblem("the optional holds nothing") }
        return [value]
      }
    })
}

extension KernelCall {
  /// A position in a sequence, negative ones counted from the back; nil where it is left out.
  ///
  /// - Throws: a position outside the sequence.
  fileprivate func position(_ input: Int, among count: Int, orEnd: Bool = false) throws -> Int? {
    guard let given = try integers(input) else { return nil }
    guard given.count == 1 else {
      throw KernelProblem("a position has \(given.count) numbers instead of one")
    }
    let position = given[0] < 0 ? given[0] + count : given[0]
    guard position >= 0, orEnd ? position <= count : position < count else {
      throw KernelProblem("position \(given[0]) does not exist in a sequence of \(count)")
    }
    return position
  }
}

extension ElementType {
  /// The type that an attribute gives by its number in ONNX's list, strings among them.
  fileprivate init(sequenceTypeAttribute number: Int) throws {
    self = number == 8 ? .string : try ElementType(numberTypeAttribute: number)
  }
}
