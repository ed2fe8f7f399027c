import Statistics
import Testing

@testable import Reports

/// The reports' text, byte by byte. Numbers are computed by hand.
@Suite struct ReportTextTests {
  private func text(_ bytes: [UInt8]) -> [Substring] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
  }

  private func pair(_ original: [Float], _ dequantized: [Float]) -> DistributionPair {
    original.withUnsafeBufferPointer { original in
      dequantized.withUnsafeBufferPointer { dequantized in
        DistributionPair(
          node: "a, \"b\"", operatorType: "Conv", tensor: "x", isInput: false, isConstant: false,
          original: DistributionSummary(original),
          dequantized: DistributionSummary(dequantized: dequantized, original: original))
      }
    }
  }

  /// Mean 2 and variance 4.5 of 0, 0, 3, 5, of which a quarter lies beyond 3; the cosine of
  /// (0, 0, 3, 5) and (0, 0, 3, 3) is 24 / sqrt(34 * 18).
  @Test func aTensorHasTwoRowsOfOneName() {
    let lines = text(DistributionReport.csv([pair([0, 0, 3, 5], [0, 0, 3, 3])]))
    #expect(
      lines == [
        "NodeName,NodeType,TensorName,InOutFlag,DataTypeFlag,TensorTypeFlag,Min,Q1,Median,Q3,MAX,"
          + "Mean,Var,Sparsity,Clip,CosineSimilarity",
        "\"a, \"\"b\"\"\",Conv,x,Output,Origin,Activation,0,0,3,5,5,2,4.5,0.5,0,1",
        "\"a, \"\"b\"\"\",Conv,x,Output,Dequant,Activation,0,0,3,3,3,1.5,2.25,0.5,0.25,0.9701425",
        "",
      ])
  }

  @Test func whatCannotBeComparedIsEmpty() {
    let lines = text(DistributionReport.csv([pair([1, 2], [1])]))
    #expect(lines.dropLast().last?.hasSuffix(",1,1,1,1,1,1,0,0,,") == true)
  }

  @Test func resultsHaveARowForEachRound() {
    let lines = text(
      OutputSummaryReport.csv([[("y", 0.5), ("z", nil)], [("y", 1), ("z", nil)]]))
    #expect(
      lines == ["Round,TensorName,CosineSimilarity", "0,y,0.5", "0,z,", "1,y,1", "1,z,", ""])
  }

  @Test func parametersHaveARowForEachChannel() {
    let tensor = QuantizedTensor(
      node: "n", operatorType: "Gemm", tensor: "w", dimensions: [2, 3], scales: [0.1, 0.25],
      zeroPoints: [0, -3], bits: 8)
    let lines = text(QuantizationParameterReport.csv([tensor]))
    #expect(
      lines.dropFirst() == [
        "n,Gemm,w,6,2 3,0.100000001,0,8,1,0", "n,Gemm,w,6,2 3,0.25,-3,8,1,0", "",
      ])
  }
}
