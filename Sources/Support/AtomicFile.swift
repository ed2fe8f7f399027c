import CSystem
import Glibc

/// A file that appears under its name whole or not at all.
///
/// Bytes go to a temporary file beside the target, which is removed when the object goes away
/// without `commit()`; a process killed in between leaves at most that temporary file unnamed
/// where the system allows it (`O_TMPFILE`), so no debris remains.
public final class AtomicFile: @unchecked Sendable {
  /// Linux's `O_TMPFILE`, a macro that Swift doesn't import.
  private static let unnamedFlag: Int32 = 0o20000000 | O_DIRECTORY

  /// The final path.
  public let path: String

  private let descriptor: Int32
  /// The temporary name; nil while the file has none (`O_TMPFILE`).
  private let temporaryPath: String?
  private var isDone = false

  /// Creates the temporary file in the folder of `path`. A link is followed: what it names will be
  /// replaced. Permissions of an older file are kept.
  public init(path: String) throws(SystemError) {
    let path = AtomicFile.resolved(path)
    self.path = path
    let folder = AtomicFile.folder(of: path)
    let unnamed = open(folder, AtomicFile.unnamedFlag | O_RDWR | O_CLOEXEC, 0o666)
    if unnamed >= 0 {
      descriptor = unnamed
      temporaryPath = nil
    } else {
      guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) else {
        throw SystemError("create", errno)
      }
      let temporary = AtomicFile.temporaryName(for: path)
      descriptor = open(temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw SystemError("create", errno) }
      temporaryPath = temporary
    }
    var older = stat()
    if stat(path, &older) == 0 { fchmod(descriptor, older.st_mode & 0o7777) }
  }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  deinit {
    if !isDone, let temporaryPath { unlink(temporaryPath) }
    close(descriptor)
  }

  /// Sets the file's size, reserving the space, so that a full disk is known now.
  public func resize(to byteCount: Int) throws(SystemError) {
    guard byteCount > 0 else { return }
    let code = posix_fallocate(descriptor, 0, off_t(byteCount))
    if code == 0 { return }
    guard code == EOPNOTSUPP || code == EINVAL, ftruncate(descriptor, off_t(byteCount)) == 0 else {
      throw SystemError("reserve", code)
    }
  }

  /// Bytes from which on the disk shall begin at once.
  private static let longWrite = 1 << 17

  /// Writes bytes at an offset. Safe from several threads for ranges that don't overlap.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      guard let base = bytes.baseAddress else { return }
      let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemError("write", errno)
      }
      done += count
    }
    if done >= AtomicFile.longWrite {
      gs_begin_writeback(descriptor, Int64(offset), Int64(done))
    }
  }

  /// A 64-bit digest of what has been written, to tell contents apart (not against an adversary).
  ///
  /// - Complexity: O(bytes).
  public func digest() throws(SystemError) -> UInt64 {
    let file = try MappedFile(path: temporaryPath ?? "/proc/self/fd/\(descriptor)")
    var lanes: (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, 4)
    let step = 32
    var offset = 0
    func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
      let mixed = (state ^ word) &* 0x9e37_79b9_7f4a_7c15
      return mixed ^ (mixed >> 29)
    }
    return file.contents.withUnsafeBytes { bytes in
      while offset + step <= bytes.count {
        lanes.0 = mix(lanes.0, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        lanes.1 = mix(lanes.1, bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
        lanes.2 = mix(lanes.2, bytes.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
        lanes.3 = mix(lanes.3, bytes.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self))
        offset += step
        if offset % (16 << 20) == 0 { file.release(offset - (16 << 20)..<offset) }
      }
      var digest = mix(mix(mix(lanes.0, lanes.1), lanes.2), lanes.3)
      for byte in bytes[offset...] { digest = mix(digest, UInt64(byte)) }
      return mix(digest, UInt64(bytes.count))
    }
  }

  /// Makes the bytes durable and gives the file its name, replacing an older file at once.
  ///
  /// - Parameter name: another path in the same folder; nil for the one it was made with.
  public func commit(as name: String? = nil) throws(SystemError) {
    let path = name ?? self.path
    guard fsync(descriptor) == 0 else { throw SystemError("sync", errno) }
    if let temporaryPath {
      guard rename(temporaryPath, path) == 0 else { throw SystemError("rename", errno) }
    } else {
      try linkUnnamed(as: path)
    }
    isDone = true
    let folder = open(AtomicFile.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// Writes a whole small file atomically.
  public static func write(_ bytes: [UInt8], to path: String) throws(SystemError) {
    let file = try AtomicFile(path: path)
    var failure: SystemError?
    bytes.withUnsafeBytes { buffer in
      do throws(SystemError) { try file.write(buffer, at: 0) } catch { failure = error }
    }
    if let failure { throw failure }
    try file.commit()
  }

  /// The folder part of a path, `.` if it has none.
  public static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    let folder = String(path[..<slash])
    return folder.isEmpty ? "/" : folder
  }

  /// An unnamed file can't replace a name directly: it gets a name of its own and is renamed at
  /// once.
  private func linkUnnamed(as path: String) throws(SystemError) {
    let source = "/proc/self/fd/\(descriptor)"
    if linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 { return }
    guard errno == EEXIST else { throw SystemError("link", errno) }
    let temporary = AtomicFile.temporaryName(for: path)
    guard linkat(AT_FDCWD, source, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0 else {
      throw SystemError("link", errno)
    }
    guard rename(temporary, path) == 0 else {
      let number = errno
      unlink(temporary)
      throw SystemError("rename", number)
    }
  }

  private static func temporaryName(for path: String) -> String {
    let folder = folder(of: path)
    let prefix = path.utf8.contains(UInt8(ascii: "/")) ? folder + "/" : ""
    let base = path.split(separator: "/").last.map(String.init) ?? path
    return "\(prefix).\(base).\(getpid()).\(UInt32.random(in: 0 ... .max)).part"
  }
}
