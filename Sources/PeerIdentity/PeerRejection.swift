// Why a peer's certificate is refused. What enters: a reason and OpenSSL's number for it. What leaves: a small value that the hot path
// can copy, and its sentence when someone asks. Never here: a way to turn a refused certificate into "no certificate".

internal import COpenSSL

/// A peer certificate that is present and refused; on the wire this is `peer-certificate-rejected`, before any policy is asked.
public struct PeerRejection: Error, Sendable, Equatable, CustomStringConvertible {
  /// The closed list of reasons.
  public enum Reason: UInt8, Sendable, CaseIterable {
    /// Not one readable certificate; also the empty text.
    case malformed = 1
    /// Longer than `Certificate.maximumEncodedLength`.
    case tooLarge
    /// No URI name, where a trust bundle must vouch for one.
    case noIdentity
    /// A URI name that is not `spiffe://DOMAIN/…`, or a DNS name that pretends to be one: no bundle can vouch for it.
    case notSPIFFE
    /// SPIFFE names of different trust domains: one authority cannot vouch for both.
    case severalTrustDomains
    /// No bundle for the trust domain of the name.
    case unknownTrustDomain
    /// The certificate may itself sign certificates (SPIFFE X.509-SVID, 3.1: a leaf must not).
    case certificateAuthority
    /// No chain to the bundle of its trust domain, a bad signature, a weak key, a wrong purpose.
    case untrusted
    /// The certificate, or one that it rests on, has expired.
    case expired
    /// The certificate, or one that it rests on, is not valid yet.
    case notYetValid
    /// OpenSSL could not do the work, for example without memory.
    case unverifiable
  }

  /// Why.
  public let reason: Reason
  /// `CertificateError.Code` for `malformed`, OpenSSL's `X509_V_ERR` number for a failed chain, else 0.
  let detail: Int32

  init(_ reason: Reason, detail: Int32 = 0) {
    self.reason = reason
    self.detail = detail
  }

  init(_ error: CertificateError) {
    switch error.code {
    case .tooLarge: self.init(.tooLarge)
    case .outOfMemory: self.init(.unverifiable)
    default: self.init(.malformed, detail: Int32(error.code.rawValue))
    }
  }

  /// A failed chain, from OpenSSL's number.
  init(chainError: Int32) {
    let reason: Reason =
      switch chainError {
      case X509_V_ERR_CERT_HAS_EXPIRED: .expired
      case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
      case X509_V_OK, X509_V_ERR_UNSPECIFIED, X509_V_ERR_OUT_OF_MEM: .unverifiable
      default: .untrusted
      }
    self.init(reason, detail: chainError)
  }

  /// One sentence, lower-case and without a full stop, for a log or a reply.
  public var description: String {
    switch reason {
    case .malformed:
      return CertificateError.Code(rawValue: UInt8(truncatingIfNeeded: detail))?.sentence ?? "the text is not a certificate"
    case .tooLarge: return CertificateError.Code.tooLarge.sentence
    case .noIdentity: return "the certificate has no SPIFFE name that a trust bundle could vouch for"
    case .notSPIFFE: return "the certificate has a name that no trust bundle can vouch for"
    case .severalTrustDomains: return "the certificate has SPIFFE names of several trust domains"
    case .unknownTrustDomain: return "there is no trust bundle for the certificate's trust domain"
    case .certificateAuthority: return "the certificate is one that may sign certificates"
    case .untrusted, .expired, .notYetValid, .unverifiable:
      guard let text = unsafe X509_verify_cert_error_string(Int(detail)) else { return "the certificate cannot be verified" }
      return unsafe "the certificate does not verify: \(String(cString: text))"
    }
  }
}
