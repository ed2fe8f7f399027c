import Support

/// Why a text isn't a value of its type.
struct ValueProblem: Error {
  /// `badValue` or `valueOutOfRange`.
  var code: DiagnosticCode = .badValue
  /// The sentence without its subject: "must be true or false, not 'yes'".
  var message: String
  /// The bytes of the value that are at fault; nil for all of them.
  var range: Range<Int>?
  /// A word behind the underline.
  var label: String?
}
