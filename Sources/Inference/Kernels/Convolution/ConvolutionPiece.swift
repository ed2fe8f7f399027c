/// A part of a convolution that is one by itself: some samples, or some rows of the output with the
/// rows of the input they need. Both are runs of memory when channels are last.
struct ConvolutionPiece: Sendable {
  let input: [Int]
  let output: [Int]
  let window: Window
  /// Elements before the piece's first.
  var inputOffset = 0
  var outputOffset = 0

  /// Multiply-adds that are worth a piece of their own.
  private static let grain = 1 << 24

  /// Cuts a convolution so that workers can share it. The cuts depend on shapes alone, so results
  /// are the same whatever the number of workers.
  ///
  /// - Parameter weights: number of weights.
  static func split(_ whole: ConvolutionPiece, weights: Int) -> [ConvolutionPiece] {
    let positions = whole.output[2...].reduce(1, *)
    let perSample = positions * weights
    if whole.input[0] > 1 {
      guard perSample >= grain else { return [whole] }
      return (0..<whole.input[0]).map { sample in
        ConvolutionPiece(
          input: [1] + whole.input[1...], output: [1] + whole.output[1...], window: whole.window,
          inputOffset: sample * whole.input[1...].reduce(1, *),
          outputOffset: sample * whole.output[1...].reduce(1, *))
      }
    }
    let rows = whole.output.count == 4 ? whole.output[2] : 1
    let count = min(8, perSample / grain, rows / 8)
    guard count > 1 else { return [whole] }
    let height = (rows + count - 1) / count
    return stride(from: 0, to: rows, by: height).map { first in
      whole.rows(first..<min(rows, first + height))
    }
  }

  /// The output's rows in a range, with the input's rows they need.
  private func rows(_ range: Range<Int>) -> ConvolutionPiece {
    let step = window.strides[0]
    let top = range.lowerBound * step - window.begin[0]
    let bottom = (range.upperBound - 1) * step - window.begin[0] + window.reach(0)
    let first = min(max(0, top), input[2] - 1)
    let last = max(first + 1, min(input[2], bottom))
    let part = Window(
      kernel: window.kernel, strides: window.strides, dilations: window.dilations,
      begin: [first - top, window.begin[1]], end: [bottom - last, window.end[1]])
    return ConvolutionPiece(
      input: [1, input[1], last - first, input[3]],
      output: [1, output[1], range.count, output[3]], window: part,
      inputOffset: first * input[3] * input[1],
      outputOffset: range.lowerBound * output[3] * output[1])
  }
}
