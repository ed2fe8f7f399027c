import CKernels

/// One image on its way to numbers: each source row that is needed is looked up, normalized and
/// resampled along x once, then rows are blended along y. No whole normalized image is kept.
struct ResamplingPass {
  let image: PixelImage
  let preprocessing: ImagePreprocessing
  let order: ImagePreprocessing.Order
  let columns: ResamplingTaps
  let rows: ResamplingTaps

  private var channels: Int { preprocessing.colour.channelCount }
  private var width: Int { columns.places.count / columns.count }
  private var height: Int { rows.places.count / rows.count }

  var numbers: [Float] {
    let source: [UInt8]
    if preprocessing.colour == .gray {
      source = [UInt8](unsafeUninitializedCapacity: image.size.pixelCount) { target, count in
        gs_image_gray(image.pixels, image.size.pixelCount, target.baseAddress)
        count = image.size.pixelCount
      }
    } else {
      source = image.pixels
    }
    return [Float](unsafeUninitializedCapacity: width * height * channels) { target, count in
      source.withUnsafeBufferPointer { resample($0, target) }
      count = width * height * channels
    }
  }

  private func resample(
    _ source: UnsafeBufferPointer<UInt8>, _ target: UnsafeMutableBufferPointer<Float>
  ) {
    let rowCount = width * channels
    let kept = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows.count * rowCount)
    defer { kept.deallocate() }
    var keptRows = [Int](repeating: -1, count: rows.count)
    var pointers = [UnsafePointer<Float>?](repeating: nil, count: rows.count)
    let sourceRowBytes = image.size.width * channels
    for row in 0..<height {
      for tap in 0..<rows.count {
        let wanted = Int(rows.places[row * rows.count + tap])
        let slot = wanted % rows.count
        let line = UnsafeMutableBufferPointer(
          rebasing: kept[slot * rowCount..<(slot + 1) * rowCount])
        if keptRows[slot] != wanted {
          resampleRow(
            UnsafeBufferPointer(
              rebasing: source[wanted * sourceRowBytes..<(wanted + 1) * sourceRowBytes]), line)
          keptRows[slot] = wanted
        }
        pointers[tap] = UnsafePointer(line.baseAddress)
      }
      blend(pointers, row, target)
    }
  }

  private func resampleRow(
    _ source: UnsafeBufferPointer<UInt8>, _ line: UnsafeMutableBufferPointer<Float>
  ) {
    guard let pixels = source.baseAddress, let out = line.baseAddress else { return }
    for channel in 0..<channels {
      let place = preprocessing.colour == .bgr ? channels - 1 - channel : channel
      let start = order == .channelsLast ? channel : channel * width
      gs_image_row(
        pixels + place, channels, columns.places, columns.weights, columns.count, width,
        preprocessing.tables[channel], out + start, order == .channelsLast ? channels : 1)
    }
  }

  private func blend(
    _ lines: [UnsafePointer<Float>?], _ row: Int, _ target: UnsafeMutableBufferPointer<Float>
  ) {
    guard let out = target.baseAddress else { return }
    rows.weights.withUnsafeBufferPointer { weights in
      let own = weights.baseAddress.map { $0 + row * rows.count }
      if order == .channelsLast {
        gs_image_blend(lines, own, rows.count, width * channels, out + row * width * channels)
        return
      }
      for channel in 0..<channels {
        gs_image_blend(
          lines.map { $0.map { $0 + channel * width } }, own, rows.count, width,
          out + (channel * height + row) * width)
      }
    }
  }
}
