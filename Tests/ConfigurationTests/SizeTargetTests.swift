import Configuration
import Testing

@Suite struct SizeTargetTests {
  @Test(arguments: [
    ("3670224", SizeTarget.bytes(3_670_224)), ("3500KB", .bytes(3_584_000)),
    ("3.5MB", .bytes(3_670_016)), ("3.5 mb", .bytes(3_670_016)), ("12B", .bytes(12)),
    ("1GB", .bytes(1 << 30)), ("0.2", .share(0.2)),
  ])
  func sizesAreRead(text: String, size: SizeTarget) { #expect(SizeTarget(text) == size) }

  @Test(arguments: ["", "MB", "-3MB", "0", "1e5", "3TB", "nan", "3,5MB", "0x10", "9999999999GB"])
  func whatIsNoSizeIsRefused(text: String) { #expect(SizeTarget(text) == nil) }
}
