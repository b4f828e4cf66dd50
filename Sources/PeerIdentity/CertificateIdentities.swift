// Who a certificate says its holder is. What enters: a parsed certificate. What leaves: every string that Envoy's RBAC `authenticated`
// would test, as bytes: all URI names, all DNS names, the subject. Never here: a String, a comparison, or the decision whether the
// certificate may say so.

internal import COpenSSL

/// The names in a certificate, byte for byte (a NUL inside a name stays there).
public struct CertificateIdentities: Sendable, Equatable {
  /// URI subject alternative names in the certificate's order.
  public let uris: [[UInt8]]
  /// DNS subject alternative names in the certificate's order.
  public let dnsNames: [[UInt8]]
  /// Subject in RFC 2253 text as Envoy prints it, for example `CN=client,O=acme\, inc`; empty if the subject is empty.
  public let subject: [UInt8]

  /// The one string that Envoy puts into `source.principal`: the first URI name, else the first DNS name, else the subject.
  public var envoyPrincipal: [UInt8] {
    uris.first ?? dnsNames.first ?? subject
  }
}

extension Certificate {
  /// All names of the certificate.
  ///
  /// - Throws: `CertificateError` with `malformedExtension` if the subject alternative name is damaged or present twice, `malformedName`
  ///   if the subject cannot be printed. Neither is ever read as "no names".
  /// - Complexity: linear in the size of the certificate.
  public borrowing func identities() throws(CertificateError) -> CertificateIdentities {
    let subject = try unsafe printedName { unsafe X509_get_subject_name($0) }
    ERR_clear_error()
    let names = unsafe withX509 { x509 -> (uris: [[UInt8]], dnsNames: [[UInt8]])? in
      var critical: Int32 = 0
      guard let found = unsafe X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, nil) else {
        // -1: the extension is absent. Anything else: present, and damaged or repeated.
        return critical == -1 ? ([], []) : nil
      }
      let list = OpaquePointer(found)
      defer { unsafe GENERAL_NAMES_free(list) }
      return unsafe (nameTexts(of: list, kind: GEN_URI), nameTexts(of: list, kind: GEN_DNS))
    }
    guard let names else { throw CertificateError(.malformedExtension, detail: drainOpenSSLErrors()) }
    return CertificateIdentities(uris: names.uris, dnsNames: names.dnsNames, subject: subject)
  }

  /// A distinguished name in the RFC 2253 text of `X509_NAME_print_ex` with `XN_FLAG_RFC2253`: what Envoy's RBAC compares.
  borrowing func printedName(_ select: (OpaquePointer) -> OpaquePointer?) throws(CertificateError) -> [UInt8] {
    ERR_clear_error()
    guard let out = unsafe BIO_new(BIO_s_mem()) else { throw CertificateError(.outOfMemory, detail: drainOpenSSLErrors()) }
    defer { unsafe BIO_free(out) }
    let printed = unsafe withX509 { x509 -> Bool in
      guard let name = unsafe select(x509) else { return false }
      return unsafe portcullis_print_rfc2253(out, name) >= 0
    }
    guard printed else { throw CertificateError(.malformedName, detail: drainOpenSSLErrors()) }
    var start: UnsafeMutablePointer<CChar>?
    let length = unsafe portcullis_bio_bytes(out, &start)
    guard length > 0, let start = unsafe start else { return [] }
    return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: length))
  }
}

/// The texts of all names of one kind, in order.
private func nameTexts(of names: OpaquePointer, kind: Int32) -> [[UInt8]] {
  var texts: [[UInt8]] = []
  for index in 0..<max(0, unsafe portcullis_general_name_count(names)) {
    guard let text = unsafe portcullis_general_name_text(names, index, kind) else { continue }
    let length = unsafe Int(ASN1_STRING_length(text))
    guard length > 0, let bytes = unsafe ASN1_STRING_get0_data(text) else {
      texts.append([])
      continue
    }
    texts.append(unsafe [UInt8](UnsafeBufferPointer(start: bytes, count: length)))
  }
  return texts
}
