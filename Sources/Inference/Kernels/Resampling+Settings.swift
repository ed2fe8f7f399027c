/// How Resize and Upsample read between elements.
struct Resampling: Sendable {
  /// What is taken of the neighbourhood.
  enum Interpolation: String, Sendable {
    case nearest, linear, cubic
  }

  /// Where in the source a position of the result lies.
  enum Coordinates: String, Sendable {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
    case halfPixelForNearest = "tf_half_pixel_for_nn"
    case cropAndResize = "tf_crop_and_resize"
  }

  /// Which of two neighbours is the nearest.
  enum NearestRounding: String, Sendable {
    case roundPreferFloor = "round_prefer_floor"
    case roundPreferCeil = "round_prefer_ceil"
    case floor, ceil
    /// Before operator set 11: the lower one, the upper one when an axis shrinks.
    case old
  }

  var interpolation = Interpolation.nearest
  var coordinates = Coordinates.asymmetric
  var rounding = NearestRounding.old
  var cubicCoefficient: Float = -0.75
  var excludesOutside = false
  var isAntialiased = false
  var extrapolationValue: Float = 0

  /// Reads the attributes of Resize.
  init(_ settings: NodeSettings) throws {
    interpolation = try Resampling.word(settings, "mode", default: .nearest)
    guard settings.version >= 11 else { return }
    coordinates = try Resampling.word(
      settings, "coordinate_transformation_mode", default: .halfPixel)
    rounding = try Resampling.word(settings, "nearest_mode", default: .roundPreferFloor)
    cubicCoefficient = try settings.float("cubic_coeff_a", default: -0.75)
    excludesOutside = try settings.flag("exclude_outside")
    isAntialiased = try settings.flag("antialias")
    extrapolationValue = try settings.float("extrapolation_value", default: 0)
  }

  /// Reads the attributes of Upsample, whose linear mode went by the name of bilinear, too.
  init(upsample settings: NodeSettings) throws {
    rounding = .floor
    if try settings.string("mode") == "bilinear" {
      interpolation = .linear
    } else {
      interpolation = try Resampling.word(settings, "mode", default: .nearest)
    }
  }

  private static func word<Word: RawRepresentable<String>>(
    _ settings: NodeSettings, _ name: String, default fallback: Word
  ) throws -> Word {
    guard let text = try settings.string(name) else { return fallback }
    guard let word = Word(rawValue: text) else {
      throw KernelProblem("the attribute '\(name)' cannot be '\(text)'")
    }
    return word
  }

  /// The source coordinate of a position of the result, kept within what an integer holds.
  func coordinate(_ position: Int, _ axis: ResizedAxis) -> Float {
    if axis.scale == 1, axis.source == axis.target { return Float(position) }
    let x = Float(position)
    let last = Float(axis.source - 1)
    let result: Float
    switch coordinates {
    case .halfPixel: result = (x + 0.5) / axis.scale - 0.5
    case .pytorchHalfPixel: result = axis.target > 1 ? (x + 0.5) / axis.scale - 0.5 : 0
    case .halfPixelForNearest: result = (x + 0.5) / axis.scale
    case .asymmetric: result = x / axis.scale
    case .alignCorners:
      result = axis.target <= 1 ? 0 : x * last / axis.alignedLast
    case .halfPixelSymmetric:
      let adjustment = Float(axis.target) / axis.exactTarget
      let offset = Float(axis.source) / 2 * (1 - adjustment)
      result = offset + (x + 0.5) / axis.scale - 0.5
    case .cropAndResize:
      result =
        axis.target > 1
        ? axis.start * last + x * (axis.end - axis.start) * last / Float(axis.target - 1)
        : 0.5 * (axis.start + axis.end) * last
    }
    return result.isNaN ? 0 : min(max(result, -1e9), 1e9)
  }

  /// The index of the source element that stands for a coordinate. A coordinate within 1e-6 of
  /// the middle counts as the middle.
  func nearest(_ coordinate: Float, _ axis: ResizedAxis) -> Int {
    let lower = coordinate.rounded(.down)
    let index: Float
    switch rounding {
    case .roundPreferFloor: index = coordinate - lower > 0.500001 ? lower + 1 : lower
    case .roundPreferCeil: index = coordinate - lower >= 0.499999 ? lower + 1 : lower
    case .floor: index = lower
    case .ceil: index = coordinate.rounded(.up)
    case .old: index = coordinate.rounded(axis.scale < 1 ? .up : .down)
    }
    return min(max(Int(index), 0), axis.source - 1)
  }

  /// The positions of the result that lie outside the source and get the extrapolation value.
  func positionsOutside(_ axis: ResizedAxis) -> [Int] {
    guard coordinates == .cropAndResize else { return [] }
    return (0..<axis.target).filter { position in
      let place = coordinate(position, axis)
      return place < 0 || place > Float(axis.source - 1)
    }
  }
}
