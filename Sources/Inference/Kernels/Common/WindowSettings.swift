/// Strides, dilations and padding of a window that slides over spatial axes.
struct WindowSettings: Sendable {
  /// How padding is told.
  enum Padding: Sendable {
    case explicit(begin: [Int], end: [Int])
    case sameUpper
    case sameLower
    case valid
  }

  let strides: [Int]?
  let dilations: [Int]?
  let padding: Padding?
  let kernelShape: [Int]?

  /// Reads `strides`, `dilations`, `pads`, `auto_pad` and `kernel_shape`.
  init(_ settings: NodeSettings) throws {
    strides = try settings.ints("strides")
    dilations = try settings.ints("dilations")
    kernelShape = try settings.ints("kernel_shape")
    let automatic = try settings.string("auto_pad") ?? "NOTSET"
    switch automatic {
    case "", "NOTSET":
      if let pads = try settings.ints("pads") {
        guard pads.count % 2 == 0 else { throw KernelProblem("pads has \(pads.count) numbers") }
        let half = pads.count / 2
        padding = .explicit(begin: Array(pads[..<half]), end: Array(pads[half...]))
      } else {
        padding = nil
      }
    case "SAME_UPPER": padding = .sameUpper
    case "SAME_LOWER": padding = .sameLower
    case "VALID": padding = .valid
    default: throw KernelProblem("auto_pad '\(automatic)' does not exist")
    }
    for (name, values) in [
      ("strides", strides), ("dilations", dilations), ("kernel_shape", kernelShape),
    ] {
      guard values?.allSatisfy({ $0 > 0 && $0 < 1 << 31 }) ?? true else {
        throw KernelProblem("\(name) holds a number that isn't positive")
      }
    }
  }

  /// Window settings for as many spatial axes, with defaults filled in.
  ///
  /// - Throws: lists of another length than there are spatial axes.
  func resolved(kernel: [Int], input: [Int]) throws -> Window {
    let rank = kernel.count
    let strides = strides ?? [Int](repeating: 1, count: rank)
    let dilations = dilations ?? [Int](repeating: 1, count: rank)
    guard input.count == rank, strides.count == rank, dilations.count == rank else {
      throw KernelProblem(
        "a window over \(rank) axes does not fit an input with \(input.count) spatial axes")
    }
    var begin = [Int](repeating: 0, count: rank)
    var end = begin
    switch padding {
    case nil, .valid?: break
    case .explicit(let first, let last)?:
      guard first.count == rank else {
        throw KernelProblem("pads has \(2 * first.count) numbers for \(rank) spatial axes")
      }
      guard (first + last).allSatisfy({ abs($0) < 1 << 31 }) else {
        throw KernelProblem("pads holds an impossible number")
      }
      begin = first
      end = last
    case .sameUpper?, .sameLower?:
      for axis in 0..<rank {
        let outputs = (input[axis] + strides[axis] - 1) / strides[axis]
        let reach = (kernel[axis] - 1) * dilations[axis] + 1
        let total = max(0, (outputs - 1) * strides[axis] + reach - input[axis])
        if case .sameUpper? = padding {
          begin[axis] = total / 2
        } else {
          begin[axis] = total - total / 2
        }
        end[axis] = total - begin[axis]
      }
    }
    return Window(
      kernel: kernel, strides: strides, dilations: dilations, begin: begin, end: end)
  }
}

/// A window with every number known.
struct Window: Sendable, Equatable {
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  let begin: [Int]
  let end: [Int]

  /// How far the window reaches along an axis.
  func reach(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

  /// The spatial extents of a convolution's output.
  ///
  /// - Throws: a window larger than the padded input.
  func outputExtents(input: [Int]) throws -> [Int] {
    try input.indices.map { axis in
      let room = input[axis] + begin[axis] + end[axis] - reach(axis)
      guard room >= 0 else {
        throw KernelProblem(
          "a window of \(reach(axis)) does not fit a padded input of \(room + reach(axis))")
      }
      return room / strides[axis] + 1
    }
  }
}
