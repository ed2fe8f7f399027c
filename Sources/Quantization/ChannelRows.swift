import CKernels

/// Gathers each channel's elements into a run of floats and puts its integers back in place.
final class ChannelRows {
  private let layout: ChannelLayout
  private let firstChannel: Int
  private let floats: UnsafeBufferPointer<Float>
  private let scratch: UnsafeMutableBufferPointer<Float>
  private var gathered = 0

  /// `floats` begins with channel `firstChannel`; `tile` channels are gathered at once.
  init(layout: ChannelLayout, firstChannel: Int, floats: UnsafeBufferPointer<Float>, tile: Int) {
    self.layout = layout
    self.firstChannel = firstChannel
    self.floats = floats
    scratch = .allocate(capacity: layout.outer == 1 ? 0 : layout.elementsPerChannel * tile)
  }

  deinit { scratch.deallocate() }

  /// Makes `count` channels from `channel` on ready.
  func gather(_ channel: Int, _ count: Int) {
    gathered = channel
    guard layout.outer > 1, let input = floats.baseAddress, let output = scratch.baseAddress else {
      return
    }
    if layout.inner == 1 {
      gs_gather_columns(input + channel, layout.outer, layout.channels, count, output)
      return
    }
    for offset in 0..<count {
      for outer in 0..<layout.outer {
        let start = (outer * layout.channels + channel + offset) * layout.inner
        let target = offset * layout.elementsPerChannel + outer * layout.inner
        (output + target).update(from: input + start, count: layout.inner)
      }
    }
  }

  /// The elements of the `offset`-th gathered channel.
  func row(_ offset: Int) -> UnsafeBufferPointer<Float> {
    let count = layout.elementsPerChannel
    if layout.outer == 1 {
      let start = (gathered - firstChannel + offset) * count
      return UnsafeBufferPointer(rebasing: floats[start..<start + count])
    }
    return UnsafeBufferPointer(rebasing: scratch[offset * count..<(offset + 1) * count])
  }

  /// Stores a channel's integers, in the row's order, where the tensor has them.
  func scatter(
    _ integers: UnsafeMutableBufferPointer<Int32>, _ channel: Int,
    into output: UnsafeMutableRawBufferPointer, isWide: Bool
  ) {
    guard let input = integers.baseAddress else { return }
    let inner = layout.inner
    let local = channel - firstChannel
    if inner == 1, layout.outer > 1 {
      if isWide {
        let target = output.bindMemory(to: Int16.self)
        for outer in 0..<layout.outer {
          target[outer * layout.channels + local] = Int16(truncatingIfNeeded: integers[outer])
        }
      } else {
        let target = output.bindMemory(to: Int8.self)
        for outer in 0..<layout.outer {
          target[outer * layout.channels + local] = Int8(truncatingIfNeeded: integers[outer])
        }
      }
      return
    }
    for outer in 0..<layout.outer {
      let start = (outer * layout.channels + local) * inner
      let part = input + outer * inner
      if isWide {
        guard let target = output.bindMemory(to: Int16.self).baseAddress else { return }
        gs_store_int16(part, inner, target + start)
      } else {
        guard let target = output.bindMemory(to: Int8.self).baseAddress else { return }
        gs_store_int8(part, inner, target + start)
      }
    }
  }
}
