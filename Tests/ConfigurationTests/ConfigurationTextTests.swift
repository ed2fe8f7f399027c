import Support
import Testing

@testable import Configuration

@Suite struct ConfigurationTextTests {
  private func value(_ text: String, _ section: String, _ key: String) throws -> String? {
    try ConfigurationParser.parse(bytes: Array(text.utf8), fileName: "a.cfg")
      .value(section: section, key: key)?.text
  }

  @Test(arguments: ["\n", "\r\n", "\r"])
  func everyLineEndIsUnderstood(end: String) throws {
    let text = ["[common_quant_param]", "", "quant_type=WEIGHT_QUANT", "bit_num=4"]
      .joined(separator: end)
    let configuration = try quantization(of: text)
    #expect(configuration.bitNum == 4)
    #expect(configuration.location(section: "common_quant_param", key: "bit_num")?.line == 4)
  }

  @Test func aByteOrderMarkIsDroppedAndDoesNotMoveColumns() throws {
    let parsed = try ConfigurationParser.parse(
      bytes: [0xEF, 0xBB, 0xBF] + Array("[common_quant_param]\nbit_num=4".utf8), fileName: "a.cfg")
    #expect(parsed.value(section: "common_quant_param", key: "bit_num") == .integer(4))
    let bad = problems(of: [0xEF, 0xBB, 0xBF] + Array("[nowhere]".utf8))
    #expect(bad.first?.location?.column == 2)
  }

  @Test func indentedTabbedAndCommentedLinesAreRead() throws {
    let text = """
      \t[ common_quant_param ]  ; section
        # indented comment
        ; another
      \tquant_type\t=\tweight_quant ; wanted
        bit_num = 6# six
        enable_encode=TRUE;yes
      """
    let configuration = try quantization(of: text)
    #expect(configuration.quantType == .weightQuant)
    #expect(configuration.bitNum == 6)
    #expect(configuration.isExplicit(section: "common_quant_param", key: "enable_encode"))
  }

  @Test(arguments: [
    ("/data/a#b/c;d", "/data/a#b/c;d"), ("/data/x # the place", "/data/x"),
    ("/data/x ; the place", "/data/x"), ("\"/data/x # y\" ; z", "/data/x # y"),
    ("'  /blank '", "  /blank "), ("/a=b=c", "/a=b=c"), ("/it's", "/it's"),
    ("\"it's\"", "it's"), ("/\u{4E2D}\u{6587} \u{1F600}", "/\u{4E2D}\u{6587} \u{1F600}"),
    ("/a\\b", "/a\\b"), ("[x]", "[x]"),
  ])
  func pathsKeepTheirCharacters(written: String, read: String) throws {
    let text = "[common_quant_param]\ndebug_info_save_path=\(written)\n"
    #expect(try value(text, "common_quant_param", "debug_info_save_path") == read)
  }

  @Test func longValuesPassBeyondTheLibrarysLimit() throws {
    let names = (0..<5000).map { "layer_\($0)/Conv;\($0)#x" }
    let configuration = try quantization(
      of: weightHeader + "skip_quant_node=\(names.joined(separator: ", ")) # many\n")
    #expect(configuration.skipQuantNode.map(\.pattern.pattern) == names)
    let last = try #require(configuration.skipQuantNode.last)
    #expect(last.location.line == 3)
    #expect(
      last.location.column == 17 + names.joined(separator: ", ").utf8.count
        - last.pattern.pattern.utf8.count)
  }

  @Test(arguments: [890, 899, 900, 901, 1000, 1021, 1022, 1023, 1024, 2047, 2048, 100_000])
  func valuesOfAnyLengthAreKept(length: Int) throws {
    let path = "/" + String(repeating: "p", count: length)
    let text = "[common_quant_param]\ndebug_info_save_path=\(path)\nworkspace=/w\n"
    #expect(try value(text, "common_quant_param", "debug_info_save_path") == path)
    #expect(try value(text, "common_quant_param", "workspace") == "/w")
  }

  @Test func aBackslashJoinsLinesAndPlacesStayRight() throws {
    let text = weightHeader + "skip_quant_node=conv1, \\\n  conv2,\\\n\tconv3\nbit_num=99\n"
    let found = problems(of: text)
    #expect(found.map(\.code) == [.valueOutOfRange])
    #expect(found.first?.location?.line == 6)
    let skipped = try quantization(of: text.replacing("99", with: "9")).skipQuantNode
    #expect(skipped.map(\.pattern.pattern) == ["conv1", "conv2", "conv3"])
    #expect(skipped.map { $0.location.line } == [3, 4, 5])
    #expect(skipped.map { $0.location.column } == [17, 3, 2])
    #expect(skipped.last?.location.lineText == "\tconv3")
  }

  @Test func aBackslashBehindACommentJoinsNothing() throws {
    let text = weightHeader + "# C:\\models\\\nbit_num=5\n"
    #expect(try quantization(of: text).bitNum == 5)
  }

  @Test func sectionsMayBeGivenInParts() throws {
    let text =
      weightHeader + "[weight_quant_param]\nper_channel=false\n[common_quant_param]\nbit_num=3\n"
    #expect(try quantization(of: text).bitNum == 3)
  }

  @Test func hugeListsAreReadInLinearTime() throws {
    let clock = ContinuousClock()
    let oneLine = String(repeating: "a,", count: 40_000)
    let manyLines = String(repeating: "a,\\\n", count: 40_000) + "b"
    let elapsed = try clock.measure {
      for list in [oneLine, manyLines] {
        let configuration = try quantization(of: weightHeader + "skip_quant_node=\(list)\n")
        #expect(configuration.skipQuantNode.count >= 40_000)
      }
    }
    #expect(elapsed < .seconds(30))
  }

  @Test func tooLongListsAreRefused() {
    let list = String(repeating: "a,", count: 100_001)
    let found = problems(of: weightHeader + "skip_quant_node=\(list)\n")
    #expect(found.map(\.code) == [.valueOutOfRange])
  }

  @Test func textThatIsNotUTF8IsRefused() {
    let latin = problems(of: Array("[common_quant_param]\n# caf".utf8) + [0xE9, 10])
    #expect(latin.map(\.code) == [.configSyntax])
    #expect(latin.first?.location?.line == 2)
    #expect(latin.first?.location?.column == 6)
    #expect(problems(of: [0xFF, 0xFE, 0x5B, 0]).first?.message == "the file is UTF-16 text")
  }
}

@Suite struct FileReadingTests {
  @Test func unreadableFilesAreReportedWithTheirReason() throws {
    let folder = try TemporaryDirectory()
    let large = try folder.write("large.cfg", [UInt8](repeating: 35, count: (4 << 20) + 1))
    for (path, words) in [
      ("\(folder.path)/none.cfg", "No such file"), (folder.path, "it is a directory"),
      (large, "larger than 4 MB"), ("/dev/zero", "larger than 4 MB"), ("", "No such file"),
    ] {
      let failure = try #require(
        failure { () throws(Failure) in
          try ConfigurationParser.load(path: path)
        })
      #expect(failure.diagnostics.map(\.code) == [.configUnreadable])
      #expect(failure.diagnostics[0].message.contains(words))
      #expect(failure.exitStatus == .noInput)
    }
  }

  @Test func aFileIsReadUnderItsName() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write("quant.cfg", weightHeader + "bit_num=2\n")
    let parsed = try ConfigurationParser.load(path: path)
    #expect(parsed.fileName == path)
    #expect(parsed.location(section: "common_quant_param", key: "bit_num")?.file == path)
  }
}
