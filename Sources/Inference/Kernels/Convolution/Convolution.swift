extension Families {
  static let convolution = [
    OperatorDefinition(
      "Conv", types: "float", layouts: .any,
      tensors: { settings in
        let kernel = try ConvolutionKernel(settings)
        return wideningHalves { call in [try kernel.run(call)] }
      }),
    OperatorDefinition(
      "ConvTranspose", types: "float", layouts: .any,
      tensors: { settings in
        let kernel = try TransposedConvolutionKernel(settings)
        return wideningHalves { call in [try kernel.run(call)] }
      }),
  ]
}
