import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct SortingTests {
  @Test(arguments: 0..<60)
  func greatestElementsEqualASortedList(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let count = [1, 5, 300, 2000].randomElement(using: &generator) ?? 1
    let k = Int.random(in: 0...count, using: &generator) / (seed % 3 * 10 + 1)
    let values = (0..<count).map { _ in Float.random(in: -99...99, using: &generator).rounded() }
    let node = OperatorHarness(
      name: "TopK", attributes: [Attribute("largest", .int(Int64(seed % 2)))], outputCount: 2)
    let results = try node.run([Tensor([count], values), Tensor([1], [Int64(k)])])
    let order = values.indices.sorted { left, right in
      let (a, b) = (values[left], values[right])
      return a == b ? left < right : seed % 2 == 1 ? a > b : a < b
    }
    #expect(results[1].array(Int64.self) == order.prefix(k).map { Int64($0) }, "seed \(seed)")
    #expect(results[0].array(Float.self) == order.prefix(k).map { values[$0] }, "seed \(seed)")
  }

  @Test func keysOrderNumbers() {
    let floats: [Float] = [-.infinity, -3, -0.5, -1e-40, 0, 1e-40, 2, .infinity, .nan]
    #expect(floats.map(\.orderKey) == floats.map(\.orderKey).sorted())
    #expect(Float(-0.0).orderKey == Float(0).orderKey)
    let doubles = floats.map { Double($0) }
    #expect(doubles.map(\.orderKey) == doubles.map(\.orderKey).sorted())
    let numbers: [Int64] = [.min, -2, 0, 1, .max]
    #expect(numbers.map(\.orderKey) == numbers.map(\.orderKey).sorted())
    let bytes: [Int8] = [.min, -2, 0, 1, .max]
    #expect(bytes.map(\.orderKey) == bytes.map(\.orderKey).sorted())
  }

  @Test func slicesThatAreEqualAreOne() throws {
    let tensor = Tensor([4, 2], [Float(2), 1, 0, 5, 2, 1, 0, 4])
    let node = OperatorHarness(
      name: "Unique", attributes: [Attribute("axis", .int(0))], outputCount: 4)
    let results = try node.run([tensor])
    #expect(results[0].array(Float.self) == [0, 4, 0, 5, 2, 1])
    #expect(results[1...].map { $0.array(Int64.self) } == [[3, 1, 0], [2, 1, 2, 0], [1, 1, 2]])
  }
}
