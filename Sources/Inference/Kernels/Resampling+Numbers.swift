import ModelGraph

/// Linear and cubic interpolation of integers and doubles.
///
/// Linear interpolation of integers along at most two axes computes in float32 and drops the
/// fraction, as ONNX Runtime does, term by term; all else computes in double, and integers are
/// rounded to nearest.
struct NumberInterpolation: NumberVisitor {
  let resampling: Resampling
  let tensor: Tensor
  /// In memory order.
  let axes: [ResizedAxis]
  let result: Tensor
  let context: RunContext

  func visit<Element: NumberElement>(_ type: Element.Type) throws {
    let changed = axes.indices.filter { !axes[$0].isUnchanged }
    guard let last = changed.last else { return }
    let adjacent = changed.count < 2 || changed.count == 2 && changed[0] == last - 1
    if Element.self != Double.self, resampling.interpolation == .linear, adjacent,
      !resampling.isAntialiased
    {
      truncating(type, changed.count == 2 ? changed[0] : nil, last)
    } else {
      separably(type, changed)
    }
  }

  private func truncating<Element: NumberElement>(
    _ type: Element.Type, _ rowAxis: Int?, _ columnAxis: Int
  ) {
    let rowChange = rowAxis.map { axes[$0] } ?? ResizedAxis(unchanged: 1)
    let rows = resampling.samples(rowChange, context)
    let columns = resampling.samples(axes[columnAxis], context)
    let inner = axes[(columnAxis + 1)...].reduce(1) { $0 * $1.target }
    let sourceWidth = axes[columnAxis].source * inner
    let outer = result.count / (rows.count * columns.count * inner)
    let source = tensor.elements(Element.self)
    let target = result.mutableElements(Element.self)
    var next = 0
    for plane in 0..<outer {
      let start = plane * rowChange.source * sourceWidth
      for y in 0..<rows.count {
        let upper = start + Int(rows.indices[y]) * sourceWidth
        let lower = start + Int(rows.indices[rows.count + y]) * sourceWidth
        let (u, v) = (rows.weights[y], rows.weights[rows.count + y])
        for x in 0..<columns.count {
          let left = Int(columns.indices[x]) * inner
          let right = Int(columns.indices[columns.count + x]) * inner
          let (s, t) = (columns.weights[x], columns.weights[columns.count + x])
          for offset in 0..<inner {
            func term(_ weight: Float, _ index: Int) -> Float {
              weight * Float(source[index + offset].asDouble)
            }
            let sum =
              term(s * u, upper + left) + term(t * u, upper + right) + term(s * v, lower + left)
              + term(t * v, lower + right)
            target[next] = Element(converting: Double(sum))
            next += 1
          }
        }
      }
    }
  }

  private func separably<Element: NumberElement>(_ type: Element.Type, _ changed: [Int]) {
    var current = context.scratch(Double.self, tensor.count)
    for (index, value) in tensor.elements(Element.self).enumerated() {
      current[index] = value.asDouble
    }
    var shape = axes.map(\.source)
    for axis in changed {
      shape[axis] = axes[axis].target
      let next = context.scratch(Double.self, shape.reduce(1, *))
      resample(current, axes[axis], inner: shape[(axis + 1)...].reduce(1, *), into: next)
      current = next
    }
    let target = result.mutableElements(Element.self)
    let isInteger = Element.self != Double.self
    for (index, value) in current.enumerated() {
      target[index] = Element(converting: isInteger ? (value + 0.5).rounded(.down) : value)
    }
  }

  private func resample(
    _ source: UnsafeMutableBufferPointer<Double>, _ change: ResizedAxis, inner: Int,
    into target: UnsafeMutableBufferPointer<Double>
  ) {
    let samples = resampling.samples(change, context)
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
