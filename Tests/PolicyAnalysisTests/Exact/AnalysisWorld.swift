// Random pairs of policy sets, and random requests near the edges of what their rules tell apart.
// Enters: a seed. Leaves: sets, settings, proxies; requests whose texts are witnesses of the analysis or mangled forms of them.
// Every run prints its seed; the same seed gives the same world.

import PolicyModel

@testable import PolicyAnalysis
@testable import PolicyEngine

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}

struct AnalysisWorld {
  var random: SeededGenerator
  /// Whether rules are short and their values simple, where what is tested is not how values are told apart.
  let isLight: Bool

  init(seed: UInt64, isLight: Bool = false) { (random, self.isLight) = (SeededGenerator(seed: seed), isLight) }

  static let domains = ["cluster.local", "td1", "td2", "old-td"]
  static let namespaces = ["foo", "bar", "foobar", "ns", "sa"]
  static let accounts = ["a", "ab", "b", "a-b", "sa"]
  static let identities: [String] = {
    var all: [String] = []
    for domain in domains {
      for namespace in namespaces { for account in accounts { all.append("spiffe://\(domain)/ns/\(namespace)/sa/\(account)") } }
    }
    return all + [
      "spiffe://td1/ns/foo/x/y/sa/a", "spiffe://td1/ns/foo/sa/a/more", "spiffe://td1/ns/foo/sa/a/", "spiffe://td1/ns/foo/ns/bar/sa/a",
      "spiffe://td1/x/ns/foo/sa/a", "spiffe://td1/ns/foo//sa/a", "spiffe://td1/ns//sa/a", "spiffe://ns/ns/foo/sa/a",
      "https://td1/ns/foo/sa/a",
      "spiffe://td1", "spiffe://", "x", "spiffe:///ns/foo/sa/a",
    ]
  }()
  static let paths = [
    "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/admin", "/a/x.html", "/a//b", "/a/%7Cx", "/a/[x]", "/foo/bar/baz", "*", "/a?x",
    "/a/b?x=/a",
  ]
  static let hosts = ["a.com", "A.com", "a.com:80", "b.a.com", "xa.com", "a.co", "A.COM"]
  static let methods = ["GET", "POST", "get", "HEAD", "GE", "CONNECT"]
  static let texts = ["a", "ab", "b", "a b", "admin", "user,admin", "*", "a*", "[a]", "aab"]
  static let blocks = [
    "10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "10.99.3.4/8", "0.0.0.0/0", "::/0", "::1", "fe80::/10", "192.168.0.0/16", "10.0.0.0/9",
    "10.128.0.0/9", "::ffff:10.0.0.0/104",
  ]
  static let addresses = ["10.0.0.1", "10.0.1.1", "10.200.0.1", "192.168.0.1", "::1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"]
  static let ports = ["80", "8080", "080", "443", "9000"]
  static let templates = ["/a/{*}", "/a/{**}", "/{*}/b", "/a/{*}/c", "/{**}/c", "/a/{**}/", "/{**}", "/foo/{*}/{*}", "/a/{*}/{**}"]

  mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  /// A text of the pool as it is, or with a star somewhere, or cut.
  mutating func starred(_ text: String) -> String {
    let bytes = Array(text.utf8)
    let cut = number(0...bytes.count)
    let front = String(decoding: bytes.prefix(cut), as: UTF8.self)
    let back = String(decoding: bytes.dropFirst(cut), as: UTF8.self)
    let text: String
    switch number(0...9) {
    case 0: text = "*"
    case 1, 2: text = front + "*"
    case 3, 4: text = "*" + back
    case 5: text = front + "*" + back
    default: text = String(decoding: bytes, as: UTF8.self)
    }
    return text.isEmpty ? "*" : text
  }

  // MARK: Policies

  static let sources: [Attribute] = [
    .sourcePrincipal, .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain, .sourceIP, .remoteIP,
    .requestPrincipal,
  ]
  static let operations: [Attribute] = [.host, .method, .path, .path, .destinationPort]
  static let conditions: [Attribute] = [
    .requestHeader("x-role"), .requestHeader("X-Role"), .requestHeader(":path"), .requestHeader(":method"), .requestHeader(":authority"),
    .requestHeader("host"), .requestHeader(":scheme"), .requestClaim(["groups"]), .requestClaim(["iss"]), .requestClaim(["sub"]),
    .requestAudiences, .requestPresenter, .sni, .destinationIP, .destinationPort, .sourcePrincipal, .sourceTrustDomain,
    .envoyMetadata(filter: "envoy.filters.x", key: "k"), .malformedKey("request.headersX[a]"), .unknownKey("destination.labels[v]"),
  ]

  mutating func set(policies count: Int) -> PolicySet {
    var set = PolicySet()
    for number in 0..<count { set.policies.append(policy(number)) }
    for number in 0..<number(0...2) { set.peerAuthentications.append(peerAuthentication(number)) }
    return set
  }

  /// The set with a policy removed, added or with one of its rules written anew.
  mutating func changed(_ set: PolicySet) -> PolicySet {
    var set = set
    switch number(0...4) {
    case 0 where !set.policies.isEmpty: set.policies.remove(at: number(0...set.policies.count - 1))
    case 1: set.policies.append(policy(100))
    case 2 where !set.peerAuthentications.isEmpty: set.peerAuthentications.removeLast()
    default:
      guard !set.policies.isEmpty else { break }
      let place = number(0...set.policies.count - 1)
      set.policies[place].rules = [rule()] + set.policies[place].rules.dropFirst()
    }
    return set
  }

  mutating func mesh() -> MeshSettings {
    var mesh = MeshSettings(
      trustDomain: pick(["cluster.local", "td1"]), trustDomainAliases: pick([[], ["td2"], ["old-td", "cluster.local"]]),
      acceptedTrustDomains: pick([[], ["td1", "td2", "old-td", "ns"], ["td2"]]),
      pathNormalization: pick([.base, .base, .mergeSlashes, .none]),
      delegatedProviders: pick([[], ["portcullis"]]))
    if chance(10) { mesh.olderBehaviors.insert(.joinedHeaderLines) }
    if chance(10) { mesh.olderBehaviors.insert(.unquotedDots) }
    return mesh
  }

  /// The settings with one of them written anew.
  mutating func changed(_ mesh: MeshSettings) -> MeshSettings {
    var mesh = mesh
    let other = self.mesh()
    switch number(0...7) {
    case 0: mesh.trustDomain = pick(["cluster.local", "td1", "td2"])
    case 1: mesh.trustDomainAliases = other.trustDomainAliases
    case 2: mesh.acceptedTrustDomains = other.acceptedTrustDomains
    case 3: mesh.rootNamespace = pick(["istio-system", "bar", "foo"])
    case 4: mesh.delegatedProviders = other.delegatedProviders
    case 5: mesh.extensionProviders = providers()
    case 6: mesh.allowsSeveralCustomProviders.toggle()
    default: mesh.olderBehaviors.formSymmetricDifference([pick(MeshSettings.OlderBehavior.allCases)])
    }
    return mesh
  }

  /// What a MeshConfig says of the providers that policies name; nil where there is none.
  mutating func providers() -> [ExactText: ExtensionProvider]? {
    if chance(25) { return nil }
    var found: [ExactText: ExtensionProvider] = [:]
    for name: ExactText in ["external", "portcullis"] where chance(80) {
      var provider = ExtensionProvider(kind: pick([.extAuthzHTTP, .extAuthzGRPC, .other("zipkin")]))
      provider.isUsable = chance(80)
      found[name] = provider
    }
    return found
  }

  private mutating func metadata(_ kind: ExactText, _ number: Int) -> ObjectMetadata {
    ObjectMetadata(
      key: ObjectKey(kind: kind, namespace: ExactText(pick(["foo", "foo", "foo", "istio-system", "bar"])), name: ExactText("p\(number)")),
      location: SourceLocation(file: "f", span: .nowhere), creationTime: pick([0, 1, 2, .max]))
  }

  private mutating func selector() -> LabelSelector {
    switch number(0...9) {
    case 0, 3: LabelSelector(matchLabels: ["app": "a"])
    case 1: LabelSelector(matchLabels: ["app": "b"])
    case 2: LabelSelector(form: .empty)
    case 4: LabelSelector(matchLabels: ["version": "v1"])
    case 5: LabelSelector(matchLabels: ["app": "a", "version": "v1"])
    default: LabelSelector()
    }
  }

  static let targets: [AuthorizationPolicy.TargetReference] = [
    .init(group: "gateway.networking.k8s.io", kind: "Gateway", name: "gw"), .init(group: "", kind: "Service", name: "svc"),
    .init(group: "core", kind: "Service", name: "svc"), .init(group: "networking.istio.io", kind: "ServiceEntry", name: "svc"),
    .init(group: "gateway.networking.k8s.io", kind: "GatewayClass", name: "istio-waypoint"),
  ]

  mutating func policy(_ number: Int) -> AuthorizationPolicy {
    let action = pick([AuthorizationPolicy.Action.allow, .allow, .allow, .deny, .deny, .audit, .custom])
    var attachment = AuthorizationPolicy.Attachment.selector(selector())
    if chance(15) { attachment = .targets([pick(Self.targets)]) }
    return AuthorizationPolicy(
      metadata: metadata("AuthorizationPolicy", number), attachment: attachment, action: action,
      provider: action == .custom ? pick(["external", "portcullis"]) : nil,
      rules: (0..<self.number(0...(isLight ? 2 : 3))).map { _ in chance(3) ? nil : rule() }, isDryRun: chance(12))
  }

  private mutating func peerAuthentication(_ number: Int) -> PeerAuthentication {
    let modes: [PeerAuthentication.Mode?] = [nil, .disable, .permissive, .strict, .strict]
    let selector = selector()
    var ports: [UInt16: PeerAuthentication.Mode?] = [:]
    if !selector.isEmpty, chance(50) { ports = [pick([80, 8080]): pick(modes)] }
    return PeerAuthentication(
      metadata: metadata("PeerAuthentication", number), selector: selector, mode: pick(modes), portModes: ports)
  }

  static let lightSources: [Attribute] = [.sourcePrincipal, .sourcePrincipal, .sourceNamespace, .sourceTrustDomain, .sourceIP]
  static let lightOperations: [Attribute] = [.method, .path, .destinationPort, .destinationPort]
  static let lightConditions: [Attribute] = [.requestHeader("x-role"), .sourcePrincipal, .destinationPort, .sni]

  private mutating func lightRule() -> AuthorizationPolicy.Rule {
    AuthorizationPolicy.Rule(
      sources: chance(60) ? [clause(Self.lightSources)] : [], operations: chance(50) ? [clause(Self.lightOperations)] : [],
      conditions: chance(15) ? clause(Self.lightConditions).constraints : [])
  }

  mutating func rule() -> AuthorizationPolicy.Rule {
    if isLight { return lightRule() }
    let sources = (0..<pick([0, 0, 1, 1, 1, 2])).map { _ in clause(Self.sources) }
    let operations = (0..<pick([0, 0, 1, 1, 2])).map { _ in clause(Self.operations) }
    let conditions = chance(40) ? clause(Self.conditions).constraints : []
    return AuthorizationPolicy.Rule(sources: sources, operations: operations, conditions: conditions)
  }

  private mutating func clause(_ attributes: [Attribute]) -> AuthorizationPolicy.Clause {
    var constraints: [Constraint] = []
    for _ in 0..<(isLight || chance(65) ? 1 : 2) {
      let attribute = pick(attributes)
      guard !constraints.contains(where: { $0.attribute == attribute }) else { continue }
      let form = number(0...9)
      constraints.append(
        Constraint(attribute, values: form < 7 ? values(attribute) : [], notValues: form >= 6 ? values(attribute) : []))
    }
    return AuthorizationPolicy.Clause(constraints)
  }

  private mutating func values(_ attribute: Attribute) -> [Located<ExactText>] {
    (0..<number(1...(isLight ? 2 : 3))).map { _ in Located(ExactText(value(attribute))) }
  }

  mutating func value(_ attribute: Attribute) -> String {
    switch attribute {
    case .sourcePrincipal where isLight:
      return pick(["td1", "cluster.local", "td2"]) + pick(["/ns/foo/sa/a", "/ns/bar/sa/a", "/ns/foo/*", "/*"])
    case .sourceNamespace where isLight: return pick(["foo", "bar", "f*"])
    case .path where isLight: return pick(["/a", "/a/*", "*/b", "/a/b"])
    case .sourcePrincipal:
      return starred(pick(Self.identities.filter { $0.hasPrefix("spiffe://") && $0.utf8.count > 9 }.map { String($0.dropFirst(9)) }))
    case .sourceNamespace: return starred(pick(Self.namespaces))
    case .sourceServiceAccount: return chance(40) ? pick(Self.accounts) : "\(pick(Self.namespaces))/\(pick(Self.accounts))"
    case .sourceTrustDomain:
      let domain = pick(["cluster.local", "td1", "td2", "old-td", "ns", "td1/ns/foo", "td1/ns"])
      return pick([domain, "*", "*" + domain.dropFirst(2), domain.prefix(2) + "*"])
    case .sourceIP, .remoteIP, .destinationIP: return chance(4) ? "bad" : pick(Self.blocks)
    case .destinationPort: return chance(4) ? "abc" : pick(Self.ports)
    case .requestPrincipal: return starred("\(pick(["https://iss.example", "iss", "iss/a", "*"]))/\(pick(["sub", "s", "*x", "a"]))")
    case .host: return starred(pick(Self.hosts))
    case .method: return starred(pick(Self.methods))
    case .path: return chance(35) ? pick(Self.templates) : starred(pick(Self.paths))
    case .requestHeader(let name) where name == ":path": return starred(pick(["/a?x", "/a", "/a/b", "/a?x=/b"]))
    case .requestHeader(let name) where name == ":method": return starred(pick(Self.methods))
    case .requestHeader(let name) where name == ":authority" || name == "host": return starred(pick(Self.hosts))
    case .requestHeader(let name) where name == ":scheme": return starred(pick(["http", "https"]))
    default: return starred(pick(Self.texts))
    }
  }

  mutating func proxy() -> AnalyzedProxy {
    var labels: [ExactText: ExactText] = pick([[:], ["app": "a"], ["app": "b"], ["app": "a", "version": "v1"]])
    let profile = pick([Profile.sidecar, .sidecar, .sidecar, .gateway, .waypoint, .ztunnel])
    if profile == .waypoint || chance(8) { labels["gateway.networking.k8s.io/gateway-name"] = "gw" }
    let service: ServiceName? =
      profile == .waypoint && chance(70)
      ? ServiceName(kind: pick([.service, .service, .serviceEntry]), namespace: ExactText(pick(["foo", "foo", "bar"])), name: "svc") : nil
    return AnalyzedProxy(
      namespace: ExactText(pick(["foo", "foo", "foo", "foo", "bar", "istio-system"])), labels: labels, profile: profile, service: service)
  }

  // MARK: Requests

  /// A text as it is, or with a byte taken away, added or changed.
  mutating func mangled(_ text: [UInt8]) -> [UInt8] {
    var text = text
    guard chance(30) else { return text }
    let bytes = Array("a/b*x.A?n".utf8)
    switch number(0...3) {
    case 0: text.insert(pick(bytes), at: number(0...text.count))
    case 1 where !text.isEmpty: text.remove(at: number(0...text.count - 1))
    case 2 where !text.isEmpty: text[number(0...text.count - 1)] = pick(bytes)
    default: text.append(pick(bytes))
    }
    return text
  }

  /// A text of a field: a witness, a text of the pool, or either mangled; the fallback where the field's universe lacks it.
  mutating func text(_ field: Field, _ space: Space, _ pool: [String], _ universe: Universe, _ fallback: String) -> [UInt8] {
    let atoms = space.places[field]?.texts?.atoms ?? []
    let raw = !atoms.isEmpty && chance(60) ? pick(atoms).witness : Array(pick(pool).utf8)
    let text = mangled(raw)
    if universe.contains(text) { return text }
    return universe.contains(raw) ? raw : Array(fallback.utf8)
  }

  mutating func address() -> IPAddress { pick(Self.addresses.compactMap { IPAddress($0) }) }

  mutating func request(in space: Space) -> WitnessRequest {
    var request = WitnessRequest()
    request.isTCP = space.shape.isTCP
    request.identity = chance(15) ? nil : text(.identity, space, Self.identities, Universe(kind: .name), "x")
    request.port = pick([80, 8080, 443, 9000, 1, 65535])
    request.sourceIP = space.shape.profile == .waypoint ? nil : address()
    request.remoteIP = address()
    request.destinationIP = address()
    request.sni = text(.sni, space, Self.texts + [""], Universe(kind: .serverName), "")
    let metadata = Field.metadata(filter: "envoy.filters.x", key: "k")
    let isList = chance(50)
    for _ in 0..<(isList ? number(0...3) : number(0...1)) {
      let value = text(metadata, space, Self.texts, Universe(kind: .text), "a")
      request.metadata.append(.init(path: ["envoy.filters.x", "k"], value: value, isListElement: isList))
    }
    if request.isTCP { return request }
    request.method = text(.method, space, Self.methods, Universe(kind: .token), "GET")
    request.host = text(.host, space, Self.hosts, Universe(kind: .nameOrEmpty), "a.com")
    let path = Universe.Kind.path(space.shape.normalization, keepsDotParameters: space.shape.keepsDotParameters, hasQuery: true)
    request.path = text(.path, space, Self.paths, Universe(kind: path), "/")
    if request.method == Array("CONNECT".utf8), chance(50) { request.path = nil }
    for name in ["x-role", "x-other"] {
      for _ in 0..<number(0...3) {
        let value = text(.header(Array(name.utf8)), space, Self.texts, Universe(kind: .headerValue), "a")
        request.headers.append(.init(name: Array(name.utf8), value: value))
      }
    }
    let scheme = text(.header(Array(":scheme".utf8)), space, ["http", "https"], Universe(kind: .headerValue), "http")
    request.headers.append(.init(name: Array(":scheme".utf8), value: scheme))
    for path: [ExactText] in [["iss"], ["sub"], ["aud"], ["azp"], ["groups"]] where chance(60) {
      let isList = chance(30)
      for _ in 0..<(isList ? number(0...3) : 1) {
        let value = text(.claim(path), space, Self.texts + ["iss", "sub", "https://iss.example", ""], Universe(kind: .text), "a")
        request.claims.append(.init(path: path, value: value, isListElement: isList))
      }
    }
    return request
  }
}
