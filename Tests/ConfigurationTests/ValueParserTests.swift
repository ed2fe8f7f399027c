import Testing

@testable import Configuration

@Suite struct ValueParserTests {
  private func parse(_ text: String, _ type: ValueType) throws -> ConfigurationValue {
    try ValueParser.parse(text, as: type)
  }

  @Test func listsAreTrimmedAndMayBeQuoted() throws {
    let value = try parse(#" a ,, "b,c" ,'d', e f ,"#, .textList)
    guard case .textList(let elements) = value else { return #expect(Bool(false)) }
    #expect(elements.map(\.text) == ["a", "b,c", "d", "e f"])
    #expect(elements.map(\.range.lowerBound) == [1, 7, 14, 18])
  }

  @Test func theLastColonSeparatesInputFromDirectory() throws {
    let value = try parse(#"input:0:/data, b : rel/x ,c:'C:\x,y'"#, .directories)
    guard case .directories(let pairs) = value else { return #expect(Bool(false)) }
    #expect(pairs.map(\.input) == ["input:0", "b", "c"])
    #expect(pairs.map(\.path) == ["/data", "rel/x", #"C:\x,y"#])
    #expect(value.text == #"input:0:/data,b:rel/x,c:C:\x,y"#)
  }

  @Test func vectorsMayHaveBlanksAnywhere() throws {
    #expect(try parse("[ 127.5 ,1e-3,\t-2 ]", .vector) == .vector([127.5, 0.001, -2]))
    #expect(try parse("[0]", .vector).text == "[0]")
  }

  @Test(arguments: ["[]", "1,2", "[1,2", "[1;2]", "[1,inf]", "[0x10]", "[,]", "[1 2]"])
  func malformedVectorsAreRefused(text: String) {
    #expect(throws: ValueProblem.self) { try parse(text, .vector) }
  }

  @Test func wordsAndBooleansIgnoreCase() throws {
    let type = ValueType.words(
      of: ActivationQuantMethod.self, aliases: ["REMOVAL_OUTLIER": ["RemovalOutlier"]])
    #expect(try parse("RemovalOutlier", type) == .word("REMOVAL_OUTLIER"))
    #expect(try parse("removal_outlier", type) == .word("REMOVAL_OUTLIER"))
    #expect(try parse("kL", type) == .word("KL"))
    #expect(try parse("TRUE", .boolean) == .boolean(true))
  }

  @Test func realRangesMayExcludeTheirEnds() throws {
    let open = ValueType.real(.init(lower: 0, upper: 1, includesEnds: false))
    let closed = ValueType.real(.init(lower: 0, upper: 1, includesEnds: true))
    #expect(try parse("0.02", open) == .real(0.02))
    #expect(throws: ValueProblem.self) { try parse("1", open) }
    #expect(try parse("1", closed) == .real(1))
  }

  @Test func shapesAreChecked() throws {
    #expect(throws: Never.self) { try parse("x:1,3,224;y:0:2, 5", .shapes(.plain)) }
    #expect(throws: Never.self) { try parse("x:[-1,32];y:[1]", .shapes(.bracketed)) }
    for text in ["x", "x:", ":1", "x:1,,2", "x:-1", "x:[1]"] {
      #expect(throws: ValueProblem.self) { try parse(text, .shapes(.plain)) }
    }
    for text in ["x:1,2", "x:[-2]", "x:[]", "x:["] {
      #expect(throws: ValueProblem.self) { try parse(text, .shapes(.bracketed)) }
    }
  }
}
