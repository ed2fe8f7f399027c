import Glibc

/// A file's bytes, mapped read-only: pages are read when touched and can be given back.
///
/// A file that is truncated by another process while mapped makes the system end this one; that
/// can't be caught, and nothing half-written remains (see `AtomicFile`).
public final class MappedFile: @unchecked Sendable {
  /// The path as given.
  public let path: String
  /// All bytes of the file, valid as long as this object lives: `contents` lends them safely.
  let bytes: UnsafeRawBufferPointer

  /// Number of bytes in the file.
  public var count: Int { bytes.count }

  /// The whole file.
  public var contents: Bytes { Bytes(self, 0..<count) }

  /// Maps a regular file.
  ///
  /// - Throws: the system's error number with what was attempted.
  public init(path: String) throws(SystemError) {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError("open", errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw SystemError("stat", errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SystemError("open", status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard
      let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0),
      base != UnsafeMutableRawPointer(bitPattern: -1)
    else { throw SystemError("map", errno) }
    bytes = UnsafeRawBufferPointer(start: base, count: count)
  }

  deinit {
    if let base = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
    }
  }

  /// Gives the pages wholly inside `range` back to the system; reading them again works and costs
  /// a page fault each.
  public func release(_ range: Range<Int>) {
    let page = 4096
    let lower = (range.lowerBound + page - 1) / page * page
    let upper = range.upperBound == bytes.count ? range.upperBound : range.upperBound / page * page
    guard let base = bytes.baseAddress, lower < upper else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + lower), upper - lower, MADV_DONTNEED)
  }
}

/// A system call that failed.
public struct SystemError: Error, Hashable, Sendable {
  /// What was attempted, one word.
  public let operation: String
  /// The `errno` value.
  public let number: Int32

  /// Notes a failed call.
  public init(_ operation: String, _ number: Int32) {
    self.operation = operation
    self.number = number
  }

  /// The system's words for the error number.
  public var reason: String { String(cString: strerror(number)) }
}
