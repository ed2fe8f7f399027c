import Glibc
import GraphPasses
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Quantization
import Support

/// The format of the result: what it asks of the graph, and how the graph is written.
struct Destination {
  let job: ConversionJob
  let pool: WorkerPool

  /// `.ms` files say no axis: the runtime knows that of these operators, and takes the first one of
  /// all others.
  private static let axisOperators: Set<String> = [
    "Conv", "ConvTranspose", "MatMul", "Gemm", "Gather",
  ]

  /// The settings for weights that the format can hold.
  var weightSettings: WeightQuantizationSettings {
    var settings = job.weights
    if job.writesMSLite {
      settings.perChannelOperators = Destination.axisOperators
      settings.packsHalfBytes = false
      settings.hasOffsets = hasOffsets
      settings.dequantizesForOthers = false
    }
    return settings
  }

  /// Whether channels of weights may have offsets. Only what runtimes make float at loading has them;
  /// above 8 bits there is no error to speak of that they could take.
  private var hasOffsets: Bool {
    job.writesMSLite && job.full == nil && job.dynamic == nil && !job.dequantizesOnTheFly
      && (1...8).contains(job.weights.bits)
  }

  /// Refuses what the format can't have yet, before any work.
  func check() throws(Failure) {
    if job.hasIntegerInputs || job.hasIntegerOutputs, job.full == nil || !job.writesMSLite {
      throw Failure(
        .flagConflict,
        (job.hasIntegerInputs ? "--inputDataType=INT8" : "--outputDataType=INT8")
          + " needs a .ms file and quant_type=FULL_QUANT",
        help: "leave it out; inputs and results are floats then")
    }
    if job.storesHalfPrecision, !job.writesMSLite {
      throw Failure(
        .flagConflict, "--fp16=on needs a .ms file",
        notes: ["half precision is what MindSpore Lite's runtime makes floats of as it loads"],
        help: "leave it out, or use --saveType=MINDIR_LITE")
    }
    if job.writesMSLite, let name = job.full?.settings.profile.name,
      ![TargetProfile.mindSporeLite.name, TargetProfile.ascend.name].contains(name)
    {
      throw Failure(
        .capabilityNotBuilt, "this version cannot do target_device=\(name) with a .ms file yet",
        help: "use --saveType=ONNX, or leave target_device out")
    }
    if job.writesMSLite, let strategy = job.dynamic, strategy.scalesRows, strategy.scalesChannels {
      throw Failure(
        .capabilityNotBuilt,
        "quant_strategy=\(strategy.rawValue) has no form in a .ms file",
        notes: ["MindSpore Lite has one scale for all weights, or one for all of an activation"],
        help: "use --saveType=ONNX, or quant_strategy=ALWC or ACWL")
    }
    if job.writesMSLite, job.dynamic != nil, job.dynamicScope != DynamicScope() {
      throw Failure(
        .capabilityNotBuilt,
        (job.dynamicScope.convolutions ? "quantize_conv" : "runtime_operators")
          + "=true has no form in a .ms file",
        help: "use --saveType=ONNX, or leave it out")
    }
    if job.writesMSLite, let size = job.weights.groupSize {
      throw Failure(
        .capabilityNotBuilt, "this version cannot do group_size=\(size) with a .ms file yet",
        help: "use --saveType=ONNX")
    }
  }

  /// What the result needs of runtimes that not all of them have.
  var warnings: [Diagnostic] {
    guard job.writesMSLite, job.dequantizesOnTheFly, !job.dequantizesByArithmetic,
      job.weights.bits != 8
    else { return [] }
    let what =
      job.weights.bits < 8 ? "the operator FSEDecode" : "QuantDTypeCast of 16-bit integers"
    return [
      Diagnostic(
        .runtimeTooOld, "dequant_strategy=ON_THE_FLY with \(job.weights.bits) bits needs \(what)",
        severity: .warning, notes: ["MindSpore Lite 2.0 doesn't have it on processors"],
        help: "use bit_num=8, or leave dequant_strategy out")
    ]
  }

  /// Brings a model into the form that weights are planned in.
  ///
  /// - Throws: operators that the format doesn't have.
  func prepare(_ model: Model) throws(Failure) {
    guard job.writesMSLite else { return }
    try MSLiteTranslator.prepare(model, inputShapes: job.inputShapes, pool: pool)
  }

  /// Brings a model into the form that activations are planned in.
  ///
  /// - Throws: operators that the format doesn't have.
  func prepareFull(_ model: Model) throws(Failure) {
    try prepare(model)
    ConstantShaping.apply(to: model.graph)
    AffineFolding.apply(to: model.graph, pool: pool)
  }

  /// Lets lookups in quantized tables read integers, where the format has no such operator.
  ///
  /// - Throws: a node that operator set 13 can't express.
  func lookRowsUp(_ model: Model, _ outline: inout ReportOutline) throws(Failure) {
    let lookups = job.writesMSLite ? [] : RowLookupInsertion.lookups(in: model.graph)
    guard !lookups.isEmpty else { return }
    try raise(model)
    RowLookupInsertion.apply(lookups, hasZeroPoints: true, to: model)
    for lookup in lookups {
      outline.noteInteger(lookup.node, weights: lookup.weights, runsInIntegers: false)
    }
  }

  /// A model that is laid out, to be written.
  struct Result {
    /// Bytes that will be written.
    let byteCount: Int
    /// The model as this program can run it, where that isn't the result itself.
    let twin: ONNXTwin?
    /// The operators of the result's nodes by name, where they aren't ONNX's.
    var operatorTypes: [String: String] = [:]
    /// How weights are stored that were packed already.
    var stored: [MSLiteWeightStorage.Stored] = []
    /// What deserves attention.
    var warnings: [Diagnostic] = []
    fileprivate let writer: Writer
  }

  fileprivate enum Writer {
    case onnx(ONNXWriter)
    case mslite(MSLiteWriter)
  }

  /// Lays a graph out that has been quantized; it may be changed for that.
  ///
  /// - Parameters:
  ///   - runs: whether the result will be run here.
  ///   - collector: gets the parameters of weights that have to be packed to know their size.
  ///   - quantizeActivations: puts the quantization of activations at run time into a graph in ONNX's
  ///     operators.
  /// - Throws: what the format can't hold.
  func layOut(
    _ model: Model, runs: Bool, collector: SlabCollector? = nil,
    quantizeActivations: (Model) throws(Failure) -> Void = { _ in }
  ) throws(Failure) -> Result {
    guard job.writesMSLite else {
      try quantizeActivations(model)
      try raise(model)
      var twin: ONNXTwin?
      if job.usesRuntimeOperators {
        twin = runs ? try ONNXTwin(model, beside: job.outputPath, pool: pool) : nil
        RuntimeOperatorInsertion.apply(to: model)
      }
      let writer = try ONNXWriter(model)
      return Result(byteCount: writer.byteCount, twin: twin, writer: .onnx(writer))
    }
    let dynamic = job.dynamic == nil ? nil : try translate(model)
    try quantizeActivations(model)
    let twin = runs ? try twinOfStored(model) : nil
    var translated = if let dynamic { dynamic } else { try translate(model) }
    let warnings = halve(&translated)
    let stored = store(&translated, collector)
    let writer = try MSLiteWriter(translated)
    let types = translated.nodes.map { ($0.name, $0.primitive.name) }
    return Result(
      byteCount: writer.byteCount, twin: twin,
      operatorTypes: Dictionary(types) { first, _ in first }, stored: stored,
      warnings: warnings, writer: .mslite(writer))
  }

  /// Bytes of the file that a quantized graph gives.
  ///
  /// - Throws: what the format can't hold.
  func byteCount(_ model: Model) throws(Failure) -> Int {
    guard job.writesMSLite else {
      try raise(model)
      let lookups = RowLookupInsertion.lookups(in: model.graph)
      return try ONNXWriter(model).byteCount
        + lookups.reduce(0) { $0 + $1.byteBound }
    }
    var translated = try translate(model)
    _ = halve(&translated)
    _ = MSLiteWeightStorage.code(&translated, pool: pool) { _, _ in }
    return try MSLiteWriter(translated).byteCount
  }

  private func translate(_ model: Model) throws(Failure) -> MSLiteModel {
    var options = MSLiteTranslator.Options(
      inputShapes: job.inputShapes, keepsInputLayout: job.keepsInputLayout || model.keepsInputLayout
    )
    options.integerMovers = TargetProfile.mindSporeLite.movers
    options.castsWeights = job.dequantizesOnTheFly
    options.castsAfterLookups = job.dequantizesByArithmetic
    options.dynamicScales = job.dynamic.map { $0.scalesRows ? .rows : .tensor }
    options.hasIntegerInputs = job.hasIntegerInputs
    options.hasIntegerOutputs = job.hasIntegerOutputs
    return try MSLiteTranslator.translate(model, options: options)
  }

  /// The twin of a model that is going to be a `.ms` file: its weights are what that stores.
  private func twinOfStored(_ model: Model) throws(Failure) -> ONNXTwin {
    let changed = halves(of: model.graph) + weightsWithOffsets(in: model.graph)
    let originals = changed.map { ($0.value, $0.value.constant, $0.value.quantized) }
    for (value, floats) in changed {
      value.quantized = nil
      value.setConstant(floats)
    }
    defer {
      for (value, floats, quantized) in originals {
        if let floats { value.setConstant(floats) }
        value.quantized = quantized
      }
    }
    return try ONNXTwin(model, beside: job.outputPath, pool: pool)
  }

  /// Float constants with the numbers that half precision has for them, if that is asked for.
  private func halves(of graph: Graph) -> [(value: Value, floats: TensorData)] {
    guard job.storesHalfPrecision else { return [] }
    let values = graph.initializers.filter { $0.quantized == nil }
    let sources = values.map(\.initializer)
    let rounded = pool.map(sources.count) { sources[$0].flatMap(MSLiteHalfPrecision.rounded) }
    return zip(values, rounded).compactMap { value, data in data.map { (value, $0) } }
  }

  /// Weights whose channels have offsets, which ONNX has no form for, as floats.
  private func weightsWithOffsets(in graph: Graph) -> [(value: Value, floats: TensorData)] {
    let values = graph.constants.filter { $0.quantized?.storage.hasOffsets == true }
    let sources = values.compactMap(\.quantized)
    return Array(zip(values, pool.map(sources.count) { sources[$0].dequantized() }))
  }

  /// Stores weights that are float in half precision, if that is asked for.
  private func halve(_ model: inout MSLiteModel) -> [Diagnostic] {
    guard job.storesHalfPrecision else { return [] }
    return MSLiteHalfPrecision.apply(to: &model, pool: pool).map { name in
      Diagnostic(
        .beyondHalfPrecision, "the constant '\(name)' stays in 32 bits", severity: .warning,
        location: .init(file: job.modelPath),
        notes: ["half precision holds numbers up to 65504, and loses bits below 0.00006"])
    }
  }

  /// Brings weights into the forms that depend on their integers; nothing where none do.
  private func store(
    _ model: inout MSLiteModel, _ collector: SlabCollector?
  ) -> [MSLiteWeightStorage.Stored] {
    guard job.full == nil, job.dynamic == nil else { return [] }
    if job.dequantizesOnTheFly {
      return encoding(collector) { onSlab in
        MSLiteDequantization.apply(
          job.dequantizesByArithmetic ? .arithmetic : .casts(segments: job.segments), to: &model,
          pool: pool, onSlab: onSlab)
          + (job.packsWeights
            ? MSLiteWeightStorage.code(&model, pool: pool, onSlab: onSlab) : [])
      }
    }
    guard job.packsWeights else { return [] }
    return encoding(collector) { MSLiteWeightStorage.code(&model, pool: pool, onSlab: $0) }
  }

  private func encoding(
    _ collector: SlabCollector?,
    _ work: (@escaping @Sendable (Int, EncodedParameters) -> Void) -> [MSLiteWeightStorage.Stored]
  ) -> [MSLiteWeightStorage.Stored] {
    guard let collector else { return work { _, _ in } }
    return collector.packing { work(collector.collect) }
  }

  /// Raises the operators to what the graph's quantized constants need.
  private func raise(_ model: Model) throws(Failure) {
    guard let needed = ONNXWriter.requiredOperatorSetVersion(of: model) else { return }
    try OpsetUpgrade.raise(model, to: max(needed, model.standardOperatorVersion))
  }

  /// Writes what was laid out.
  ///
  /// - Parameter onSlab: called from any worker with the parameters of each encoded slab.
  /// - Returns: the files written, the model first.
  func write(
    _ result: Result, onSlab: @escaping @Sendable (Int, EncodedParameters) -> Void = { _, _ in }
  ) throws(Failure) -> [String] {
    switch result.writer {
    case .onnx(let writer):
      return try writer.write(to: job.outputPath, pool: pool, onSlab: onSlab)
    case .mslite(let writer):
      try writer.write(to: job.outputPath, pool: pool, onSlab: onSlab)
      return [job.outputPath]
    }
  }

  /// Where the model lies that can be run here once the result is written.
  func runnablePath(_ result: Result) -> String { result.twin?.path ?? job.outputPath }
}

/// A quantized model as an ONNX file without a name, which this program can run in place of a result
/// in another format: the same operators, the same integers. It is gone with its last user.
final class ONNXTwin: Sendable {
  private let descriptor: Int32

  /// Where it can be read.
  var path: String { "/proc/self/fd/\(descriptor)" }

  /// Writes the model.
  ///
  /// - Parameter beside: the file in whose folder there is room.
  init(_ model: Model, beside other: String, pool: WorkerPool) throws(Failure) {
    let needed = ONNXWriter.requiredOperatorSetVersion(of: model)
    try OpsetUpgrade.raise(model, to: max(needed ?? 0, model.standardOperatorVersion))
    let name = "\(other).\(getpid()).onnx"
    let files = try ONNXWriter(model).write(to: name, pool: pool) { _, _ in }
    descriptor = open(name, O_RDONLY | O_CLOEXEC)
    for file in files { unlink(file) }
    guard descriptor >= 0, files.count == 1 else {
      throw Failure(
        .cannotWrite, "the model could not be kept beside '\(other)' to compare it",
        notes: files.count == 1 ? [] : ["it has more than 2 GB"],
        help: "leave out calibrate_path, --minCosine and --infer")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
