import Glibc

/// What stands at a path of the file system.
enum PathKind: Equatable {
  case directory
  case other
  case missing

  init(of path: String) {
    var status = stat()
    if stat(path, &status) != 0 {
      self = errno == ENOTDIR ? .other : .missing
    } else {
      self = status.st_mode & S_IFMT == S_IFDIR ? .directory : .other
    }
  }

  /// The number of visible entries of a directory, counted up to `limit`; nil if it can't be read.
  static func entryCount(ofDirectory path: String, upTo limit: Int) -> Int? {
    guard let directory = opendir(path) else { return nil }
    defer { closedir(directory) }
    var count = 0
    while count < limit, let entry = readdir(directory) {
      if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
    }
    return count
  }
}
