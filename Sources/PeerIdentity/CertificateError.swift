// Why bytes are not a certificate that we can read. What enters: a code, and the text of OpenSSL's error queue. What leaves: a typed
// error and, only if someone asks, its sentence. Never here: a verdict on trust (that is `PeerRejection`).

internal import COpenSSL

/// Bytes that are not a readable certificate.
///
/// Every such certificate is refused; none is ever treated as if no certificate had been sent.
public struct CertificateError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong.
  public enum Code: UInt8, Sendable, CaseIterable {
    /// Longer than `Certificate.maximumEncodedLength`.
    case tooLarge = 1
    /// A `%` that two hexadecimal digits do not follow (RFC 3986, 2.1).
    case malformedEscape
    /// No `-----BEGIN CERTIFICATE-----` where one must stand, or no matching end line (RFC 7468).
    case notPEM
    /// A PEM block of another kind, for example a private key.
    case otherBlock
    /// More than one block, or other text after the block, where exactly one certificate is expected.
    case severalBlocks
    /// The body of the block is not canonical base64 (RFC 4648, 4).
    case malformedBase64
    /// The bytes are not one DER certificate, or more bytes follow it (RFC 5280, 4.1).
    case malformedDER
    /// An extension that OpenSSL understands is invalid or present twice; the subject alternative name above all.
    case malformedExtension
    /// The subject or the issuer cannot be printed.
    case malformedName
    /// `notBefore` or `notAfter` is not a time.
    case malformedTime
    /// OpenSSL could not allocate memory.
    case outOfMemory
  }

  /// What is wrong.
  public let code: Code
  /// OpenSSL's own words, empty when the fault was found without it.
  public let detail: String

  init(_ code: Code, detail: String = "") {
    self.code = code
    self.detail = detail
  }

  /// One sentence, lower-case and without a full stop, for a log or a diagnostic.
  public var description: String {
    detail.isEmpty ? code.sentence : "\(code.sentence): \(detail)"
  }
}

extension CertificateError.Code {
  /// The sentence for this code alone.
  var sentence: String {
    switch self {
    case .tooLarge: "the certificate is larger than \(Certificate.maximumEncodedLength) bytes"
    case .malformedEscape: "the certificate text has a `%` without two hexadecimal digits"
    case .notPEM: "the text is not a PEM certificate"
    case .otherBlock: "the text holds a PEM block that is not a certificate"
    case .severalBlocks: "the text holds more than one PEM certificate, or something after it"
    case .malformedBase64: "the body of the PEM block is not base64"
    case .malformedDER: "the bytes are not one DER certificate"
    case .malformedExtension: "an extension of the certificate is invalid or present twice"
    case .malformedName: "a name in the certificate cannot be printed"
    case .malformedTime: "the validity of the certificate is not readable"
    case .outOfMemory: "out of memory"
    }
  }
}

/// Empties OpenSSL's error queue of this thread and returns its first message: what happened, without OpenSSL's numbers.
func drainOpenSSLErrors() -> String {
  let first = ERR_get_error()
  ERR_clear_error()
  guard first != 0, let reason = unsafe ERR_reason_error_string(first) else { return "" }
  return unsafe String(cString: reason)
}
