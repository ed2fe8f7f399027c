import CSystem

/// Memory that was given up but is still this process's.
enum FreedMemory {
  /// Gives it back to the system, where many small blocks have been given up at once: larger ones don't
  /// fit into their gaps.
  ///
  /// - Complexity: O(pages of the heap).
  static func giveBack() { gs_give_memory_back() }
}
