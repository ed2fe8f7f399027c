import CKernels
import ModelGraph

extension Families {
  /// Comparisons, logic and choice.
  static let comparisons: [OperatorDefinition] = [
    comparison("Equal", GS_EQUAL), comparison("Less", GS_LESS),
    comparison("LessOrEqual", GS_LESS_OR_EQUAL), comparison("Greater", GS_GREATER),
    comparison("GreaterOrEqual", GS_GREATER_OR_EQUAL), logic("And", GS_BIT_AND),
    logic("Or", GS_BIT_OR), logic("Xor", GS_BIT_XOR), not, isNaN, isInf, choice,
  ]

  private static func comparison(_ name: String, _ op: gs_comparison) -> OperatorDefinition {
    OperatorDefinition(
      name, types: op == GS_EQUAL ? "all numbers, bool, string" : Elementwise.numberTypes,
      layouts: .any,
      tensors: { _ in
        wideningHalves { call in
          var (left, right) = (try call.tensor(0), try call.tensor(1))
          if op == GS_EQUAL, left.elementType == right.elementType {
            (left, right) = (left.asComparable, right.asComparable)
          }
          return [try Elementwise.compare(op, left, right, call.context)]
        }
      })
  }

  private static func logic(_ name: String, _ op: gs_binary) -> OperatorDefinition {
    OperatorDefinition(
      name, types: "bool", layouts: .any,
      tensors: { _ in
        { call in
          let left = try call.tensor(0, .bool).reinterpreted(as: .uint8)
          let right = try call.tensor(1, .bool).reinterpreted(as: .uint8)
          return [
            try Elementwise.combine(op, left, right, call.context).reinterpreted(as: .bool)
          ]
        }
      })
  }

  private static let not = OperatorDefinition(
    "Not", types: "bool", layouts: .any,
    tensors: { _ in
      { call in [try negated(try call.tensor(0, .bool), call.context)] }
    })

  private static func negated(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    let zero = try Elementwise.constant(0, .uint8, context)
    return try Elementwise.compare(
      GS_EQUAL, tensor.reinterpreted(as: .uint8), zero, context)
  }
}

extension Tensor {
  /// Truth values and strings as the numbers they are in memory.
  fileprivate var asComparable: Tensor {
    switch elementType {
    case .bool, .uint4: reinterpreted(as: .uint8)
    case .int4: reinterpreted(as: .int8)
    case .string: reinterpreted(as: .uint64)
    default: self
    }
  }
}

// MARK: Special numbers

extension Families {
  private static let isNaN = OperatorDefinition(
    "IsNaN", types: Elementwise.floatTypes, layouts: .any,
    tensors: { _ in
      wideningHalves { call in
        let input = try floats(call)
        return [
          try negated(try Elementwise.compare(GS_EQUAL, input, input, call.context), call.context)
        ]
      }
    })

  private static let isInf = OperatorDefinition(
    "IsInf", types: Elementwise.floatTypes, layouts: .any,
    tensors: { settings in
      let negative = try settings.flag("detect_negative", default: true)
      let positive = try settings.flag("detect_positive", default: true)
      return wideningHalves { call in
        var input = try floats(call)
        if negative && positive {
          input = try Elementwise.apply(.init(GS_ABSOLUTE), input, call.context)
        }
        let wanted: Double = positive ? .infinity : negative ? -.infinity : .nan
        let infinity = try Elementwise.constant(wanted, input.elementType, call.context)
        return [try Elementwise.compare(GS_EQUAL, input, infinity, call.context)]
      }
    })

  private static func floats(_ call: KernelCall) throws -> Tensor {
    let input = try call.tensor(0)
    guard input.elementType.isFloat else {
      throw KernelProblem("\(input.elementType.name) is not a floating-point type")
    }
    return input
  }
}

// MARK: Where

extension Families {
  private static let choice = OperatorDefinition(
    "Where", types: "all", layouts: .any,
    tensors: { _ in
      { call in
        let condition = try call.tensor(0, .bool)
        let (yes, no) = (try call.tensor(1), try call.tensor(2))
        guard yes.elementType == no.elementType else {
          throw KernelProblem(
            "the choices are \(yes.elementType.name) and \(no.elementType.name), not of one type")
        }
        return [try Elementwise.select(condition, yes, no, call.context)]
      }
    })
}

extension Elementwise {
  /// Elements of `yes` where the condition is true, else of `no`.
  static func select(
    _ condition: Tensor, _ yes: Tensor, _ no: Tensor, _ context: RunContext
  ) throws -> Tensor {
    let plan = try Broadcast([.init(condition), .init(yes), .init(no)])
    let operands = try [condition, yes, no].map { try plan.aligned($0, context) }
    let result = try context.allocate(yes.elementType, plan.shape, layout: plan.layout)
    let width = yes.elementType.memoryWidth ?? 1
    nonisolated(unsafe) let (c, a, b) = (
      operands[0].storage.base, operands[1].storage.base, operands[2].storage.base
    )
    nonisolated(unsafe) let to = result.storage.base
    try plan.forEachBlock(context) { block in
      gs_select(
        width, block.rows, block.count, plan.operand(0, c, block, 1),
        plan.operand(1, a, block, width), plan.operand(2, b, block, width),
        to + block.output * width)
    }
    return result
  }
}
