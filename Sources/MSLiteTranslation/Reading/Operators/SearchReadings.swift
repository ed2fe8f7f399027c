import ModelFormats
import ModelGraph
import Support

/// Operators that look for elements, put them in order or add them up.
enum SearchReadings {
  static let readings: [String: OperatorReading] = [
    "TopKFusion": best,
    "NonMaxSuppression": sameNode(
      "NonMaxSuppression", inputs: 5,
      [.init("center_point_box", "center_point_box", default: 0)]),
    "CumSum": sameNode(
      "CumSum", inputs: 2,
      [.init("exclusive", "exclusive", default: 0), .init("reverse", "reverse", default: 0)]),
    "ReverseSequence": reverse,
    "OneHot": sameNode("OneHot", inputs: 3, [.init("axis", "axis", default: 0)]),
  ]

  /// The runtime finds the largest whatever the file says.
  private static let best: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let held = try reading.heldValue(try node.operand(0))
    var axis = node.int("axis") ?? 0
    if let order = held.order {
      axis = Int64(try reading.places([axis], rank: order.rank, order: order, of: node)[0])
    }
    let given = try node.operand(1)
    let count: Value
    if let known = try reading.integers(given), known.count == 1 {
      count = reading.integerValue(known)
    } else {
      count = try reading.plain(given)
    }
    try reading.emit(
      "TopK", [held.value, count],
      [
        Attribute("axis", .int(axis)), Attribute("largest", .int(1)),
        Attribute("sorted", .int(node.int("sorted") ?? 1 == 0 ? 0 : 1)),
      ], allOutputsOf: node, order: held.order)
  }

  private static let reverse: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let axes = [node.int("seq_dim") ?? 0, node.int("batch_dim") ?? 0]
    guard axes.sorted() == [0, 1] else { throw node.unreadable("its axes aren't the first two") }
    try sameNode(
      "ReverseSequence", inputs: 2,
      [.init("time_axis", "seq_dim", default: 0), .init("batch_axis", "batch_dim", default: 0)])(
        reading, node)
  }
}
