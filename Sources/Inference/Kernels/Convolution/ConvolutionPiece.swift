/// A part of a convolution that is one by itself: some samples, or some positions of the output's
/// outermost axis with the positions of the input they need. Both are runs of memory when channels are last.
struct ConvolutionPiece: Sendable {
  var input: [Int]
  var output: [Int]
  var window: Window
  /// Elements before the piece's first.
  var inputOffset = 0
  var outputOffset = 0

  /// Multiply-adds that are worth a piece of their own.
  private static let grain = 1 << 24
  /// Most positions of the innermost axis in a piece that may be cut along it: oneDNN's kernels are
  /// unrolled over them and take about 1 kB of memory each. Pieces as long as this share a kernel.
  private static let longestRun = 1024

  /// Cuts a convolution so that workers can share it and kernels stay small. The cuts depend on
  /// shapes alone, so results are the same whatever the number of workers.
  ///
  /// - Parameter weights: number of weights.
  static func split(_ whole: ConvolutionPiece, weights: Int) -> [ConvolutionPiece] {
    let positions = whole.output[2...].reduce(1, *)
    let perSample = positions * weights
    let axis = whole.outermostAxis
    let isLong = axis == whole.output.count - 1 && whole.output[axis] > longestRun
    if whole.input[0] > 1 {
      guard isLong || perSample >= grain else { return [whole] }
      let samples = (0..<whole.input[0]).map { sample in
        ConvolutionPiece(
          input: [1] + whole.input[1...], output: [1] + whole.output[1...], window: whole.window,
          inputOffset: sample * whole.input[1...].reduce(1, *),
          outputOffset: sample * whole.output[1...].reduce(1, *))
      }
      return isLong ? samples.flatMap { $0.cut(along: axis, every: longestRun) } : samples
    }
    if isLong { return whole.cut(along: axis, every: longestRun) }
    let extent = whole.output[axis]
    let count = min(8, perSample / grain, extent / 8)
    guard count > 1 else { return [whole] }
    return whole.cut(along: axis, every: (extent + count - 1) / count)
  }

  /// Whether a kernel for another piece serves this one too.
  func hasShapes(of other: ConvolutionPiece) -> Bool {
    input == other.input && output == other.output && window == other.window
  }

  /// The first spatial axis with more than one position: what is cut along it stays a run of memory.
  private var outermostAxis: Int {
    (2..<output.count).first { input[$0] > 1 || output[$0] > 1 } ?? output.count - 1
  }

  /// Parts of `length` positions of the output along an axis, the last may be shorter; the whole where
  /// a part would lie in the padding alone, which no kernel computes.
  private func cut(along axis: Int, every length: Int) -> [ConvolutionPiece] {
    let parts = stride(from: 0, to: output[axis], by: length).map { first in
      part(axis, first..<min(output[axis], first + length))
    }
    let readInput = parts.allSatisfy {
      $0.window.begin[axis - 2] >= 0 && $0.window.end[axis - 2] >= 0
    }
    return readInput ? parts : [self]
  }

  /// The output's positions in a range of an axis, with the input's positions they need.
  private func part(_ axis: Int, _ range: Range<Int>) -> ConvolutionPiece {
    let spatial = axis - 2
    let step = window.strides[spatial]
    let top = range.lowerBound * step - window.begin[spatial]
    let bottom = (range.upperBound - 1) * step - window.begin[spatial] + window.reach(spatial)
    let first = min(max(0, top), input[axis] - 1)
    let last = max(first + 1, min(input[axis], bottom))
    var (begin, end) = (window.begin, window.end)
    begin[spatial] = first - top
    end[spatial] = bottom - last
    var part = self
    part.window = Window(
      kernel: window.kernel, strides: window.strides, dilations: window.dilations, begin: begin,
      end: end)
    part.input[axis] = last - first
    part.output[axis] = range.count
    part.inputOffset += first * input[(axis + 1)...].reduce(input[1], *)
    part.outputOffset += range.lowerBound * output[(axis + 1)...].reduce(output[1], *)
    return part
  }
}
