import Foundation
import Testing

/// `gsconvert run`.
@Suite struct RunTests {
  /// A folder with the model and files for its inputs.
  private static func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder(model: Fixtures.model("two_images"))
    try folder.write("image.npy", npy([1, 2, 3, 4], ramp(24)))
    try folder.write("image.bin", ramp(24).flatMap(bytes))
    try folder.write("places.npy", npy([1, 3, 4, 2], ramp(24).map { $0 / 12 - 1 }))
    return folder
  }

  private static let fed = ["--input", "image=image.npy", "--input", "places=places.npy"]

  private static func ramp(_ count: Int) -> [Float] { (0..<count).map { Float($0) } }

  private static func bytes(_ value: Float) -> [UInt8] {
    withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
  }

  /// A file as numpy.save writes it.
  private static func npy(_ shape: [Int], _ values: [Float], type: String = "<f4") -> [UInt8] {
    let extents = shape.map(String.init).joined(separator: ", ")
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(extents),), }"
    text += String(repeating: " ", count: 117 - text.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8)
      + values.flatMap(bytes)
  }

  /// Everything after a version 1 header.
  private static func values(_ file: [UInt8]) -> [Float] {
    let start = 10 + Int(file[8]) + Int(file[9]) << 8
    return stride(from: start, to: file.count, by: 4).map { place in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(file[place + $1]) << (8 * $1) })
    }
  }

  @Test func outputsAreWritten() throws {
    let folder = try Self.folder()
    let outcome = try Program.run(
      ["run", "model.onnx"] + Self.fed + ["--outputDir", "out", "--repeat=2"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    try Snapshot.check(outcome.output, "run")
    #expect(
      try folder.files().filter { $0.hasPrefix("out/") }
        == ["out/block_sampled_0.npy", "out/flat.npy"])
    let flat = Self.values(try folder.bytes("out/flat.npy"))
    #expect(flat.count == 1 * 2 * 3 * 8)
    #expect(flat.prefix(3) == [0, 0.25, 0.75])
  }

  @Test func innerValuesAreWrittenOnDemand() throws {
    let folder = try Self.folder()
    let outcome = try Program.run(
      ["run", "model.onnx"] + Self.fed
        + ["--outputDir=out", "--dump=block/*", "--dump", "image", "--threads=1"], in: folder)
    #expect(outcome.status == 0)
    try Snapshot.check(outcome.output, "run-dump")
    #expect(try folder.bytes("out/image.npy").suffix(96) == folder.bytes("image.npy").suffix(96))
    #expect(try folder.files().contains("out/block_enlarged_0.npy"))
    let nothing = try Program.run(
      ["run", "model.onnx"] + Self.fed + ["--outputDir=out", "--dump=none*"], in: folder)
    #expect(nothing.status == 64)
    #expect(nothing.error.contains("no value of the model matches 'none*'"))
  }

  @Test func rangesOfActivationsAreWritten() throws {
    let folder = try Self.folder()
    let outcome = try Program.run(
      ["run", "model.onnx"] + Self.fed + ["--ranges=ranges.csv", "--outputDir=out"], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("ranges     -> ranges.csv\n"))
    let table = String(decoding: try folder.bytes("ranges.csv"), as: UTF8.self)
    let rows = table.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
    #expect(
      rows[0] == ["TensorName", "Dims", "Min", "Max", "Mean", "ZeroShare", "NotFinite"])
    #expect(rows.contains(["image", "1 2 3 4", "0", "23", "11.5", "0.0416667", "0"]))
    let flat = Self.values(try folder.bytes("out/flat.npy"))
    let row = try #require(rows.first { $0[0] == "flat" })
    #expect(row[1] == "1 2 3 8")
    #expect(Float(row[2]) == flat.min())
    #expect(Float(row[3]) == flat.max())
    let mean = flat.map(Double.init).reduce(0, +) / Double(flat.count)
    #expect(abs(try #require(Double(row[4])) - mean) < 1e-6)
  }

  @Test func manySamplesGiveTheSameResults() throws {
    let folder = try Self.folder()
    for (name, flags) in [("a", []), ("b", ["--samples=5", "--workers=2", "--threads=1"])] {
      let outcome = try Program.run(
        ["run", "model.onnx"] + Self.fed + flags + ["--outputDir=\(name)"], in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
    }
    #expect(try folder.bytes("a/flat.npy") == folder.bytes("b/flat.npy"))
  }

  @Test func rawBytesGiveTheSameAsNumPyFiles() throws {
    let folder = try Self.folder()
    _ = try Program.run(["run", "model.onnx"] + Self.fed + ["--outputDir=a"], in: folder)
    let outcome = try Program.run(
      [
        "run", "model.onnx", "--input=image=image.bin", "--input=places=places.npy",
        "--inputShape=image:1,2,3,4", "--outputDir=b/c",
      ], in: folder)
    #expect(outcome.status == 0)
    #expect(try folder.bytes("a/flat.npy") == folder.bytes("b/c/flat.npy"))
  }

  @Test func factsAreAvailableAsJSON() throws {
    let folder = try Self.folder()
    let outcome = try Program.run(
      ["run", "model.onnx", "--logFormat=json"] + Self.fed, in: folder)
    let object = try JSON.object(outcome.output)
    #expect(object["result"] as? String == "SUCCESS")
    let outputs = try #require(object["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["name"] as? String } == ["flat", "block/sampled:0"])
    #expect(outputs.first?["shape"] as? [Int] == [1, 2, 3, 8])
    #expect(object["runs"] as? Int == 1)
  }

  @Test func missingInputsAreNamedWithTheirTypes() throws {
    let outcome = try Program.run(["run", "model.onnx"], in: Self.folder())
    #expect(outcome.status == 65)
    try Snapshot.check(outcome.error, "run-inputs-missing")
  }

  @Test func unfitInputsAreToldAtOnce() throws {
    let folder = try Self.folder()
    try folder.write(
      "double.npy", Self.npy([1, 3, 4, 2], [], type: "<f8") + Array(repeating: 0, count: 192))
    try folder.write("cut.npy", Array(Self.npy([1, 2, 3, 4], Self.ramp(24)).dropLast(4)))
    try folder.write("photo.jpg", [0xff, 0xd8, 0xff, 0xe0])
    try folder.write("table.csv", "1,2,3")
    for (file, name) in [
      ("cut.npy", "run-file-damaged"), ("image.bin", "run-shape-missing"),
      ("photo.jpg", "run-image"), ("table.csv", "run-file-of-another-kind"),
      ("none.npy", "run-file-missing"),
    ] {
      let outcome = try Program.run(
        ["run", "model.onnx", "--input", "image=\(file)", "--input", "places=double.npy"],
        in: folder)
      #expect(outcome.status == (name == "run-file-missing" ? 66 : 65))
      #expect(outcome.output == "CONVERT RESULT FAILED:\(outcome.status)\n")
      try Snapshot.check(outcome.error, name)
    }
  }

  @Test func imagesAreFedAsTheirPixels() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let shades = (0..<28 * 28).map { UInt8($0 % 251) }
    try folder.write("digit.bmp", TestImages.gray(shades, width: 28))
    try folder.write("digit.npy", Self.npy([1, 1, 28, 28], shades.map(Float.init)))
    for kind in ["bmp", "npy"] {
      let outcome = try Program.run(
        ["run", "model.onnx", "--input=image=digit.\(kind)", "--outputDir=\(kind)"], in: folder)
      #expect(outcome.status == 0, "\(outcome.error)")
    }
    #expect(try folder.bytes("bmp/logits.npy") == folder.bytes("npy/logits.npy"))
  }

  @Test func rawBytesOfAnotherSizeAreTold() throws {
    let outcome = try Program.run(
      [
        "run", "model.onnx", "--input=image=image.bin", "--input=places=places.npy",
        "--inputShape=image:1,2,3,5",
      ], in: Self.folder())
    #expect(outcome.status == 65)
    try Snapshot.check(outcome.error, "run-size-wrong")
  }

  @Test(arguments: [
    (["--input", "image"], "--input=image does not name an input and a file"),
    (["--inputShape=image"], "--inputShape=image is not a list of shapes"),
    (["--repeat=0"], "--repeat=0 is not between 1 and 1000000"),
    (["--dump=x"], "--dump needs --outputDir"),
    (["--ranges=r.csv", "--samples=2"], "--ranges looks at one sample"),
    (["--inputShape=other:1"], "--inputShape names 'other'"),
    (["--threads=1", "--threads=2"], "--threads is given twice"),
    (["--logFormat=xml"], "--logFormat=xml is neither text nor json"),
    (["--fast"], "--fast"),
  ])
  func badFlagsAreTold(flags: [String], words: String) throws {
    let outcome = try Program.run(["run", "model.onnx"] + flags, in: Self.folder())
    #expect(outcome.status == 64)
    #expect(outcome.error.contains(words), "\(outcome.error)")
  }

  @Test func theModelMayBeMissingOrUnknown() throws {
    let missing = try Program.run(["run", "none.onnx"], in: TemporaryFolder())
    #expect(missing.status == 66)
    let folder = try TemporaryFolder(model: Fixtures.model("custom_domain_norun"))
    let unknown = try Program.run(["run", "model.onnx"], in: folder)
    #expect(unknown.status == 69)
    #expect(unknown.error.contains("the engine has no operator"))
  }

  @Test func anOutputFolderThatIsAFileIsTold() throws {
    let folder = try Self.folder()
    let outcome = try Program.run(
      ["run", "model.onnx"] + Self.fed + ["--outputDir=image.npy"], in: folder)
    #expect(outcome.status == 73)
  }
}
