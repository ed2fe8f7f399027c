import Glibc

/// The discrete Fourier transform of one length, in double precision: radix 2 for powers of two,
/// Bluestein's convolution (1970) for all other lengths.
final class FourierTransform: Sendable {
  /// Number of points.
  let length: Int
  /// exp(-2 pi i k / n) for the first half of the circle of the power of two that is computed.
  private let cosines: [Double]
  private let sines: [Double]
  private let convolution: Convolution?

  /// What a length that is no power of two needs: exp(-pi i k^2 / n), and the transform of the
  /// convolution's kernel.
  private struct Convolution: Sendable {
    let inner: FourierTransform
    let chirp: Points
    let kernel: Points
  }

  /// Complex numbers, parts apart.
  struct Points: Sendable {
    var real: [Double]
    var imaginary: [Double]

    /// Zeros.
    init(count: Int) {
      real = Array(repeating: 0, count: count)
      imaginary = real
    }
  }

  /// Prepares transforms of `length` points.
  ///
  /// - Precondition: at least one.
  init(length: Int) {
    self.length = length
    guard length & (length - 1) != 0 else {
      let angles = (0..<length / 2).map { -2 * Double.pi * Double($0) / Double(length) }
      cosines = angles.map { cos($0) }
      sines = angles.map { sin($0) }
      convolution = nil
      return
    }
    cosines = []
    sines = []
    convolution = Self.convolution(length)
  }

  private static func convolution(_ length: Int) -> Convolution {
    var size = 1
    while size < 2 * length - 1 { size *= 2 }
    let inner = FourierTransform(length: size)
    var chirp = Points(count: length)
    var kernel = Points(count: size)
    for index in 0..<length {
      let angle = -Double.pi * Double(index * index % (2 * length)) / Double(length)
      chirp.real[index] = cos(angle)
      chirp.imaginary[index] = sin(angle)
      for place in [index, (size - index) % size] {
        kernel.real[place] = chirp.real[index]
        kernel.imaginary[place] = -chirp.imaginary[index]
      }
    }
    inner.transform(&kernel)
    return Convolution(inner: inner, chirp: chirp, kernel: kernel)
  }

  /// Transforms points in place: y[k] = sum over n of x[n] exp(-2 pi i k n / length).
  ///
  /// - Complexity: O(length log length).
  func transform(_ points: inout Points) {
    if let convolution {
      convolve(&points, convolution)
    } else {
      points.real.withUnsafeMutableBufferPointer { real in
        points.imaginary.withUnsafeMutableBufferPointer { imaginary in
          reorder(real, imaginary)
          combine(real, imaginary)
        }
      }
    }
  }

  /// The inverse, 1 / length included.
  func invert(_ points: inout Points) {
    swap(&points.real, &points.imaginary)
    transform(&points)
    swap(&points.real, &points.imaginary)
    for index in 0..<length {
      points.real[index] /= Double(length)
      points.imaginary[index] /= Double(length)
    }
  }

  /// Puts each element where its index with the bits reversed says.
  private func reorder(
    _ real: UnsafeMutableBufferPointer<Double>, _ imaginary: UnsafeMutableBufferPointer<Double>
  ) {
    var reversed = 0
    for index in 0..<length {
      if index < reversed {
        real.swapAt(index, reversed)
        imaginary.swapAt(index, reversed)
      }
      var bit = length >> 1
      while bit > 0, reversed & bit != 0 {
        reversed ^= bit
        bit >>= 1
      }
      reversed |= bit
    }
  }

  private func combine(
    _ real: UnsafeMutableBufferPointer<Double>, _ imaginary: UnsafeMutableBufferPointer<Double>
  ) {
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        var half = 1
        while half < length {
          let step = length / (2 * half)
          for start in stride(from: 0, to: length, by: 2 * half) {
            for offset in 0..<half {
              let (c, s) = (cosines[offset * step], sines[offset * step])
              let (low, high) = (start + offset, start + offset + half)
              let x = real[high] * c - imaginary[high] * s
              let y = real[high] * s + imaginary[high] * c
              real[high] = real[low] - x
              imaginary[high] = imaginary[low] - y
              real[low] += x
              imaginary[low] += y
            }
          }
          half *= 2
        }
      }
    }
  }

  private func convolve(_ points: inout Points, _ convolution: Convolution) {
    let chirp = convolution.chirp
    var wide = Points(count: convolution.inner.length)
    for index in 0..<length {
      let (x, y) = (points.real[index], points.imaginary[index])
      wide.real[index] = x * chirp.real[index] - y * chirp.imaginary[index]
      wide.imaginary[index] = x * chirp.imaginary[index] + y * chirp.real[index]
    }
    convolution.inner.transform(&wide)
    for index in wide.real.indices {
      let (x, y) = (wide.real[index], wide.imaginary[index])
      let (u, v) = (convolution.kernel.real[index], convolution.kernel.imaginary[index])
      wide.real[index] = x * u - y * v
      wide.imaginary[index] = x * v + y * u
    }
    convolution.inner.invert(&wide)
    for index in 0..<length {
      let (x, y) = (wide.real[index], wide.imaginary[index])
      points.real[index] = x * chirp.real[index] - y * chirp.imaginary[index]
      points.imaginary[index] = x * chirp.imaginary[index] + y * chirp.real[index]
    }
  }
}
