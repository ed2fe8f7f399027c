import Glibc

/// What this process has used so far.
public enum ProcessUsage {
  /// The largest resident set, in bytes; counts mapped pages of files.
  public static var peakResidentByteCount: Int {
    var usage = rusage()
    guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    return usage.ru_maxrss * 1024
  }

  /// Seconds of a clock that only goes forward.
  public static var seconds: Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
  }
}
