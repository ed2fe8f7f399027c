import ModelGraph

extension LongShortTermMemory {
  /// DynamicQuantizeLSTM of onnxruntime: weights `[directions, inputs, gates]` in 8 bits, with scales
  /// and zero points at inputs 8 to 11; the input as a whole and each step's hidden states are
  /// rounded to 8 bits before they are multiplied. Sequences that ended count with their last states in
  /// that range, where onnxruntime runs them on.
  static let dynamicDefinition = OperatorDefinition(
    "DynamicQuantizeLSTM", domain: "com.microsoft", types: "float32 by int8, uint8",
    tensors: { settings in
      guard try !settings.flag("layout") else {
        throw KernelProblem(lacking: "layout 1 is not supported")
      }
      let lstm = try LongShortTermMemory(settings, roundsActivations: true)
      return { call in
        try lstm.makeFloat(call)
        return try lstm.run(call)
      }
    })

  /// Replaces integer weights by floats in LSTM's layout, and the input by what its integers say.
  private func makeFloat(_ call: KernelCall) throws {
    let input = try call.tensor(0, .float32)
    let rounded = try call.context.allocate(.float32, input.shape)
    RoundedStates.round(input.elements(Float.self), into: rounded.mutableElements(Float.self))
    call.inputs[0] = .tensor(rounded)
    call.inputs[1] = .tensor(try weights(call, 1, scales: 8, zeros: 9))
    call.inputs[2] = .tensor(try weights(call, 2, scales: 10, zeros: 11))
  }

  private func weights(
    _ call: KernelCall, _ index: Int, scales: Int, zeros: Int
  ) throws -> Tensor {
    let integers = try call.tensor(index)
    let scales = try call.tensor(scales, .float32)
    let zeros = try call.tensor(zeros)
    guard integers.rank == 3, zeros.shape == scales.shape,
      zeros.elementType == integers.elementType,
      scales.shape == [integers.shape[0]]
        || scales.shape == [integers.shape[0], integers.shape[2]]
    else {
      throw KernelProblem(
        "weights \(integers.description), scales \(scales.description) and zero points "
          + "\(zeros.description) do not fit")
    }
    let (directions, depth, gates) = (integers.shape[0], integers.shape[1], integers.shape[2])
    let numbers = try integers.asFloats(call.context).elements(Float.self)
    let offsets = try zeros.asFloats(call.context).elements(Float.self)
    let steps = scales.elements(Float.self)
    let result = try call.context.allocate(.float32, [directions, gates, depth])
    let out = result.mutableElements(Float.self)
    for direction in 0..<directions {
      for gate in 0..<gates {
        let place = scales.rank == 1 ? direction : direction * gates + gate
        for input in 0..<depth {
          let integer = numbers[(direction * depth + input) * gates + gate]
          out[(direction * gates + gate) * depth + input] =
            (integer - offsets[place]) * steps[place]
        }
      }
    }
    return result
  }
}

/// Room for hidden states as their integers say them.
final class RoundedStates {
  private var values: [Float]

  /// Room for so many.
  init(count: Int) { values = [Float](repeating: 0, count: count) }

  /// Lends the rounded numbers.
  func round(
    _ numbers: UnsafeBufferPointer<Float>, _ body: (UnsafePointer<Float>) -> Void
  ) {
    values.withUnsafeMutableBufferPointer { values in
      RoundedStates.round(numbers, into: values)
      if let base = values.baseAddress { body(base) }
    }
  }

  /// Puts numbers on the grid that DynamicQuantizeLinear gives them.
  static func round(
    _ numbers: UnsafeBufferPointer<Float>, into result: UnsafeMutableBufferPointer<Float>
  ) {
    let (scale, zero) = QuantizedIntegers.dynamicParameters(numbers)
    for (index, number) in numbers.enumerated() {
      let step = (number / scale).rounded(.toNearestOrEven) + Float(zero)
      result[index] = (min(max(step, 0), 255) - Float(zero)) * scale
    }
  }
}
