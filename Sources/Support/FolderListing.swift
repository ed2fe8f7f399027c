import Glibc

/// What a folder holds.
public enum FolderListing {
  /// The names of the visible regular files right in a folder (links to such included), in the
  /// order of their bytes; hidden files and folders are left out.
  ///
  /// - Throws: a folder that can't be read.
  public static func files(in folder: String) throws(SystemError) -> [String] {
    guard let directory = opendir(folder) else { throw SystemError("open", errno) }
    defer { closedir(directory) }
    var names: [[UInt8]] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard name.first != UInt8(ascii: ".") else { continue }
      var status = stat()
      guard
        fstatat(dirfd(directory), name.map { CChar(bitPattern: $0) } + [0], &status, 0) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { continue }
      names.append(name)
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
      .map { String(decoding: $0, as: UTF8.self) }
  }
}
