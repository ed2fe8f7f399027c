/// Where some windows of a convolution read: for each of them, for each of the kernel's positions, a
/// place in the input's plane.
struct WindowPlaces {
  /// Number of windows.
  let rowCount: Int
  /// Number of places: windows times kernel positions.
  var count: Int { rowCount * taps.count }

  private let rows: [Int]
  private let window: Window
  private let inputs: [Int]
  private let outputs: [Int]
  /// How far each of the kernel's positions is from the first, along each axis.
  private let taps: [[Int]]

  /// Chooses windows among those of all samples; at most `limit`, spread evenly.
  init(
    _ window: Window, inputs: [Int], outputs: [Int], samples: Int, limit: Int, seed: Int
  ) {
    rows = ProductRows.chosen(samples * outputs.reduce(1, *), limit: limit, seed: seed)
    rowCount = rows.count
    self.window = window
    self.inputs = inputs
    self.outputs = outputs
    taps = (0..<window.kernel.reduce(1, *)).map { tap in
      var rest = tap
      var shift = [Int](repeating: 0, count: window.kernel.count)
      for axis in window.kernel.indices.reversed() {
        shift[axis] = rest % window.kernel[axis] * window.dilations[axis]
        rest /= window.kernel[axis]
      }
      return shift
    }
  }

  /// Calls `body` with each place's number, its sample, and where it is in the sample's plane; -1 in
  /// the padding.
  @inline(__always)
  func forEach(_ body: (_ index: Int, _ sample: Int, _ place: Int) -> Void) {
    let rank = inputs.count
    var origin = [Int](repeating: 0, count: rank)
    var index = 0
    for row in rows {
      var rest = row
      for axis in stride(from: rank - 1, through: 0, by: -1) {
        origin[axis] = rest % outputs[axis] * window.strides[axis] - window.begin[axis]
        rest /= outputs[axis]
      }
      for tap in taps {
        var place = 0
        for axis in 0..<rank {
          let coordinate = origin[axis] + tap[axis]
          guard coordinate >= 0, coordinate < inputs[axis] else {
            place = -1
            break
          }
          place = place * inputs[axis] + coordinate
        }
        body(index, rest, place)
        index += 1
      }
    }
  }
}
