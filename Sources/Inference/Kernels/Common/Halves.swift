import ModelGraph

extension ElementType {
  /// Whether elements are 16-bit floating-point numbers, which kernels compute with in float32.
  var isHalf: Bool { self == .float16 || self == .bfloat16 }
}

extension Tensor {
  /// A half-precision tensor in float32, exactly; others as they are.
  func widened(_ context: RunContext) -> Tensor {
    guard elementType.isHalf else { return self }
    let result = context.allocate(.float32, shape, layout: layout)
    let out = result.mutableElements(Float.self)
    let bits = elements(UInt16.self)
    for index in 0..<count {
      out[index] =
        elementType == .float16
        ? Float(half: bits[index]) : Float(bitPattern: UInt32(bits[index]) << 16)
    }
    return result
  }

  /// A float32 tensor rounded to a half-precision type, ties to even; others as they are.
  func narrowed(to type: ElementType, _ context: RunContext) -> Tensor {
    guard elementType == .float32, type.isHalf else { return self }
    let result = context.allocate(type, shape, layout: layout)
    let out = result.mutableElements(UInt16.self)
    let values = elements(Float.self)
    for index in 0..<count {
      out[index] = type == .float16 ? values[index].halfBits : values[index].bfloatBits
    }
    return result
  }
}

extension Float {
  /// The IEEE half-precision bit pattern, rounded to nearest, ties to even.
  var halfBits: UInt16 {
    let sign = UInt16(truncatingIfNeeded: bitPattern >> 16) & 0x8000
    let magnitude = bitPattern & 0x7fff_ffff
    if magnitude > 0x7f80_0000 { return sign | 0x7e00 }
    if magnitude >= 0x477f_f000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Adding 0.5 lets the processor round at the place of the smallest half.
      let rounded = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: rounded.bitPattern &- 0x3f00_0000)
    }
    let rounded = magnitude &+ 0xfff &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
  }

  /// The bfloat16 bit pattern, rounded to nearest, ties to even.
  var bfloatBits: UInt16 {
    if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bitPattern &+ 0x7fff &+ (bitPattern >> 16 & 1)) >> 16)
  }
}

/// Lets a kernel that computes in float32 take half precision: widens what goes in, and rounds
/// its float32 results to the type of the first half-precision input.
func wideningHalves(_ kernel: @escaping TensorKernel) -> TensorKernel {
  { call in
    var half: ElementType?
    for index in call.inputs.indices {
      guard case .tensor(let tensor)? = call.inputs[index], tensor.elementType.isHalf else {
        continue
      }
      half = half ?? tensor.elementType
      call.inputs[index] = .tensor(tensor.widened(call.context))
    }
    let results = try kernel(call)
    guard let half else { return results }
    return results.map { $0.narrowed(to: half, call.context) }
  }
}
