// Trust domain aliases and the `cluster.local` pointer (Istio, pilot/pkg/security/trustdomain).
// Enters: a value of `principals` or `trustDomains`. Leaves: the values that are matched in its place.
// Never here: namespaces and service accounts; they match in any trust domain.

package import PolicyModel

extension MeshSettings {
  /// What a value of `principals` or `source.principal` stands for. Only values of exactly five parts are rewritten, so
  /// `cluster.local/ns/foo/*` never is (istio/istio issue 47322).
  package func expandingPrincipal(_ value: ExactText) -> [ExactText] {
    let parts = value.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
      ExactText(String(decoding: $0, as: UTF8.self))
    }
    guard parts.count == 5, parts[0] != "*" else { return [value] }
    let domain = parts[0]
    guard domain == "cluster.local" || allTrustDomains.contains(where: { Self.covers($0, domain) }) else { return [value] }
    var values: [ExactText] = []
    for trusted in allTrustDomains {
      let keeps = domain.string.utf8.first == UInt8(ascii: "*") && trusted.bytes.hasSuffix(Array(domain.bytes.dropFirst()))
      let expanded = keeps ? value : ExactText(([trusted] + parts.dropFirst()).map(\.string).joined(separator: "/"))
      if !values.contains(expanded) { values.append(expanded) }
    }
    return values
  }

  /// What a value of `trustDomains` stands for: a trusted domain stands for all of them, a pattern for itself.
  package func expandingTrustDomain(_ value: ExactText) -> [ExactText] {
    guard allTrustDomains.contains(value) else { return [value] }
    var values: [ExactText] = []
    for domain in allTrustDomains where !values.contains(domain) { values.append(domain) }
    return values
  }

  /// Equal, or one is a pattern with a star at its start or end that covers the other.
  private static func covers(_ left: ExactText, _ right: ExactText) -> Bool {
    left == right || isPattern(left.bytes, covering: right.bytes) || isPattern(right.bytes, covering: left.bytes)
  }

  private static func isPattern(_ pattern: [UInt8], covering text: [UInt8]) -> Bool {
    let star = UInt8(ascii: "*")
    if pattern == [star] { return true }
    if pattern.last == star { return text.starts(with: pattern.dropLast()) }
    if pattern.first == star { return text.hasSuffix(Array(pattern.dropFirst())) }
    return false
  }
}

extension Array where Element == UInt8 {
  /// Whether the bytes end with these.
  func hasSuffix(_ suffix: [UInt8]) -> Bool {
    count >= suffix.count && self[(count - suffix.count)...].elementsEqual(suffix)
  }
}
