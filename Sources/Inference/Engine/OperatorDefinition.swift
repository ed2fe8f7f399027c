/// The computation of one node, prepared once and run any number of times, from any thread.
typealias KernelBody = @Sendable (KernelCall) throws -> [RunValue?]

/// One operator of the engine: its name, the versions it covers, and how a node of it is prepared.
struct OperatorDefinition: Sendable {
  /// The layouts a kernel takes.
  enum Layouts: Sendable {
    /// Every input row-major; the engine converts.
    case rowMajor
    /// Any layout; the kernel looks.
    case any
  }

  /// The operator's name.
  let name: String
  /// Its domain; empty for ONNX's own.
  let domain: String
  /// What versions of the operator set say differently and the kernel heeds; for the manual.
  let versions: String
  /// The element types computed with; for the manual.
  let types: String
  /// The layouts it takes.
  let layouts: Layouts
  /// Whether equal inputs give equal outputs and nothing else happens: such nodes are computed
  /// ahead of time where all inputs are constant.
  let isPure: Bool
  /// Reads the node's settings and makes its computation.
  let prepare: @Sendable (NodeSettings) throws -> KernelBody

  /// Defines an operator whose outputs are tensors.
  init(
    _ name: String, domain: String = "", versions: String = "", types: String = "float",
    layouts: Layouts = .rowMajor, isPure: Bool = true,
    tensors prepare: @escaping @Sendable (NodeSettings) throws -> TensorKernel
  ) {
    self.init(
      name, domain: domain, versions: versions, types: types, layouts: layouts, isPure: isPure,
      values: { settings in
        let kernel = try prepare(settings)
        return { call in try kernel(call).map { .tensor($0) } }
      })
  }

  /// Defines an operator with outputs of any kind.
  init(
    _ name: String, domain: String = "", versions: String = "", types: String = "float",
    layouts: Layouts = .rowMajor, isPure: Bool = true,
    values prepare: @escaping @Sendable (NodeSettings) throws -> KernelBody
  ) {
    self.name = name
    self.domain = domain
    self.versions = versions
    self.types = types
    self.layouts = layouts
    self.isPure = isPure
    self.prepare = prepare
  }
}

/// A computation whose outputs are all tensors.
typealias TensorKernel = @Sendable (KernelCall) throws -> [Tensor]
