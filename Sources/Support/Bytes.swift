/// A run of bytes that never changes: owned, or a range of a mapped file.
public struct Bytes: Sendable {
  private enum Backing {
    case owned([UInt8])
    case mapped(MappedFile)
  }

  private let backing: Backing
  /// The part of the backing that is meant.
  private let range: Range<Int>

  /// Bytes in memory.
  public init(_ bytes: [UInt8]) {
    backing = .owned(bytes)
    range = 0..<bytes.count
  }

  /// A range of a mapped file; nothing is read.
  ///
  /// - Precondition: the range lies inside the file.
  public init(_ file: MappedFile, _ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= file.bytes.count)
    backing = .mapped(file)
    self.range = range
  }

  /// How many bytes there are. Never touches them.
  public var count: Int { range.count }

  /// Whether the bytes are pages of a file rather than memory of ours.
  public var isMapped: Bool {
    if case .mapped = backing { true } else { false }
  }

  /// Lends the bytes; the pointer is valid inside `body` only.
  public func withUnsafeBytes<Result, Problem: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    switch backing {
    case .owned(let array):
      var outcome: Swift.Result<Result, Problem>?
      array.withUnsafeBytes { whole in
        do throws(Problem) {
          outcome = .success(try body(UnsafeRawBufferPointer(rebasing: whole[range])))
        } catch {
          outcome = .failure(error)
        }
      }
      guard let outcome else { preconditionFailure("array lends its bytes exactly once") }
      return try outcome.get()
    case .mapped(let file):
      let result = try body(UnsafeRawBufferPointer(rebasing: file.bytes[range]))
      withExtendedLifetime(file) {}
      return result
    }
  }

  /// Part of these bytes, sharing the backing.
  public subscript(part: Range<Int>) -> Bytes {
    precondition(part.lowerBound >= 0 && part.upperBound <= count)
    return Bytes(
      backing: backing,
      range: range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
  }

  /// Gives mapped pages back to the system; owned bytes stay.
  public func release() {
    if case .mapped(let file) = backing { file.release(range) }
  }

  private init(backing: Backing, range: Range<Int>) {
    self.backing = backing
    self.range = range
  }
}
