// The numbers that say which parts of a set are as before: an equal number over different contents would leave an old policy in force.

internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

@Suite struct `The revisions of a policy set` {
  private func revisions(_ world: World) throws -> Revisions { try #require(world.state.policySet().revisions) }

  @Test(arguments: [0, 20, 60]) func `equal numbers mean equal contents, over random edits`(trouble: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("revisions: seed \(seed), trouble \(trouble)")
    var edits = RandomEdits(seed: seed, trouble: trouble)
    var world = World()
    world.allowEmpty = true
    var seen: [ExactText?: [UInt64: [String]]] = [:]
    var repeats = 0
    var source: UInt64?
    for step in 0..<300 {
      let next = edits.step()
      let before = world.state.policySet()
      world.step(next.files, unreadable: next.unreadable, hiding: next.hiding, heldBack: next.heldBack)
      let set = world.state.policySet()
      let revisions = try #require(set.revisions)
      #expect(source == nil || source == revisions.source)
      source = revisions.source
      let parts = set.parts
      #expect(Set(parts.keys.compactMap { $0 }) == Set(revisions.namespaces.keys), "seed \(seed), step \(step)")
      for namespace in Set(parts.keys).union([nil]) {
        let number = try #require(namespace.map { revisions.namespaces[$0] } ?? revisions.unplaced)
        let content = parts[namespace] ?? []
        if let known = seen[namespace]?[number] {
          repeats += 1
          #expect(known == content, "seed \(seed), step \(step), namespace \(namespace?.string ?? "none")")
        }
        seen[namespace, default: [:]][number] = content
      }
      if world.state.status.outcome == .unchanged, before.parts == parts { #expect(before.revisions?.unplaced == revisions.unplaced) }
    }
    #expect(repeats > 300)
  }

  @Test func `only what changed gets a new number`() throws {
    var world = World()
    let files = ["a.yaml": policy("a", namespace: "one"), "b.yaml": policy("b", namespace: "two")]
    world.step(files)
    let first = try revisions(world)
    #expect(Set(first.namespaces.keys) == ["one", "two"])
    world.step(files)
    #expect(try revisions(world) == first)
    world.step(files.merging(["b.yaml": policy("b", "DENY", namespace: "two")]) { $1 })
    let second = try revisions(world)
    #expect(second.namespaces["one"] == first.namespaces["one"])
    #expect(second.namespaces["two"] != first.namespaces["two"])
    #expect(second.unplaced == first.unplaced)
    // A policy that only moves has another place in explanations.
    world.step(files.merging(["b.yaml": "#\n" + policy("b", "DENY", namespace: "two")]) { $1 })
    let third = try revisions(world)
    #expect(third.namespaces["two"] != second.namespaces["two"])
    // Broken for the first time: it denies in its namespace, and the others are as before.
    world.step(files.merging(["c.yaml": broken("c", namespace: "one")]) { $1 })
    #expect(try revisions(world).namespaces["one"] != first.namespaces["one"])
    world.step(files.merging(["c.yaml": "\"cut off"]) { $1 })
    #expect(try revisions(world).unplaced != first.unplaced)
    world.step(["a.yaml": policy("a", namespace: "one")])
    #expect(try revisions(world).namespaces["two"] == nil)
  }

  @Test func `two worlds have nothing in common`() throws {
    var (left, right) = (World(), World())
    left.step(["a.yaml": policy("a")])
    right.step(["a.yaml": policy("a")])
    #expect(try revisions(left).source != revisions(right).source)
    // Two that continue from one state give no number to two things.
    var other = left
    left.step(["a.yaml": policy("a", "DENY")])
    other.step(["a.yaml": policy("a", "AUDIT")])
    #expect(try revisions(left).namespaces["shop"] != revisions(other).namespaces["shop"])
  }
}
