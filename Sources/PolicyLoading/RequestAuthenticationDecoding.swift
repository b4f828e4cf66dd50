// The spec of a RequestAuthentication: attachment and token rules. Nodes enter; the model leaves, or problems.
// The checks are those of Istio's webhook (validateJwtRule) and of its CRD; no key and no token is used here.

internal import PolicyModel

extension Schema {
  fileprivate static let requestAuthentication = Schema([
    ("selector", .other), ("targetRef", .other), ("targetRefs", .other), ("jwtRules", .objects(jwtRule)),
  ])
  private static let jwtRule = Schema([
    ("issuer", .text), ("audiences", .texts(filled: true)), ("jwksUri", .text), ("jwks_uri", .text), ("jwks", .text),
    ("fromHeaders", .objects(Schema([("name", .text), ("prefix", .text)]))), ("fromParams", .texts(filled: true)),
    ("fromCookies", .texts(filled: true)), ("outputPayloadToHeader", .text), ("forwardOriginalToken", .boolean),
    ("outputClaimToHeaders", .objects(Schema([("header", .text), ("claim", .text)]))), ("timeout", .duration(.milliseconds)),
    ("spaceDelimitedClaims", .texts(filled: true)), ("presence", .choice(["OPTIONAL", "REQUIRED"])),
  ])
}

extension NodeReader {
  /// Reads a RequestAuthentication; nil when it has an error.
  mutating func requestAuthentication(_ object: NodeIndex, header: ObjectHeader) -> RequestAuthentication? {
    runTime = .requestAuthentication
    refuseUnknownFields(object, known: ["apiVersion", "kind", "metadata", "spec", "status"], path: "RequestAuthentication")
    let decoded = metadata(object, header: header, isStrict: true)
    var policy = RequestAuthentication(metadata: decoded?.metadata ?? nowhere(header))
    if let specEntry = document.entry(object, "spec"), isNull(specEntry.value) {
      report(.fieldNull("spec"), at: document[specEntry.key].span)
    } else if let specEntry = entry(object, "spec"), let spec = mapping(specEntry, path: "spec") {
      refuseNullFields(spec)
      check(spec, .requestAuthentication, path: "spec")
      if let attachment = attachment(spec, namespace: header.namespace) { policy.attachment = attachment }
      policy.jwtRules = objects(spec, "jwtRules").map { jwtRule($0) }
    }
    return hasErrors || decoded == nil ? nil : policy
  }

  private mutating func jwtRule(_ node: NodeIndex) -> JWTRule {
    var rule = JWTRule(issuer: filledText(node, "issuer")?.value)
    rule.span = start(node)
    rule.audiences = textList(node, "audiences").map(\.value)
    rule.keys = keys(node)
    if let issuer = text(node, "issuer"), issuer.value.isEmpty {
      report(.emptyString("jwtRules.issuer"), at: issuer.span)
    } else if rule.issuer == nil, entry(node, "issuer") == nil, keyAddress(node) == nil {
      report(.jwtRuleWithoutIssuer(), at: rule.span)
    }
    rule.fromHeaders = objects(node, "fromHeaders").compactMap { location in
      guard let name = required(location, "name", in: "jwtRules.fromHeaders", help: "name the header that carries the token") else {
        return nil
      }
      return JWTRule.HeaderLocation(name: name.value, prefix: text(location, "prefix")?.value ?? "")
    }
    rule.fromParams = textList(node, "fromParams").map(\.value)
    rule.fromCookies = textList(node, "fromCookies").map(\.value)
    rule.outputPayloadToHeader = filledText(node, "outputPayloadToHeader")?.value
    rule.forwardsOriginalToken = flag(node, "forwardOriginalToken")
    rule.outputClaimToHeaders = objects(node, "outputClaimToHeaders").compactMap { claimHeader($0) }
    rule.timeoutMilliseconds = milliseconds(node, "timeout")
    rule.spaceDelimitedClaims = textList(node, "spaceDelimitedClaims").map(\.value)
    if rule.spaceDelimitedClaims.count > 64, let span = keySpan(node, "spaceDelimitedClaims") {
      report(.tooManyEntries("jwtRules.spaceDelimitedClaims", rule.spaceDelimitedClaims.count, limit: 64), at: span)
    }
    rule.isRequired = entry(node, "presence").map { document.isScalar($0.value, "REQUIRED") } ?? false
    return rule
  }

  private mutating func claimHeader(_ node: NodeIndex) -> JWTRule.ClaimHeader? {
    let path = "jwtRules.outputClaimToHeaders"
    let header = required(node, "header", in: path, help: "name the header to set")
    let claim = required(node, "claim", in: path, help: "name the claim to copy")
    if let header, !isStrictHeaderName(header.value) {
      report(.headerNameInvalid(header.value.string, path: "\(path).header"), at: header.span)
    }
    guard let header, let claim else { return nil }
    return JWTRule.ClaimHeader(header: header.value, claim: claim.value)
  }

  /// `jwksUri`, or its older spelling, which the CRD has as well.
  private func keyAddress(_ node: NodeIndex) -> Located<ExactText>? { filledText(node, "jwksUri") ?? filledText(node, "jwks_uri") }

  private mutating func keys(_ node: NodeIndex) -> JWTRule.Keys {
    var written: [(key: String, span: SourceSpan)] = []
    if let span = keySpan(node, "jwksUri") { written.append(("jwksUri", span)) }
    if let span = keySpan(node, "jwks_uri") { written.append(("jwks_uri", span)) }
    if let span = keySpan(node, "jwks") { written.append(("jwks", span)) }
    if let first = written.first {
      for other in written.dropFirst() { report(.fieldConflict(other.key, with: first.key, in: "jwtRules"), at: other.span) }
    }
    for address in [text(node, "jwksUri"), text(node, "jwks_uri")] {
      guard let address else { continue }
      if address.value.isEmpty {
        report(.emptyString("jwtRules.jwksUri"), at: address.span)
      } else if let why = jwksAddressRefusal(address.value) {
        report(.jwksAddressInvalid(address.value.string, why: why), at: address.span)
      }
    }
    if let jwks = filledText(node, "jwks") {
      if let why = keySetRefusal(jwks.value) { report(.jwksInvalid(why), at: jwks.span) }
      return .inline(jwks.value)
    }
    return keyAddress(node).map { .uri($0.value) } ?? .discovered
  }

  /// The text of a field that must be there and have bytes; nil with a problem otherwise, without one when it is no text.
  mutating func required(_ mapping: NodeIndex, _ key: StaticString, in path: String, help: String) -> Located<ExactText>? {
    guard entry(mapping, key) != nil else {
      report(.fieldRequired("\(key)", in: "an entry of `\(path)`", help: help), at: start(mapping))
      return nil
    }
    guard let text = text(mapping, key) else { return nil }
    if text.value.isEmpty {
      report(.emptyString("\(path).\(key)"), at: text.span)
      return nil
    }
    return text
  }
}
