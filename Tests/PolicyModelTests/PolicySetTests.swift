// What a set of policies does when it is changed.

import PolicyModel
import Testing

@Suite struct `A set of policies` {
  @Test func `changes its lists in place`() {
    var set = PolicySet()
    set.policies.reserveCapacity(100)
    let start = unsafe set.policies.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
    for number in 0..<100 {
      let key = ObjectKey(kind: "AuthorizationPolicy", namespace: "shop", name: ExactText("p\(number)"))
      set.policies.append(AuthorizationPolicy(metadata: ObjectMetadata(key: key, location: SourceLocation(file: "f", span: .nowhere))))
    }
    // A copy at every append would make loading quadratic.
    let end = unsafe set.policies.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
    #expect(start != 0 && start == end)
  }

  @Test(
    arguments: [
      { $0.policies = [] }, { $0.peerAuthentications = [] }, { $0.requestAuthentications = [] }, { $0.destinationRules = [] },
      { $0.workloads = [] }, { $0.inventory = [] }, { $0.unusable = [] }, { $0.unusableWorkloads = [] },
    ] as [@Sendable (inout PolicySet) -> Void])
  func `forgets its revisions when a list is changed`(_ change: @Sendable (inout PolicySet) -> Void) {
    var set = PolicySet()
    set.revisions = Revisions(source: 1, namespaces: [:], unplaced: 1)
    change(&set)
    #expect(set.revisions == nil)
  }
}
