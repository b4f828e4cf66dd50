// Texts that strangers choose must not cost more than their length allows. The time limit is no measurement: what takes seconds when it is
// linear takes many minutes when it is cubic, as it once was.

internal import PolicyModel
internal import Testing

@testable internal import PolicyEngine

@Suite struct `Hostile texts` {
  private static func snapshot(_ constraint: Constraint, rules: Int) -> Snapshot {
    var set = PolicySet()
    let metadata = ObjectMetadata(
      key: ObjectKey(kind: "AuthorizationPolicy", namespace: "a", name: "p"), location: SourceLocation(file: "f", span: .nowhere))
    let rule = AuthorizationPolicy.Rule(sources: [.init([constraint])])
    set.policies = [AuthorizationPolicy(metadata: metadata, rules: Array(repeating: rule, count: rules))]
    return Snapshot(set, mesh: MeshSettings(acceptedTrustDomains: ["c", "csa"]))
  }

  @Test(.timeLimit(.minutes(1))) func `many rules about service accounts and an identity of nothing but markers`() {
    let value = Located(ExactText("a/x"))
    let snapshot = Self.snapshot(Constraint(.sourceServiceAccount, values: [value]), rules: 200)
    for unit in ["/ns/a", "/ns/a/", "/ns/a/sa/", "sa/x/", "/"] {
      let identity = Array(("spiffe://c" + String(repeating: unit, count: 16_384 / unit.utf8.count)).utf8)
      var request = Request()
      request.addIdentity(identity.span)
      #expect(snapshot.decide(&request, on: snapshot.target(namespace: "a", labels: [:])).reason == .noAllowMatched)
    }
  }

  @Test(.timeLimit(.minutes(1))) func `many rules about namespaces with stars`() {
    let value = Located(ExactText("a*a*a*b"))
    let snapshot = Self.snapshot(Constraint(.sourceNamespace, values: [value]), rules: 1000)
    let identity = Array(("spiffe://c/ns/" + String(repeating: "a", count: 2000) + "/").utf8)
    var request = Request()
    request.addIdentity(identity.span)
    #expect(snapshot.decide(&request, on: snapshot.target(namespace: "a", labels: [:])).reason == .noAllowMatched)
  }
}
