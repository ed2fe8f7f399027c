import Glibc
import ModelGraph
import Support

extension Families {
  /// Operators that draw random numbers.
  ///
  /// Every node draws from a generator of its own that starts anew in every run: with the node's
  /// `seed`, or with 0 if it has none. So runs of a model agree with each other, but not with
  /// other programs.
  static let random = [
    randomNormal, randomNormalLike, randomUniform, randomUniformLike, bernoulli, multinomial,
  ]

  private static let randomNormal = OperatorDefinition(
    "RandomNormal", types: "float", isPure: false,
    tensors: { try filling($0, shape: try $0.ints("shape"), with: normal(of: $0)) })

  private static let randomNormalLike = OperatorDefinition(
    "RandomNormalLike", types: "float", isPure: false,
    tensors: { try filling($0, shape: nil, with: normal(of: $0)) })

  private static let randomUniform = OperatorDefinition(
    "RandomUniform", types: "float", isPure: false,
    tensors: { try filling($0, shape: try $0.ints("shape"), with: uniform(of: $0)) })

  private static let randomUniformLike = OperatorDefinition(
    "RandomUniformLike", types: "float", isPure: false,
    tensors: { try filling($0, shape: nil, with: uniform(of: $0)) })

  private static let bernoulli = OperatorDefinition(
    "Bernoulli", types: "all numbers", isPure: false,
    tensors: { settings in
      let seed = try seed(of: settings)
      let type = try settings.int("dtype").map { try ElementType(numberTypeAttribute: $0) }
      return { call in
        let input = try call.tensor(0)
        var random = NodeRandom(seed: seed)
        let drawn = try input.doubles().map { random.uniform() < $0 ? 1.0 : 0 }
        return [
          try call.context.allocate(type ?? input.elementType, input.shape, doubles: drawn)
        ]
      }
    })

  private static let multinomial = OperatorDefinition(
    "Multinomial", types: "float; gives integers", isPure: false,
    tensors: { settings in
      let seed = try seed(of: settings)
      let type = try ElementType(numberTypeAttribute: settings.int("dtype", default: 6))
      let sampleSize = try settings.int("sample_size", default: 1)
      guard (1..<1 << 31).contains(sampleSize) else {
        throw KernelProblem("\(sampleSize) samples cannot be drawn")
      }
      return { call in
        let input = try call.tensor(0)
        guard input.rank == 2, input.shape[1] > 0 else {
          throw KernelProblem("log-probabilities of shape \(input.shape) cannot be drawn from")
        }
        try call.context.checkRoom(.float64, [input.shape[0], sampleSize])
        var random = NodeRandom(seed: seed)
        let classes = input.shape[1]
        let logits = try input.doubles()
        var drawn: [Double] = []
        drawn.reserveCapacity(input.shape[0] * sampleSize)
        for row in 0..<input.shape[0] {
          let sums = cumulativeProbabilities(logits[row * classes..<(row + 1) * classes])
          for _ in 0..<sampleSize {
            let place = random.uniform() * (sums.last ?? 0)
            drawn.append(Double(min(sums.firstIndex { $0 > place } ?? classes - 1, classes - 1)))
          }
        }
        return [
          try call.context.allocate(type, [input.shape[0], sampleSize], doubles: drawn)
        ]
      }
    })

  private typealias Draw = @Sendable (inout NodeRandom) -> Double

  private static func normal(of settings: NodeSettings) throws -> Draw {
    let mean = Double(try settings.float("mean", default: 0))
    let scale = Double(try settings.float("scale", default: 1))
    return { mean + scale * $0.normal() }
  }

  private static func uniform(of settings: NodeSettings) throws -> Draw {
    let low = Double(try settings.float("low", default: 0))
    let high = Double(try settings.float("high", default: 1))
    return { low + (high - low) * $0.uniform() }
  }

  /// Fills a tensor of a given shape, or of the input's.
  private static func filling(
    _ settings: NodeSettings, shape: [Int]?, with draw: @escaping Draw
  ) throws -> TensorKernel {
    let seed = try seed(of: settings)
    let type = try settings.int("dtype").map { try ElementType(numberTypeAttribute: $0) }
    return { call in
      let like = shape == nil ? try call.tensor(0) : nil
      let extents = shape ?? like?.shape ?? []
      try call.context.checkRoom(.float64, extents)
      var random = NodeRandom(seed: seed)
      let drawn = (0..<(TensorData.elementCount(of: extents) ?? 0)).map { _ in draw(&random) }
      let element = type ?? like?.elementType ?? .float32
      guard element.isFloat else {
        throw KernelProblem(lacking: "random numbers of type \(element.name) are not supported")
      }
      return [try call.context.allocate(element, extents, doubles: drawn)]
    }
  }

  /// The bits of the seed attribute, which is a float.
  private static func seed(of settings: NodeSettings) throws -> UInt64 {
    UInt64(try settings.float("seed", default: 0).bitPattern)
  }

  private static func cumulativeProbabilities(_ logits: ArraySlice<Double>) -> [Double] {
    let largest = logits.max() ?? 0
    var sum = 0.0
    return logits.map { logit in
      sum += exp(logit - largest)
      return sum
    }
  }
}

/// Random numbers with the distributions that nodes ask for.
struct NodeRandom {
  private var bits: SplitMix64
  private var spare: Double?

  /// Starts the sequence of that seed.
  init(seed: UInt64) { bits = SplitMix64(seed: seed &* 0x2545_f491_4f6c_dd1d) }

  /// Evenly spread over 0..<1, in steps of 2^-53.
  mutating func uniform() -> Double { bits.unit() }

  /// Normally distributed with mean 0 and deviation 1 (Box and Muller 1958), two at a time.
  mutating func normal() -> Double {
    if let spare {
      self.spare = nil
      return spare
    }
    let radius = (-2 * log(1 - uniform())).squareRoot()
    let angle = 2 * Double.pi * uniform()
    spare = radius * sin(angle)
    return radius * cos(angle)
  }
}
