import CKernels
import ModelGraph
import Support

/// Turns float weights into integers, slab by slab.
///
/// Channels are gathered into rows, so that every step after that sees one channel as one run of
/// floats, whatever the operator's layout.
struct WeightEncoder: Sendable {
  let source: TensorData
  var recipe: WeightRecipe
  /// Integers that are chosen already; nil to choose them.
  var rounded: RoundedWeights?

  /// Float bytes that a slab of whole rows holds at most; a tensor whose channels aren't whole rows
  /// is one slab.
  private static let slabBytes = 1 << 20

  var layout: ChannelLayout { recipe.layout }

  /// Whether a channel is a run of rows, so that rows can be taken apart.
  var hasRowChannels: Bool { layout.outer == 1 && recipe.storage.axis != nil }

  /// Bytes of an integer before packing.
  var elementByteCount: Int { recipe.storage.elementType == .int16 ? 2 : 1 }

  /// Channels in one slab; even, so that slabs of 4-bit integers begin on a byte.
  private var channelsPerSlab: Int {
    guard hasRowChannels else { return layout.channels }
    let rows = WeightEncoder.slabBytes / (layout.elementsPerChannel * 4)
    return min(layout.channels, max(2, rows / 2 * 2))
  }

  /// The quantized constant; nothing is computed yet.
  func quantizedConstant(number: Int) -> QuantizedConstant {
    let perSlab = channelsPerSlab
    return QuantizedConstant(
      number: number, source: source, storage: recipe.storage,
      channelCount: recipe.scaleCount,
      slabCount: (layout.channels + perSlab - 1) / perSlab,
      slabByteCount: perSlab * layout.elementsPerChannel * 4,
      encode: { [self] slab, storage in
        var encoder = self
        encoder.recipe.storage = storage
        return encoder.encode(slab)
      })
  }

  private func encode(_ slab: Int) -> EncodedSlab {
    let first = slab * channelsPerSlab
    let channels = first..<min(layout.channels, first + channelsPerSlab)
    let elements =
      hasRowChannels
      ? channels.lowerBound * layout.inner..<channels.upperBound * layout.inner
      : 0..<source.elementCount
    guard let bytes = source.packed else {
      preconditionFailure("only packed tensors are planned")
    }
    var parameters = EncodedParameters(firstChannel: channels.lowerBound)
    var stored = [UInt8](repeating: 0, count: elements.count * elementByteCount)
    stored.withUnsafeMutableBytes { output in
      guard recipe.storage.axis != nil else {
        return encodePerTensor(bytes, into: output, &parameters)
      }
      FloatReader.withFloats(bytes, source.elementType, elements) { floats in
        if let block = recipe.storage.block {
          encodeBlocks(block, floats, channels, into: output, &parameters)
        } else {
          encodePerChannel(floats, channels, into: output, &parameters)
        }
      }
      release(elements)
    }
    return EncodedSlab(
      byteOffset: recipe.storage.elementType.byteCount(of: elements.lowerBound) ?? 0,
      integers: arranged(stored), parameters: parameters)
  }

  /// Gives mapped elements back.
  private func release(_ elements: Range<Int>) {
    let width = FloatReader.width(source.elementType)
    source.packed?[elements.lowerBound * width..<elements.upperBound * width].release()
  }

  /// Integers of a byte or two as the storage has them.
  private func arranged(_ stored: [UInt8]) -> [UInt8] {
    var integers = recipe.storage.elementType == .int4 ? packed(stored) : stored
    if recipe.storage.arrangement == .blockRows {
      let shift: UInt8 = recipe.storage.elementType == .int4 ? 0x88 : 0x80
      for index in integers.indices { integers[index] ^= shift }
    }
    return integers
  }

  /// Two 4-bit integers to a byte.
  private func packed(_ stored: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: (stored.count + 1) / 2) { packed, count in
      stored.withUnsafeBytes { bytes in
        guard let input = bytes.bindMemory(to: Int8.self).baseAddress,
          let output = packed.baseAddress
        else { return }
        gs_pack_int4(input, stored.count, output)
      }
      count = (stored.count + 1) / 2
    }
  }

  private func encodePerChannel(
    _ floats: UnsafeBufferPointer<Float>, _ channels: Range<Int>,
    into output: UnsafeMutableRawBufferPointer, _ parameters: inout EncodedParameters
  ) {
    let rows = ChannelRows(
      layout: layout, firstChannel: hasRowChannels ? channels.lowerBound : 0, floats: floats,
      elementByteCount: elementByteCount)
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: layout.elementsPerChannel)
    forEachTile(rows, channels, into: output) { channel in
      let row = rows.row(channel)
      var grid = rounded?.grid(channel) ?? quantizer.grid(row, channel: channel)
      round(row, channel, grid, quantizer)
      let moments = quantizer.moments(row, zeroPoint: grid.zeroPoint)
      var offset: Float = 0
      if recipe.storage.hasOffsets {
        (grid.scale, offset) = moments.correctedGrid(grid.scale)
        parameters.offsets.append(offset)
      } else if correctsScale {
        grid.scale = moments.correctedScale(grid.scale)
      }
      parameters.scales.append(grid.scale)
      parameters.zeroPoints.append(grid.zeroPoint)
      parameters.signal += moments.valueSquares
      parameters.noise += moments.squaredError(
        scale: Double(grid.scale), offset: Double(offset))
      rows.store(quantizer.integers, channel, into: output)
    }
  }

  /// Feedback has weighed errors by what they cost; a scale of less squared error would undo that.
  var correctsScale: Bool { recipe.correctsScale && rounded == nil }

  private func round(
    _ row: UnsafeBufferPointer<Float>, _ channel: Int, _ grid: AffineGrid,
    _ quantizer: ChannelQuantizer
  ) {
    if let rounded {
      rounded.copy(channel, 0..<row.count, to: quantizer.integers)
    } else {
      quantizer.round(row, grid)
    }
  }

  /// Gathers, lets `body` handle each channel, and puts the integers in place.
  func forEachTile(
    _ rows: ChannelRows, _ channels: Range<Int>, into output: UnsafeMutableRawBufferPointer,
    _ body: (Int) -> Void
  ) {
    for first in stride(from: channels.lowerBound, to: channels.upperBound, by: rows.tile) {
      let part = first..<min(channels.upperBound, first + rows.tile)
      rows.gather(part)
      part.forEach(body)
      rows.scatter(into: output)
    }
  }

  /// One grid for the tensor; rounding still balances the errors of each output channel. Where
  /// channels are rows they are read some at a time.
  private func encodePerTensor(
    _ bytes: Bytes, into output: UnsafeMutableRawBufferPointer,
    _ parameters: inout EncodedParameters
  ) {
    var grid = wholeGrid(bytes)
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: layout.elementsPerChannel)
    var moments = RoundingMoments()
    let count = layout.elementsPerChannel
    let perPart =
      layout.outer == 1 ? max(1, WeightEncoder.slabBytes / (4 * max(1, count))) : layout.channels
    for first in stride(from: 0, to: layout.channels, by: max(1, perPart)) {
      let part = first..<min(layout.channels, first + perPart)
      let elements = part.lowerBound * count..<part.upperBound * count
      let target = UnsafeMutableRawBufferPointer(
        rebasing: output[
          elements.lowerBound * elementByteCount..<elements.upperBound * elementByteCount])
      FloatReader.withFloats(bytes, source.elementType, elements) { floats in
        let rows = ChannelRows(
          layout: layout, firstChannel: first, floats: floats, elementByteCount: elementByteCount)
        forEachTile(rows, part, into: target) { channel in
          let row = rows.row(channel)
          round(row, channel, grid, quantizer)
          moments.add(quantizer.moments(row, zeroPoint: grid.zeroPoint))
          rows.store(quantizer.integers, channel, into: target)
        }
      }
      release(elements)
    }
    if correctsScale { grid.scale = moments.correctedScale(grid.scale) }
    parameters.scales = [grid.scale]
    parameters.zeroPoints = [grid.zeroPoint]
    parameters.signal = moments.valueSquares
    parameters.noise = moments.squaredError(scale: Double(grid.scale))
  }

  /// The grid for all weights; only where nothing has chosen it these are looked at.
  private func wholeGrid(_ bytes: Bytes) -> AffineGrid {
    if let rounded { return rounded.grid(0) }
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: 0)
    guard recipe.steps.isEmpty else {
      return quantizer.grid(UnsafeBufferPointer(start: nil, count: 0))
    }
    return FloatReader.withFloats(bytes, source.elementType, 0..<source.elementCount) {
      quantizer.grid($0)
    }
  }
}
