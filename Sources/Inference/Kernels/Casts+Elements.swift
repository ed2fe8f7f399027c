import CKernels
import ModelGraph

/// Conversion of a tensor's elements to another type. The layout stays.
enum Casting {
  /// The elements as another type.
  ///
  /// - Throws: types without a conversion, strings that aren't numbers.
  static func cast(
    _ tensor: Tensor, to type: ElementType, _ context: RunContext
  ) throws -> Tensor {
    if tensor.elementType == type { return tensor }
    if tensor.elementType == .string {
      return try cast(try numbers(tensor, exactly: !type.isFloat, context), to: type, context)
    }
    if type == .string { return try strings(tensor, context) }
    let source = try plainNumbers(tensor, context)
    switch type {
    case .float16, .bfloat16:
      return try Elementwise.cast(source, to: .float32, context).narrowed(to: type, context)
    case .bool: return try truths(source, context)
    case .int4, .uint4:
      let bytes = try Elementwise.cast(
        source, to: type == .int4 ? .int8 : .uint8, context)
      return try nibbles(bytes, type, context)
    default: return try Elementwise.cast(source, to: type, context)
    }
  }

  /// The elements as a type that C's loops convert.
  private static func plainNumbers(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    switch tensor.elementType {
    case .float16, .bfloat16: try tensor.widened(context)
    case .bool: try truths(tensor.reinterpreted(as: .uint8), context).reinterpreted(as: .uint8)
    case .int4: tensor.reinterpreted(as: .int8)
    case .uint4: tensor.reinterpreted(as: .uint8)
    default: tensor
    }
  }

  private static func truths(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    let number = try tensor.elementType.number
    let result = try context.allocate(.bool, tensor.shape, layout: tensor.layout)
    gs_cast_truth(
      number, tensor.storage.base, tensor.count,
      result.storage.base.assumingMemoryBound(to: UInt8.self))
    return result
  }

  /// The low four bits, sign-extended for int4.
  private static func nibbles(
    _ bytes: Tensor, _ type: ElementType, _ context: RunContext
  ) throws -> Tensor {
    let result = try context.allocate(type, bytes.shape, layout: bytes.layout)
    let from = bytes.elements(UInt8.self)
    let out = result.mutableElements(UInt8.self)
    for index in 0..<bytes.count {
      let nibble = from[index] & 15
      out[index] = type == .int4 && nibble > 7 ? nibble | 0xf0 : nibble
    }
    return result
  }

  // MARK: Strings

  /// The numbers that strings spell: int64 where they are to be integers, else float64.
  private static func numbers(
    _ tensor: Tensor, exactly: Bool, _ context: RunContext
  ) throws -> Tensor {
    let from = tensor.elements(UInt64.self)
    let result = try context.allocate(
      exactly ? .int64 : .float64, tensor.shape, layout: tensor.layout)
    for index in 0..<tensor.count {
      let bytes = StringTable.string(from[index])
      if exactly {
        result.mutableElements(Int64.self)[index] = try Spelling.integer(bytes)
      } else {
        result.mutableElements(Double.self)[index] = try Spelling.number(bytes)
      }
    }
    return result
  }

  private static func strings(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    let result = try context.allocate(.string, tensor.shape, layout: tensor.layout)
    let out = result.mutableElements(UInt64.self)
    let source = try plainNumbers(tensor, context)
    func fill(_ text: (Int) -> String) {
      for index in 0..<source.count {
        out[index] = StringTable.number(of: Array(text(index).utf8))
      }
    }
    switch source.elementType {
    case .float32:
      let values = source.elements(Float.self)
      fill { Spelling.text(values[$0]) }
    case .float64:
      let values = source.elements(Double.self)
      fill { Spelling.text(values[$0]) }
    case .uint64:
      let values = source.elements(UInt64.self)
      fill { String(values[$0]) }
    default:
      let values = try Elementwise.cast(source, to: .int64, context).elements(Int64.self)
      fill { String(values[$0]) }
    }
    return result
  }
}
