import CFlatBuffers

/// A table of a verified buffer: every field that is there can be read.
struct FlatTable {
  let bytes: UnsafeRawBufferPointer
  let schema: MSLiteSchema.Table
  /// Where the table starts.
  let position: Int

  /// The root table of a buffer that the verifier has accepted.
  init?(root bytes: UnsafeRawBufferPointer) {
    guard MSLiteSchema.verifies(bytes),
      let base = bytes.bindMemory(to: UInt8.self).baseAddress
    else { return nil }
    self.init(bytes, MSLiteSchema.frame[0], gs_fb_root(base))
  }

  init(_ bytes: UnsafeRawBufferPointer, _ schema: MSLiteSchema.Table, _ position: Int) {
    self.bytes = bytes
    self.schema = schema
    self.position = position
  }

  private var base: UnsafePointer<UInt8>? { bytes.bindMemory(to: UInt8.self).baseAddress }

  /// Where a field's bytes are; nil where the table leaves it out.
  private func place(of field: Int) -> Int? {
    guard let base else { return nil }
    let place = gs_fb_position(base, position, UInt16(field))
    return place == 0 ? nil : place
  }

  private func number(_ field: String) -> Int? { schema.fields.firstIndex { $0.name == field } }

  private func target(of field: Int) -> Int? {
    guard let base, let place = place(of: field) else { return nil }
    return gs_fb_target(base, place)
  }

  private func load<Element: FixedWidthInteger>(_ place: Int, as type: Element.Type) -> Element {
    Element(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: type))
  }

  /// The bits of a scalar, sign-extended; its default where the table leaves it out.
  func bits(_ field: Int) -> UInt64 {
    guard let place = place(of: field) else { return schema.fields[field].defaultBits }
    guard case .scalar(let width, let isFloat) = schema.fields[field].type else { return 0 }
    return switch (width, isFloat) {
    case (1, _): UInt64(bitPattern: Int64(load(place, as: Int8.self)))
    case (4, true): UInt64(load(place, as: UInt32.self))
    case (4, false): UInt64(bitPattern: Int64(load(place, as: Int32.self)))
    default: load(place, as: UInt64.self)
    }
  }

  /// An integer.
  func int(_ field: String) -> Int {
    number(field).map { Int(Int64(bitPattern: bits($0))) } ?? 0
  }

  /// A text; empty where there is none.
  func string(_ field: String) -> String {
    guard let number = number(field), let range = elements(number, width: 1) else { return "" }
    return String(decoding: bytes[range], as: UTF8.self)
  }

  /// Where the elements of a vector are.
  func elements(_ field: Int, width: Int) -> Range<Int>? {
    guard let target = target(of: field) else { return nil }
    let count = Int(load(target, as: UInt32.self))
    return target + 4..<target + 4 + count * width
  }

  /// Where the bytes of a vector are.
  func byteRange(_ field: String) -> Range<Int>? {
    number(field).flatMap { elements($0, width: 1) }
  }

  /// A vector of 32-bit integers.
  func ints(_ field: String) -> [Int] {
    guard let number = number(field), let range = elements(number, width: 4) else { return [] }
    return stride(from: range.lowerBound, to: range.upperBound, by: 4).map {
      Int(load($0, as: Int32.self))
    }
  }

  /// A vector of 64-bit integers.
  func longs(_ field: Int) -> [Int64] {
    guard let range = elements(field, width: 8) else { return [] }
    return stride(from: range.lowerBound, to: range.upperBound, by: 8).map {
      load($0, as: Int64.self)
    }
  }

  /// A vector of floats.
  func floats(_ field: Int) -> [Float] {
    guard let range = elements(field, width: 4) else { return [] }
    return stride(from: range.lowerBound, to: range.upperBound, by: 4).map {
      Float(bitPattern: load($0, as: UInt32.self))
    }
  }

  /// A vector of tables.
  func tables(_ field: String) -> [FlatTable] { number(field).map(tables) ?? [] }

  /// A vector of tables.
  func tables(_ field: Int) -> [FlatTable] {
    guard let base, case .tables(let number) = schema.fields[field].type,
      let range = elements(field, width: 4)
    else { return [] }
    return stride(from: range.lowerBound, to: range.upperBound, by: 4).map {
      FlatTable(bytes, MSLiteSchema.frame[number], gs_fb_target(base, $0))
    }
  }

  /// A table.
  func table(_ field: String) -> FlatTable? { number(field).flatMap(table) }

  /// A table.
  func table(_ field: Int) -> FlatTable? {
    guard case .table(let number) = schema.fields[field].type, let target = target(of: field) else {
      return nil
    }
    return FlatTable(bytes, MSLiteSchema.frame[number], target)
  }

  /// The operator of a Primitive table; nil for none and for one that isn't known.
  var primitive: FlatTable? {
    guard let type = number("value_type"), let value = number("value"),
      let table = MSLiteSchema.operatorTable(UInt8(truncatingIfNeeded: bits(type))),
      let target = target(of: value)
    else { return nil }
    return FlatTable(bytes, table, target)
  }
}
