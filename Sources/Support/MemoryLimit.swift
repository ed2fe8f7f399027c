import Glibc

/// How much memory this process may have at most.
public enum MemoryLimit {
  /// Bytes: what the machine has, or what the process's control group allows, if that is less.
  public static let byteCount: Int = {
    let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let groups = contents("/proc/self/cgroup").flatMap { controlGroupLimit($0, read: contents) }
    return min(machine, groups ?? machine)
  }()

  /// The least limit of the control groups that `/proc/self/cgroup` lists, and of those around them;
  /// nil where none sets one.
  ///
  /// - Parameter read: the text of a file, nil if it cannot be read.
  static func controlGroupLimit(_ groups: String, read: (String) -> String?) -> Int? {
    var least: Int?
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let folder: String
      let file: String
      if fields[1].isEmpty {
        (folder, file) = ("/sys/fs/cgroup", "memory.max")
      } else if fields[1].split(separator: ",").contains("memory") {
        (folder, file) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      } else {
        continue
      }
      var names = fields[2].split(separator: "/")
      while true {
        let path = ([folder] + names.map(String.init) + [file]).joined(separator: "/")
        if let text = read(path), let limit = Int(text.prefix { $0.isNumber }), limit > 0 {
          least = min(least ?? limit, limit)
        }
        if names.popLast() == nil { break }
      }
    }
    return least
  }

  /// The text of one of the system's small files.
  private static func contents(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    let count = Glibc.read(file, &buffer, buffer.count)
    return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
  }
}
