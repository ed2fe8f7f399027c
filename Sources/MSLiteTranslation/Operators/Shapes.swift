import ModelFormats
import ModelGraph
import Support

/// Operators that change shapes, not elements.
enum Shapes {
  static let translations: [String: OperatorTranslation] = [
    "Reshape": reshape, "Flatten": flatten, "Transpose": transpose, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Shape": shape, "Expand": expand, "Tile": tile,
    "ConstantOfShape": fill, "DepthToSpace": regrouping, "SpaceToDepth": regrouping,
  ]

  /// A value's tensor in ONNX's order of elements, though axes of extent 1 may lie elsewhere.
  private static func elements(_ value: Value, _ translation: Translation) throws(Failure) -> Int {
    if let order = translation.order(of: value), order.axes.first == 0,
      translation.isOnlyUnitsMoved(value, by: order)
    {
      return try translation.tensor(value, order)
    }
    return try translation.plain(value)
  }

  private static let reshape: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let wanted = try node.operand(1)
    let copies = (node.int("allowzero") ?? 0) == 0
    guard var extents = translation.integers(node, 1) else {
      let inputs = [try translation.plain(value), try translation.plain(wanted)]
      return translation.emit(MSLitePrimitive("Reshape"), inputs, for: node)
    }
    let known = translation.facts.of(value).shape
    for index in extents.indices where extents[index] == 0 && copies && index > 0 {
      if let known, index < known.count, let extent = known[index] {
        extents[index] = Int64(extent)
      }
    }
    if let known, let order = translation.order(of: value), let output = node.outputs.first ?? nil,
      let kept = keptAxes(known, translation.facts.of(output).shape)
    {
      let arranged = order.removing(Set(known.indices).subtracting(kept))
      let shape = arranged.arranged(kept.map { Int32(clamping: known[$0] ?? -1) })
      return translation.emit(
        MSLitePrimitive("Reshape"),
        [try translation.tensor(value, order), translation.integers(shape)], for: node,
        order: arranged)
    }
    let isSettled = !extents.dropFirst().contains(0)
    let tensor =
      isSettled ? try elements(value, translation) : try translation.plain(value)
    translation.emit(
      MSLitePrimitive("Reshape"),
      [tensor, translation.integers(extents.map { Int32(clamping: $0) })], for: node)
  }

  /// The axes that remain where a Reshape only takes out axes of extent 1; nil where it does more,
  /// or too little is known.
  private static func keptAxes(_ extents: [Int?], _ wanted: [Int?]?) -> [Int]? {
    guard let wanted, wanted.count < extents.count, !extents.contains(nil), !wanted.contains(nil)
    else { return nil }
    var kept: [Int] = []
    for (axis, extent) in extents.enumerated() {
      if kept.count < wanted.count, wanted[kept.count] == extent {
        kept.append(axis)
      } else if extent != 1 {
        return nil
      }
    }
    return kept.count == wanted.count ? kept : nil
  }

  private static let flatten: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let axis = node.int("axis") ?? 1
    if axis == 1, translation.type(of: value) == .int8 {
      return translation.emit(
        MSLitePrimitive("Reshape"),
        [try elements(value, translation), translation.integers([0, -1])], for: node)
    }
    if axis == 1 {
      return translation.emit(
        MSLitePrimitive("Flatten"), [try elements(value, translation)], for: node)
    }
    let tensor = try translation.plain(value)
    if axis == 0 {
      return translation.emit(
        MSLitePrimitive("Reshape"), [tensor, translation.integers([1, -1])], for: node)
    }
    translation.emit(MSLitePrimitive("Flatten", ["axis": .int(axis)]), [tensor], for: node)
  }

  /// Nothing moves: the result is held in another order of axes.
  private static let transpose: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    guard case let output?? = node.outputs.first else { return }
    let value = try node.operand(0)
    let held = translation.order(of: value)
    guard let rank = held?.rank ?? translation.rank(value) ?? node.ints("perm")?.count else {
      throw node.refused("the rank of its input isn't known")
    }
    let steps = node.ints("perm")?.map { Int(clamping: $0) } ?? Array((0..<rank).reversed())
    guard steps.sorted() == Array(0..<rank) else {
      throw node.refused("its permutation doesn't fit its input of rank \(rank)")
    }
    let order = held ?? .plain(rank)
    translation.hold(
      output, try translation.tensor(value, order),
      AxisOrder(order.axes.map { axis in steps.firstIndex(of: axis) ?? axis }))
    if isTakenApart(output, translation) {
      translation.hold(output, try translation.plain(output), nil)
    }
  }

  /// Whether only parts of a value are read, so that it is better moved once than they are.
  private static func isTakenApart(_ value: Value, _ translation: Translation) -> Bool {
    let readers = translation.uses.readers(of: value)
    return !translation.uses.isOutput(value)
      && (readers.count > 1 || readers.first?.operatorType == "Split")
      && readers.allSatisfy {
        $0.isStandard && ["Gather", "Slice", "Split"].contains($0.operatorType)
      }
  }

  private static let squeeze: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    guard let axes = translation.integers(node, 1) else {
      guard node.operandIfAny(1) == nil else { throw node.refused("its axes are not constant") }
      return translation.emit(
        MSLitePrimitive("Squeeze"), [try translation.plain(value)], for: node)
    }
    guard let order = translation.order(of: value) else {
      return translation.emit(
        MSLitePrimitive("Squeeze", ["axis": .ints(axes)]), [try translation.plain(value)],
        for: node)
    }
    let removed = Set(axes.compactMap { ShapeRules.axis($0, rank: order.rank) })
    let places = removed.map { Int64(order.place(of: $0)) }.sorted()
    translation.emit(
      MSLitePrimitive("Squeeze", ["axis": .ints(places)]),
      [try translation.tensor(value, order)], for: node, order: order.removing(removed))
  }

  private static let unsqueeze: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    guard var axes = translation.integers(node, 1) else {
      throw node.refused("its axes are not constant")
    }
    let value = try node.operand(0)
    if let rank = translation.rank(value) {
      axes = axes.map { $0 < 0 ? $0 + Int64(rank + axes.count) : $0 }.sorted()
    }
    guard case let output?? = node.outputs.first else { return }
    if let order = translation.order(of: value), axes.count == 1,
      let axis = ShapeRules.axis(axes[0], rank: order.rank + 1)
    {
      let (wide, place) = order.inserting(axis)
      return translation.emit(
        MSLitePrimitive("Unsqueeze", ["axis": .ints([Int64(place)])]),
        [try translation.tensor(value, order)], for: node, order: wide)
    }
    var tensor = try translation.plain(value)
    for (index, axis) in axes.enumerated() {
      tensor = translation.node(
        MSLitePrimitive("Unsqueeze", ["axis": .ints([axis])]), [tensor],
        name: translation.unique(output.name), type: translation.type(of: value),
        as: index == 0 ? node.displayName : nil)
    }
    translation.hold(output, tensor, nil)
  }

  private static let shape: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let order = translation.order(of: value)
    let tensor = try translation.tensor(value, order)
    let isPart = node.int("start") != nil || node.int("end") != nil
    guard order != nil || isPart else {
      return translation.emit(MSLitePrimitive("Shape"), [tensor], for: node)
    }
    guard let rank = order?.rank ?? translation.rank(value) else {
      throw node.refused("the rank of its input isn't known")
    }
    let places = ShapeRules.slice(rank, node).map { Int32(order?.place(of: $0) ?? $0) }
    let whole = translation.node(
      MSLitePrimitive("Shape"), [tensor], name: translation.unique(node.displayName + "_stored"),
      type: .int32)
    translation.emit(
      MSLitePrimitive("Gather"),
      [whole, translation.integers(places), translation.integers([0])], for: node)
  }

  /// Channels to blocks of pixels, and back.
  private static let regrouping: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    guard let size = node.int("blocksize"), size > 0 else {
      throw node.refused("the size of its blocks is missing")
    }
    var settings: [String: MSLitePrimitive.Setting] = ["block_size": .int(size), "format": .int(1)]
    if node.operatorType == "DepthToSpace" {
      settings["mode"] = .string(node.string("mode") ?? "DCR")
    }
    let tensor = try translation.tensor(try node.operand(0), .channelsLast)
    translation.emit(
      MSLitePrimitive(node.operatorType, settings), [translation.labelled(tensor)], for: node,
      order: .channelsLast)
  }

  private static let expand: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    translation.emit(
      MSLitePrimitive("BroadcastTo"),
      [try translation.plain(try node.operand(0)), try translation.plain(try node.operand(1))],
      for: node)
  }

  private static let tile: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    translation.emit(
      MSLitePrimitive("TileFusion"),
      [try translation.plain(try node.operand(0)), try translation.plain(try node.operand(1))],
      for: node)
  }

  private static let fill: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    var data = TensorData(float32: [0])
    if case .tensor(let given) = node.attribute("value") { data = given }
    guard let type = Constants.stored(data.elementType), let code = type.msliteCode else {
      throw node.refused("it makes elements of type \(data.elementType.name)")
    }
    let number: Float
    if let integer = data.integers?.first {
      guard Int64(exactly: Float(integer)) == integer else {
        throw node.refused("it is filled with \(integer), which is no 32-bit float")
      }
      number = Float(integer)
    } else if let float = data.float32Values?.first {
      number = float
    } else if data.elementType == .bool, let bytes = data.packed {
      number = bytes.withUnsafeBytes { $0.first ?? 0 } == 0 ? 0 : 1
    } else {
      throw node.refused("it makes elements of type \(data.elementType.name)")
    }
    translation.emit(
      MSLitePrimitive(
        "ConstantOfShape", ["data_type": .int(Int64(code)), "value": .floats([number])]),
      [try translation.plain(try node.operand(0))], for: node)
  }
}
