@testable import Inference

/// Convolution as its definition says, in double precision, one output element at a time.
struct ConvolutionReference {
  var input: [Int]
  var weights: [Int]
  var group: Int
  var strides: [Int]
  var dilations: [Int]
  var begin: [Int]
  var end: [Int]

  /// Extents of the output's spatial axes.
  var outputExtents: [Int] {
    strides.indices.map { axis in
      (input[2 + axis] + begin[axis] + end[axis] - dilations[axis] * (weights[2 + axis] - 1) - 1)
        / strides[axis] + 1
    }
  }

  /// Row-major result [N, M, ...].
  func result(_ values: [Float], _ kernel: [Float], bias: [Float]?) -> [Float] {
    let extents = outputExtents
    let outputs = indices(extents)
    let taps = indices(Array(weights[2...]))
    let inputStrides = elementStrides(input)
    let weightStrides = elementStrides(weights)
    let inputsPerGroup = weights[1]
    let outputsPerGroup = weights[0] / group
    var result: [Float] = []
    for sample in 0..<input[0] {
      for channel in 0..<weights[0] {
        let first = channel / outputsPerGroup * inputsPerGroup
        for output in outputs {
          var sum = Double(bias?[channel] ?? 0)
          for tap in taps {
            guard let place = place(output, tap) else { continue }
            var offset = sample * inputStrides[0] + first * inputStrides[1]
            var weight = channel * weightStrides[0]
            for axis in tap.indices {
              offset += place[axis] * inputStrides[2 + axis]
              weight += tap[axis] * weightStrides[2 + axis]
            }
            for inner in 0..<inputsPerGroup {
              sum +=
                Double(values[offset + inner * inputStrides[1]])
                * Double(kernel[weight + inner * weightStrides[1]])
            }
          }
          result.append(Float(sum))
        }
      }
    }
    return result
  }

  private func place(_ output: [Int], _ tap: [Int]) -> [Int]? {
    var place: [Int] = []
    for axis in tap.indices {
      let position = output[axis] * strides[axis] + tap[axis] * dilations[axis] - begin[axis]
      guard (0..<input[2 + axis]).contains(position) else { return nil }
      place.append(position)
    }
    return place
  }

  private func indices(_ extents: [Int]) -> [[Int]] {
    extents.reduce([[]]) { partial, extent in
      partial.flatMap { index in (0..<extent).map { index + [$0] } }
    }
  }
}
