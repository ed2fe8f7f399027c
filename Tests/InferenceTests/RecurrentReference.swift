import Glibc

@testable import Inference

/// Recurrent cells as their formulas say, one number at a time, in double precision.
struct RecurrentReference {
  let kind: Kind
  let steps, batch, inputSize, size: Int
  let isReversed: Bool
  var lengths: [Int]?
  var resetsLast = false
  var couplesForget = false
  /// Row-major: X [T, B, I], W [G·H, I], R [G·H, H], biases [2·G·H], peepholes [3·H].
  var input, weights, recurrence, bias, peepholes: [Float]
  var hidden, cell: [Float]

  enum Kind: String, CaseIterable {
    case lstm = "LSTM"
    case gru = "GRU"
    case rnn = "RNN"
    var gates: Int { self == .lstm ? 4 : self == .gru ? 3 : 1 }
  }

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  /// The sums of a gate before its function: from the input, and from the hidden state.
  private func sums(
    _ gate: Int, _ unit: Int, _ step: Int, _ sequence: Int, _ state: [Double]
  ) -> (input: Double, recurrent: Double) {
    let row = gate * size + unit
    var fromInput = Double(bias[row])
    for index in 0..<inputSize {
      fromInput +=
        Double(input[(step * batch + sequence) * inputSize + index])
        * Double(weights[row * inputSize + index])
    }
    var fromState = Double(bias[kind.gates * size + row])
    for index in 0..<size { fromState += state[index] * Double(recurrence[row * size + index]) }
    return (fromInput, fromState)
  }

  private func advance(_ state: inout [Double], _ cell: inout [Double], _ step: Int, _ b: Int) {
    let old = state
    func sum(_ gate: Int, _ unit: Int) -> Double {
      let (x, h) = sums(gate, unit, step, b, old)
      return x + h
    }
    switch kind {
    case .rnn: for unit in 0..<size { state[unit] = tanh(sum(0, unit)) }
    case .gru:
      let reset = (0..<size).map { sigmoid(sum(1, $0)) }
      for unit in 0..<size {
        let update = sigmoid(sum(0, unit))
        var (x, h) = sums(2, unit, step, b, old)
        if !resetsLast { h = sums(2, unit, step, b, zip(reset, old).map { $0 * $1 }).recurrent }
        x += resetsLast ? reset[unit] * h : h
        state[unit] = (1 - update) * tanh(x) + update * old[unit]
      }
    case .lstm:
      for unit in 0..<size {
        func peep(_ gate: Int, _ value: Double) -> Double {
          peepholes.isEmpty ? 0 : Double(peepholes[gate * size + unit]) * value
        }
        let i = sigmoid(sum(0, unit) + peep(0, cell[unit]))
        let f = couplesForget ? 1 - i : sigmoid(sum(2, unit) + peep(2, cell[unit]))
        cell[unit] = f * cell[unit] + i * tanh(sum(3, unit))
        state[unit] = sigmoid(sum(1, unit) + peep(1, cell[unit])) * tanh(cell[unit])
      }
    }
  }

  /// Hidden states of all steps [T, B, H], and the last hidden and cell states [B, H].
  func run() -> (all: [Double], hidden: [Double], cell: [Double]) {
    var all = [Double](repeating: 0, count: steps * batch * size)
    var last: [Double] = []
    var lastCell: [Double] = []
    for b in 0..<batch {
      let length = lengths?[b] ?? steps
      var state = hidden[b * size..<(b + 1) * size].map { Double($0) }
      var cell = cell[b * size..<(b + 1) * size].map { Double($0) }
      for turn in 0..<length {
        let step = isReversed ? length - 1 - turn : turn
        advance(&state, &cell, step, b)
        for unit in 0..<size { all[(step * batch + b) * size + unit] = state[unit] }
      }
      last += length == 0 && steps > 0 ? state.map { _ in 0 } : state
      lastCell += length == 0 && steps > 0 ? cell.map { _ in 0 } : cell
    }
    return (all, last, lastCell)
  }
}
