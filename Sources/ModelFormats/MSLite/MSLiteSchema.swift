import CFlatBuffers

/// The tables of the `.ms` format: which field has which number, type and default.
///
/// Stated as text and read once; writer, reader and verification all follow it.
enum MSLiteSchema {
  /// What a field holds.
  enum FieldType: Equatable {
    /// An integer or a number of `width` bytes; a float where `isFloat`.
    case scalar(width: Int, isFloat: Bool)
    case string
    /// A vector of such scalars.
    case vector(width: Int, isFloat: Bool)
    case table(Int)
    case tables(Int)
    /// One of the operators; the field before tells which.
    case operators
  }

  /// A field of a table; its number is its position.
  struct Field {
    let name: String
    let type: FieldType
    /// The value that is left out, as the file would hold its bits.
    let defaultBits: UInt64
  }

  /// A table.
  struct Table {
    let name: String
    let fields: [Field]

    /// The number of a field.
    func number(of name: String) -> UInt16? {
      fields.firstIndex { $0.name == name }.map { UInt16($0) }
    }
  }

  /// The four letters at byte 4 of every file.
  static let identifier = "MSL2"
  /// The tables around the operators; the first is the root.
  static let frame: [Table] = parsed(frameLines, names: frameNames)
  /// The operators in order of their numbers, from 1 on.
  static let operators: [Table] = parsed(
    operatorLines.split(separator: "\n").map { line in
      line.drop { $0 != " " }.dropFirst()
    }.joined(separator: "\n"), names: frameNames)

  /// A table of the frame.
  static func table(_ name: StaticString) -> Table {
    guard let table = frame.first(where: { $0.name == name.description }) else {
      preconditionFailure("the schema has no table \(name)")
    }
    return table
  }

  /// The number of an operator.
  static func operatorNumber(_ name: String) -> UInt8? { operatorNumbers[name] }

  /// The operator of a number.
  static func operatorTable(_ number: UInt8) -> Table? {
    number > 0 && Int(number) <= operators.count ? operators[Int(number) - 1] : nil
  }

  private static let operatorNumbers: [String: UInt8] = Dictionary(
    uniqueKeysWithValues: operators.enumerated().map { ($1.name, UInt8($0 + 1)) })

  private static let frameNames: [String] = frameLines.split(separator: "\n").map { line in
    String(line.prefix { $0 != " " })
  }

  private static let frameLines = """
    MetaGraph name:str version:str fmkType:i32 inputIndex:[u32] outputIndex:[u32] \
      mempoolSize:i32 nodes:[CNode] allTensors:[Tensor] subGraph:[SubGraph] obfuscate:bool \
      obfMetaData:[u8]
    SubGraph name:str inputIndices:[u32] outputIndices:[u32] nodeIndices:[u32] tensorIndices:[u32]
    CNode name:str nodeType:i32 primitive:Primitive inputIndex:[u32] outputIndex:[u32] \
      quantType:i32 deviceType:i32=-1
    Primitive value_type:i8 value:operators
    Tensor nodeType:i32 dataType:i32 dims:[i32] format:i32 refCount:i32 offset:i32 data:[u8] \
      quantParams:[QuantParam] quantClusters:[f32] name:str enableHuffmanCode:bool \
      weightQuantCompressType:i32 externalData:[ExternalData]
    QuantParam scale:f64=1 zeroPoint:i32 min:f64 max:f64 narrowRange:bool=1 numBits:i32=8 \
      inited:bool varCorr:f32=1 meanCorr:f32 dstDtype:i32=32 roundType:i32=1 multiplier:i32=1
    ExternalData checkSum:str location:str offset:i64 length:i64=-1
    Vec data:[i64]
    Vec2D data:[Vec]
    Attribute name:str data:[u8]
    """

  private static func parsed(_ lines: String, names: [String]) -> [Table] {
    lines.split(separator: "\n").map { line in
      let words = line.split(separator: " ")
      return Table(
        name: String(words[0]),
        fields: words.dropFirst().map { field(String($0), names: names) })
    }
  }

  /// Reads `name:type` or `name:type=default`.
  private static func field(_ text: String, names: [String]) -> Field {
    let parts = text.split { $0 == ":" || $0 == "=" }.map(String.init)
    let type = fieldType(parts[1], names: names)
    var bits: UInt64 = 0
    if parts.count > 2 {
      switch type {
      case .scalar(8, true): bits = (Double(parts[2]) ?? 0).bitPattern
      case .scalar(_, true): bits = UInt64((Float(parts[2]) ?? 0).bitPattern)
      default: bits = UInt64(bitPattern: Int64(parts[2]) ?? 0)
      }
    }
    return Field(name: parts[0], type: type, defaultBits: bits)
  }

  private static func fieldType(_ text: String, names: [String]) -> FieldType {
    let isList = text.hasPrefix("[")
    let word = isList ? String(text.dropFirst().dropLast()) : text
    if word == "operators" { return .operators }
    if word == "str" { return .string }
    if let number = names.firstIndex(of: word) { return isList ? .tables(number) : .table(number) }
    guard
      let width = ["bool": 1, "i8": 1, "u8": 1, "i32": 4, "u32": 4, "f32": 4, "i64": 8, "f64": 8][
        word]
    else { preconditionFailure("the schema has no type \(text)") }
    let isFloat = word.hasPrefix("f")
    return isList
      ? .vector(width: width, isFloat: isFloat) : .scalar(width: width, isFloat: isFloat)
  }
}

extension MSLiteSchema {
  /// Whether the bytes are a sound buffer of this schema, as the library's verifier sees it.
  static func verifies(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.bindMemory(to: UInt8.self).baseAddress else { return false }
    var fields: [gs_fb_field] = []
    let tables = (frame + operators).map { table in
      let first = fields.count
      for (number, field) in table.fields.enumerated() {
        fields.append(described(field.type, number: UInt16(number)))
      }
      return gs_fb_table(first_field: UInt32(first), field_count: UInt32(table.fields.count))
    }
    return tables.withUnsafeBufferPointer { tables in
      fields.withUnsafeBufferPointer { fields in
        var schema = gs_fb_schema(
          tables: tables.baseAddress, table_count: tables.count, fields: fields.baseAddress,
          union_count: operators.count)
        return gs_fb_verify(base, bytes.count, identifier, &schema)
      }
    }
  }

  private static func described(_ type: FieldType, number: UInt16) -> gs_fb_field {
    func field(_ kind: gs_fb_kind, width: Int = 0, table: Int = 0) -> gs_fb_field {
      gs_fb_field(
        number: number, kind: UInt8(kind.rawValue), width: UInt8(width), table: Int32(table))
    }
    return switch type {
    case .scalar(let width, _): field(GS_FB_SCALAR, width: width)
    case .string: field(GS_FB_STRING)
    case .vector(let width, _): field(GS_FB_VECTOR, width: width)
    case .table(let table): field(GS_FB_TABLE, table: table)
    case .tables(let table): field(GS_FB_TABLES, table: table)
    case .operators: field(GS_FB_UNION, table: frame.count)
    }
  }
}
