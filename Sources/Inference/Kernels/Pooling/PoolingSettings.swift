import CKernels
import ModelGraph

/// What MaxPool, AveragePool and LpPool say of their windows.
struct PoolingSettings: Sendable {
  private let window: WindowSettings
  private let kernel: [Int]
  private let roundsUp: Bool

  init(_ settings: NodeSettings) throws {
    window = try WindowSettings(settings)
    guard let kernel = window.kernelShape, (1...3).contains(kernel.count) else {
      throw KernelProblem("kernel_shape is missing, or has more than three numbers")
    }
    self.kernel = kernel
    roundsUp = try settings.flag("ceil_mode")
  }

  /// The window and the output's shape for an input.
  func geometry(_ input: Tensor) throws -> (window: Window, output: [Int]) {
    guard input.rank == kernel.count + 2 else {
      throw KernelProblem("a window \(kernel) does not fit \(input.description)")
    }
    let spatial = Array(input.shape[2...])
    let resolved = try window.resolved(kernel: kernel, input: spatial)
    guard (resolved.begin + resolved.end).allSatisfy({ $0 >= 0 }) else {
      throw KernelProblem("a pooling window cannot have negative pads")
    }
    var extents = try resolved.outputExtents(input: spatial)
    if roundsUp, !window.isSame {
      for axis in extents.indices {
        let room = spatial[axis] + resolved.begin[axis] + resolved.end[axis] - resolved.reach(axis)
        let stride = resolved.strides[axis]
        extents[axis] = (room + stride - 1) / stride + 1
        // The last window has to begin inside the input or the padding before it.
        if (extents[axis] - 1) * stride >= spatial[axis] + resolved.begin[axis] { extents[axis] -= 1 }
      }
    }
    let output = Array(input.shape[..<2]) + extents
    guard TensorData.elementCount(of: output).map({ $0 < 1 << 40 }) ?? false else {
      throw KernelProblem("the output would be \(output)")
    }
    return (resolved, output)
  }
}

extension Window {
  /// The window as the C kernels take it, with three axes.
  func native(input: [Int], output: [Int]) -> gs_window {
    func three(_ values: [Int], _ filler: Int) -> (Int, Int, Int) {
      let all = [Int](repeating: filler, count: 3 - values.count) + values
      return (all[0], all[1], all[2])
    }
    return gs_window(
      input: three(input, 1), output: three(output, 1), kernel: three(kernel, 1),
      stride: three(strides, 1), dilation: three(dilations, 1), begin: three(begin, 0),
      end: three(end, 0))
  }
}
