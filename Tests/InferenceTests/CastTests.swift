import CKernels
import ModelGraph
import Testing

@testable import Inference

@Suite struct CastTests {
  private func cast(_ tensor: Tensor, to type: ElementType) throws -> Tensor {
    let context = RunContext(pool: BufferPool(), workers: .init(threads: 1))
    return try Casting.cast(tensor, to: type, context)
  }

  @Test func everyHalfComesBack() throws {
    let all = Tensor([65536], (0...65535).map { UInt16($0) })
    for type in [ElementType.float16, .bfloat16] {
      let half = all.reinterpreted(as: type)
      let back = try cast(try cast(half, to: .float32), to: type).array(UInt16.self)
      let quiet: UInt16 = type == .float16 ? 0x200 : 0x40
      let values = try half.doubles()
      for (bits, value) in zip(0...65535, values) {
        #expect(back[bits] == UInt16(bits) || value.isNaN && back[bits] & quiet != 0)
      }
    }
  }

  @Test func halvesRoundToTheNearestTiesToEven() throws {
    var generator = SeededGenerator(seed: 5)
    let values =
      (0..<20000).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator))
      }
      + generator.floats(5000, in: -1...1) + generator.floats(5000, in: -70000...70000)
    let halves = try cast(Tensor([values.count], values), to: .float16).doubles()
    for (value, half) in zip(values, halves) where value.isFinite && half.isFinite {
      let place = max(abs(value), 0x1p-14).binade * 0x1p-10
      #expect(abs(Double(value) - half) <= Double(place) / 2, "\(value) gives \(half)")
    }
    #expect(
      try cast(Tensor([3], [Float(2049), 2051, 65520]), to: .float16).doubles() == [
        2048, 2052, .infinity,
      ])
  }

  @Test func numbersThatDoNotFitWrapOrBecomeTheSmallest() throws {
    let values = Tensor([5], [Float(300.7), -1.5, 3e9, .nan, -.infinity])
    #expect(try cast(values, to: .uint8).array(UInt8.self) == [44, 255, 0, 0, 0])
    #expect(try cast(values, to: .int32).array(Int32.self) == [300, -1, .min, .min, .min])
    #expect(try cast(values, to: .bool).array(UInt8.self) == [1, 1, 1, 1, 1])
    let integers = Tensor([4], [Int64(7), 8, -9, 16])
    #expect(try cast(integers, to: .int4).array(Int8.self) == [7, -8, 7, 0])
    #expect(try cast(integers, to: .uint4).array(UInt8.self) == [7, 8, 7, 0])
  }

  @Test func stringsAndNumbers() throws {
    let numbers = Tensor([6], [Float(0.1), 1, 1e10, -.infinity, .nan, 0.60484552])
    let strings = try cast(numbers, to: .string)
    let texts = strings.array(UInt64.self).map {
      String(decoding: StringTable.string($0), as: UTF8.self)
    }
    #expect(texts == ["0.1", "1", "1e+10", "-INF", "NaN", "0.6048455"])
    let back = try cast(strings, to: .float32).array(Float.self)
    #expect(back[0] == 0.1 && back[3] == -.infinity && back[4].isNaN)
    #expect(throws: KernelProblem.self) {
      let word = Tensor([1], [StringTable.number(of: Array("word".utf8))])
      return try cast(word.reinterpreted(as: .string), to: .int32)
    }
  }
}
