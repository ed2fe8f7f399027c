import ModelGraph
import Support
import Testing

@testable import Inference

/// Nodes and inputs as no exporter makes them: they are refused or run, but never end the process.
@Suite struct HostileMovementTests {
  private static let names =
    (Families.shapes + Families.rearrangement + Families.indexing + Families.generators
    + Families.sorting + Families.texts + Families.sequences).map(\.name)

  private static let attributeNames = [
    "axis", "axes", "perm", "starts", "ends", "split", "num_outputs", "pads", "k", "blocksize",
    "batch_dims", "batch_axis", "time_axis", "start", "end", "shape", "dtype", "strides",
    "dilations", "keepdims", "exclusive", "maxsplit", "max_skip_count", "min_gram_length",
    "ngram_counts", "ngram_indexes", "pool_int64s", "allowzero",
  ]
  private static let words = [
    "constant", "reflect", "edge", "wrap", "CRD", "add", "max", "LOWER", "TF", "TFIDF", "(", "a*",
  ]

  private static func number(_ generator: inout SeededGenerator) -> Int64 {
    let odd: [Int64] = [.min, .min + 1, .max, .max - 1, 1 << 62, -1 << 62, 1 << 50, -1 << 50]
    if Int.random(in: 0..<6, using: &generator) == 0 {
      return odd.randomElement(using: &generator) ?? 0
    }
    return Int64.random(in: -4...5, using: &generator)
  }

  private static func numbers(_ generator: inout SeededGenerator) -> [Int64] {
    (0..<Int.random(in: 0...4, using: &generator)).map { _ in number(&generator) }
  }

  private static func attribute(_ generator: inout SeededGenerator) -> Attribute {
    let name = attributeNames.randomElement(using: &generator) ?? ""
    switch Int.random(in: 0..<8, using: &generator) {
    case 0...2: return Attribute(name, .int(number(&generator)))
    case 3...5: return Attribute(name, .ints(numbers(&generator)))
    case 6:
      let word = words.randomElement(using: &generator) ?? ""
      let name = ["mode", "reduction", "case_change_action", "pattern", "delimiter"]
        .randomElement(using: &generator)
      return Attribute(name ?? "", .string(Array(word.utf8)))
    default: return Attribute(name, .float(2))
    }
  }

  private static func tensor(_ generator: inout SeededGenerator) -> Tensor {
    if Bool.random(using: &generator) {
      let list = numbers(&generator)
      return list.count == 1 && Bool.random(using: &generator)
        ? Tensor([], list) : Tensor([list.count], list)
    }
    let shape = (0..<Int.random(in: 0...4, using: &generator)).map { _ in
      Int.random(in: 0...4, using: &generator)
    }
    let count = shape.reduce(1, *)
    switch Int.random(in: 0..<7, using: &generator) {
    case 0:
      let huge = [0, 1 << 40, 1 << 18].shuffled(using: &generator)
      return TensorData.elementCount(of: huge) == nil
        ? Tensor([], [Float(1)]) : Tensor(huge, [Float]())
    case 1: return Tensor(shape, (0..<count).map { _ in number(&generator) })
    case 2: return Tensor(shape, (0..<count).map { Truth($0 % 3 == 0) })
    case 3: return Tensor(shape, (0..<count).map { Int32($0 % 5) - 2 })
    case 4:
      return Tensor(shape, [UInt64](repeating: 0, count: count)).reinterpreted(as: .string)
    default:
      let floats = Tensor(shape, generator.floats(count))
      return Bool.random(using: &generator) && shape.count > 2 ? floats.channelsLast : floats
    }
  }

  @Test(arguments: 0..<12)
  func nothingEndsTheProcess(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    var finished = 0
    for name in Self.names where name != "SequenceMap" {
      for _ in 0..<30 {
        var harness = OperatorHarness(name: name)
        harness.attributes = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
          Self.attribute(&generator)
        }
        harness.version = Int.random(in: 7...22, using: &generator)
        harness.outputCount = Int.random(in: 1...3, using: &generator)
        let inputs = (0..<Int.random(in: 0...5, using: &generator)).map { _ -> RunValue? in
          switch Int.random(in: 0..<12, using: &generator) {
          case 0: nil
          case 1: .sequence([Self.tensor(&generator)], of: .float32)
          case 2: .nothing
          default: .tensor(Self.tensor(&generator))
          }
        }
        if Bool.random(using: &generator) {
          harness.constantInputs = Set(inputs.indices.dropFirst())
        }
        if (try? harness.runValues(inputs)) != nil { finished += 1 }
      }
    }
    #expect(finished > 0)
  }
}
