import Support

/// How often an operator occurs.
public struct OperatorCount {
  /// The operator's name, with its domain where that isn't ONNX's own.
  public let name: String
  /// Nodes of it.
  public let count: Int

  /// Counts names, the most frequent first.
  ///
  /// - Complexity: O(names).
  static func counts(of names: some Sequence<String>) -> [OperatorCount] {
    var counts: [String: Int] = [:]
    for name in names { counts[name, default: 0] += 1 }
    return counts.map { OperatorCount(name: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
  }

  /// All of them, under their names.
  static func json(_ counts: [OperatorCount]) -> JSONValue {
    .object(counts.map { ($0.name, .integer($0.count)) })
  }
}

/// How much constants of one element type hold.
public struct ConstantCount {
  /// The element type's name.
  public let type: String
  /// How many there are.
  public private(set) var tensors = 0
  /// Their elements.
  public private(set) var elements = 0
  /// What they take in the file.
  public private(set) var bytes = 0

  /// Counts constants by type, the one with most bytes first.
  ///
  /// - Complexity: O(constants).
  static func counts(
    of constants: some Sequence<(type: String, elements: Int, bytes: Int)>
  ) -> [ConstantCount] {
    var counts: [String: ConstantCount] = [:]
    for (type, elements, bytes) in constants {
      var count = counts[type] ?? ConstantCount(type: type)
      count.tensors += 1
      count.elements += elements
      count.bytes += bytes
      counts[type] = count
    }
    return counts.values.sorted { ($1.bytes, $0.type) < ($0.bytes, $1.type) }
  }

  /// All of them.
  static func json(_ counts: [ConstantCount]) -> JSONValue {
    .array(
      counts.map { count in
        .object([
          ("type", .string(count.type)), ("tensors", .integer(count.tensors)),
          ("elements", .integer(count.elements)), ("bytes", .integer(count.bytes)),
        ])
      })
  }
}
