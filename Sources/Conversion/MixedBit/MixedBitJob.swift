import Configuration

/// What a conversion with bits for each tensor aims at.
public struct MixedBitJob: Sendable {
  /// The aim.
  public enum Aim: Hashable, Sendable {
    /// A relative error of each tensor.
    case relativeError(Double)
    /// The largest relative error that keeps the results' cosine; at most so many trials.
    case tuned(trials: Int)
    /// Bytes of the written file.
    case bytes(Int)
    /// A share of the read file's bytes.
    case share(Double)
    /// Mean bits of a weight.
    case bits(Double)
    /// The results' cosine.
    case cosine(Double)

    /// Whether samples help to reach it.
    var looksAtSamples: Bool {
      if case .relativeError = self { false } else { true }
    }
  }

  /// The aim.
  public var aim: Aim
  /// Whether channels may have steps of their own, where the format stores them.
  public var perChannel: Bool

  /// States a job.
  public init(aim: Aim, perChannel: Bool = true) {
    self.aim = aim
    self.perChannel = perChannel
  }

  init(_ configuration: QuantizationConfiguration) {
    let mixed = configuration.mixedBit
    aim =
      switch mixed.targetSize {
      case .bytes(let bytes): .bytes(bytes)
      case .share(let share): .share(share)
      case nil:
        if let bits = mixed.targetBits {
          .bits(bits)
        } else if let cosine = mixed.targetCosine {
          .cosine(cosine)
        } else if mixed.autoTune {
          .tuned(trials: mixed.maxIterations)
        } else {
          .relativeError(mixed.initScale)
        }
      }
    perChannel = configuration.weight.perChannel
  }
}

/// What the search for bits found.
public struct MixedBitFacts: Sendable {
  /// Mean bits of a quantized weight, packed.
  public var meanBits: Double
  /// Bytes of the quantized weights where they are packed, about.
  public var packedByteCount: Int
  /// The relative error of each tensor, where there is one for all.
  public var relativeError: Double?
  /// How often the model was run to judge a choice.
  public var trialCount = 0
  /// The results' cosine on what the search looked at; nil where it ran no model.
  public var cosine: Double?
}
