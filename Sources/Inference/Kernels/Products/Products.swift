extension Families {
  static let products = [
    OperatorDefinition(
      "MatMul", types: "float, integers",
      tensors: { settings in
        let kernel = try MatrixProductKernel(settings)
        return wideningHalves { call in [try kernel.run(call)] }
      }),
    OperatorDefinition(
      "Gemm", versions: "broadcast attribute before 7 is not heeded; C optional since 11",
      types: "float, integers",
      tensors: { settings in
        let kernel = try GeneralProductKernel(settings)
        return wideningHalves { call in [try kernel.run(call)] }
      }),
  ]
}
