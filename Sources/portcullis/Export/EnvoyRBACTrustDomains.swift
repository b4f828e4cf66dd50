// What trust domain aliases do to the values of a policy (Istio, pilot/pkg/security/trustdomain).
//
// Enters: values as written, the mesh's trust domain and aliases. Leaves: the values that are compared. Never happens here: matching.

internal import PolicyModel

/// The mesh's trust domain and its aliases.
struct TrustDomainBundle {
  /// The trust domain first.
  let domains: [[UInt8]]

  init(_ mesh: MeshSettings) {
    domains = ([mesh.trustDomain] + mesh.trustDomainAliases).map(\.bytes)
  }

  /// Principals with their trust domain replaced by each of the mesh's, where it is one of them or `cluster.local`.
  func principals(_ values: [ExactText]) -> [ExactText] {
    values.flatMap { value -> [ExactText] in
      let parts = value.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      guard parts.count == 5, !parts[0].elementsEqual("*".utf8), isRecognized(parts[0]) else { return [value] }
      var replaced: [ExactText] = []
      for domain in domains {
        // `*-td1` covers `old-td1`: the pattern stays as it is for this one.
        let bytes = Self.isSuffix(parts[0], of: domain) ? value.bytes : domain + value.bytes[parts[0].endIndex...]
        let text = ExactText(String(decoding: bytes, as: UTF8.self))
        if !replaced.contains(text) { replaced.append(text) }
      }
      return replaced
    }
  }

  /// Trust domains with each of the mesh's replaced by all of them. A value with a star stays.
  func trustDomains(_ values: [ExactText]) -> [ExactText] {
    var expanded: [ExactText] = []
    for value in values {
      let all = domains.contains(value.bytes) ? domains.map { ExactText(String(decoding: $0, as: UTF8.self)) } : [value]
      for text in all where !expanded.contains(text) { expanded.append(text) }
    }
    return expanded
  }

  private func isRecognized(_ written: ArraySlice<UInt8>) -> Bool {
    if written.elementsEqual("cluster.local".utf8) { return true }
    return domains.contains { domain in
      domain.elementsEqual(written) || domain.elementsEqual("*".utf8)
        || Self.isPrefix(written, of: domain) || Self.isPrefix(domain[...], of: Array(written))
        || Self.isSuffix(written, of: domain) || Self.isSuffix(domain[...], of: Array(written))
    }
  }

  /// Whether `pattern` is `text*` and covers `domain`.
  private static func isPrefix(_ pattern: ArraySlice<UInt8>, of domain: [UInt8]) -> Bool {
    pattern.last == UInt8(ascii: "*") && domain.starts(with: pattern.dropLast())
  }

  /// Whether `pattern` is `*text` and covers `domain`.
  private static func isSuffix(_ pattern: ArraySlice<UInt8>, of domain: [UInt8]) -> Bool {
    pattern.first == UInt8(ascii: "*") && domain.reversed().starts(with: pattern.dropFirst().reversed())
  }
}
