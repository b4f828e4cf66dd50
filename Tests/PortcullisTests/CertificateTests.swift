// `portcullis certificate`: what it says of good, old, foreign and malicious certificates.
// Enters: certificates that the test makes. Leaves: text, JSON, exit codes. Never here: verification itself; PeerIdentity's tests hold that.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `certificate shows what a certificate carries` {
  private static let name = "spiffe://cluster.local/ns/shop/sa/frontend-sa"

  @Test func `names, validity and fingerprint, as text and as JSON`() throws {
    try withSandbox { sandbox in
      var order = CertificateOrder.leaf(Self.name, dns: ["frontend.shop"])
      order.subject = [("O", "acme")]
      let leaf = try IssuedCertificate(order, signedBy: IssuedCertificate(.authority("ca")))
      let path = try sandbox.write(leaf.pem, to: "leaf.pem")
      let text = try sandbox.portcullis("certificate", path)
      #expect(text.code == 0 && text.errors.isEmpty)
      #expect(text.lines.starts(with: ["uri        \(Self.name)", "dns        frontend.shop", "subject    O=acme"]), "\(text.output)")
      #expect(text.output.contains("principal  \(Self.name)   (as Envoy reports it)\nissuer     CN=ca,O=test\n"), "\(text.output)")
      #expect(text.lines.suffix(2) == ["valid      2023-11-14T22:13:20Z to 2033-05-18T03:33:20Z", "verified   not asked"])
      let run = try sandbox.portcullis("certificate", path, "--output", "json")
      let json = try run.json()
      #expect(run.code == 0 && run.lines.count == 1)
      #expect(
        json.keys.sorted() == [
          "authority", "dns", "issuer", "not_after", "not_before", "principal", "reason", "serial", "sha256", "subject", "uri", "valid_now",
          "verified",
        ])
      #expect(json["uri"] as? [String] == [Self.name] && json["verified"] as? String == "not asked")
      #expect(json["valid_now"] as? Bool == true && json["authority"] as? Bool == false)
    }
  }

  @Test func `it verifies with its authority only, in its time only`() throws {
    try withSandbox { sandbox in
      let (own, foreign) = (try IssuedCertificate(.authority("own")), try IssuedCertificate(.authority("foreign")))
      let ownPath = try sandbox.write(own.pem, to: "own.pem")
      let foreignPath = try sandbox.write(foreign.pem, to: "foreign.pem")
      let leaf = try sandbox.write(IssuedCertificate(.leaf(Self.name), signedBy: own).pem, to: "leaf.pem")
      let good = try sandbox.portcullis("certificate", leaf, "--trust-bundle", "cluster.local=\(ownPath)")
      #expect(good.code == 0 && good.lines.last == "verified   yes", "\(good.output)\(good.errors)")
      let bad = try sandbox.portcullis("certificate", leaf, "--trust-bundle", "cluster.local=\(foreignPath)")
      #expect(bad.code == 1 && bad.lines.last?.hasPrefix("verified   no: ") == true, "\(bad.output)\(bad.errors)")
      let other = try sandbox.portcullis("certificate", leaf, "--trust-bundle", "other.example=\(ownPath)", "--output", "json")
      let answer = try other.json()
      #expect(other.code == 1 && answer["verified"] as? String == "no")
      var old = CertificateOrder.leaf(Self.name)
      old.notAfter = 1_700_000_100
      let expired = try sandbox.write(IssuedCertificate(old, signedBy: own).pem, to: "expired.pem")
      let run = try sandbox.portcullis("certificate", expired, "--trust-bundle", "cluster.local=\(ownPath)")
      #expect(run.code == 1 && run.output.contains("  NOT NOW\n") && run.lines.last?.hasPrefix("verified   no: ") == true, "\(run.output)")
      #expect(try sandbox.portcullis("certificate", expired).output.contains("  NOT NOW\n"))
      let authority = try sandbox.portcullis("certificate", ownPath)
      #expect(authority.output.contains("\nauthority  yes: a peer must not use it\n"))
    }
  }

  @Test func `what is no certificate, or no bundle, is named`() throws {
    try withSandbox { sandbox in
      let garbage = try sandbox.write("hello\n", to: "garbage.pem")
      let run = try sandbox.portcullis("certificate", garbage)
      #expect(run.code == 2 && run.output.isEmpty)
      #expect(run.errors == "error: `\(garbage)`: the text is not a PEM certificate\n  = help: name a file with a certificate in PEM\n")
      let missing = try sandbox.portcullis("certificate", "/nowhere.pem")
      #expect(missing.code == 2 && missing.errors == "error: `/nowhere.pem` cannot be read: No such file or directory\n")
      let endless = try sandbox.portcullis("certificate", "/dev/zero")
      #expect(endless.code == 2 && endless.errors == "error: `/dev/zero` is larger than 1048576 bytes\n")
      let leaf = try sandbox.write(IssuedCertificate(.leaf(Self.name)).pem, to: "leaf.pem")
      let bundle = try sandbox.portcullis("certificate", leaf, "--trust-bundle", "cluster.local=/nowhere.pem")
      #expect(bundle.code == 2 && bundle.errors.hasPrefix("error: `/nowhere.pem`: the trust bundle of `cluster.local` cannot be read: "))
    }
  }

  @Test func `a malicious name cannot write lines or command the terminal`() throws {
    try withSandbox { sandbox in
      var order = CertificateOrder.leaf("spiffe://a\nverified   yes\u{1b}[2J")
      order.uris.append([0x78, 0xff])
      let leaf = try IssuedCertificate(order, signedBy: IssuedCertificate(.authority("ca")))
      let path = try sandbox.write(leaf.pem, to: "leaf.pem")
      let run = try sandbox.portcullis("certificate", path)
      #expect(!run.lines.contains("verified   yes\u{1b}[2J") && !run.output.utf8.contains(0x1b), "\(run.output)")
      #expect(run.code != 0 || run.lines.first == "uri        spiffe://a\\u{a}verified   yes\\u{1b}[2J", "\(run.output)\(run.errors)")
    }
  }
}
