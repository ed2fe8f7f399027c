import Testing

@testable import Support

@Suite struct MemoryLimitTests {
  @Test func theMachineHasMemory() { #expect(MemoryLimit.byteCount > 1 << 20) }

  @Test func theLeastLimitOfTheGroupAndThoseAroundItCounts() {
    let files = [
      "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "2000\n",
      "/sys/fs/cgroup/memory.max": "3000\n",
      "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1000\n",
    ]
    func limit(_ groups: String) -> Int? {
      MemoryLimit.controlGroupLimit(groups) { files[$0] }
    }
    #expect(limit("0::/a/b\n") == 2000)
    #expect(limit("0::/\n") == 3000)
    #expect(limit("5:cpu:/a\n4:memory:/x/y\n0::/a\n") == 1000)
    #expect(limit("5:cpu:/a\n") == nil)
    #expect(limit("4:memory:/\n") == nil)
    #expect(limit("nonsense\n::\n") == 3000)
    #expect(limit("") == nil)
  }
}
