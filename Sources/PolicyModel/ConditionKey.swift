// From a `when` key to an attribute (Istio, pilot/pkg/security/authz/model: the key names and the bracket grammar).
// Enters: the key as written. Leaves: an attribute; keys that Istio drops or does not know keep their text.
// Never here: validation; a key of the wrong shape is still an attribute (`malformedKey`, `unknownKey`).

extension Attribute {
  /// The attribute that a `when` key names. Keys are compared exactly; the three bracketed families by prefix.
  public init(conditionKey key: ExactText) {
    self = Self.plainKeys[key] ?? Self.bracketed(key)
  }

  /// The keys without brackets.
  public static let plainKeys: [ExactText: Attribute] = [
    "source.principal": .sourcePrincipal, "source.namespace": .sourceNamespace, "source.serviceAccount": .sourceServiceAccount,
    "source.trustDomain": .sourceTrustDomain, "source.ip": .sourceIP, "remote.ip": .remoteIP,
    "request.auth.principal": .requestPrincipal, "request.auth.audiences": .requestAudiences,
    "request.auth.presenter": .requestPresenter, "destination.ip": .destinationIP, "destination.port": .destinationPort,
    "connection.sni": .sni,
  ]

  private static func bracketed(_ key: ExactText) -> Attribute {
    let text = key.bytes
    if let rest = text.dropping(prefix: "request.headers") {
      guard let inner = rest.insideBrackets else { return .malformedKey(key) }
      return .requestHeader(ExactText(String(decoding: inner, as: UTF8.self)))
    }
    if let rest = text.dropping(prefix: "request.auth.claims") {
      guard let path = claimPath(rest) else { return .malformedKey(key) }
      return .requestClaim(path)
    }
    if let rest = text.dropping(prefix: "experimental.envoy.filters.") {
      guard let open = rest.firstIndex(of: UInt8(ascii: "[")), let inner = rest[open...].insideBrackets else { return .malformedKey(key) }
      // Istio names the filter with the part `envoy.filters.` kept; with nothing behind it, it is a filter that no proxy has.
      return .envoyMetadata(
        filter: ExactText("envoy.filters." + String(decoding: rest[..<open], as: UTF8.self)),
        key: ExactText(String(decoding: inner, as: UTF8.self)))
    }
    return .unknownKey(key)
  }

  /// `[a][b]` is the path a, b. Text that is not consecutive groups is one name, without its outermost brackets.
  private static func claimPath(_ text: ArraySlice<UInt8>) -> [ExactText]? {
    guard let whole = text.insideBrackets else { return nil }
    var path: [ExactText] = []
    var rest = text
    while rest.first == UInt8(ascii: "[") {
      let body = rest.dropFirst()
      guard let end = body.firstIndex(where: { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "]") }),
        body[end] == UInt8(ascii: "]"), end > body.startIndex
      else { return [ExactText(String(decoding: whole, as: UTF8.self))] }
      path.append(ExactText(String(decoding: body[..<end], as: UTF8.self)))
      rest = body[(end + 1)...]
    }
    guard rest.isEmpty else { return [ExactText(String(decoding: whole, as: UTF8.self))] }
    return path
  }
}

extension Array where Element == UInt8 {
  fileprivate func dropping(prefix: String) -> ArraySlice<UInt8>? {
    starts(with: prefix.utf8) ? self[prefix.utf8.count...] : nil
  }
}

extension ArraySlice where Element == UInt8 {
  /// The text between a leading `[` and a trailing `]`, at least one byte.
  fileprivate var insideBrackets: ArraySlice<UInt8>? {
    guard count > 2, first == UInt8(ascii: "["), last == UInt8(ascii: "]") else { return nil }
    return dropFirst().dropLast()
  }
}
