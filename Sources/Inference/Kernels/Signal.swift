import ModelGraph

extension Families {
  /// Operators on sampled signals.
  static let signal = [
    dft, stft, rfft, irfft, hannWindow, hammingWindow, blackmanWindow, melWeightMatrix,
  ]

  private static let dft = OperatorDefinition(
    "DFT", versions: "axis as attribute in 17, as input since 20",
    types: "float",
    tensors: { settings in
      let isInverse = try settings.flag("inverse")
      let isOneSided = try settings.flag("onesided")
      let attributeAxis =
        settings.version < 20 ? try settings.int("axis", default: 1) : nil
      return wideningHalves { call in
        let tensor = try call.tensor(0)
        let axis = try attributeAxis ?? call.integers(2)?.first ?? -2
        let length = try call.integers(1)?.first
        return [
          try LineTransform.complex(
            tensor, axis: axis, length: length, isInverse: isInverse, isOneSided: isOneSided,
            call.context)
        ]
      }
    })

  private static let rfft = OperatorDefinition(
    "Rfft", domain: "com.microsoft", types: "float",
    tensors: { settings in
      try checkContribution(settings)
      return wideningHalves { call in
        let tensor = try call.tensor(0)
        let real = tensor.reshaped(tensor.shape + [1])
        return [
          try LineTransform.complex(
            real, axis: -2, length: nil, isInverse: false, isOneSided: true, call.context)
        ]
      }
    })

  private static let irfft = OperatorDefinition(
    "Irfft", domain: "com.microsoft", types: "float",
    tensors: { settings in
      try checkContribution(settings)
      return wideningHalves { call in
        let result = try LineTransform.complex(
          call.tensor(0), axis: -2, length: nil, isInverse: true, isOneSided: true, call.context)
        return [result.reshaped(result.shape.dropLast())]
      }
    })

  private static func checkContribution(_ settings: NodeSettings) throws {
    guard try settings.int("signal_ndim", default: 1) == 1,
      try settings.flag("onesided", default: true),
      !(try settings.flag("normalized"))
    else {
      throw KernelProblem(lacking: "only one-sided transforms of one axis are supported")
    }
  }

  private static let stft = OperatorDefinition(
    "STFT", types: "float",
    tensors: { settings in
      let isOneSided = try settings.flag("onesided", default: true)
      return wideningHalves { call in
        let signal = try call.tensor(0)
        guard let step = try call.integers(1)?.first else {
          throw KernelProblem("the frame step is missing")
        }
        let window = try call.optional(2)
        let framing = try Framing(
          signal, step: step, window: window, length: call.integers(3)?.first,
          isOneSided: isOneSided)
        switch signal.elementType {
        case .float32: return [try framing.apply(Float.self, call.context)]
        case .float64: return [try framing.apply(Double.self, call.context)]
        default:
          throw KernelProblem(lacking: "signals of \(signal.elementType.name) are not supported")
        }
      }
    })
}

/// A one-dimensional transform of every line of a tensor along one axis.
struct LineTransform {
  private let tensor: Tensor
  private let axis: Int
  private let isInverse: Bool
  private let isOneSided: Bool
  private let transform: FourierTransform
  /// Points along the axis of the result.
  private let resultLength: Int
  /// Parts of the last axis of the result: one for real numbers.
  private let resultParts: Int

  /// Transforms numbers whose parts lie on the last axis.
  ///
  /// - Throws: shapes and lengths that cannot be.
  static func complex(
    _ tensor: Tensor, axis: Int, length: Int?, isInverse: Bool, isOneSided: Bool,
    _ context: RunContext
  ) throws -> Tensor {
    let line = try LineTransform(tensor, axis, length, isInverse, isOneSided)
    switch tensor.elementType {
    case .float32: return try line.apply(Float.self, context)
    case .float64: return try line.apply(Double.self, context)
    default:
      throw KernelProblem(lacking: "signals of \(tensor.elementType.name) are not supported")
    }
  }

  private init(
    _ tensor: Tensor, _ axis: Int, _ length: Int?, _ isInverse: Bool, _ isOneSided: Bool
  ) throws {
    guard tensor.rank >= 2, let parts = tensor.shape.last, parts == 1 || parts == 2 else {
      throw KernelProblem(
        "a tensor of shape \(tensor.shape) does not end in real and imaginary parts")
    }
    let resolved = try resolvedAxis(axis, rank: tensor.rank)
    guard resolved < tensor.rank - 1 else {
      throw KernelProblem("axis \(axis) holds the parts of the numbers")
    }
    guard !isOneSided || parts == (isInverse ? 2 : 1) else {
      throw KernelProblem(
        isInverse
          ? "a one-sided inverse transform needs complex numbers"
          : "a one-sided transform needs real numbers")
    }
    let extent = tensor.shape[resolved]
    let length = length ?? (isInverse && isOneSided ? 2 * (extent - 1) : extent)
    guard (1..<1 << 27).contains(length) else {
      throw KernelProblem("a transform of \(length) points is not possible")
    }
    self.tensor = tensor
    self.axis = resolved
    self.isInverse = isInverse
    self.isOneSided = isOneSided
    transform = FourierTransform(length: length)
    resultLength = isOneSided && !isInverse ? length / 2 + 1 : length
    resultParts = isOneSided && isInverse ? 1 : 2
  }

  private func apply<Element: TensorElement & BinaryFloatingPoint>(
    _ type: Element.Type, _ context: RunContext
  ) throws -> Tensor {
    var shape = tensor.shape
    shape[axis] = resultLength
    shape[tensor.rank - 1] = resultParts
    guard let count = TensorData.elementCount(of: shape), count < 1 << 46 else {
      throw KernelProblem("a tensor of shape \(shape) is too large")
    }
    let result = try context.allocate(tensor.elementType, shape)
    let parts = tensor.shape[tensor.rank - 1]
    let inner = tensor.shape[(axis + 1)..<(tensor.rank - 1)].reduce(1, *)
    let extent = tensor.shape[axis]
    nonisolated(unsafe) let source = tensor.elements(type)
    nonisolated(unsafe) let target = result.mutableElements(type)
    let lines = count / (resultLength * resultParts)
    try context.forEach(lines, cost: transform.length * 16) { line in
      var points = FourierTransform.Points(count: transform.length)
      let start = line / inner * extent * inner + line % inner
      for index in 0..<min(extent, transform.length) {
        let place = (start + index * inner) * parts
        points.real[index] = Double(source[place])
        if parts == 2 { points.imaginary[index] = Double(source[place + 1]) }
      }
      run(&points)
      let out = line / inner * resultLength * inner + line % inner
      for index in 0..<resultLength {
        let place = (out + index * inner) * resultParts
        target[place] = Element(points.real[index])
        if resultParts == 2 { target[place + 1] = Element(points.imaginary[index]) }
      }
    }
    return result
  }

  private func run(_ points: inout FourierTransform.Points) {
    guard isInverse else { return transform.transform(&points) }
    if isOneSided { mirror(&points) }
    transform.invert(&points)
  }

  /// Completes the one-sided spectrum of a real signal.
  private func mirror(_ points: inout FourierTransform.Points) {
    let length = transform.length
    points.imaginary[0] = 0
    if length % 2 == 0 { points.imaginary[length / 2] = 0 }
    for index in 1..<max(1, (length + 1) / 2) {
      points.real[length - index] = points.real[index]
      points.imaginary[length - index] = -points.imaginary[index]
    }
  }
}

/// The frames of a signal for the short-time transform.
private struct Framing {
  private let signal: Tensor
  private let step: Int
  private let window: Tensor?
  private let length: Int
  private let frames: Int
  private let parts: Int
  private let bins: Int

  init(
    _ signal: Tensor, step: Int, window: Tensor?, length: Int?, isOneSided: Bool
  ) throws {
    let parts = signal.rank == 3 ? signal.shape[2] : 1
    guard signal.rank == 2 || signal.rank == 3, parts == 1 || parts == 2 else {
      throw KernelProblem("a signal of shape \(signal.shape) cannot be cut into frames")
    }
    guard !isOneSided || parts == 1 else {
      throw KernelProblem("a one-sided transform needs a real signal")
    }
    let frame = length ?? window?.count ?? signal.shape[1]
    guard frame > 0, frame <= signal.shape[1], frame < 1 << 27, step > 0 else {
      throw KernelProblem(
        "frames of \(frame) every \(step) do not fit a signal of \(signal.shape[1])")
    }
    if let window, window.shape != [frame] || window.elementType != signal.elementType {
      throw KernelProblem("the window \(window.description) does not fit frames of \(frame)")
    }
    self.signal = signal
    self.step = step
    self.window = window
    self.length = frame
    self.parts = parts
    frames = (signal.shape[1] - frame) / step + 1
    bins = isOneSided ? frame / 2 + 1 : frame
  }

  func apply<Element: TensorElement & BinaryFloatingPoint>(
    _ type: Element.Type, _ context: RunContext
  ) throws -> Tensor {
    let shape = [signal.shape[0], frames, bins, 2]
    guard let count = TensorData.elementCount(of: shape), count < 1 << 46 else {
      throw KernelProblem("a tensor of shape \(shape) is too large")
    }
    let result = try context.allocate(signal.elementType, shape)
    let transform = FourierTransform(length: length)
    let factors = try window?.doubles()
    nonisolated(unsafe) let source = signal.elements(type)
    nonisolated(unsafe) let target = result.mutableElements(type)
    try context.forEach(signal.shape[0] * frames, cost: length * 16) { index in
      var points = FourierTransform.Points(count: length)
      let start = index / frames * signal.shape[1] + index % frames * step
      for position in 0..<length {
        let factor = factors?[position] ?? 1
        let place = (start + position) * parts
        points.real[position] = Double(source[place]) * factor
        if parts == 2 { points.imaginary[position] = Double(source[place + 1]) * factor }
      }
      transform.transform(&points)
      for bin in 0..<bins {
        target[(index * bins + bin) * 2] = Element(points.real[bin])
        target[(index * bins + bin) * 2 + 1] = Element(points.imaginary[bin])
      }
    }
    return result
  }
}
