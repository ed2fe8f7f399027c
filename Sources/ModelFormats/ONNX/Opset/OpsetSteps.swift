import Support

/// Which operators changed their form or meaning in which version, and what to do with them.
///
/// What isn't listed gained types or optional settings whose defaults are the old behaviour.
enum OpsetSteps {
  /// Rewrites a node from the form of the version before.
  typealias Rewrite = @Sendable (NodeRewrite) throws(Failure) -> Void

  /// Version, operator, rewrite.
  static let table: [Int: [String: Rewrite]] = [
    9: [
      "BatchNormalization": NormalizationRewrites.batchWithoutSpatial,
      "MeanVarianceNormalization": NormalizationRewrites.meanVarianceAxes,
      "Scan": ScanRewrite.withoutBatch,
      "Upsample": ResizeRewrites.upsampleScalesInput,
    ],
    10: [
      "ATen": ExperimentalRewrites.refuse,
      "Affine": ExperimentalRewrites.refuse,
      "ConstantFill": ExperimentalRewrites.refuse,
      "Crop": ExperimentalRewrites.refuse,
      "Dropout": DropoutRewrites.booleanMask,
      "DynamicSlice": ExperimentalRewrites.refuse,
      "GRUUnit": ExperimentalRewrites.refuse,
      "GivenTensorFill": ExperimentalRewrites.refuse,
      "ImageScaler": ExperimentalRewrites.imageScaler,
      "ParametricSoftplus": ExperimentalRewrites.refuse,
      "Scale": ExperimentalRewrites.refuse,
      "ScaledTanh": ExperimentalRewrites.refuse,
      "Slice": InputRewrites.slice,
      "TopK": InputRewrites.topK,
      "Upsample": ResizeRewrites.upsampleToResize,
    ],
    11: [
      "Clip": InputRewrites.clip,
      "Pad": InputRewrites.pad,
      "Resize": ResizeRewrites.resizeWithModes,
      "Scatter": NameRewrites.scatter,
    ],
    12: ["Dropout": DropoutRewrites.ratioInput],
    13: [
      "Hardmax": SoftmaxRewrites.oneAxis,
      "LogSoftmax": SoftmaxRewrites.oneAxis,
      "ReduceSum": InputRewrites.axes,
      "Resize": ResizeRewrites.resizeWithOptionalInputs,
      "Softmax": SoftmaxRewrites.oneAxis,
      "Split": InputRewrites.split,
      "Squeeze": InputRewrites.axes,
      "Unsqueeze": InputRewrites.axes,
    ],
    14: ["BatchNormalization": NormalizationRewrites.batchOutputs],
    16: ["RoiAlign": NameRewrites.roiAlign],
    18: [
      "ReduceL1": InputRewrites.axes,
      "ReduceL2": InputRewrites.axes,
      "ReduceLogSum": InputRewrites.axes,
      "ReduceLogSumExp": InputRewrites.axes,
      "ReduceMax": InputRewrites.axes,
      "ReduceMean": InputRewrites.axes,
      "ReduceMin": InputRewrites.axes,
      "ReduceProd": InputRewrites.axes,
      "ReduceSumSquare": InputRewrites.axes,
      "Split": InputRewrites.splitCount,
    ],
    20: [
      "DFT": InputRewrites.dft,
      "GridSample": NameRewrites.gridSample,
    ],
    21: ["GroupNormalization": NormalizationRewrites.groupPerChannel],
  ]
}
