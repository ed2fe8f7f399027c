import Support
import Testing

@testable import Images

/// Colours, normalization, resizing and cutting.
@Suite struct PreprocessingTests {
  private static func image() throws -> PixelImage {
    try ImageDecoder.decode(Bytes(Golden.file("rgb.bmp")))
  }

  private static func numbers(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { place in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * $1) })
    }
  }

  @Test func numbersAreThoseOfOpenCV() throws {
    let image = try Self.image()
    for (words, data) in try Golden.lines("resized.txt") {
      let sizes = words[2...].compactMap { Int($0) }
      let colour = try #require(ImagePreprocessing.Colour(rawValue: words[0]))
      let isGray = colour == .gray
      let preprocessing = try ImagePreprocessing(
        colour: colour, mean: isGray ? [120.5] : [123.5, 116.25, 103.5],
        std: isGray ? [58] : [58.5, 57, 57.5],
        resizing: (
          ImageSize(width: sizes[0], height: sizes[1]),
          try #require(Interpolation(rawValue: words[1]))
        ),
        crop: sizes[2] == 0 ? nil : ImageSize(width: sizes[2], height: sizes[3]))
      let expected = Self.numbers(data)
      let found = try preprocessing.numbers(of: image, order: .channelsLast)
      #expect(found.count == expected.count)
      let error = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
      #expect(error <= 1e-5, "\(words): \(error)")
    }
  }

  /// Every step written out for one number, in the order of the definition.
  private static func plain(
    _ image: PixelImage, _ steps: ImagePreprocessing, mean: Double, std: Double, channel: Int,
    _ column: Int, _ row: Int
  ) -> Double {
    func normalized(_ x: Int, _ y: Int) -> Double {
      let place =
        min(max(y, 0), image.size.height - 1) * image.size.width
        + min(max(x, 0), image.size.width - 1)
      return (Double(image.pixels[3 * place + channel]) - mean) / std
    }
    guard let (size, method) = steps.resizing else { return normalized(column, row) }
    func weights(_ position: Double) -> [(Int, Double)] {
      let floor = position.rounded(.down)
      return (-1...2).map { offset in
        let distance = abs(position - floor - Double(offset))
        let a = -0.75
        let weight =
          switch method {
          case .nearest: offset == 0 ? 1.0 : 0
          case .linear: max(0, 1 - distance)
          case .cubic where distance <= 1:
            (a + 2) * distance * distance * distance - (a + 3) * distance * distance + 1
          case .cubic:
            a * (distance * distance * distance - 5 * distance * distance + 8 * distance - 4)
          }
        return (Int(floor) + offset, weight)
      }
    }
    func position(_ target: Int, _ from: Int, _ to: Int) -> Double {
      let scale = 1 / (Double(to) / Double(from))
      return method == .nearest
        ? (Double(target) * scale).rounded(.down) : (Double(target) + 0.5) * scale - 0.5
    }
    var sum = 0.0
    for (y, down) in weights(position(row, image.size.height, size.height)) {
      for (x, along) in weights(position(column, image.size.width, size.width)) {
        sum += down * along * normalized(x, y)
      }
    }
    return sum
  }

  @Test func resizingIsItsDefinition() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = Repeatable(state: seed)
    for _ in 0..<60 {
      func extent() -> Int { Int.random(in: 1...23, using: &random) }
      let size = ImageSize(width: extent(), height: extent())
      let image = PixelImage(
        size: size,
        pixels: (0..<3 * size.pixelCount).map { _ in UInt8.random(in: 0...255, using: &random) })
      let method = try #require(Interpolation.allCases.randomElement(using: &random))
      let target = ImageSize(width: extent(), height: extent())
      let crop = ImageSize(
        width: Int.random(in: 1...target.width, using: &random),
        height: Int.random(in: 1...target.height, using: &random))
      let steps = try ImagePreprocessing(
        colour: .rgb, mean: [1, 2, 3], std: [4, 5, 6], resizing: (target, method), crop: crop)
      let last = try steps.numbers(of: image, order: .channelsLast)
      let first = try steps.numbers(of: image, order: .channelsFirst)
      let left = (target.width - crop.width) / 2
      let top = (target.height - crop.height) / 2
      for (index, number) in last.enumerated() {
        let (pixel, channel) = index.quotientAndRemainder(dividingBy: 3)
        let (row, column) = pixel.quotientAndRemainder(dividingBy: crop.width)
        let expected = Self.plain(
          image, steps, mean: Double(channel + 1), std: Double(channel + 4), channel: channel,
          left + column, top + row)
        #expect(
          abs(Double(number) - expected) < 2e-4, "seed \(seed), \(size) to \(target) \(method)")
        #expect(first[channel * crop.pixelCount + pixel] == number, "seed \(seed)")
      }
    }
  }

  @Test func withoutNormalizationNumbersAreThePixels() throws {
    let image = try Self.image()
    let rgb = try ImagePreprocessing(colour: .rgb).numbers(of: image, order: .channelsLast)
    #expect(rgb == image.pixels.map(Float.init))
    let bgr = try ImagePreprocessing(colour: .bgr).numbers(of: image, order: .channelsFirst)
    #expect(Array(bgr.prefix(2)) == [Float(image.pixels[2]), Float(image.pixels[5])])
  }

  @Test func greyIsRoundedToEightBits() throws {
    let image = PixelImage(
      size: ImageSize(width: 3, height: 1), pixels: [255, 255, 255, 200, 100, 50, 1, 0, 0])
    let gray = try ImagePreprocessing(colour: .gray).numbers(of: image, order: .channelsLast)
    #expect(gray == [255, 124, 0])
  }

  @Test func impossibleStepsAreRefused() {
    func problem(
      _ colour: ImagePreprocessing.Colour, mean: [Double]? = nil, std: [Double]? = nil,
      resize: ImageSize? = nil
    ) -> String? {
      do throws(ImageProblem) {
        _ = try ImagePreprocessing(
          colour: colour, mean: mean, std: std, resizing: resize.map { ($0, .linear) })
        return nil
      } catch { return error.message }
    }
    #expect(problem(.rgb, std: [1, 0, 1]) == "normalize_std must be positive, not 0.0")
    #expect(problem(.gray, std: [-2])?.contains("not -2.0") == true)
    #expect(
      problem(.gray, mean: [1, 2, 3]) == "normalize_mean has 3 numbers, and GRAY has 1 channel")
    #expect(problem(.bgr, mean: [1]) == "normalize_mean has 1 number, and BGR has 3 channels")
    #expect(problem(.gray, mean: [.nan])?.contains("not finite") == true)
    let huge = ImageSize(width: 65_535, height: 65_535)
    #expect(problem(.gray, resize: huge)?.contains("65535 x 65535") == true)
    #expect(problem(.gray, resize: ImageSize(width: 0, height: 1)) != nil)
  }

  @Test func aCutLargerThanTheResizedImageIsTold() {
    #expect(throws: ImageProblem.self) {
      try ImagePreprocessing(
        colour: .rgb, resizing: (ImageSize(width: 4, height: 9), .linear),
        crop: ImageSize(width: 5, height: 5))
    }
  }

  @Test func aCutLargerThanTheImageIsTold() throws {
    let steps = try ImagePreprocessing(colour: .rgb, crop: ImageSize(width: 20, height: 1))
    #expect(throws: ImageProblem.self) { try steps.numbers(of: Self.image(), order: .channelsLast) }
  }
}

/// A repeatable sequence (Knuth's linear congruential generator).
struct Repeatable: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
