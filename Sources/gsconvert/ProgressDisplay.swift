import Conversion
import Glibc
import Support

/// Shows a conversion's progress: a bar that redraws itself on a terminal, a plain line now and
/// then elsewhere. Short steps show nothing.
final class ProgressDisplay: ConversionObserver {
  private struct State {
    var step = ""
    var total = 0
    var unit = ProgressUnit.bytes
    var done = 0
    var start = 0.0
    var shownAt = 0.0
    var hasShown = false
  }

  private let console: Console
  private let isTerminal: Bool
  private let state = Guarded(State())

  /// Seconds before anything is shown, and between lines.
  private var interval: (first: Double, next: Double) { isTerminal ? (0.2, 0.1) : (2, 5) }

  init(console: Console, isTerminal: Bool) {
    self.console = console
    self.isTerminal = isTerminal && !console.isJSON
  }

  func began(_ step: String, total: Int, of unit: ProgressUnit) {
    let now = ProcessUsage.seconds
    state.withLock { $0 = State(step: step, total: total, unit: unit, start: now, shownAt: now) }
  }

  func advanced(by amount: Int) {
    let now = ProcessUsage.seconds
    let line = state.withLock { state -> String? in
      state.done += amount
      let wait = state.hasShown ? interval.next : interval.first
      guard now - state.shownAt >= wait else { return nil }
      state.shownAt = now
      state.hasShown = true
      return describe(state, now)
    }
    guard let line else { return }
    if isTerminal { Console.write("\r" + line, to: STDERR_FILENO) } else { console.log(line) }
  }

  func ended() {
    let hasShown = state.withLock { $0.hasShown }
    if isTerminal, hasShown { Console.write("\r\u{1B}[K", to: STDERR_FILENO) }
  }

  private func describe(_ state: State, _ now: Double) -> String {
    let share = state.total > 0 ? min(1, Double(state.done) / Double(state.total)) : 1
    let elapsed = now - state.start
    let rate = Double(state.done) / max(elapsed, 1e-9)
    let remaining = share > 0 ? elapsed * (1 - share) / share : 0
    if console.isJSON {
      return JSONValue.object([
        ("event", .string("progress")), ("step", .string(state.step)),
        ("done", .integer(state.done)), ("total", .integer(state.total)),
        ("etaSeconds", .number(remaining)),
      ]).text
    }
    let width = 30
    let filled = Int(share * Double(width))
    let bar = String(repeating: "#", count: filled) + String(repeating: " ", count: width - filled)
    let pace =
      switch state.unit {
      case .bytes: "\(NumberText.bytes(Int(rate)))/s"
      case .samples: "\(state.done) of \(state.total) samples"
      }
    return "\(state.step)  [\(bar)] \(NumberText.fixed(share * 100, 0)) %   \(pace)   "
      + "ETA \(NumberText.fixed(remaining, 1)) s "
  }
}
