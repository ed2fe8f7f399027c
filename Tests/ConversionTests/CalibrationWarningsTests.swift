import ModelGraph
import Quantization
import Support
import Testing

@testable import Conversion

@Suite struct CalibrationWarningsTests {
  private static func warnings(
    _ type: String, _ ranges: [(Float, Float)], outside: Double? = nil
  ) -> [Diagnostic] {
    let graph = Graph()
    let inputs = ranges.indices.map { Value(name: "v\($0)") }
    graph.nodes = [Node(operatorType: type, inputs: inputs, outputs: [Value(name: "y")])]
    var facts: [String: ActivationFacts] = [:]
    for (value, range) in zip(inputs, ranges) {
      facts[value.name] = ActivationFacts(lower: range.0, upper: range.1)
      facts[value.name]?.outsideShare = outside
    }
    return CalibrationWarnings(graph: graph, facts: facts).diagnostics
  }

  @Test func unevenInputsOfASumOrConcatAreTold() throws {
    for type in ["Add", "Concat"] {
      let found = Self.warnings(type, [(0, 1), (-8, 8)])
      #expect(found.map(\.code) == [.unevenRanges])
      #expect(try #require(found.first?.notes.first).contains("'v0' spans 1, 'v1' 16"))
      #expect(found.first?.severity == .warning)
      #expect(Self.warnings(type, [(0, 1), (-8, 7.9)]).isEmpty)
    }
    #expect(Self.warnings("Mul", [(0, 1), (-8, 8)]).isEmpty)
    #expect(Self.warnings("Add", [(0, 0), (-8, 8)]).isEmpty)
  }

  @Test func rangesThatCutMuchAreTold() {
    #expect(Self.warnings("Relu", [(0, 1)], outside: 0.011).map(\.code) == [.rangeCutsMuch])
    #expect(Self.warnings("Relu", [(0, 1)], outside: 0.01).isEmpty)
  }

  @Test func aLongListIsCut() {
    let ranges = [(Float, Float)](repeating: (0, 1), count: 9)
    let found = Self.warnings("Relu", ranges, outside: 0.5)
    #expect(found.first?.notes.count == 6)
    #expect(found.first?.notes.last == "and 4 more")
  }
}
