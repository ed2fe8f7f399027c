import CIniparser
import Support

/// libiniparser, fed with what it can read.
///
/// Sections, keys and values are told apart by the library. What it would misread or refuse
/// (over-long lines, comment marks inside values) travels under a short token that is replaced
/// by the real value in the library's dictionary.
enum IniLibrary {
  /// Gives every assignment the value that libiniparser reads. Of a repeated key the library knows
  /// the last value only; the others stay as scanned.
  ///
  /// - Throws: `configSyntax` with the library's own words if it refuses the text.
  static func readValues(
    of assignments: [Assignment], in text: ConfigurationText
  ) throws(Failure) -> [String] {
    var complaints: [String] = []
    let prepared = prepare(assignments, in: text)
    let parsed = withUnsafeMutablePointer(to: &complaints) { complaints in
      prepared.withUnsafeBytes { buffer in
        gs_ini_parse(
          buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count,
          { context, message in
            guard let message else { return }
            let complaint = String(cString: message)
            context?.assumingMemoryBound(to: [String].self).pointee.append(complaint)
          }, complaints)
      }
    }
    guard let parsed else {
      throw Failure(
        .configSyntax, "libiniparser cannot read the file",
        location: .init(file: text.fileName), notes: complaints)
    }
    defer { gs_ini_free(parsed) }
    let names = assignments.map(name)
    let last = Dictionary(zip(names, names.indices)) { $1 }
    var values = assignments.map(\.value)
    for (name, index) in last {
      if assignments[index].needsToken { _ = gs_ini_set(parsed, name, values[index]) }
      if let value = gs_ini_string(parsed, name) { values[index] = String(cString: value) }
    }
    return values
  }

  private static func name(of assignment: Assignment) -> String {
    ByteText.asciiLowercased("\(assignment.section):\(assignment.key)")
  }

  private static func prepare(_ assignments: [Assignment], in text: ConfigurationText) -> [UInt8] {
    var prepared: [UInt8] = []
    var section: String?
    for assignment in assignments {
      if section != assignment.section {
        section = assignment.section
        prepared += Array("[\(assignment.section)]\n".utf8)
      }
      if assignment.needsToken {
        prepared += Array("\(assignment.key)=@\n".utf8)
      } else {
        prepared += text.logicalLines[assignment.line].bytes[assignment.keyRange.lowerBound...]
        prepared.append(UInt8(ascii: "\n"))
      }
    }
    return prepared
  }
}
