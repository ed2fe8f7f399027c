import Support

/// A node as inspections list it.
public struct InspectedNode: Sendable {
  /// Its name.
  public let name: String
  /// Its operator.
  public let operatorType: String
  /// The names of what it reads; "-" for what is left out.
  public let inputs: [String]
  /// The names of what it makes.
  public let outputs: [String]

  /// The same facts under stable names.
  var json: JSONValue {
    .object([
      ("name", .string(name)), ("operator", .string(operatorType)),
      ("inputs", .array(inputs.map { .string($0) })),
      ("outputs", .array(outputs.map { .string($0) })),
    ])
  }
}
