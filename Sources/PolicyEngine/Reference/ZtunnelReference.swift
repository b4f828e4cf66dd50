// What ztunnel decides, on one page: slow, obvious, and written from what Istio sends it and from its rules of matching alone.
// Enters: policies as they are written, and one connection. Leaves: the decision. It exists to hold the compiled reading to account, so it
// shares nothing with it but the types. What Istio sends stands in `ZtunnelConversion.swift`.
// Never here: HTTP, an index, or anything that depends on the order of policies.

internal import PolicyModel

/// Decides connections as ztunnel does, by walking every policy.
struct ZtunnelReference {
  let policies: PolicySet
  let mesh: MeshSettings

  /// What a match compares.
  enum Field: Equatable {
    case namespace, serviceAccount, principal, sourceIP, destinationIP, destinationPort
  }

  /// "One of these and none of those"; a list that is empty demands nothing.
  struct FieldMatch {
    var field: Field
    var values: [ExactText]
    var notValues: [ExactText]
    /// Where it comes from, for explanations.
    var constraint: Constraint?
  }

  /// All of its fields must hold; without any it never matches.
  struct Match {
    var fields: [FieldMatch]
    /// `from[0]`, `to[1]` or `when[0]`.
    var name: String
  }

  /// All of its clauses must hold, each by one of its matches; without clauses it always matches.
  struct Rule {
    var clauses: [[Match]]
    /// `ns[N]-policy[P]-rule[i]`.
    var name: ExactText
  }

  /// The peer's one identity.
  struct Peer {
    var trustDomain: [UInt8]
    var namespace: [UInt8]
    var serviceAccount: [UInt8]
    /// Without the scheme.
    var text: [UInt8]

    /// Reads `spiffe://TD/ns/N/sa/S`, five parts, any of TD, N and S possibly empty.
    init?(_ name: [UInt8]) {
      let scheme = Array("spiffe://".utf8)
      guard name.starts(with: scheme) else { return nil }
      text = Array(name.dropFirst(scheme.count))
      let parts = text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
      guard parts.count == 5, parts[1] == Array("ns".utf8), parts[3] == Array("sa".utf8) else { return nil }
      (trustDomain, namespace, serviceAccount) = (parts[0], parts[2], parts[4])
    }
  }

  /// Every identity that ztunnel can read, in the order of the certificate.
  func peers(_ request: Request) -> [Peer] { request.identities.compactMap { Peer(request.copy($0.slice)) } }

  // MARK: The decision

  func decide(_ request: Request, namespace: ExactText, labels: [ExactText: ExactText]) -> ReferenceEvaluator.Finding {
    func finding(_ verdict: Verdict, _ reason: Reason, _ rule: ExactText = "none") -> ReferenceEvaluator.Finding {
      ReferenceEvaluator.Finding(verdict: verdict, reason: reason, rule: rule, dryRun: nil)
    }
    let isUnusable = policies.unusable.contains { unusable in
      switch unusable.reach {
      case .everywhere: true
      case .namespace(let scope, let selector): (scope == mesh.rootNamespace || scope == namespace) && selector.selects(labels)
      }
    }
    if isUnusable { return finding(.deny, .policyUnusable) }
    let handshake = handshakeFails(request)
    if handshake == .yes { return finding(.deny, .untrustedDomain) }
    let plaintext = Truth.any(plaintextRules(namespace: namespace, labels: labels).map { matches($0, request) })
    if plaintext == .yes { return finding(.deny, .mtlsRequired) }

    let attached = policies.policies.filter { attaches($0, to: namespace, labels: labels) }
    let denied = first(attached.filter { $0.action == .deny }, request)
    if denied.truth == .yes { return finding(.deny, .deniedByPolicy, denied.rule) }
    let hasAllow = attached.contains { $0.action == .allow }
    let allowed = first(attached.filter { $0.action == .allow }, request)
    if hasAllow, allowed.truth == .no { return finding(.deny, .noAllowMatched) }
    if case .unknown(let reason) = handshake { return finding(.undecided, reason) }
    if case .unknown(let reason) = plaintext { return finding(.undecided, reason) }
    if case .unknown(let reason) = denied.truth { return finding(.undecided, reason, denied.rule) }
    guard hasAllow else { return finding(.allow, .allowedByDefault) }
    if case .unknown(let reason) = allowed.truth { return finding(.undecided, reason, allowed.rule) }
    return finding(.allow, .allowedByPolicy, allowed.rule)
  }

  /// A peer that shows a certificate must have an identity in the mesh's own trust domain.
  func handshakeFails(_ request: Request) -> Truth {
    guard request.isPeerKnown else { return .unknown(.unknownPeer) }
    if request.identities.isEmpty { return .no }
    return peers(request).contains { $0.trustDomain == mesh.trustDomain.bytes } ? .no : .yes
  }

  /// The first rule that matches, in the byte order of rule names; else the first that may.
  private func first(_ policies: [AuthorizationPolicy], _ request: Request) -> (truth: Truth, rule: ExactText) {
    let found = policies.flatMap { policy in sent(policy).map { ($0.name, matches($0, request)) } }.sorted { $0.0 < $1.0 }
    if let match = found.first(where: { $0.1 == .yes }) { return (.yes, match.0) }
    if let match = found.first(where: { $0.1 != .no }) { return (match.1, match.0) }
    return (.no, "none")
  }

  // MARK: Matching

  func matches(_ rule: Rule, _ request: Request) -> Truth {
    .all(rule.clauses.map { clause in .any(clause.map { matches($0, request) }) })
  }

  func matches(_ match: Match, _ request: Request) -> Truth {
    match.fields.isEmpty ? .no : .all(match.fields.map { holds($0, request) })
  }

  func holds(_ field: FieldMatch, _ request: Request) -> Truth {
    let positive = field.values.isEmpty ? Truth.yes : .any(field.values.map { holds(field.field, $0.bytes, request) })
    let negative = field.notValues.isEmpty ? Truth.no : .any(field.notValues.map { holds(field.field, $0.bytes, request) })
    return .all([positive, !negative])
  }

  private func holds(_ field: Field, _ value: [UInt8], _ request: Request) -> Truth {
    func truth(_ isTrue: Bool) -> Truth { isTrue ? .yes : .no }
    func contains(_ address: Request.AddressField) -> Truth {
      switch address.knowledge {
      case .unknown: .unknown(address.reason)
      case .absent: .no
      case .present: truth(Self.block(value)?.contains(address.address) == true)
      }
    }
    switch field {
    case .sourceIP: return contains(request.sourceIP)
    case .destinationIP: return contains(request.destinationIP)
    case .destinationPort: return request.isPortKnown ? truth(Self.port(value) == request.port) : .unknown(.unknownPort)
    case .principal, .namespace, .serviceAccount: break
    }
    guard request.isPeerKnown else { return .unknown(.unknownPeer) }
    let peer = peers(request).first
    switch field {
    case .principal: return truth(peer.map { Self.text($0.text, matches: value) } ?? false)
    // Without identity there is still a namespace to compare with, the empty one.
    case .namespace: return truth(Self.text(peer?.namespace ?? [], matches: value))
    default: return truth(peer.map { $0.namespace + [UInt8(ascii: "/")] + $0.serviceAccount == value } ?? false)
    }
  }

  /// A star alone: not empty. At the start: suffix. At the end: prefix. Else the same.
  private static func text(_ text: [UInt8], matches value: [UInt8]) -> Bool {
    let star = UInt8(ascii: "*")
    if value == [star] { return !text.isEmpty }
    if value.first == star { return text.hasSuffix(Array(value.dropFirst())) }
    if value.last == star { return text.starts(with: value.dropLast()) }
    return text == value
  }
}
