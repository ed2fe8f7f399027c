extension MSLiteSchema {
  /// The operators, one to a line: number, name, fields in order.
  static let operatorLines = """
    1 Abs
    2 Activation activation_type:i8 alpha:f32 min_val:f32 max_val:f32 approximate:bool
    3 ActivationGrad
    4 Adam
    5 AddFusion activation_type:i8
    6 AdderFusion
    7 AddGrad
    8 AddN
    9 All keep_dims:i64
    10 ApplyMomentum
    11 ArgMaxFusion axis:i64 top_k:i64=1 keep_dims:bool out_max_value:bool
    12 ArgMinFusion axis:i64 top_k:i64 keep_dims:bool out_max_value:bool
    13 Assert
    14 Assign
    15 AssignAdd
    16 AudioSpectrogram
    17 AvgPoolFusion kernel_size:[i64] strides:[i64] pad:[i64] pad_mode:i8 round_mode:i8 \
      format:i32 global:bool activation_type:i8
    18 AvgPoolGrad
    19 BatchNorm epsilon:f32 format:i32 is_training:bool
    20 BatchNormGrad
    21 BatchToSpace
    22 BatchToSpaceND block_shape:[i64] crops:Vec2D
    23 BiasAdd format:i32
    24 BinaryCrossEntropy
    25 BinaryCrossEntropyGrad
    26 BiasAddGrad
    27 BroadcastTo shape:[i64]
    28 Cast
    29 Ceil
    30 Clip max:f32 min:f32
    31 Concat axis:i64
    32 Attention head_num:i64 head_size:i64 cross:bool scale:f32
    33 Conv2DBackpropFilterFusion
    34 Conv2DBackpropInputFusion
    35 Conv2DFusion format:i32 kernel_size:[i64] stride:[i64] dilation:[i64] pad_mode:i8 \
      pad_list:[i64] mode:i64 group:i64 in_channel:i64 out_channel:i64 activation_type:i8
    36 Conv2dTransposeFusion format:i32 kernel_size:[i64] stride:[i64] dilation:[i64] \
      pad_mode:i8 pad:[i64] pad_list:[i64] mode:i64 group:i64 in_channel:i64 out_channel:i64 \
      activation_type:i8 output_paddings:[i64]
    37 Cos
    38 ConstantOfShape data_type:i64 value:[f32]
    39 Crop axis:i64 offsets:[i64]
    40 CustomExtractFeatures
    41 CustomNormalize
    42 CustomPredict
    43 DeConv2DGradFilter
    44 Depend
    45 DepthToSpace block_size:i64 format:i32 mode:str
    46 DetectionPostProcess format:i32 input_size:i64 scale:[f32] nms_iou_threshold:f32 \
      nms_score_threshold:f32 max_detections:i64 detections_per_class:i64 \
      max_classes_per_detection:i64 num_classes:i64 use_regular_nms:bool out_quantized:bool
    47 DivFusion activation_type:i8
    48 DivGrad
    49 Dropout keep_prob:f32=0.5
    50 DropoutGrad
    51 Elu alpha:f32
    52 Eltwise mode:i8
    53 Equal
    54 EmbeddingLookupFusion
    55 ExpFusion base:f32=-1 scale:f32=1.0 shift:f32
    56 ExpandDims
    57 FakeQuantWithMinMaxVars num_bits:i64 narrow_range:bool
    58 FakeQuantWithMinMaxVarsPerChannel num_bits:i64 narrow_range:bool
    59 FftReal
    60 FftImag
    61 Flatten axis:i64=1
    62 FlattenGrad
    63 Floor
    64 FloorDiv
    65 FloorMod
    66 Fill
    67 FullConnection has_bias:bool use_axis:bool axis:i64 activation_type:i8
    68 FusedBatchNorm epsilon:f32=0.0001 momentum:f32=0.9 mode:i64
    69 Gather
    70 GatherNd
    71 Greater
    72 GreaterEqual
    73 HashtableLookup
    74 InstanceNorm epsilon:f32
    75 LayerNormFusion begin_norm_axis:i64 epsilon:f32=0.00001 elementwise_affine:bool \
      begin_params_axis:i64
    76 LeakyRelu negative_slope:f32
    77 Less
    78 LessEqual
    79 Log
    80 LogGrad
    81 LogicalAnd
    82 LogicalNot
    83 LogicalOr
    84 LpNormalization
    85 LRN depth_radius:i64 bias:f32 alpha:f32 beta:f32 norm_region:str
    86 LshProjection
    87 LSTM bidirectional:bool has_bias:bool input_size:i64 hidden_size:i64 num_layers:i64 \
      num_directions:i64 dropout:f32 zoneout_cell:f32 zoneout_hidden:f32 proj_size:i64
    88 L2NormalizeFusion axis:[i64] epsilon:f32 activation_type:i8
    89 MatMulFusion transpose_a:bool transpose_b:bool activation_type:i8
    90 Maximum
    91 MaximumGrad
    92 MaxPoolFusion kernel_size:[i64] strides:[i64] pad:[i64] pad_mode:i8 round_mode:i8 \
      format:i32 global:bool activation_type:i8
    93 MaxPoolGrad
    94 SwitchLayer
    95 Mfcc
    96 Minimum
    97 MinimumGrad
    98 Mod
    99 MulFusion activation_type:i8
    100 MulGrad
    101 Neg
    102 NegGrad
    103 NotEqual
    104 NonMaxSuppression center_point_box:i64
    105 OneHot axis:i64
    106 OnesLike
    107 PadFusion paddings:Vec2D padding_mode:i8 constant_value:f32
    108 PartialFusion sub_graph_index:i64
    109 PowerGrad
    110 PowFusion scale:f32=1 shift:f32
    111 PriorBox min_sizes:[i64] max_sizes:[i64] aspect_ratios:[f32] variances:[f32] \
      image_size_w:i64 image_size_h:i64 step_w:f32 step_h:f32 clip:bool flip:bool offset:f32
    112 PReLUFusion channel_shared:bool
    113 QuantDTypeCast src_t:i64 dst_t:i64 axis:i64
    114 Rank
    115 Range d_type:i64 start:i64 limit:i64 delta:i64=1
    116 Reciprocal
    117 RealDiv
    118 ReduceFusion keep_dims:bool mode:i8 reduce_to_end:bool coeff:f32
    119 Reshape
    120 Resize format:i32 method:i8 new_height:i64 new_width:i64 preserve_aspect_ratio:bool \
      coordinate_transform_mode:i8 cubic_coeff:f32 exclude_outside:i64 extrapolation_value:f32 \
      nearest_mode:i8
    121 ReverseSequence seq_dim:i64 batch_dim:i64
    122 ReverseV2 axis:[i64]
    123 Rfft
    124 ROIPooling pooled_h:i64 pooled_w:i64 scale:f32
    125 Round
    126 Rsqrt
    127 ScaleFusion axis:i64 activation_type:i8
    128 ScatterNd
    129 SGD
    130 Shape
    131 SigmoidCrossEntropyWithLogits
    132 SigmoidCrossEntropyWithLogitsGrad
    133 Sin
    134 SkipGram
    135 SliceFusion axes:[i64]
    136 SmoothL1Loss
    137 SmoothL1LossGrad
    138 Softmax axis:[i64]
    139 SoftmaxCrossEntropyWithLogits
    140 SpaceToBatch
    141 SpaceToBatchND block_shape:[i64] paddings:Vec2D
    142 SpaceToDepth block_size:i64 format:i32
    143 SparseSoftmaxCrossEntropyWithLogits
    144 SparseToDense
    145 Split output_num:i64 size_splits:[i64] axis:i64
    146 Sqrt
    147 Squeeze axis:[i64]
    148 Square
    149 SquaredDifference
    150 Stack axis:i64
    151 StridedSlice begin_mask:i64 end_mask:i64 ellipsis_mask:i64 new_axis_mask:i64 \
      shrink_axis_mask:i64
    152 SubFusion activation_type:i8
    153 SubGrad
    154 Switch
    155 TensorListFromTensor
    156 TensorListGetItem
    157 TensorListReserve
    158 TensorListSetItem
    159 TensorListStack
    160 TileFusion dims:[i64]
    161 TopKFusion sorted:bool=1 axis:i64 largest:i64
    162 Transpose
    163 Unique
    164 UnsortedSegmentSum
    165 Unsqueeze axis:[i64]
    166 Unstack axis:i64
    167 LSTMGrad
    168 Where
    169 ZerosLike
    170 Select
    171 ScatterNdUpdate
    172 GRU bidirectional:bool
    173 NonZero
    174 InvertPermutation
    175 Size
    176 RandomStandardNormal
    177 CropAndResize
    178 Erf
    179 StridedSliceGrad
    180 IsFinite
    181 LinSpace
    182 UniformReal
    183 AbsGrad
    184 RsqrtGrad
    185 SqrtGrad
    186 LayerNormGrad
    187 ResizeGrad
    188 Splice
    189 LogSoftmax axis:i64
    190 Call is_tail_call:bool=1
    191 Custom type:str attr:[Attribute]
    192 CumSum exclusive:bool reverse:bool
    193 SplitWithOverlap
    194 GenOP
    195 RaggedRange
    196 GLU
    197 TensorArray
    198 TensorArrayRead
    199 TensorArrayWrite
    200 Affine
    201 AllGather
    202 ReduceScatter
    203 DynamicQuant symmetric:bool dst_type:i64=32 activation_channel:bool prefer_axis:i64 \
      transpose:bool prefer_axes:[i32]
    204 LSTMGradData
    205 LSTMGradWeight
    206 RandomNormal
    207 NLLLoss
    208 NLLLossGrad
    209 FormatTranspose src_format:i32=1 dst_format:i32=1
    210 GatherD
    211 GroupNormFusion num_groups:i64 epsilon:f32=1e-5 affine:bool=1
    212 Log1p
    213 TensorScatterAdd
    214 SparseFillEmptyRows
    215 SparseReshape
    216 SparseSegmentSum
    217 ScatterElements axis:i64
    218 Triu
    219 Tril
    220 AdamWeightDecay
    221 FillV2
    """
}
