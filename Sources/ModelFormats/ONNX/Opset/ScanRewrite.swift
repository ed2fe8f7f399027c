import ModelGraph
import Support

/// Scan, whose first axis was the batch and whose second axis was scanned.
enum ScanRewrite {
  /// A Scan over the batch around a Scan over the sequence.
  static func withoutBatch(_ place: NodeRewrite) throws(Failure) {
    let node = place.node
    guard place.input(0) == nil else {
      throw place.refusal("its sequences have lengths of their own (input sequence_lens)")
    }
    guard case .graph(let body) = node.attribute("body") else {
      throw place.refusal("it lacks the attribute 'body'")
    }
    let scannedCount = try place.required("num_scan_inputs", place.int("num_scan_inputs"))
    let directions = try place.ints("directions")
    let name = node.displayName
    let session = place.unit.session
    let outer = Graph(name: name + "_batch")
    outer.inputs = body.inputs.map { session.makeValue(name + "_" + $0.name + "_element") }
    outer.outputs = body.outputs.map { session.makeValue(name + "_" + $0.name + "_result") }
    let inner = Node(
      name: name + "_sequence", operatorType: "Scan", inputs: outer.inputs, outputs: outer.outputs,
      attributes: [
        Attribute("body", .graph(body)), Attribute("num_scan_inputs", .int(scannedCount)),
      ])
    if let directions { inner.setAttribute("scan_input_directions", .ints(directions)) }
    outer.nodes = [inner]
    node.inputs = Array(node.inputs.dropFirst())
    node.setAttribute("directions", nil)
    node.setAttribute("body", .graph(outer))
    node.setAttribute("num_scan_inputs", .int(Int64(node.inputs.count)))
  }
}
