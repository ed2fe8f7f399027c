import Glibc
import Quantization
import Support

/// The choices for every tensor of a plan, and plans that spend a budget on them.
struct BudgetTable {
  let plan: QuantizationPlan
  let choices: [[StorageChoice]]
  /// What a tensor's error costs the results.
  let sensitivities: [Double]

  private var errors: [[Double]] {
    zip(choices, sensitivities).map { choices, weight in choices.map { $0.error * weight } }
  }

  private var weightCounts: [Double] { plan.quantized.map { Double($0.plan.source.elementCount) } }

  /// The best plan of so many bits for a weight.
  func plan(bits: Double) -> QuantizationPlan {
    let counts = weightCounts
    let allocation = BudgetAllocation(
      errors: errors,
      sizes: zip(choices, counts).map { choices, count in choices.map { $0.bits * count } })
    return plan(allocation.choices(budget: bits * counts.reduce(0, +)))
  }

  /// The best plan whose weights take at most so many bytes, as its choices say.
  func plan(weightBytes: Double) -> QuantizationPlan {
    plan(byteAllocation.choices(budget: weightBytes))
  }

  /// The bytes of weights that the smallest and the largest choices take.
  var weightBytes: ClosedRange<Double> {
    let sizes = choices.map { $0.map { Double($0.byteCount) } }
    let least = sizes.reduce(0) { $0 + ($1.min() ?? 0) }
    return least...max(least, sizes.reduce(0) { $0 + ($1.max() ?? 0) })
  }

  private var byteAllocation: BudgetAllocation {
    BudgetAllocation(errors: errors, sizes: choices.map { $0.map { Double($0.byteCount) } })
  }

  /// The best plan whose file has at most so many bytes, and these.
  ///
  /// What the choices say of their sizes is corrected by what a plan's file really takes.
  func plan(
    byteCount target: Int, measure: (QuantizationPlan) throws(Failure) -> Int
  ) throws(Failure) -> (plan: QuantizationPlan, byteCount: Int) {
    let allocation = byteAllocation
    var best: (plan: QuantizationPlan, byteCount: Int)?
    // Budgets whose files had at most so many bytes, and more.
    var (fitting, excessive) = (0.0, Double.infinity)
    var budget = Double(target)
    for _ in 0..<BudgetTable.rounds {
      let chosen = allocation.choices(budget: budget)
      let candidate = plan(chosen)
      let actual = try measure(candidate)
      let isBetter = best.map { best in
        actual <= target
          ? best.byteCount > target || actual > best.byteCount : actual < best.byteCount
      }
      if isBetter ?? true { best = (candidate, actual) }
      if actual <= target {
        if Double(actual) > Double(target) * 0.998 { break }
        fitting = max(fitting, budget)
      } else {
        excessive = min(excessive, budget)
      }
      budget = allocation.total(chosen) + Double(target - actual)
      if actual > target { budget -= Double(target) / 2000 }
      if budget <= fitting || budget >= excessive {
        guard excessive.isFinite, excessive - fitting > 1 else { break }
        budget = (fitting + excessive) / 2
      }
    }
    return best ?? (plan, 0)
  }

  private static let rounds = 8

  private func plan(_ chosen: [Int]) -> QuantizationPlan {
    plan.replacing(zip(choices, chosen).map { $0[$1].recipe })
  }
}

/// How much the results suffer from an error of each tensor alone.
enum Sensitivity {
  /// The share of a tensor's power that rounding misses when its sensitivity is measured.
  private static let probe = 0.005

  /// The results' share of noise for the tensor's share of noise, tensor by tensor.
  ///
  /// - Complexity: a session and a run of every sample for each tensor.
  static func measure(
    _ plan: QuantizationPlan, _ choices: [[StorageChoice]], _ trial: MixedBitTrial
  ) throws(Failure) -> [Double] {
    let probes = choices.map { choices in
      choices.filter { $0.error > 0 }.min {
        abs(log($0.error / probe)) < abs(log($1.error / probe))
      } ?? choices[0]
    }
    let probed = plan.replacing(probes.map(\.recipe))
    return try probes.indices.map { index throws(Failure) in
      guard probes[index].error > 0 else { return 1 }
      let sums = try trial.sums(probed, only: index)
      let share = sums.map { $0.float > 0 ? $0.differences / $0.float : 0 }.max() ?? 0
      return max(share, 1e-12) / probes[index].error
    }
  }
}

/// Finds the smallest plan that keeps a cosine, by bisection on the bytes of its weights.
struct CosineSearch {
  let target: Double
  let table: BudgetTable

  private static let trials = 10

  /// The smallest plan found that is good enough, else the best.
  func smallest(
    _ judge: (QuantizationPlan) throws(Failure) -> Double
  ) throws(Failure) -> (plan: QuantizationPlan, cosine: Double) {
    var (low, high) = (table.weightBytes.lowerBound, table.weightBytes.upperBound)
    var next = low + (high - low) / 3
    let finest = table.plan(weightBytes: high)
    var best = (plan: finest, cosine: try judge(finest))
    guard best.cosine >= target else { return best }
    for _ in 0..<CosineSearch.trials {
      let candidate = table.plan(weightBytes: next)
      let cosine = try judge(candidate)
      if cosine >= target { (high, best) = (next, (candidate, cosine)) } else { low = next }
      next = (low + high) / 2
      if high - low < 0.003 * high { break }
    }
    return best
  }
}
