// The short way for files in which nothing is unusual must come to what the rules of the last good version come to.

internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

@Suite struct `Files in which nothing is unusual` {
  /// All that a status says but the numbers of the revisions.
  private func said(_ state: LastGoodState) -> String {
    var text = ""
    var status = state.status
    let counts = status.counts
    // The order of a dictionary is not a difference.
    status.counts = PolicyCounts()
    dump(status, to: &text)
    for kinds in [counts.objects, counts.skipped] {
      text += kinds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined()
    }
    return text + "\(counts.files)"
  }

  @Test(arguments: [0, 5, 30], [false, true])
  func `the short way and the rules come to the same, over random edits`(trouble: Int, allowEmpty: Bool) {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("plain files: seed \(seed), trouble \(trouble), empty \(allowEmpty)")
    var edits = RandomEdits(seed: seed, trouble: trouble)
    var world = World()
    world.allowEmpty = allowEmpty
    world.mustCompare = true
    for step in 0..<300 {
      let next = edits.step()
      world.step(next.files, unreadable: next.unreadable, hiding: next.hiding, heldBack: next.heldBack)
      let place = "seed \(seed), step \(step)"
      #expect(said(world.state) == said(world.byRules), "\(place)")
      #expect(world.state.policySet().parts == world.byRules.policySet().parts, "\(place)")
      #expect(names(world.state) == names(world.byRules), "\(place)")
    }
  }

  private func names(_ state: LastGoodState) -> [String] {
    let set = state.policySet()
    return set.policies.map { $0.metadata.key.description } + set.inventory.map { $0.metadata.key.description }
  }

  @Test func `an object that appears in a second file is noticed`() {
    var world = World()
    world.step(["a.yaml": policy("a"), "b.yaml": policy("b")])
    world.step(["a.yaml": policy("a"), "b.yaml": policy("b") + policy("a", "DENY")])
    #expect(world.codes == ["duplicate-object"])
    #expect(world.policies == ["shop/a ALLOW", "shop/b ALLOW"])
    // It may move from one file to the other in one step.
    world.step(["a.yaml": policy("c"), "b.yaml": policy("b") + policy("a", "DENY")])
    #expect(world.codes.isEmpty)
    #expect(world.policies == ["shop/a DENY", "shop/b ALLOW", "shop/c ALLOW"])
  }
}
