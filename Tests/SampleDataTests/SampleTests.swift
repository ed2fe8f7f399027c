import Foundation
import ModelGraph
import Support
import Testing

@testable import Configuration
@testable import SampleData

/// Files become the tensors that the model wants.
@Suite struct SampleTests {
  private static let ramp = (0..<12).map(Float.init)
  /// The ramp as channels-last data of 2 x 2 pixels, brought to channels first.
  private static let moved: [Float] = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]

  private func one(_ set: CalibrationSet, _ index: Int = 0) throws -> TensorData {
    try #require(try set.sample(index)["x"])
  }

  @Test func filesAreSortedByBytesWhateverTheirOrder() throws {
    let folder = try Folder()
    for name in ["2.bin", "10.bin", "B", "a", ".hidden", "ä"] {
      try folder.write(name, [UInt8(name.utf8.count)])
    }
    try folder.write("0/inside", [9])
    let set = try Samples.open(folder, .bin, [1], of: .uint8)
    #expect(set.count == 5)
    let names = (0..<5).map { set.files(of: $0)[0].path.dropFirst(folder.path.count + 1) }
    #expect(names == ["10.bin", "2.bin", "B", "a", "ä"])
    #expect(try one(set).packed?.load(UInt8.self) == [6])
  }

  @Test func onlyAsManyAsWantedAreUsedAndChecked() throws {
    let folder = try Folder()
    for name in ["a", "b"] { try folder.write(name, [1]) }
    try folder.write("c", [])
    #expect(try Samples.open(folder, .bin, [1], of: .uint8, size: 2).count == 2)
  }

  @Test func rawFloatsAreChannelsLastUnlessSaid() throws {
    let folder = try Folder()
    try folder.write("a", floats: Self.ramp)
    let last = try one(Samples.open(folder, .bin, [nil, 3, 2, 2]))
    #expect(last.dimensions == [1, 3, 2, 2] && last.float32Values == Self.moved)
    let first = try one(Samples.open(folder, .bin, [nil, 3, 2, 2], format: .nchw))
    #expect(first.dimensions == [1, 3, 2, 2] && first.float32Values == Self.ramp)
    let own = try one(Samples.open(folder, .bin, [1, 2, 2, 3]))
    #expect(own.dimensions == [1, 2, 2, 3] && own.float32Values == Self.ramp)
  }

  @Test func otherRawDataIsTakenAsItIs() throws {
    let folder = try Folder()
    try folder.write("a", floats: Self.ramp)
    #expect(try one(Samples.open(folder, .bin, [nil, 12])).float32Values == Self.ramp)
    let indices = try one(Samples.open(folder, .bin, [1, 3, 2, 2], of: .int32))
    #expect(indices.packed?.load(UInt32.self) == Self.ramp.map(\.bitPattern))
  }

  @Test func inputShapeFillsWhatTheModelLeavesOpen() throws {
    let folder = try Folder()
    try folder.write("a", floats: Self.ramp)
    let set = try Samples.open(folder, .bin, [nil, nil, nil], shapes: ["x": [2, 3, 2]])
    #expect(try one(set).dimensions == [2, 3, 2])
  }

  @Test func arraysAreTakenInEitherLayout() throws {
    let folder = try Folder()
    func array(_ shape: [Int]) -> TensorData {
      TensorData(
        elementType: .float32, dimensions: shape,
        storage: .packed(Bytes(Self.ramp.withUnsafeBytes { Array($0) })))
    }
    try folder.write("a.npy", array: array([1, 3, 2, 2]))
    try folder.write("b.npy", array: array([1, 2, 2, 3]))
    for type in [InputType.image, .bin] {
      let set = try Samples.open(folder, type, [1, 3, nil, 2])
      #expect(try one(set, 0).float32Values == Self.ramp)
      let second = try one(set, 1)
      #expect(second.dimensions == [1, 3, 2, 2] && second.float32Values == Self.moved)
    }
  }

  @Test func imagesTakeTheModelsLayout() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 2, 1)
    let first = try one(Samples.open(folder, .image, [1, 3, 1, 2]))
    #expect(first.dimensions == [1, 3, 1, 2] && first.float32Values == [2, 5, 1, 4, 0, 3])
    let last = try one(Samples.open(folder, .image, [nil, nil, nil, 3]))
    #expect(last.dimensions == [1, 1, 2, 3] && last.float32Values == [2, 1, 0, 5, 4, 3])
    let blue = try one(Samples.open(folder, .image, nil) { $0.imageToFormat = .bgr })
    #expect(blue.dimensions == [1, 3, 1, 2] && blue.float32Values == [0, 3, 1, 4, 2, 5])
    let gray = try one(
      Samples.open(folder, .image, [nil, 1, nil, nil]) { $0.imageToFormat = .gray })
    #expect(gray.dimensions == [1, 1, 1, 2] && gray.float32Values == [1, 4])
  }

  @Test func theKeysAreApplied() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 8, 6)
    let set = try Samples.open(folder, .image, [1, 3, 2, 2]) {
      ($0.normalizeMean, $0.normalizeStd) = ([10, 20, 30], [2, 4, 5])
      ($0.resizeWidth, $0.resizeHeight, $0.resizeMethod) = (4, 3, .nearest)
      ($0.centerCropWidth, $0.centerCropHeight) = (2, 2)
    }
    // Rows are stored from below, 24 bytes each; the cut begins at row 0 of 3 and column 1 of 4.
    let places = [24 * 5 + 6, 24 * 5 + 12, 24 * 3 + 6, 24 * 3 + 12]
    let red = places.map { (Float($0) + 2 - 10) / 2 }
    #expect(try one(set).float32Values?.prefix(4) == red[...])
  }

  @Test func byteInputsGetRoundedPixels() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 2, 1)
    let tensor = try one(Samples.open(folder, .image, [1, 1, 2, 3], of: .uint8))
    #expect(tensor.elementType == .uint8)
    #expect(tensor.packed?.load(UInt8.self) == [2, 1, 0, 5, 4, 3])
    let outside = try one(
      Samples.open(folder, .image, [1, 1, 2, 3], of: .uint8) {
        ($0.normalizeMean, $0.normalizeStd) = ([4.4, 0, 0], [0.4, 2, 0.001])
      })
    #expect(outside.packed?.load(UInt8.self) == [0, 0, 0, 2, 2, 255])
  }

  @Test func inputsPairByPosition() throws {
    let folder = try Folder()
    for (name, value) in [("x/b", 2), ("x/a", 1), ("y/2", 20), ("y/1", 10)] {
      try folder.write(name, [UInt8(value)])
    }
    let set = try CalibrationSet(
      .init(
        data: Samples.data([("y", folder.path + "/y/"), ("x", folder.path + "/x")], .bin),
        inputs: ["x", "y"].map { .init(name: $0, elementType: .uint8, shape: [1]) }))
    let sample = try set.sample(1)
    #expect(sample["x"]?.packed?.load(UInt8.self) == [2])
    #expect(sample["y"]?.packed?.load(UInt8.self) == [20])
    #expect(set.files(of: 1).map(\.input) == ["x", "y"])
  }

  @Test func theFirstSampleIsSummedUp() throws {
    let folder = try Folder()
    try folder.write("a", floats: Self.ramp)
    try folder.write("b", floats: Self.ramp)
    let raw = try Samples.open(folder, .bin, [nil, 3, 2, 2]).firstSample()
    #expect(
      raw.map(\.text) == [
        "2 raw NHWC files from \(folder.path)   first sees float32[1,3,2,2]  mean 5.5  std 3.45  "
          + "range 0..11"
      ])
    let images = try Folder()
    try images.write("a.bmp", image: 2, 1)
    let seen = try Samples.open(images, .image, nil).firstSample()
    #expect(seen[0].text.contains("1 image from"))
    #expect(seen[0].statistics?.maximum == 5)
  }

  @Test func threadsGetTheSameSamples() throws {
    let folder = try Folder()
    for index in 0..<20 { try folder.write("\(index).bmp", image: 30 + index, 20) }
    let set = try Samples.open(folder, .image, [1, 3, 16, 16]) {
      ($0.resizeWidth, $0.resizeHeight, $0.resizeMethod) = (16, 16, .cubic)
    }
    let alone = try (0..<20).map { try one(set, $0).packed?.load(UInt8.self) }
    let together = try WorkerPool(threads: 4).map(20) { (index) throws(Failure) in
      try set.sample(index)["x"]?.packed?.load(UInt8.self)
    }
    #expect(alone == together)
  }

  @Test func imagesFeedInputsWithoutConfiguration() throws {
    let folder = try Folder()
    try folder.write("a.bmp", image: 4, 2)
    let bytes = try MappedFile(path: folder.path + "/a.bmp").contents
    func feed(_ shape: [Int?]?, _ type: ElementType = .float32) throws -> TensorData {
      try ImageFeed.tensor(bytes, for: .init(name: "x", elementType: type, shape: shape))
    }
    #expect(try feed(nil).dimensions == [1, 3, 2, 4])
    #expect(try feed([nil, 3, 1, 2]).dimensions == [1, 3, 1, 2])
    #expect(try feed([1, 6, 8, 1], .uint8).dimensions == [1, 6, 8, 1])
    #expect(ImageFeed.recognizes(bytes) && !ImageFeed.recognizes(Bytes([0x42])))
    #expect(throws: SampleProblem.self) { try feed([2, 3, 1, 2]) }
    #expect(throws: SampleProblem.self) { try feed([1, 3, 1 << 40, 1 << 40]) }
  }
}
