import Configuration
import Quantization
import Statistics

/// What full quantization needs beside what every conversion does.
public struct FullJob: Sendable {
  /// How operators and activations are quantized.
  public var settings: FullQuantizationSettings
  /// How the range of an activation is chosen.
  public var method: RangeMethod
  /// The samples to calibrate with.
  public var samples: SampleJob

  init(_ options: ConverterOptions, _ configuration: QuantizationConfiguration) {
    let full = configuration.full
    let profile = FullJob.profile(full.targetDevice)
    settings = FullQuantizationSettings(
      perChannel: full.perChannel,
      biasCorrection: full.biasCorrection && profile.correctsBiases,
      skipped: configuration.skipQuantNode.map { NodePattern($0.pattern.pattern) },
      profile: profile)
    if full.targetDevice == .ascend {
      settings.smoothAlpha = Float(full.smoothAlpha)
      settings.minWeightChannel = configuration.minQuantWeightChannel
      settings.profile.takesAddedBias = options.saveType == .mindirLite
    }
    method =
      switch full.activationQuantMethod {
      case .maxMin: .maxMin
      case .kl: .kullbackLeibler
      case .removalOutlier: .outlierRemoval
      case .auto: .auto
      }
    samples = SampleJob(options, configuration)
  }

  private static func profile(_ device: TargetDevice) -> TargetProfile {
    switch device {
    case .cpu: .onnxRuntime
    case .ascend: .ascend
    case .nvgpu: .tensorRT
    case .dsp: .digitalSignalProcessor
    case .kirin: .kirin
    }
  }
}
