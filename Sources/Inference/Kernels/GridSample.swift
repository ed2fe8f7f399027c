import CKernels
import ModelGraph

extension Families {
  /// Reads a tensor at places that another tensor gives, one for each position of the result.
  static let gridSample = OperatorDefinition(
    "GridSample",
    versions: "bilinear and bicubic in 16, linear and cubic and more axes since 20",
    types: "float", layouts: .any,
    tensors: { settings in
      let sampling = try GridSampling(settings)
      return wideningHalves { call in
        let tensor = try call.tensor(0)
        let grid = try call.tensor(1).converted(to: .rowMajor, call.context)
        switch (tensor.elementType, grid.elementType) {
        case (.float32, .float32):
          return [try sampling.apply(Float.self, tensor, grid, call.context)]
        case (.float64, .float64):
          return [try sampling.apply(Double.self, tensor, grid, call.context)]
        default:
          throw KernelProblem(
            lacking: "\(tensor.elementType.name) is not sampled at \(grid.elementType.name) places")
        }
      }
    })
}

/// How places between and outside elements are read.
struct GridSampling: Sendable {
  private enum Mode: String { case linear, nearest, cubic, bilinear, bicubic }
  private enum Padding: String { case zeros, border, reflection }

  private let mode: Mode
  private let padding: Padding
  private let alignsCorners: Bool
  /// Neighbours along one axis that make an element.
  private var tapsPerAxis: Int { mode == .nearest ? 1 : mode == .cubic ? 4 : 2 }

  init(_ settings: NodeSettings) throws {
    let modeName = try settings.string("mode") ?? Mode.linear.rawValue
    let paddingName = try settings.string("padding_mode") ?? Padding.zeros.rawValue
    guard let mode = Mode(rawValue: modeName) else {
      throw KernelProblem("the attribute 'mode' cannot be '\(modeName)'")
    }
    guard let padding = Padding(rawValue: paddingName) else {
      throw KernelProblem("the attribute 'padding_mode' cannot be '\(paddingName)'")
    }
    self.mode = mode == .bilinear ? .linear : mode == .bicubic ? .cubic : mode
    self.padding = padding
    alignsCorners = try settings.flag("align_corners")
  }

  /// Positions of the result whose samples are worked out at a time.
  private static let blockLength = 4096

  func apply<Element: GridElement>(
    _ type: Element.Type, _ tensor: Tensor, _ grid: Tensor, _ context: RunContext
  ) throws -> Tensor {
    let shape = try resultShape(tensor, grid)
    let result = try context.allocate(tensor.elementType, shape, layout: tensor.layout)
    guard result.count > 0 else { return result }
    let work = GridWork(tensor: tensor, result: result)
    guard work.sourceCount > 0, work.sourceCount < 1 << 31 else {
      throw KernelProblem("axes \(tensor.shape.dropFirst(2)) cannot be sampled")
    }
    let extents = Array(tensor.shape.dropFirst(2))
    let taps = extents.reduce(1) { count, _ in count * tapsPerAxis }
    nonisolated(unsafe) let places = grid.elements(Element.self)
    nonisolated(unsafe) let source = tensor.elements(Element.self)
    nonisolated(unsafe) let target = result.mutableElements(Element.self)
    let blocks = (work.positions + Self.blockLength - 1) / Self.blockLength
    try context.forEach(work.samples * blocks, cost: Self.blockLength * taps * work.channels) {
      index in
      let sample = index / blocks
      let first = index % blocks * Self.blockLength
      let block = first..<min(work.positions, first + Self.blockLength)
      let capacity = taps * block.count
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: capacity) { indices in
        withUnsafeTemporaryAllocation(of: Element.self, capacity: capacity) { weights in
          let start = (sample * work.positions + first) * extents.count
          fill(indices, weights, block.count, extents) { places[start + $0] }
          let samples = SampleBlock(
            count: block.count, taps: taps, indices: indices, weights: weights)
          work.read(source, target, sample, first, samples)
        }
      }
    }
    return result
  }

  private func resultShape(_ tensor: Tensor, _ grid: Tensor) throws -> [Int] {
    let axes = tensor.rank - 2
    guard axes >= 1, axes <= 4, grid.rank == tensor.rank, grid.shape[0] == tensor.shape[0],
      grid.shape[axes + 1] == axes
    else {
      throw KernelProblem(
        "a tensor of shape \(tensor.shape) cannot be read at places of shape \(grid.shape)")
    }
    let shape = Array(tensor.shape.prefix(2) + grid.shape[1...axes])
    guard TensorData.elementCount(of: shape) != nil else {
      throw KernelProblem("a tensor of shape \(shape) is too large")
    }
    return shape
  }

  /// Works out the samples of consecutive places, each with a coordinate an axis, the last axis'
  /// first.
  private func fill<Element: GridElement>(
    _ indices: UnsafeMutableBufferPointer<Int32>, _ weights: UnsafeMutableBufferPointer<Element>,
    _ count: Int, _ extents: [Int], _ coordinate: (Int) -> Element
  ) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 4) { axisIndices in
      withUnsafeTemporaryAllocation(of: Element.self, capacity: 4) { axisWeights in
        for position in 0..<count {
          var combined = 1
          indices[position] = 0
          weights[position] = 1
          for (axis, extent) in extents.enumerated() {
            let place = coordinate((position + 1) * extents.count - 1 - axis)
            neighbours(place, extent, axisIndices, axisWeights)
            for tap in (0..<combined).reversed() {
              let (index, weight) = (
                Int(indices[tap * count + position]), weights[tap * count + position]
              )
              for neighbour in (0..<tapsPerAxis).reversed() {
                let place = (tap * tapsPerAxis + neighbour) * count + position
                indices[place] = Int32(index * extent + axisIndices[neighbour])
                weights[place] = weight * axisWeights[neighbour]
              }
            }
            combined *= tapsPerAxis
          }
        }
      }
    }
  }

  /// The neighbours of a place along one axis; those that count as zeros get the weight 0. For the
  /// cubic kernel only neighbours are brought inside, not the place.
  private func neighbours<Element: GridElement>(
    _ normalized: Element, _ extent: Int, _ indices: UnsafeMutableBufferPointer<Int>,
    _ weights: UnsafeMutableBufferPointer<Element>
  ) {
    let length = Element(extent)
    let low: Element = alignsCorners ? 0 : -0.5
    let high = alignsCorners ? length - 1 : length - 0.5
    var place =
      alignsCorners
      ? (normalized + 1) / 2 * (length - 1) : ((normalized + 1) * length - 1) / 2
    place = place.isNaN ? 0 : min(max(place, -1e9), 1e9)
    if mode == .nearest { place = place.rounded(.toNearestOrEven) }
    if mode != .cubic, place < low || place > high {
      switch padding {
      case .zeros: break
      case .border: place = min(max(place, 0), length - 1)
      case .reflection: place = reflected(place, low, high)
      }
    }
    let lower = place.rounded(.down)
    let share = place - lower
    switch mode {
    case .nearest: weights[0] = 1
    case .cubic: Element.cubicWeights(share, weights)
    default:
      weights[0] = 1 - share
      weights[1] = share
    }
    let first = Int(lower) - (mode == .cubic ? 1 : 0)
    for tap in 0..<tapsPerAxis {
      var index = first + tap
      if index < 0 || index >= extent {
        switch padding {
        case .zeros: weights[tap] = 0
        case .border: break
        case .reflection: index = Int(reflected(Element(index), low, high))
        }
        index = min(max(index, 0), extent - 1)
      }
      indices[tap] = index
    }
  }

  private func reflected<Element: GridElement>(
    _ place: Element, _ low: Element, _ high: Element
  ) -> Element {
    let range = high - low
    guard range > 0, place < low || place > high else { return min(max(place, low), high) }
    let isBelow = place < low
    let distance = isBelow ? low - place : place - high
    let turns = (distance / range).rounded(.towardZero)
    let rest = distance - turns * range
    let isEven = turns.truncatingRemainder(dividingBy: 2) == 0
    return isBelow == isEven ? low + rest : high - rest
  }
}

/// A floating-point type that grids are made of.
protocol GridElement: TensorElement, BinaryFloatingPoint {
  /// The cubic kernel's weights of four neighbours, for a place `share` beyond the second.
  static func cubicWeights(_ share: Self, _ weights: UnsafeMutableBufferPointer<Self>)
  /// Resamples a row whose positions hold `inner` elements each.
  static func resample(
    _ source: UnsafePointer<Self>, inner: Int, _ samples: SampleBlock<Self>,
    into target: UnsafeMutablePointer<Self>)
}

/// Where the elements of a run of results come from, tap by tap, as `AxisSamples` has it.
struct SampleBlock<Weight> {
  let count: Int
  let taps: Int
  let indices: UnsafeMutableBufferPointer<Int32>
  let weights: UnsafeMutableBufferPointer<Weight>
}

extension Float: GridElement {
  static func cubicWeights(_ share: Float, _ weights: UnsafeMutableBufferPointer<Float>) {
    let values = CubicFilter(coefficient: -0.75).weights(share)
    for tap in 0..<4 { weights[tap] = values[tap] }
  }

  static func resample(
    _ source: UnsafePointer<Float>, inner: Int, _ samples: SampleBlock<Float>,
    into target: UnsafeMutablePointer<Float>
  ) {
    let lent = gs_samples(
      index: UnsafePointer(samples.indices.baseAddress),
      weight: UnsafePointer(samples.weights.baseAddress), count: samples.count, taps: samples.taps)
    gs_resample_row(source, inner, lent, target)
  }
}

extension Double: GridElement {
  static func cubicWeights(_ share: Double, _ weights: UnsafeMutableBufferPointer<Double>) {
    let values = CubicFilter(coefficient: -0.75).weights(Float(share))
    for tap in 0..<4 { weights[tap] = Double(values[tap]) }
  }

  static func resample(
    _ source: UnsafePointer<Double>, inner: Int, _ samples: SampleBlock<Double>,
    into target: UnsafeMutablePointer<Double>
  ) {
    for position in 0..<samples.count {
      let out = position * inner
      for offset in 0..<inner { target[out + offset] = 0 }
      for tap in 0..<samples.taps {
        let place = tap * samples.count + position
        let run = Int(samples.indices[place]) * inner
        for offset in 0..<inner {
          target[out + offset] += samples.weights[place] * source[run + offset]
        }
      }
    }
  }
}

/// The extents of sampling positions of every channel of every sample.
private struct GridWork: Sendable {
  let samples: Int
  let channels: Int
  /// Positions of a plane of the source and of the result.
  let sourceCount: Int
  let positions: Int
  let isChannelsLast: Bool

  init(tensor: Tensor, result: Tensor) {
    samples = tensor.shape[0]
    channels = tensor.shape[1]
    sourceCount = tensor.shape[2...].reduce(1, *)
    positions = result.shape[2...].reduce(1, *)
    isChannelsLast = tensor.layout == .channelsLast
  }

  /// Reads a run of positions, beginning at `first`, of all channels of a sample.
  func read<Element: GridElement>(
    _ source: UnsafeBufferPointer<Element>, _ target: UnsafeMutableBufferPointer<Element>,
    _ sample: Int, _ first: Int, _ block: SampleBlock<Element>
  ) {
    guard let from = source.baseAddress, let to = target.baseAddress else { return }
    if isChannelsLast {
      Element.resample(
        from + sample * sourceCount * channels, inner: channels, block,
        into: to + (sample * positions + first) * channels)
      return
    }
    for plane in sample * channels..<(sample + 1) * channels {
      Element.resample(
        from + plane * sourceCount, inner: 1, block, into: to + plane * positions + first)
    }
  }
}
