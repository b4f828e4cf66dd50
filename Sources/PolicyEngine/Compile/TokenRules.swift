// What the RequestAuthentications attached to a workload say about tokens, compiled.
// Enters: objects as written, once; then the claims of a token that the proxy verified. Leaves: whether the token counts, and which of its
// claims are lists.
// Never here: verification; the proxy checks signatures and times (Istio, pilot/pkg/security/authn).

internal import PolicyModel

/// One issuer that a workload accepts tokens of.
struct TokenRule: Sendable, Hashable {
  /// `nil` accepts every issuer whose keys the proxy has.
  var issuer: [UInt8]?
  /// One of them must be an audience of the token; empty accepts any.
  var audiences: [[UInt8]]
  /// Whether a request without such a token is refused.
  var isRequired: Bool
  /// The encoded paths of claims that are split at spaces.
  var splitPaths: [[UInt8]]

  init(_ rule: JWTRule) {
    issuer = rule.issuer.map(\.bytes)
    audiences = rule.audiences.map { Self.bare($0.bytes) }
    isRequired = rule.isRequired
    splitPaths = rule.spaceDelimitedClaims.map { Request.claimPath($0) }
  }

  /// What of an audience is compared: neither its scheme (http, https) nor one slash at its end (jwt_verify_lib, check_audience).
  static func bareAudience(_ text: Span<UInt8>) -> Range<Int> {
    var start = 0
    for scheme in [Self.schemes.http, Self.schemes.https] where hasPrefix(text, scheme.span) { start = scheme.count }
    let end = text.count > start && text[text.count - 1] == UInt8(ascii: "/") ? text.count - 1 : text.count
    return start..<end
  }

  private static func bare(_ audience: [UInt8]) -> [UInt8] { Array(audience[bareAudience(audience.span)]) }

  private static let schemes = (http: Array("http://".utf8), https: Array("https://".utf8))
}

extension Request {
  /// The encoded path of a claim at the top.
  static func claimPath(_ name: ExactText) -> [UInt8] {
    var path: [UInt8] = []
    appendPathComponent(name.bytes.span, to: &path)
    return path
  }

  /// Reads the token in the light of the rules. With `honorsRequestAuthentication`: without rules there are no claims (Istio ignores tokens
  /// then); otherwise a token that no rule accepts closes the gate, as the proxy's JWT filter answers 401; a CORS preflight passes that
  /// filter unread, so it has no claims. In any case claims that a rule splits become lists. Reading again changes nothing. O(claims, rules).
  mutating func read(_ rules: [TokenRule]) -> Gate {
    areClaimsHidden = false
    restoreToken()
    guard !isTCP else { return .open }
    guard honorsRequestAuthentication else {
      split(rules)
      return .open
    }
    if rules.isEmpty {
      forgetToken()
      return .open
    }
    let preflight = isPreflight()
    if preflight == .yes {
      forgetToken()
      return .open
    }
    guard areClaimsKnown else { return .unknown(.unknownClaims) }
    guard hasToken else {
      guard rules.contains(where: \.isRequired) else { return .open }
      return preflight.isUnknown ? .unknown(preflight.reason) : .closed(.tokenRequired)
    }
    let isAccepted = rules.contains { accepts($0) }
    if preflight.isUnknown {
      areClaimsHidden = true
      return isAccepted ? .open : .unknown(preflight.reason)
    }
    guard isAccepted else { return .closed(.tokenRejected) }
    // Another token of the same request may have been verified, too; only the claims of one are to be seen.
    let isAnyMissing = rules.contains { $0.isRequired && !accepts($0) }
    split(rules)
    return isAnyMissing ? .unknown(.unknownClaims) : .open
  }

  /// Whatever rules the token was read under before: these may be others.
  private mutating func restoreToken() {
    guard let given = givenToken else { return }
    (areClaimsKnown, hasToken, claims) = (given.areClaimsKnown, given.hasToken, given.claims)
    givenToken = nil
  }

  private mutating func keepToken() {
    if givenToken == nil { givenToken = GivenToken(areClaimsKnown: areClaimsKnown, hasToken: hasToken, claims: claims) }
  }

  private mutating func forgetToken() {
    keepToken()
    areClaimsKnown = true
    hasToken = false
    claims.removeAll(keepingCapacity: true)
  }

  /// Whether the token's issuer and audience are those of the rule.
  private func accepts(_ rule: TokenRule) -> Bool {
    if let issuer = rule.issuer, !hasIssuer(issuer) { return false }
    return rule.audiences.isEmpty || rule.audiences.contains { hasAudience($0) }
  }

  private func hasIssuer(_ issuer: [UInt8]) -> Bool {
    for index in claims.indices where !claims[index].isListElement {
      let entry = claims[index]
      if equal(bytes(entry.path), Self.tokenPaths.issuer.span), equal(bytes(entry.value), issuer.span) { return true }
    }
    return false
  }

  private func hasAudience(_ audience: [UInt8]) -> Bool {
    for index in claims.indices {
      let entry = claims[index]
      guard equal(bytes(entry.path), Self.tokenPaths.audience.span) else { continue }
      let text = bytes(entry.value)
      if equal(text.extracting(TokenRule.bareAudience(text)), audience.span) { return true }
    }
    return false
  }

  /// Makes lists of the claims that every rule which accepts the token splits. Where they differ, only the one that verified the token would
  /// have split, and nobody says which it was: if there is anything to split, the claims are not known.
  private mutating func split(_ rules: [TokenRule]) {
    // Splitting changes what acceptance looks at, so what is to be split is settled first. Most rules split nothing.
    guard rules.contains(where: { !$0.splitPaths.isEmpty }) else { return }
    let accepting = rules.filter { accepts($0) }
    var common: [[UInt8]] = []
    for path in Set(accepting.flatMap(\.splitPaths)) {
      if accepting.allSatisfy({ $0.splitPaths.contains(path) }) {
        common.append(path)
      } else if claims.contains(where: { !$0.isListElement && equal(bytes($0.path), path.span) && isDivisible($0.value) }) {
        areClaimsHidden = true
      }
    }
    if !common.isEmpty { keepToken() }
    for path in common { split(path) }
  }

  /// Whether splitting makes another thing of the value: one word is matched as a string or as a list of one alike.
  private func isDivisible(_ value: Slice) -> Bool {
    let text = bytes(value)
    for index in text.indices where text[index] == UInt8(ascii: " ") { return hasWord(value) }
    return false
  }

  private mutating func split(_ path: [UInt8]) {
    var index = 0
    let end = claims.count
    var removed = 0
    while index < end - removed {
      let entry = claims[index]
      guard !entry.isListElement, equal(bytes(entry.path), path.span), hasWord(entry.value) else {
        index += 1
        continue
      }
      claims.remove(at: index)
      removed += 1
      appendWords(of: entry.value, path: entry.path)
    }
  }

  private func hasWord(_ value: Slice) -> Bool {
    let text = bytes(value)
    for index in text.indices where text[index] != UInt8(ascii: " ") { return true }
    return false
  }

  /// Whether the request is a CORS preflight, which passes the JWT filter (Envoy: `bypass_cors_preflight`).
  private func isPreflight() -> Outcome {
    switch method.knowledge {
    case .unknown: return .unknown(.unknownMethod)
    case .absent: return .no
    case .present: break
    }
    guard equal(bytes(method.slice), Self.preflightMethod.span) else { return .no }
    guard areHeadersKnown else { return .unknown(.unknownHeaders) }
    return Outcome(Self.preflightHeaders.allSatisfy(hasHeader))
  }

  private func hasHeader(_ name: [UInt8]) -> Bool {
    headers.contains { $0.value.count > 0 && equal(bytes($0.name), name.span) }
  }

  private static let tokenPaths = (issuer: claimPath("iss"), audience: claimPath("aud"))
  private static let preflightMethod = Array("OPTIONS".utf8)
  /// Headers that make a preflight of an OPTIONS request.
  static let preflightHeaders = [Array("origin".utf8), Array("access-control-request-method".utf8)]
}
