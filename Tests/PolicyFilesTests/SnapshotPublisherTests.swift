// Who frees an old snapshot: never the reader that lets it go last.

import PolicyEngine
import PolicyFiles
import PolicyModel
import Testing

@Suite struct `An old snapshot` {
  private static func policies(_ name: ExactText) -> PolicySet {
    var set = PolicySet()
    let key = ObjectKey(kind: "AuthorizationPolicy", namespace: "shop", name: name)
    set.policies = [AuthorizationPolicy(metadata: ObjectMetadata(key: key, location: SourceLocation(file: "p.yaml", span: .nowhere)))]
    return set
  }

  @Test func `lives until a publisher finds that its last reader has gone on`() {
    let publisher = SnapshotPublisher(Self.policies("first"), mesh: MeshSettings())
    var reader = Latest<Snapshot>.Reader(publisher.snapshots)
    weak let old = reader.value
    publisher.publish(policies: Self.policies("second"))
    #expect(publisher.retiredCount == 1)
    publisher.releaseRetired()
    #expect(old != nil && publisher.retiredCount == 1, "the reader still has it")
    let hasNewer = reader.refresh()
    #expect(hasNewer)
    #expect(old != nil, "going on frees nothing")
    publisher.releaseRetired()
    #expect(old == nil && publisher.retiredCount == 0)
  }

  @Test func `is freed at the next publication when nobody reads it`() {
    let publisher = SnapshotPublisher(Self.policies("first"), mesh: MeshSettings())
    for number in 0..<10 {
      publisher.publish(policies: Self.policies(ExactText("p\(number)")))
      #expect(publisher.retiredCount == 0)
    }
  }
}
