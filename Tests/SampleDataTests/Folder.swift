import Foundation
import ModelGraph
import Support
import TensorFiles

@testable import Configuration
@testable import SampleData

/// A folder of samples that is removed when the test is done with it.
final class Folder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "gsconvert-samples-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file; its folder is made.
  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
  }

  func write(_ name: String, floats: [Float]) throws {
    try write(name, floats.withUnsafeBytes { Array($0) })
  }

  func write(_ name: String, array: TensorData) throws {
    try write(name, [])
    try NPYWriter.write(array, to: "\(path)/\(name)")
  }

  /// Writes a 24-bit bitmap of that size whose bytes count up.
  func write(_ name: String, image width: Int, _ height: Int) throws {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(value >> (8 * $0) & 255) }
    }
    let pixels = (0..<(width * 3 + 3) / 4 * 4 * height).map { UInt8($0 & 255) }
    try write(
      name,
      Array("BM".utf8) + little(54 + pixels.count, 4) + little(0, 4) + little(54, 4)
        + little(40, 4) + little(width, 4) + little(height, 4) + little(1, 2) + little(24, 2)
        + little(0, 24) + pixels)
  }
}

/// Short ways to open sets.
enum Samples {
  /// The keys of a configuration: `x:FOLDER` pairs, and what is not the default.
  static func data(
    _ paths: [(String, String)], _ type: InputType, size: Int? = nil,
    _ change: (inout QuantizationConfiguration.Data) -> Void = { _ in }
  ) -> QuantizationConfiguration.Data {
    var data = QuantizationConfiguration.Data(
      calibratePath: paths.map { .init(input: $0.0, path: $0.1, range: 0..<1) },
      calibrateSize: size, inputType: type, imageToFormat: .rgb, normalizeMean: nil,
      normalizeStd: nil, resizeWidth: nil, resizeHeight: nil, resizeMethod: nil,
      centerCropWidth: nil, centerCropHeight: nil)
    change(&data)
    return data
  }

  /// A set for the one input `x`.
  static func open(
    _ folder: Folder, _ type: InputType, _ shape: [Int?]?, of elements: ElementType = .float32,
    size: Int? = nil, shapes: [String: [Int]] = [:], format: DataFormat = .nhwc,
    _ change: (inout QuantizationConfiguration.Data) -> Void = { _ in }
  ) throws -> CalibrationSet {
    try CalibrationSet(
      .init(
        data: data([("x", folder.path)], type, size: size, change),
        inputs: [.init(name: "x", elementType: elements, shape: shape)], inputShapes: shapes,
        inputDataFormat: format))
  }

  /// What is wrong, rendered as on a terminal with the folder's path shortened.
  static func problems(in folder: Folder, _ body: () throws -> Void) -> [Diagnostic] {
    do {
      try body()
      return []
    } catch let failure as Failure {
      return failure.diagnostics.map { diagnostic in
        var short = diagnostic
        func cut(_ text: String) -> String { text.replacingOccurrences(of: folder.path, with: "F") }
        short.message = cut(diagnostic.message)
        short.notes = diagnostic.notes.map(cut)
        short.location?.file = cut(diagnostic.location?.file ?? "")
        return short
      }
    } catch {
      return []
    }
  }
}
