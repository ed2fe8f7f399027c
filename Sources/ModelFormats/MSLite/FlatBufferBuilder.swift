import CFlatBuffers
import Support

/// A FlatBuffer in the making: vectors and tables by schema, what they refer to before them.
///
/// The contents of large vectors are left open: no memory is spent on them, and whoever writes the
/// file puts them where `holes` says.
final class FlatBufferBuilder: @unchecked Sendable {
  /// A vector's place in the finished buffer, counted from the end.
  struct Hole {
    let offset: UInt32
    let byteCount: Int
  }

  /// What a field is given.
  enum Entry {
    case bits(UInt64)
    /// Written even if it is the default, to be changed later.
    case forced(UInt64)
    case reference(UInt32)
  }

  private let handle: OpaquePointer

  /// Reserves address space; nil without enough of it.
  init?(capacity: Int) {
    guard let handle = gs_fb_create((capacity + 4095) & ~4095) else { return nil }
    self.handle = handle
  }

  deinit { gs_fb_destroy(handle) }

  /// Bytes of the buffer, holes included.
  var byteCount: Int { gs_fb_size(handle) }

  /// A text.
  func string(_ text: String) -> UInt32 {
    var text = text
    return text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { gs_fb_string(handle, $0.baseAddress, $0.count) }
    }
  }

  /// A vector of scalars.
  func vector<Element>(_ elements: [Element]) -> UInt32 {
    elements.withUnsafeBytes {
      gs_fb_vector(handle, $0.baseAddress, elements.count, MemoryLayout<Element>.size)
    }
  }

  /// A vector of bytes to be filled in the file, aligned to 16.
  func hole(byteCount: Int) -> Hole {
    Hole(offset: gs_fb_hole(handle, byteCount, 16), byteCount: byteCount)
  }

  /// A vector of tables or texts.
  func references(_ offsets: [UInt32]) -> UInt32 {
    gs_fb_offsets(handle, offsets, offsets.count)
  }

  /// A table with these fields; defaults are left out.
  func table(_ table: MSLiteSchema.Table, _ entries: [(field: String, entry: Entry)]) -> UInt32 {
    make(fields(table, entries))
  }

  /// That many tables with the same fields.
  func tables(
    _ table: MSLiteSchema.Table, _ entries: [(field: String, entry: Entry)], count: Int
  ) -> [UInt32] {
    let fields = fields(table, entries)
    return (0..<count).map { _ in make(fields) }
  }

  /// A field that is written.
  private enum Field {
    case scalar(number: UInt16, bits: UInt64, width: Int)
    case reference(number: UInt16, UInt32)
  }

  private func fields(
    _ table: MSLiteSchema.Table, _ entries: [(field: String, entry: Entry)]
  ) -> [Field] {
    entries.compactMap { name, entry in
      guard let number = table.number(of: name) else {
        preconditionFailure("\(table.name) has no field \(name)")
      }
      let field = table.fields[Int(number)]
      switch (entry, field.type) {
      case (.bits(let bits), .scalar(let width, _)) where bits != field.defaultBits:
        return .scalar(number: number, bits: bits, width: width)
      case (.forced(let bits), .scalar(let width, _)):
        return .scalar(number: number, bits: bits, width: width)
      case (.reference(let offset), _): return .reference(number: number, offset)
      default: return nil
      }
    }
  }

  private func make(_ fields: [Field]) -> UInt32 {
    let start = gs_fb_start_table(handle)
    for field in fields {
      switch field {
      case .scalar(let number, let bits, let width): gs_fb_scalar(handle, number, bits, width)
      case .reference(let number, let offset): gs_fb_reference(handle, number, offset)
      }
    }
    return gs_fb_end_table(handle, start)
  }

  /// Ends the buffer.
  func finish(root: UInt32) { gs_fb_finish(handle, root, MSLiteSchema.identifier) }

  /// Lends the finished buffer; holes hold zeros.
  func withBytes<Result, Problem: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    try body(UnsafeMutableRawBufferPointer(start: gs_fb_bytes(handle), count: byteCount))
  }

  /// Where a hole's bytes start in the finished buffer.
  func position(of hole: Hole) -> Int { byteCount - Int(hole.offset) + 4 }

  /// Where a field of a table lies in the finished buffer.
  func position(of field: UInt16, in table: UInt32) -> Int {
    gs_fb_position(gs_fb_bytes(handle), byteCount - Int(table), field)
  }
}
