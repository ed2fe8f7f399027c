import CKernels
import ModelGraph

extension Families {
  /// Pools over one to three spatial axes.
  static let pooling =
    [maxPool, averagePool, lpPool, maxUnpool] + globalPools + regionPools

  private static let maxPool = OperatorDefinition(
    "MaxPool", versions: "Indices since 8, ceil_mode and dilations since 10, integers since 12",
    types: "float, int8, uint8", layouts: .any,
    tensors: { settings in
      let pool = try PoolingSettings(settings)
      let wantsIndices = settings.hasOutput(1)
      let isColumnMajor = try settings.flag("storage_order")
      return wideningHalves { call in
        let input = try call.tensor(0)
        let (window, output) = try pool.geometry(input)
        if wantsIndices || input.elementType != .float32 {
          return try IndexedMaxPool(window: window, output: output, isColumnMajor: isColumnMajor)
            .run(input.converted(to: .rowMajor, call.context), call.context)
        }
        return [
          try eachSample(input, output, call.context) { from, to in
            var native = window.native(
              input: Array(input.shape[2...]), output: Array(output[2...]))
            gs_max_pool(&native, from, input.shape[1], to)
          }
        ]
      }
    })

  private static let averagePool = OperatorDefinition(
    "AveragePool", versions: "count_include_pad since 7, ceil_mode since 10, dilations since 19",
    layouts: .any,
    tensors: { settings in
      let pool = try PoolingSettings(settings)
      let countsPadding = try settings.flag("count_include_pad")
      return wideningHalves { call in
        let input = try call.tensor(0, .float32)
        let (window, output) = try pool.geometry(input)
        return [
          try eachSample(input, output, call.context) { from, to in
            var native = window.native(
              input: Array(input.shape[2...]), output: Array(output[2...]))
            gs_average_pool(&native, from, input.shape[1], countsPadding ? 1 : 0, to)
          }
        ]
      }
    })

  /// Runs a kernel on every sample of a tensor with channels last.
  private static func eachSample(
    _ input: Tensor, _ output: [Int], _ context: RunContext,
    _ kernel: @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) throws -> Tensor {
    let source = input.converted(to: .channelsLast, context)
    let result = context.allocate(.float32, output, layout: .channelsLast)
    guard let from = source.elements(Float.self).baseAddress,
      let to = result.mutableElements(Float.self).baseAddress, result.count > 0
    else { return result }
    let places = SamplePlaces(
      from: from, to: to, inputCount: input.shape[1...].reduce(1, *),
      outputCount: output[1...].reduce(1, *))
    try context.forEach(output[0], cost: places.outputCount * 9) { sample in
      kernel(places.from + sample * places.inputCount, places.to + sample * places.outputCount)
    }
    return result
  }

  private struct SamplePlaces: @unchecked Sendable {
    let from: UnsafePointer<Float>
    let to: UnsafeMutablePointer<Float>
    let inputCount: Int
    let outputCount: Int
  }

  private static let globalPools = [
    OperatorDefinition(
      "GlobalAveragePool", layouts: .any,
      tensors: { _ in
        wideningHalves { call in
          let input = try call.tensor(0, .float32)
          let (window, output) = try wholeWindow(input)
          return [
            try eachSample(input, output, call.context) { from, to in
              var native = window.native(input: Array(input.shape[2...]), output: [1])
              gs_average_pool(&native, from, input.shape[1], 0, to)
            }
          ]
        }
      }),
    OperatorDefinition(
      "GlobalMaxPool", layouts: .any,
      tensors: { _ in
        wideningHalves { call in
          let input = try call.tensor(0, .float32)
          let (window, output) = try wholeWindow(input)
          return [
            try eachSample(input, output, call.context) { from, to in
              var native = window.native(input: Array(input.shape[2...]), output: [1])
              gs_max_pool(&native, from, input.shape[1], to)
            }
          ]
        }
      }),
    OperatorDefinition(
      "GlobalLpPool",
      tensors: { settings in
        let power = try settings.int("p", default: 2)
        return wideningHalves { call in
          let input = try call.tensor(0, .float32)
          let (window, output) = try wholeWindow(input)
          return [PowerPool(window: window, output: output, power: power).run(input, call.context)]
        }
      }),
  ]

  /// A window that covers all spatial axes.
  private static func wholeWindow(_ input: Tensor) throws -> (Window, [Int]) {
    guard (3...5).contains(input.rank), !input.shape[2...].contains(0) else {
      throw KernelProblem("\(input.description) has no spatial axes to pool, or too many")
    }
    let spatial = Array(input.shape[2...])
    let ones = spatial.map { _ in 1 }
    let zeros = spatial.map { _ in 0 }
    let window = Window(kernel: spatial, strides: ones, dilations: ones, begin: zeros, end: zeros)
    return (window, Array(input.shape[..<2]) + ones)
  }

  private static let lpPool = OperatorDefinition(
    "LpPool", versions: "ceil_mode and dilations since 18",
    tensors: { settings in
      let pool = try PoolingSettings(settings)
      let power = try settings.int("p", default: 2)
      return wideningHalves { call in
        let input = try call.tensor(0, .float32)
        let (window, output) = try pool.geometry(input)
        return [PowerPool(window: window, output: output, power: power).run(input, call.context)]
      }
    })

  private static let maxUnpool = OperatorDefinition(
    "MaxUnpool",
    tensors: { settings in
      let window = try WindowSettings(settings)
      return wideningHalves { call in
        let input = try call.tensor(0, .float32)
        let indices = try call.tensor(1, .int64)
        guard let kernel = window.kernelShape, input.rank == kernel.count + 2,
          indices.shape == input.shape
        else { throw KernelProblem("the indices or kernel_shape do not fit \(input.description)") }
        let resolved = try window.resolved(kernel: kernel, input: Array(input.shape[2...]))
        let spatial = kernel.indices.map { axis in
          (input.shape[2 + axis] - 1) * resolved.strides[axis] + kernel[axis]
            - resolved.begin[axis] - resolved.end[axis]
        }
        let shape = try call.integers(2) ?? Array(input.shape[..<2]) + spatial
        guard let count = TensorData.elementCount(of: shape), count < 1 << 40 else {
          throw KernelProblem("the output would be \(shape)")
        }
        let result = call.context.allocate(.float32, shape)
        let out = result.mutableElements(Float.self)
        out.update(repeating: 0)
        let values = input.elements(Float.self)
        for (position, index) in indices.elements(Int64.self).enumerated() {
          guard index >= 0, index < Int64(count) else {
            throw KernelProblem("the index \(index) is outside the output")
          }
          out[Int(index)] = values[position]
        }
        return [result]
      }
    })
}
