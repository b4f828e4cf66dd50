// What the proxy makes of a request before its rules are tried, slowly: names, header lines, the token.
// Enters: a request and what is attached. Leaves: the request as rules see it, and whether the token lets it pass.
// Never here: the compiled engine's way to the same (`Admission.swift`, `TokenRules.swift`).

internal import PolicyModel

extension ReferenceEvaluator {
  /// The names of the peer, without what a waypoint makes of them.
  func names(_ request: Request) -> [(kind: Request.Identity.Kind, text: [UInt8])] {
    request.identities.filter { $0.kind != .joined }.map { ($0.kind, request.copy($0.slice)) }
  }

  /// The request with the names and header lines that rules see.
  func seen(_ request: Request, by profile: Profile) -> Request {
    var seen = request
    let names = names(request)
    seen.identities = []
    seen.nameView = .each
    if profile == .waypoint, !names.isEmpty {
      // One text from all URI names, or a dash.
      let uris = names.filter { $0.kind == .uri }.map(\.text)
      let joined = Array(uris.joined(separator: [UInt8(ascii: ",")]))
      let text = joined.isEmpty ? Array("-".utf8) : joined
      seen.addIdentity(text.span)
    } else {
      for name in names { seen.addIdentity(name.text.span) }
    }
    if mesh.olderBehaviors.contains(.joinedHeaderLines) {
      var lines: [(name: [UInt8], value: [UInt8])] = []
      for line in request.headers {
        let name = request.copy(line.name)
        if let index = lines.firstIndex(where: { $0.name == name }) {
          lines[index].value += [UInt8(ascii: ",")] + request.copy(line.value)
        } else {
          lines.append((name, request.copy(line.value)))
        }
      }
      seen.headers = []
      for line in lines { seen.addHeader(name: line.name.span, value: line.value.span) }
      seen.areHeadersKnown = request.areHeadersKnown
    }
    return seen
  }

  /// Whether the token lets the request pass, and the request with the claims that rules see (Istio: the JWT layer in brief).
  func token(_ request: Request, _ attached: [RequestAuthentication]) -> (gate: Truth, reason: Reason, request: Request) {
    if request.isTCP { return (.yes, .tokenRejected, request) }
    let rules = attached.flatMap(\.jwtRules)
    let accepting = rules.filter { accepts($0, request) }
    // Only the rule that verified the token splits; where the accepting ones differ, nobody knows which it was.
    let named = accepting.map { Set($0.spaceDelimitedClaims) }
    let common = named.dropFirst().reduce(named.first ?? []) { $0.intersection($1) }
    let disputed = named.reduce(Set<ExactText>()) { $0.union($1) }.subtracting(common)
    var split = splitting(request, common)
    split.areClaimsHidden = !sameClaims(splitting(request, disputed), request)
    guard request.honorsRequestAuthentication else { return (.yes, .tokenRejected, split) }
    var without = request
    without.areClaimsKnown = true
    without.hasToken = false
    without.claims = []
    without.areClaimsHidden = false
    if rules.isEmpty { return (.yes, .tokenRejected, without) }
    switch isPreflight(request) {
    case .yes: return (.yes, .tokenRejected, without)
    case .unknown(let reason):
      guard request.areClaimsKnown else { return (.unknown(.unknownClaims), .tokenRejected, request) }
      var unknown = request
      unknown.areClaimsKnown = !request.hasToken
      let isRefused = request.hasToken ? accepting.isEmpty : rules.contains(where: \.isRequired)
      return (isRefused ? .unknown(reason) : .yes, .tokenRejected, unknown)
    case .no: break
    }
    guard request.areClaimsKnown else { return (.unknown(.unknownClaims), .tokenRejected, request) }
    guard request.hasToken else { return (rules.contains(where: \.isRequired) ? .no : .yes, .tokenRequired, request) }
    if accepting.isEmpty { return (.no, .tokenRejected, request) }
    let isAnyMissing = rules.contains { $0.isRequired && !accepts($0, request) }
    return (isAnyMissing ? .unknown(.unknownClaims) : .yes, .tokenRejected, split)
  }

  private func accepts(_ rule: JWTRule, _ request: Request) -> Bool {
    let hasIssuer = rule.issuer.map { values("iss", request, lists: false).contains($0.bytes) } ?? true
    let audiences = values("aud", request, lists: true).map { bareAudience(String(decoding: $0, as: UTF8.self)) }
    return hasIssuer && (rule.audiences.isEmpty || rule.audiences.contains { audiences.contains(bareAudience($0.string)) })
  }

  /// Without its scheme and without one slash at its end (jwt_verify_lib).
  private func bareAudience(_ audience: String) -> ExactText {
    var text = Array(audience.utf8)
    for scheme in ["http://", "https://"] where text.starts(with: scheme.utf8) {
      text.removeFirst(scheme.utf8.count)
      break
    }
    if text.last == UInt8(ascii: "/") { text.removeLast() }
    return ExactText(String(decoding: text, as: UTF8.self))
  }

  /// Whether policies see the same in both: a list of one text is as good as the text.
  private func sameClaims(_ left: Request, _ right: Request) -> Bool {
    left.claims.count == right.claims.count
      && zip(left.claims, right.claims).allSatisfy { left.copy($0.value) == right.copy($1.value) }
  }

  private func values(_ claim: ExactText, _ request: Request, lists: Bool) -> [[UInt8]] {
    var path: [UInt8] = []
    Request.appendPathComponent(claim.bytes.span, to: &path)
    return request.claims.filter { request.copy($0.path) == path && (lists || !$0.isListElement) }.map { request.copy($0.value) }
  }

  private func splitting(_ request: Request, _ names: Set<ExactText>) -> Request {
    var result = request
    result.claims = []
    for entry in request.claims {
      let path = request.copy(entry.path)
      let isSplit = names.contains { name in
        var own: [UInt8] = []
        Request.appendPathComponent(name.bytes.span, to: &own)
        return own == path
      }
      let words = request.copy(entry.value).split(separator: UInt8(ascii: " "))
      guard isSplit, !entry.isListElement, !words.isEmpty else {
        result.claims.append(entry)
        continue
      }
      for word in words { result.addClaim(path: path.span, value: Array(word).span, isListElement: true) }
    }
    return result
  }

  private func isPreflight(_ request: Request) -> Truth {
    switch request.method.knowledge {
    case .unknown: return .unknown(.unknownMethod)
    case .absent: return .no
    case .present: break
    }
    guard request.copy(request.method.slice) == Array("OPTIONS".utf8) else { return .no }
    guard request.areHeadersKnown else { return .unknown(.unknownHeaders) }
    func has(_ name: String) -> Bool {
      request.headers.contains { request.copy($0.name) == Array(name.utf8) && $0.value.count > 0 }
    }
    return has("origin") && has("access-control-request-method") ? .yes : .no
  }
}
