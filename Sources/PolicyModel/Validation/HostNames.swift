// Host names, labels and localities as Istio's webhook judges them (pkg/config/validation, pkg/config/labels).
// A text enters; the reason why Istio refuses it leaves, or nil. Whether the name exists is not asked here.

private let dot = UInt8(ascii: ".")
private let hyphen = UInt8(ascii: "-")
private let star = UInt8(ascii: "*")
private let slash = UInt8(ascii: "/")

/// Whether a text is a DNS label of RFC 1123, upper case allowed: letters, digits and inner hyphens, 1 to 63 characters.
package func isDNSLabel(_ text: some Collection<UInt8>) -> Bool {
  guard (1...63).contains(text.count), let first = text.first, isAlphanumeric(first) else { return false }
  var last = first
  for byte in text {
    guard isAlphanumeric(byte) || byte == hyphen else { return false }
    last = byte
  }
  return last != hyphen
}

/// Whether Kubernetes takes a text as the name of a namespace or a Service: a DNS label of RFC 1123 in lower case. O(bytes).
package func isLabelName(_ text: some Collection<UInt8>) -> Bool { isDNSLabel(text) && !text.contains(where: isUpperCase) }

/// Whether Kubernetes takes a text as the name of any other object: up to 253 lower-case letters, digits, hyphens and dots, each part
/// between dots beginning and ending with a letter or a digit (RFC 1123, a subdomain). O(bytes).
package func isSubdomainName(_ text: some Collection<UInt8>) -> Bool {
  guard text.count <= 253, !text.contains(where: isUpperCase) else { return false }
  return text.split(separator: dot, omittingEmptySubsequences: false).allSatisfy { part in
    guard let first = part.first, isAlphanumeric(first) else { return false }
    var last = first
    for byte in part {
      guard isAlphanumeric(byte) || byte == hyphen else { return false }
      last = byte
    }
    return last != hyphen
  }
}

/// Why Istio refuses a host, or nil. With `allowsWildcard` its first label may be, or begin with, a star. O(bytes).
package func hostRefusal(_ host: ExactText, allowsWildcard: Bool) -> String? {
  let bytes = host.bytes
  if bytes.isEmpty { return "is empty" }
  if bytes.count > 255 { return "has more than 255 characters" }
  var labels = bytes.split(separator: dot, omittingEmptySubsequences: false)[...]
  if allowsWildcard, let first = labels.first {
    guard isWildcardLabel(first) else {
      return first.dropFirst().contains(star) ? "has a star that is not at its start" : "is not a DNS name"
    }
    labels = labels.dropFirst()
    if labels.isEmpty { return nil }
  }
  if let last = labels.last, !last.isEmpty, last.allSatisfy({ (0x30...0x39).contains($0) }) {
    return "ends with a number, which is no top-level domain"
  }
  // A name may end with a dot.
  if labels.last?.isEmpty == true { labels = labels.dropLast() }
  if labels.contains(where: { $0.contains(star) }) { return "has a star that is not at its start" }
  return labels.allSatisfy { isDNSLabel($0) } ? nil : "is not a DNS name"
}

/// `*`, or a DNS label that `*` or `*-` may precede, together at most 63 characters.
private func isWildcardLabel(_ label: ArraySlice<UInt8>) -> Bool {
  guard label.count <= 63 else { return false }
  guard label.first == star else { return isDNSLabel(label) }
  var rest = label.dropFirst()
  if rest.isEmpty { return true }
  if rest.first == hyphen { rest = rest.dropFirst() }
  return isDNSLabel(rest)
}

/// Whether a text is a label key of Kubernetes: a name, optionally behind a DNS name and a slash.
package func isLabelKey(_ key: ExactText) -> Bool {
  var name = key.bytes[...]
  if let place = name.firstIndex(of: slash) {
    let prefix = name[..<place]
    guard (1...253).contains(prefix.count),
      prefix.split(separator: dot, omittingEmptySubsequences: false).allSatisfy({ isDNSLabel($0) })
    else { return false }
    name = name[(place + 1)...]
  }
  return !name.isEmpty && isLabelText(name)
}

/// Whether a text is a label value of Kubernetes: empty, or up to 63 letters, digits and inner `-`, `_`, `.`.
package func isLabelValue(_ value: ExactText) -> Bool { isLabelText(value.bytes[...]) }

private func isLabelText(_ text: ArraySlice<UInt8>) -> Bool {
  guard let first = text.first, let last = text.last else { return true }
  return text.count <= 63 && isAlphanumeric(first) && isAlphanumeric(last)
    && text.allSatisfy { isAlphanumeric($0) || $0 == hyphen || $0 == dot || $0 == UInt8(ascii: "_") }
}

/// Whether a text is a header name in the strict sense of Istio: letters, digits and hyphens.
package func isStrictHeaderName(_ name: ExactText) -> Bool {
  !name.isEmpty && name.bytes.allSatisfy { isAlphanumeric($0) || $0 == hyphen }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
  default: false
  }
}

/// The first locality (`region/zone/sub-zone`) of a list that Istio refuses, and why. O(localities).
package func localityRefusal(_ localities: [ExactText]) -> (index: Int, why: String)? {
  var known: [ExactText: [ExactText: Set<ExactText>]] = [:]
  let overlap = "overlaps with another one"
  for (index, locality) in localities.enumerated() {
    let bytes = locality.bytes
    let stars = bytes.count { $0 == star }
    if stars > 1 || (stars == 1 && bytes.last != star) { return (index, "may have one star, at its end") }
    let parts = bytes.split(separator: slash, maxSplits: 2, omittingEmptySubsequences: false).map {
      ExactText(String(decoding: $0, as: UTF8.self))
    }
    if parts.contains(where: \.isEmpty) { return (index, "has an empty region, zone or sub-zone") }
    // A star takes in what is written before it as well as behind it; Istio finds the first only by chance of its map's order.
    if known["*"] != nil || (parts[0] == "*" && !known.isEmpty) { return (index, overlap) }
    let region = parts[0]
    let zone = parts.count > 1 ? parts[1] : "*"
    let subZone = parts.count > 2 ? parts[2] : "*"
    if let zones = known[region] {
      if zone == "*" || zones["*"] != nil { return (index, overlap) }
      if let subZones = zones[zone], subZone == "*" || subZones.contains("*") || subZones.contains(subZone) { return (index, overlap) }
    }
    known[region, default: [:]][zone, default: []].insert(subZone)
  }
  return nil
}

/// Why Istio refuses a JWKS address, or nil: the scheme must be http or https, and Go must be able to read the rest.
package func jwksAddressRefusal(_ address: ExactText) -> String? {
  let bytes = address.bytes
  if bytes.count > 2048 { return "has more than 2048 characters" }
  guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return "has no scheme" }
  let scheme = bytes[..<colon].map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
  guard scheme.elementsEqual("http".utf8) || scheme.elementsEqual("https".utf8) else { return "has no scheme `http` or `https`" }
  if bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return "contains a control character" }
  let rest = bytes[(colon + 1)...]
  guard rest.starts(with: "//".utf8) else { return nil }
  let authority = rest.dropFirst(2).prefix { $0 != slash && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
  if authority.contains(where: { $0 == UInt8(ascii: " ") }) { return "has a space in its host" }
  let bracket = authority.lastIndex(of: UInt8(ascii: "]")).map { $0 + 1 } ?? authority.startIndex
  if let port = authority[bracket...].lastIndex(of: UInt8(ascii: ":")), !authority[(port + 1)...].allSatisfy({ (0x30...0x39).contains($0) })
  {
    return "has a port that is no number"
  }
  return nil
}

/// Why Istio refuses a trust domain of the mesh, or nil: DNS labels, of which the last may be empty (ValidateTrustDomain).
package func meshTrustDomainRefusal(_ domain: ExactText) -> String? {
  if domain.isEmpty { return "is empty" }
  var labels = domain.bytes.split(separator: dot, omittingEmptySubsequences: false)[...]
  if labels.last?.isEmpty == true { labels = labels.dropLast() }
  return labels.allSatisfy { isDNSLabel($0) } ? nil : "is not a DNS name"
}

/// Why no peer can be of this trust domain; nil when one can (SPIFFE ID, section 2.1; upper case too, since proxies compare bytes). O(bytes).
package func peerTrustDomainRefusal(_ domain: ExactText) -> String? {
  if domain.isEmpty { return "is empty" }
  let isDomain = domain.bytes.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
    default: false
    }
  }
  return isDomain ? nil : "is not a trust domain"
}

/// The trust domain as identities have it: Istio turns each `@` of the mesh's `trustDomain` into a dot (pkg/spiffe). O(bytes).
package func spiffeTrustDomain(_ domain: ExactText) -> ExactText {
  ExactText(String(decoding: domain.bytes.map { $0 == UInt8(ascii: "@") ? UInt8(ascii: ".") : $0 }, as: UTF8.self))
}

private func isUpperCase(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
