import Foundation
import Testing

/// `gsconvert samples`.
@Suite struct SamplesTests {
  /// A folder with the digit classifier, three images and a job.
  private static func folder(_ change: (String) -> String = { $0 }) throws -> TemporaryFolder {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    try folder.writeImages(3, width: 32, height: 30)
    try folder.write(
      "job.cfg",
      change(
        """
        [common_quant_param]
        quant_type=FULL_QUANT
        [data_preprocess_param]
        calibrate_path=image:calib
        calibrate_size=3
        input_type=IMAGE
        image_to_format=GRAY
        normalize_mean=[0]
        normalize_std=[255]
        resize_width=32
        resize_height=28
        resize_method=LINEAR
        center_crop_width=28
        center_crop_height=28

        """))
    return folder
  }

  private static let job = ["samples", "--configFile=job.cfg", "--modelFile=model.onnx"]

  @Test func theFirstSampleIsShownAndAllAreWritten() throws {
    let folder = try Self.folder()
    let outcome = try Program.run(Self.job + ["--outputDir=seen"], in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.error == "")
    try Snapshot.check(outcome.output, "samples")
    #expect(
      try folder.files().filter { $0.hasPrefix("seen/") }
        == (0..<3).map { "seen/image_000\($0).npy" })
    #expect(try folder.bytes("seen/image_0000.npy").count == 128 + 28 * 28 * 4)
    let one = try Program.run(Self.job + ["--outputDir=one", "--count=1"], in: folder)
    #expect(one.outputLines.last == "wrote      1 file to one")
  }

  @Test func factsAreAvailableAsJSON() throws {
    let outcome = try Program.run(Self.job + ["--logFormat=json"], in: Self.folder())
    let object = try JSON.object(outcome.output)
    #expect(object["samples"] as? Int == 3)
    let inputs = try #require(object["inputs"] as? [[String: Any]])
    #expect(inputs.first?["type"] as? String == "float32[1,1,28,28]")
  }

  @Test func theModelMayStandInTheFile() throws {
    let folder = try Self.folder { $0 + "[converter_param]\nmodelFile=model.onnx\n" }
    #expect(try Program.run(["samples", "--configFile=job.cfg"], in: folder).status == 0)
  }

  @Test(arguments: [
    ("image:calib", "imgae:calib", 78, "samples-unknown-input"),
    ("resize_width=32", "resize_width=27", 78, "samples-cut-too-large"),
    ("input_type=IMAGE", "input_type=BIN", 65, "samples-images-as-bin"),
  ])
  func whatIsWrongIsTold(old: String, new: String, status: Int32, name: String) throws {
    let folder = try Self.folder { $0.replacingOccurrences(of: old, with: new) }
    let outcome = try Program.run(Self.job, in: folder)
    #expect(outcome.status == status)
    try Snapshot.check(outcome.error, name)
  }

  @Test(arguments: [
    (["--configFile=job.cfg"], 64, "--modelFile is missing"),
    (["--modelFile=model.onnx"], 64, "--configFile is missing"),
    (job.dropFirst() + ["--count=0"], 64, "--count=0 is less than 1"),
    (job.dropFirst() + ["--inputShape=x"], 64, "is not a list of shapes"),
    (job.dropFirst() + ["--inputDataFormat=CHWN"], 64, "neither NHWC nor NCHW"),
    (["--configFile=none.cfg", "--modelFile=model.onnx"], 66, "none.cfg"),
  ])
  func badFlagsAreTold(flags: [String], status: Int32, words: String) throws {
    let outcome = try Program.run(["samples"] + flags, in: Self.folder())
    #expect(outcome.status == status)
    #expect(outcome.error.contains(words), "\(outcome.error)")
  }
}
