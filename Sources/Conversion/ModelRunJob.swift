import ModelGraph
import Support

/// Everything one run of a model needs to know.
public struct ModelRunJob: Sendable {
  /// A tensor in a file for an input.
  public struct InputFile: Sendable {
    /// `NAME=FILE` as it was given.
    public let text: String

    /// Takes `NAME=FILE`.
    ///
    /// - Throws: a text without both.
    public init(_ text: String) throws(Failure) {
      guard let mark = text.firstIndex(of: "="), mark != text.startIndex, text.last != "=" else {
        throw Failure(
          .flagInvalid, "--input=\(text) does not name an input and a file",
          help: "write --input NAME=FILE.npy")
      }
      self.text = text
    }

    /// Name and file, split where the name is one of `names`, else at the first `=`.
    func split(names: Set<String>) -> (name: String, path: String) {
      let marks = text.indices.filter { text[$0] == "=" }
      let mark = marks.first { names.contains(String(text[..<$0])) } ?? marks[0]
      return (String(text[..<mark]), String(text[text.index(after: mark)...]))
    }
  }

  /// The model.
  public var modelPath: String
  /// What is fed.
  public var inputs: [InputFile]
  /// Shapes of inputs whose declaration leaves extents open, by name.
  public var shapes: [String: [Int]]
  /// Where results are written; nil for nowhere.
  public var outputFolder: String?
  /// Timed runs after a warm-up; nil for a single run.
  public var repeats: Int?
  /// Values to write besides the outputs, by name.
  public var dumped: [Glob]
  /// Worker threads; 0 is one for each processor.
  public var threads: Int
  /// Where to write what values activations take; nil for nowhere.
  public var rangesPath: String?
  /// Many runs at once, as calibration does them; nil for one.
  public var batch: Batch?

  /// Samples that are one timed run together, all of them what is fed.
  public struct Batch: Sendable {
    /// How many.
    public var sampleCount: Int
    /// How many run at once, each in one thread when `threads` is 1; 0 is one for each processor.
    public var workers: Int

    /// States a batch.
    public init(sampleCount: Int, workers: Int) {
      self.sampleCount = sampleCount
      self.workers = workers
    }
  }

  /// States a job.
  public init(
    modelPath: String, inputs: [InputFile], shapes: [String: [Int]] = [:],
    outputFolder: String? = nil, repeats: Int? = nil, dumped: [Glob] = [], threads: Int = 0,
    rangesPath: String? = nil, batch: Batch? = nil
  ) {
    self.modelPath = modelPath
    self.inputs = inputs
    self.shapes = shapes
    self.outputFolder = outputFolder
    self.repeats = repeats
    self.dumped = dumped
    self.threads = threads
    self.rangesPath = rangesPath
    self.batch = batch
  }
}

/// What a run of a model gave.
public struct ModelRunOutcome: Sendable {
  /// A tensor that went in or came out.
  public struct Item: Sendable {
    /// The graph's name for it.
    public let name: String
    /// Its elements' type.
    public let elementType: ElementType
    /// Its extents.
    public let shape: [Int]
    /// The file it was read from or written to, if any.
    public let file: String?

    /// `float32[1,3,224,224]`.
    public var type: String {
      elementType.name + "[" + shape.map(String.init).joined(separator: ",") + "]"
    }

    init(_ name: String, _ data: TensorData, file: String?) {
      self.name = name
      elementType = data.elementType
      shape = data.dimensions
      self.file = file
    }
  }

  /// Path, size and counts.
  public let model: ModelFacts
  /// What was fed.
  public let inputs: [Item]
  /// The results.
  public let outputs: [Item]
  /// Inner values that were written.
  public let dumped: [Item]
  /// Where the values that activations take were written, if that was asked for.
  public let rangesFile: String?
  /// Seconds from the file to a session that can run.
  public let preparationSeconds: Double
  /// Seconds of each timed run, in order.
  public let runSeconds: [Double]
  /// Whether an untimed run came first.
  public let hasWarmUp: Bool

  /// The middle time; the mean of the two middle ones of an even number.
  public var medianSeconds: Double {
    let sorted = runSeconds.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// The shortest time.
  public var minimumSeconds: Double { runSeconds.min() ?? 0 }
}
