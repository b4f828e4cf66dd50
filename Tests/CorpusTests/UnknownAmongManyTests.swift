// What is not known, among many rules: an index that cannot be asked has to nominate all of its rules, in every dimension.

import PolicyModel
import Testing

@testable import PolicyEngine

@Suite struct `Among many rules` {
  /// One constraint for each dimension of the index, with a reason that says that its attribute is not known.
  static let rows: [(attribute: Attribute, value: @Sendable (Int) -> String, reason: Reason)] = [
    (.sourcePrincipal, { "td/ns/x/sa/n\($0)" }, .unknownPeer), (.sourceNamespace, { "n\($0)" }, .unknownPeer),
    (.sourceServiceAccount, { "x/n\($0)" }, .unknownPeer), (.sourceTrustDomain, { "n\($0)" }, .unknownPeer),
    (.sourceIP, { "10.0.0.\($0)" }, .unknownSourceIP), (.remoteIP, { "10.0.0.\($0)" }, .unknownRemoteIP),
    (.destinationIP, { "10.0.0.\($0)" }, .unknownDestinationIP), (.destinationPort, { "\($0)" }, .unknownPort),
    (.host, { "h\($0)" }, .unknownHost), (.method, { "M\($0)" }, .unknownMethod), (.path, { "/\($0)" }, .unknownPath),
    (.sni, { "s\($0)" }, .unknownSNI), (.requestHeader("x"), { "v\($0)" }, .unknownHeaders),
    (.requestHeader(":path"), { "/\($0)" }, .unknownPath), (.requestHeader(":authority"), { "h\($0)" }, .unknownHost),
    (.requestClaim(["a"]), { "v\($0)" }, .unknownClaims), (.requestPrincipal, { "i/s\($0)" }, .unknownClaims),
    (.envoyMetadata(filter: "f", key: "k"), { "v\($0)" }, .unknownMetadata),
  ]

  static func decide(_ attribute: Attribute, _ value: (Int) -> String, _ request: Request) -> Decision {
    var set = PolicySet()
    set.policies = [
      AuthorizationPolicy(
        metadata: ObjectMetadata(
          key: ObjectKey(kind: "AuthorizationPolicy", namespace: "foo", name: "p"), location: SourceLocation(file: "f", span: .nowhere)),
        action: .deny,
        rules: (1...20).map { number in
          let constraint = Constraint(attribute, values: [Located(ExactText(value(number)))])
          return AuthorizationPolicy.Rule(conditions: [constraint])
        })
    ]
    let snapshot = Snapshot(set, mesh: MeshSettings())
    var request = request
    return snapshot.decide(&request, on: snapshot.target(namespace: "foo", labels: [:]))
  }

  @Test(arguments: rows.indices) func `an attribute that is not known leaves a DENY undecided`(_ index: Int) {
    let row = Self.rows[index]
    let decision = Self.decide(row.attribute, row.value, Request())
    #expect(decision.verdict == .undecided, "\(row.attribute.description)")
    #expect(decision.reason == row.reason, "\(row.attribute.description)")
  }

  @Test func `a header whose lines the proxy joined leaves a DENY undecided`() {
    var request = Request()
    request.addHeader(name: Array("x".utf8).span, value: Array("a,v3".utf8).span, isAmbiguous: true)
    let decision = Self.decide(.requestHeader("x"), { "v\($0)" }, request)
    #expect(decision.verdict == .undecided)
    #expect(decision.reason == .ambiguousHeader)
  }

  @Test func `DENY rules found by an HTTP text are found on a TCP chain, too`() {
    var request = Request()
    request.isTCP = true
    for (attribute, value) in [(Attribute.path, { "/\($0)" }), (.host, { "h\($0)" }), (.requestHeader("x"), { "v\($0)" })]
      as [(Attribute, (Int) -> String)]
    {
      let decision = Self.decide(attribute, value, request)
      #expect(decision.verdict == .deny, "\(attribute.description)")
      #expect(decision.reason == .deniedByPolicy, "\(attribute.description)")
    }
  }
}
