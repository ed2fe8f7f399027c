/// The indices that a slice takes along an axis, as ONNX counts them: bounds from the end where they
/// are negative, and cut off at the axis's ends.
struct SliceRange {
  private let start: Int
  private let step: Int
  /// How many indices there are.
  let count: Int

  /// nil for a step of 0 or an axis longer than indices can say.
  init?(extent: Int, start: Int64, end: Int64, step: Int64) {
    guard step != 0, (0..<1 << 40).contains(extent) else { return nil }
    let step = max(-(1 << 41), min(1 << 41, Int(clamping: step)))
    let lowest = step > 0 ? 0 : -1
    let highest = step > 0 ? extent : extent - 1
    func bound(_ value: Int64) -> Int {
      let value = max(-(1 << 41), min(1 << 41, Int(clamping: value)))
      return max(lowest, min(highest, value < 0 ? value + extent : value))
    }
    self.start = bound(start)
    self.step = step
    let room = step > 0 ? bound(end) - self.start : self.start - bound(end)
    count = room > 0 ? (room - 1) / abs(step) + 1 : 0
  }

  /// The indices, in the slice's order.
  var indices: [Int] { (0..<count).map { start + $0 * step } }
}
