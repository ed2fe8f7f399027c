import CKernels

/// The operators that are one function of each element of their only input, with how a node's
/// attributes set the function.
enum ElementwiseFunctions {
  /// One operator.
  struct Entry: Sendable {
    let name: String
    let domain: String
    let function: @Sendable (NodeSettings) throws -> Elementwise.Function

    init(
      _ name: String, domain: String = "",
      _ function: @escaping @Sendable (NodeSettings) throws -> Elementwise.Function
    ) {
      self.name = name
      self.domain = domain
      self.function = function
    }

    init(_ name: String, _ code: gs_function) {
      self.init(name) { _ in Elementwise.Function(code) }
    }
  }

  /// Functions of mathematics.
  static let mathematics: [Entry] = [
    Entry("Reciprocal", GS_RECIPROCAL), Entry("Sqrt", GS_SQUARE_ROOT), Entry("Exp", GS_EXP),
    Entry("Log", GS_LOG), Entry("Floor", GS_FLOOR), Entry("Ceil", GS_CEIL),
    Entry("Round", GS_ROUND), Entry("Erf", GS_ERF), Entry("Sin", GS_SIN), Entry("Cos", GS_COS),
    Entry("Tan", GS_TAN), Entry("Asin", GS_ASIN), Entry("Acos", GS_ACOS), Entry("Atan", GS_ATAN),
    Entry("Sinh", GS_SINH), Entry("Cosh", GS_COSH), Entry("Tanh", GS_TANH),
    Entry("Asinh", GS_ASINH), Entry("Acosh", GS_ACOSH), Entry("Atanh", GS_ATANH),
  ]

  /// Activation functions of neural networks.
  static let activations: [Entry] = [
    Entry("Sigmoid", GS_SIGMOID), Entry("HardSwish", GS_HARD_SWISH),
    Entry("Softplus", GS_SOFTPLUS), Entry("Softsign", GS_SOFTSIGN), Entry("Mish", GS_MISH),
    Entry("LeakyRelu") { .init(GS_LEAKY_RELU, try $0.float("alpha", default: 0.01)) },
    Entry("Elu") { .init(GS_ELU, try $0.float("alpha", default: 1)) },
    Entry("Selu") {
      .init(
        GS_SELU, try $0.float("alpha", default: 1.67326319217681884765625),
        try $0.float("gamma", default: 1.05070102214813232421875))
    },
    Entry("Celu") { .init(GS_CELU, try $0.float("alpha", default: 1)) },
    Entry("HardSigmoid") {
      .init(
        GS_HARD_SIGMOID, try $0.float("alpha", default: 0.2), try $0.float("beta", default: 0.5))
    },
    Entry("ThresholdedRelu") { .init(GS_THRESHOLDED_RELU, try $0.float("alpha", default: 1)) },
    Entry("Swish") { .init(GS_SWISH, try $0.float("alpha", default: 1)) },
    Entry("QuickGelu", domain: "com.microsoft") {
      .init(GS_SWISH, try $0.float("alpha", default: 1.702))
    },
    Entry("Gelu") { settings in
      switch try settings.string("approximate") ?? "none" {
      case "none": .init(GS_GELU)
      case "tanh": .init(GS_GELU_TANH)
      case let other: throw KernelProblem("Gelu has no approximation '\(other)'")
      }
    },
    Entry("Gelu", domain: "com.microsoft") { _ in .init(GS_GELU) },
  ]

  /// Functions that integers have, too.
  static let numeric: [Entry] = [
    Entry("Neg", GS_NEGATE), Entry("Abs", GS_ABSOLUTE), Entry("Sign", GS_SIGN),
    Entry("Relu", GS_RELU),
  ]

  /// The entry of an operator, if it is such a function.
  static func find(_ name: String, domain: String) -> Entry? {
    byName[(domain == "ai.onnx" ? "" : domain) + "." + name]
  }

  private static let byName: [String: Entry] = Dictionary(
    (mathematics + activations + numeric).map { ($0.domain + "." + $0.name, $0) },
    uniquingKeysWith: { first, _ in first })
}
