import ModelGraph

/// What stands for an activation behind the QuantizeLinear and DequantizeLinear that were inserted
/// after it.
public struct InsertedPair {
  /// The activation's name.
  public let name: String
  /// The integers, their readers and, where there are any, the channels' factors.
  public let quantization: ActivationQuantization
  /// The name of what DequantizeLinear makes: the activation's own unless some nodes read something
  /// else, or channels are multiplied by factors.
  public let dequantizedName: String
  /// The nodes whose first input became that value.
  public let directReaders: Set<ObjectIdentifier>

  /// Whether every reader gets the rounded elements.
  public var isForAll: Bool {
    if case .all = quantization.readers { true } else { false }
  }
}
