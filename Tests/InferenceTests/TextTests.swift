import ModelGraph
import Support
import Testing

@testable import Inference

private func texts(_ strings: [String], _ shape: [Int]? = nil) -> Tensor {
  let numbers = strings.map { StringTable.number(of: Array($0.utf8)) }
  return Tensor(shape ?? [strings.count], numbers).reinterpreted(as: .string)
}

private func strings(_ tensor: Tensor) -> [String] {
  tensor.elements(UInt64.self).map { String(decoding: StringTable.string($0), as: UTF8.self) }
}

@Suite struct TextTests {
  @Test func stopWordsGoAndLettersChange() throws {
    let node = OperatorHarness(
      name: "StringNormalizer",
      attributes: [
        Attribute("case_change_action", .string(Array("UPPER".utf8))),
        Attribute("stopwords", .strings([Array("MONDAY".utf8)])),
      ])
    let result = try node.run([texts(["monday", "straße", "ä"])])[0]
    #expect(strings(result) == ["STRAßE", "Ä"])
    #expect(strings(try node.run([texts(["Monday"], [1, 1])])[0]) == [""])
  }

  @Test func textsSplitAtSpacesAndDelimiters() throws {
    var node = OperatorHarness(name: "StringSplit", outputCount: 2)
    let spaced = try node.run([texts([" a  b ", "", "c"])])
    #expect(spaced[0].shape == [3, 2] && strings(spaced[0]) == ["a", "b", "", "", "c", ""])
    #expect(spaced[1].array(Int64.self) == [2, 0, 1])
    node.attributes = [
      Attribute("delimiter", .string(Array(", ".utf8))), Attribute("maxsplit", .int(1)),
    ]
    let cut = try node.run([texts(["x, y, z", ", "])])
    #expect(strings(cut[0]) == ["x", "y, z", "", ""])
    #expect(cut[1].array(Int64.self) == [2, 2])
  }

  @Test func textsMatchAsAWhole() throws {
    let node = OperatorHarness(
      name: "RegexFullMatch",
      attributes: [Attribute("pattern", .string(Array(#"\w+\.\bcom\b"#.utf8)))])
    let result = try node.run([texts(["a1.com", "a.com!", "ä.com"])])[0]
    #expect(result.array(Truth.self) == [Truth(true), Truth(false), Truth(false)])
    let broken = OperatorHarness(
      name: "RegexFullMatch", attributes: [Attribute("pattern", .string(Array("(".utf8)))])
    #expect(throws: KernelProblem.self) { _ = try broken.run([texts(["a"])]) }
  }

  @Test func pairsAreCountedWithItemsSkipped() throws {
    let node = OperatorHarness(
      name: "TfIdfVectorizer",
      attributes: [
        Attribute("mode", .string(Array("TFIDF".utf8))), Attribute("min_gram_length", .int(1)),
        Attribute("max_gram_length", .int(2)), Attribute("max_skip_count", .int(1)),
        Attribute("ngram_counts", .ints([0, 1])), Attribute("ngram_indexes", .ints([2, 0])),
        Attribute("pool_int64s", .ints([5, 5, 6])), Attribute("weights", .floats([1, 3])),
      ])
    let result = try node.run([Tensor([2, 4], [Int64(5), 6, 5, 7, 5, 5, 6, 6])])[0]
    #expect(result.array(Float.self) == [3, 0, 2, 9, 0, 2])
  }
}
