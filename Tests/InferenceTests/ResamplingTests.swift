import CKernels
import ModelGraph
import Support
import Testing

@testable import Inference

/// Resize, GridSample and RoiAlign against their definitions.
@Suite struct ResamplingTests {
  private static func resize(
    _ mode: String, _ coordinates: String, _ others: [Attribute] = []
  ) -> OperatorHarness {
    OperatorHarness(
      name: "Resize",
      attributes: [
        Attribute("mode", .string(Array(mode.utf8))),
        Attribute("coordinate_transformation_mode", .string(Array(coordinates.utf8))),
      ] + others, version: 19)
  }

  private static func close(_ left: [Float], _ right: [Float], _ tolerance: Float = 1e-5) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { abs($0 - $1) <= tolerance }
  }

  /// How much source element `index` counts for `position`, by the definition of each mode.
  private static func weight(
    _ mode: String, _ coordinates: String, _ position: Int, _ index: Int, from source: Int,
    to target: Int
  ) -> Double {
    guard source != target else { return position == index ? 1 : 0 }
    let scale = Double(target) / Double(source)
    var place =
      coordinates == "half_pixel"
      ? (Double(position) + 0.5) / scale - 0.5 : Double(position) / scale
    func share(_ neighbour: Int, _ weight: Double) -> Double {
      min(max(neighbour, 0), source - 1) == index ? weight : 0
    }
    switch mode {
    case "nearest":
      let lower = place.rounded(.down)
      return share(Int(place - lower > 0.5 + 1e-6 ? lower + 1 : lower), 1)
    case "linear":
      place = min(max(place, 0), Double(source - 1))
      let lower = place.rounded(.down)
      return share(Int(lower), 1 - (place - lower)) + share(Int(lower) + 1, place - lower)
    default:
      let lower = place.rounded(.down)
      return (-1...2).reduce(0.0) { sum, step in
        let x = abs(place - lower - Double(step))
        let kernel =
          x <= 1
          ? 1.25 * x * x * x - 2.25 * x * x + 1
          : -0.75 * x * x * x + 3.75 * x * x - 6 * x + 3
        return sum + share(Int(lower) + step, kernel)
      }
    }
  }

  /// The sum over all source elements of the product of the axes' weights.
  private static func resized(
    _ values: [Float], _ shape: [Int], to target: [Int], _ mode: String, _ coordinates: String
  ) -> [Float] {
    var current = values.map(Double.init)
    var extents = shape
    for axis in shape.indices {
      let inner = extents[(axis + 1)...].reduce(1, *)
      let outer = extents[..<axis].reduce(1, *)
      var next: [Double] = []
      for o in 0..<outer {
        for position in 0..<target[axis] {
          let weights = (0..<shape[axis]).map {
            weight(mode, coordinates, position, $0, from: shape[axis], to: target[axis])
          }
          for i in 0..<inner {
            next.append(
              weights.enumerated().reduce(0) { sum, weight in
                sum + weight.element * current[(o * shape[axis] + weight.offset) * inner + i]
              })
          }
        }
      }
      current = next
      extents[axis] = target[axis]
    }
    return current.map { Float($0) }
  }

  @Test(arguments: ["nearest", "linear", "cubic"], ["half_pixel", "asymmetric"])
  func resizeFollowsItsDefinitionInBothLayouts(mode: String, coordinates: String) throws {
    for seed in UInt64(1)...25 {
      var random = SeededGenerator(seed: seed)
      let rank = Int.random(in: 1...5, using: &random)
      let shape = (0..<rank).map { _ in Int.random(in: 1...6, using: &random) }
      let target = shape.map { extent in
        Bool.random(using: &random) ? extent : Int.random(in: 1...13, using: &random)
      }
      let values = random.floats(shape.reduce(1, *))
      let input = Tensor(shape, values)
      let sizes = Tensor([rank], target.map { Int64($0) })
      let wanted = Self.resized(values, shape, to: target, mode, coordinates)
      let operation = Self.resize(mode, coordinates)
      let result = try operation.run([input, nil, nil, sizes])[0]
      #expect(result.shape == target)
      #expect(Self.close(result.array(Float.self), wanted), "seed \(seed) \(shape) \(target)")
      guard rank >= 3 else { continue }
      let turned = try operation.run([input.channelsLast, nil, nil, sizes])[0]
      #expect(turned.layout == .channelsLast || Layout.coincide(for: target))
      #expect(Self.close(turned.array(Float.self), wanted), "channels last, seed \(seed)")
    }
  }

  @Test func wideRowsAndManyTapsAgreeWithSingleOnes() throws {
    var random = SeededGenerator(seed: 3)
    let shape = [1, 2, 20, 300]
    let values = random.floats(shape.reduce(1, *))
    let sizes = Tensor([4], [Int64(1), 2, 47, 350])
    let result = try Self.resize("linear", "half_pixel").run([
      Tensor(shape, values), nil, nil, sizes,
    ])
    let wanted = Self.resized(values, shape, to: [1, 2, 47, 350], "linear", "half_pixel")
    // The engine's coordinates are float32.
    let isClose = Self.close(result[0].array(Float.self), wanted, 3e-4)
    #expect(isClose)
  }

  @Test(arguments: ["linear", "cubic"]) func antialiasingKeepsConstants(mode: String) throws {
    let operation = Self.resize(mode, "half_pixel", [Attribute("antialias", .int(1))])
    for target in [1, 2, 3, 5, 9, 17, 30] {
      let input = Tensor([1, 1, 17, 17], [Float](repeating: 3, count: 289))
      let sizes = Tensor([4], [Int64(1), 1, Int64(target), 8])
      let result = try operation.run([input, nil, nil, sizes])[0].array(Float.self)
      #expect(Self.close(result, [Float](repeating: 3, count: target * 8)))
    }
  }

  @Test func nearestMovesEveryWidth() throws {
    let scales = Tensor([3], [Float(1), 1, 2])
    let operation = Self.resize("nearest", "asymmetric")
    func check<Element: TensorElement & Equatable>(_ values: [Element], _ wanted: [Element]) throws
    {
      let result = try operation.run([Tensor([1, 1, 2], values), nil, scales])[0]
      #expect(result.array(Element.self) == wanted)
    }
    try check([UInt8(1), 2], [1, 1, 2, 2])
    try check([Int16(1), -2], [1, 1, -2, -2])
    try check([Int32(1), -2], [1, 1, -2, -2])
    try check([Int64(1), -2], [1, 1, -2, -2])
    try check([0.5, -2.0], [0.5, 0.5, -2, -2])
  }

  @Test func integersLoseTheirFraction() throws {
    let scales = Tensor([4], [Float(1), 1, 1, 2])
    let result = try Self.resize("linear", "half_pixel").run(
      [Tensor([1, 1, 1, 2], [UInt8(0), 255]), nil, scales])
    #expect(result[0].array(UInt8.self) == [0, 63, 191, 255])
  }

  @Test func emptyTensorsStayEmpty() throws {
    let operation = Self.resize("linear", "half_pixel")
    let empty = Tensor([1, 0, 2, 2], [Float]())
    let result = try operation.run([empty, nil, Tensor([4], [Float(1), 1, 2, 2])])[0]
    #expect(result.shape == [1, 0, 4, 4])
    #expect(throws: KernelProblem.self) {
      try operation.run([empty, nil, nil, Tensor([4], [Int64(1), 3, 2, 2])])
    }
  }

  @Test func shapesThatCannotBeAreTold() throws {
    let operation = Self.resize("linear", "half_pixel")
    let input = Tensor([1, 2], [Float(1), 2])
    let scales: [[Float]] = [[1], [1, 0], [1, -1], [1, .nan], [1, .infinity], [1, 1e30]]
    for values in scales {
      #expect(throws: KernelProblem.self, "\(values)") {
        try operation.run([input, nil, Tensor([values.count], values)])
      }
    }
    let sizes: [[Int64]] = [[1], [1, -1], [.max, .max], [1 << 30, 1 << 30], [1, 2, 3]]
    for values in sizes {
      #expect(throws: KernelProblem.self, "\(values)") {
        try operation.run([input, nil, nil, Tensor([values.count], values)])
      }
    }
    #expect(throws: KernelProblem.self) { try operation.run([input]) }
    #expect(throws: KernelProblem.self) { try Self.resize("smooth", "half_pixel").run([input]) }
  }

  @Test func regionsFarOutsideAreExtrapolated() throws {
    let operation = Self.resize(
      "cubic", "tf_crop_and_resize", [Attribute("extrapolation_value", .float(9))])
    let roi = Tensor([2], [Float(-1e30), .infinity])
    let result = try operation.run([
      Tensor([4], [Float(1), 2, 3, 4]), roi, nil, Tensor([1], [Int64(3)]),
    ])
    #expect(result[0].shape == [3])
    #expect(result[0].array(Float.self)[2] == 9)
  }

  @Test(arguments: ["zeros", "border", "reflection"], ["nearest", "linear", "cubic"])
  func gridsAreReadAlikeInBothLayouts(padding: String, mode: String) throws {
    for seed in UInt64(1)...10 {
      var random = SeededGenerator(seed: seed)
      let shape = [2, 3] + (0..<2).map { _ in Int.random(in: 1...5, using: &random) }
      let input = Tensor(shape, random.floats(shape.reduce(1, *)))
      let grid = Tensor([2, 3, 5, 2], random.floats(60, in: -3...3))
      let operation = OperatorHarness(
        name: "GridSample",
        attributes: [
          Attribute("mode", .string(Array(mode.utf8))),
          Attribute("padding_mode", .string(Array(padding.utf8))),
        ], version: 20)
      let plain = try operation.run([input, grid])[0].array(Float.self)
      let turned = try operation.run([input.channelsLast, grid])[0]
      #expect(turned.shape == [2, 3, 3, 5])
      #expect(Self.close(turned.array(Float.self), plain), "seed \(seed)")
    }
  }

  @Test func placesOfElementsGiveTheElements() throws {
    let operation = OperatorHarness(
      name: "GridSample", attributes: [Attribute("align_corners", .int(1))], version: 20)
    let grid = Tensor([1, 2, 2, 2], [Float(-1), -1, 1, -1, -1, 1, 1, 1])
    let result = try operation.run([Tensor([1, 1, 2, 2], [Float(1), 2, 3, 4]), grid])
    #expect(result[0].array(Float.self) == [1, 2, 3, 4])
    let wild = Tensor([1, 1, 1, 2], [Float.nan, 1e38])
    #expect(try operation.run([Tensor([1, 1, 1, 1], [Float(1)]), wild])[0].count == 1)
    #expect(throws: KernelProblem.self) {
      try operation.run([
        Tensor([1, 1, 2, 2], [Float(1), 2, 3, 4]), Tensor([1, 2], [Float(0), 0]),
      ])
    }
  }

  @Test(arguments: ["avg", "max"]) func regionsArePooledAlikeInBothLayouts(mode: String) throws {
    var random = SeededGenerator(seed: 11)
    let maps = Tensor([2, 3, 7, 6], random.floats(252))
    let regions = Tensor([3, 4], [Float(0), 0, 5, 6, -2, 1, 3, 3.5, 4, 4, 4, 4])
    let batches = Tensor([3], [Int64(0), 1, 1])
    let operation = OperatorHarness(
      name: "RoiAlign",
      attributes: [
        Attribute("mode", .string(Array(mode.utf8))), Attribute("output_height", .int(3)),
        Attribute("output_width", .int(2)),
      ], version: 16)
    let plain = try operation.run([maps, regions, batches])[0]
    let turned = try operation.run([maps.channelsLast, regions, batches])[0]
    #expect(plain.shape == [3, 3, 3, 2])
    #expect(Self.close(turned.array(Float.self), plain.array(Float.self)))
    for bad: [Float] in [[0, 0, 1e30, 1], [0, 0, .nan, 1], [0, 0, .infinity, .infinity]] {
      _ = try? operation.run([maps, Tensor([1, 4], bad), Tensor([1], [Int64(0)])])
    }
    #expect(throws: KernelProblem.self) {
      try operation.run([maps, regions, Tensor([3], [Int64(0), 1, 2])])
    }
  }
}
