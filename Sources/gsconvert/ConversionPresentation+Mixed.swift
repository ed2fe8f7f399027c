import Configuration
import Conversion
import Quantization
import Support

/// What is said where bits are chosen for each tensor.
extension ConversionPresentation {
  /// The line about the configuration.
  func mixedLine(_ mixed: MixedBitFacts, _ configuration: QuantizationConfiguration) -> String {
    let keys = configuration.mixedBit
    let aim: String
    if configuration.isExplicit(section: "mixed_bit_weight_quant_param", key: "target_size") {
      let target = configuration.parsedText(
        section: "mixed_bit_weight_quant_param", key: "target_size")
      aim = "target_size \(target)"
    } else if let bits = keys.targetBits {
      aim = "target_bits \(NumberText.significant(bits, 4))"
    } else if let cosine = keys.targetCosine {
      aim = "target_cosine \(NumberText.significant(cosine, 6))"
    } else {
      let error = NumberText.significant(mixed.relativeError ?? keys.initScale, 4)
      aim = (keys.autoTune ? "auto_tune found " : "") + "relative error \(error)"
    }
    return "config     WEIGHT_QUANT mixed bit   \(aim)   skip \(configuration.skipQuantNode.count)"
  }

  /// What the search found.
  var mixedLines: [String] {
    guard let mixed = outcome.mixed else { return [] }
    var parts = [
      "mixed      \(NumberText.fixed(mixed.meanBits, 2)) bits a weight",
      "\(NumberText.bytes(mixed.packedByteCount)) packed in a .ms file",
    ]
    if let cosine = mixed.cosine {
      parts.append("cosine \(NumberText.fixed(cosine, 5)) in \(mixed.trialCount) trials")
    }
    return [parts.joined(separator: "   ")]
  }

  /// Every tensor in a dry run: bits, bytes and error.
  var mixedPlan: [String] {
    var table = TextTable(
      ["node", "tensor", "weight", "bits", "bytes", "SQNR"], rightAligned: [3, 4, 5])
    for constant in outcome.constants {
      table.append([
        constant.node, constant.tensor,
        constant.recipe.map(describe) ?? "float: \(constant.floatReason?.text ?? "")",
        constant.recipe.map { NumberText.fixed($0.effectiveBits, 2) } ?? "32",
        String(constant.storedByteCount), constant.signalToNoise.map(decibels) ?? "",
      ])
    }
    return ["plan"] + table.lines.map { "  " + $0 }
  }

  /// A recipe of steps.
  func describeSteps(_ recipe: WeightRecipe, _ bits: Double) -> String {
    let scales = recipe.storage.axis.map { "per channel, axis \($0)" } ?? "per tensor"
    return "\(NumberText.fixed(bits, 2)) bit in \(recipe.storage.elementType.name) \(scales)"
  }

  /// The mean bits of some constants.
  func bits(of constants: [ConstantFacts]) -> String {
    var (bits, count) = (0.0, 0)
    for constant in constants {
      guard let recipe = constant.recipe else { continue }
      let elements = constant.dimensions.reduce(1, *)
      bits += recipe.effectiveBits * Double(elements)
      count += elements
    }
    return NumberText.fixed(bits / Double(max(1, count)), 2)
  }

  func json(_ mixed: MixedBitFacts) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("meanBits", .number(mixed.meanBits)), ("packedBytes", .integer(mixed.packedByteCount)),
      ("trials", .integer(mixed.trialCount)),
    ]
    if let error = mixed.relativeError { members.append(("relativeError", .number(error))) }
    if let cosine = mixed.cosine { members.append(("cosine", .number(cosine))) }
    return .object(members)
  }
}
