import CSystem

/// Memory that was given up but is still this process's.
public enum FreedMemory {
  /// Lets blocks of some megabytes be used again by this process rather than given back at once.
  public static func keep() { gs_keep_freed_memory() }

  /// Gives it back to the system, where many small blocks have been given up at once: larger ones don't
  /// fit into their gaps.
  ///
  /// - Complexity: O(pages of the heap).
  static func giveBack() { gs_give_memory_back() }
}
