import ModelGraph
import Support
import WeightCoding

/// Reads `.ms` files.
///
/// The library's verifier checks every offset and length, this reader every index: no file makes it
/// trap. Constants stay mapped.
public enum MSLiteReader {
  /// Whether the file's identifier is that of a `.ms` file.
  public static func recognizes(path: String) -> Bool {
    guard let file = try? MappedFile(path: path), file.count >= 8 else { return false }
    return file.contents[4..<8].withUnsafeBytes { $0.elementsEqual(MSLiteSchema.identifier.utf8) }
  }

  /// Reads a file.
  ///
  /// - Throws: a file that can't be read, that isn't sound, or whose indices lead nowhere.
  /// - Complexity: O(nodes + tensors + quantization parameters).
  public static func read(path: String) throws(Failure) -> MSLiteModel {
    let file: MappedFile
    do throws(SystemError) {
      file = try MappedFile(path: path)
    } catch {
      throw Failure(.modelUnreadable, "'\(path)' cannot be read: \(error.reason)")
    }
    return try read(Bytes(file, 0..<file.count), name: path)
  }

  /// Reads a file's bytes; `name` is for messages.
  public static func read(_ bytes: Bytes, name: String) throws(Failure) -> MSLiteModel {
    try bytes.withUnsafeBytes { (buffer) throws(Failure) in
      guard let root = FlatTable(root: buffer) else {
        throw malformed(name, "its tables are damaged, or it is no such file")
      }
      return try model(root, bytes, name)
    }
  }

  private static func malformed(_ name: String, _ reason: String) -> Failure {
    Failure(
      .modelMalformed, "'\(name)' is not a sound .ms file", notes: [reason],
      help: "convert the model again")
  }

  private static func model(
    _ root: FlatTable, _ bytes: Bytes, _ name: String
  ) throws(Failure) -> MSLiteModel {
    var model = MSLiteModel()
    model.version = root.string("version")
    model.sourceFormat = root.int("fmkType")
    var room = bytes.count
    for table in root.tables("allTensors") {
      let tensor = try tensor(table, bytes, name)
      try spend(tensor.dimensions.count, of: &room, name)
      model.tensors.append(tensor)
    }
    for table in root.tables("nodes") {
      let node = try node(table, tensorCount: model.tensors.count, name)
      try spend(node.inputs.count + node.outputs.count, of: &room, name)
      model.nodes.append(node)
    }
    model.subgraphs = try root.tables("subGraph").map { table throws(Failure) in
      let graph = MSLiteSubgraph(
        name: table.string("name"), inputs: table.ints("inputIndices"),
        outputs: table.ints("outputIndices"), nodes: table.ints("nodeIndices"))
      try check(graph.inputs + graph.outputs, below: model.tensors.count, "tensor", name)
      try check(graph.nodes, below: model.nodes.count, "node", name)
      return graph
    }
    if model.subgraphs.isEmpty { throw malformed(name, "it has no graph") }
    return model
  }

  /// Counts what lists hold: tables may share a list, which could make a small file a huge model.
  private static func spend(
    _ count: Int, of room: inout Int, _ name: String
  ) throws(Failure) {
    room -= count
    if room < 0 { throw malformed(name, "its tables share their lists") }
  }

  private static func check(
    _ indices: [Int], below count: Int, _ what: String, _ name: String
  ) throws(Failure) {
    if let wrong = indices.first(where: { !(0..<count).contains($0) }) {
      throw malformed(name, "it names the \(what) \(wrong), but has \(count)")
    }
  }

  private static func node(
    _ table: FlatTable, tensorCount: Int, _ name: String
  ) throws(Failure) -> MSLiteNode {
    guard let operation = table.table("primitive")?.primitive else {
      throw malformed(name, "its node '\(table.string("name"))' has no known operator")
    }
    var node = MSLiteNode(
      name: table.string("name"),
      primitive: MSLitePrimitive(operation.schema.name, settings(operation)),
      inputs: table.ints("inputIndex"), outputs: table.ints("outputIndex"))
    try check(node.inputs + node.outputs, below: tensorCount, "tensor", name)
    node.quantization = .init(rawValue: table.int("quantType")) ?? .none
    return node
  }

  /// What an operator sets; defaults are left out, as in files.
  private static func settings(_ table: FlatTable) -> [String: MSLitePrimitive.Setting] {
    var settings: [String: MSLitePrimitive.Setting] = [:]
    for (number, field) in table.schema.fields.enumerated() {
      let setting: MSLitePrimitive.Setting?
      switch field.type {
      case .scalar(_, let isFloat):
        let bits = table.bits(number)
        if bits == field.defaultBits { continue }
        setting =
          isFloat
          ? .float(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
          : .int(Int64(bitPattern: bits))
      case .string:
        let text = table.string(field.name)
        setting = text.isEmpty ? nil : .string(text)
      case .vector(8, _): setting = nonEmpty(table.longs(number))
      case .vector(4, true):
        let values = table.floats(number)
        setting = values.isEmpty ? nil : .floats(values)
      case .vector: setting = nonEmpty(table.ints(field.name).map { Int64($0) })
      case .table:
        let rows = table.table(number)?.tables("data").map { $0.longs(0) } ?? []
        setting = rows.isEmpty ? nil : .rows(rows)
      case .tables: setting = attributes(table.tables(number))
      case .operators: setting = nil
      }
      settings[field.name] = setting
    }
    return settings
  }

  /// The first attributes of a custom operator, and the beginnings of long ones: nodes may share them.
  private static func attributes(_ tables: [FlatTable]) -> MSLitePrimitive.Setting? {
    func text(_ table: FlatTable, _ field: String) -> String {
      let range = (table.byteRange(field) ?? 0..<0).prefix(64)
      return String(decoding: table.bytes[range.startIndex..<range.endIndex], as: UTF8.self)
    }
    let known = tables.prefix(8).map { table in
      MSLitePrimitive.CustomAttribute(text(table, "name"), text(table, "data"))
    }
    return known.isEmpty ? nil : .attributes(known)
  }

  private static func nonEmpty(_ values: [Int64]) -> MSLitePrimitive.Setting? {
    values.isEmpty ? nil : .ints(values)
  }

  private static func tensor(
    _ table: FlatTable, _ bytes: Bytes, _ name: String
  ) throws(Failure) -> MSLiteTensor {
    let dimensions = table.ints("dims")
    let type = table.int("dataType")
    var tensor = MSLiteTensor(
      name: table.string("name"),
      elementType: Int32(exactly: type).flatMap { ElementType(msliteCode: $0) } ?? .undefined,
      dimensions: dimensions, format: table.int("format"))
    tensor.quantization = table.tables("quantParams").map(quantization)
    guard table.int("nodeType") == 0 else { return tensor }
    let range = table.byteRange("data") ?? 0..<0
    let code = table.int("weightQuantCompressType")
    tensor.compression = WeightCompression(rawValue: code) ?? .none
    let isPlain =
      code == 0
      && tensor.quantization.allSatisfy { [8, 16, 32].contains($0.bits) }
    if isPlain, tensor.elementType != .undefined, tensor.elementType != .string {
      let count = TensorData.elementCount(of: dimensions)
      guard let count, tensor.elementType.byteCount(of: count) == range.count else {
        throw malformed(
          name,
          "its tensor '\(tensor.name)' of \(range.count) bytes is said to be "
            + "\(tensor.elementType.name)\(dimensions)")
      }
    }
    tensor.content = .bytes(bytes[range])
    return tensor
  }

  private static func quantization(_ table: FlatTable) -> MSLiteQuantization {
    func bits(_ field: String) -> UInt64 {
      table.schema.fields.firstIndex { $0.name == field }.map(table.bits) ?? 0
    }
    func float(_ field: String) -> Float {
      Float(bitPattern: UInt32(truncatingIfNeeded: bits(field)))
    }
    return MSLiteQuantization(
      scale: Double(bitPattern: bits("scale")),
      zeroPoint: Int32(truncatingIfNeeded: table.int("zeroPoint")),
      bits: Int32(truncatingIfNeeded: table.int("numBits")),
      varianceCorrection: float("varCorr"), meanCorrection: float("meanCorr"))
  }
}
