import CKernels

/// Gathers each channel's elements into a run of floats and puts its integers back in place.
///
/// Neighbouring channels of a layout without inner axis are gathered together, so that a cache line
/// and a page serve all of them.
final class ChannelRows {
  private let layout: ChannelLayout
  private let firstChannel: Int
  private let floats: UnsafeBufferPointer<Float>
  private let elementByteCount: Int
  private let keepsRows: Bool
  private let scratch: UnsafeMutableBufferPointer<Float>
  private let stored: UnsafeMutableRawBufferPointer
  private var gathered = 0..<0

  /// Channels that are gathered at once at most.
  let tile: Int

  private static let widestTile = 64
  private static let scratchByteCount = 1 << 20

  /// `floats` begins with channel `firstChannel`; integers are stored in `elementByteCount` bytes.
  ///
  /// - Parameter keepsRows: whether integers stay channel by channel rather than go where the tensor
  ///   has them.
  init(
    layout: ChannelLayout, firstChannel: Int, floats: UnsafeBufferPointer<Float>,
    elementByteCount: Int, keepsRows: Bool = false
  ) {
    self.keepsRows = keepsRows
    self.layout = layout
    self.firstChannel = firstChannel
    self.floats = floats
    self.elementByteCount = elementByteCount
    let count = layout.elementsPerChannel
    let fitting = ChannelRows.scratchByteCount / (4 * max(1, count))
    tile = layout.outer == 1 ? 1 : max(16, min(ChannelRows.widestTile, fitting))
    scratch = .allocate(capacity: layout.outer == 1 ? 0 : count * tile)
    stored = .allocate(
      byteCount: layout.outer == 1 ? 0 : count * tile * elementByteCount, alignment: 8)
  }

  deinit {
    scratch.deallocate()
    stored.deallocate()
  }

  /// Makes the channels ready; at most `tile`.
  func gather(_ channels: Range<Int>) {
    gathered = channels
    guard layout.outer > 1, let input = floats.baseAddress, let output = scratch.baseAddress else {
      return
    }
    let first = channels.lowerBound - firstChannel
    if layout.inner == 1 {
      gs_transpose_strided(
        input + first, 4 * layout.channels, output, 4 * layout.outer, layout.outer, channels.count,
        4)
      return
    }
    for offset in 0..<channels.count {
      for outer in 0..<layout.outer {
        let start = (outer * layout.channels + first + offset) * layout.inner
        let target = offset * layout.elementsPerChannel + outer * layout.inner
        (output + target).update(from: input + start, count: layout.inner)
      }
    }
  }

  /// The elements of a gathered channel.
  func row(_ channel: Int) -> UnsafeBufferPointer<Float> {
    let count = layout.elementsPerChannel
    if layout.outer == 1 {
      let start = (channel - firstChannel) * count
      return UnsafeBufferPointer(rebasing: floats[start..<start + count])
    }
    let start = (channel - gathered.lowerBound) * count
    return UnsafeBufferPointer(rebasing: scratch[start..<start + count])
  }

  /// Keeps a gathered channel's integers, in the row's order.
  func store(
    _ integers: UnsafeMutableBufferPointer<Int32>, _ channel: Int,
    into output: UnsafeMutableRawBufferPointer
  ) {
    let count = layout.elementsPerChannel
    let isDirect = layout.outer == 1 || keepsRows
    let base = isDirect ? output.baseAddress : stored.baseAddress
    let first = isDirect ? firstChannel : gathered.lowerBound
    guard let base, let input = integers.baseAddress else { return }
    let start = base + (channel - first) * count * elementByteCount
    if elementByteCount == 2 {
      gs_store_int16(input, count, start.assumingMemoryBound(to: Int16.self))
    } else {
      gs_store_int8(input, count, start.assumingMemoryBound(to: Int8.self))
    }
  }

  /// Puts the integers of the gathered channels where the tensor has them.
  func scatter(into output: UnsafeMutableRawBufferPointer) {
    guard layout.outer > 1, !keepsRows, let input = stored.baseAddress,
      let base = output.baseAddress
    else { return }
    let first = gathered.lowerBound - firstChannel
    if layout.inner == 1 {
      let target = base + first * elementByteCount
      gs_transpose_strided(
        input, layout.outer * elementByteCount, target, layout.channels * elementByteCount,
        gathered.count, layout.outer, elementByteCount)
      return
    }
    let byteCount = layout.inner * elementByteCount
    for offset in 0..<gathered.count {
      for outer in 0..<layout.outer {
        let start = offset * layout.elementsPerChannel + outer * layout.inner
        let target = (outer * layout.channels + first + offset) * layout.inner
        (base + target * elementByteCount).copyMemory(
          from: input + start * elementByteCount, byteCount: byteCount)
      }
    }
  }
}
