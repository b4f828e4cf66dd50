// The identity text of a workload: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` (Istio, pkg/spiffe; SPIFFE-ID).

/// A SPIFFE ID in Istio's form of exactly five parts.
public struct SPIFFEID: Sendable, Hashable {
  /// The trust domain.
  public var trustDomain: ExactText
  /// The namespace.
  public var namespace: ExactText
  /// The service account.
  public var serviceAccount: ExactText

  /// Makes an identity from its parts.
  public init(trustDomain: ExactText, namespace: ExactText, serviceAccount: ExactText) {
    self.trustDomain = trustDomain
    self.namespace = namespace
    self.serviceAccount = serviceAccount
  }

  /// Reads `spiffe://td/ns/N/sa/S`; `nil` for anything else, also for empty parts.
  public init?(_ text: ExactText) {
    let scheme = "spiffe://"
    guard text.string.utf8.starts(with: scheme.utf8) else { return nil }
    let parts = text.bytes.dropFirst(scheme.utf8.count).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 5, parts[1].elementsEqual("ns".utf8), parts[3].elementsEqual("sa".utf8),
      !parts[0].isEmpty, !parts[2].isEmpty, !parts[4].isEmpty
    else { return nil }
    self.init(
      trustDomain: ExactText(String(decoding: parts[0], as: UTF8.self)),
      namespace: ExactText(String(decoding: parts[2], as: UTF8.self)),
      serviceAccount: ExactText(String(decoding: parts[4], as: UTF8.self)))
  }

  /// The identity as it stands in certificates.
  public var uri: ExactText { ExactText("spiffe://\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)") }
}
