// Certificates for the shop's sidecars, made for one test: a CA, a SPIFFE leaf for each service account, and a stranger's CA with a leaf that
// claims the frontend's name.
//
// Enters: a sandbox. Leaves: PEM files in it. Never happens here: a certificate that outlives its test.

internal import TestSupport

/// PEM files in a sandbox.
struct ShopCertificates {
  /// The shop's CA.
  let authority: String
  /// A leaf with the frontend's name, signed by somebody else.
  let foreign: CertificateFiles
  /// The engine's own certificate, with the DNS name `engine.test`.
  let engine: CertificateFiles
  private var leaves: [String: CertificateFiles] = [:]

  init(in sandbox: Sandbox) throws {
    let root = try IssuedCertificate(.authority("shop"))
    authority = try sandbox.write(root.pem, to: "certificates/ca.pem")
    let stranger = try IssuedCertificate(.authority("stranger"))
    foreign = try Self.write(Self.leaf("frontend-sa", stranger), "foreign", sandbox)
    engine = try Self.write(IssuedCertificate(.leaf(dns: ["engine.test"]), signedBy: root), "engine", sandbox)
    for account in ["frontend-sa", "backend-sa", "db-sa"] {
      leaves[account] = try Self.write(Self.leaf(account, root), account, sandbox)
    }
  }

  /// The files of a service account.
  subscript(account: String) -> CertificateFiles { leaves[account] ?? foreign }

  private static func leaf(_ account: String, _ issuer: IssuedCertificate) throws -> IssuedCertificate {
    try IssuedCertificate(.leaf("spiffe://cluster.local/ns/shop/sa/\(account)"), signedBy: issuer)
  }

  private static func write(_ certificate: IssuedCertificate, _ name: String, _ sandbox: Sandbox) throws -> CertificateFiles {
    try CertificateFiles(
      chain: sandbox.write(certificate.pem, to: "certificates/\(name).pem"),
      key: sandbox.write(certificate.keyPEM, to: "certificates/\(name).key"))
  }
}
