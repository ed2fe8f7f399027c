import ModelGraph

extension Families {
  static let tfIdfVectorizer = OperatorDefinition(
    "TfIdfVectorizer", types: "int32, int64, string",
    tensors: { settings in
      let counter = try NGramCounter(settings)
      return { call in
        let items = try call.tensor(0)
        guard items.rank == 1 || items.rank == 2 else {
          throw KernelProblem("\(items.description) is neither a row of items nor rows of them")
        }
        let rows = items.rank == 1 ? 1 : items.shape[0]
        let result = try call.context.allocate(
          .float32, Array(items.shape.dropLast()) + [counter.width])
        let out = result.mutableElements(Float.self)
        out.initialize(repeating: 0)
        let symbols = try counter.symbols(of: items)
        let length = items.shape[items.rank - 1]
        for row in 0..<rows {
          let begin = row * counter.width
          counter.count(
            symbols[row * length..<(row + 1) * length],
            into: UnsafeMutableBufferPointer(rebasing: out[begin..<begin + counter.width]))
        }
        return [result]
      }
    })
}

/// Counts the n-grams of a pool in rows of items.
private struct NGramCounter: Sendable {
  private enum Mode {
    case frequency, presence, weightedFrequency
  }

  /// How many columns a row of counts has.
  let width: Int
  private let mode: Mode
  private let lengths: ClosedRange<Int>
  private let mostSkips: Int
  private let isOfStrings: Bool
  /// Each n-gram's column and weight.
  private let columns: [[UInt64]: (column: Int, weight: Float)]

  init(_ settings: NodeSettings) throws {
    let least = try settings.int("min_gram_length", default: 1)
    let most = try settings.int("max_gram_length", default: 1)
    mostSkips = try settings.int("max_skip_count", default: 0)
    guard least >= 1, most >= least, mostSkips >= 0 else {
      throw KernelProblem("n-grams of \(least) to \(most) items with \(mostSkips) skips cannot be")
    }
    lengths = least...most
    switch try settings.string("mode") ?? "" {
    case "TF": mode = .frequency
    case "IDF": mode = .presence
    case "TFIDF": mode = .weightedFrequency
    case let name: throw KernelProblem("'\(name)' is not a way to count n-grams")
    }
    let strings = try settings.strings("pool_strings")
    isOfStrings = strings != nil
    let pool =
      try strings.map { $0.map { StringTable.number(of: $0) } }
      ?? (settings.ints("pool_int64s") ?? []).map { UInt64(bitPattern: Int64($0)) }
    let indexes = try settings.ints("ngram_indexes") ?? []
    guard let last = indexes.max(), last < 1 << 40, indexes.allSatisfy({ $0 >= 0 }) else {
      throw KernelProblem("the attribute 'ngram_indexes' is empty or has impossible columns")
    }
    width = last + 1
    columns = try Self.read(
      pool, starts: settings.ints("ngram_counts") ?? [], indexes,
      weights: settings.floats("weights"))
  }

  /// Cuts the pool into n-grams: `starts` says where those of one item begin, those of two, ...
  private static func read(
    _ pool: [UInt64], starts: [Int], _ indexes: [Int], weights: [Float]?
  ) throws -> [[UInt64]: (column: Int, weight: Float)] {
    guard weights.map({ $0.count == indexes.count }) ?? true else {
      throw KernelProblem("there are not as many weights as n-grams")
    }
    var result: [[UInt64]: (column: Int, weight: Float)] = [:]
    var next = 0
    for (place, start) in starts.enumerated() {
      let length = place + 1
      let end = place + 1 < starts.count ? starts[place + 1] : pool.count
      guard start >= 0, start <= end, end <= pool.count, (end - start) % length == 0 else {
        throw KernelProblem("the pool has no whole n-grams of \(length) items at \(start)..<\(end)")
      }
      for begin in stride(from: start, to: end, by: length) {
        guard next < indexes.count else {
          throw KernelProblem("the pool has more n-grams than the \(indexes.count) columns listed")
        }
        result[Array(pool[begin..<begin + length])] = (indexes[next], weights?[next] ?? 1)
        next += 1
      }
    }
    return result
  }

  /// The items as numbers that compare with the pool's.
  func symbols(of items: Tensor) throws -> [UInt64] {
    switch items.elementType {
    case .string where isOfStrings: return Array(items.elements(UInt64.self))
    case .int64 where !isOfStrings:
      return items.elements(Int64.self).map { UInt64(bitPattern: $0) }
    case .int32 where !isOfStrings:
      return items.elements(Int32.self).map { UInt64(bitPattern: Int64($0)) }
    default: throw KernelProblem("the pool has no n-grams of \(items.elementType.name)")
    }
  }

  /// Counts one row's n-grams. Single items are counted once, longer n-grams with each number of
  /// items skipped between theirs.
  func count(_ items: ArraySlice<UInt64>, into counts: UnsafeMutableBufferPointer<Float>) {
    for length in lengths where length <= items.count {
      for step in 1...(length == 1 ? 1 : min(mostSkips, items.count) + 1) {
        let reach = (length - 1) * step
        guard reach < items.count else { break }
        for begin in items.startIndex..<items.endIndex - reach {
          let gram = stride(from: begin, through: begin + reach, by: step).map { items[$0] }
          guard let known = columns[gram] else { continue }
          switch mode {
          case .frequency: counts[known.column] += 1
          case .presence: counts[known.column] = known.weight
          case .weightedFrequency: counts[known.column] += known.weight
          }
        }
      }
    }
  }
}
