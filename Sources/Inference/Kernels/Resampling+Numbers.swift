import ModelGraph

/// Linear and cubic interpolation of integers and doubles.
///
/// Linear interpolation of integers computes in float32, term by term, and drops the fraction, as
/// ONNX Runtime does; all else computes in double, and integers are rounded to nearest.
struct NumberInterpolation: NumberVisitor {
  let resampling: Resampling
  let tensor: Tensor
  /// In memory order.
  let axes: [ResizedAxis]
  let result: Tensor
  let context: RunContext

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let isPlain =
      Element.self != Double.self && resampling.interpolation == .linear
      && !resampling.isAntialiased
    if isPlain, let box = linearBox {
      try truncating(type, box)
    } else {
      try separably(type)
    }
  }

  /// The axes that linear interpolation blends at once, up to three neighbours in memory; an odd
  /// rank has depth. Nil when others change, too.
  private var linearBox: Range<Int>? {
    let last = axes.count - (tensor.layout == .channelsLast ? 2 : 1)
    let box = max(0, last - (axes.count % 2 == 0 ? 1 : 2))..<last + 1
    return axes.indices.allSatisfy { box.contains($0) || axes[$0].isUnchanged } ? box : nil
  }

  private func truncating<Element: NumberElement>(_ type: Element.Type, _ box: Range<Int>) throws {
    let changes =
      [ResizedAxis](repeating: ResizedAxis(unchanged: 1), count: 3 - box.count) + axes[box]
    let samples = try changes.map { try resampling.samples($0, context) }
    for axis in 0..<3 - box.count {
      samples[axis].weights[0] = 1
      samples[axis].weights[1] = 0
    }
    let inner = axes[box.upperBound...].reduce(1) { $0 * $1.target }
    let outer = axes[..<box.lowerBound].reduce(1) { $0 * $1.target }
    let sourceRow = changes[2].source * inner
    let sourcePlane = changes[1].source * sourceRow
    let target = result.mutableElements(Element.self)
    var next = 0
    for block in 0..<outer {
      let start = block * changes[0].source * sourcePlane
      for z in 0..<samples[0].count {
        for y in 0..<samples[1].count {
          for x in 0..<samples[2].count {
            for offset in start..<start + inner {
              target[next] = blended(
                type, offset, (z, y, x), samples, sourcePlane, sourceRow, inner)
              next += 1
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private func blended<Element: NumberElement>(
    _ type: Element.Type, _ start: Int, _ position: (z: Int, y: Int, x: Int),
    _ samples: [AxisSamples], _ plane: Int, _ row: Int, _ inner: Int
  ) -> Element {
    let source = tensor.elements(Element.self)
    let (depth, rows, columns) = (samples[0], samples[1], samples[2])
    var sum: Float = 0
    for tap in 0..<8 {
      let z = (tap >> 2) * depth.count + position.z
      let y = (tap >> 1 & 1) * rows.count + position.y
      let x = (tap & 1) * columns.count + position.x
      let weight = columns.weights[x] * rows.weights[y] * depth.weights[z]
      let index =
        start + Int(depth.indices[z]) * plane + Int(rows.indices[y]) * row
        + Int(columns.indices[x]) * inner
      sum += weight * Float(source[index].asDouble)
    }
    return Element(converting: Double(sum))
  }

  private func separably<Element: NumberElement>(_ type: Element.Type) throws {
    var current = try context.scratch(Double.self, tensor.count)
    for (index, value) in tensor.elements(Element.self).enumerated() {
      current[index] = value.asDouble
    }
    var shape = axes.map(\.source)
    let isInteger = Element.self != Double.self
    for axis in axes.indices.reversed() where !axes[axis].isUnchanged {
      shape[axis] = axes[axis].target
      let next = try context.allocate(.float64, shape).mutableElements(Double.self)
      try resample(current, axes[axis], inner: shape[(axis + 1)...].reduce(1, *), into: next)
      if isInteger {
        for index in next.indices {
          next[index] = Element(converting: next[index].rounded()).asDouble
        }
      }
      current = next
    }
    let target = result.mutableElements(Element.self)
    for (index, value) in current.enumerated() { target[index] = Element(converting: value) }
  }

  private func resample(
    _ source: UnsafeMutableBufferPointer<Double>, _ change: ResizedAxis, inner: Int,
    into target: UnsafeMutableBufferPointer<Double>
  ) throws {
    let samples = try resampling.samples(change, context)
    for outer in 0..<target.count / (change.target * inner) {
      for position in 0..<change.target {
        let out = (outer * change.target + position) * inner
        for offset in 0..<inner { target[out + offset] = 0 }
        for tap in 0..<samples.taps {
          let weight = Double(samples.weights[tap * samples.count + position])
          guard weight != 0 else { continue }
          let index = Int(samples.indices[tap * samples.count + position])
          let run = (outer * change.source + index) * inner
          for offset in 0..<inner { target[out + offset] += weight * source[run + offset] }
        }
      }
    }
  }
}
