/// The one table of diagnostic codes. A code never changes its meaning once released.
///
/// GS0xxx command line, GS1xxx configuration, GS2xxx model files, GS3xxx calibration data,
/// GS4xxx planning and quantization, GS5xxx writing, GS6xxx running models, GS9xxx our own bugs.
public enum DiagnosticCode: String, CaseIterable, Hashable, Sendable {
  case flagInvalid = "GS0001"
  case flagMissing = "GS0002"
  case flagUnsupported = "GS0003"
  case inputMissing = "GS0004"
  case flagConflict = "GS0005"
  case flagWithoutEffect = "GS0006"

  case configUnreadable = "GS1001"
  case configSyntax = "GS1002"
  case keyOutsideSection = "GS1003"
  case unknownSection = "GS1006"
  case unknownKey = "GS1007"
  case duplicateKey = "GS1008"
  case missingKey = "GS1009"
  case badValue = "GS1010"
  case valueOutOfRange = "GS1011"
  case keyConflict = "GS1012"
  case keyWithoutEffect = "GS1013"
  case pathMissing = "GS1014"
  case patternMatchesNothing = "GS1015"
  case capabilityNotBuilt = "GS1016"

  case modelUnreadable = "GS2001"
  case modelMalformed = "GS2002"
  case modelFormatUnknown = "GS2003"
  case modelUnsupported = "GS2004"
  case externalDataInvalid = "GS2005"
  case opsetUnsupported = "GS2006"

  case calibrationDataInvalid = "GS3001"
  case calibrationPathInvalid = "GS3002"
  case calibrationFilesMissing = "GS3003"
  case calibrationSizeWrong = "GS3004"
  case calibrationSampleUnreadable = "GS3005"
  case calibrationNonFinite = "GS3006"

  case nonFiniteWeight = "GS4001"
  case nothingQuantized = "GS4002"
  case reportFailed = "GS4003"
  case unevenRanges = "GS4004"
  case rangeCutsMuch = "GS4005"
  case belowMinCosine = "GS4006"
  case targetMissed = "GS4007"
  case judgedOnRandomInput = "GS4008"
  case runtimeTooOld = "GS4009"
  case alreadyQuantized = "GS4010"
  case beyondHalfPrecision = "GS4011"
  case skippedSharesWeights = "GS4012"

  case cannotWrite = "GS5001"
  case outputFolderMissing = "GS5002"

  case operatorUnsupported = "GS6001"
  case inferenceInputInvalid = "GS6002"
  case inferenceFailed = "GS6003"

  case internalError = "GS9001"

  /// The exit status of a run that fails with this code.
  public var exitStatus: ExitStatus {
    switch self {
    case .flagInvalid, .flagMissing, .flagConflict, .flagWithoutEffect: .usage
    case .flagUnsupported, .capabilityNotBuilt, .modelUnsupported, .opsetUnsupported,
      .operatorUnsupported:
      .unsupported
    case .inputMissing, .configUnreadable, .modelUnreadable: .noInput
    case .configSyntax, .keyOutsideSection, .unknownSection, .unknownKey, .duplicateKey,
      .missingKey, .badValue, .valueOutOfRange, .keyConflict, .keyWithoutEffect, .pathMissing,
      .patternMatchesNothing, .calibrationPathInvalid:
      .configuration
    case .modelMalformed, .modelFormatUnknown, .externalDataInvalid, .calibrationDataInvalid,
      .calibrationFilesMissing, .calibrationSizeWrong, .calibrationSampleUnreadable,
      .calibrationNonFinite, .nonFiniteWeight, .nothingQuantized, .inferenceInputInvalid,
      .inferenceFailed, .unevenRanges, .rangeCutsMuch, .targetMissed, .judgedOnRandomInput,
      .runtimeTooOld, .alreadyQuantized, .beyondHalfPrecision, .skippedSharesWeights:
      .badData
    case .belowMinCosine: .belowThreshold
    case .cannotWrite, .outputFolderMissing, .reportFailed: .cannotWrite
    case .internalError: .internalError
    }
  }

  /// What the code means, in one line for the manual.
  public var summary: String {
    switch self {
    case .flagInvalid: "a flag or its value is not valid"
    case .flagMissing: "a required flag is missing"
    case .flagUnsupported: "a flag asks for what this version cannot do"
    case .inputMissing: "an input file does not exist or cannot be read"
    case .flagConflict: "flags contradict each other"
    case .flagWithoutEffect: "a flag changes nothing"
    case .configUnreadable: "the configuration file does not exist or cannot be read"
    case .configSyntax: "a line of the configuration is malformed"
    case .keyOutsideSection: "a key stands before any section"
    case .unknownSection: "a section does not exist"
    case .unknownKey: "a key does not exist in its section"
    case .duplicateKey: "a key is given twice"
    case .missingKey: "a required key is missing"
    case .badValue: "a value has the wrong type or is not one of the allowed words"
    case .valueOutOfRange: "a number is outside its range"
    case .keyConflict: "keys contradict each other"
    case .keyWithoutEffect: "a key or section changes nothing in this conversion"
    case .pathMissing: "a path in the configuration does not exist or is of the wrong kind"
    case .patternMatchesNothing: "a pattern of node names matches no node"
    case .capabilityNotBuilt: "the configuration asks for what this version cannot do"
    case .modelUnreadable: "the model does not exist or cannot be read"
    case .modelMalformed: "the model file is damaged"
    case .modelFormatUnknown: "the model's format cannot be told"
    case .modelUnsupported: "the model uses what this version cannot read"
    case .externalDataInvalid: "weights stored beside the model are missing or do not fit"
    case .opsetUnsupported: "the model's operator set version is not supported"
    case .calibrationDataInvalid: "a calibration sample does not fit the model"
    case .calibrationPathInvalid: "calibrate_path does not fit the model's inputs"
    case .calibrationFilesMissing: "a folder of calibration samples is missing or lacks files"
    case .calibrationSizeWrong: "a calibration file has the wrong number of bytes"
    case .calibrationSampleUnreadable: "a calibration sample cannot be read or is damaged"
    case .calibrationNonFinite: "a calibration sample holds NaN or an infinity"
    case .nonFiniteWeight: "a weight holds NaN or an infinity"
    case .nothingQuantized: "no weight was quantized"
    case .reportFailed: "a report could not be made"
    case .unevenRanges: "activations that are added or joined have very different ranges"
    case .rangeCutsMuch: "the range of an activation leaves out many of its elements"
    case .belowMinCosine: "the result is written, and less like the float model than asked"
    case .targetMissed: "a size, a number of bits or a cosine that was asked for cannot be had"
    case .judgedOnRandomInput: "a search looked at made-up input, which tells little of real data"
    case .runtimeTooOld: "some runtimes of the written format lack an operator"
    case .alreadyQuantized: "the model, or a part of it, is quantized already"
    case .beyondHalfPrecision: "a constant doesn't fit half precision and stays in 32 bits"
    case .skippedSharesWeights: "weights of a skipped node are shared and become integers"
    case .cannotWrite: "an output cannot be written"
    case .outputFolderMissing: "the folder of an output does not exist"
    case .operatorUnsupported: "the engine has no kernel for a node"
    case .inferenceInputInvalid: "an input fed to a model is missing or does not fit"
    case .inferenceFailed: "a node cannot work with the inputs it gets"
    case .internalError: "a bug in gsconvert; please report it"
    }
  }
}
