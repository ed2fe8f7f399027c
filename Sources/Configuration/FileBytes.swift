import Glibc
import Support

/// Reads small files whole.
enum FileBytes {
  /// No configuration is larger than this; longer files are refused.
  static let maximumByteCount = 4 << 20

  /// All bytes of a file, pipe or device that ends.
  ///
  /// - Throws: `configUnreadable` for what doesn't exist, may not be read, is a directory or
  ///   too large.
  static func read(path: String) throws(Failure) -> [UInt8] {
    func failure(_ message: String) -> Failure {
      Failure(.configUnreadable, message, location: .init(file: path))
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(errno))
      throw failure("cannot open the configuration file: \(reason)")
    }
    defer { close(descriptor) }
    var contents: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 {
        let reason = errno == EISDIR ? "it is a directory" : String(cString: strerror(errno))
        throw failure("cannot read the configuration file: \(reason)")
      }
      if count == 0 { return contents }
      contents += buffer[..<count]
      if contents.count > maximumByteCount {
        throw failure("the configuration file is larger than \(maximumByteCount >> 20) MB")
      }
    }
  }
}
