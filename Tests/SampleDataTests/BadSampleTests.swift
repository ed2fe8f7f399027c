import ModelGraph
import Support
import Testing

@testable import Configuration
@testable import SampleData

/// One diagnostic for each thing that is wrong, with the file's name.
@Suite struct BadSampleTests {
  private static let ramp = (0..<12).map(Float.init)

  @Test func aWrongSizeNamesTheFileAndAShapeThatFits() throws {
    let folder = try Folder()
    try folder.write("0001.bin", floats: Self.ramp)
    try folder.write("0002.bin", floats: Self.ramp + Self.ramp)
    let found = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .bin, [nil, 3, 2, 2])
    }
    #expect(
      found == [
        Diagnostic(
          .calibrationSizeWrong, "a calibration file has the wrong size",
          location: .init(file: "F/0002.bin"),
          notes: [
            "'x' wants float32[1,3,2,2] = 48 bytes, the file has 96",
            "96 bytes would be float64[1,3,2,2]",
          ], help: "write the elements as float32")
      ])
    #expect(Failure(found).exitStatus == .badData)
    try folder.write("0002.bin", floats: Self.ramp + Self.ramp + Self.ramp)
    let wide = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, [nil, 3, 2, 2]) }
    #expect(wide.first?.notes.last == "144 bytes would be float32[1,3,2,6]")
    #expect(wide.first?.help == "for dynamic shapes save samples as .npy, or set --inputShape")
    try folder.write("0002.bin", [1, 2, 3])
    let odd = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, [nil, 3, 2, 2]) }
    #expect(odd.first?.notes == ["'x' wants float32[1,3,2,2] = 48 bytes, the file has 3"])
  }

  @Test func aImageAmongRawFilesIsRecognized() throws {
    let folder = try Folder()
    try folder.write("a.bin", image: 5, 5)
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, [1, 3, 5, 5]) }
    #expect(found.first?.help == "set input_type=IMAGE for images")
  }

  @Test func numbersThatAreNotFiniteAreNamed() throws {
    let folder = try Folder()
    for (bad, word) in [(Float.nan, "NaN"), (-Float.infinity, "an infinity")] {
      var values = Self.ramp
      values[7] = bad
      values[9] = .nan
      try folder.write("a.bin", floats: values)
      let set = try Samples.open(folder, .bin, [1, 3, 2, 2], format: .nchw)
      let found = Samples.problems(in: folder) { _ = try set.sample(0) }
      #expect(
        found == [
          Diagnostic(
            .calibrationNonFinite, "a calibration sample holds \(word)",
            location: .init(file: "F/a.bin"),
            notes: ["element 7, at [0,1,1,1] of float32[1,3,2,2]"],
            help: "remove the file, or mend what made it")
        ])
      #expect(Failure(found).exitStatus == .badData)
    }
  }

  @Test func halvesAreCheckedToo() throws {
    let folder = try Folder()
    try folder.write("a.bin", [0, 0x3c, 0, 0x7e])
    let set = try Samples.open(folder, .bin, [2], of: .float16)
    let found = Samples.problems(in: folder) { _ = try set.sample(0) }
    #expect(found.map(\.code) == [.calibrationNonFinite])
    #expect(found.first?.notes == ["element 1, at [1] of float16[2]"])
  }

  @Test func aFolderWithoutFilesIsTold() throws {
    let folder = try Folder()
    try folder.write(".hidden", [1])
    try folder.write("below/a.bin", [1])
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, [1]) }
    #expect(found.map(\.message) == ["the folder 'F' of 'x' holds no files"])
    #expect(Failure(found).exitStatus == .badData)
  }

  @Test func aMissingFolderIsTold() throws {
    let folder = try Folder()
    let found = Samples.problems(in: folder) {
      _ = try CalibrationSet(
        .init(
          data: Samples.data([("x", folder.path + "/none")], .bin),
          inputs: [.init(name: "x", elementType: .float32, shape: [1])]))
    }
    #expect(
      found.map(\.message)
        == ["the folder 'F/none' of 'x' cannot be read: No such file or directory"])
  }

  @Test func anUnknownInputIsToldOnce() throws {
    let folder = try Folder()
    try folder.write("a.bin", [1])
    let found = Samples.problems(in: folder) {
      _ = try CalibrationSet(
        .init(
          data: Samples.data([("imgae", folder.path)], .bin),
          inputs: [.init(name: "image", elementType: .uint8, shape: [1])],
          locate: { _ in .init(file: "job.cfg", line: 4) }))
    }
    #expect(
      found == [
        Diagnostic(
          .calibrationPathInvalid,
          "calibrate_path names 'imgae', and the model has no such input",
          location: .init(file: "job.cfg", line: 4), help: "did you mean 'image'?")
      ])
    #expect(Failure(found).exitStatus == .configuration)
  }

  @Test func anInputWithoutAFolderIsTold() throws {
    let folder = try Folder()
    try folder.write("a.bin", [1])
    let found = Samples.problems(in: folder) {
      _ = try CalibrationSet(
        .init(
          data: Samples.data([("x", folder.path)], .bin),
          inputs: ["x", "mask"].map { .init(name: $0, elementType: .uint8, shape: [1]) }))
    }
    #expect(found.map(\.message) == ["calibrate_path has no folder for 'mask'"])
    #expect(found.first?.help == "calibrate_path=x:DIR,mask:DIR")
  }

  @Test func moreSamplesThanFilesAreTold() throws {
    let folder = try Folder()
    for name in ["a", "b", "c"] { try folder.write(name, [1]) }
    let found = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .bin, [1], of: .uint8, size: 100)
    }
    #expect(
      found.map(\.message) == ["the folder 'F' of 'x' holds 3 files, and calibrate_size is 100"])
    #expect(found.first?.help == "set calibrate_size=3, or add samples")
  }

  @Test func differentCountsAreTold() throws {
    let folder = try Folder()
    for name in ["x/1", "x/2", "y/1"] { try folder.write(name, [1]) }
    let found = Samples.problems(in: folder) {
      _ = try CalibrationSet(
        .init(
          data: Samples.data([("x", folder.path + "/x"), ("y", folder.path + "/y")], .bin),
          inputs: ["x", "y"].map { .init(name: $0, elementType: .uint8, shape: [1]) }))
    }
    #expect(
      found.map(\.message) == ["the folders of calibrate_path hold different numbers of files"])
    #expect(found.first?.notes == ["'x' has 2 in F/x", "'y' has 1 in F/y"])
  }

  @Test func unreadableImagesAreTold() throws {
    let folder = try Folder()
    try folder.write("1.jpg", Array("not an image".utf8))
    try folder.write("2.jpg", [])
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .image, nil) }
    #expect(
      found.map(\.message) == [
        "a calibration sample cannot be used: it begins like none of JPEG, PNG, BMP and WebP",
        "a calibration sample cannot be used: it is empty",
      ])
    #expect(found.map(\.location?.file) == ["F/1.jpg", "F/2.jpg"])
    #expect(Set(found.map(\.code)) == [.calibrationSampleUnreadable])
  }

  @Test func aCutImageIsTold() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 8, 8)
    let whole = try MappedFile(path: folder.path + "/a.bmp").contents.load(UInt8.self)
    try folder.write("a.bmp", whole.dropLast(20))
    let set = try Samples.open(folder, .image, [1, 3, 8, 8])
    let found = Samples.problems(in: folder) { _ = try set.sample(0) }
    #expect(found.map(\.location?.file) == ["F/a.bmp"])
    #expect(found.first?.message.contains("ends too early") == true)
  }

  @Test func hugeImagesAreRefusedByTheirHeader() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 1, 1)
    var bytes = try MappedFile(path: folder.path + "/a.bmp").contents.load(UInt8.self)
    bytes.replaceSubrange(18..<26, with: [0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0])
    try folder.write("a.bmp", bytes)
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .image, nil) }
    #expect(found.first?.message.contains("60000 x 60000 = 3600000000 pixels") == true)
  }

  @Test(arguments: [
    ([1, 3, 9, 7], "set resize_method=LINEAR, resize_width=7 and resize_height=9"),
    ([1, 9, 7, 3], "set resize_method=LINEAR, resize_width=7 and resize_height=9"),
    ([1, 1, 8, 8], "set image_to_format=GRAY"), ([1, 4, 8, 8], "save samples as .npy"),
    ([2, 3, 8, 8], "save samples of 2 images as .npy"), ([3, 8, 8], "save samples as .npy"),
  ])
  func imagesThatDoNotFitAreTold(shape: [Int?], help: String) throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 8, 8)
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .image, shape) }
    #expect(found.map(\.code) == [.calibrationDataInvalid])
    #expect(found.first?.help == help)
  }

  @Test func imagesFeedNoIndices() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 8, 8)
    let found = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .image, [1, 3, 8, 8], of: .int64)
    }
    #expect(found.first?.message == "images feed float32 and uint8 inputs only")
  }

  @Test func arraysThatDoNotFitAreTold() throws {
    let folder = try Folder()
    try folder.write("a.npy", array: TensorData(int64: [1, 2, 3]))
    try folder.write("b.npy", array: TensorData(float32: Self.ramp))
    try folder.write("c.npy", [0x93] + Array("NUMPY".utf8) + [1, 0, 9, 9])
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .image, [1, 3, 2, 2]) }
    #expect(
      found.map(\.message) == [
        "'x' wants float32[1,3,2,2], and the array is int64[3]",
        "'x' wants float32[1,3,2,2], and the array is float32[12]",
        "a calibration sample cannot be used: it ends inside its header",
      ])
    #expect(found.first?.help == "save it with .astype(numpy.float32)")
  }

  @Test func rawBytesOfUnknownShapeAreToldOnce() throws {
    let folder = try Folder()
    for name in ["a", "b"] { try folder.write(name, floats: Self.ramp) }
    let found = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .bin, [nil, 3, nil, 2])
    }
    #expect(found.count == 1)
    #expect(found.first?.help == "save samples as .npy, or set --inputShape=x:1,3,1,2")
    let unknown = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, nil) }
    #expect(unknown.map(\.location) == [nil])
    let huge = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .bin, [.max, .max, 3, 2])
    }
    #expect(huge.count == 1)
  }

  @Test func shapesThatContradictTheModelAreTold() throws {
    let folder = try Folder()
    try folder.write("a", floats: Self.ramp)
    let found = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .bin, [nil, 3, 2, 2], shapes: ["x": [1, 4, 2, 2], "z": [1]])
    }
    #expect(
      found.map(\.message) == [
        "'x' is float32[?,3,2,2], and --inputShape says 1,4,2,2",
        "--inputShape names 'z', and the model has no such input",
      ])
    #expect(Failure(found).exitStatus == .usage)
  }

  @Test func filesWithTheSameProblemAreToldOnce() throws {
    let folder = try Folder()
    for index in 10..<35 { try folder.write("\(index)", [0]) }
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, [2]) }
    #expect(found.map(\.location?.file) == ["F/10"])
    #expect(found.first?.notes.last == "likewise 24 more of F")
  }

  @Test func manyProblemsAreCutShort() throws {
    let folder = try Folder()
    for index in 10..<35 { try folder.write("\(index)", Array(repeating: 0, count: index)) }
    let found = Samples.problems(in: folder) { _ = try Samples.open(folder, .bin, [2]) }
    #expect(found.count == 10)
    #expect(found.last?.notes.last == "and 15 more problems in F")
  }

  @Test func theConfigurationIsCheckedBeforeFiles() throws {
    let folder = try Folder()
    let found = Samples.problems(in: folder) {
      _ = try Samples.open(folder, .image, nil) { $0.normalizeStd = [1, 0, 1] }
    }
    #expect(
      found.map(\.code) == [.badValue, .calibrationFilesMissing])
    let none = Samples.problems(in: folder) {
      _ = try CalibrationSet(.init(data: Samples.data([], .bin), inputs: []))
    }
    #expect(none.map(\.code) == [.missingKey])
  }

  @Test func aFileThatWentAwayIsTold() throws {
    let folder = try Folder()
    try folder.write("a", [1])
    let set = try Samples.open(folder, .bin, [1], of: .uint8)
    try folder.write("a", [1, 2])
    #expect(
      Samples.problems(in: folder) { _ = try set.sample(0) }.map(\.code) == [.calibrationSizeWrong])
  }
}
