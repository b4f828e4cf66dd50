// Random policies and random requests near their edges.
// Values and attributes come from the same small pools and are cut, starred and mangled a little, so that matches are common and near
// misses more so. Every run prints its seed; the same seed gives the same world.

package import PolicyModel

/// SplitMix64.
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}

package struct RandomWorld {
  package var random: SeededGenerator

  /// What the policies of a set are made of. A set of one action with rules about one attribute matches deep inside its index; a mixed set
  /// shows how actions and attributes meet.
  private var actions: [AuthorizationPolicy.Action] = []
  private var sourceAttributes = RandomWorld.sourceAttributes
  private var operationAttributes = RandomWorld.operationAttributes
  private var conditionChance = 30

  package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  // MARK: Pools

  package static let domains = ["cluster.local", "td1", "td2", "td1.example", "*-td", "old-td"]
  package static let namespaces = ["foo", "bar", "foobar", "ns", "sa", "istio-system"]
  package static let accounts = ["a", "ab", "b", "a-b", "sa", "default"]
  package static let identities: [String] = {
    var all = ["", "CN=x,O=/ns/foo/", "dns.example", "https://td1/ns/foo/sa/a", "spiffe://td1", "spiffe://td1/", "spiffe:///ns/foo/sa/a"]
    for domain in ["cluster.local", "td1", "td2", "old-td"] {
      for namespace in namespaces { for account in accounts { all.append("spiffe://\(domain)/ns/\(namespace)/sa/\(account)") } }
    }
    all += [
      "spiffe://td1/ns/foo/x/y/sa/a", "spiffe://td1/ns/foo/sa/a/more", "spiffe://td1/ns/foo/sa/a/", "spiffe://td1/ns/foo/ns/bar/sa/a",
      "spiffe://td1/x/ns/foo/sa/a", "spiffe://td1/ns/foo/sa/sa/a", "spiffe://td1/ns/foo//sa/a", "spiffe://td1/ns//sa/a",
      "spiffe://ns/ns/foo/sa/a", "spiffe://ns/ns/ns/sa/a", "spiffe://td1/ns",
    ]
    return all
  }()
  package static let paths = [
    "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/admin", "/a/x.html", "/a//b", "/a/%7Cx", "/a/[x]", "/a/|", "/foo/bar/baz", "*",
  ]
  package static let hosts = ["a.com", "A.com", "a.com:80", "b.a.com", "xa.com", "a.com.", "a.co"]
  package static let methods = ["GET", "POST", "get", "HEAD", "GE", "G"]
  package static let texts = ["a", "ab", "b", "a b", "admin", "user,admin", "", "*", "a*", "[a]"]
  package static let addresses = ["10.0.0.1", "10.0.1.1", "10.1.0.1", "192.168.0.1", "::1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"]
  package static let blocks = [
    "10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "10.99.3.4/8", "0.0.0.0/0", "::/0", "::1", "fe80::/10", "10.0.0.1/32", "192.168.0.0/16",
    "::ffff:10.0.0.0/104", "fe80::1%eth0",
  ]
  package static let ports = ["80", "8080", "080", "443", "9000"]
  package static let templates = ["/a/{*}", "/a/{**}", "/{*}/b", "/a/{*}/c", "/{**}/c", "/a/{**}/", "/{**}", "/foo/{*}/{*}", "/a/{*}/{**}"]
  package static let headerNames = ["x-role", "X-Role", ":path", ":method", ":authority", "host", "x-other"]
  package static let claimPaths: [[ExactText]] = [["groups"], ["nest", "k"], ["scope"], ["iss"], ["a.b"]]
  package static let issuers = ["https://iss.example", "iss", "iss/a", "*", ""]

  /// Mostly every domain of the pool, since of a peer that the gate refuses no policy is asked; the empty one is that of `spiffe:///`.
  package mutating func acceptedTrustDomains() -> [ExactText] {
    let all: [ExactText] = ["cluster.local", "td1", "td2", "old-td", "ns", ""]
    return pick([all, all, all, [], ["td2"], ["old-td", "td1.example"]])
  }

  package mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
  package mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

  /// A text of the pool as it is, or with a star somewhere, or cut.
  package mutating func starred(_ text: String) -> String {
    let bytes = Array(text.utf8)
    let cut = Int.random(in: 0...bytes.count, using: &random)
    let text: String
    switch Int.random(in: 0..<10, using: &random) {
    case 0: text = "*"
    case 1: text = String(decoding: bytes.prefix(cut), as: UTF8.self) + "*"
    case 2: text = "*" + String(decoding: bytes.dropFirst(cut), as: UTF8.self)
    case 3: text = String(decoding: bytes.prefix(cut), as: UTF8.self) + "*" + String(decoding: bytes.dropFirst(cut), as: UTF8.self)
    case 4: text = String(decoding: bytes.dropFirst(min(cut, 2)), as: UTF8.self)
    default: text = String(decoding: bytes, as: UTF8.self)
    }
    return text.isEmpty ? "*" : text
  }

  // MARK: Policies

  package mutating func policySet(policies count: Int) -> PolicySet {
    actions = pick([[.allow, .allow, .allow, .deny, .deny, .audit, .custom], [.allow], [.allow], [.deny], [.allow, .deny], [.custom]])
    let isFocused = chance(60)
    sourceAttributes = isFocused ? [pick(Self.sourceAttributes)] : Self.sourceAttributes
    operationAttributes = isFocused ? [pick(Self.operationAttributes)] : Self.operationAttributes
    conditionChance = pick([0, 30, 60])
    var set = PolicySet()
    for number in 0..<count { set.policies.append(policy(number)) }
    for number in 0..<Int.random(in: 0...3, using: &random) { set.peerAuthentications.append(peerAuthentication(number)) }
    if chance(3) {
      let reach: UnusablePolicy.Reach = chance(50) ? .everywhere : .namespace(ExactText(pick(Self.namespaces)), selector())
      set.unusable.append(
        UnusablePolicy(key: key("AuthorizationPolicy", "foo", "broken"), location: SourceLocation(file: "f", span: .nowhere), reach: reach))
    }
    return set
  }

  /// A few policies of one action with so many rules that they are looked up, each rule with several demands, so that few match; some of
  /// the policies are in dry run.
  package mutating func crowdedSet(_ action: AuthorizationPolicy.Action) -> PolicySet {
    let dryRunChance = action == .custom ? 0 : pick([0, 30, 100])
    sourceAttributes = Self.sourceAttributes
    operationAttributes = Self.operationAttributes
    // Now and then conditions on so many names that these are looked up too.
    let hasManyNames = chance(40)
    let conditionAttributes = hasManyNames ? Self.namedConditionAttributes : Self.plainConditionAttributes
    var set = PolicySet()
    for number in 0..<4 {
      var policy = AuthorizationPolicy(
        metadata: ObjectMetadata(key: key("AuthorizationPolicy", "foo", "p\(number)"), location: SourceLocation(file: "f", span: .nowhere)),
        attachment: .selector(LabelSelector(matchLabels: [:])), action: action, provider: action == .custom ? "external" : nil, rules: [],
        isDryRun: chance(dryRunChance))
      let count = hasManyNames ? Int.random(in: 30...50, using: &random) : Int.random(in: 4...14, using: &random)
      for _ in 0..<count {
        policy.rules.append(
          AuthorizationPolicy.Rule(
            sources: !hasManyNames && chance(50) ? [narrowClause(sourceAttributes)] : [],
            operations: !hasManyNames && chance(50) ? [narrowClause(operationAttributes)] : [],
            conditions: narrowClause(conditionAttributes).constraints))
      }
      set.policies.append(policy)
    }
    return set
  }

  package func key(_ kind: ExactText, _ namespace: String, _ name: String) -> ObjectKey {
    ObjectKey(kind: kind, namespace: ExactText(namespace), name: ExactText(name))
  }

  package mutating func metadata(_ kind: ExactText, _ number: Int) -> ObjectMetadata {
    ObjectMetadata(
      key: key(kind, pick(["foo", "foo", "foo", "istio-system", "bar"]), "p\(number)"), location: SourceLocation(file: "f", span: .nowhere),
      creationTime: pick([0, 1, 2, .max]))
  }

  package mutating func selector() -> LabelSelector {
    pick([[:], [:], ["app": "a"], ["app": "b"], ["app": "a", "version": "v1"], ["version": "v1"]].map { LabelSelector(matchLabels: $0) })
  }

  package mutating func policy(_ number: Int) -> AuthorizationPolicy {
    let action = pick(actions)
    var attachment = AuthorizationPolicy.Attachment.selector(selector())
    if chance(5) { attachment = .targets([.init(group: "gateway.networking.k8s.io", kind: "Gateway", name: pick(["gw", "other"]))]) }
    return AuthorizationPolicy(
      metadata: metadata("AuthorizationPolicy", number), attachment: attachment, action: action,
      provider: action == .custom ? pick(["external", "portcullis"]) : nil,
      rules: (0..<Int.random(in: 0...3, using: &random)).map { _ in chance(3) ? nil : rule() },
      isDryRun: chance(12))
  }

  package mutating func peerAuthentication(_ number: Int) -> PeerAuthentication {
    let modes: [PeerAuthentication.Mode?] = [nil, .disable, .permissive, .strict, .strict]
    let selector = selector()
    var ports: [UInt16: PeerAuthentication.Mode?] = [:]
    if !selector.isEmpty, chance(50) { ports = [pick([80, 8080]): pick(modes)] }
    return PeerAuthentication(metadata: metadata("PeerAuthentication", number), selector: selector, mode: pick(modes), portModes: ports)
  }

  package mutating func rule() -> AuthorizationPolicy.Rule {
    let sources = (0..<pick([0, 0, 1, 1, 1, 2])).map { _ in clause(sourceAttributes) }
    let operations = (0..<pick([0, 0, 1, 1, 2])).map { _ in clause(operationAttributes) }
    var conditions = chance(conditionChance) ? clause(Self.conditionAttributes).constraints : []
    // Without any value, as only `--lenient` lets them through.
    if chance(4) { conditions.append(Constraint(pick(Self.conditionAttributes))) }
    return AuthorizationPolicy.Rule(sources: sources, operations: operations, conditions: conditions)
  }

  package static let sourceAttributes: [Attribute] = [
    .sourcePrincipal, .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain, .sourceIP, .remoteIP,
    .requestPrincipal,
  ]
  package static let operationAttributes: [Attribute] = [.host, .method, .path, .destinationPort]
  package static let conditionAttributes: [Attribute] =
    headerNames.map { .requestHeader(ExactText($0)) } + claimPaths.map { .requestClaim($0) } + [
      .requestAudiences, .requestPresenter, .sni, .destinationIP, .destinationPort, .sourcePrincipal, .sourceTrustDomain,
      .envoyMetadata(filter: "envoy.filters.x", key: "k"), .malformedKey("request.headersX[a]"), .unknownKey("destination.labels[v]"),
    ]

  /// A clause that demands something positive of each of its attributes.
  private mutating func narrowClause(_ attributes: [Attribute]) -> AuthorizationPolicy.Clause {
    var clause = clause(attributes)
    for index in clause.constraints.indices where clause.constraints[index].values.isEmpty {
      clause.constraints[index].values = [Located(ExactText(value(clause.constraints[index].attribute)))]
    }
    return clause
  }

  /// Many names of one kind, among them `:scheme`.
  package static let manyNames = 20
  package static let namedConditionAttributes: [Attribute] =
    (0..<manyNames).flatMap { number -> [Attribute] in
      [
        .requestHeader(ExactText("x-\(number)")), .requestClaim([ExactText("claim"), ExactText("\(number)")]),
        .envoyMetadata(filter: "envoy.filters.x", key: ExactText("k\(number)")),
      ]
    } + [.requestHeader(":scheme"), .requestHeader("x-role"), .requestClaim(["groups"])]

  /// One attribute for each kind of what may be unknown.
  package static let plainConditionAttributes: [Attribute] = [
    .requestHeader("x-role"), .requestHeader("x-role"), .requestClaim(["groups"]), .requestAudiences, .sni, .destinationIP,
    .destinationPort, .envoyMetadata(filter: "envoy.filters.x", key: "k"),
  ]

  package mutating func clause(_ attributes: [Attribute]) -> AuthorizationPolicy.Clause {
    var constraints: [Constraint] = []
    for _ in 0..<(chance(70) ? 1 : 2) {
      let attribute = pick(attributes)
      guard !constraints.contains(where: { $0.attribute == attribute }) else { continue }
      let form = Int.random(in: 0..<10, using: &random)
      constraints.append(
        Constraint(attribute, values: form < 7 ? values(attribute) : [], notValues: form >= 6 ? values(attribute) : []))
    }
    return AuthorizationPolicy.Clause(constraints)
  }

  package mutating func values(_ attribute: Attribute) -> [Located<ExactText>] {
    // Now and then a list that is long enough to be looked up.
    (0..<(chance(10) ? 12 : Int.random(in: 1...3, using: &random))).map { _ in Located(ExactText(value(attribute))) }
  }

  package mutating func value(_ attribute: Attribute) -> String {
    switch attribute {
    case .sourcePrincipal: return starred(pick(Self.identities.filter { $0.hasPrefix("spiffe://") }.map { String($0.dropFirst(9)) }))
    case .sourceNamespace: return starred(pick(Self.namespaces))
    case .sourceServiceAccount: return chance(40) ? pick(Self.accounts) : "\(pick(Self.namespaces))/\(pick(Self.accounts))"
    case .sourceTrustDomain:
      let domain = pick(["cluster.local", "td1", "td2", "td1.example", "old-td", "ns", "td1/ns/foo", "td1/ns"])
      return pick([domain, "*", "*" + domain.dropFirst(2), domain.prefix(2) + "*"])
    case .sourceIP, .remoteIP, .destinationIP: return chance(4) ? "bad" : pick(Self.blocks)
    case .destinationPort: return chance(4) ? "abc" : pick(Self.ports)
    case .requestPrincipal: return starred("\(pick(Self.issuers))/\(pick(["sub", "s", "*x", "a"]))")
    case .host: return starred(pick(Self.hosts))
    case .method: return starred(pick(Self.methods))
    case .path: return chance(35) ? pick(Self.templates) : starred(pick(Self.paths))
    case .requestHeader(let name) where name == ":path": return starred(pick(["/a?x", "/a", "/a/b"]))
    case .requestHeader(let name) where name == ":method": return starred(pick(Self.methods))
    case .requestHeader(let name) where name == ":authority" || name == "host": return starred(pick(Self.hosts))
    default: return starred(pick(Self.texts.filter { !$0.isEmpty }))
    }
  }
}
