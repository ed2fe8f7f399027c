/// How a model is quantized.
public enum QuantType: String, CaseIterable, Sendable {
  /// Weights only.
  case weightQuant = "WEIGHT_QUANT"
  /// Weights and activations, with ranges from samples.
  case fullQuant = "FULL_QUANT"
  /// Weights now, activations while the model runs.
  case dynamicQuant = "DYNAMIC_QUANT"
}

/// Where weights become real numbers again.
public enum DequantStrategy: String, CaseIterable, Sendable {
  /// On the device, operator by operator.
  case onTheFly = "ON_THE_FLY"
}

/// Weights that share a scale.
public enum GroupSize: String, CaseIterable, Sendable {
  case of32 = "32"
  case of64 = "64"
  case of128 = "128"
}

/// How the integers of a weight are chosen.
public enum WeightQuantStrategy: String, CaseIterable, Sendable {
  /// From the range of the weights alone.
  case maxMin = "MAX_MIN"
  /// From the second-order error on samples.
  case gptq = "GPTQ"
}

/// How the range of a weight channel is chosen.
public enum WeightRangeMethod: String, CaseIterable, Sendable {
  /// The smallest squared error for up to 6 bits, the full range above.
  case auto = "AUTO"
  /// From the smallest to the largest weight.
  case maxMin = "MAX_MIN"
  /// The range with the smallest squared error.
  case mse = "MSE"
}

/// How weights are rounded.
public enum WeightRoundMethod: String, CaseIterable, Sendable {
  /// So that the errors of each kernel and channel sum to about zero.
  case squant = "SQUANT"
  /// To the nearest integer.
  case nearest = "NEAREST"
}

/// How the range of an activation is chosen from samples.
public enum ActivationQuantMethod: String, CaseIterable, Sendable {
  /// From the smallest to the largest value.
  case maxMin = "MAX_MIN"
  /// The smallest Kullback-Leibler divergence.
  case kl = "KL"
  /// Without a share of the most extreme values.
  case removalOutlier = "REMOVAL_OUTLIER"
  /// The least expected squared error, each tensor for itself.
  case auto = "AUTO"
}

/// The hardware a full quantization is made for.
public enum TargetDevice: String, CaseIterable, Sendable {
  /// General integer kernels.
  case cpu = "CPU"
  /// NVIDIA graphics processors.
  case nvgpu = "NVGPU"
  /// Digital signal processors.
  case dsp = "DSP"
  /// Ascend processors.
  case ascend = "ASCEND"
  /// Kirin processors.
  case kirin = "KIRIN"
}

/// What calibration files hold.
public enum InputType: String, CaseIterable, Sendable {
  /// Pictures.
  case image = "IMAGE"
  /// Tensors as raw bytes.
  case bin = "BIN"
}

/// The colour order of pictures.
public enum ImageFormat: String, CaseIterable, Sendable {
  /// Red, green, blue.
  case rgb = "RGB"
  /// One channel.
  case gray = "GRAY"
  /// Blue, green, red.
  case bgr = "BGR"
}

/// How pictures are resized.
public enum ResizeMethod: String, CaseIterable, Sendable {
  /// Between the two neighbours in each direction.
  case linear = "LINEAR"
  /// The nearest pixel.
  case nearest = "NEAREST"
  /// Between the four neighbours in each direction.
  case cubic = "CUBIC"
}

/// The granularity of dynamic quantization.
public enum DynamicQuantStrategy: String, CaseIterable, Sendable {
  /// Activations per tensor, weights per channel.
  case activationLayerWeightChannel = "ALWC"
  /// Activations per channel, weights per tensor.
  case activationChannelWeightLayer = "ACWL"
  /// Activations per channel, weights per channel.
  case activationChannelWeightChannel = "ACWC"
}

/// What becomes of the quantization that a model brings along.
public enum ExportPrecisionMode: String, CaseIterable, Sendable {
  /// It is kept.
  case quant = "QUANT"
  /// It is dropped.
  case float32 = "FLOAT32"
}
