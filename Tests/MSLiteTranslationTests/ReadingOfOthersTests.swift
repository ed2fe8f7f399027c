import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support
import Testing

/// Operators that other converters write and this one does in other ways.
@Suite struct ReadingOfOthersTests: OneNodeModels {
  @Test(arguments: [(true, Int32(1)), (true, -1), (false, 0), (false, 1)])
  func trianglesAreCutAlongTheirDiagonal(isUpper: Bool, diagonal: Int32) throws {
    let numbers = (1...12).map { Float($0) }
    let triangle = MSLitePrimitive(isUpper ? "Triu" : "Tril")
    let result = try run(
      model(triangle, [3, 4], [constant("k", .int32, [diagonal], [])]), numbers)
    let expected = numbers.indices.map { index in
      let distance = index % 4 - index / 4
      let isKept = isUpper ? distance >= diagonal : distance <= diagonal
      return isKept ? numbers[index] : 0
    }
    #expect(result.float32Values == expected)
  }

  @Test func placesBecomeRowsOfOnAndOff() throws {
    let constants = [
      constant("depth", .int32, [Int32(4)], []), floats("values", [-1, 2]),
    ]
    let result = try run(
      model(MSLitePrimitive("OneHot", ["axis": .int(-1)]), [3], constants, of: .int32),
      TensorData(int32: [2, 0, 3], dimensions: [3]))
    #expect(result.float32Values == [-1, -1, 2, -1, 2, -1, -1, -1, -1, -1, -1, 2])
  }

  @Test func responsesAreNormalizedOverNeighbouringChannels() throws {
    let numbers = (0..<10).map { Float($0) - 4 }
    let settings: [String: MSLitePrimitive.Setting] = [
      "depth_radius": .int(1), "alpha": .float(0.25), "beta": .float(0.5), "bias": .float(2),
    ]
    let result = try run(model(MSLitePrimitive("LRN", settings), [1, 1, 2, 5]), numbers)
    for (index, value) in try #require(result.float32Values).enumerated() {
      let channel = index % 5
      let row = numbers[(index - channel)..<(index - channel + 5)].map(Double.init)
      let squares = row[max(0, channel - 1)...min(4, channel + 1)].reduce(0) { $0 + $1 * $1 }
      let expected = row[channel] / (2 + 0.25 * squares).squareRoot()
      #expect(abs(Double(value) - expected) < 1e-6)
    }
  }

  /// The real converter loses the default of beta; with none the runtime leaves numbers alone.
  @Test func responsesWithoutAnExponentStay() throws {
    let settings: [String: MSLitePrimitive.Setting] = [
      "depth_radius": .int(1), "alpha": .float(0.25), "bias": .float(2),
    ]
    let source = model(MSLitePrimitive("LRN", settings), [1, 1, 1, 3])
    #expect(try run(source, [1, -2, 3]).float32Values == [1, -2, 3])
    let nodes = try MSLiteGraphReader.read(source, name: "tiny.ms").graph.nodes
    #expect(nodes.map(\.operatorType) == ["Identity"])
  }

  /// What NumPy takes of `arange(24).reshape(2, 3, 4)`.
  private static let maskedSlices: [MaskedCase] = [
    MaskedCase(
      "x[1:, ::-1, :2]", [1, 9, 9], [9, 9, 2], [1, -1, 1],
      ["begin_mask": .int(0b110), "end_mask": .int(0b011)], [1, 3, 2], [20, 21, 16, 17, 12, 13]),
    MaskedCase(
      "x[-1, ..., 1:3]", [-1, 0, 1], [9, 0, 3], [1, 1, 1],
      ["shrink_axis_mask": .int(0b001), "ellipsis_mask": .int(0b010)], [3, 2],
      [13, 14, 17, 18, 21, 22]),
    MaskedCase(
      "x[:, None, 1, None]", [0, 0, 1, 0], [0, 0, 2, 0], [1, 1, 1, 1],
      [
        "begin_mask": .int(0b0001), "end_mask": .int(0b0001), "new_axis_mask": .int(0b1010),
        "shrink_axis_mask": .int(0b0100),
      ], [2, 1, 1, 4], [4, 5, 6, 7, 16, 17, 18, 19]),
    MaskedCase(
      "x[..., 3:0:-2]", [0, 3], [0, 0], [1, -2], ["ellipsis_mask": .int(0b01)], [2, 3, 2],
      [3, 1, 7, 5, 11, 9, 15, 13, 19, 17, 23, 21]),
  ]

  private struct MaskedCase: CustomTestStringConvertible {
    let testDescription: String
    let starts: [Int32]
    let ends: [Int32]
    let steps: [Int32]
    let masks: [String: MSLitePrimitive.Setting]
    let shape: [Int]
    let values: [Float]

    init(
      _ description: String, _ starts: [Int32], _ ends: [Int32], _ steps: [Int32],
      _ masks: [String: MSLitePrimitive.Setting], _ shape: [Int], _ values: [Float]
    ) {
      testDescription = description
      self.starts = starts
      self.ends = ends
      self.steps = steps
      self.masks = masks
      self.shape = shape
      self.values = values
    }
  }

  @Test(arguments: maskedSlices)
  private func masksOfASliceSayWhatBoundsDoNot(_ given: MaskedCase) throws {
    let bounds = [("begin", given.starts), ("end", given.ends), ("strides", given.steps)]
    let found = try run(
      model(
        MSLitePrimitive("StridedSlice", given.masks), [2, 3, 4],
        bounds.map { integers($0.0, $0.1) }),
      (0..<24).map { Float($0) })
    #expect(found.dimensions == given.shape)
    #expect(found.float32Values == given.values)
  }

  @Test func masksThatDoNotFitAreRefused() throws {
    let slice = MSLitePrimitive("StridedSlice", ["ellipsis_mask": .int(0b101)])
    let bounds = ["begin", "end", "strides"].map { integers($0, [0, 0, 1]) }
    #expect(throws: Failure.self) {
      try MSLiteGraphReader.read(model(slice, [2, 3, 4], bounds), name: "tiny.ms")
    }
  }
}
