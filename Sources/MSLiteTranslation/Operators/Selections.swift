import ModelFormats
import ModelGraph
import Support

/// Operators that take parts of tensors.
enum Selections {
  static let translations: [String: OperatorTranslation] = [
    "Slice": slice, "Gather": gather, "Split": split,
    "GatherND": { @Sendable (translation, node) throws(Failure) in
      guard (node.int("batch_dims") ?? 0) == 0 else { throw node.refused("it has batch_dims") }
      translation.emit(
        MSLitePrimitive("GatherNd"),
        [try translation.plain(try node.operand(0)), try translation.plain(try node.operand(1))],
        for: node)
    },
    "ScatterND": { @Sendable (translation, node) throws(Failure) in
      let reduction = node.string("reduction") ?? "none"
      guard let name = ["none": "ScatterNdUpdate", "add": "TensorScatterAdd"][reduction] else {
        throw node.refused("its reduction is \(reduction)")
      }
      let inputs = try (0..<3).map { index throws(Failure) in
        try translation.plain(try node.operand(index))
      }
      translation.emit(MSLitePrimitive(name), inputs, for: node)
    },
    "GatherElements": { @Sendable (translation, node) throws(Failure) in
      translation.emit(
        MSLitePrimitive("GatherD"),
        [
          try translation.plain(try node.operand(0)),
          translation.integers([Int32(clamping: node.int("axis") ?? 0)]),
          try translation.plain(try node.operand(1)),
        ], for: node)
    },
  ]

  private static let slice: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let starts = try node.operand(1)
    let ends = try node.operand(2)
    guard let count = translation.facts.of(starts).shape?.first ?? nil,
      (0...64).contains(count)
    else {
      throw node.refused("the number of its axes isn't known")
    }
    var order = translation.order(of: value)
    let axes: Int
    if node.operandIfAny(3) == nil || translation.integers(node, 3) != nil {
      let given = translation.integers(node, 3) ?? Array(0..<Int64(count))
      if let held = order {
        let places = given.compactMap { ShapeRules.axis($0, rank: held.rank) }
        guard places.count == given.count else { throw node.refused("its axes are out of range") }
        axes = translation.integers(places.map { Int32(held.place(of: $0)) })
      } else {
        axes = translation.integers(given.map { Int32(clamping: $0) })
      }
    } else {
      order = nil
      axes = try translation.plain(try node.operand(3))
    }
    let steps =
      if let given = node.operandIfAny(4) {
        try translation.plain(given)
      } else {
        translation.integers(Array(repeating: 1, count: count))
      }
    translation.emit(
      MSLitePrimitive("StridedSlice"),
      [
        try translation.tensor(value, order),
        try translation.tensor(starts, nil, clampsIntegers: true),
        try translation.tensor(ends, nil, clampsIntegers: true), axes, steps,
      ], for: node, order: order)
  }

  private static let gather: OperatorTranslation = {
    @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let indices = try node.operand(1)
    let axis = node.int("axis") ?? 0
    var order = translation.order(of: value)
    var result: AxisOrder?
    var place = axis
    if let held = order, let rank = translation.rank(indices), rank < 2,
      let at = ShapeRules.axis(axis, rank: held.rank)
    {
      place = Int64(held.place(of: at))
      result = rank == 1 ? held : held.removing([at])
    } else {
      order = nil
    }
    translation.emit(
      MSLitePrimitive("Gather"),
      [
        try translation.tensor(value, order), try translation.plain(indices),
        translation.integers([Int32(clamping: place)]),
      ], for: node, order: result)
  }

  private static let split: OperatorTranslation = { @Sendable (translation, node) throws(Failure) in
    let value = try node.operand(0)
    let order = translation.order(of: value)
    var axis = node.int("axis") ?? 0
    if let rank = order?.rank ?? translation.rank(value) {
      guard let at = ShapeRules.axis(axis, rank: rank) else {
        throw node.refused("its axis \(axis) is out of range")
      }
      axis = Int64(order?.place(of: at) ?? at)
    }
    var settings: [String: MSLitePrimitive.Setting] = [
      "output_num": .int(Int64(node.outputs.count)), "axis": .int(axis),
    ]
    if let sizes = translation.integers(node, 1) {
      settings["size_splits"] = .ints(sizes)
    } else if node.operandIfAny(1) != nil {
      throw node.refused("the sizes of its parts are not constant")
    }
    translation.emit(
      MSLitePrimitive("Split", settings), [try translation.tensor(value, order)],
      allOutputsOf: node, order: order)
  }
}
