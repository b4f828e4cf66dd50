// Certificates for the load's peers, made with the `openssl` command in a directory of their own and never kept.
// What enters are peers; what leaves is, for each, the leaf certificate as Envoy sends it (URL-encoded PEM), and the file of the
// authority that signed them all. No private key is written to disk but the authority's, which goes with the directory.
internal import Foundation

/// An authority and the certificates that it signed.
struct PeerCertificates {
  /// The authority's certificate, PEM: what a server that verifies is given as trust bundle.
  let authority: URL
  /// URL-encoded PEM of each peer's leaf.
  let leaves: [Peer: String]

  /// Makes an authority and signs one certificate for each peer: P-256, one SPIFFE URI, two days.
  init(for peers: [Peer], in directory: URL) throws {
    let settings = directory.appendingPathComponent("openssl.cnf")
    try "[req]\ndistinguished_name = name\n[name]\n".write(to: settings, atomically: true, encoding: .utf8)
    let authority = directory.appendingPathComponent("authority.pem")
    let key = directory.appendingPathComponent("authority.key")
    let common = [
      "req", "-x509", "-config", settings.path, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    ]
    _ = try Self.openssl(
      common + [
        "-subj", "/O=bench", "-keyout", key.path, "-out", authority.path, "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
      ])
    var leaves: [Peer: String] = [:]
    for peer in peers {
      let pem = try Self.openssl(
        common + [
          "-subj", "/O=bench", "-keyout", "/dev/null", "-CA", authority.path, "-CAkey", key.path,
          "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature", "-addext",
          "extendedKeyUsage=serverAuth,clientAuth", "-addext", "subjectAltName=URI:\(peer.principal)",
        ])
      leaves[peer] = Self.urlEncoded(pem)
    }
    self.authority = authority
    self.leaves = leaves
  }

  /// As Envoy encodes a certificate: everything but letters, digits and `-._~` becomes `%XX`.
  private static func urlEncoded(_ pem: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var text = ""
    for byte in pem.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        text.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        text.append("%")
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
      }
    }
    return text
  }

  private static func openssl(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw BenchError("`openssl req` failed: \(String(decoding: complaint, as: UTF8.self))")
    }
    return String(decoding: text, as: UTF8.self)
  }
}
