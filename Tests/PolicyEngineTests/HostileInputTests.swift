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

  @Test func `a template and a path of twenty thousand bytes, asked of the reference, too`() {
    let tail = String(repeating: "a", count: 20_000)
    var set = PolicySet()
    let key = ObjectKey(kind: "AuthorizationPolicy", namespace: "a", name: "p")
    let constraint = Constraint(.path, values: [Located(ExactText("/{*}/" + tail))])
    set.policies = [
      AuthorizationPolicy(
        metadata: ObjectMetadata(key: key, location: SourceLocation(file: "f", span: .nowhere)),
        rules: [AuthorizationPolicy.Rule(operations: [AuthorizationPolicy.Clause([constraint])])])
    ]
    let snapshot = Snapshot(set, mesh: MeshSettings())
    for (path, reason) in [("/x/" + tail, Reason.allowedByPolicy), ("/x/" + tail + "b", .noAllowMatched)] {
      var request = Request()
      request.setPeerKnown()
      request.setPath(Array(path.utf8.prefix(300)).span)
      // A short path: the reference takes its time for the template alone, and must not go as deep as it is long.
      let short = ReferenceEvaluator(policies: set, mesh: MeshSettings()).decide(request, namespace: "a", labels: [:])
      #expect(short.reason == .noAllowMatched)
      request.setPath(Array(path.utf8).span)
      #expect(snapshot.decide(&request, on: snapshot.target(namespace: "a", labels: [:])).reason == reason)
    }
  }

  @Test func `tens of thousands of header lines, joined as older proxies joined them`() {
    var request = Request()
    request.setPeerKnown()
    for number in 0..<40_000 {
      let name = Array((number % 2 == 0 ? "same" : "x-\(number)").utf8)
      request.addHeader(name: name.span, value: Array("v\(number)".utf8).span)
    }
    let size = request.storage.count
    request.joinHeaderLines()
    #expect(request.headers.count == 20_001)
    // Every value is written once more at most.
    #expect(request.storage.count < size * 2)
  }
}
