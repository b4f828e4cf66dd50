// What a request has of an attribute, and by how little it misses a value of a policy.
// Enters: an attribute, the values of the request, a value as written. Leaves: bytes, and the kind of a small difference.
// Never here: a decision. A near miss is a hint to a person who has mistyped; nothing else depends on it.

internal import PolicyModel

extension ReferenceMatching {
  /// The attribute's values in the request, or why there are none. Nothing when it is not known.
  func actual(_ request: Request) -> (values: [[UInt8]], absence: Explanation.Absence?) {
    func text(_ field: Request.TextField) -> ([[UInt8]], Explanation.Absence?) {
      field.knowledge == .present ? ([request.copy(field.slice)], nil) : ([], field.knowledge == .absent ? .noPath : nil)
    }
    func address(_ field: Request.AddressField) -> ([[UInt8]], Explanation.Absence?) {
      field.knowledge == .present ? ([ascii(field.address.description)], nil) : ([], field.knowledge == .absent ? .notAnIP : nil)
    }
    func claims(_ path: [ExactText]) -> ([[UInt8]], Explanation.Absence?) {
      let wanted = encoded(path)
      let values = request.claims.filter { request.copy($0.path) == wanted }.map { request.copy($0.value) }
      return (values, values.isEmpty && request.areClaimsKnown ? (request.claims.isEmpty ? .noToken : .noClaim) : nil)
    }
    switch attribute {
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain:
      let names = request.identities.map { request.copy($0.slice) }.filter { !$0.isEmpty }
      return (names, names.isEmpty && request.isPeerKnown ? .anonymous : nil)
    case .sourceIP: return address(request.sourceIP)
    case .remoteIP: return address(request.remoteIP)
    case .destinationIP: return address(request.destinationIP)
    case .destinationPort: return (request.isPortKnown ? [ascii("\(request.port)")] : [], nil)
    case .host: return text(request.host)
    case .method: return text(request.method)
    case .path: return text(request.path)
    case .sni: return text(request.sni)
    case .requestHeader(let name):
      let name = lowercased(name.bytes)
      if name == ascii(":method") { return text(request.method) }
      if name == ascii(":path") { return text(request.target) }
      if name == ascii(":authority") || name == ascii("host") { return text(request.host) }
      let lines = request.headers.filter { request.copy($0.name) == name }.map { request.copy($0.value) }
      return (lines, lines.isEmpty && request.areHeadersKnown ? .noHeader : nil)
    case .requestPrincipal:
      let (issuers, absence) = claims(["iss"])
      let (subjects, other) = claims(["sub"])
      return (issuers.flatMap { issuer in subjects.map { issuer + ascii("/") + $0 } }, absence ?? other)
    case .requestAudiences: return claims(["aud"])
    case .requestPresenter: return claims(["azp"])
    case .requestClaim(let path): return claims(path)
    case .envoyMetadata(let filter, let key):
      let path = encoded([filter, key])
      let values = request.metadata.filter { request.copy($0.path) == path }.map { request.copy($0.value) }
      return (values, values.isEmpty ? .noMetadata : nil)
    case .malformedKey, .unknownKey: return ([], nil)
    }
  }

  /// The smallest difference between a value and one of the request's; nil when none is small.
  func nearMiss(_ value: ExactText, _ actual: [[UInt8]]) -> (kind: Explanation.NearMiss, actual: [UInt8])? {
    // A longer text was not typed by a person.
    guard value.string.utf8.count <= 2048 else { return nil }
    for text in actual where text.count <= 2048 {
      if let kind = nearMiss(value.bytes, text) { return (kind, text) }
    }
    return nil
  }

  private var isIdentity: Bool {
    switch attribute {
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain: true
    default: false
    }
  }

  private func nearMiss(_ value: [UInt8], _ text: [UInt8]) -> Explanation.NearMiss? {
    let (slash, blank) = (UInt8(ascii: "/"), UInt8(ascii: " "))
    func trimmed(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.drop { $0 == blank }.reversed().drop { $0 == blank }.reversed()) }
    switch attribute {
    case .sourceIP, .remoteIP, .destinationIP, .destinationPort, .malformedKey, .unknownKey: return nil
    default: break
    }
    // Another data plane may refuse what this one would take.
    if admits(value, text) { return nil }
    let scheme = ascii("spiffe://")
    if isIdentity, value.starts(with: scheme), admits(Array(value.dropFirst(scheme.count)), text) { return .spiffeScheme }
    if admits(lowercased(value), lowercased(text)) { return .letterCase }
    if admits(trimmed(value), trimmed(text)) { return .whiteSpace }
    if value.last == slash, admits(value.dropLast(), text) { return .trailingSlash }
    if !isIdentity, admits(value, togglingSlash(text)) { return .trailingSlash }
    if attribute == .host, admits(withoutPort(value), withoutPort(text)) { return .hostPort }
    if attribute == .path, let query = value.firstIndex(of: UInt8(ascii: "?")), admits(Array(value[..<query]), text) { return .query }
    if let difference = spelling(value, text) { return difference }
    return identityDifference(value, text)
  }

  /// Whether a text would satisfy a value of this attribute.
  private func admits(_ value: [UInt8], _ text: [UInt8]) -> Bool {
    let written = ExactText(String(decoding: value, as: UTF8.self))
    switch attribute {
    case .sourcePrincipal: return mesh.expandingPrincipal(written).contains { principal($0.bytes, text) }
    case .sourceNamespace: return glob(ascii("*/ns/") + value + ascii("/*"), text, isWild: mesh.hasWildDots)
    case .sourceServiceAccount: return serviceAccount(value, text)
    case .sourceTrustDomain: return mesh.expandingTrustDomain(written).contains { trustDomain($0.bytes, text) }
    case .host: return string(lowercased(value), lowercased(text), star: .present)
    case .path where written.string.contains("{*}") || written.string.contains("{**}"): return template(value, text)
    case .requestPrincipal:
      let (issuer, subject) = issuerAndSubject(text)
      var request = Request()
      request.addClaim(path: encoded(["iss"]).span, value: issuer.span, isListElement: false)
      request.addClaim(path: encoded(["sub"]).span, value: subject.span, isListElement: false)
      return requestPrincipal(value, request) == .yes
    default: return string(value, text, star: .nonEmpty)
    }
  }

  /// The parts of what `actual` shows of a token: `ISSUER/SUBJECT`.
  private func issuerAndSubject(_ text: [UInt8]) -> (issuer: [UInt8], subject: [UInt8]) {
    guard let slash = text.lastIndex(of: UInt8(ascii: "/")) else { return (text, []) }
    return (Array(text[..<slash]), Array(text[(slash + 1)...]))
  }

  /// The text without the slash at its end, or with one where it has none; of a token's principal the issuer.
  private func togglingSlash(_ text: [UInt8]) -> [UInt8] {
    let slash = UInt8(ascii: "/")
    guard attribute == .requestPrincipal else { return text.last == slash ? text.dropLast() : text + [slash] }
    let (issuer, subject) = issuerAndSubject(text)
    return (issuer.last == slash ? issuer.dropLast() : issuer + [slash]) + [slash] + subject
  }

  private func withoutPort(_ host: [UInt8]) -> [UInt8] {
    guard let colon = host.lastIndex(of: UInt8(ascii: ":")), colon + 1 < host.count,
      host[(colon + 1)...].allSatisfy({ (0x30...0x39).contains($0) })
    else { return host }
    return Array(host[..<colon])
  }

  // MARK: Identities

  /// Trust domain, namespace and account of `spiffe://TD/ns/N/sa/S`.
  private func parts(_ identity: [UInt8]) -> (domain: [UInt8], namespace: [UInt8], account: [UInt8])? {
    let scheme = ascii("spiffe://")
    guard identity.starts(with: scheme) else { return nil }
    let parts = identity.dropFirst(scheme.count).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
    guard parts.count == 5, parts[1] == ascii("ns"), parts[3] == ascii("sa") else { return nil }
    return (parts[0], parts[2], parts[4])
  }

  /// Whether another namespace or another trust domain in the value would do.
  private func identityDifference(_ value: [UInt8], _ text: [UInt8]) -> Explanation.NearMiss? {
    let slash = UInt8(ascii: "/")
    guard let (domain, namespace, _) = parts(text) else { return nil }
    let names = value.split(separator: slash, omittingEmptySubsequences: false).map(Array.init)
    func joined(_ names: [[UInt8]]) -> [UInt8] { Array(names.joined(separator: [slash])) }
    switch attribute {
    case .sourceServiceAccount where names.count <= 2:
      return admits(namespace + [slash] + (names.last ?? []), text) ? .namespace : nil
    case .sourcePrincipal where names.count >= 3 && names[1] == ascii("ns"):
      var changed = names
      changed[2] = namespace
      if names.count > 3, admits(joined(changed), text) { return .namespace }
      changed = names
      changed[0] = domain
      return admits(joined(changed), text) ? .trustDomain : nil
    default: return nil
    }
  }

  // MARK: Spelling

  /// One character more, less or other, or two neighbours swapped. Short texts are too alike to tell.
  private func spelling(_ value: [UInt8], _ text: [UInt8]) -> Explanation.NearMiss? {
    let star = UInt8(ascii: "*")
    guard let (wanted, seen) = comparable(value, text) else { return nil }
    if value.contains(UInt8(ascii: "{")), attribute == .path { return nil }
    func scalars(_ bytes: some Collection<UInt8>) -> [Unicode.Scalar] { Array(String(decoding: bytes, as: UTF8.self).unicodeScalars) }
    let all = scalars(seen)
    if wanted.first == star || wanted.last == star {
      let body = scalars(wanted.first == star ? wanted.dropFirst() : wanted.dropLast())
      guard body.count > 3 else { return nil }
      for length in (body.count - 1)...(body.count + 1) where length <= all.count {
        if let found = difference(body, Array(wanted.first == star ? all.suffix(length) : all.prefix(length))) { return found }
      }
      return nil
    }
    let body = scalars(wanted)
    return body.count > 3 ? difference(body, all) : nil
  }

  /// The value and the part of the text that it is about.
  private func comparable(_ value: [UInt8], _ text: [UInt8]) -> (wanted: [UInt8], seen: [UInt8])? {
    let slash = UInt8(ascii: "/")
    switch attribute {
    case .sourcePrincipal: return text.starts(with: ascii("spiffe://")) ? (value, Array(text.dropFirst(9))) : nil
    case .sourceNamespace: return parts(text).map { (value, $0.namespace) }
    case .sourceTrustDomain: return parts(text).map { (value, $0.domain) }
    case .sourceServiceAccount:
      return parts(text).map {
        (value.contains(slash) ? value : policyNamespace.bytes + [slash] + value, $0.namespace + [slash] + $0.account)
      }
    case .host: return (lowercased(value), lowercased(text))
    default: return (value, text)
    }
  }

  private func difference(_ one: [Unicode.Scalar], _ other: [Unicode.Scalar]) -> Explanation.NearMiss? {
    let start = zip(one, other).prefix { $0 == $1 }.count
    let (left, right) = (one.dropFirst(start), other.dropFirst(start))
    switch left.count - right.count {
    case 0:
      if left.isEmpty { return nil }
      if left.dropFirst().elementsEqual(right.dropFirst()) { return .oneCharacter }
      let (first, second) = (Array(left.prefix(2)), Array(right.prefix(2)))
      let isSwap = first.count == 2 && first[0] == second[1] && first[1] == second[0]
      return isSwap && left.dropFirst(2).elementsEqual(right.dropFirst(2)) ? .swappedCharacters : nil
    case 1: return left.dropFirst().elementsEqual(right) ? .oneCharacter : nil
    case -1: return left.elementsEqual(right.dropFirst()) ? .oneCharacter : nil
    default: return nil
    }
  }
}
