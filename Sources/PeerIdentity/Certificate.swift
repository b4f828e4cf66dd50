// One parsed certificate. What enters: DER, PEM, or the percent-encoded PEM of `source.certificate`. What leaves: the one owner of one
// OpenSSL certificate, and what it says about itself apart from its identities (those are in CertificateIdentities.swift). Never here:
// trust. A `Certificate` has been read, not believed.

internal import COpenSSL

/// The owner of one parsed X.509 certificate.
///
/// Not copyable: the OpenSSL object is freed exactly once, when the owner goes.
@safe
public struct Certificate: ~Copyable {
  /// The longest text or DER that is looked at, in bytes. Mesh certificates are about 1 kB.
  public static let maximumEncodedLength = 65_536

  private let handle: OpaquePointer

  /// Parses exactly one DER certificate; bytes after it are an error.
  ///
  /// - Throws: `CertificateError` with `tooLarge`, `malformedDER` or `malformedExtension`.
  public init(der: [UInt8]) throws(CertificateError) {
    guard der.count <= Certificate.maximumEncodedLength else { throw CertificateError(.tooLarge) }
    ERR_clear_error()
    let parsed = unsafe der.withUnsafeBufferPointer { bytes -> (certificate: OpaquePointer?, consumed: Int) in
      guard let start = bytes.baseAddress else { return (nil, 0) }
      var cursor: UnsafePointer<UInt8>? = unsafe start
      let certificate = unsafe d2i_X509(nil, &cursor, bytes.count)
      return unsafe (certificate, cursor.map { unsafe $0 - start } ?? 0)
    }
    guard let certificate = unsafe parsed.certificate else {
      throw CertificateError(.malformedDER, detail: drainOpenSSLErrors())
    }
    guard unsafe parsed.consumed == der.count else {
      unsafe X509_free(certificate)
      throw CertificateError(.malformedDER, detail: "more bytes follow it")
    }
    // Asking for the flags makes OpenSSL parse the extensions that it knows; an invalid or repeated one would make it (and the
    // proxy's own library) refuse every chain, and may be read differently by two readers.
    guard unsafe X509_get_extension_flags(certificate) & UInt32(EXFLAG_INVALID) == 0 else {
      unsafe X509_free(certificate)
      throw CertificateError(.malformedExtension, detail: drainOpenSSLErrors())
    }
    unsafe handle = certificate
  }

  /// Parses text that is exactly one PEM certificate: nothing before it, only line ends after it.
  ///
  /// A chain file is not that; read it with `PEM.certificates(in:)`.
  public init(pem: [UInt8]) throws(CertificateError) {
    guard pem.count <= Certificate.maximumEncodedLength else { throw CertificateError(.tooLarge) }
    try self.init(der: try PEM.onlyCertificate(in: pem))
  }

  /// Parses `source.certificate` of a check request: one PEM certificate, percent-encoded by the proxy.
  public init(urlEncodedPEM text: Span<UInt8>) throws(CertificateError) {
    guard text.count <= Certificate.maximumEncodedLength else { throw CertificateError(.tooLarge) }
    guard let pem = PEM.percentDecoded(text) else { throw CertificateError(.malformedEscape) }
    try self.init(pem: pem)
  }

  deinit {
    unsafe X509_free(handle)
  }

  /// Lends the OpenSSL object; it must not outlive `body`.
  borrowing func withX509<Value>(_ body: (OpaquePointer) -> Value) -> Value {
    unsafe body(handle)
  }
}

/// When a certificate is valid: `notBefore <= now < notAfter`.
///
/// The last second is excluded, as OpenSSL and the proxy's BoringSSL exclude it (RFC 5280, 4.1.2.5, would include it).
public struct CertificateValidity: Sendable, Equatable {
  /// First valid second, Unix time.
  public let notBefore: Int64
  /// First second that is no longer valid, Unix time.
  public let notAfter: Int64

  /// Whether `now` (Unix seconds) is inside.
  public func contains(_ now: Int64) -> Bool {
    notBefore <= now && now < notAfter
  }
}

/// What a person wants to see of a certificate beside its identities.
public struct CertificateDetails: Sendable, Equatable {
  /// Issuer in RFC 2253 text.
  public let issuer: [UInt8]
  /// Serial number, upper-case hexadecimal, with `-` before a negative one.
  public let serial: String
  /// SHA-256 of the DER bytes, lower-case hexadecimal: the `Hash` of Envoy's `x-forwarded-client-cert`.
  public let sha256: String
  /// Whether it may sign certificates (basic constraints, RFC 5280, 4.2.1.9, or an old way of saying so).
  public let isAuthority: Bool
}

extension Certificate {
  /// The validity that the certificate claims.
  ///
  /// - Throws: `CertificateError` with `malformedTime`.
  public borrowing func validity() throws(CertificateError) -> CertificateValidity {
    let bounds = unsafe withX509 { x509 in
      unsafe (unixTime(X509_get0_notBefore(x509)), unixTime(X509_get0_notAfter(x509)))
    }
    guard let notBefore = bounds.0, let notAfter = bounds.1 else {
      throw CertificateError(.malformedTime, detail: drainOpenSSLErrors())
    }
    return CertificateValidity(notBefore: notBefore, notAfter: notAfter)
  }

  /// Issuer, serial number and fingerprint.
  ///
  /// - Throws: `CertificateError` with `malformedName` or `outOfMemory`.
  public borrowing func details() throws(CertificateError) -> CertificateDetails {
    let issuer = try unsafe printedName { unsafe X509_get_issuer_name($0) }
    let serial = unsafe withX509 { x509 -> String? in
      guard let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nil) else { return nil }
      defer { unsafe BN_free(number) }
      guard let text = unsafe BN_bn2hex(number) else { return nil }
      defer { unsafe CRYPTO_free(text, "", 0) }
      return unsafe String(cString: text)
    }
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    let hashed = unsafe withX509 { unsafe X509_digest($0, EVP_sha256(), &digest, &length) }
    guard let serial, hashed == 1 else { throw CertificateError(.outOfMemory, detail: drainOpenSSLErrors()) }
    let digits = Array("0123456789abcdef".utf8)
    let hexadecimal = digest.prefix(Int(length)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return CertificateDetails(
      issuer: issuer, serial: serial, sha256: String(decoding: hexadecimal, as: UTF8.self), isAuthority: isAuthority)
  }

  /// Whether it may sign certificates, or says in any way that it may.
  ///
  /// SPIFFE X.509-SVID 3.1 and 4.3: a leaf has CA false and neither keyCertSign nor cRLSign. `X509_check_ca` alone would not do: it says no
  /// to CA true without keyCertSign.
  var isAuthority: Bool {
    unsafe withX509 { x509 in
      if unsafe X509_get_extension_flags(x509) & UInt32(EXFLAG_CA) != 0 { return true }
      if unsafe X509_check_ca(x509) != 0 { return true }
      let usage = unsafe X509_get_key_usage(x509)
      return usage != UInt32.max && usage & UInt32(X509v3_KU_KEY_CERT_SIGN | X509v3_KU_CRL_SIGN) != 0
    }
  }

  /// Whether basic constraints say CA true and the key usage, if there is one, has keyCertSign: the only kind that a trust bundle may hold.
  var isSigner: Bool {
    unsafe withX509 { unsafe X509_check_ca($0) == 1 }
  }
}

/// Unix seconds of an ASN.1 time, or nil if it is not a time.
private func unixTime(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
  guard let time = unsafe time, let epoch = unsafe ASN1_TIME_set(nil, 0) else { return nil }
  defer { unsafe ASN1_TIME_free(epoch) }
  var days: Int32 = 0
  var seconds: Int32 = 0
  guard unsafe ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return nil }
  return Int64(days) * 86_400 + Int64(seconds)
}
