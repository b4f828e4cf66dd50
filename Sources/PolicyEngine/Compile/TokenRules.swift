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
    audiences = rule.audiences.map(\.bytes)
    isRequired = rule.isRequired
    splitPaths = rule.spaceDelimitedClaims.map { Request.claimPath($0) }
  }
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

  private mutating func forgetToken() {
    areClaimsKnown = true
    hasToken = false
    claims.removeAll(keepingCapacity: true)
  }

  /// Whether the token's issuer and audience are those of the rule.
  private func accepts(_ rule: TokenRule) -> Bool {
    if let issuer = rule.issuer, !hasString(Self.tokenPaths.issuer, issuer, inLists: false) { return false }
    return rule.audiences.isEmpty || rule.audiences.contains { hasString(Self.tokenPaths.audience, $0, inLists: true) }
  }

  private func hasString(_ path: [UInt8], _ value: [UInt8], inLists: Bool) -> Bool {
    for index in claims.indices {
      let entry = claims[index]
      guard inLists || !entry.isListElement else { continue }
      if equal(bytes(entry.path), path.span), equal(bytes(entry.value), value.span) { return true }
    }
    return false
  }

  /// Makes lists of the claims that the rules which accept the token split.
  private mutating func split(_ rules: [TokenRule]) {
    for rule in rules where !rule.splitPaths.isEmpty && accepts(rule) {
      for path in rule.splitPaths { split(path) }
    }
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
