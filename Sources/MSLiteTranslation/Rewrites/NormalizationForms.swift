import ModelGraph
import Support

/// Normalizations and reductions in terms of others.
enum NormalizationForms {
  static let rewrites: [String: OperatorRewrite] = [
    "GroupNormalization": group, "InstanceNormalization": instance, "LpNormalization": length,
    "MeanVarianceNormalization": meanVariance, "LRN": response, "ReduceL1": absoluteSum,
    "ReduceLogSum": logSum, "ReduceLogSumExp": logSumExp,
  ]

  /// Each group is a row that is normalized. Factors are one for each group before version 21, one
  /// for each channel since.
  private static let group: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    guard let count = writer.node.int("num_groups").flatMap({ Int(exactly: $0) }), count > 0 else {
      throw writer.node.refused("its number of groups is missing")
    }
    let rank = try writer.rank(x)
    let shape = writer.add("Shape", [x])
    var rows = normal(
      writer.add("Reshape", [x, writer.integers([0, count, -1])]), axes: [2], &writer)
    if writer.version < 21 {
      rows = try scaled(rows, rank: 3, &writer)
      return writer.finish("Reshape", [rows, shape])
    }
    let whole = writer.add("Reshape", [rows, shape])
    writer.finish("Identity", [try scaled(whole, rank: rank, &writer)])
  }

  /// In arithmetic, which has no order of axes; the runtime's own operator wants channels first, and
  /// channels are last behind a convolution.
  private static let instance: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let rank = try writer.rank(x)
    guard rank > 2 else { throw writer.node.refused("its input has \(rank) axes") }
    let normal = normal(x, axes: Array(2..<rank), &writer)
    writer.finish("Identity", [try scaled(normal, rank: rank, &writer)])
  }

  /// `(x - mean) / sqrt(variance + epsilon)`
  private static func normal(
    _ x: Value, axes: [Int], epsilon: Float? = nil, _ writer: inout NodeWriter
  ) -> Value {
    let list = writer.integers(axes)
    let centred = writer.add("Sub", [x, writer.add("ReduceMean", [x, list])])
    let variance = writer.add("ReduceMean", [writer.add("Mul", [centred, centred]), list])
    let least = writer.number(epsilon ?? writer.node.float("epsilon") ?? 1e-5)
    let deviation = writer.add("Sqrt", [writer.add("Add", [variance, least])])
    return writer.add("Div", [centred, deviation])
  }

  /// Multiplied with the node's factors, plus its offsets: those of axis 1.
  private static func scaled(
    _ x: Value, rank: Int, _ writer: inout NodeWriter
  ) throws(Failure) -> Value {
    let channels = writer.integers([-1] + Array(repeating: 1, count: max(0, rank - 2)))
    let factors = try (1...2).map { index throws(Failure) in
      let given = try writer.node.operand(index)
      guard let data = given.constant, let values = data.float32Values else {
        return writer.add("Reshape", [given, channels])
      }
      let shape = [values.count] + Array(repeating: 1, count: max(0, rank - 2))
      return writer.constant(TensorData(float32: values, dimensions: shape))
    }
    return writer.add("Add", [writer.add("Mul", [x, factors[0]]), factors[1]])
  }

  private static let length: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let axes = writer.integers([Int(clamping: writer.node.int("axis") ?? -1)])
    let isFirst = (writer.node.int("p") ?? 2) == 1
    let length =
      isFirst
      ? writer.add("ReduceSum", [writer.add("Abs", [x]), axes]) : writer.add("ReduceL2", [x, axes])
    writer.finish("Div", [x, length])
  }

  private static let meanVariance: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let axes = writer.node.ints("axes")?.map { Int(clamping: $0) } ?? [0, 2, 3]
    writer.finish("Identity", [normal(x, axes: axes, epsilon: 1e-9, &writer)])
  }

  /// `x / (bias + alpha / size * sum of squares of neighbours)^beta`; the mean over `size` channels
  /// is an average pool that counts borders.
  private static let response: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    guard let size = writer.node.int("size"), (1...1024).contains(size) else {
      throw writer.node.refused("its size is missing or out of range")
    }
    let squares = writer.add("Mul", [x, x])
    let flat = writer.add("Reshape", [squares, writer.integers([0, 0, -1])])
    let rows = writer.add("Unsqueeze", [flat, writer.integers([1])])
    let low = (size - 1) / 2
    let means = writer.add(
      "AveragePool", [rows],
      [
        Attribute("kernel_shape", .ints([size, 1])), Attribute("count_include_pad", .int(1)),
        Attribute("pads", .ints([low, 0, size - 1 - low, 0])),
      ])
    let sums = writer.add("Reshape", [means, writer.add("Shape", [x])])
    let scaled = writer.add("Mul", [sums, writer.number(writer.node.float("alpha") ?? 1e-4)])
    let base = writer.add("Add", [scaled, writer.number(writer.node.float("bias") ?? 1)])
    let power = writer.add("Pow", [base, writer.number(writer.node.float("beta") ?? 0.75)])
    writer.finish("Div", [x, power])
  }

  /// The runtime's own leaves the sizes in its input, where others read them.
  private static let absoluteSum: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let sizes = writer.add("Abs", [try writer.node.operand(0)])
    let axes = Array(writer.node.inputs.dropFirst())
    writer.finish("Identity", [reduced("ReduceSum", [sizes] + axes, &writer)])
  }

  private static let logSum: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    writer.finish("Log", [reduced("ReduceSum", writer.node.inputs, &writer)])
  }

  /// `m + log(sum(e^(x - m)))` with the largest `m`, so that nothing overflows.
  private static let logSumExp: OperatorRewrite = { @Sendable (writer) throws(Failure) in
    let x = try writer.node.operand(0)
    let axes = Array(writer.node.inputs.dropFirst())
    let kept = [Attribute("keepdims", .int(1))]
    let top = writer.add("ReduceMax", [x] + axes, kept)
    let sum = reduced(
      "ReduceSum", [writer.add("Exp", [writer.add("Sub", [x, top])])] + axes, &writer)
    let logarithm = writer.add("Log", [sum])
    let same = reduced("ReduceMax", [x] + axes, &writer)
    writer.finish("Add", [logarithm, same])
  }

  /// A reduction with the settings of the node that is replaced.
  private static func reduced(
    _ type: String, _ inputs: [Value?], _ writer: inout NodeWriter
  ) -> Value {
    let settings = writer.node.attributes.filter {
      ["keepdims", "noop_with_empty_axes"].contains($0.name)
    }
    return writer.add(type, inputs, settings)
  }
}
