import Glibc
import ModelGraph

extension Families {
  static let hannWindow = window("HannWindow", [0.5, 0.5, 0])
  static let hammingWindow = window("HammingWindow", [25.0 / 46, 21.0 / 46, 0])
  static let blackmanWindow = window("BlackmanWindow", [0.42, 0.5, 0.08])

  /// A window that is a sum of cosines: a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N).
  private static func window(_ name: String, _ terms: [Double]) -> OperatorDefinition {
    OperatorDefinition(
      name, types: "numbers",
      tensors: { settings in
        let type = try ElementType(
          numberTypeAttribute: settings.int("output_datatype", default: 1))
        let isPeriodic = try settings.flag("periodic", default: true)
        return { call in
          guard let size = try call.integers(0)?.first, (0..<1 << 31).contains(size) else {
            throw KernelProblem("a window needs a size below 2^31")
          }
          try call.context.checkRoom(.float64, [size])
          let values = (0..<size).map {
            value(terms, at: $0, period: isPeriodic ? size : size - 1, isExact: type == .float64)
          }
          return [try call.context.allocate(type, [size], doubles: values)]
        }
      })
  }

  /// A window of one element is 1. All but doubles are made from float32.
  private static func value(
    _ terms: [Double], at index: Int, period: Int, isExact: Bool
  ) -> Double {
    guard period > 0 else { return 1 }
    let angle = 2 * Double.pi * Double(index) / Double(period)
    let value = terms[0] - terms[1] * cos(angle) + terms[2] * cos(2 * angle)
    return isExact ? value : Double(Float(value))
  }

  /// Triangles on the mel scale, mel(f) = 2595 log10(1 + f / 700), over the bins of a spectrum.
  static let melWeightMatrix = OperatorDefinition(
    "MelWeightMatrix", types: "numbers",
    tensors: { settings in
      let type = try ElementType(
        numberTypeAttribute: settings.int("output_datatype", default: 1))
      return { call in
        guard let bands = try call.integers(0)?.first, let points = try call.integers(1)?.first,
          let rate = try call.integers(2)?.first, let low = try call.scalar(3),
          let high = try call.scalar(4)
        else { throw KernelProblem("a number is missing") }
        guard (0..<1 << 20).contains(bands), (0..<1 << 31).contains(points), rate > 0,
          low >= 0, high >= low, high.isFinite
        else {
          throw KernelProblem(
            "\(bands) bands from \(low) to \(high) Hz of \(points) points at \(rate) Hz "
              + "cannot be made")
        }
        try call.context.checkRoom(.float64, [points / 2 + 1, bands])
        let edges = melEdges(bands, points, rate, low, high)
        return [
          try call.context.allocate(
            type, [points / 2 + 1, bands], doubles: triangles(edges, bins: points / 2 + 1))
        ]
      }
    })

  /// The bins of the corners of all triangles, evenly spaced on the mel scale.
  private static func melEdges(
    _ bands: Int, _ points: Int, _ rate: Int, _ low: Double, _ high: Double
  ) -> [Double] {
    let lowMel = 2595 * log10(1 + low / 700)
    let step = (2595 * log10(1 + high / 700) - lowMel) / Double(bands + 2)
    return (0..<bands + 2).map { index in
      let hertz = 700 * (pow(10, (lowMel + Double(index) * step) / 2595) - 1)
      return (Double(points + 1) * hertz / Double(rate)).rounded(.down)
    }
  }

  /// For each band the rise from its lower corner to its center and the fall to its upper one.
  private static func triangles(_ edges: [Double], bins: Int) -> [Double] {
    let bands = edges.count - 2
    var weights = [Double](repeating: 0, count: bins * bands)
    for band in 0..<bands {
      let (low, center, high) = (edges[band], edges[band + 1], edges[band + 2])
      for bin in 0..<bins {
        let place = Double(bin)
        if place >= low, place < center {
          weights[bin * bands + band] = (place - low) / (center - low)
        } else if place == center {
          weights[bin * bands + band] = 1
        } else if place > center, place < high {
          weights[bin * bands + band] = (high - place) / (high - center)
        }
      }
    }
    return weights
  }
}
