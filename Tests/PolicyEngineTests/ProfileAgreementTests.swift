// The reference and the index on what `AgreementTests` leaves out: waypoints and the services behind them, names of all kinds, providers of
// CUSTOM policies, RequestAuthentication, and the behaviours of older releases.

import PolicyModel
import RandomWorlds
import Testing

@testable import PolicyEngine

@Suite struct `The reference and the index agree about proxies` {
  @Test(arguments: [(sets: 300, policies: 4), (80, 40)])
  func `of every profile, with providers, tokens and older behaviours`(_ world: (sets: Int, policies: Int)) {
    let seed = `The reference and the index agree`.seed
    print("profile agreement seed: \(seed) (\(world.policies) policies a set)")
    var random = RandomWorld(seed: seed &+ 77 &+ UInt64(world.policies))
    var outcomes: [String: Int] = [:]
    for _ in 0..<world.sets * `The reference and the index agree`.factor {
      let set = random.profileSet(policies: world.policies)
      let mesh = random.mesh()
      let reference = ReferenceEvaluator(policies: set, mesh: mesh)
      let snapshot = Snapshot(set, mesh: mesh)
      for _ in 0..<40 {
        let question = random.question()
        var request = question.request
        let expected = reference.decide(
          question.request, namespace: question.namespace, labels: question.labels, profile: question.profile, service: question.service)
        let waypoint = snapshot.target(waypointIn: question.namespace, labels: question.labels, service: question.service)
        if question.profile == .waypoint { #expect((waypoint == nil) == (question.labels[gatewayNameLabel] == nil)) }
        // A waypoint without the label of its Gateway is none.
        if question.profile == .waypoint, waypoint == nil { continue }
        let target =
          waypoint.flatMap { question.profile == .waypoint ? $0 : nil }
          ?? snapshot.target(namespace: question.namespace, labels: question.labels)
        let decision = snapshot.decide(&request, on: target, profile: question.profile)
        outcomes["\(question.profile) \(decision.verdict.name) \(decision.reason.code)", default: 0] += 1
        let isSame =
          decision.verdict == expected.verdict && decision.dryRun.verdict == expected.dryRun
          && (decision.verdict == .undecided || (decision.reason == expected.reason && snapshot.name(of: decision.rule) == expected.rule))
        if !isSame {
          Issue.record(
            """
            reference \(expected.verdict) \(expected.reason) \(expected.rule); index \(decision.verdict) \(decision.reason) \
            \(snapshot.name(of: decision.rule)); seed \(seed), \(question.profile) in \(question.namespace) \(question.labels) for \
            \(String(describing: question.service)): \(question.text); \(mesh)
            \(set.requestAuthentications.map { "\($0.attachment) \($0.jwtRules)" })
            \(`The reference and the index agree`.description(set, expected.rule, snapshot.name(of: decision.rule)))
            """)
          return
        }
        // Whoever reads a decided request again must read the same.
        let again = snapshot.decide(&request, on: target, profile: question.profile)
        #expect(again == decision, "\(question.text)")
        if again != decision { return }
      }
    }
    print("outcomes: \(outcomes.sorted { $0.key < $1.key })")
    // Among many policies some of these are rare.
    guard world.policies < 10 else { return }
    for outcome in [
      "waypoint allow allowed-by-policy", "waypoint deny denied-by-policy", "waypoint deny mtls-required",
      "waypoint deny untrusted-domain", "sidecar deny untrusted-domain", "waypoint deny policy-unusable",
      "sidecar deny custom-provider-unusable",
      "sidecar deny token-required", "sidecar deny token-rejected", "sidecar undecided custom-provider",
      "sidecar undecided unknown-claims", "sidecar deny unsupported-profile", "gateway deny token-rejected",
      "waypoint deny custom-provider-unusable",
    ] {
      #expect(outcomes[outcome, default: 0] > 0, "\(outcome) never happened")
    }
  }
}

/// One request and the proxy that asks about it.
struct ProfileQuestion {
  var request: Request
  var text: String
  var namespace: ExactText
  var labels: [ExactText: ExactText]
  var profile: Profile
  var service: ServiceName?
}

extension RandomWorld {
  mutating func mesh() -> MeshSettings {
    var mesh = MeshSettings(
      trustDomain: pick(["cluster.local", "td1"]), trustDomainAliases: pick([[], ["td2"], ["old-td", "cluster.local"]]),
      acceptedTrustDomains: acceptedTrustDomains(), delegatedProviders: pick([[], ["portcullis"]]))
    if chance(70) {
      var broken = ExtensionProvider(kind: .extAuthzGRPC)
      broken.isUsable = false
      mesh.extensionProviders = [
        "portcullis": ExtensionProvider(kind: .extAuthzGRPC), "external": ExtensionProvider(kind: .extAuthzHTTP), "broken": broken,
        "tracer": ExtensionProvider(kind: .other("zipkin")),
      ]
    }
    mesh.allowsSeveralCustomProviders = chance(40)
    mesh.olderBehaviors = pick([[], [], [], [.joinedHeaderLines], [.unquotedDots], [.joinedHeaderLines, .unquotedDots]])
    return mesh
  }

  mutating func profileSet(policies count: Int) -> PolicySet {
    var set = policySet(policies: count)
    let isOneProvider = chance(60)
    let usual = pick(["portcullis", "external", "broken", "tracer", "nobody"] as [ExactText])
    for index in set.policies.indices {
      if set.policies[index].action == .custom {
        set.policies[index].provider = isOneProvider ? usual : pick(["portcullis", "external", "broken", nil, ""])
      }
      if chance(40) { set.policies[index].attachment = .targets((0..<pick([1, 1, 2])).map { _ in reference() }) }
      if chance(5) { set.policies[index].metadata.key.namespace = "shop" }
    }
    for number in 0..<pick([0, 0, 1, 2, 3]) { set.requestAuthentications.append(requestAuthentication(number)) }
    return set
  }

  private mutating func reference() -> AuthorizationPolicy.TargetReference {
    pick([
      .init(group: "", kind: "Service", name: "web"), .init(group: "core", kind: "Service", name: "web"),
      .init(group: "", kind: "Service", name: "db"), .init(group: "networking.istio.io", kind: "ServiceEntry", name: "web"),
      .init(group: gatewayAPIGroup, kind: "GatewayClass", name: "istio-waypoint"),
      .init(group: gatewayAPIGroup, kind: "GatewayClass", name: "istio"), .init(group: gatewayAPIGroup, kind: "Gateway", name: "gw"),
    ])
  }

  private mutating func requestAuthentication(_ number: Int) -> RequestAuthentication {
    var rules: [JWTRule] = []
    for _ in 0..<pick([0, 1, 1, 2]) {
      var rule = JWTRule(issuer: chance(15) ? nil : ExactText(pick(Self.issuers)))
      rule.audiences = pick([[], [], ["a"], ["a", "admin"], ["https://a/"], ["http://a", "b/"]])
      rule.isRequired = chance(30)
      rule.spaceDelimitedClaims = pick([[], [], ["groups"], ["groups", "aud"], ["a.b"], ["iss"], ["sub", "groups"]])
      rules.append(rule)
    }
    let attachment: AuthorizationPolicy.Attachment = chance(30) ? .targets([reference()]) : .selector(selector())
    return RequestAuthentication(metadata: metadata("RequestAuthentication", number), attachment: attachment, jwtRules: rules)
  }

  mutating func question() -> ProfileQuestion {
    let (base, text) = request(unknown: pick([0, 0, 15]))
    var question = ProfileQuestion(
      request: base, text: text, namespace: pick(["foo", "foo", "bar", "istio-system"]),
      labels: pick([[:], ["app": "a"], ["app": "a", "version": "v1"]]), profile: pick([.sidecar, .gateway, .waypoint, .waypoint]),
      service: nil)
    if chance(3) { question.labels[gatewayClassLabel] = "istio-waypoint" }
    if chance(question.profile == .waypoint ? 90 : 20) { question.labels[gatewayNameLabel] = pick(["gw", "gw", "x"]) }
    if question.profile == .waypoint, chance(80) {
      question.service = ServiceName(
        kind: pick([.service, .service, .serviceEntry]), namespace: pick(["foo", "shop", "istio-system"]), name: pick(["web", "db"]))
    }
    question.request.honorsRequestAuthentication = chance(50)
    if chance(40), question.request.isPeerKnown { addNames(&question) }
    if !question.request.isTCP { addToken(&question) }
    return question
  }

  /// Names of every kind, SPIFFE ones of the mesh among them.
  private mutating func addNames(_ question: inout ProfileQuestion) {
    for _ in 0..<pick([1, 1, 2]) {
      let name = pick(Self.identities + ["spiffe://cluster.local/ns/foo/sa/a", "spiffe://td1/ns/foo/sa/a"])
      let kind = pick([.uri, .uri, .dns, .subject] as [Request.NameKind])
      question.request.addIdentity(Self.bytes(name).span, kind: kind)
      question.text += " \(kind)=\(name)"
    }
  }

  /// Requests that pass the JWT filter unread, and tokens without any string.
  private mutating func addToken(_ question: inout ProfileQuestion) {
    if chance(15) {
      question.request.setMethod(Self.bytes("OPTIONS").span)
      question.text += " method=OPTIONS"
      for name in ["origin", "Access-Control-Request-Method"] where chance(80) && question.request.areHeadersKnown {
        let value = pick(["a", "a", ""])
        question.request.addHeader(name: Self.bytes(name).span, value: Self.bytes(value).span)
        question.text += " \(name): \(value)"
      }
    }
    if chance(25), question.request.areClaimsKnown {
      question.request.claims = []
      question.request.hasToken = false
      question.text += " no token"
    }
    if chance(20), question.request.areClaimsKnown {
      let audience = pick(["a/", "https://a", "http://b/", "https://", "/"])
      question.request.addClaim(path: Self.encoded(["aud"]).span, value: Self.bytes(audience).span, isListElement: chance(50))
      question.text += " aud=\(audience)"
    }
    if chance(5), question.request.areClaimsKnown {
      question.request.setToken()
      question.text += " token"
    }
    if chance(15), question.request.areClaimsKnown {
      question.request.addClaim(
        path: Self.encoded(["groups"]).span, value: Self.bytes(pick(["a b", " ", "b a  ab"])).span, isListElement: false)
    }
  }
}
