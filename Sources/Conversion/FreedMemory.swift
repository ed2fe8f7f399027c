import Glibc

/// Memory that was given up but is still this process's.
enum FreedMemory {
  private typealias Trim = @convention(c) (Int) -> Int32

  /// Gives it back to the system, where many small blocks have been given up at once: larger ones don't
  /// fit into their gaps. Does nothing where the C library has no `malloc_trim`.
  ///
  /// - Complexity: O(pages of the heap).
  static func giveBack() {
    guard let trim = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(trim, to: Trim.self)(0)
  }
}
