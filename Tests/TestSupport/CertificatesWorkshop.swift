// Certificates for tests, made in process with libcrypto. What enters: what a certificate shall say, however strange, and who signs it.
// What leaves: the certificate and its key as PEM. Never here: anything that the code under test could share with it but libcrypto itself.

internal import COpenSSL

/// OpenSSL refused to make a certificate; the text says where.
public struct CertificateWorkshopError: Error, CustomStringConvertible {
  /// The call that failed.
  public let description: String
}

/// What a certificate shall say.
public struct CertificateOrder: Sendable {
  /// How the key is made.
  public enum Key: Sendable {
    case p256
    case rsa(bits: Int32)
  }
  /// What signs.
  public enum Digest: Sendable {
    case sha256
    case sha1
  }

  /// Subject, outermost attribute first: `("C", "DE"), ("O", "acme, inc")`. A type beginning with `+` joins the attribute before it.
  public var subject: [(type: String, value: String)] = []
  /// URI names, as bytes so that they can be wrong.
  public var uris: [[UInt8]] = []
  /// DNS names.
  public var dnsNames: [[UInt8]] = []
  /// First valid second, Unix time.
  public var notBefore: Int64 = 1_700_000_000
  /// End of validity, Unix time.
  public var notAfter: Int64 = 2_000_000_000
  /// `basicConstraints` in OpenSSL's configuration syntax; nil leaves the extension out.
  public var basicConstraints: String? = "critical,CA:FALSE"
  /// `keyUsage`, likewise.
  public var keyUsage: String? = "critical,digitalSignature,keyEncipherment"
  /// `extendedKeyUsage`, likewise.
  public var extendedKeyUsage: String? = "serverAuth,clientAuth"
  /// `nameConstraints`, likewise.
  public var nameConstraints: String?
  /// Puts the subject alternative name in twice, which RFC 5280 forbids.
  public var repeatsNames = false
  /// Kind and size of the key.
  public var key = Key.p256
  /// What the issuer signs with.
  public var digest = Digest.sha256

  /// An end certificate without any name.
  public init() {}

  /// A leaf as a mesh makes it.
  public static func leaf(_ uris: String..., dns: [String] = []) -> CertificateOrder {
    var order = CertificateOrder()
    order.uris = uris.map { Array($0.utf8) }
    order.dnsNames = dns.map { Array($0.utf8) }
    return order
  }

  /// A root or intermediate.
  public static func authority(_ name: String) -> CertificateOrder {
    var order = CertificateOrder()
    order.subject = [("O", "test"), ("CN", name)]
    order.basicConstraints = "critical,CA:TRUE"
    order.keyUsage = "critical,keyCertSign,cRLSign"
    order.extendedKeyUsage = nil
    return order
  }
}

/// A certificate with its key.
///
/// `@unchecked Sendable`: both objects are made once and only read afterwards.
@safe
public final class IssuedCertificate: @unchecked Sendable {
  let certificate: OpaquePointer
  let key: OpaquePointer
  /// The certificate as PEM.
  public let pem: String
  /// The private key as PEM (PKCS 8).
  public let keyPEM: String

  /// `pem` as Envoy writes it into `source.certificate`.
  public var urlEncodedPEM: String { CertificateText.urlEncoded(pem) }

  /// Makes a certificate.
  ///
  /// - Parameter issuer: who signs; nil for a self-signed one.
  public init(_ order: CertificateOrder, signedBy issuer: IssuedCertificate? = nil) throws {
    let key = try unsafe IssuedCertificate.makeKey(order.key)
    guard let certificate = unsafe X509_new() else { throw CertificateWorkshopError(description: "X509_new") }
    unsafe self.key = key
    unsafe self.certificate = certificate
    let issuerCertificate = unsafe issuer?.certificate ?? certificate
    let issuerKey = unsafe issuer?.key ?? key
    try unsafe IssuedCertificate.fill(certificate, with: order, key: key, issuer: issuerCertificate)
    let digest = unsafe order.digest == .sha1 ? EVP_sha1() : EVP_sha256()
    guard unsafe X509_sign(certificate, issuerKey, digest) > 0 else { throw CertificateWorkshopError(description: "X509_sign") }
    pem = try unsafe CertificateText.written { unsafe PEM_write_bio_X509($0, certificate) }
    keyPEM = try unsafe CertificateText.written { unsafe PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
  }

  deinit {
    unsafe X509_free(certificate)
    unsafe EVP_PKEY_free(key)
  }

  private static func makeKey(_ kind: CertificateOrder.Key) throws -> OpaquePointer {
    var key: OpaquePointer?
    let type =
      switch kind {
      case .p256: EVP_PKEY_EC
      case .rsa: EVP_PKEY_RSA
      }
    guard let context = unsafe EVP_PKEY_CTX_new_id(type, nil) else { throw CertificateWorkshopError(description: "EVP_PKEY_CTX_new_id") }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    guard unsafe EVP_PKEY_keygen_init(context) == 1 else { throw CertificateWorkshopError(description: "EVP_PKEY_keygen_init") }
    switch kind {
    case .p256: unsafe EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1)
    case .rsa(let bits): unsafe EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits)
    }
    guard unsafe EVP_PKEY_keygen(context, &key) == 1, let key = unsafe key else {
      throw CertificateWorkshopError(description: "EVP_PKEY_keygen")
    }
    return unsafe key
  }

  private static func fill(
    _ certificate: OpaquePointer, with order: CertificateOrder, key: OpaquePointer, issuer: OpaquePointer
  ) throws {
    unsafe X509_set_version(certificate, 2)
    unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), UInt64.random(in: 1...UInt64(Int64.max)))
    unsafe ASN1_TIME_set(X509_getm_notBefore(certificate), Int(order.notBefore))
    unsafe ASN1_TIME_set(X509_getm_notAfter(certificate), Int(order.notAfter))
    unsafe X509_set_pubkey(certificate, key)
    let subject = unsafe X509_get_subject_name(certificate)
    for attribute in order.subject {
      let joins = attribute.type.hasPrefix("+")
      let type = joins ? String(attribute.type.dropFirst()) : attribute.type
      let value = Array(attribute.value.utf8)
      guard unsafe X509_NAME_add_entry_by_txt(subject, type, MBSTRING_UTF8, value, Int32(value.count), -1, joins ? -1 : 0) == 1 else {
        throw CertificateWorkshopError(description: "subject \(attribute)")
      }
    }
    unsafe X509_set_issuer_name(certificate, X509_get_subject_name(issuer))
    let extensions: [(Int32, String?)] = [
      (NID_basic_constraints, order.basicConstraints), (NID_key_usage, order.keyUsage), (NID_ext_key_usage, order.extendedKeyUsage),
      (NID_name_constraints, order.nameConstraints), (NID_subject_key_identifier, "hash"),
      // Of a self-signed certificate the issuer's key identifier is its own, which is there by now.
      (NID_authority_key_identifier, "keyid"),
    ]
    for case (let identifier, let value?) in extensions {
      var context = unsafe X509V3_CTX()
      unsafe X509V3_set_ctx(&context, issuer, certificate, nil, nil, 0)
      guard let made = unsafe X509V3_EXT_conf_nid(nil, &context, identifier, value) else {
        throw CertificateWorkshopError(description: "extension \(value)")
      }
      unsafe X509_add_ext(certificate, made, -1)
      unsafe X509_EXTENSION_free(made)
    }
    for _ in 0..<(order.repeatsNames ? 2 : 1) { try unsafe addNames(of: order, to: certificate) }
  }

  private static func addNames(of order: CertificateOrder, to certificate: OpaquePointer) throws {
    if order.uris.isEmpty && order.dnsNames.isEmpty { return }
    guard let names = unsafe OPENSSL_sk_new_null() else { throw CertificateWorkshopError(description: "OPENSSL_sk_new_null") }
    defer { unsafe GENERAL_NAMES_free(names) }
    for (kind, texts) in [(GEN_URI, order.uris), (GEN_DNS, order.dnsNames)] {
      for text in texts {
        guard let name = unsafe GENERAL_NAME_new(), let value = unsafe ASN1_IA5STRING_new() else {
          throw CertificateWorkshopError(description: "GENERAL_NAME_new")
        }
        unsafe ASN1_STRING_set(value, text, Int32(text.count))
        unsafe GENERAL_NAME_set0_value(name, kind, value)
        unsafe OPENSSL_sk_push(names, name)
      }
    }
    guard unsafe X509_add1_ext_i2d(certificate, NID_subject_alt_name, UnsafeMutableRawPointer(names), 0, UInt(X509V3_ADD_APPEND)) == 1
    else {
      throw CertificateWorkshopError(description: "subjectAltName")
    }
  }
}
