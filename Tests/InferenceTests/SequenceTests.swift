import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct SequenceTests {
  private let tensors = (0..<3).map { Tensor([2], [Float($0), Float($0) + 0.5]) }

  private func sequence(_ values: [RunValue?]) throws -> [[Float]] {
    guard case .sequence(let tensors, _)? = values.first ?? nil else { return [] }
    return tensors.map { $0.array(Float.self) }
  }

  @Test func sequencesAreBuiltAndTakenApart() throws {
    let whole = try OperatorHarness(name: "SequenceConstruct").run(tensors: tensors)
    let inserted = try OperatorHarness(name: "SequenceInsert").runValues([
      whole, .tensor(Tensor([1], [Float(9)])), .tensor(Tensor([], [Int64(-3)])),
    ])
    #expect(try sequence(inserted) == [[9], [0, 0.5], [1, 1.5], [2, 2.5]])
    let erased = try OperatorHarness(name: "SequenceErase").runValues(inserted)
    #expect(try sequence(erased) == [[9], [0, 0.5], [1, 1.5]])
    let length = try OperatorHarness(name: "SequenceLength").runValues(erased)
    #expect(length[0]?.tensor?.array(Int64.self) == [3])
    let last = try OperatorHarness(name: "SequenceAt").runValues(
      erased + [.tensor(Tensor([], [Int64(-1)]))])
    #expect(last[0]?.tensor?.array(Float.self) == [1, 1.5])
    let stacked = try OperatorHarness(
      name: "ConcatFromSequence",
      attributes: [Attribute("axis", .int(-1)), Attribute("new_axis", .int(1))]
    ).runValues([whole])
    #expect(stacked[0]?.tensor?.shape == [2, 3])
    #expect(stacked[0]?.tensor?.array(Float.self) == [0, 1, 2, 0.5, 1.5, 2.5])
  }

  @Test func positionsOutsideAreRefused() throws {
    let whole = try OperatorHarness(name: "SequenceConstruct").run(tensors: tensors)
    for position in [3, -4, Int64.min, .max] {
      let at: RunValue = .tensor(Tensor([], [position]))
      #expect(throws: KernelProblem.self) {
        _ = try OperatorHarness(name: "SequenceAt").runValues([whole, at])
      }
    }
    #expect(throws: KernelProblem.self) {
      _ = try OperatorHarness(name: "SequenceErase").runValues([.sequence([], of: .float32)])
    }
    let other: RunValue = .tensor(Tensor([1], [Int64(1)]))
    #expect(throws: KernelProblem.self) {
      _ = try OperatorHarness(name: "SequenceInsert").runValues([whole, other])
    }
  }

  @Test func optionalsHoldSomethingOrNothing() throws {
    let has = OperatorHarness(name: "OptionalHasElement")
    #expect(try has.runValues([.nothing])[0]?.tensor?.array(Truth.self) == [Truth(false)])
    #expect(try has.runValues([])[0]?.tensor?.array(Truth.self) == [Truth(false)])
    #expect(
      try has.runValues([.sequence([], of: .float32)])[0]?.tensor?.array(Truth.self)
        == [Truth(true)])
    #expect(throws: KernelProblem.self) {
      _ = try OperatorHarness(name: "OptionalGetElement").runValues([.nothing])
    }
  }
}

extension OperatorHarness {
  fileprivate func run(tensors: [Tensor]) throws -> RunValue? {
    try runValues(tensors.map { .tensor($0) })[0]
  }
}
