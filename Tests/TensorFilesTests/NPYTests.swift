import Fuzzing
import Glibc
import ModelGraph
import Support
import Testing

@testable import TensorFiles

/// NumPy's file format.
@Suite struct NPYTests {
  /// A file with a header as it stands and elements.
  private static func file(
    _ dictionary: String, _ elements: [UInt8] = [], version: UInt8 = 1
  ) -> [UInt8] {
    let text = Array(dictionary.utf8)
    let length =
      version == 1
      ? [UInt8(text.count & 255), UInt8(text.count >> 8)]
      : [UInt8(text.count & 255), UInt8(text.count >> 8), 0, 0]
    return NPYHeader.signature + [version, 0] + length + text + elements
  }

  private static func read(_ bytes: [UInt8]) throws -> TensorData {
    try NPYReader.read(Bytes(bytes))
  }

  private static func problem(_ dictionary: String, _ elements: [UInt8] = []) -> String? {
    do {
      _ = try read(file(dictionary, elements))
      return nil
    } catch {
      return (error as? NPYProblem)?.message
    }
  }

  @Test(arguments: [UInt8(1), 2, 3])
  func everyVersionIsRead(version: UInt8) throws {
    let bytes = Self.file(
      "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }\n", [1, 0, 2, 0, 255, 255],
      version: version)
    let tensor = try Self.read(bytes)
    #expect(tensor.elementType == .int16)
    #expect(tensor.dimensions == [3])
    #expect(tensor.packed?.load(Int16.self) == [1, 2, -1])
  }

  @Test func scalarsAndEmptyTensorsAreRead() throws {
    let scalar = try Self.read(
      Self.file("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", [0, 0, 0x80, 0x3f]))
    #expect(scalar.dimensions == [] && scalar.float32Values == [1])
    let empty = try Self.read(
      Self.file("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 3)}"))
    #expect(empty.dimensions == [0, 3] && empty.byteCount == 0)
  }

  @Test func fortranOrderIsTurnedAround() throws {
    let tensor = try Self.read(
      Self.file(
        "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", [1, 4, 2, 5, 3, 6]))
    #expect(tensor.packed?.load(UInt8.self) == [1, 2, 3, 4, 5, 6])
  }

  @Test func keysMayStandInAnyOrder() throws {
    let tensor = try Self.read(
      Self.file("{\"shape\": (2L,), 'fortran_order': False, 'descr': '|b1'}", [1, 0]))
    #expect(tensor.elementType == .bool && tensor.dimensions == [2])
  }

  @Test(arguments: [
    ("{'descr': '>f4', 'fortran_order': False, 'shape': ()}", "big-endian ('>f4')"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': ()}", "the type '|O'"),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "where a text has to be"),
    ("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "lacks a 'False'"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "isn't a list of extents"),
    ("{'descr': '<f4', 'fortran_order': False}", "lacks a key"),
    ("{'descr': '<f4', 'descr': '<f4', 'shape': ()}", "'descr', or has it twice"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "0 bytes of elements"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2)}", "too large"),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4)}",
      "too large"
    ),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "a shape that"),
    ("", "lacks a '{'"),
  ])
  func badHeadersAreTold(dictionary: String, words: String) {
    #expect(Self.problem(dictionary)?.contains(words) == true, "\(Self.problem(dictionary) ?? "-")")
  }

  @Test func truncatedFilesAreTold() {
    let whole = Self.file("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", [1, 2])
    for length in 0..<whole.count {
      #expect(throws: NPYProblem.self, "\(length) bytes") {
        try Self.read(Array(whole.prefix(length)))
      }
    }
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let path = "/tmp/gsconvert-npy-\(UInt64.random(in: 0 ... .max)).npy"
    defer { unlink(path) }
    let types: [ElementType] = [
      .float32, .float16, .float64, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32,
      .uint64, .bool, .complex64,
    ]
    var random = SplitMix64(seed: 7)
    for type in types {
      for shape in [[], [5], [2, 3], [0, 4], [1, 2, 1, 3]] {
        let count = shape.reduce(1, *) * (type.bitWidth ?? 0) / 8
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let tensor = TensorData(
          elementType: type, dimensions: shape, storage: .packed(Bytes(bytes)))
        try NPYWriter.write(tensor, to: path)
        let file = try MappedFile(path: path)
        #expect((file.count - count) % 64 == 0)
        let back = try NPYReader.read(file.contents)
        #expect(back.elementType == type && back.dimensions == shape)
        #expect(back.packed?.load(UInt8.self) == bytes)
      }
    }
  }

  @Test func typesThatNumPyLacksAreWidened() throws {
    let path = "/tmp/gsconvert-npy-\(UInt64.random(in: 0 ... .max)).npy"
    defer { unlink(path) }
    try NPYWriter.write(
      TensorData(
        elementType: .bfloat16, dimensions: [2], storage: .packed(Bytes([0x80, 0x3f, 0x00, 0xc0]))),
      to: path)
    #expect(try NPYReader.read(MappedFile(path: path).contents).float32Values == [1, -2])
    try NPYWriter.write(
      TensorData(elementType: .int4, dimensions: [3], storage: .packed(Bytes([0x7f, 0x08]))),
      to: path)
    let nibbles = try NPYReader.read(MappedFile(path: path).contents)
    #expect(nibbles.packed?.load(Int8.self) == [-1, 7, -8])
    #expect(!NPYWriter.writes(.string))
  }

  /// Damaged files are read or refused, never more.
  @Test func mutatedFilesNeverTrap() {
    let corpus = [
      Self.file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", Array(0..<16)),
      Self.file("{'descr': '|u1', 'fortran_order': True, 'shape': (3, 1, 2), }", Array(0..<6)),
      Self.file(
        "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", Array(0..<8), version: 3),
    ]
    for seed in UInt64(1)...3000 {
      var mutator = Mutator(seed: seed)
      let bytes = mutator.mutate(corpus)
      guard let tensor = try? Self.read(bytes) else { continue }
      #expect(tensor.elementType.byteCount(of: tensor.elementCount) == tensor.byteCount, "\(seed)")
    }
  }
}

/// Names of files for tensors.
@Suite struct TensorFileNamesTests {
  @Test func namesAreSafeAndUnique() {
    var names = TensorFileNames()
    #expect(names.name(for: "block/out:0") == "block_out_0.npy")
    #expect(names.name(for: "block.out:0") == "block.out_0.npy")
    #expect(names.name(for: "BLOCK_out_0") == "BLOCK_out_0_2.npy")
    #expect(names.name(for: "../../etc") == "_.._.._etc.npy")
    #expect(names.name(for: "") == "_.npy")
    #expect(names.name(for: "größe") == "gr____e.npy")
    #expect(names.name(for: String(repeating: "x", count: 400)).utf8.count < 200)
  }
}
