/// `output_summary.csv`: how near the quantized model's results are to the float model's, a row for
/// each round and result.
public enum OutputSummaryReport {
  /// The file's name.
  public static let fileName = "output_summary.csv"

  /// A result of the model and its cosine; nil where the two can't be compared.
  public typealias Output = (tensor: String, cosineSimilarity: Double?)

  /// The file's bytes; rounds are counted from 0.
  public static func csv(_ rounds: [[Output]]) -> [UInt8] {
    var csv = CSVWriter()
    csv.append(["Round", "TensorName", "CosineSimilarity"])
    for (round, outputs) in rounds.enumerated() {
      for output in outputs {
        csv.append([
          String(round), output.tensor, output.cosineSimilarity.map(DistributionReport.text) ?? "",
        ])
      }
    }
    return csv.bytes
  }
}
