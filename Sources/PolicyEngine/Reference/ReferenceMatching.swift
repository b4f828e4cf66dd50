// How one value of a policy matches one attribute of a request, field by field (Istio: "matching, field by field"; Envoy 1.40).
// Enters: an attribute, a value as written, a request. Leaves: yes, no, or unknown.
// Never here: speed. Bytes are compared, never characters.

internal import PolicyModel

struct ReferenceMatching {
  let attribute: Attribute
  let policyNamespace: ExactText
  let mesh: MeshSettings

  func matches(_ value: ExactText, _ request: Request) -> Truth {
    let bytes = value.bytes
    switch attribute {
    case .sourcePrincipal:
      return identity(request) { id in mesh.expandingPrincipal(value).contains { principal($0.bytes, id) } }
    case .sourceNamespace:
      return identity(request) { glob(ascii("*/ns/") + bytes + ascii("/*"), $0, isWild: mesh.hasWildDots) }
    case .sourceServiceAccount:
      return identity(request) { serviceAccount(bytes, $0) }
    case .sourceTrustDomain:
      return identity(request) { id in mesh.expandingTrustDomain(value).contains { trustDomain($0.bytes, id) } }
    case .sourceIP: return address(value, request.sourceIP)
    case .remoteIP: return address(value, request.remoteIP)
    case .destinationIP: return address(value, request.destinationIP)
    case .destinationPort:
      guard request.isPortKnown else { return .unknown(.unknownPort) }
      return bytes.allSatisfy({ (0x30...0x39).contains($0) }) && UInt16(value.string) == request.port ? .yes : .no
    case .host:
      return text(request.host, request) { string(lowercased(bytes), lowercased($0), star: .present) }
    case .method: return text(request.method, request) { string(bytes, $0, star: .present) }
    case .sni: return text(request.sni, request) { string(bytes, $0, star: .nonEmpty) }
    case .path:
      let isTemplate = value.string.contains("{*}") || value.string.contains("{**}")
      return text(request.path, request) { isTemplate ? template(bytes, $0) : string(bytes, $0, star: .nonEmpty) }
    case .requestHeader(let name): return header(name, bytes, request)
    case .requestPrincipal: return requestPrincipal(bytes, request)
    case .requestAudiences: return claim(["aud"], request) { string(bytes, $0, star: .nonEmpty) }
    case .requestPresenter: return claim(["azp"], request) { string(bytes, $0, star: .nonEmpty) }
    case .requestClaim(let path): return claim(path, request) { string(bytes, $0, star: .nonEmpty) }
    case .envoyMetadata(let filter, let key): return metadata(filter, key, bytes, request)
    case .malformedKey, .unknownKey: return .no
    }
  }

  /// Whether Istio's generator can express the value: addresses and ports must be some, all other texts pass.
  static func isExpressible(_ value: ExactText, _ attribute: Attribute) -> Bool {
    switch attribute {
    case .sourceIP, .remoteIP, .destinationIP: AddressBlock(value.string) != nil
    case .destinationPort: value.bytes.allSatisfy { (0x30...0x39).contains($0) } && UInt16(value.string) != nil
    default: true
    }
  }

  // MARK: Strings

  enum Star { case present, nonEmpty }

  func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }
  func lowercased(_ bytes: [UInt8]) -> [UInt8] { bytes.map { (0x41...0x5a).contains($0) ? $0 + 32 : $0 } }

  /// The generic matcher: star alone, suffix, prefix, exact, tested in this order.
  func string(_ value: [UInt8], _ text: [UInt8], star: Star) -> Bool {
    let asterisk = UInt8(ascii: "*")
    if value == [asterisk] { return star == .present || !text.isEmpty }
    if value.first == asterisk { return text.hasSuffix(Array(value.dropFirst())) }
    if value.last == asterisk { return text.starts(with: value.dropLast()) }
    return value == text
  }

  /// Every star is any run of bytes, all else is literal (wild: a dot is any byte), and the whole text must match.
  func glob(_ pattern: [UInt8], _ text: [UInt8], isWild: Bool) -> Bool {
    var reachable = [Bool](repeating: false, count: text.count + 1)
    reachable[0] = true
    for byte in pattern {
      if byte == UInt8(ascii: "*") {
        guard let least = reachable.firstIndex(of: true) else { return false }
        for at in least...text.count { reachable[at] = true }
      } else {
        let isAny = isWild && byte == UInt8(ascii: ".")
        for at in reachable.indices.reversed() { reachable[at] = at > 0 && reachable[at - 1] && (isAny || text[at - 1] == byte) }
      }
    }
    return reachable[text.count]
  }

  // MARK: Identity

  func identity(_ request: Request, _ test: ([UInt8]) -> Bool) -> Truth {
    guard request.isPeerKnown else { return .unknown(.unknownPeer) }
    return request.identities.contains { test(request.copy($0.slice)) } ? .yes : .no
  }

  func principal(_ value: [UInt8], _ id: [UInt8]) -> Bool {
    let scheme = ascii("spiffe://")
    if value == ascii("*") { return !id.isEmpty }
    if value.first == UInt8(ascii: "*") {
      if mesh.hasWildDots { return glob(scheme + value, id, isWild: true) }
      return id.starts(with: scheme) && Array(id.dropFirst(scheme.count)).hasSuffix(Array(value.dropFirst()))
    }
    if value.last == UInt8(ascii: "*") { return id.starts(with: scheme + value.dropLast()) }
    return id == scheme + value
  }

  func serviceAccount(_ value: [UInt8], _ id: [UInt8]) -> Bool {
    let parts = value.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
    let (namespace, name) = parts.count == 2 ? (parts[0], parts[1]) : (policyNamespace.bytes, value)
    guard id.starts(with: ascii("spiffe://")) else { return false }
    let rest = Array(id.dropFirst(9))
    let marker = ascii("/ns/") + namespace + ascii("/")
    let account = ascii("sa/") + name
    func begins(_ text: ArraySlice<UInt8>, with wanted: [UInt8]) -> Bool {
      text.count >= wanted.count
        && zip(text, wanted).allSatisfy { $0 == $1 || (mesh.hasWildDots && $1 == UInt8(ascii: ".")) }
    }
    for start in rest.indices.dropFirst() where begins(rest[start...], with: marker) {
      let tail = Array(rest[(start + marker.count)...])
      for at in tail.indices where at == 0 || (at >= 2 && tail[at - 1] == UInt8(ascii: "/")) {
        let after = tail[at...].dropFirst(account.count)
        if begins(tail[at...], with: account), after.isEmpty || (after.first == UInt8(ascii: "/") && after.count > 1) { return true }
      }
    }
    return false
  }

  /// `spiffe://`, the value, a slash, anything; a star at either end is a run without slashes.
  func trustDomain(_ value: [UInt8], _ id: [UInt8]) -> Bool {
    guard id.starts(with: ascii("spiffe://")) else { return false }
    let star = UInt8(ascii: "*")
    if value == [star] { return true }
    let rest = id.dropFirst(9)
    guard value.first == star || value.last == star else { return rest.starts(with: value + ascii("/")) }
    let (head, tail) = value.first == star ? ([], Array(value.dropFirst())) : (Array(value.dropLast()), [])
    guard rest.starts(with: head) else { return false }
    let behind = rest.dropFirst(head.count)
    let run = behind.prefix { $0 != UInt8(ascii: "/") }
    return (0...run.count).contains { behind.dropFirst($0).starts(with: tail + ascii("/")) }
  }

  // MARK: Connection and request

  func address(_ value: ExactText, _ field: Request.AddressField) -> Truth {
    switch field.knowledge {
    case .unknown: .unknown(field.reason)
    case .absent: .no
    case .present: AddressBlock(value.string)?.contains(field.address) == true ? .yes : .no
    }
  }

  func text(_ field: Request.TextField, _ request: Request, _ test: ([UInt8]) -> Bool) -> Truth {
    switch field.knowledge {
    case .unknown: .unknown(field.reason)
    case .absent: .no
    case .present: test(request.copy(field.slice)) ? .yes : .no
    }
  }

  func header(_ name: ExactText, _ value: [UInt8], _ request: Request) -> Truth {
    switch lowercased(name.bytes) {
    case ascii(":method"): return text(request.method, request) { string(value, $0, star: .present) }
    case ascii(":path"): return text(request.target, request) { string(value, $0, star: .present) }
    case ascii(":authority"), ascii("host"): return text(request.host, request) { string(value, $0, star: .present) }
    case let name:
      guard request.areHeadersKnown else { return .unknown(.unknownHeaders) }
      let lines = request.headers.filter { request.copy($0.name) == name }
      // Every request has a scheme; without it, it was withheld.
      if lines.isEmpty, name == ascii(":scheme") { return .unknown(.unknownHeaders) }
      return .any(
        lines.map { line in
          if line.isAmbiguous, value != ascii("*") { return .unknown(.ambiguousHeader) }
          return string(value, request.copy(line.value), star: .present) ? .yes : .no
        })
    }
  }

  func claim(_ path: [ExactText], _ request: Request, lists: Bool = true, _ test: ([UInt8]) -> Bool) -> Truth {
    guard request.areClaimsKnown, !request.areClaimsHidden else { return .unknown(.unknownClaims) }
    let wanted = encoded(path)
    return request.claims.contains { request.copy($0.path) == wanted && (lists || !$0.isListElement) && test(request.copy($0.value)) }
      ? .yes : .no
  }

  func encoded(_ path: [ExactText]) -> [UInt8] {
    var bytes: [UInt8] = []
    for name in path { Request.appendPathComponent(name.bytes.span, to: &bytes) }
    return bytes
  }

  /// Issuer and subject, split at the last slash; a value with a star has the star in one of them.
  func requestPrincipal(_ value: [UInt8], _ request: Request) -> Truth {
    let star = UInt8(ascii: "*")
    let slash = value.lastIndex(of: UInt8(ascii: "/"))
    let left = slash.map { Array(value[..<$0]) } ?? value
    let right = slash.map { Array(value[($0 + 1)...]) } ?? []
    func both(_ issuer: @escaping ([UInt8]) -> Bool, _ subject: @escaping ([UInt8]) -> Bool) -> Truth {
      .all([claim(["iss"], request, lists: false, issuer), claim(["sub"], request, lists: false, subject)])
    }
    if value == [star] { return both({ !$0.isEmpty }, { !$0.isEmpty }) }
    if value.first == star {
      guard slash != nil else { return both({ !$0.isEmpty }, { $0.hasSuffix(Array(value.dropFirst())) }) }
      if left == [star] { return both({ !$0.isEmpty }, { $0 == right }) }
      return both({ $0.hasSuffix(Array(left.dropFirst())) }, { $0 == right })
    }
    if value.last == star {
      guard slash != nil else { return both({ $0.starts(with: value.dropLast()) }, { !$0.isEmpty }) }
      if right == [star] { return both({ $0 == left }, { !$0.isEmpty }) }
      return both({ $0 == left }, { $0.starts(with: right.dropLast()) })
    }
    return both({ $0 == left }, { $0 == right })
  }

  func metadata(_ filter: ExactText, _ key: ExactText, _ value: [UInt8], _ request: Request) -> Truth {
    guard request.isMetadataComplete || request.metadataFilters.contains(where: { request.copy($0) == filter.bytes }) else {
      return .unknown(.unknownMetadata)
    }
    let isList = value.first == UInt8(ascii: "[") && value.last == UInt8(ascii: "]")
    let brackets: Set<UInt8> = [UInt8(ascii: "["), UInt8(ascii: "]")]
    let trimmed = value.drop { brackets.contains($0) }
    let wanted = isList ? Array(trimmed.prefix(trimmed.count - trimmed.reversed().prefix { brackets.contains($0) }.count)) : value
    let path = encoded([filter, key])
    return request.metadata.contains {
      request.copy($0.path) == path && $0.isListElement == isList && string(wanted, request.copy($0.value), star: .nonEmpty)
    } ? .yes : .no
  }

  // MARK: Path templates

  /// `{*}` is one or more template characters, `{**}` any run of them and slashes; braces are gone, the rest is literal. All places of the
  /// text that the pattern so far can lead to are kept, so that no pattern and no path makes it deep or slow.
  func template(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    var reachable = [Bool](repeating: false, count: text.count + 1)
    reachable[0] = true
    /// Whoever stands at a place may go on over bytes of this kind; at least one step if so demanded.
    func run(atLeastOne: Bool, _ isIncluded: (UInt8) -> Bool) {
      var next = [Bool](repeating: false, count: text.count + 1)
      for at in reachable.indices {
        if reachable[at], !atLeastOne { next[at] = true }
        if at > 0, isIncluded(text[at - 1]), reachable[at - 1] || next[at - 1] { next[at] = true }
      }
      reachable = next
    }
    var rest = pattern[...]
    while let byte = rest.first {
      if rest.starts(with: ascii("{**}")) {
        run(atLeastOne: false) { isTemplateCharacter($0) || $0 == UInt8(ascii: "/") }
        rest = rest.dropFirst(4)
      } else if rest.starts(with: ascii("{*}")) {
        run(atLeastOne: true, isTemplateCharacter)
        rest = rest.dropFirst(3)
      } else {
        for at in reachable.indices.reversed() { reachable[at] = at > 0 && reachable[at - 1] && text[at - 1] == byte }
        rest = rest.dropFirst()
      }
    }
    return reachable[text.count]
  }

  func isTemplateCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: ascii("-._~%!$&'()*+,;:@=").contains(byte)
    }
  }
}
