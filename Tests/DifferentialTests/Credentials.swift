// What clients show: certificates with the names of `Identities`, and signed tokens with the payloads of `Texts.tokens`.
//
// Enters: a sandbox. Leaves: PEM files, identities for the TLS client, a key set, tokens. Made once for a test run.

internal import CTLSClient
internal import Foundation
internal import TestSupport

/// A certificate (or its absence) that connections can be opened with. `@unchecked Sendable`: OpenSSL's contexts may be shared by threads
/// once they are set up.
@safe final class ClientIdentity: @unchecked Sendable {
  let pointer: OpaquePointer?

  init(_ files: (chain: String, key: String)?, isPlaintext: Bool) throws {
    if isPlaintext {
      unsafe pointer = nil
      return
    }
    guard let made = unsafe tls_client_identity_new(files?.chain, files?.key) else {
      throw TestFailure("no TLS identity from \(files as Any)")
    }
    unsafe pointer = made
  }

  deinit { if let pointer = unsafe pointer { unsafe tls_client_identity_free(pointer) } }
}

/// Everything that clients show, and what the proxy needs to believe it.
final class Credentials: Sendable {
  let authority: String
  let server: (chain: String, key: String)
  /// In the order of `Identities.all`.
  let clients: [ClientIdentity]
  /// In the order of `Texts.tokens`.
  let tokens: [String]
  /// The key set as JSON.
  let keys: String

  init(in sandbox: Sandbox) throws {
    let root = try IssuedCertificate(.authority("differential"))
    authority = try sandbox.write(root.pem, to: "ca.pem")
    func files(_ order: CertificateOrder, _ name: String) throws -> (chain: String, key: String) {
      let issued = try IssuedCertificate(order, signedBy: root)
      return (try sandbox.write(issued.pem, to: "\(name).pem"), try sandbox.write(issued.keyPEM, to: "\(name).key"))
    }
    server = try files(.leaf("spiffe://cluster.local/ns/shop/sa/server"), "server")
    clients = try Identities.all.enumerated().map { index, identity in
      guard identity.hasCertificate else { return try ClientIdentity(nil, isPlaintext: identity.isPlaintext) }
      var order = CertificateOrder()
      order.uris = identity.uris.map { Array($0.utf8) }
      order.dnsNames = identity.dns.map { Array($0.utf8) }
      if let subject = identity.subject { order.subject = [("CN", subject)] }
      return try ClientIdentity(files(order, "client-\(index)"), isPlaintext: false)
    }
    let signer = try TokenSigner()
    keys = signer.keys
    tokens = try Texts.tokens.map { try signer.token($0) }
  }
}

/// Signs tokens.
struct TokenSigner: Sendable {
  private let key: String
  /// The key set as JSON.
  let keys: String

  /// With a new key.
  init() throws {
    var order = CertificateOrder.authority("tokens")
    order.key = .rsa(bits: 2048)
    key = try IssuedCertificate(order).keyPEM
    var modulus = [UInt8](repeating: 0, count: 1024)
    let length = unsafe tls_client_modulus(key, &modulus, modulus.count)
    keys = #"{"keys":[{"kty":"RSA","alg":"RS256","kid":"k","e":"AQAB","n":"\#(Self.base64URL(modulus.prefix(length)))"}]}"#
  }

  /// A token with this payload.
  func token(_ payload: String) throws -> String {
    let head = Self.base64URL(#"{"alg":"RS256","kid":"k","typ":"JWT"}"#.utf8) + "." + Self.base64URL(payload.utf8)
    var signature = [UInt8](repeating: 0, count: 1024)
    let bytes = Array(head.utf8)
    let length = unsafe tls_client_sign(key, bytes, bytes.count, &signature, signature.count)
    guard length > 0 else { throw TestFailure("a token cannot be signed") }
    return head + "." + Self.base64URL(signature.prefix(length))
  }

  private static func base64URL(_ bytes: some Sequence<UInt8>) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}
