import Foundation

/// A folder that is removed when the test is done with it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/gsconvert-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// A folder with the digit classifier as `model.onnx` and a configuration as `job.cfg`.
  init(configuration: String) throws {
    path = try TemporaryFolder.copy(of: Fixtures.digits)
    try write("job.cfg", configuration)
  }

  /// A folder with a model as `model.onnx` and a plain configuration as `job.cfg`.
  init(model: String) throws {
    path = try TemporaryFolder.copy(of: model)
    try write("job.cfg", Fixtures.weightQuantization)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private static func copy(of model: String) throws -> String {
    let path = NSTemporaryDirectory() + "/gsconvert-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: model, toPath: path + "/model.onnx")
    return path
  }

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
  }

  func makeFolder(_ name: String, permissions: Int = 0o755) throws {
    try FileManager.default.createDirectory(
      atPath: "\(path)/\(name)", withIntermediateDirectories: true,
      attributes: [.posixPermissions: permissions])
  }

  /// Different gray pictures `0.bmp` and so on in `calib`, to calibrate with.
  func writeImages(_ count: Int, width: Int, height: Int) throws {
    try makeFolder("calib")
    for index in 0..<count {
      let shades = (0..<width * height).map { UInt8($0 * (index + 1) % 251) }
      try write("calib/\(index).bmp", TestImages.gray(shades, width: width))
    }
  }

  func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
  }

  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  func handle(_ name: String) throws -> FileHandle {
    try FileHandle(forWritingTo: URL(fileURLWithPath: "\(path)/\(name)"))
  }

  /// Everything in the folder, hidden files and those below included, in order.
  func files() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path).sorted()
  }
}
