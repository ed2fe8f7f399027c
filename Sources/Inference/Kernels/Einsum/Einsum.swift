import ModelGraph

extension Families {
  /// Einsum.
  static let einsum = [
    OperatorDefinition(
      "Einsum", types: "float32, float64, float16, integers",
      tensors: { settings in
        guard let text = try settings.string("equation") else {
          throw KernelProblem("the equation is missing")
        }
        let equation = try EinsumEquation(text)
        return wideningHalves { call in
          [try EinsumRun.result(of: equation, call.tensors(), call.context)]
        }
      })
  ]
}

/// A letter of an equation, or an axis that the ellipsis stands for, counted from the last.
enum EinsumLabel: Hashable, Sendable {
  case letter(UInt8)
  case broadcast(Int)
}

/// `ij,jk->ik`: which axes of the operands are the same, and which of them the result has.
struct EinsumEquation: Sendable {
  /// A side's letters; nil where the ellipsis stands.
  typealias Term = [UInt8?]

  /// The operands' axes.
  let operands: [Term]
  /// The result's axes; nil where the equation doesn't say.
  private let explicitResult: Term?

  /// Reads the text.
  ///
  /// - Throws: anything that isn't an equation.
  init(_ text: String) throws {
    let bytes = Array(text.utf8.filter { $0 != UInt8(ascii: " ") })
    let arrow = zip(bytes, bytes.dropFirst()).enumerated().first {
      $0.element == (UInt8(ascii: "-"), UInt8(ascii: ">"))
    }?.offset
    let left = bytes[..<(arrow ?? bytes.count)]
    operands = try left.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      .map(Self.term)
    explicitResult = try arrow.map { try Self.term(bytes[($0 + 2)...]) }
    if let explicitResult {
      let known = Set(operands.joined())
      guard Set(explicitResult).count == explicitResult.count,
        explicitResult.allSatisfy({ $0 == nil || known.contains($0) })
      else {
        throw KernelProblem(
          "the equation '\(text)' names an axis of its result twice or nowhere else")
      }
    }
  }

  private static func term(_ text: ArraySlice<UInt8>) throws -> Term {
    var term: Term = []
    var rest = text
    while let next = rest.popFirst() {
      switch next {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
        term.append(next)
      case UInt8(ascii: ".")
      where rest.prefix(2).elementsEqual([next, next]) && !term.contains(nil):
        rest.removeFirst(2)
        term.append(nil)
      default:
        throw KernelProblem("'\(String(decoding: text, as: UTF8.self))' is not part of an equation")
      }
    }
    return term
  }

  /// The labels of each operand's axes.
  func labels(of shapes: [[Int]]) throws -> [[EinsumLabel]] {
    guard shapes.count == operands.count else {
      throw KernelProblem("the equation has \(operands.count) operands, \(shapes.count) are given")
    }
    return try zip(operands, shapes).map { term, shape in
      let named = term.count(where: { $0 != nil })
      let missing = shape.count - named
      guard missing == 0 || missing > 0 && term.contains(nil) else {
        throw KernelProblem("an operand \(shape) does not have the \(named) axes of the equation")
      }
      return Self.expanded(term, broadcast: missing)
    }
  }

  private static func expanded(_ term: Term, broadcast: Int) -> [EinsumLabel] {
    term.flatMap { letter -> [EinsumLabel] in
      letter.map { [.letter($0)] } ?? (0..<broadcast).reversed().map { .broadcast($0) }
    }
  }

  /// The labels of the result's axes: by default the ellipsis and then all letters that occur once,
  /// in alphabetic order.
  func resultLabels(_ operands: [[EinsumLabel]]) throws -> [EinsumLabel] {
    var broadcast = 0
    var uses: [UInt8: Int] = [:]
    for label in operands.joined() {
      switch label {
      case .broadcast(let index): broadcast = max(broadcast, index + 1)
      case .letter(let letter): uses[letter, default: 0] += 1
      }
    }
    if let explicitResult {
      guard broadcast == 0 || explicitResult.contains(nil) else {
        throw KernelProblem("the result lacks the axes of the ellipsis")
      }
      return Self.expanded(explicitResult, broadcast: broadcast)
    }
    let once = uses.filter { $0.value == 1 }.keys.sorted()
    return Self.expanded([nil] + once, broadcast: broadcast)
  }
}
