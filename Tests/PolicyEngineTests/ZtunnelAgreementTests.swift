// Two readings of the same policies for ztunnel: the reference and the compiled one, on random policies and connections.

import PolicyModel
import RandomWorlds
import Testing

@testable import PolicyEngine

@Suite struct `For ztunnel the reference and the index agree` {
  private typealias Sidecars = `The reference and the index agree`

  @Test(arguments: [(sets: 1500, policies: 2), (600, 12), (120, 60)])
  func `on random policies and connections, with everything known and with some things unknown`(_ world: (sets: Int, policies: Int)) {
    print("ztunnel agreement seed: \(Sidecars.seed) (\(world.policies) policies a set)")
    var random = ZtunnelWorld(seed: Sidecars.seed &+ UInt64(world.policies))
    var verdicts: [String: Int] = [:]
    for _ in 0..<world.sets * Sidecars.factor {
      let set = random.policySet(policies: random.world.chance(10) ? 0 : world.policies)
      let mesh = MeshSettings(
        trustDomain: random.world.pick(["cluster.local", "td1"]), trustDomainAliases: random.world.pick([[], ["td2"], ["cluster.local"]]),
        acceptedTrustDomains: random.world.acceptedTrustDomains())
      let reference = ReferenceEvaluator(policies: set, mesh: mesh)
      let snapshot = Snapshot(set, mesh: mesh, dataPlane: .ztunnel)
      for _ in 0..<40 {
        let namespace: ExactText = random.world.pick(["foo", "foo", "bar", "istio-system"])
        var labels: [ExactText: ExactText] = random.world.pick([[:], ["app": "a"], ["app": "a", "version": "v1"], ["app": "b"]])
        if random.world.chance(10) { labels[gatewayNameLabel] = "gw" }
        var (request, text) = random.request(trustDomain: mesh.trustDomain, unknown: random.world.pick([0, 0, 15]))
        let expected = reference.decide(request, namespace: namespace, labels: labels, profile: .ztunnel)
        let decision = snapshot.decide(&request, on: snapshot.target(namespace: namespace, labels: labels), profile: .ztunnel)
        verdicts["\(decision.verdict.name) \(decision.reason.code)", default: 0] += 1
        let isSame =
          decision.verdict == expected.verdict && decision.dryRun.verdict == expected.dryRun
          && (decision.verdict == .undecided || (decision.reason == expected.reason && snapshot.name(of: decision.rule) == expected.rule))
        guard isSame else {
          Issue.record(
            """
            reference \(expected.verdict) \(expected.reason) \(expected.rule); \
            index \(decision.verdict) \(decision.reason) \(snapshot.name(of: decision.rule))
            seed \(Sidecars.seed), \(namespace) \(labels) in \(mesh.trustDomain): \(text)
            \(set.peerAuthentications.map { "\($0.metadata.key.namespace)/\($0.metadata.key.name)@\($0.metadata.creationTime) \($0.selector) \(String(describing: $0.mode)) \($0.portModes)" })
            \(Sidecars.description(set, expected.rule, snapshot.name(of: decision.rule)))
            """)
          return
        }
      }
    }
    print("verdicts: \(verdicts.sorted { $0.key < $1.key })")
    for outcome in [
      "allow allowed-by-policy", "allow allowed-by-default", "deny denied-by-policy", "deny no-allow-matched", "deny mtls-required",
      "deny untrusted-domain", "undecided unknown-peer", "undecided unknown-port",
    ] {
      #expect(verdicts[outcome, default: 0] > 0, "\(outcome) never happened")
    }
  }

  @Test func `a snapshot for one data plane refuses the profiles of the other`() {
    let (envoy, ztunnel) = (Snapshot(PolicySet(), mesh: MeshSettings()), Snapshot(PolicySet(), mesh: MeshSettings(), dataPlane: .ztunnel))
    var request = Request()
    request.setPeerKnown()
    func target(_ snapshot: Snapshot, isWaypoint: Bool) -> Target {
      let waypoint = snapshot.target(waypointIn: "a", labels: [gatewayNameLabel: "gw"], service: nil)
      return isWaypoint ? waypoint ?? snapshot.target(namespace: "b", labels: [:]) : snapshot.target(namespace: "a", labels: [:])
    }
    for profile in Profile.allCases {
      let (right, wrong) = profile == .ztunnel ? (ztunnel, envoy) : (envoy, ztunnel)
      let isWaypoint = profile == .waypoint
      let answer = right.decide(&request, on: target(right, isWaypoint: isWaypoint), profile: profile)
      #expect(answer.reason == (isWaypoint ? .mtlsRequired : .allowedByDefault))
      let refusals = [
        wrong.decide(&request, on: target(wrong, isWaypoint: isWaypoint), profile: profile),
        right.decide(&request, on: target(right, isWaypoint: !isWaypoint), profile: profile),
      ]
      #expect(refusals == [Decision(.deny, .unsupportedProfile), Decision(.deny, .unsupportedProfile)])
    }
  }
}

/// Policies and connections near the edges of what ztunnel reads.
struct ZtunnelWorld {
  var world: RandomWorld

  init(seed: UInt64) { world = RandomWorld(seed: seed) }

  /// Mostly of attributes that ztunnel sees, so that rules match; the sidecars' own world brings the rest.
  private static let sources: [Attribute] = [
    .sourcePrincipal, .sourcePrincipal, .sourceNamespace, .sourceNamespace, .sourceServiceAccount, .sourceIP,
  ]
  private static let strangeSources: [Attribute] = [.sourceTrustDomain, .remoteIP, .requestPrincipal]
  private static let operations: [Attribute] = [.destinationPort]
  private static let strangeOperations: [Attribute] = [.host, .method, .path]
  private static let conditions: [Attribute] = [
    .sourcePrincipal, .sourceNamespace, .sourceIP, .destinationIP, .destinationPort, .destinationPort,
  ]
  private static let strangeConditions: [Attribute] = [
    .sourceServiceAccount, .sourceTrustDomain, .remoteIP, .sni, .requestHeader("x"), .malformedKey("request.headersX[a]"),
    .unknownKey("destination.labels[v]"),
  ]

  mutating func policySet(policies count: Int) -> PolicySet {
    var set = world.policySet(policies: 0)
    let strangeness = world.pick([0, 0, 10, 40])
    let actions: [AuthorizationPolicy.Action] = world.pick([[.allow, .deny, .deny], [.allow], [.deny], [.allow, .deny, .audit, .custom]])
    for number in 0..<count {
      let isRoot = world.chance(25)
      var attachment = AuthorizationPolicy.Attachment.selector(selector())
      if world.chance(4) { attachment = .targets([.init(group: gatewayAPIGroup, kind: "Gateway", name: "gw")]) }
      var metadata = world.metadata("AuthorizationPolicy", number)
      if isRoot { metadata.key.namespace = "istio-system" }
      set.policies.append(
        AuthorizationPolicy(
          metadata: metadata, attachment: attachment, action: world.pick(actions),
          rules: (0..<world.pick([0, 1, 1, 2, 3])).map { _ in world.chance(3) ? nil : rule(strangeness) }, isDryRun: world.chance(8)))
    }
    set.peerAuthentications = (0..<world.pick([0, 0, 1, 2, 3, 4])).map { peerAuthentication($0) }
    return set
  }

  private mutating func selector() -> LabelSelector {
    switch world.pick([0, 0, 0, 1, 2, 3, 3, 3]) {
    case 0: LabelSelector()
    case 1: LabelSelector(form: .empty)
    case 2: LabelSelector(form: .labels)
    default: world.pick([["app": "a"], ["app": "b"], ["app": "a", "version": "v1"]].map { LabelSelector(matchLabels: $0) })
    }
  }

  private mutating func peerAuthentication(_ number: Int) -> PeerAuthentication {
    let modes: [PeerAuthentication.Mode?] = [nil, nil, .disable, .permissive, .strict, .strict]
    let selector = selector()
    var ports: [UInt16: PeerAuthentication.Mode?] = [:]
    if !selector.isEmpty, world.chance(70) {
      for port: UInt16 in [80, 8080, 443] where world.chance(50) { ports[port] = .some(world.pick(modes)) }
    }
    return PeerAuthentication(
      metadata: world.metadata("PeerAuthentication", number), selector: selector, mode: world.pick(modes), portModes: ports)
  }

  private mutating func rule(_ strangeness: Int) -> AuthorizationPolicy.Rule {
    let sources = (0..<world.pick([0, 0, 1, 1, 1, 2])).map { _ in clause(Self.sources, Self.strangeSources, strangeness) }
    let operations = (0..<world.pick([0, 0, 1, 1, 2])).map { _ in clause(Self.operations, Self.strangeOperations, strangeness) }
    let conditions = world.chance(30) ? clause(Self.conditions, Self.strangeConditions, strangeness).constraints : []
    return AuthorizationPolicy.Rule(sources: sources, operations: operations, conditions: conditions)
  }

  private mutating func clause(_ usual: [Attribute], _ strange: [Attribute], _ strangeness: Int) -> AuthorizationPolicy.Clause {
    if world.chance(2) { return AuthorizationPolicy.Clause([]) }
    var constraints: [Constraint] = []
    for _ in 0..<world.pick([1, 1, 1, 2]) {
      let attribute = world.chance(strangeness) ? world.pick(strange) : world.pick(usual)
      guard !constraints.contains(where: { $0.attribute == attribute }) else { continue }
      let form = Int.random(in: 0..<20, using: &world.random)
      constraints.append(
        Constraint(
          attribute, values: form < 14 ? values(attribute) : [], notValues: form >= 12 && form < 19 ? values(attribute) : []))
    }
    return AuthorizationPolicy.Clause(constraints)
  }

  private mutating func values(_ attribute: Attribute) -> [Located<ExactText>] {
    let bad = world.chance(8)
    return (0..<world.pick([1, 1, 2, 3, 12])).map { _ in Located(ExactText(value(attribute, bad: bad))) }
  }

  private mutating func value(_ attribute: Attribute, bad: Bool) -> String {
    switch attribute {
    case .sourceNamespace where world.chance(5): return world.pick(["", "foo/sa", "/", "**"])
    case .sourceServiceAccount where world.chance(10): return world.pick(["foo/a/b", "foo/", "/a", "", "foo/sa/a", "*"])
    case .sourceIP where bad, .destinationIP where bad:
      return world.pick(["bad", "10.0.0.0/08", "fe80::1%eth0", "fe80::1%", "10.0.0.1%a", "%a", ""])
    case .destinationPort where bad: return world.pick(["abc", "65536", "+80", "00080", ""])
    default: return world.value(attribute)
    }
  }

  mutating func request(trustDomain: ExactText, unknown: Int) -> (request: Request, text: String) {
    var (request, text) = world.request(unknown: unknown)
    // Most peers of the sidecars' world would fail the handshake.
    guard world.chance(60), request.isPeerKnown else { return (request, text) }
    let own = "spiffe://\(trustDomain)/ns/\(world.pick(RandomWorld.namespaces))/sa/\(world.pick(RandomWorld.accounts))"
    let strange = world.pick([
      "spiffe://td2/ns/foo/sa/a", "spiffe:///ns//sa/", "spiffe://\(trustDomain)/ns//sa/a", "spiffe://\(trustDomain)/x",
    ])
    request.identities = []
    for name in world.pick([[], [own], [own], [own], [strange, own], [own, strange]]) {
      let kind: Request.NameKind = world.chance(10) ? .dns : .uri
      request.addIdentity(RandomWorld.bytes(name).span, kind: kind)
      text += " then \(kind)=\(name)"
    }
    return (request, text)
  }
}
