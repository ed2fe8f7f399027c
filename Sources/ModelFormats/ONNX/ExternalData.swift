import Glibc
import Support

/// Finds and maps the files beside a model that hold its tensors' data.
///
/// A location must be relative and stay inside the model's folder after links are followed: a
/// model from elsewhere must not make us read, and write into its result, another file of the
/// user's.
final class ExternalDataFiles {
  private let folder: String
  private let modelPath: String
  private var files: [String: MappedFile] = [:]

  init(modelPath: String) {
    self.modelPath = modelPath
    folder = AtomicFile.folder(of: modelPath)
  }

  /// The bytes that a tensor's `external_data` entries name.
  func bytes(
    of tensor: String, entries: [ONNXStringEntry], needed: Int?
  ) throws(Failure) -> Bytes {
    func problem(_ text: String) -> Failure {
      Failure(
        .externalDataInvalid, "tensor '\(tensor)': \(text)", location: .init(file: modelPath))
    }
    var location: String?
    var offset = 0
    var length: Int?
    for entry in entries {
      switch entry.key {
      case "location": location = entry.value
      case "offset":
        guard let number = Int(entry.value), number >= 0 else {
          throw problem("its external data's offset '\(entry.value)' is not a number of bytes")
        }
        offset = number
      case "length":
        guard let number = Int(entry.value), number >= 0 else {
          throw problem("its external data's length '\(entry.value)' is not a number of bytes")
        }
        length = number
      default: break
      }
    }
    guard let location, !location.isEmpty else {
      throw problem("it says its data is external but not in which file")
    }
    let file = try file(location, problem: problem)
    guard let count = length ?? needed else { throw problem("the length of its data is not known") }
    guard offset <= file.count, count <= file.count - offset else {
      throw problem(
        "bytes \(offset) to \(offset) + \(count) lie outside '\(location)', "
          + "which has \(file.count)")
    }
    return Bytes(file, offset..<offset + count)
  }

  private func file(_ location: String, problem: (String) -> Failure) throws(Failure) -> MappedFile
  {
    if let file = files[location] { return file }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.hasPrefix("/"), !parts.contains("..") else {
      throw problem("its data's location '\(location)' leaves the model's folder")
    }
    let path = folder + "/" + location
    guard let real = resolve(path), let home = resolve(folder) else {
      throw Failure(
        .inputMissing, "the model's weights are in '\(location)', which is not there",
        location: .init(file: modelPath), help: "put the file at '\(path)'")
    }
    guard real.hasPrefix(home == "/" ? home : home + "/") else {
      throw problem("its data's location '\(location)' leaves the model's folder")
    }
    do {
      let file = try MappedFile(path: real)
      files[location] = file
      return file
    } catch {
      throw problem("its data file '\(location)' cannot be read: \(error.reason)")
    }
  }

  private func resolve(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }
}
