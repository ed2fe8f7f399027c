import Configuration
import Conversion
import Images
import ModelFormats
import Quantization
import Support

/// What a mutated input is given to. Any result is fine but a trap, a hang or a lot of memory.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// An ONNX file, converted.
  case onnx
  /// A configuration file, parsed and checked.
  case ini
  /// An image of any format, decoded.
  case image
  /// A `.ms` file, read.
  case ms
  /// An ONNX file, converted into a `.ms` file.
  case translation
  /// A `.ms` file, converted into one of either format.
  case reading

  /// Runs one input. `folder` takes the files that the conversion needs.
  ///
  /// - Returns: whether the input was accepted.
  @discardableResult
  public func run(_ bytes: [UInt8], seed: UInt64, folder: String) -> Bool {
    do throws(Failure) {
      switch self {
      case .onnx: try convert(bytes, seed: seed, folder: folder)
      case .ini:
        _ = try QuantizationConfiguration(
          from: ConfigurationParser.parse(bytes: bytes, fileName: "mutated.cfg"))
      case .image: try decode(bytes)
      case .ms: _ = try MSLiteReader.read(Bytes(bytes), name: "mutated.ms")
      case .translation: try convert(bytes, seed: seed, folder: folder, intoMSLite: true)
      case .reading:
        try convert(bytes, seed: seed, folder: folder, "mutated.ms", intoMSLite: seed / 4 % 2 == 0)
      }
      return true
    } catch {
      precondition(!error.diagnostics.isEmpty, "a failure without a reason")
      return false
    }
  }

  /// The limit keeps a damaged size from filling memory.
  private func decode(_ bytes: [UInt8]) throws(Failure) {
    do throws(ImageProblem) {
      _ = try ImageDecoder.decode(Bytes(bytes), pixelLimit: 1 << 22)
    } catch {
      throw Failure(.inferenceInputInvalid, error.message)
    }
  }

  /// The seed also varies bits and methods.
  private func convert(
    _ bytes: [UInt8], seed: UInt64, folder: String, _ name: String = "mutated.onnx",
    intoMSLite: Bool = false
  ) throws(Failure) {
    let input = folder + "/" + name
    do {
      try AtomicFile.write(bytes, to: input)
    } catch {
      throw Failure(.cannotWrite, "\(input): \(error.reason)")
    }
    let settings = WeightQuantizationSettings(
      bits: Int(seed % 16) + 1, perChannel: seed / 16 % 4 != 0, biasCorrection: seed / 64 % 2 == 0,
      minWeightChannel: 0, roundMethod: seed / 128 % 2 == 0 ? .squant : .nearest)
    var job = ConversionJob(
      modelPath: input, outputPath: folder + "/result.onnx", weights: settings, threads: 1)
    if intoMSLite {
      job.writesMSLite = true
      job.quantizesWeights = seed % 2 == 0
      job.weights.bits = 8 * Int(seed / 2 % 2 + 1)
    }
    _ = try Converter(job).run()
  }
}
