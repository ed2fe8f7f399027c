import Foundation
import Support

@testable import Configuration

/// Every problem of a text, in reading order, as one run would report it.
func problems(of text: String, fileName: String = "quant.cfg") -> [Diagnostic] {
  problems(of: Array(text.utf8), fileName: fileName)
}

func problems(of bytes: [UInt8], fileName: String = "quant.cfg") -> [Diagnostic] {
  do throws(Failure) {
    let parsed = try ConfigurationParser.read(bytes: bytes, fileName: fileName)
    return ProblemList.ordered(parsed.problems + QuantizationRules.problems(of: parsed))
  } catch {
    return error.diagnostics
  }
}

func errors(of text: String) -> [Diagnostic] {
  problems(of: text).filter { $0.severity == .error }
}

func quantization(of text: String) throws(Failure) -> QuantizationConfiguration {
  try QuantizationConfiguration(
    from: ConfigurationParser.parse(bytes: Array(text.utf8), fileName: "quant.cfg"))
}

func failure<Success>(of work: () throws(Failure) -> Success) -> Failure? {
  do throws(Failure) {
    _ = try work()
    return nil
  } catch {
    return error
  }
}

/// A directory that is removed when the test is done with it.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/configuration-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }

  func write(_ name: String, _ text: String) throws -> String {
    try write(name, Array(text.utf8))
  }
}

/// A small generator whose sequence depends on the seed alone.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

let weightHeader = "[common_quant_param]\nquant_type=WEIGHT_QUANT\n"
