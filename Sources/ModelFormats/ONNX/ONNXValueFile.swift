import ModelGraph
import Support

/// A value stored in a file of its own, as ONNX's test data is: a tensor, a sequence or an optional.
package enum ONNXValueFile {
  /// What a file may hold.
  package enum Kind: Sendable {
    case tensor
    case sequence
    case optional
  }

  /// The tensors of a stored value: one for a tensor, any number for a sequence, at most one for an
  /// optional tensor; an optional sequence gives its elements.
  ///
  /// - Throws: a file that can't be read or isn't such a value.
  package static func read(path: String, as kind: Kind) throws(Failure) -> [TensorData] {
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch {
      throw Failure(.modelUnreadable, "'\(path)' cannot be read: \(error.reason)")
    }
    let bytes = file.contents.withUnsafeBytes { Array($0) }
    switch kind {
    case .tensor: return [try tensor(bytes, path: path)]
    case .sequence: return try members(3, of: bytes, path: path)
    case .optional:
      let tensors = try members(3, of: bytes, path: path)
      guard tensors.isEmpty else { return tensors }
      guard let sequence = try submessages(5, of: bytes, path: path).first else { return [] }
      return try members(3, of: sequence, path: path)
    }
  }

  private static func members(
    _ field: UInt64, of bytes: [UInt8], path: String
  ) throws(Failure) -> [TensorData] {
    var result: [TensorData] = []
    for message in try submessages(field, of: bytes, path: path) {
      result.append(try tensor(message, path: path))
    }
    return result
  }

  private static func submessages(
    _ number: UInt64, of bytes: [UInt8], path: String
  ) throws(Failure) -> [[UInt8]] {
    var found: [[UInt8]] = []
    do {
      try bytes.withUnsafeBytes { buffer in
        var fields = Wire.Fields(buffer, in: 0..<buffer.count)
        while let field = try fields.next() {
          if field.number == number, field.kind == .delimited {
            found.append(Array(buffer[field.value]))
          }
        }
      }
    } catch {
      throw Failure(.modelMalformed, "'\(path)' is not a stored value")
    }
    return found
  }

  private static func tensor(_ bytes: [UInt8], path: String) throws(Failure) -> TensorData {
    let proto: ONNXTensor
    do {
      proto = try ONNXTensor(serializedBytes: bytes)
    } catch {
      throw Failure(.modelMalformed, "'\(path)' is not a stored tensor")
    }
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch {
      throw Failure(.modelUnreadable, "'\(path)' cannot be read: \(error.reason)")
    }
    return try TensorReader(
      modelPath: path, file: file, payloads: [], externalFiles: ExternalDataFiles(modelPath: path)
    ).tensor(proto)
  }
}
