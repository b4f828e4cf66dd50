// Random policy sets and random requests near their edges.
//
// A set gets a few requests that it is about; most values of its policies are taken from them, as they are or a little changed, so that
// rules nearly match, match, and just do not match. Enters: randomness. Leaves: sets and requests. Never happens here: an object that
// Istio's webhook refuses (those are another test's), a joined header or another reason for Portcullis not to decide.

/// Makes sets and requests.
struct Generator {
  var random: Randomness
  /// The numbers of the listeners' ports, for HTTP and for TCP.
  let ports: (http: [UInt16], tcp: [UInt16])
  /// Whether clients come by IPv6, too.
  let isDualStack: Bool

  // MARK: Requests

  mutating func peer() -> TestPeer {
    let identity = random.below(Identities.all.count)
    let isPlaintext = Identities.all[identity].isPlaintext
    return TestPeer(
      identity: identity, source: isDualStack && random.chance(25) ? "::1" : random.pick(Texts.sources), destination: random.below(3),
      port: random.below(2),
      sni: isPlaintext || random.chance(25) ? nil : random.pick(Texts.snis), isHTTP2: random.chance(35))
  }

  mutating func request(peers: [TestPeer]) -> TestRequest {
    var request = TestRequest(peer: random.pick(peers))
    request.method = random.pick(Texts.methods)
    request.host = random.pick(Texts.hosts)
    request.path = random.pick(Texts.paths)
    request.scheme = random.pick(["http", "https"])
    for _ in 0..<random.below(4) { request.headers.append(header()) }
    if random.chance(60) { request.token = random.below(Texts.tokens.count) }
    return request
  }

  private mutating func header() -> [String] {
    switch random.below(10) {
    case 0, 1, 2: ["x-forwarded-for", random.pick(Texts.forwarded)]
    case 3: ["x-meta", random.pick(Texts.words)]
    case 4: ["x-meta-list", random.pick(["list", "empty", "mixed"])]
    case 5: ["X-Role", random.pick(Texts.roles)]
    case 6: ["cookie", random.pick(["a=1", "a=1; b=2"])]
    // A second name of the host, which HTTP/1.1 refuses.
    case 8 where random.chance(15): ["host", random.pick(Texts.hosts)]
    // What a client says of itself must never count.
    case 7 where random.chance(30): [TestMesh.clientHeader, random.pick(Texts.forwarded)]
    default: ["x-role", random.pick(Texts.roles)]
    }
  }

  /// The same request with one thing changed.
  mutating func near(_ request: TestRequest, peers: [TestPeer]) -> TestRequest {
    var changed = request
    switch random.below(8) {
    case 0, 1: changed.peer = random.pick(peers)
    case 2: changed.method = random.pick(Texts.methods)
    case 3: changed.host = random.pick(Texts.hosts)
    case 4: changed.path = random.pick(Texts.paths)
    case 5: changed.headers.append(header())
    case 6: if !changed.headers.isEmpty { changed.headers.remove(at: random.below(changed.headers.count)) }
    default: changed.token = random.chance(30) ? nil : random.below(Texts.tokens.count)
    }
    return changed
  }

  // MARK: Policies

  mutating func set(isTCP: Bool, about focus: [TestRequest]) -> TestSet {
    let own = random.pick(["foo", "bar", "$W"])
    let gateway = random.chance(8) ? "gate" : nil
    var set = TestSet(namespace: own, gateway: gateway, isTCP: isTCP, policies: [])
    for index in 0..<(1 + random.below(4)) {
      var policy = TestPolicy(namespace: own, name: "$W-p\(index)", action: action())
      if random.chance(20) { policy.namespace = "istio-system" }
      if random.chance(7) { policy.namespace = random.pick(["other", "bar", "foo"]) }
      // Only in its own namespace may a policy be without selector: elsewhere it would reach other sets.
      if policy.namespace != "$W" || random.chance(60) { policy.selector = ["app": random.chance(95) ? "$W" : "nobody"] }
      if policy.selector != nil, random.chance(3) { policy.selector?["extra"] = "label" }
      if gateway != nil && random.chance(40) || random.chance(2) {
        policy.selector = nil
        policy.gateway = random.chance(80) ? "gate" : "other"
        // A reference reaches every workload of the namespace with that label; keep it among its own.
        policy.namespace = "$W"
        set.namespace = "$W"
      }
      policy.isDryRun = (policy.action == "ALLOW" || policy.action == "DENY") && random.chance(12)
      let count = policy.action == "ALLOW" && random.chance(8) ? 0 : 1 + random.below(3)
      for _ in 0..<count { policy.rules.append(rule(policy, isTCP: isTCP, random.pick(focus))) }
      set.policies.append(policy)
    }
    return set
  }

  private mutating func action() -> String {
    let number = random.below(100)
    return number < 55 ? "ALLOW" : number < 92 ? "DENY" : number < 97 ? "AUDIT" : "CUSTOM"
  }

  private mutating func rule(_ policy: TestPolicy, isTCP: Bool, _ focus: TestRequest) -> TestRule {
    var rule = TestRule()
    if random.chance(4) { return rule }
    let isCustom = policy.action == "CUSTOM"
    // On TCP, rules with HTTP attributes are worth a look, but not in every rule.
    let isPlain = isTCP && random.chance(60)
    if random.chance(65) {
      for _ in 0..<(1 + random.below(2)) {
        let clause = clause(Self.sourceFields, isPlain: isPlain, isCustom: isCustom, focus)
        if !clause.isEmpty { rule.from.append(clause) }
      }
    }
    if random.chance(60) {
      for _ in 0..<(1 + random.below(2)) {
        let clause = clause(Self.operationFields, isPlain: isPlain, isCustom: isCustom, focus)
        if !clause.isEmpty { rule.to.append(clause) }
      }
    }
    if random.chance(35) || rule.from.isEmpty && rule.to.isEmpty {
      for _ in 0..<(1 + random.below(2)) { rule.when.append(condition(isTCP: isTCP, isPlain: isPlain, isCustom: isCustom, focus)) }
    }
    return rule
  }

  private static let sourceFields = [
    "principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains", "ipBlocks", "remoteIpBlocks", "principals",
  ]
  private static let operationFields = ["hosts", "methods", "paths", "ports", "paths"]
  private static let httpFields: Set<String> = ["requestPrincipals", "hosts", "methods", "paths"]
  private static let identityFields: Set<String> = ["principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains"]

  private mutating func clause(_ names: [String], isPlain: Bool, isCustom: Bool, _ focus: TestRequest) -> [TestField] {
    var fields: [TestField] = []
    for _ in 0..<(random.chance(65) ? 1 : 2) {
      let name = random.pick(names)
      if isPlain && Self.httpFields.contains(name) || isCustom && Self.identityFields.contains(name) { continue }
      if fields.contains(where: { $0.name == name }) { continue }
      let clashes: Set<String> = name == "serviceAccounts" ? ["principals", "namespaces"] : ["serviceAccounts"]
      if ["serviceAccounts", "principals", "namespaces"].contains(name), fields.contains(where: { clashes.contains($0.name) }) { continue }
      fields.append(field(name, named: name, focus))
    }
    return fields
  }

  private mutating func condition(isTCP: Bool, isPlain: Bool, isCustom: Bool, _ focus: TestRequest) -> TestField {
    var keys: [(key: String, kind: String)] = [
      ("destination.ip", "destination.ip"), ("destination.port", "ports"), ("connection.sni", "sni"), ("source.ip", "ipBlocks"),
      ("remote.ip", "remoteIpBlocks"),
    ]
    if !isCustom {
      keys += [
        ("source.principal", "principals"), ("source.namespace", "namespaces"), ("source.serviceAccount", "serviceAccounts"),
        ("source.trustDomain", "trustDomains"),
      ]
    }
    if !isPlain {
      keys += [
        ("request.headers[\(random.pick(["x-role", "X-Role", "x-role", "x-other", "cookie", "x-meta", "x-forwarded-for"]))]", "role"),
        ("request.headers[\(random.pick([":method", ":path", ":authority", ":scheme", "host", "\"x-role\""]))]", "pseudo"),
        ("request.headers[\(random.pick(["x-role", "X-ROLE"]))]", "role"),
      ]
      if random.chance(2) { keys = [("request.headersX[x-role]", "role")] }
      if !isCustom {
        keys += [
          ("request.auth.principal", "requestPrincipals"), ("request.auth.audiences", "audiences"), ("request.auth.presenter", "audiences"),
          ("request.auth.claims[\(random.pick(Texts.claimKeys))]", "claim"),
          ("request.auth.claims[\(random.pick(Texts.claimKeys))]", "claim"),
        ]
      }
    }
    // Network filters set no metadata here, and what is not told is unknown.
    if !isTCP { keys += [("experimental.envoy.filters.test[\(random.pick(["string", "list", "always", "none"]))]", "metadata")] }
    let (key, kind) = random.pick(keys)
    return field(kind, named: key, focus)
  }

  private mutating func field(_ kind: String, named name: String, _ focus: TestRequest) -> TestField {
    var field = TestField(name: name)
    let form = random.below(10)
    if form < 7 || form == 9 { field.values = values(kind, focus) }
    if form >= 7 { field.notValues = values(kind, focus) }
    return field
  }

  private mutating func values(_ kind: String, _ focus: TestRequest) -> [String] {
    var values: [String] = []
    for _ in 0..<(random.chance(60) ? 1 : 1 + random.below(3)) {
      let value = value(kind, focus)
      if !value.isEmpty, !values.contains(value) { values.append(value) }
    }
    return values.isEmpty
      ? ["*"].filter { _ in kind != "ports" && !kind.hasSuffix("Blocks") && kind != "serviceAccounts" } + fallback(kind) : values
  }

  /// A value that is always valid, for the kinds in which a star is not.
  private func fallback(_ kind: String) -> [String] {
    switch kind {
    case "ports": ["80"]
    case "ipBlocks", "remoteIpBlocks", "destination.ip": ["127.0.0.1"]
    case "serviceAccounts": ["a"]
    default: []
    }
  }

  private mutating func value(_ kind: String, _ focus: TestRequest) -> String {
    let isFocused = random.chance(65)
    let identity = Identities.all[focus.peer.identity]
    switch kind {
    case "principals":
      let own = (identity.uris + identity.dns).map { $0.replacing("spiffe://", with: "") }
      return starred(isFocused && !own.isEmpty ? random.pick(own) : random.pick(Identities.principals))
    case "namespaces": return starred(random.pick(Texts.namespaces))
    case "serviceAccounts": return random.pick(Texts.accounts)
    case "trustDomains": return random.pick(Texts.trustDomains)
    case "ipBlocks": return isFocused ? random.pick([focus.peer.source, focus.peer.source + "/24"]) : random.pick(Texts.sourceBlocks)
    case "remoteIpBlocks": return random.pick(Texts.remoteBlocks)
    case "destination.ip": return random.pick(Texts.destinationBlocks)
    case "requestPrincipals": return random.pick(Texts.requestPrincipals)
    case "audiences": return starred(random.pick(Texts.audiences))
    case "claim": return starred(random.pick(Texts.words + ["a", "b"]))
    case "metadata":
      let text = starred(random.pick(Texts.words))
      return random.chance(50) ? "[\(text)]" : text
    case "role": return starred(random.pick(Texts.roles + ["a=1", "a=1; b=2", "10.1.1.1"]))
    case "pseudo":
      return starred(isFocused ? random.pick([focus.method, focus.path, focus.host]) : random.pick(Texts.paths + ["http", "https"]))
    case "sni": return starred(isFocused ? focus.peer.sni ?? "a.com" : random.pick(Texts.snis))
    case "hosts": return starred(isFocused ? focus.host : random.pick(Texts.hosts))
    case "methods": return starred(isFocused ? focus.method : random.pick(Texts.methods))
    case "paths": return path(isFocused ? focus.path : random.pick(Texts.paths))
    default:
      let known = random.chance(50) ? ports.http : ports.tcp
      return random.chance(85)
        ? "\(known[isFocused ? focus.peer.port : random.below(known.count)])" : random.pick(["80", "080", "65535", "0"])
    }
  }

  private mutating func path(_ base: String) -> String {
    if random.chance(30) { return random.pick(Texts.templates) }
    // Braces are templates' alone.
    let text = String(base.filter { $0 != "{" && $0 != "}" })
    let cut = text.firstIndex { $0 == "?" || $0 == "#" } ?? text.endIndex
    return starred(random.chance(90) ? String(text[..<cut]) : text)
  }

  /// The text, or a pattern near it: a star for its head or its tail, a star more, a letter changed.
  private mutating func starred(_ text: String) -> String {
    let scalars = Array(text)
    switch random.below(14) {
    case 0: return "*"
    case 1, 2: return String(scalars.prefix(random.below(scalars.count + 1))) + "*"
    case 3, 4: return "*" + String(scalars.suffix(random.below(scalars.count + 1)))
    case 5: return random.chance(30) ? "*" + text + "*" : text + "*"
    case 6:
      let at = random.below(scalars.count + 1)
      return String(scalars.prefix(at)) + "*" + String(scalars.dropFirst(at))
    case 7: return random.chance(50) ? text.uppercased() : text.lowercased()
    case 8: return random.chance(50) ? text + "x" : String(text.dropLast())
    default: return text
    }
  }
}
