import ModelGraph
import Support
import TensorFiles

/// A folder that tensors are written to, each in a file of its own.
final class TensorFolder {
  private let path: String
  private var names = TensorFileNames()

  /// Makes the folder where there is none.
  init(_ path: String) throws(Failure) {
    self.path = path
    do throws(SystemError) {
      try OutputPreflight.makeFolders(path)
    } catch {
      throw Failure(.cannotWrite, "the folder '\(path)' cannot be made: \(error.reason)")
    }
  }

  /// Writes a tensor; the path of its file, or nil for one of strings, which has no such form.
  func write(_ data: TensorData, _ name: String) throws(Failure) -> String? {
    guard NPYWriter.writes(data.elementType) else { return nil }
    let file = path + (path.hasSuffix("/") ? "" : "/") + names.name(for: name)
    do throws(SystemError) {
      try NPYWriter.write(data, to: file)
    } catch {
      throw Failure(.cannotWrite, "'\(file)' cannot be written: \(error.reason)")
    }
    return file
  }
}
