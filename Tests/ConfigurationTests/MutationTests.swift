import Support
import Testing

@testable import Configuration

@Suite struct MutationTests {
  private let seed: UInt64 = 0x5EED_0001
  private let example = """
    [common_quant_param]
    quant_type=WEIGHT_QUANT # kind
    bit_num=4
    skip_quant_node="a,b",c*;d, \\
      e
    [weight_quant_param]
    per_channel = True
    [data_preprocess_param]
    calibrate_path=x:'/tmp',y:0:/data
    normalize_mean=[1.5, 2]
    [ascend_context]
    input_shape=x:[-1,3];y:[1]
    [converter_param]
    fmk=ONNX
    inputShape=x:1,3

    """

  @Test func noTextTrapsAndTheLibraryAgreesWithTheScan() throws {
    print("mutation seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let original = Array(example.utf8)
    let alphabet = Array("[]=#;\\\"',: \t\r\nab0-.@_\u{E9}".utf8) + [0, 0xFF]
    var refused = 0
    for _ in 0..<500 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        mutate(&bytes, alphabet, using: &generator)
      }
      let found = problems(of: bytes)
      if ProblemList.hasError(found) { refused += 1 }
      for diagnostic in found { #expect(!DiagnosticRenderer.render(diagnostic).isEmpty) }
      let configuration = try? quantization(of: String(decoding: bytes, as: UTF8.self))
      #expect(configuration?.effectiveLines.isEmpty != true)
      let options = failure { () throws(Failure) in
        try ConverterOptions(
          commandLine: [:],
          file: ConfigurationParser.parse(bytes: bytes, fileName: "quant.cfg"))
      }
      #expect(options != nil)
      try compareWithScan(bytes)
    }
    #expect((1..<500).contains(refused))
  }

  private func compareWithScan(_ bytes: [UInt8]) throws {
    guard let text = try? ConfigurationText(bytes: bytes, fileName: "quant.cfg") else { return }
    let assignments = StatementScanner(text).assignments
    let values = try IniLibrary.readValues(of: assignments, in: text)
    let agrees = values == assignments.map(\.value)
    #expect(agrees, "\(String(decoding: bytes, as: UTF8.self).prefix(2000))")
  }

  private func mutate(
    _ bytes: inout [UInt8], _ alphabet: [UInt8], using generator: inout SeededGenerator
  ) {
    let place = Int.random(in: 0...bytes.count, using: &generator)
    switch Int.random(in: 0..<30, using: &generator) {
    case 0..<8 where place < bytes.count: bytes.remove(at: place)
    case 8..<16 where place < bytes.count:
      bytes[place] = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
    case 16..<18:
      let end = Int.random(in: place...min(place + 120, bytes.count), using: &generator)
      bytes += bytes[place..<end]
    case 18:
      let count = Int.random(in: 800...1200, using: &generator)
      bytes.insert(contentsOf: [UInt8](repeating: 0x61, count: count), at: place)
    default:
      bytes.insert(alphabet[Int.random(in: 0..<alphabet.count, using: &generator)], at: place)
    }
  }
}
