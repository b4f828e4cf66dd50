// What Istio's webhook demands of single values (pkg/config/validation, pkg/config/security; and the CRD's limits).
// A value and its attribute enter; a message leaves when Istio would refuse it. What Istio does not check is not checked here:
// hosts, methods, principals and namespaces may be any non-empty text.

extension Attribute {
  /// Why Istio refuses `value`, or nil. `path` names the list in messages; `isField` says whether the value stands in a source or an
  /// operation and not in a condition (the rules differ a little). O(bytes of the value).
  package func refusal(of value: ExactText, path: String, isField: Bool) -> Message? {
    if value.isEmpty { return emptyRefusal(path) }
    switch self {
    case .sourceIP, .remoteIP, .destinationIP:
      return AddressBlock(value.string) == nil ? .ipInvalid(value.string) : nil
    case .destinationPort:
      return portNumber(value) == nil ? .portInvalid(value.string) : nil
    case .sourceServiceAccount: return serviceAccountRefusal(value)
    case .sourceTrustDomain: return trustDomainRefusal(value, mayHaveSlash: !isField)
    case .path: return pathRefusal(value)
    default: return nil
    }
  }
}

extension Attribute {
  /// What an empty text means at run time differs: it is no address and no port, and no account's name.
  private func emptyRefusal(_ path: String) -> Message {
    switch self {
    case .sourceIP, .remoteIP, .destinationIP, .destinationPort: .emptyString(path, .like(.ipInvalid))
    case .sourceServiceAccount: .emptyString(path, .never)
    default: .emptyString(path)
    }
  }
}

/// The port that a text names: decimal digits only, leading zeros allowed, at most 65535 (Go's ParseUint, as Istio calls it).
package func portNumber(_ text: ExactText) -> UInt16? {
  guard !text.isEmpty else { return nil }
  var value: UInt32 = 0
  for byte in text.string.utf8 {
    guard (0x30...0x39).contains(byte) else { return nil }
    value = value * 10 + UInt32(byte - 0x30)
    guard value <= 65_535 else { return nil }
  }
  return UInt16(value)
}

/// Whether a `when` key of a bracketed family has the shape that Istio's webhook demands: something, `[`, at least one byte, `]` at the end.
package func hasBracketShape(_ key: ExactText) -> Bool {
  let bytes = key.bytes
  guard bytes.last == UInt8(ascii: "]"), let open = bytes.firstIndex(of: UInt8(ascii: "[")) else { return false }
  return open > 0 && open < bytes.count - 2
}

/// Whether Istio's generator certainly fails on a bracketed `when` key that the webhook refuses. The others it reads somehow: `[]` as an
/// empty name, with which Envoy refuses its configuration. O(bytes).
package func failsGeneration(_ key: ExactText) -> Bool {
  func rest(behind prefix: String) -> ArraySlice<UInt8>? {
    let bytes = key.bytes
    return bytes.starts(with: prefix.utf8) ? bytes[prefix.utf8.count...] : nil
  }
  let (open, close) = (UInt8(ascii: "["), UInt8(ascii: "]"))
  if let rest = rest(behind: "experimental.envoy.filters.") { return !rest.contains(open) }
  if let rest = rest(behind: "request.headers") { return rest.first != open || rest.last != close }
  if let rest = rest(behind: "request.auth.claims") { return !rest.isEmpty && (rest.first != open || rest.last != close) }
  return false
}

/// The value of `istio.io/dry-run`: Go's spellings of a boolean, else nil.
package func goBoolean(_ text: ExactText) -> Bool? {
  switch text {
  case "1", "t", "T", "TRUE", "true", "True": true
  case "0", "f", "F", "FALSE", "false", "False": false
  default: nil
  }
}

private let star = UInt8(ascii: "*")
private let slash = UInt8(ascii: "/")

private func serviceAccountRefusal(_ value: ExactText) -> Message? {
  let bytes = value.bytes
  let parts = bytes.split(separator: slash, omittingEmptySubsequences: false)
  let isDecidable = parts.count <= 2 && !parts.contains(where: \.isEmpty)
  func refuse(_ why: String) -> Message { .serviceAccountInvalid(value.string, why: why, isDecidable: isDecidable) }
  if bytes.count > 320 { return refuse("has more than 320 characters") }
  if bytes.contains(star) { return refuse("contains a star") }
  if parts.count > 2 { return refuse("has more than one slash") }
  if parts.contains(where: \.isEmpty) { return refuse("has nothing before or behind its slash") }
  return nil
}

private func trustDomainRefusal(_ value: ExactText, mayHaveSlash: Bool) -> Message? {
  let bytes = value.bytes
  func refuse(_ why: String, isDecidable: Bool = false) -> Message {
    .trustDomainInvalid(value.string, why: why, isDecidable: isDecidable)
  }
  let stars = bytes.count { $0 == star }
  if stars > 1 { return refuse("has more than one star") }
  if stars == 1, bytes.first != star, bytes.last != star { return refuse("has a star in the middle") }
  if !mayHaveSlash, bytes.contains(slash) { return refuse("contains a slash", isDecidable: true) }
  return nil
}

private func pathRefusal(_ value: ExactText) -> Message? {
  let bytes = value.bytes
  let braces: Set<UInt8> = [UInt8(ascii: "{"), UInt8(ascii: "}")]
  guard bytes.contains(where: braces.contains) else { return nil }
  func refuse(_ why: String) -> Message { .pathTemplate(value.string, why: why) }
  let one = Array("{*}".utf8)
  let rest = Array("{**}".utf8)
  var trimmed = bytes[...]
  while trimmed.first == slash { trimmed = trimmed.dropFirst() }
  while trimmed.last == slash { trimmed = trimmed.dropLast() }
  let segments = trimmed.split(separator: slash, omittingEmptySubsequences: false)
  let isTemplate = value.string.utf8.indices.contains { start in
    let tail = value.string.utf8[start...]
    return tail.starts(with: one) || tail.starts(with: rest)
  }
  var sawRest = false
  for segment in segments {
    if segment.elementsEqual(one) || segment.elementsEqual(rest) {
      if sawRest { return refuse("an operator follows `{**}`, which must be the last one") }
      sawRest = segment.elementsEqual(rest)
      continue
    }
    if segment.contains(where: braces.contains) { return refuse("braces may only form a whole segment, `{*}` or `{**}`") }
    guard isTemplate else { continue }
    if segment.isEmpty { return refuse("a template must not have two slashes in a row") }
    if !segment.allSatisfy(isTemplateLiteral) { return refuse("a template has a character that templates do not allow") }
  }
  return nil
}

/// Letters, digits and `-._~%!$&'()+,;:@=`.
private func isTemplateLiteral(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
  default: "-._~%!$&'()+,;:@=".utf8.contains(byte)
  }
}
