import ModelGraph
import Support

/// Operators on indices in terms of others.
enum IndexForms {
  static let rewrites: [String: OperatorRewrite] = [
    "OneHot": oneHot, "Trilu": triangle, "ScatterElements": scatter, "Compress": compress,
    "Size": size, "Hardmax": hardmax,
  ]

  /// The numbers from 0 on are compared with the indices, negative ones counted from the end.
  private static let oneHot: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let indices = try writer.node.operand(0)
    guard let depth = writer.known(try writer.node.operand(1)).integers?.first,
      (1...1 << 20).contains(depth)
    else { throw writer.node.refused("its depth isn't constant") }
    let values = try writer.node.operand(2)
    let rank = try writer.rank(indices) + 1
    guard let axis = ShapeRules.axis(writer.node.int("axis") ?? -1, rank: rank) else {
      throw writer.node.refused("its axis is out of range")
    }
    let whole = writer.add(
      "Cast", [indices], [Attribute("to", .int(Int64(ElementType.int64.onnxCode)))])
    func number(_ value: Int64) -> Value {
      writer.constant(TensorData(int64: [value], isScalar: true))
    }
    let isNegative = writer.add("Less", [whole, number(0)])
    let wrapped = writer.add(
      "Where", [isNegative, writer.add("Add", [whole, number(depth)]), whole])
    let column = writer.add("Unsqueeze", [wrapped, writer.integers([axis])])
    let isHot = writer.add("Equal", [column, numbers(Int(depth), along: axis, rank, &writer)])
    func value(_ index: Int) -> Value {
      writer.add("Gather", [values, number(Int64(index))], [Attribute("axis", .int(0))])
    }
    writer.finish("Where", [isHot, value(1), value(0)])
  }

  /// The numbers from 0 on, along one of `rank` axes.
  private static func numbers(
    _ count: Int, along axis: Int, _ rank: Int, _ writer: inout NodeWriter
  ) -> Value {
    var extents = Array(repeating: 1, count: rank)
    extents[axis] = count
    let counting = (0..<Int64(count)).map(\.littleEndian)
    return writer.constant(
      TensorData(
        elementType: .int64, dimensions: extents,
        storage: .packed(Bytes(counting.withUnsafeBytes(Array.init)))))
  }

  /// One where the first of the greatest is, zero elsewhere.
  private static let hardmax: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let rank = try writer.rank(x)
    guard let axis = ShapeRules.axis(writer.node.int("axis") ?? -1, rank: rank),
      let count = writer.known(x).shape?[axis], (1...1 << 20).contains(count)
    else {
      throw writer.node.refused("the extent of its axis isn't known; state it with --inputShape")
    }
    let place = writer.add(
      "ArgMax", [x], [Attribute("axis", .int(Int64(axis))), Attribute("keepdims", .int(1))])
    let isFirst = writer.add("Equal", [place, numbers(count, along: axis, rank, &writer)])
    writer.finish("Cast", [isFirst], [Attribute("to", .int(Int64(ElementType.float32.onnxCode)))])
  }

  /// A constant matrix of what is kept.
  private static let triangle: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let extents = try writer.extents(x)
    guard extents.count >= 2, let count = TensorData.elementCount(of: Array(extents.suffix(2))),
      count < 1 << 24
    else { throw writer.node.refused("its matrices are too large, or none") }
    guard let given = writer.node.operandIfAny(1) else {
      return keep(x, extents, diagonal: 0, &writer)
    }
    guard let diagonal = writer.known(given).integers?.first else {
      throw writer.node.refused("its diagonal isn't constant")
    }
    keep(x, extents, diagonal: Int(max(-1 << 30, min(diagonal, 1 << 30))), &writer)
  }

  private static func keep(
    _ x: Value, _ extents: [Int], diagonal: Int, _ writer: inout NodeWriter
  ) {
    let isUpper = (writer.node.int("upper") ?? 1) != 0
    let (rows, columns) = (extents[extents.count - 2], extents[extents.count - 1])
    let kept = (0..<rows).flatMap { row in
      (0..<columns).map { column -> UInt8 in
        (isUpper ? column - row >= diagonal : column - row <= diagonal) ? 1 : 0
      }
    }
    let mask = writer.constant(
      TensorData(
        elementType: .bool, dimensions: [rows, columns], storage: .packed(Bytes(kept))))
    let isFloat = (writer.known(x).elementType ?? .float32) == .float32
    let zero =
      isFloat ? writer.number(0) : writer.constant(TensorData(int64: [0], isScalar: true))
    writer.finish("Where", [mask, x, zero])
  }

  /// ScatterND with all coordinates of each element: those along `axis` are given, the others count.
  private static let scatter: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let data = try writer.node.operand(0)
    let indices = try writer.node.operand(1)
    let updates = try writer.node.operand(2)
    let extents = try writer.extents(indices)
    guard let axis = ShapeRules.axis(writer.node.int("axis") ?? 0, rank: extents.count),
      let count = TensorData.elementCount(of: extents), (1...1 << 20).contains(count)
    else { throw writer.node.refused("its axis or the number of its indices is out of range") }
    let whole = writer.add(
      "Cast", [indices], [Attribute("to", .int(Int64(ElementType.int64.onnxCode)))])
    let length = writer.add(
      "Gather", [writer.add("Shape", [data]), writer.integers([axis])],
      [Attribute("axis", .int(0))])
    let zero = writer.integers([0])
    let wrapped = writer.add(
      "Where",
      [writer.add("Less", [whole, zero]), writer.add("Add", [whole, length]), whole])
    let column = writer.integers([count, 1])
    let given = writer.add("Reshape", [wrapped, column])
    let parts = extents.indices.map { place -> Value in
      place == axis ? given : counted(extents, along: place, writer)
    }
    let places =
      parts.count == 1
      ? given : writer.add("Concat", parts, [Attribute("axis", .int(1))])
    let flat = writer.add("Reshape", [updates, writer.integers([count])])
    let reduction = writer.node.attributes.filter { $0.name == "reduction" }
    writer.finish("ScatterND", [data, places, flat], reduction)
  }

  /// For each element of these extents its coordinate along an axis, as a column.
  private static func counted(_ extents: [Int], along axis: Int, _ writer: NodeWriter) -> Value {
    let inner = extents[(axis + 1)...].reduce(1, *)
    let count = extents.reduce(1, *)
    let places = (0..<count).map { Int64($0 / inner % extents[axis]).littleEndian }
    return writer.constant(
      TensorData(
        elementType: .int64, dimensions: [count, 1],
        storage: .packed(Bytes(places.withUnsafeBytes(Array.init)))))
  }

  /// A Gather of the places that a constant condition names.
  private static let compress: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    var x = try writer.node.operand(0)
    guard let condition = try writer.node.operand(1).constant, condition.elementType == .bool,
      let packed = condition.packed
    else { throw writer.node.refused("its condition isn't constant") }
    let kept = packed.withUnsafeBytes { bytes in bytes.indices.filter { bytes[$0] != 0 } }
    let axis = writer.node.int("axis")
    if axis == nil { x = writer.add("Reshape", [x, writer.integers([-1])]) }
    writer.finish("Gather", [x, writer.integers(kept)], [Attribute("axis", .int(axis ?? 0))])
  }

  private static let size: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let shape = writer.add("Shape", [try writer.node.operand(0)])
    writer.finish("ReduceProd", [shape, writer.integers([0])], [Attribute("keepdims", .int(0))])
  }
}
