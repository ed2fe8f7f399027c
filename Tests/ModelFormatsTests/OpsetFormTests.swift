import ModelGraph
import Support
import Testing

@testable import ModelFormats

@Suite struct OpsetFormTests {
  @Test(arguments: ["Softmax", "LogSoftmax", "Hardmax"])
  func softmaxOverTheLastAxisStaysOneNode(type: String) throws {
    let raised = try RaisedNode(type, from: 11, to: 13, [("axis", .int(2))])
    #expect(raised.operators == [type])
    #expect(raised.node.int("axis") == -1)
  }

  @Test func softmaxOverSeveralAxesIsMadeAMatrix() throws {
    let raised = try RaisedNode("Softmax", from: 11, to: 13)
    #expect(raised.operators == ["Shape", "Flatten", "Softmax", "Reshape"])
    #expect(raised.node.int("axis") == -1)
    #expect(raised.input(0)?.producer?.int("axis") == 1)
    let output = try #require(raised.model.graph.outputs.first)
    #expect(output.name == "y")
    #expect(output.producer?.operatorType == "Reshape")
    #expect(output.producer?.attributes.isEmpty == true)
  }

  @Test func softmaxOfUnknownRankIsMadeAMatrix() throws {
    let raised = try RaisedNode(
      "Softmax", from: 11, to: 21, inputs: [.float("x")], [("axis", .int(2))])
    #expect(raised.operators == ["Shape", "Flatten", "Softmax", "Reshape"])
    #expect(raised.model.graph.outputs.first?.producer?.int("allowzero") == 1)
  }

  @Test func upsampleBecomesResize() throws {
    let raised = try RaisedNode(
      "Upsample", from: 7, to: 13,
      [("scales", .floats([1, 2, 2])), ("mode", .string(text: "nearest"))])
    #expect(raised.operators == ["Resize"])
    #expect(raised.node.inputs.count == 3)
    #expect(raised.input(1) == nil)
    #expect(raised.node.floats(2) == [1, 2, 2])
    #expect(raised.node.string("coordinate_transformation_mode") == "asymmetric")
    #expect(raised.node.string("nearest_mode") == "floor")
    #expect(raised.node.attribute("scales") == nil)
  }

  @Test func upsampleTakesItsScalesAsInputIn9() throws {
    let raised = try RaisedNode("Upsample", from: 7, to: 9, [("scales", .floats([1, 2, 2]))])
    #expect(raised.operators == ["Upsample"])
    #expect(raised.node.floats(1) == [1, 2, 2])
  }

  @Test func resizeBefore13KeepsAnEmptyRegion() throws {
    let scales = Value.constant("s", TensorData(float32: [1, 2, 2]))
    let raised = try RaisedNode("Resize", from: 10, to: 11, inputs: [.float("x"), scales])
    #expect(raised.input(1)?.constant?.elementCount == 0)
    #expect(raised.input(2) === scales)
  }

  @Test func shrinkingResizeTakesTheElementBehind() throws {
    let scales = Value.constant("s", TensorData(float32: [1, 0.5, 0.5]))
    let raised = try RaisedNode("Resize", from: 10, to: 13, inputs: [.float("x"), scales])
    #expect(raised.operators == ["Resize"])
    #expect(raised.node.string("nearest_mode") == "ceil")
  }

  @Test func resizeBothWaysTakesTwoNodes() throws {
    let scales = Value.constant("s", TensorData(float32: [1, 2, 0.5]))
    let raised = try RaisedNode("Resize", from: 10, to: 13, inputs: [.float("x"), scales])
    #expect(raised.operators == ["Resize", "Resize"])
    let first = try #require(raised.input(0)?.producer)
    #expect(first.floats(2) == [1, 2, 1])
    #expect(first.string("nearest_mode") == "floor")
    #expect(raised.node.floats(2) == [1, 1, 0.5])
    #expect(raised.node.string("nearest_mode") == "ceil")
  }

  @Test func resizeByComputedScalesTakesTwoNodes() throws {
    let raised = try RaisedNode("Resize", from: 10, to: 13, inputs: [.float("x"), .float("s")])
    #expect(raised.operators == ["Max", "Min", "Resize", "Resize"])
    let linear = try RaisedNode(
      "Resize", from: 10, to: 13, inputs: [.float("x"), .float("s")],
      [("mode", .string(text: "linear"))])
    #expect(linear.operators == ["Resize"])
  }

  @Test func emptyResizeInputsAreLeftOut() throws {
    let empty = TensorData(float32: [])
    let raised = try RaisedNode(
      "Resize", from: 11, to: 13,
      inputs: [
        .float("x"), .constant("r", empty), .constant("s", empty),
        .constant("z", TensorData(int64: [4, 4])),
      ])
    #expect(raised.node.inputs.map { $0?.name } == ["x", nil, nil, "z"])
    #expect(raised.model.graph.initializers.map(\.name) == ["z"])
  }

  @Test func batchNormalizationLosesSpatial() throws {
    let inputs = "xsbmv".map { Value.float(String($0)) }
    let plain = try RaisedNode(
      "BatchNormalization", from: 7, to: 21, inputs: inputs, [("spatial", .int(1))])
    #expect(plain.operators == ["BatchNormalization"])
    #expect(plain.attributes.isEmpty)
    let each = try RaisedNode(
      "BatchNormalization", from: 7, to: 9, inputs: "xsbmv".map { Value.float(String($0)) },
      [("spatial", .int(0))])
    #expect(
      each.operators == ["Shape", "Flatten"] + Array(repeating: "Reshape", count: 4)
        + ["BatchNormalization", "Reshape"])
  }

  @Test func trainingBatchNormalizationIsRefused() {
    #expect(throws: Failure.self) {
      try RaisedNode(
        "BatchNormalization", from: 9, to: 14, outputs: ["y", "mean", "variance"])
    }
  }

  @Test func groupParametersAreSpreadOverChannels() throws {
    let raised = try RaisedNode(
      "GroupNormalization", from: 18, to: 21,
      inputs: [.typed("x", .float16, [1, 4, 2]), .float("s"), .float("b")],
      [("num_groups", .int(2))])
    #expect(
      raised.operators == ["Shape", "Div", "Concat"]
        + ["Unsqueeze", "Expand", "Reshape", "Unsqueeze", "Expand", "Reshape"]
        + ["GroupNormalization"])
    #expect(raised.node.int("stash_type") == 10)
  }

  @Test func dropoutTakesItsRatioAsInput() throws {
    let raised = try RaisedNode("Dropout", from: 7, to: 13, [("ratio", .float(0.25))])
    #expect(raised.attributes.isEmpty)
    #expect(raised.node.floats(1) == [0.25])
  }

  @Test func unreadMaskIsDropped() throws {
    let raised = try RaisedNode("Dropout", from: 7, to: 13, outputs: ["y", "mask"])
    #expect(raised.node.outputs.count == 1)
    #expect(raised.operators == ["Dropout"])
  }

  @Test func readMaskStaysAllZeros() throws {
    let raised = try RaisedNode("Dropout", from: 7, to: 13, outputs: ["y", "mask"], readOutputs: 2)
    #expect(raised.operators == ["Shape", "Dropout", "ConstantOfShape"])
    let fill = try #require(raised.model.graph.outputs[1].producer)
    guard case .tensor(let zero) = fill.attribute("value") else {
      Issue.record("no value")
      return
    }
    #expect(zero.elementType == .float32)
  }

  @Test func namesAndDefaultsFollow() throws {
    #expect(try RaisedNode("Scatter", from: 9, to: 11).operators == ["ScatterElements"])
    let align = try RaisedNode("RoiAlign", from: 10, to: 16)
    #expect(align.node.string("coordinate_transformation_mode") == "output_half_pixel")
    for (old, new) in [("bilinear", "linear"), ("bicubic", "cubic"), ("nearest", "nearest")] {
      let sample = try RaisedNode("GridSample", from: 16, to: 20, [("mode", .string(text: old))])
      #expect(sample.node.string("mode") == new)
    }
    let mean = try RaisedNode(
      "MeanVarianceNormalization", from: 8, to: 9, [("across_channels", .int(1))])
    #expect(mean.node.ints("axes") == [0, 1, 2, 3])
  }

  @Test func imageScalerBecomesArithmetic() throws {
    let raised = try RaisedNode(
      "ImageScaler", from: 8, to: 10, [("scale", .float(0.5)), ("bias", .floats([1, 2, 3]))])
    #expect(raised.operators == ["Mul", "Add"])
    #expect(raised.attributes.isEmpty)
    #expect(raised.input(1)?.constant?.dimensions == [3, 1, 1])
  }

  @Test func goneOperatorIsRefusedByName() {
    let error = #expect(throws: Failure.self) { try RaisedNode("Affine", from: 9, to: 10) }
    #expect(error?.diagnostics.first?.code == .opsetUnsupported)
    #expect(error?.diagnostics.first?.message.contains("Affine 'n'") == true)
    #expect(error?.diagnostics.first?.help != nil)
  }

  @Test func batchedScanBecomesAScanOfScans() throws {
    let body = Graph(name: "body")
    let state = Value(name: "state")
    let element = Value(name: "element")
    let sum = Value(name: "sum")
    body.inputs = [state, element]
    body.nodes = [Node(operatorType: "Add", inputs: [state, element], outputs: [sum])]
    body.outputs = [sum, sum]
    let raised = try RaisedNode(
      "Scan", from: 8, to: 9, inputs: [nil, .float("i"), .float("x")], outputs: ["f", "y"],
      readOutputs: 2,
      [("body", .graph(body)), ("num_scan_inputs", .int(1)), ("directions", .ints([1]))])
    #expect(raised.node.inputs.map { $0?.name } == ["i", "x"])
    #expect(raised.node.int("num_scan_inputs") == 2)
    let inner = try #require(raised.node.subgraphs.first?.nodes.first)
    #expect(inner.operatorType == "Scan")
    #expect(inner.int("num_scan_inputs") == 1)
    #expect(inner.ints("scan_input_directions") == [1])
    #expect(inner.subgraphs.first === body)
    #expect(throws: Failure.self) {
      try RaisedNode(
        "Scan", from: 8, to: 9, inputs: [.typed("l", .int64, [2]), .float("x")],
        [("body", .graph(body)), ("num_scan_inputs", .int(1))])
    }
  }
}
