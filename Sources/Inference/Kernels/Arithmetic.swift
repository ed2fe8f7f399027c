import CKernels
import ModelGraph

extension Families {
  /// Operators that combine numbers element by element.
  static let arithmetic: [OperatorDefinition] = [
    .combination("Add", GS_ADD), .combination("Sub", GS_SUBTRACT),
    .combination("Mul", GS_MULTIPLY), .combination("Div", GS_DIVIDE),
    variadic("Min", GS_MINIMUM), variadic("Max", GS_MAXIMUM), variadic("Sum", GS_ADD), mean,
    pow, mod, bitShift, bitwise("BitwiseAnd", GS_BIT_AND), bitwise("BitwiseOr", GS_BIT_OR),
    bitwise("BitwiseXor", GS_BIT_XOR), bitwiseNot,
  ]

  /// Operators over any number of inputs, from left to right.
  private static func variadic(_ name: String, _ op: gs_binary) -> OperatorDefinition {
    OperatorDefinition(
      name, types: Elementwise.numberTypes, layouts: .any,
      tensors: { _ in wideningHalves { call in [try folded(op, call)] } })
  }

  private static let mean = OperatorDefinition(
    "Mean", types: Elementwise.floatTypes, layouts: .any,
    tensors: { _ in
      wideningHalves { call in
        let sum = try folded(GS_ADD, call)
        let count = try Elementwise.constant(
          Double(call.inputs.count), sum.elementType, call.context)
        return [try Elementwise.combine(GS_DIVIDE, sum, count, call.context)]
      }
    })

  private static func folded(_ op: gs_binary, _ call: KernelCall) throws -> Tensor {
    if call.inputs.count == 1 {
      _ = try call.tensor(0).elementType.number
      return try call.tensor(0)
    }
    var result = try Elementwise.combine(op, call)
    for index in call.inputs.indices.dropFirst(2) {
      result = try Elementwise.combine(
        op, result, try call.tensor(index), isFree: (true, false), call.context)
    }
    return result
  }

  private static let mod = OperatorDefinition(
    "Mod", types: Elementwise.numberTypes, layouts: .any,
    tensors: { settings in
      let followsDividend = try settings.flag("fmod")
      return wideningHalves { call in
        let type = try call.tensor(0).elementType
        if type.isFloat && !followsDividend {
          throw KernelProblem("the remainder of floating-point numbers needs the attribute 'fmod'")
        }
        return [try Elementwise.combine(followsDividend ? GS_REMAINDER : GS_MODULO, call)]
      }
    })
}

// MARK: Powers

extension Families {
  /// Pow: the result has the base's type, whatever the exponent's.
  private static let pow = OperatorDefinition(
    "Pow", versions: "an exponent of another type since 12", types: Elementwise.numberTypes,
    layouts: .any,
    tensors: { _ in
      { call in
        let type = try call.tensor(0).elementType
        if let function = try powerFunction(call) {
          return [try Elementwise.apply(function, call)]
        }
        let base = try call.tensor(0).widened(call.context)
        let exponent = try call.tensor(1).widened(call.context)
        let work: ElementType = base.elementType == .float32 ? .float32 : .float64
        let exponentType: ElementType = exponent.elementType == .float32 ? .float32 : .float64
        let common = work == exponentType ? work : .float64
        let power = try Elementwise.combine(
          GS_POWER, try Elementwise.cast(base, to: common, call.context),
          try Elementwise.cast(exponent, to: common, call.context), call.context)
        return [
          try Elementwise.cast(power, to: base.elementType, call.context)
            .narrowed(to: type, call.context)
        ]
      }
    })

  /// The function that raises a floating-point base to the one exponent there is; nil where there
  /// is none for it.
  private static func powerFunction(_ call: KernelCall) throws -> Elementwise.Function? {
    let exponent = try call.tensor(1)
    let base = try call.tensor(0)
    guard base.elementType == .float32 || base.elementType == .float64, exponent.count == 1,
      exponent.rank <= base.rank
    else { return nil }
    return Elementwise.Function(power: try exponent.doubles()[0])
  }
}

extension Elementwise.Function {
  /// Raises to an exponent that is often met; nil for others.
  init?(power exponent: Double) {
    switch exponent {
    case -1: self.init(GS_RECIPROCAL)
    case -0.5: self.init(GS_POWER_MINUS_HALF)
    case 0.5: self.init(GS_POWER_HALF)
    case 1: self.init(GS_COPY)
    case 2: self.init(GS_SQUARE)
    case 3: self.init(GS_CUBE)
    default: return nil
    }
  }
}

// MARK: Bits

extension Families {
  private static func bitwise(_ name: String, _ op: gs_binary) -> OperatorDefinition {
    OperatorDefinition(
      name, types: "integers", layouts: .any,
      tensors: { _ in
        { call in
          try requireInteger(call)
          return [try Elementwise.combine(op, call)]
        }
      })
  }

  private static let bitwiseNot = OperatorDefinition(
    "BitwiseNot", types: "integers", layouts: .any,
    tensors: { _ in
      { call in
        try requireInteger(call)
        let input = try call.tensor(0)
        let ones = try call.context.allocate(input.elementType, [])
        ones.storage.base.storeBytes(of: UInt64.max, as: UInt64.self)
        return [try Elementwise.combine(GS_BIT_XOR, input, ones, call.context)]
      }
    })

  private static let bitShift = OperatorDefinition(
    "BitShift", types: "integers", layouts: .any,
    tensors: { settings in
      let op: gs_binary
      switch try settings.string("direction") {
      case "LEFT": op = GS_SHIFT_LEFT
      case "RIGHT": op = GS_SHIFT_RIGHT
      default: throw KernelProblem("the attribute 'direction' is neither LEFT nor RIGHT")
      }
      return { call in
        try requireInteger(call)
        return [try Elementwise.combine(op, call)]
      }
    })

  private static func requireInteger(_ call: KernelCall) throws {
    let type = try call.tensor(0).elementType
    guard !type.isFloat else { throw KernelProblem("\(type.name) is not an integer type") }
  }
}
