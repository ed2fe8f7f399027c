import ModelGraph

extension QuantizedStorage {
  /// Gives blocks of `size` elements along a channel scales of their own, where the constant is the
  /// matrix of a product or a table and its channels are whole blocks.
  mutating func divide(_ dimensions: [Int], by size: Int?, for nodes: [Node]) {
    guard let size, let axis, dimensions.count == 2, dimensions[1 - axis] % size == 0,
      nodes.allSatisfy({ ["MatMul", "Gemm", "Gather"].contains($0.operatorType) })
    else { return }
    block = Block(size: size, axis: 1 - axis)
  }
}

extension WeightEncoder {
  /// One grid for each block of each channel.
  ///
  /// Parameters are in the order of the tensor of scales: along channels fastest if blocks lie along
  /// the first axis and integers keep the tensor's extents.
  func encodeBlocks(
    _ block: QuantizedStorage.Block, _ floats: UnsafeBufferPointer<Float>, _ channels: Range<Int>,
    into output: UnsafeMutableRawBufferPointer, _ parameters: inout EncodedParameters
  ) {
    let count = layout.elementsPerChannel / block.size
    let keepsRows = recipe.storage.arrangement == .blockRows
    parameters.firstChannel = channels.lowerBound * count
    let rows = ChannelRows(
      layout: layout, firstChannel: hasRowChannels ? channels.lowerBound : 0, floats: floats,
      elementByteCount: elementByteCount, keepsRows: keepsRows)
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: block.size)
    let whole = UnsafeMutableBufferPointer<Int32>.allocate(capacity: layout.elementsPerChannel)
    defer { whole.deallocate() }
    forEachTile(rows, channels, into: output) { channel in
      let row = rows.row(channel)
      for start in stride(from: 0, to: row.count, by: block.size) {
        let part = UnsafeBufferPointer(rebasing: row[start..<start + block.size])
        var grid = rounded?.grid(channel, element: start) ?? quantizer.grid(part)
        if let rounded {
          rounded.copy(channel, start..<start + block.size, to: quantizer.integers)
        } else {
          quantizer.round(part, grid)
        }
        let moments = quantizer.moments(part, zeroPoint: grid.zeroPoint)
        if correctsScale { grid.scale = moments.correctedScale(grid.scale) }
        parameters.scales.append(grid.scale)
        parameters.zeroPoints.append(grid.zeroPoint)
        parameters.signal += moments.valueSquares
        parameters.noise += moments.squaredError(scale: Double(grid.scale))
        for index in 0..<block.size { whole[start + index] = quantizer.integers[index] }
      }
      rows.store(whole, channel, into: output)
    }
    guard block.axis == 0, !keepsRows else { return }
    parameters.scales = WeightEncoder.turned(parameters.scales, rows: channels.count)
    parameters.zeroPoints = WeightEncoder.turned(parameters.zeroPoints, rows: channels.count)
  }

  /// The transposed matrix.
  private static func turned<Element>(_ values: [Element], rows: Int) -> [Element] {
    let columns = values.count / max(1, rows)
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }
}
