import Support

/// A StridedSlice whose bounds bits of masks make something else, as a slice with plain bounds.
///
/// Bit i of a mask speaks of the i-th bound: the range is open at its begin or end, there is one
/// index and its axis goes away, an axis of extent 1 comes in, or the bound stands for as many whole
/// axes as the others leave.
struct MaskedSlice {
  /// The masks of a StridedSlice.
  struct Masks {
    var begin: Int64 = 0
    var end: Int64 = 0
    var ellipsis: Int64 = 0
    var newAxis: Int64 = 0
    var shrinkAxis: Int64 = 0

    var isEmpty: Bool { begin | end | ellipsis | newAxis | shrinkAxis == 0 }
  }

  private(set) var axes: [Int64] = []
  private(set) var starts: [Int64] = []
  private(set) var ends: [Int64] = []
  private(set) var steps: [Int64] = []
  /// Axes of the slice that go away, in the input's count.
  private(set) var removedAxes: [Int64] = []
  /// Axes that come in, in the result's count.
  private(set) var insertedAxes: [Int64] = []

  /// nil where the bounds' counts differ or leave no room for the ellipsis, where there are more
  /// than 32 of them, or two ellipses.
  init?(
    starts given: [Int64], ends givenEnds: [Int64], steps givenSteps: [Int64], masks: Masks,
    rank: Int
  ) {
    guard given.count == givenEnds.count, given.count == givenSteps.count, given.count <= 32,
      rank <= 32
    else { return nil }
    let whole = given.indices.filter { masks.ellipsis >> $0 & 1 == 1 }
    let taking = given.indices.filter { !whole.contains($0) && masks.newAxis >> $0 & 1 == 0 }
    guard whole.count <= 1, taking.count <= rank else { return nil }
    var axis = 0
    var place = 0
    for index in given.indices {
      func isSet(_ mask: Int64) -> Bool { mask >> index & 1 == 1 }
      if whole.contains(index) {
        axis += rank - taking.count
        place += rank - taking.count
      } else if isSet(masks.newAxis) {
        insertedAxes.append(Int64(place))
        place += 1
      } else {
        let isOne = isSet(masks.shrinkAxis)
        let step = isOne ? 1 : givenSteps[index]
        let (first, last) = step > 0 ? (0, Int64(Int32.max)) : (Int64(Int32.max), Int64(Int32.min))
        let start = !isOne && isSet(masks.begin) ? first : given[index]
        let end = isOne ? (start == -1 ? last : start &+ 1) : givenEnds[index]
        axes.append(Int64(axis))
        starts.append(start)
        ends.append(!isOne && isSet(masks.end) ? last : end)
        steps.append(step)
        if isOne { removedAxes.append(Int64(axis)) }
        axis += 1
        place += isOne ? 0 : 1
      }
    }
  }
}
