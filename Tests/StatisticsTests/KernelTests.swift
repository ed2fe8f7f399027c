import CKernels
import Foundation
import Testing

@testable import Statistics

/// Each kernel against the slow, obvious way.
@Suite struct StatisticsKernelTests {
  private static let sizes = [0, 1, 2, 15, 16, 17, 63, 64, 65, 1000, 4095, 4096, 4097, 12345]

  private static func mixtures(_ data: inout TestData, _ size: Int) -> [[Float]] {
    var holes = data.activations(size)
    for index in stride(from: 3, to: size, by: 7) {
      holes[index] = index % 2 == 0 ? .nan : -.infinity
    }
    let denormals = (0..<size).map { Float(bitPattern: UInt32($0 % 91) | UInt32($0 % 2) << 31) }
    let zeros = (0..<size).map { $0 % 3 == 0 ? -0.0 as Float : 0 }
    return [data.activations(size), data.anything(size), holes, denormals, zeros]
  }

  private func sumOfSquares(_ values: [Float], about center: Double) -> Double {
    var sum = 0.0
    for value in values { sum += (Double(value) - center) * (Double(value) - center) }
    return sum
  }

  @Test func extentsAndHistograms() {
    var data = TestData.printed()
    for size in Self.sizes {
      for values in Self.mixtures(&data, size) {
        let finite = values.filter(\.isFinite)
        var extent = Extent.nothing
        var histogram = Histogram()
        values.withUnsafeBufferPointer { histogram.add($0, &extent) }
        let alone = values.withUnsafeBufferPointer { Extent(of: $0) }
        for extent in [extent, alone] {
          #expect(
            extent.range?.lowerBound == finite.min() && extent.range?.upperBound == finite.max())
          #expect(extent.zeros == finite.count { $0 == 0 })
          #expect(extent.not_numbers == values.count(where: \.isNaN))
          #expect(extent.infinities == values.count(where: \.isInfinite))
        }
        let largest = finite.map(\.magnitude).max() ?? 0
        let exponent = largest > 0 ? max(-116, Int(largest.exponent) + 1) : -116
        #expect(histogram.exponent == exponent)
        var counts = [UInt64](repeating: 0, count: 4096)
        let width = Double(sign: .plus, exponent: exponent - 11, significand: 1)
        for value in finite where value != 0 {
          let bin = Int(Double(value.magnitude) / width)
          counts[value > 0 ? 2048 + bin : 2047 - bin] += 1
        }
        #expect(histogram.counts == counts)
      }
    }
  }

  @Test func extentsWithSums() {
    var data = TestData.printed()
    for size in Self.sizes {
      let huge = [Float](repeating: 3e38, count: size)
      for values in Self.mixtures(&data, size) + [huge] {
        let (extent, sum) = values.withUnsafeBufferPointer { Extent.withSum(of: $0) }
        let alone = values.withUnsafeBufferPointer { Extent(of: $0) }
        #expect(extent.range == alone.range)
        #expect(extent.zeros == alone.zeros && extent.not_numbers == alone.not_numbers)
        #expect(extent.infinities == alone.infinities)
        let finite = values.filter(\.isFinite).map(Double.init)
        let magnitudes = finite.reduce(0) { $0 + $1.magnitude }
        #expect(abs(sum - finite.reduce(0, +)) <= 1e-6 * magnitudes)
      }
    }
  }

  @Test func orderStatistics() {
    var data = TestData.printed()
    for size in Self.sizes {
      for values in Self.mixtures(&data, size) {
        let sorted = values.filter(\.isFinite).sorted()
        var positions = [0, sorted.count - 1, sorted.count + 5, -1]
        for _ in 0..<5 { positions.append(Int.random(in: 0...size, using: &data)) }
        var extent = Extent.nothing
        var histogram = Histogram()
        values.withUnsafeBufferPointer { values in
          histogram.add(values, &extent)
          let order = OrderStatistics(values, histogram, extent)
          let expected =
            sorted.isEmpty ? [] : positions.map { sorted[min(max($0, 0), sorted.count - 1)] }
          #expect(order.values(at: positions) == expected)
        }
      }
    }
  }

  @Test func channels() throws {
    var data = TestData.printed()
    for (outer, channels, inner) in [
      (1, 1, 1), (2, 3, 5), (1, 7, 100), (9, 5, 1), (33, 64, 1), (3, 2, 17), (4, 1, 1), (0, 4, 2),
    ] {
      var values = data.activations(outer * channels * inner)
      for index in stride(from: 4, to: values.count, by: 11) { values[index] = .nan }
      if values.count > 30 { values[30] = .infinity }
      let arrangement = try #require(
        ChannelArrangement(extents: [outer, channels, inner], axis: 1))
      let statistics = TensorStatistics(
        [values], [.channelRanges, .channelSquares], arrangement)
      let found = try #require(statistics.channels)
      for channel in 0..<channels {
        let own = values.indices.filter { $0 / inner % channels == channel }.map { values[$0] }
          .filter(\.isFinite)
        #expect(found.minimums[channel] == own.min() ?? .infinity)
        #expect(found.maximums[channel] == own.max() ?? -.infinity)
        let magnitude = own.reduce(0.0) { $0 + Double($1.magnitude) }
        let sum = own.reduce(0.0) { $0 + Double($1) }
        let squares = sumOfSquares(own, about: 0)
        #expect(abs(found.sums[channel] - sum) <= 1e-13 * magnitude)
        #expect(agree(found.squares[channel], squares, 1e-13))
      }
      #expect(found.elementsPerChannel == outer * inner)
    }
  }

  /// Bin by bin, group by group.
  private func divergence(_ masses: [Double], _ first: Int, _ last: Int, _ groups: Int) -> Double {
    let size = last - first
    var outer = Array(masses[first..<last])
    outer[0] += masses[..<first].reduce(0, +)
    outer[size - 1] += masses[last...].reduce(0, +)
    var spread = [Double](repeating: 0, count: size)
    for group in 0..<groups {
      let begin = Double(group * size) / Double(groups)
      let end = Double((group + 1) * size) / Double(groups)
      let shares = (0..<size).map { max(0, min(end, Double($0 + 1)) - max(begin, Double($0))) }
      var (mass, places) = (0.0, 0.0)
      for bin in 0..<size where masses[first + bin] > 0 && shares[bin] > 1e-9 {
        mass += shares[bin] * masses[first + bin]
        places += shares[bin]
      }
      for bin in 0..<size where masses[first + bin] > 0 && shares[bin] > 1e-9 {
        spread[bin] += shares[bin] * mass / places
      }
    }
    let (total, kept) = (outer.reduce(0, +), spread.reduce(0, +))
    guard kept > 0 else { return .infinity }
    return zip(outer, spread).reduce(0) { sum, pair in
      pair.0 > 0 ? sum + pair.0 / total * log(pair.0 / total / (pair.1 / kept)) : sum
    }
  }

  @Test func divergences() {
    var data = TestData.printed()
    for _ in 0..<60 {
      let count = Int.random(in: 1...70, using: &data)
      let masses = (0..<count).map { _ in
        Double(max(0, Int.random(in: -20...60, using: &data)))
      }
      let first = Int.random(in: 0..<count, using: &data)
      let last = Int.random(in: first + 1...count, using: &data)
      let groups = Int.random(in: 1...last - first, using: &data)
      var table = masses + [Double](repeating: 0, count: 3 * count + 4)
      var scratch = [Double](repeating: 0, count: 7 * (groups + 1))
      gs_sum_bins(&table, count)
      let found = gs_divergence(table, count, first, last, groups, &scratch)
      let expected =
        masses.reduce(0, +) > 0 ? divergence(masses, first, last, groups) : 0
      #expect(found == expected || abs(found - expected) < 1e-9)
    }
  }

  /// Sums over fine steps within each bin.
  @Test func histogramErrors() {
    var data = TestData.printed()
    for bins in [0, 1, 2, 16, 17, 40] {
      for (width, most) in [(0.3, 5.0), (2.7, 1000), (0.05, 0), (1.0, 12)] {
        let counts = (0..<bins).map { _ in Double(Int.random(in: 0...9, using: &data)) }
        let end = (Double(bins) - 0.4) * width
        var scratch = [Double](repeating: 0, count: bins + 1)
        var expected = 0.0
        for (bin, count) in counts.enumerated() {
          let from = Double(bin) * width
          let size = (bin == bins - 1 ? end : from + width) - from
          let parts = 4000
          for part in 0..<parts {
            let x = from + size * (Double(part) + 0.5) / Double(parts)
            let error = x - min(x.rounded(.toNearestOrEven), most)
            expected += count * error * error / Double(parts)
          }
        }
        let found = gs_histogram_error(counts, bins, width, end, most, &scratch)
        #expect(agree(found, expected, 1e-3))
      }
    }
  }

  @Test func pairsAndSpreads() {
    var data = TestData.printed()
    for size in Self.sizes {
      let (a, b) = (data.activations(size), data.activations(size))
      var (product, squaresA, squaresB) = (0.0, 0.0, 0.0)
      gs_pair_sums(a, b, size, &product, &squaresA, &squaresB)
      let products = zip(a, b).map { Double($0) * Double($1) }
      let magnitude = products.reduce(0) { $0 + abs($1) }
      #expect(abs(product - products.reduce(0, +)) <= 1e-12 * magnitude)
      #expect(agree(squaresA, sumOfSquares(a, about: 0), 1e-12))
      #expect(agree(squaresB, sumOfSquares(b, about: 0), 1e-12))
      let spread = sumOfSquares(a, about: 0.5)
      #expect(agree(gs_spread(a, size, 0.5), spread, 1e-12))
      let outside = a.count { (value: Float) in value < -0.25 || value > 1 }
      #expect(gs_count_outside(a + [.nan, .infinity], size + 2, -0.25, 1) == outside)
    }
  }
}
