import ModelGraph
import Support
import WeightCoding

/// Brings the constants of a model that become integers into the smallest of the format's forms.
///
/// Forms depend on the integers, and so do their sizes: the integers are made here, a tensor at a
/// time on each worker, and what is kept of them is what the file will hold.
public enum MSLiteWeightStorage {
  /// What a constant takes in the file.
  public struct Stored: Sendable {
    /// The constant's number.
    public let number: Int
    /// The form of its integers.
    public let compression: WeightCompression
    /// Bytes of the integers and their parameters.
    public let byteCount: Int
  }

  /// Bytes of an entry of scale and zero point, with the reference to it.
  public static let parameterByteCount = 20
  /// Bytes that an offset adds to it, aligned.
  static let offsetByteCount = 8

  /// Codes the constants that are made float when the file is loaded.
  ///
  /// - Parameters:
  ///   - model: what is to be written; every such constant is bytes afterwards.
  ///   - pool: the workers.
  ///   - onSlab: called from any worker with the parameters of each encoded slab, once for each;
  ///     `constant` is the constant's number.
  /// - Returns: what the tensors take, in the model's order; a constant may stand behind several.
  /// - Complexity: O(elements); memory for the coded constants.
  public static func code(
    _ model: inout MSLiteModel, pool: WorkerPool,
    onSlab: @escaping @Sendable (_ constant: Int, _ parameters: EncodedParameters) -> Void
  ) -> [Stored] {
    var seen: Set<Int> = []
    let cast = Set(
      model.nodes.filter { $0.primitive.name == "QuantDTypeCast" }.flatMap(\.inputs))
    let tasks = model.tensors.indices.compactMap { index -> Task? in
      guard !cast.contains(index),
        case .quantized(let constant, let rearrange) = model.tensors[index].content
      else {
        return nil
      }
      return Task(
        tensor: index, constant: constant, rearrange: rearrange,
        isFirst: seen.insert(constant.number).inserted)
    }
    let gate = ByteBudget(budget)
    let coded = pool.map(costs: tasks.map(\.constant.source.byteCount)) { index in
      let task = tasks[index]
      let granted = gate.take(task.constant.source.byteCount)
      defer { gate.give(granted) }
      return task.coded { if task.isFirst { onSlab(task.constant.number, $0) } }
    }
    return zip(tasks, coded).map { task, coded in
      coded.store(in: &model.tensors[task.tensor])
      return Stored(
        number: task.constant.number, compression: coded.compression, byteCount: coded.byteCount)
    }
  }

  /// Float bytes that may be in work at once, over all workers.
  static let budget = 192 << 20

  private struct Task: Sendable {
    let tensor: Int
    let constant: QuantizedConstant
    let rearrange: (@Sendable (EncodedSlab) -> [UInt8])?
    let isFirst: Bool

    func coded(_ onSlab: (EncodedParameters) -> Void) -> CodedTensor {
      let made = EncodedIntegers(constant, rearrange: rearrange, onSlab)
      return CodedTensor(made, storage: constant.storage)
    }
  }
}

/// A tensor's integers in the form that takes the fewest bytes.
private struct CodedTensor: Sendable {
  private let coded: CodedWeights
  private let elementType: ElementType
  private let quantization: [MSLiteQuantization]

  init(_ made: EncodedIntegers, storage: QuantizedStorage) {
    let (integers, zeroPoints) = (made.integers, made.zeroPoints)
    let counts = IntegerCounts(integers)
    let bits = storage.isEntropyCoded ? counts.bits : storage.bits
    let fixed = FixedWidthCode(integers, counts, bits: bits, zeroPoints: zeroPoints)
    if storage.isEntropyCoded, let scale = made.scales.first, let zeroPoint = zeroPoints.first,
      let code = EntropyCode.encode(
        integers, counts, number: { scale * Float(Int32($0) - zeroPoint) }),
      code.bytes.count <= fixed.byteCount
    {
      coded = code
      elementType = .float32
      quantization = []
      return
    }
    coded = fixed.encode()
    elementType = bits > 8 ? .int16 : .int8
    // Readers take the bits from the first entry; 8 costs nothing in the others.
    quantization = made.scales.indices.map { index in
      MSLiteQuantization(
        scale: Double(made.scales[index]), zeroPoint: zeroPoints[index],
        bits: index == 0 ? Int32(bits) : 8,
        meanCorrection: made.offsets.isEmpty ? 0 : made.offsets[index])
    }
  }

  var compression: WeightCompression { coded.compression }

  var byteCount: Int {
    coded.bytes.count + MSLiteWeightStorage.parameterByteCount * quantization.count
      + MSLiteWeightStorage.offsetByteCount * quantization.count { $0.meanCorrection != 0 }
  }

  func store(in tensor: inout MSLiteTensor) {
    tensor.content = .bytes(Bytes(coded.bytes))
    tensor.elementType = elementType
    tensor.compression = coded.compression
    tensor.quantization = quantization
  }
}
