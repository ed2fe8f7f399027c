import Glibc
import ModelGraph
import Support

/// Writes a model in two files: the message, and the tensors beside it, each at a multiple of 4096
/// bytes so that it can be mapped.
///
/// The tensors' file is named after its content, so it never replaces the file that an older model
/// of the same name refers to: at every moment the model on disk has its own tensors.
struct ExternalDataWriter {
  let path: String
  let payloads: [ONNXPayload]
  let skeleton: [UInt8]

  private static let suffix = ".data"
  private static let alignment = 4096

  /// Writes both files.
  ///
  /// - Returns: the path of the tensors' file.
  func write(
    _ pool: WorkerPool, _ onSlab: @escaping @Sendable (Int, EncodedParameters) -> Void
  ) throws -> String {
    var offsets: [Int] = []
    var end = 0
    for payload in payloads {
      offsets.append(end)
      let alignment = ExternalDataWriter.alignment
      end = (end + payload.byteCount + alignment - 1) / alignment * alignment
    }
    let data = try AtomicFile(path: path + ExternalDataWriter.suffix)
    try data.resize(to: end)
    try PayloadWriter(payloads: payloads, offsets: offsets, file: data).run(pool, onSlab)
    let digest = try data.digest()
    let digits = String(digest, radix: 16)
    let name =
      "\(fileName).\(String(repeating: "0", count: 16 - digits.count))\(digits)"
      + ExternalDataWriter.suffix
    let message = try ExternalDataRewriter(
      fileName: name, offsets: offsets, byteCounts: payloads.map(\.byteCount)
    ).rewrite(skeleton)
    let dataPath = (path.contains("/") ? AtomicFile.folder(of: path) + "/" : "") + name
    try data.commit(as: dataPath)
    try AtomicFile.write(message, to: path)
    removeOlderData(than: name)
    return dataPath
  }

  private var fileName: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// The tensors of the model that was replaced are of no use any more.
  private func removeOlderData(than current: String) {
    let folder = AtomicFile.folder(of: path)
    guard let directory = opendir(folder) else { return }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name != current, name.hasPrefix(fileName + "."),
        name.hasSuffix(ExternalDataWriter.suffix)
      else { continue }
      let digits = name.dropFirst(fileName.count + 1).dropLast(ExternalDataWriter.suffix.count)
      if digits.utf8.count == 16, digits.allSatisfy(\.isHexDigit) { unlink(folder + "/" + name) }
    }
  }
}
