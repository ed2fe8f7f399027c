import ModelGraph
import Testing

@testable import Inference

/// NonMaxSuppression.
@Suite struct DetectionTests {
  private func suppress(
    _ boxes: [Float], _ scores: [Float], limit: Int64 = 100, overlap: Float = 0.5,
    threshold: Float? = nil, centered: Bool = false
  ) throws -> [Int64] {
    let operation = OperatorHarness(
      name: "NonMaxSuppression",
      attributes: [Attribute("center_point_box", .int(centered ? 1 : 0))], version: 11)
    return try operation.run([
      Tensor([1, boxes.count / 4, 4], boxes), Tensor([1, 1, scores.count], scores),
      Tensor([1], [limit]), Tensor([1], [overlap]), threshold.map { Tensor([1], [$0]) },
    ])[0].array(Int64.self)
  }

  @Test func overlappingBoxesGo() throws {
    let boxes: [Float] = [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6, 1, 1, 0, 0]
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9]) == [0, 0, 1, 0, 0, 2])
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], limit: 1) == [0, 0, 1])
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], threshold: 0.8) == [0, 0, 1])
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], overlap: 1).count == 12)
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], limit: 0).isEmpty)
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], limit: -5).isEmpty)
  }

  @Test func numbersThatAreNoneAreHarmless() throws {
    let boxes: [Float] = [.nan, 0, 1, 1, -.infinity, 0, .infinity, 1, 0, 0, 1, 1]
    #expect(try suppress(boxes, [.nan, 0.5, .infinity]).prefix(3) == [0, 0, 2])
    #expect(try suppress([], []).isEmpty)
  }

  @Test func unfitInputsAreTold() {
    #expect(throws: KernelProblem.self) { try suppress([0, 0, 1, 1], [0.1, 0.2]) }
    #expect(throws: KernelProblem.self) { try suppress([0, 0, 1, 1], [0.1], overlap: 1.5) }
    #expect(throws: KernelProblem.self) { try suppress([0, 0, 1, 1], [0.1], overlap: .nan) }
  }
}
