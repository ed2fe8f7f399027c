import Testing

@testable import Inference

@Test func everyOperatorIsDefinedOnce() {
  let names = OperatorTable.all.map { "\($0.domain).\($0.name)" }
  #expect(Set(names).count == names.count)
}
