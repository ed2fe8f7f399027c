import CKernels
import ModelGraph

extension ElementType {
  /// Whether elements are 16-bit floating-point numbers, which kernels compute with in float32.
  var isHalf: Bool { self == .float16 || self == .bfloat16 }
}

extension Tensor {
  /// A half-precision tensor in float32, exactly; others as they are.
  func widened(_ context: RunContext) throws -> Tensor {
    guard elementType.isHalf else { return self }
    let result = try context.allocate(.float32, shape, layout: layout)
    let out = result.storage.base.assumingMemoryBound(to: Float.self)
    let bits = storage.base.assumingMemoryBound(to: UInt16.self)
    if elementType == .float16 {
      gs_widen_half(bits, count, out)
    } else {
      gs_widen_bfloat(bits, count, out)
    }
    return result
  }

  /// A float32 tensor rounded to a half-precision type, ties to even; others as they are.
  func narrowed(to type: ElementType, _ context: RunContext) throws -> Tensor {
    guard elementType == .float32, type.isHalf else { return self }
    let result = try context.allocate(type, shape, layout: layout)
    let out = result.storage.base.assumingMemoryBound(to: UInt16.self)
    let values = storage.base.assumingMemoryBound(to: Float.self)
    if type == .float16 {
      gs_narrow_half(values, count, out)
    } else {
      gs_narrow_bfloat(values, count, out)
    }
    return result
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
      call.inputs[index] = try .tensor(tensor.widened(call.context))
    }
    let results = try kernel(call)
    guard let half else { return results }
    return try results.map { try $0.narrowed(to: half, call.context) }
  }
}
