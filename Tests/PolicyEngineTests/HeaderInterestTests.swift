// Headers that a door leaves out because the snapshot says that no decision depends on them.

internal import PolicyModel
internal import RandomWorlds
internal import Testing

@testable internal import PolicyEngine

@Suite struct `Headers that nothing tests` {
  @Test func `make no difference to any decision`() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of the worlds: \(seed)")
    var random = RandomWorld(seed: seed)
    var (left, kept) = (0, 0)
    for _ in 0..<300 {
      let set = random.policySet(policies: random.pick([1, 3, 15]))
      let snapshot = Snapshot(set, mesh: MeshSettings())
      let target = snapshot.target(namespace: "foo", labels: ["app": "a"])
      for _ in 0..<20 {
        var (whole, text) = random.request(unknown: random.pick([0, 0, 20]))
        var part = whole
        part.headers.removeAll { !snapshot.testsHeader(whole.bytes($0.name)) }
        left += whole.headers.count - part.headers.count
        kept += part.headers.count
        let expected = snapshot.decide(&whole, on: target)
        #expect(snapshot.decide(&part, on: target) == expected, "\(text)")
      }
    }
    #expect(left > 0 && kept > 0)
  }

  @Test func `are told from those that rules test, in any case, and from those that make a preflight`() {
    let snapshot = Self.snapshot(["X-Role", ":scheme"])
    for name in ["x-role", "X-ROLE", ":scheme", "origin", "Access-Control-Request-Method"] {
      #expect(Self.tests(snapshot, name), "\(name)")
    }
    for name in ["x-rolf", "x-rol", "x-roles", "y-role", ":method", "", String(repeating: "x", count: 100)] {
      #expect(!Self.tests(snapshot, name), "\(name)")
    }
  }

  @Test func `are not told apart where rules test very many`() {
    let names = (0..<200).map { "x-header-\($0)" }
    let snapshot = Self.snapshot(names)
    for name in names + ["anything"] { #expect(Self.tests(snapshot, name), "\(name)") }
    let long = String(repeating: "y", count: 90)
    #expect(Self.tests(Self.snapshot([long]), long))
    #expect(!Self.tests(Self.snapshot([long]), long + "y"))
  }

  private static func tests(_ snapshot: Snapshot, _ name: String) -> Bool {
    let bytes = Array(name.utf8)
    return snapshot.testsHeader(bytes.span)
  }

  private static func snapshot(_ names: [String]) -> Snapshot {
    let conditions = names.map { Constraint(.requestHeader(ExactText($0)), values: [Located(ExactText("v"))]) }
    let metadata = ObjectMetadata(
      key: ObjectKey(kind: "AuthorizationPolicy", namespace: "a", name: "p"), location: SourceLocation(file: "f", span: .nowhere))
    var set = PolicySet()
    set.policies = [AuthorizationPolicy(metadata: metadata, rules: conditions.map { AuthorizationPolicy.Rule(conditions: [$0]) })]
    return Snapshot(set, mesh: MeshSettings())
  }
}
