// The text of a certificate: what is read, and above all what is refused. What enters: PEM, damaged in one way each. What leaves: a
// certificate or the reason. Never here: trust.

internal import PeerIdentity
internal import TestSupport
internal import Testing

@Suite struct `The text of a certificate` {
  private func failure(_ text: String) -> CertificateError.Code? {
    let bytes = Array(text.utf8)
    do {
      _ = try Certificate(urlEncodedPEM: bytes.span)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `Envoy's encoding, plain PEM and fully escaped PEM are the same certificate`() throws {
    let leaf = try makeLeaf("spiffe://td/a", by: nil)
    let escaped = leaf.pem.utf8.map { "%" + (String($0, radix: 16).count == 1 ? "0" : "") + String($0, radix: 16) }.joined()
    for text in [leaf.urlEncodedPEM, leaf.pem, escaped, leaf.pem.replacing("\n", with: "\r\n")] {
      #expect(TrustBundles.unverified.seen(text) == .names(["spiffe://td/a", ""]))
    }
  }

  @Test func `malformed escapes are refused`() throws {
    let text = try makeLeaf("spiffe://td/a", by: nil).urlEncodedPEM
    #expect(failure(text) == nil)
    for wrong in ["%", "%2", "%2G", "%G2", "%%", "% 0", "%+A"] {
      #expect(failure(text + wrong) == .malformedEscape, "\(wrong)")
      #expect(TrustBundles.unverified.seen(text + wrong) == .rejected(.malformed), "\(wrong)")
    }
  }

  @Test func `a plus is a plus and never a space`() throws {
    // A space inside base64 is refused, so a decoder that turned plus into space would refuse every certificate that has one.
    var found = false
    for _ in 0..<50 where !found {
      let leaf = try makeLeaf("spiffe://td/a", by: nil)
      guard leaf.pem.contains("+") else { continue }
      found = true
      #expect(failure(leaf.urlEncodedPEM.replacing("%2B", with: "+")) == nil)
      #expect(failure(leaf.urlEncodedPEM.replacing("%2B", with: "%20")) == .malformedBase64)
    }
    #expect(found)
  }

  @Test func `two blocks, text before the block and text after it are refused`() throws {
    let one = try makeLeaf("spiffe://td/a", by: nil)
    let two = try makeLeaf("spiffe://td/b", by: nil)
    #expect(failure(one.pem + two.pem) == .severalBlocks)
    #expect(failure(one.pem + "x") == .severalBlocks)
    #expect(failure(one.pem + "\0") == .severalBlocks)
    #expect(failure(" " + one.pem) == .notPEM)
    #expect(failure("\n" + one.pem) == .notPEM)
    #expect(failure(one.pem + "\n\r\n") == nil)
  }

  @Test func `damaged blocks are refused`() throws {
    let leaf = try makeLeaf("spiffe://td/a", by: nil)
    let pem = leaf.pem
    #expect(failure(pem.replacing("-----END CERTIFICATE-----", with: "")) == .notPEM)
    #expect(failure(pem.replacing("CERTIFICATE", with: "TRUSTED CERTIFICATE")) == .notPEM)
    #expect(failure(pem.replacing("-----BEGIN CERTIFICATE-----\n", with: "-----BEGIN CERTIFICATE-----")) == .notPEM)
    #expect(failure(pem.replacing("\n-----END", with: "-----END")) == .notPEM)
    #expect(failure(pem.replacing("MII", with: "MI*")) == .malformedBase64)
    #expect(failure(pem.replacing("-----BEGIN CERTIFICATE-----\n", with: "-----BEGIN CERTIFICATE-----\n=")) == .malformedBase64)
    #expect(failure("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n") == .malformedDER)
    #expect(failure("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n") == .malformedDER)
    #expect(failure(leaf.keyPEM) == .notPEM)
  }

  @Test func `padding must be canonical`() {
    func body(_ text: String) -> CertificateError.Code? { failure("-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n") }
    // These decode, and are then not a certificate.
    for right in ["QQ==", "QUE=", "QUFB"] { #expect(body(right) == .malformedDER, "\(right)") }
    for wrong in [
      "Q", "QQ", "QQ=", "QQ===", "QR==", "QUE", "QUF=", "QUE==", "QUFB=", "QQ==QQ==", "QQ=Q", "Q*Q==", "QQ ==", "Q-E=", "Q\tQ==",
    ] {
      #expect(body(wrong) == .malformedBase64, "\(wrong)")
    }
  }

  @Test func `bytes after the certificate are refused`() throws {
    let leaf = try makeLeaf("spiffe://td/a", by: nil)
    let der = try PEM.certificates(in: Array(leaf.pem.utf8))[0]
    _ = try Certificate(der: der)
    #expect { _ = try Certificate(der: der + [0]) } throws: { ($0 as? CertificateError)?.code == .malformedDER }
    #expect { _ = try Certificate(der: der.dropLast()) } throws: { ($0 as? CertificateError)?.code == .malformedDER }
  }

  @Test func `every truncation and every flipped byte is refused or read, without a crash`() throws {
    let der = try PEM.certificates(in: Array(makeLeaf("spiffe://td/a", dns: ["a.example"], by: nil).pem.utf8))[0]
    for length in der.indices {
      #expect(throws: CertificateError.self) { _ = try Certificate(der: Array(der[..<length])) }
    }
    for index in der.indices {
      for bit in 0..<8 {
        var changed = der
        changed[index] ^= 1 << UInt8(bit)
        do {
          let certificate = try Certificate(der: changed)
          _ = try certificate.identities()
          _ = try certificate.validity()
          _ = try certificate.details()
        } catch {
          #expect(error.code != .outOfMemory)
        }
      }
    }
  }

  @Test func `nothing, garbage and a megabyte are refused, never anonymous`() {
    let megabyte = String(repeating: "A", count: 1 << 20)
    for bundles in [TrustBundles.unverified] {
      #expect(bundles.seen("") == .rejected(.malformed))
      #expect(bundles.seen("garbage") == .rejected(.malformed))
      #expect(bundles.seen("%00%FF") == .rejected(.malformed))
      #expect(bundles.seen(megabyte) == .rejected(.tooLarge))
      #expect(bundles.seen("-----BEGIN CERTIFICATE-----\n" + megabyte) == .rejected(.tooLarge))
    }
  }

  @Test func `a file may hold several certificates and text around them`() throws {
    let one = try makeLeaf("spiffe://td/a", by: nil)
    let two = try makeLeaf("spiffe://td/b", by: nil)
    #expect(try PEM.certificates(in: Array("subject: a\n\(one.pem)\n# another\n\(two.pem)the end".utf8)).count == 2)
    #expect(throws: CertificateError.self) { try PEM.certificates(in: Array("nothing".utf8)) }
    #expect { try PEM.certificates(in: Array((one.pem + one.keyPEM).utf8)) } throws: { ($0 as? CertificateError)?.code == .otherBlock }
    // The second block lost its first line: it must not be skipped in silence.
    let damaged = one.pem + two.pem.replacing("-----BEGIN CERTIFICATE-----\n", with: "")
    #expect { try PEM.certificates(in: Array(damaged.utf8)) } throws: { ($0 as? CertificateError)?.code == .notPEM }
  }
}
