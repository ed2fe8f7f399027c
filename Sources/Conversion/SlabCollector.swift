import ModelGraph
import Quantization
import Support

/// Gathers the parameters of slabs as they are encoded, and tells of the progress.
final class SlabCollector: Sendable {
  private let bytes: [Int]
  private let channels: [Int]
  private let observer: (any ConversionObserver)?
  private let slabs: Guarded<[[EncodedParameters]]>

  /// A collector for the constants of a plan.
  init(_ plan: QuantizationPlan?, _ observer: (any ConversionObserver)?) {
    let quantized = plan?.quantized ?? []
    bytes = quantized.map(\.plan.source.byteCount)
    channels = quantized.map(\.recipe.scaleCount)
    slabs = Guarded([[EncodedParameters]](repeating: [], count: quantized.count))
    self.observer = observer
  }

  /// Float bytes of all constants.
  var byteCount: Int { bytes.reduce(0, +) }

  /// Takes the parameters of a slab of a constant of the plan; called from any thread.
  @Sendable func collect(_ number: Int, _ parameters: EncodedParameters) {
    guard bytes.indices.contains(number) else { return }
    slabs.withLock { $0[number].append(parameters) }
    observer?.advanced(by: bytes[number] * parameters.scales.count / max(1, channels[number]))
  }

  /// What was gathered, constant by constant.
  var parameters: [TensorParameters] {
    slabs.withLock { $0 }.map(TensorParameters.init(slabs:))
  }

  /// Whether every constant was encoded.
  var isComplete: Bool {
    slabs.withLock { slabs in
      zip(slabs, channels).allSatisfy { slabs, channels in
        slabs.reduce(0) { $0 + $1.scales.count } >= channels
      }
    }
  }

  /// Tells of the progress of work that encodes constants before they are written.
  func packing<Result>(_ work: () -> Result) -> Result {
    observer?.began("quantize", total: byteCount, of: .bytes)
    defer { observer?.ended() }
    return work()
  }

  /// Encodes all constants of a plan for their parameters alone.
  func predict(_ plan: QuantizationPlan, pool: WorkerPool) {
    let constants = plan.quantized.compactMap(\.plan.value.quantized)
    pool.forEach(constants.count) { [constants] index in
      for slab in 0..<constants[index].slabCount {
        collect(constants[index].number, constants[index].encode(slab).parameters)
      }
    }
  }
}
