import Glibc
import ModelGraph

/// MaxPool as written, for integers and where the places of the maxima are asked for.
struct IndexedMaxPool {
  let window: Window
  let output: [Int]
  /// Whether an index counts the last spatial axis as the slowest.
  let isColumnMajor: Bool

  /// The largest elements and their indices; `input` is row-major.
  func run(_ input: Tensor, _ context: RunContext) throws -> [Tensor] {
    try input.elementType.visitNumber(Walk(pool: self, input: input, context: context))
  }

  private struct Walk: NumberVisitor {
    let pool: IndexedMaxPool
    let input: Tensor
    let context: RunContext

    func visit<Element: NumberElement>(_ type: Element.Type) throws -> [Tensor] {
      let result = context.allocate(input.elementType, pool.output)
      let places = context.allocate(.int64, pool.output)
      let out = result.mutableElements(type)
      let indices = places.mutableElements(Int64.self)
      let values = input.elements(type)
      let spatial = Array(input.shape[2...])
      let plane = spatial.reduce(1, *)
      let strides = rowMajorStrides(spatial)
      let walk = WindowWalk(pool.window, input: spatial, output: Array(pool.output[2...]))
      for (position, elements) in walk.windows.enumerated() {
        for channel in 0..<pool.output[0] * pool.output[1] {
          let base = channel * plane
          var best = elements.first ?? 0
          for element in elements.dropFirst() where values[base + element] > values[base + best] {
            best = element
          }
          let place = channel * walk.windows.count + position
          out[place] = elements.isEmpty ? .zero : values[base + best]
          var index = best
          if pool.isColumnMajor {
            index = 0
            for axis in spatial.indices.reversed() {
              index = index * spatial[axis] + best / strides[axis] % spatial[axis]
            }
          }
          indices[place] = Int64(base + index)
        }
      }
      return [result, places]
    }
  }
}

/// LpPool as written: the p-norm of each window.
struct PowerPool {
  let window: Window
  let output: [Int]
  let power: Int

  /// The norms; `input` is row-major.
  func run(_ input: Tensor, _ context: RunContext) -> Tensor {
    let result = context.allocate(.float32, output)
    let out = result.mutableElements(Float.self)
    let values = input.elements(Float.self)
    let spatial = Array(input.shape[2...])
    let plane = spatial.reduce(1, *)
    let walk = WindowWalk(window, input: spatial, output: Array(output[2...]))
    for (position, elements) in walk.windows.enumerated() {
      for channel in 0..<output[0] * output[1] {
        var sum = 0.0
        for element in elements {
          let magnitude = Double(abs(values[channel * plane + element]))
          sum += power == 2 ? magnitude * magnitude : pow(magnitude, Double(power))
        }
        out[channel * walk.windows.count + position] =
          Float(power == 2 ? sum.squareRoot() : pow(sum, 1 / Double(power)))
      }
    }
    return result
  }
}

/// The elements of one plane that each window covers, window by window.
struct WindowWalk {
  let windows: [[Int]]

  init(_ window: Window, input: [Int], output: [Int]) {
    let inputStrides = rowMajorStrides(input)
    let outputStrides = rowMajorStrides(output)
    windows = (0..<output.reduce(1, *)).map { position in
      var offsets = [0]
      for axis in output.indices {
        let first =
          position / outputStrides[axis] % output[axis] * window.strides[axis] - window.begin[axis]
        let covered = (0..<window.kernel[axis]).map { first + $0 * window.dilations[axis] }
          .filter { (0..<input[axis]).contains($0) }
        offsets = offsets.flatMap { offset in covered.map { offset + $0 * inputStrides[axis] } }
      }
      return offsets
    }
  }
}
