import ModelFormats
import ModelGraph
import Support

/// Operators that change shapes, not elements.
enum ShapeReadings {
  static let readings: [String: OperatorReading] = [
    "Reshape": reshape, "Flatten": flatten, "Transpose": transpose, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "ExpandDims": unsqueeze, "Shape": shape, "BroadcastTo": broadcast,
    "TileFusion": tile, "ConstantOfShape": fill, "Fill": fillWith, "DepthToSpace": regrouping,
    "SpaceToDepth": regrouping,
  ]

  /// A tensor's value in the file's order of elements, though axes of extent 1 may lie elsewhere; the
  /// first axis is the first.
  private static func elements(_ tensor: Int, _ reading: GraphReading) throws(Failure) -> Value {
    if let order = reading.order(of: tensor), order.axes.first == 0,
      let shape = reading.shape(of: tensor), movesNothing(order, shape)
    {
      return try reading.heldValue(tensor).value
    }
    return try reading.plain(tensor)
  }

  private static func movesNothing(_ order: AxisOrder, _ shape: [Int?]) -> Bool {
    shape.count == order.rank && order.movesNothing(of: shape.map { $0 ?? -1 })
  }

  private static let reshape: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let wanted = try node.operand(1)
    if let original = reading.extents.original(of: tensor, shapedLike: wanted) {
      let held = try reading.heldValue(original)
      return try reading.hold(node, held.value, held.order)
    }
    let extents = try reading.integers(wanted)
    let isSettled = extents.map { !$0.dropFirst().contains(0) } ?? false
    let value = isSettled ? try elements(tensor, reading) : try reading.plain(tensor)
    try reading.emit("Reshape", [value, try reading.plain(wanted)], for: node)
    reading.extents.note(try reading.output(of: node), elementsOf: tensor)
  }

  private static let flatten: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let axis = node.int("axis") ?? 1
    try reading.emit(
      "Flatten", [axis == 1 ? try elements(tensor, reading) : try reading.plain(tensor)],
      [Attribute("axis", .int(axis))], for: node)
  }

  /// Nothing moves: the result is held in another order of axes.
  private static let transpose: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    guard let given = try reading.integers(node.operandIfAny(1)) else {
      throw node.unreadable("its permutation isn't constant")
    }
    let steps = given.map { Int(clamping: $0) }
    let held = try reading.heldValue(tensor)
    let rank = reading.rank(of: tensor) ?? steps.count
    guard rank == steps.count, steps.sorted() == Array(0..<rank) else {
      throw node.unreadable("its permutation doesn't fit its input of rank \(rank)")
    }
    let order = held.order ?? .plain(rank)
    let shape = reading.shape(of: tensor)
    let turned = AxisOrder(order.axes.map { axis in steps.firstIndex(of: axis) ?? axis })
    let result = try reading.output(of: node)
    if held.order == nil, isTakenApart(reading.readers(of: result)) {
      try reading.emit("Transpose", [held.value], [Attribute("perm", .ints(given))], for: node)
    } else {
      try reading.hold(node, held.value, turned)
    }
    if let shape, movesNothing(AxisOrder(steps), shape) {
      reading.extents.note(result, elementsOf: tensor)
    }
  }

  /// Whether only parts of a tensor are read, so that it is better moved once than they are.
  private static func isTakenApart(_ readers: [String]) -> Bool {
    (readers.count > 1 || readers == ["Split"])
      && readers.allSatisfy {
        ["Gather", "SliceFusion", "Split", "StridedSlice"].contains($0)
      }
  }

  private static let squeeze: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    guard let axes = try reading.integers(of: node, "axis", orInput: 1) else {
      guard node.operandIfAny(1) == nil else { throw node.unreadable("its axes aren't constant") }
      return try reading.emit("Squeeze", [try reading.plain(tensor)], for: node)
    }
    guard let order = reading.order(of: tensor) else {
      return try reading.emit(
        "Squeeze", [try reading.plain(tensor), reading.integerValue(axes)], for: node)
    }
    let places = try reading.places(axes, rank: order.rank, order: order, of: node)
    let removed = Set(places.map { order.axes[$0] })
    try reading.emit(
      "Squeeze",
      [
        try reading.value(tensor, order),
        reading.integerValue(Set(places).sorted().map(Int64.init)),
      ], for: node, order: order.removing(removed))
  }

  private static let unsqueeze: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    guard let axes = try reading.integers(of: node, "axis", orInput: 1) else {
      throw node.unreadable("its axes aren't constant")
    }
    guard axes.count == 1, let order = reading.order(of: tensor),
      let axis = ShapeRules.axis(axes[0], rank: order.rank + 1)
    else {
      return try reading.emit(
        "Unsqueeze", [try reading.plain(tensor), reading.integerValue(axes)], for: node)
    }
    let (wide, place) = order.inserting(axis)
    try reading.emit(
      "Unsqueeze", [try reading.value(tensor, order), reading.integerValue([Int64(place)])],
      for: node, order: wide)
  }

  private static let shape: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let tensor = try node.operand(0)
    let held = try reading.heldValue(tensor)
    let result = try reading.output(of: node)
    if let order = held.order {
      let places = order.axes.indices.map { order.place(of: $0) }
      let stored = reading.step("Shape", [held.value], of: node, "_held")
      try reading.emit(
        "Gather", [stored, reading.integerValue(places.map { Int64($0) })],
        [Attribute("axis", .int(0))], for: node)
      reading.extents.note(.init(shape: stored, places: places), in: result)
    } else {
      try reading.emit("Shape", [held.value], for: node)
    }
    reading.extents.note(result, shapeOf: tensor)
  }

  private static let broadcast: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let value = try reading.plain(try node.operand(0))
    if let wanted = try reading.integers(of: node, "shape", orInput: 1) {
      let extents = reading.integerValue(wanted.map { $0 == -1 ? 1 : $0 })
      return try reading.emit("Expand", [value, extents], for: node)
    }
    try reading.emit("Expand", [value, try reading.plain(try node.operand(1))], for: node)
  }

  private static let tile: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    try reading.emit(
      "Tile",
      [try reading.plain(try node.operand(0)), try reading.plain(try node.operand(1))], for: node)
  }

  private static let fill: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    let code = Int32(clamping: node.int("data_type") ?? 43)
    var number: Float = 0
    if case .floats(let values) = node.primitive.settings["value"] { number = values.first ?? 0 }
    let data: TensorData
    switch ElementType(msliteCode: code).flatMap(ConstantReading.type) {
    case .float32: data = TensorData(float32: [number])
    case .int64:
      guard let whole = Int64(exactly: number) else {
        throw node.unreadable("it is filled with \(number)")
      }
      data = TensorData(int64: [whole])
    case .bool:
      data = TensorData(
        elementType: .bool, dimensions: [1], storage: .packed(Bytes([number == 0 ? 0 : 1])))
    default: throw node.unreadable("it makes elements of the type \(code)")
    }
    try reading.emit(
      "ConstantOfShape", [try reading.plain(try node.operand(0))],
      [Attribute("value", .tensor(data))], for: node)
  }

  private static let fillWith: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    try reading.emit(
      "Expand",
      [try reading.plain(try node.operand(0)), try reading.plain(try node.operand(1))], for: node)
  }

  /// Channels to blocks of pixels, and back.
  private static let regrouping: OperatorReading = { @Sendable (reading, node) throws(Failure) in
    guard let size = node.int("block_size"), size > 0 else {
      throw node.unreadable("the size of its blocks is missing")
    }
    var attributes = [Attribute("blocksize", .int(size))]
    if node.primitive.name == "DepthToSpace", let mode = node.string("mode"), !mode.isEmpty {
      attributes.append(Attribute("mode", .string(Array(mode.utf8))))
    }
    try reading.emit(
      node.primitive.name, [try reading.value(try node.operand(0), .channelsFirst)], attributes,
      for: node, order: .channelsFirst)
  }
}
