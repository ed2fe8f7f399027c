import ModelGraph
import Support

/// Writes a model as a `.ms` file.
///
/// The file is laid out first, without its large tensors; these are made and written where they
/// belong, in parallel and in bounded memory.
public final class MSLiteWriter: Sendable {
  /// Files end at 2 GiB: their offsets are signed.
  public static let byteLimit = Int(Int32.max)

  private let layout: MSLiteLayout

  /// Lays out the model.
  ///
  /// - Throws: a model that the format can't hold.
  /// - Complexity: O(nodes + tensors + quantization parameters).
  public init(_ model: MSLiteModel) throws(Failure) {
    layout = try MSLiteLayout(model)
  }

  /// Bytes that will be written.
  public var byteCount: Int { layout.builder.byteCount }

  /// Float bytes that may be in work at once, over all workers.
  private static let budget = 192 << 20

  /// Writes the file, whole or not at all.
  ///
  /// - Parameters:
  ///   - path: the target; an older file there is replaced at the end.
  ///   - pool: the workers that encode.
  ///   - onSlab: called from any worker with the parameters of each encoded slab; `constant`
  ///     is the constant's number.
  public func write(
    to path: String, pool: WorkerPool,
    onSlab: @escaping @Sendable (_ constant: Int, _ parameters: EncodedParameters) -> Void
  ) throws(Failure) {
    do {
      let file = try AtomicFile(path: path)
      try file.resize(to: byteCount)
      try writeContents(file, pool, onSlab)
      try writeFrame(file)
      try file.commit()
    } catch let error as SystemError {
      throw Failure(
        .cannotWrite, "'\(path)' cannot be written: \(error.operation): \(error.reason)",
        help: "check the folder's permissions and free space; an older file there is unchanged")
    } catch {
      throw Failure(.internalError, "writing '\(path)': \(error)")
    }
  }

  private struct Task: Sendable {
    let content: Int
    let slab: Int
    let byteCount: Int
  }

  private func writeContents(
    _ file: AtomicFile, _ pool: WorkerPool,
    _ onSlab: @escaping @Sendable (Int, EncodedParameters) -> Void
  ) throws(SystemError) {
    var tasks: [Task] = []
    for (index, content) in layout.contents.enumerated() {
      switch content.content {
      case .variable: break
      case .bytes: tasks.append(Task(content: index, slab: 0, byteCount: 0))
      case .made(_, let bytes, _): tasks.append(Task(content: index, slab: 0, byteCount: bytes))
      case .quantized(let constant, _):
        tasks += (0..<constant.slabCount).map {
          Task(content: index, slab: $0, byteCount: constant.slabByteCount)
        }
      }
    }
    let gate = ByteBudget(MSLiteWriter.budget)
    try pool.forEach(tasks.count) { [tasks, layout] (index) throws(SystemError) in
      let task = tasks[index]
      let granted = gate.take(task.byteCount)
      defer { gate.give(granted) }
      try layout.write(layout.contents[task.content], slab: task.slab, to: file, onSlab)
    }
  }

  /// Writes what lies between the tensors' contents.
  private func writeFrame(_ file: AtomicFile) throws(SystemError) {
    let holes = layout.contents.map { ($0.position, $0.hole.byteCount) }.sorted { $0.0 < $1.0 }
    try layout.builder.withBytes { (bytes) throws(SystemError) in
      var start = 0
      for (position, count) in holes + [(bytes.count, 0)] {
        if position > start {
          try file.write(UnsafeRawBufferPointer(rebasing: bytes[start..<position]), at: start)
        }
        start = position + count
      }
    }
  }
}
