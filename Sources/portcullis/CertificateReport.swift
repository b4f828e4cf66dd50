// What a certificate says, for people and for programs.
// Enters: names, validity, the verdict. Leaves: text, or JSON of a stable shape (docs/operating.md).
// Never here: a name printed raw; a certificate comes from anybody, and its names may hold line breaks and commands to a terminal.

internal import DecisionText
internal import Foundation
internal import PeerIdentity

/// The answer of `portcullis certificate`.
struct CertificateReport {
  /// Whether the certificate chains to a trust bundle and is valid now.
  enum Verified: String, Encodable {
    case yes, no
    case notAsked = "not asked"
  }

  let identities: CertificateIdentities
  let details: CertificateDetails
  let validity: CertificateValidity
  /// Unix seconds.
  let now: Int64
  var verified = Verified.notAsked
  /// Why it does not verify; empty when it does.
  var reason = ""

  /// A few lines for people.
  var text: String {
    var lines = identities.uris.map { "uri        \(Printable.text($0))" } + identities.dnsNames.map { "dns        \(Printable.text($0))" }
    lines.append("subject    \(identities.subject.isEmpty ? "(empty)" : Printable.text(identities.subject))")
    lines.append("principal  \(Printable.text(identities.envoyPrincipal))   (as Envoy reports it)")
    lines += ["issuer     \(Printable.text(details.issuer))", "serial     \(details.serial)", "sha256     \(details.sha256)"]
    lines.append(
      "valid      \(Self.time(validity.notBefore)) to \(Self.time(validity.notAfter))\(validity.contains(now) ? "" : "  NOT NOW")")
    if details.isAuthority { lines.append("authority  yes: a peer must not use it") }
    lines.append("verified   \(verified.rawValue)\(reason.isEmpty ? "" : ": \(reason)")")
    return lines.joined(separator: "\n")
  }

  /// One object on one line, keys sorted.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let shape = Shape(
      uri: identities.uris.map(Name.init), dns: identities.dnsNames.map(Name.init), subject: Name(identities.subject),
      principal: Name(identities.envoyPrincipal), issuer: Name(details.issuer), serial: details.serial, sha256: details.sha256,
      notBefore: Self.time(validity.notBefore), notAfter: Self.time(validity.notAfter), validNow: validity.contains(now),
      authority: details.isAuthority, verified: verified, reason: reason)
    return String(decoding: try encoder.encode(shape), as: UTF8.self)
  }

  private static func time(_ seconds: Int64) -> String {
    Date(timeIntervalSince1970: TimeInterval(seconds)).ISO8601Format()
  }

  /// A string, or `{"base64": "…"}` for bytes that are not UTF-8.
  private struct Name: Encodable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      if let text = String(validating: bytes, as: UTF8.self) {
        try container.encode(text)
      } else {
        try container.encode(["base64": Data(bytes).base64EncodedString()])
      }
    }
  }

  private struct Shape: Encodable {
    let uri: [Name]
    let dns: [Name]
    let subject: Name
    let principal: Name
    let issuer: Name
    let serial: String
    let sha256: String
    let notBefore: String
    let notAfter: String
    let validNow: Bool
    let authority: Bool
    let verified: Verified
    let reason: String

    enum CodingKeys: String, CodingKey {
      case uri, dns, subject, principal, issuer, serial, sha256, authority, verified, reason
      case notBefore = "not_before"
      case notAfter = "not_after"
      case validNow = "valid_now"
    }
  }
}
