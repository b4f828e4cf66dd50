// Who a rule names: principals, namespaces, service accounts and trust domains that nobody has.
// Enters: the loaded mesh. Leaves: findings at the value. Never here: whether the rule matters; a name that nobody has is wrong in any rule.

internal import PolicyEngine
internal import PolicyModel

let checkIdentities: LintCheck = { world, report in
  let names = KnownNames(world)
  world.eachRule { policy, rule in
    for constraint in rule.allConstraints where constraint.attribute.isPeerIdentity {
      for value in constraint.values + constraint.notValues {
        names.check(value.value, constraint.attribute, policy, at: policy.location(value.span), &report)
      }
    }
  }
}

/// Why no identity satisfies a principal, and what to write instead; nil when one can.
func principalRefusal(_ value: ExactText, _ mesh: MeshSettings) -> (why: String, help: String)? {
  let form = "write `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, with a star at one end at most"
  let bytes = value.bytes
  let (star, slash) = (UInt8(ascii: "*"), UInt8(ascii: "/"))
  if value == "*" { return nil }
  if bytes.contains(where: { $0 == 0x20 || $0 == 0x09 }) { return ("has white space, which no identity has", form) }
  if bytes.starts(with: "spiffe://".utf8) {
    return ("has the scheme `spiffe://`, which Istio puts before it once more", "write `\(value.string.dropFirst(9))`")
  }
  let isSuffix = bytes.first == star
  let body = isSuffix ? bytes.dropFirst() : bytes.last == star ? bytes.dropLast() : bytes[...]
  let parts = body.split(separator: slash, omittingEmptySubsequences: false).map { ExactText(String(decoding: $0, as: UTF8.self)) }
  if body.contains(star) {
    // `*/ns/foo/*` and the like: what is meant is a field of its own.
    if let place = parts.firstIndex(of: "ns"), place + 1 < parts.count, !parts[place + 1].bytes.contains(star) {
      let account = parts.firstIndex(of: "sa").flatMap { $0 + 1 < parts.count ? parts[$0 + 1] : nil }
      if account == nil || account == "*" || account == "" {
        return (
          "has two stars, of which only the first is one and the other a letter", "write `namespaces: [\"\(parts[place + 1])\"]` instead"
        )
      }
    }
    return ("has a star that is neither at its start nor its only one, and so a letter", form)
  }
  if isSuffix { return nil }
  if parts.first == "ns" { return ("begins without a trust domain", "write `\(mesh.trustDomain)/\(value)`") }
  if bytes.first == slash { return ("begins with a slash", form) }
  let isPrefix = bytes.last == star
  if parts.count == 1, !isPrefix { return ("is one word, which no identity is", form) }
  let isKnown = mesh.allTrustDomains.contains("cluster.local") || mesh.acceptedTrustDomains.contains("cluster.local")
  if parts.first == "cluster.local", parts.count != 5, parts.count > 1, !isKnown {
    return (
      "begins with `cluster.local`, which stands for the mesh's trust domain only in a name of five parts",
      "write `\(([mesh.trustDomain] + parts.dropFirst()).map(\.string).joined(separator: "/"))\(isPrefix ? "*" : "")`"
    )
  }
  return nil
}

/// The names of the loaded mesh, and what is said about a value that is none of them.
private struct KnownNames {
  let world: LintWorld
  private let identities: [SPIFFEID]

  init(_ world: LintWorld) {
    self.world = world
    let mesh = world.mesh
    // Policies that name an alias mean the mesh's own workloads.
    identities = Set(world.workloads.compactMap(\.identity)).flatMap { identity in
      mesh.allTrustDomains.map { SPIFFEID(trustDomain: $0, namespace: identity.namespace, serviceAccount: identity.serviceAccount) }
    }
  }

  func check(
    _ value: ExactText, _ attribute: Attribute, _ policy: AttachedPolicy, at place: SourceLocation, _ report: inout LintReport
  ) {
    let shown = Message.quoted(value.string)
    if attribute == .sourcePrincipal, let (why, help) = principalRefusal(value, world.mesh) {
      return report.add(.principalNeverMatches, at: place, "principal \(shown) \(why); it never matches", help: help)
    }
    if let domain = trustDomain(of: value, attribute), !isTrusted(domain) {
      if world.mesh.acceptedTrustDomains.contains(domain) { return }
      let near = nearName(domain, among: world.mesh.allTrustDomains)
      return report.add(
        .trustDomainUnknown, at: place,
        "trust domain \(Message.quoted(domain.string)) is none of the mesh's, which is `\(world.mesh.trustDomain)`",
        help: near.map { "did you mean `\($0)`?" })
    }
    guard !world.workloads.isEmpty else { return }
    let isAdmitted = identities.contains { world.mesh.admits($0, value, attribute, policyNamespace: policy.namespace) }
    guard !isAdmitted, let (namespace, account) = parts(of: value, attribute, policy.namespace) else { return }
    if let namespace, !world.namespaces.contains(namespace) {
      let near = nearName(namespace, among: world.namespaces)
      return report.add(
        .namespaceUnknown, at: place, "nothing that is loaded is in namespace \(Message.quoted(namespace.string))",
        help: near.map { "did you mean `\($0)`?" })
    }
    guard let account else { return }
    report.add(
      .serviceAccountUnknown, at: place,
      "no loaded workload\(namespace.map { " of namespace `\($0)`" } ?? "") uses the service account \(Message.quoted(account.string))",
      help: accountHelp(account, namespace))
  }

  /// What was probably meant: a name that is nearly the same, or the same name elsewhere.
  private func accountHelp(_ account: ExactText, _ namespace: ExactText?) -> String? {
    if let namespace {
      if let near = nearName(account, among: world.usedAccounts[namespace] ?? []) { return "did you mean `\(near)`?" }
      let others = world.usedAccounts.filter { $0.value.contains(account) }.keys.sorted()
      if let other = others.first { return "did you mean the one of namespace `\(other)`?" }
      if world.accountObjects[namespace]?.contains(account) == true {
        return "the ServiceAccount exists; set `serviceAccountName: \(account)` in the workload that is meant"
      }
      return nil
    }
    return nearName(account, among: world.usedAccounts.values.reduce(into: Set()) { $0.formUnion($1) }).map { "did you mean `\($0)`?" }
  }

  /// The trust domain that a value names literally.
  private func trustDomain(of value: ExactText, _ attribute: Attribute) -> ExactText? {
    let star = UInt8(ascii: "*")
    switch attribute {
    case .sourceTrustDomain: return value.bytes.contains(star) ? nil : value
    case .sourcePrincipal:
      let parts = value.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      guard parts.count > 1, !parts[0].contains(star) else { return nil }
      let domain = ExactText(String(decoding: parts[0], as: UTF8.self))
      // In a name of five parts it stands for the mesh's own.
      return domain == "cluster.local" && parts.count == 5 ? nil : domain
    default: return nil
    }
  }

  private func isTrusted(_ domain: ExactText) -> Bool {
    world.mesh.allTrustDomains.contains(domain) || world.mesh.allTrustDomains.contains("*")
  }

  /// The namespace and account that a value names literally; nil where it names neither.
  private func parts(of value: ExactText, _ attribute: Attribute, _ own: ExactText) -> (namespace: ExactText?, account: ExactText?)? {
    let star = UInt8(ascii: "*")
    func literal(_ text: ExactText) -> ExactText? { text.bytes.contains(star) || text.isEmpty ? nil : text }
    let names = value.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
      ExactText(String(decoding: $0, as: UTF8.self))
    }
    switch attribute {
    case .sourceNamespace: return literal(value).map { ($0, nil) }
    case .sourceServiceAccount: return names.count == 2 ? (names[0], names[1]) : (own, value)
    case .sourcePrincipal:
      let namespace = names.lastIndex(of: "ns").flatMap { $0 + 1 < names.count ? literal(names[$0 + 1]) : nil }
      let account = names.lastIndex(of: "sa").flatMap { $0 + 1 < names.count ? names[$0 + 1] : nil }
      return namespace == nil && account.flatMap(literal) == nil ? nil : (namespace, account)
    default: return nil
    }
  }
}
