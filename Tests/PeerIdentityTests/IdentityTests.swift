// Names out of certificates, held against what a real Envoy said about the same certificate. What enters: recorded and ordered
// certificates. What leaves: names in the order in which Envoy tests them. Never here: trust.

internal import PeerIdentity
internal import TestSupport
internal import Testing

@Suite struct `The names in a certificate` {
  private func identities(_ text: String) throws -> CertificateIdentities {
    let bytes = Array(text.utf8)
    return try Certificate(urlEncodedPEM: bytes.span).identities()
  }

  @Test func `a recorded workload has the principal that Envoy reported`() throws {
    let identities = try identities(EnvoySamples.frontend)
    #expect(identities.envoyPrincipal == Array("spiffe://cluster.local/ns/default/sa/frontend".utf8))
    #expect(identities.subject.isEmpty)
    #expect(TrustBundles.unverified.seen(EnvoySamples.frontend) == .names(["spiffe://cluster.local/ns/default/sa/frontend", ""]))
  }

  @Test func `a recorded certificate with many names has all of them, and Envoy's principal is the first`() throws {
    let identities = try identities(EnvoySamples.manyNames)
    #expect(identities.envoyPrincipal == Array("spiffe://cluster.local/ns/a/sa/first".utf8))
    #expect(
      TrustBundles.unverified.seen(EnvoySamples.manyNames)
        == .names(["spiffe://cluster.local/ns/a/sa/first", "spiffe://cluster.local/ns/b/sa/second", "multi.example", "CN=multi"]))
  }

  @Test func `a recorded certificate has the fingerprint that Envoy reported`() throws {
    let bytes = Array(EnvoySamples.manyNames.utf8)
    let details = try Certificate(urlEncodedPEM: bytes.span).details()
    #expect(details.sha256 == "6090b053299ac677ff4189f084f3702cbe689f936f4ec89bbf985574ade053b1")
    #expect(details.issuer == Array("CN=intermediate,O=cluster.local".utf8))
    #expect(details.serial == "7CF538148E9000907FE10F3543A8CF03B0E6355E")
    #expect(!details.isAuthority)
  }

  @Test func `a subject prints as Envoy printed the same one`() throws {
    // The subject of the recorded `subject` client: an escaped comma and two attributes in one name.
    let leaf = try makeLeaf(by: nil) {
      $0.subject = [("C", "DE"), ("O", "acme, inc"), ("OU", "x"), ("+OU", "y"), ("CN", "subject client")]
    }
    let identities = try identities(leaf.urlEncodedPEM)
    #expect(String(decoding: identities.envoyPrincipal, as: UTF8.self) == #"CN=subject client,OU=y+OU=x,O=acme\, inc,C=DE"#)
    #expect(TrustBundles.unverified.seen(leaf) == .names([#"CN=subject client,OU=y+OU=x,O=acme\, inc,C=DE"#]))
  }

  @Test func `letters beyond ASCII, controls and special characters of a subject are escaped as RFC 2253 says`() throws {
    let leaf = try makeLeaf(by: nil) { $0.subject = [("O", " #a+b\"c\\d<e>f;g "), ("CN", "Zoë\u{1}")] }
    #expect(
      String(decoding: try identities(leaf.urlEncodedPEM).subject, as: UTF8.self) == #"CN=Zo\C3\AB\01,O=\ #a\+b\"c\\d\<e\>f\;g\ "#)
  }

  @Test func `a certificate with DNS names only is the first DNS name to Envoy`() throws {
    let leaf = try makeLeaf(dns: ["dns-client.example", "second.example"], by: nil) { $0.subject = [("O", "acme"), ("CN", "dns-client")] }
    #expect(try identities(leaf.urlEncodedPEM).envoyPrincipal == Array("dns-client.example".utf8))
    #expect(TrustBundles.unverified.seen(leaf) == .names(["dns-client.example", "second.example", "CN=dns-client,O=acme"]))
  }

  @Test func `a certificate without any name still has one identity, the empty subject`() throws {
    let leaf = try makeLeaf(by: nil)
    #expect(TrustBundles.unverified.seen(leaf) == .names([""]))
  }

  @Test func `a NUL inside a name stays there`() throws {
    let name = "spiffe://td/ns/a\0.evil"
    let leaf = try makeLeaf(name, by: nil)
    #expect(try identities(leaf.urlEncodedPEM).uris == [Array(name.utf8)])
  }

  @Test func `names that are not UTF-8 keep their bytes, and an empty name stays a name`() throws {
    let leaf = try makeLeaf(by: nil) { $0.uris = [[0xFF, 0x80], []] }
    #expect(try identities(leaf.urlEncodedPEM).uris == [[0xFF, 0x80], []])
  }

  @Test func `a subject alternative name that is there twice is refused, not ignored`() throws {
    let leaf = try makeLeaf("spiffe://td/a", by: nil) { $0.repeatsNames = true }
    #expect(throws: CertificateError.self) { try identities(leaf.urlEncodedPEM) }
    #expect(TrustBundles.unverified.seen(leaf) == .rejected(.malformed))
  }

  @Test func `validity is read in seconds`() throws {
    let leaf = try makeLeaf("spiffe://td/a", by: nil) {
      $0.notBefore = -86_399
      $0.notAfter = 4_102_444_801
    }
    let bytes = Array(leaf.urlEncodedPEM.utf8)
    let validity = try Certificate(urlEncodedPEM: bytes.span).validity()
    #expect(validity.notBefore == -86_399 && validity.notAfter == 4_102_444_801)
    #expect(
      validity.contains(-86_399) && !validity.contains(-86_400) && validity.contains(4_102_444_800) && !validity.contains(4_102_444_801))
  }

  @Test func `ranges cover the names in Envoy's order`() throws {
    let peer = ResolvedPeer(try identities(EnvoySamples.manyNames))
    #expect(peer.uriCount == 2 && peer.dnsCount == 1 && peer.ranges.count == 4)
    #expect(peer.ranges.last == peer.bytes.count - 8..<peer.bytes.count)
    #expect(peer.name(99).isEmpty)
  }
}
