import Glibc

/// Spends a budget on tensors so that the sum of their errors is least: a choice for each, all of
/// the same gain in error for the last bit spent (Shoham and Gersho, 1988), then single better
/// choices while they fit.
public struct BudgetAllocation: Sendable {
  /// The errors of each tensor's choices, weighted.
  private let errors: [[Double]]
  /// Their sizes, in the budget's unit.
  private let sizes: [[Double]]

  /// An allocation.
  ///
  /// - Parameters:
  ///   - errors: the errors of each tensor's choices; at least one choice each.
  ///   - sizes: their sizes.
  public init(errors: [[Double]], sizes: [[Double]]) {
    self.errors = errors
    self.sizes = sizes
  }

  /// The choices with the least weighted error whose sizes sum to at most `budget`; the smallest
  /// choices where even these are too large.
  ///
  /// - Complexity: O(choices), some 100 times, and as many times again for what is left over.
  public func choices(budget: Double) -> [Int] {
    var (low, high) = (-80.0, 40.0)
    if total(choices(price: exp(low))) <= budget { return filled(choices(price: exp(low)), budget) }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if total(choices(price: exp(middle))) <= budget { high = middle } else { low = middle }
    }
    return filled(choices(price: exp(high)), budget)
  }

  /// The size of choices.
  public func total(_ choices: [Int]) -> Double {
    choices.indices.reduce(0) { $0 + sizes[$1][choices[$1]] }
  }

  private func choices(price: Double) -> [Int] {
    errors.indices.map { tensor in
      let (errors, sizes) = (errors[tensor], sizes[tensor])
      var best = 0
      for index in errors.indices {
        let cost = errors[index] + price * sizes[index]
        let least = errors[best] + price * sizes[best]
        if cost < least || cost == least && sizes[index] < sizes[best] { best = index }
      }
      return best
    }
  }

  private func filled(_ choices: [Int], _ budget: Double) -> [Int] {
    var choices = choices
    var room = budget - total(choices)
    while true {
      var best: (tensor: Int, index: Int, gain: Double)?
      for tensor in choices.indices {
        let current = choices[tensor]
        for index in errors[tensor].indices {
          let growth = sizes[tensor][index] - sizes[tensor][current]
          let gain = errors[tensor][current] - errors[tensor][index]
          guard gain > 0, growth <= room else { continue }
          let ratio = gain / max(growth, 1e-9)
          if ratio > best?.gain ?? 0 { best = (tensor, index, ratio) }
        }
      }
      guard let found = best else { return choices }
      room -= sizes[found.tensor][found.index] - sizes[found.tensor][choices[found.tensor]]
      choices[found.tensor] = found.index
    }
  }
}
