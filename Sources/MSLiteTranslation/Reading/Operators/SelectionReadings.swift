import ModelFormats
import ModelGraph
import Support

/// Operators that take parts of tensors.
enum SelectionReadings {
  static let readings: [String: OperatorReading] = [
    "StridedSlice": stridedSlice, "SliceFusion": slice, "Gather": gather, "Split": split,
    "GatherNd": sameNode("GatherND", inputs: 2),
    "ScatterNdUpdate": sameNode("ScatterND", inputs: 3),
    "TensorScatterAdd": sameNode(
      "ScatterND", inputs: 3, stating: ("reduction", "add")),
    "Triu": triangle(isUpper: true), "Tril": triangle(isUpper: false),
    "GatherD": { @Sendable (reading, node) throws(Failure) in
      guard let axis = try reading.integers(node.operandIfAny(1))?.first else {
        throw node.unreadable("its axis isn't constant")
      }
      try reading.emit(
        "GatherElements",
        [try reading.plain(try node.operand(0)), try reading.plain(try node.operand(2))],
        [Attribute("axis", .int(axis))], for: node)
    },
  ]

  /// A matrix's elements on one side of a diagonal.
  private static func triangle(isUpper: Bool) -> OperatorReading {
    { @Sendable (reading, node) throws(Failure) in
      var inputs = [try reading.plain(try node.operand(0))]
      if let place = node.operandIfAny(1) {
        guard let diagonal = try reading.integers(place), diagonal.count == 1 else {
          throw node.unreadable("its diagonal isn't constant")
        }
        inputs.append(reading.integerValue(diagonal, isScalar: true))
      }
      try reading.emit("Trilu", inputs, [Attribute("upper", .int(isUpper ? 1 : 0))], for: node)
    }
  }

  private static let stridedSlice: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let masks = MaskedSlice.Masks(
      begin: node.int("begin_mask") ?? 0, end: node.int("end_mask") ?? 0,
      ellipsis: node.int("ellipsis_mask") ?? 0, newAxis: node.int("new_axis_mask") ?? 0,
      shrinkAxis: node.int("shrink_axis_mask") ?? 0)
    guard masks.isEmpty else { return try emitMaskedSlice(masks, reading, node) }
    guard (4...5).contains(node.inputs.count) else {
      throw node.unreadable("it doesn't have four or five inputs")
    }
    let bounds = [try reading.plain(node.inputs[1]), try reading.plain(node.inputs[2])]
    let steps = try reading.plain(node.inputs[node.inputs.count - 1])
    var axes: [Int64]?
    if node.inputs.count == 5 {
      axes = try reading.integers(node.inputs[3])
    } else {
      guard let shape = reading.facts(of: bounds[0]).shape, shape.count == 1, let count = shape[0],
        (0...64).contains(count)
      else { throw node.unreadable("the number of its axes isn't known") }
      axes = Array(0..<Int64(count))
    }
    guard let axes else {
      let input = [try reading.plain(node.inputs[0])]
      return try reading.emit(
        "Slice", input + bounds + [try reading.plain(node.inputs[3]), steps], for: node)
    }
    try emitSlice(bounds, axes, [steps], reading, node)
  }

  /// A slice whose masks say what its constant bounds don't.
  private static func emitMaskedSlice(
    _ masks: MaskedSlice.Masks, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) {
    let tensor = try node.operand(0)
    guard node.inputs.count == 4, let starts = try reading.integers(node.inputs[1]),
      let ends = try reading.integers(node.inputs[2]),
      let steps = try reading.integers(node.inputs[3])
    else { throw node.unreadable("it has masks, and bounds that aren't constant") }
    guard let rank = reading.rank(of: tensor) else {
      throw node.unreadable("it has masks, and its input's number of axes isn't known")
    }
    guard
      let slice = MaskedSlice(starts: starts, ends: ends, steps: steps, masks: masks, rank: rank)
    else { throw node.unreadable("its masks don't fit its bounds and an input of rank \(rank)") }
    var parts = [("Slice", [slice.starts, slice.ends, slice.axes, slice.steps])]
    if !slice.removedAxes.isEmpty { parts.append(("Squeeze", [slice.removedAxes])) }
    if !slice.insertedAxes.isEmpty { parts.append(("Unsqueeze", [slice.insertedAxes])) }
    var value = try reading.plain(tensor)
    for (type, settings) in parts.dropLast() {
      value = reading.step(
        type, [value] + settings.map { reading.integerValue($0) }, of: node, "_" + type)
    }
    let (type, settings) = parts[parts.count - 1]
    try reading.emit(type, [value] + settings.map { reading.integerValue($0) }, for: node)
  }

  /// A slice along constant axes, in whatever order the input is held.
  private static func emitSlice(
    _ bounds: [Value], _ axes: [Int64], _ steps: [Value], _ reading: GraphReading,
    _ node: MSLiteNode
  ) throws(Failure) {
    let held = try reading.heldValue(try node.operand(0))
    var places = axes
    if let order = held.order {
      places = try reading.places(axes, rank: order.rank, order: order, of: node).map { Int64($0) }
    }
    try reading.emit(
      "Slice", [held.value] + bounds + [reading.integerValue(places)] + steps, for: node,
      order: held.order)
  }

  private static let slice: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard let starts = try reading.integers(node.operandIfAny(1)),
      let sizes = try reading.integers(node.operandIfAny(2)), starts.count == sizes.count
    else { throw node.unreadable("its bounds aren't constant") }
    let ends = zip(starts, sizes).map { start, size in
      size < 0 ? Int64(Int32.max) : start.addingReportingOverflow(size).partialValue
    }
    guard starts.allSatisfy({ $0 >= 0 }) else { throw node.unreadable("it starts before 0") }
    let axes = node.ints("axes") ?? Array(0..<Int64(starts.count))
    guard axes.count == starts.count else { throw node.unreadable("its axes don't fit its bounds") }
    try emitSlice(
      [reading.integerValue(starts), reading.integerValue(ends)], axes, [], reading, node)
  }

  private static let gather: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let indices = try node.operand(1)
    let axis = node.operandIfAny(2) == nil ? [0] : try reading.integers(node.operandIfAny(2))
    guard let axis, axis.count == 1 else {
      throw node.unreadable("its axis isn't one constant")
    }
    if try composeEntries(tensor, indices, axis[0], reading, node) { return }
    let held = try reading.heldValue(tensor)
    guard let order = held.order, let rank = reading.rank(of: indices), rank < 2 else {
      return try reading.emit(
        "Gather", [try reading.plain(tensor), try reading.plain(indices)],
        [Attribute("axis", .int(axis[0]))], for: node)
    }
    let place = try reading.places(axis, rank: order.rank, order: order, of: node)[0]
    try reading.emit(
      "Gather", [held.value, try reading.plain(indices)],
      [Attribute("axis", .int(Int64(place)))], for: node,
      order: rank == 1 ? order : order.removing([order.axes[place]]))
  }

  /// Takes constant entries of extents from the Shape node itself.
  private static func composeEntries(
    _ tensor: Int, _ indices: Int, _ axis: Int64, _ reading: GraphReading, _ node: MSLiteNode
  ) throws(Failure) -> Bool {
    guard axis == 0 || axis == -1, let entries = reading.extents.entries(in: tensor),
      let picked = try reading.constant(indices), picked.dimensions.count <= 1,
      let numbers = picked.integers
    else { return false }
    let places = try numbers.map { number throws(Failure) in
      guard let at = ShapeRules.axis(number, rank: entries.places.count) else {
        throw node.unreadable("its index \(number) is out of range")
      }
      return entries.places[at]
    }
    if picked.dimensions.count == 1 {
      reading.extents.note(
        .init(shape: entries.shape, places: places), in: try reading.output(of: node))
      if places == Array(entries.places.indices), entries.places.count == places.count {
        try reading.hold(node, entries.shape, nil)
        return true
      }
    }
    try reading.emit(
      "Gather",
      [
        entries.shape,
        reading.integerValue(places.map { Int64($0) }, isScalar: picked.dimensions.isEmpty),
      ], [Attribute("axis", .int(0))], for: node)
    return true
  }

  private static let split: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let held = try reading.heldValue(try node.operand(0))
    var axis = node.int("axis") ?? 0
    if let order = held.order {
      axis = Int64(try reading.places([axis], rank: order.rank, order: order, of: node)[0])
    }
    var inputs = [held.value]
    var attributes = [Attribute("axis", .int(axis))]
    let stated = try reading.integers(of: node, "size_splits", orInput: 1)
    if let sizes = stated, !sizes.contains(where: { $0 < 0 }) {
      inputs.append(reading.integerValue(sizes))
    } else {
      attributes.append(Attribute("num_outputs", .int(Int64(node.outputs.count))))
    }
    try reading.emit("Split", inputs, attributes, allOutputsOf: node, order: held.order)
  }
}
