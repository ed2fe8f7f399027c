import ModelGraph
import Support
import Testing

@testable import Inference

@Suite struct EinsumTests {
  private static let cases: [(equation: String, shapes: [[Int]])] = [
    ("ij,jk->ik", [[3, 4], [4, 5]]), ("ij,jk", [[3, 4], [4, 5]]), ("ii->i", [[4, 4]]),
    ("ii", [[4, 4]]), ("ijk->kij", [[2, 3, 4]]), ("ij->", [[3, 4]]), ("i,j->ji", [[3], [4]]),
    ("bhid,bhjd->bhij", [[2, 3, 4, 5], [2, 3, 6, 5]]),
    ("ab,bc,cd->ad", [[2, 3], [3, 4], [4, 5]]),
    ("ij,jk->ik", [[3, 1], [4, 5]]), ("ij,jk->ik", [[3, 0], [0, 5]]),
    ("iij,jkk->ik", [[3, 3, 4], [4, 5, 5]]), ("ab,ab,b->", [[3, 4], [3, 4], [4]]),
    ("bihd,bjhd->bhij", [[2, 3, 4, 5], [2, 6, 4, 5]]), (",ab->ba", [[], [2, 3]]),
  ]

  @Test(arguments: 0..<EinsumTests.cases.count)
  func equationsSumOverAllLabels(_ index: Int) throws {
    let (equation, shapes) = Self.cases[index]
    var generator = SeededGenerator(seed: UInt64(index))
    let values = shapes.map { generator.floats($0.reduce(1, *)) }
    let result = try run(equation, zip(shapes, values).map { Tensor($0, $1) })
    let (shape, sums) = reference(equation, shapes, values)
    #expect(result.shape == shape)
    for (value, sum) in zip(result.array(Float.self), sums) {
      #expect(abs(Double(value) - sum) < 1e-4, "\(equation)")
    }
  }

  @Test func theEllipsisStandsForBroadcastAxes() throws {
    var generator = SeededGenerator(seed: 8)
    let (a, b) = (generator.floats(24), generator.floats(40))
    let result = try run("...ij,...jk->...ik", [Tensor([2, 1, 3, 4], a), Tensor([2, 4, 5], b)])
    let named = try run("aij,bjk->abik", [Tensor([2, 3, 4], a), Tensor([2, 4, 5], b)])
    #expect(result.shape == [2, 2, 3, 5])
    #expect(result.array(Float.self) == named.array(Float.self))
  }

  @Test func integersWrap() throws {
    let result = try run("i,i->", [Tensor([2], [Int8(100), 1]), Tensor([2], [Int8(2), 1])])
    #expect(result.array(Int8.self) == [-55])
  }

  @Test(arguments: [
    ("ij,jk->il", [[2, 3], [3, 4]]), ("ij->ii", [[2, 3]]), ("ij", [[2]]), ("i.j->", [[2, 3]]),
    ("ij,jk->ik", [[2, 3], [4, 5]]), ("i,j", [[2]]), ("...i->i", [[2, 3]]), ("ii", [[2, 3]]),
  ])
  func whatIsNoEquationIsRefused(_ equation: String, _ shapes: [[Int]]) {
    #expect(throws: KernelProblem.self) {
      try run(
        equation, shapes.map { Tensor($0, [Float](repeating: 0, count: $0.reduce(1, *))) })
    }
  }

  private func run(_ equation: String, _ operands: [Tensor]) throws -> Tensor {
    let attribute = Attribute("equation", .string(Array(equation.utf8)))
    return try OperatorHarness(name: "Einsum", attributes: [attribute]).run(operands)[0]
  }

  /// Goes through all values of all labels.
  private func reference(
    _ equation: String, _ shapes: [[Int]], _ values: [[Float]]
  ) -> (shape: [Int], sums: [Double]) {
    let sides = equation.split(separator: "-").map { $0.filter { $0 != ">" } }
    let operands = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
    let letters = Set(operands.joined()).sorted()
    let once = letters.filter { letter in operands.joined().count { $0 == letter } == 1 }
    let wanted =
      equation.contains("->") ? (sides.count > 1 ? Array(sides[1]) : []) : once
    var extents: [Character: Int] = [:]
    for (operand, shape) in zip(operands, shapes) {
      for (letter, extent) in zip(operand, shape) {
        extents[letter] = extents[letter].map { $0 == 1 ? extent : $0 } ?? extent
      }
    }
    let shape = wanted.map { extents[$0] ?? 1 }
    var sums = [Double](repeating: 0, count: shape.reduce(1, *))
    let all = letters.map { extents[$0] ?? 1 }
    for number in 0..<all.reduce(1, *) {
      var rest = number
      var place: [Character: Int] = [:]
      for (letter, extent) in zip(letters, all) {
        place[letter] = rest % extent
        rest /= extent
      }
      var product = 1.0
      for (operand, (shape, values)) in zip(operands, zip(shapes, values)) {
        let index = zip(operand, shape).reduce(0) {
          $0 * $1.1 + ($1.1 == 1 ? 0 : place[$1.0] ?? 0)
        }
        product *= Double(values[index])
      }
      sums[zip(wanted, shape).reduce(0) { $0 * $1.1 + (place[$1.0] ?? 0) }] += product
    }
    return (shape, sums)
  }
}
