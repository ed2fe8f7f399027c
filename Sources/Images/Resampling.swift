import CKernels

/// How pixels between pixels are found when an image is resized. No method smooths when shrinking.
public enum Interpolation: String, CaseIterable, Sendable {
  /// Between two neighbours in each direction.
  case linear
  /// One pixel: `floor(target * scale)`, with the scale rounded as OpenCV does: the reciprocal of
  /// target size / source size.
  case nearest
  /// Between four neighbours in each direction: Keys' cubic convolution with a = -0.75.
  case cubic
}

/// Which source pixels make each target pixel along one axis, with their weights: OpenCV's.
///
/// A target pixel's centre lies at `(target + 0.5) * source size / target size - 0.5`; outside, the
/// pixels of the border are repeated.
struct ResamplingTaps: Equatable {
  /// How many source pixels make a target pixel.
  let count: Int
  /// `count` source pixels for each target pixel.
  private(set) var places: [UInt32] = []
  /// Their weights, which sum to 1.
  private(set) var weights: [Float] = []

  /// The taps of the target pixels in `window`, of `target` pixels made from `source` pixels; as
  /// many as the source has, and no method, leave pixels as they are.
  init(_ method: Interpolation?, from source: Int, to target: Int, window: Range<Int>) {
    let scale = 1 / (Double(target) / Double(source))
    switch method {
    case .linear where source != target: count = 2
    case .cubic where source != target: count = 4
    default: count = 1
    }
    places.reserveCapacity(window.count * count)
    weights.reserveCapacity(window.count * count)
    for index in window {
      guard source != target, let method, method != .nearest else {
        let place = source == target ? index : Int((Double(index) * scale).rounded(.down))
        append(place, 1, source)
        continue
      }
      let centre = (Double(index) + 0.5) * scale - 0.5
      let floor = Int(centre.rounded(.down))
      let fraction = centre - Double(floor)
      if method == .linear {
        let isInside = floor >= 0 && floor < source - 1
        append(floor, isInside ? 1 - fraction : 1, source)
        append(floor + 1, isInside ? fraction : 0, source)
      } else {
        for (tap, weight) in Self.cubic(fraction).enumerated() {
          append(floor - 1 + tap, weight, source)
        }
      }
    }
  }

  private mutating func append(_ place: Int, _ weight: Double, _ source: Int) {
    places.append(UInt32(min(max(place, 0), source - 1)))
    weights.append(Float(weight))
  }

  private static func cubic(_ x: Double) -> [Double] {
    let a = -0.75
    let first = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    let second = ((a + 2) * x - (a + 3)) * x * x + 1
    let third = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    return [first, second, third, 1 - first - second - third]
  }
}
