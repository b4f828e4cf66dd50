// Who may vouch for whom. What enters: chains, each wrong in one way, and trust bundles. What leaves: names or the reason of the
// rejection. Never here: the cache.

internal import PeerIdentity
internal import TestSupport
internal import Testing

@Suite struct `A certificate under a trust bundle` {
  private let name = "spiffe://td/ns/shop/sa/frontend"

  @Test func `one that the bundle of its trust domain signed is accepted with all its names`() throws {
    let root = try makeAuthority("root")
    let leaf = try makeLeaf(name, dns: ["frontend.shop"], by: root) { $0.subject = [("CN", "x")] }
    #expect(try makeBundles(("td", [root])).seen(leaf) == .names([name, "frontend.shop", "CN=x"]))
  }

  @Test func `an expired one and one that is not valid yet are rejected, to the second`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    let leaf = try makeLeaf(name, by: root) {
      $0.notBefore = noon
      $0.notAfter = noon + 10
    }
    #expect(bundles.seen(leaf, at: noon - 1) == .rejected(.notYetValid))
    #expect(bundles.seen(leaf, at: noon) == .names([name, ""]))
    #expect(bundles.seen(leaf, at: noon + 9) == .names([name, ""]))
    #expect(bundles.seen(leaf, at: noon + 10) == .rejected(.expired))
    #expect(bundles.seen(leaf, at: .min) == .rejected(.notYetValid))
    #expect(bundles.seen(leaf, at: .max) == .rejected(.expired))
  }

  @Test func `validity is the proxy's business without a bundle`() throws {
    let leaf = try makeLeaf(name, by: nil) { $0.notAfter = $0.notBefore + 1 }
    #expect(TrustBundles.unverified.seen(leaf) == .names([name, ""]))
  }

  @Test func `one of a foreign authority is rejected, also when that has the same name`() throws {
    let root = try makeAuthority("root")
    let foreign = try makeAuthority("foreign")
    let impostor = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    #expect(bundles.seen(try makeLeaf(name, by: foreign)) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: impostor)) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: nil)) == .rejected(.untrusted))
  }

  @Test func `a changed signature is rejected`() throws {
    let root = try makeAuthority("root")
    let leaf = try makeLeaf(name, by: root)
    var der = try PEM.certificates(in: Array(leaf.pem.utf8))[0]
    der[der.count - 1] ^= 1
    let outcome = try makeBundles(("td", [root])).resolve(try Certificate(der: der), at: noon).outcome
    #expect(Seen(outcome) == .rejected(.untrusted))
  }

  @Test func `an authority of one trust domain cannot sign a name of another`() throws {
    let a = try makeAuthority("a")
    let b = try makeAuthority("b")
    let bundles = try makeBundles(("a", [a]), ("b", [b]))
    #expect(bundles.seen(try makeLeaf("spiffe://a/ns/x/sa/y", by: a)) == .names(["spiffe://a/ns/x/sa/y", ""]))
    #expect(bundles.seen(try makeLeaf("spiffe://b/ns/x/sa/y", by: b)) == .names(["spiffe://b/ns/x/sa/y", ""]))
    #expect(bundles.seen(try makeLeaf("spiffe://b/ns/x/sa/y", by: a)) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf("spiffe://a/ns/x/sa/y", by: b)) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf("spiffe://c/ns/x/sa/y", by: a)) == .rejected(.unknownTrustDomain))
  }

  @Test func `several names are accepted in one trust domain and rejected across two`() throws {
    let a = try makeAuthority("a")
    let bundles = try makeBundles(("a", [a]), ("b", [try makeAuthority("b")]))
    #expect(bundles.seen(try makeLeaf("spiffe://a/1", "spiffe://a/2", by: a)) == .names(["spiffe://a/1", "spiffe://a/2", ""]))
    #expect(bundles.seen(try makeLeaf("spiffe://a/1", "spiffe://b/2", by: a)) == .rejected(.severalTrustDomains))
    #expect(bundles.seen(try makeLeaf("spiffe://b/1", "spiffe://a/2", by: a)) == .rejected(.severalTrustDomains))
    #expect(bundles.seen(try makeLeaf("spiffe://a/1", "spiffe://a/2", "spiffe://ab/3", by: a)) == .rejected(.severalTrustDomains))
    #expect(bundles.seen(try makeLeaf("spiffe://a/1", "https://b/2", by: a)) == .rejected(.notSPIFFE))
  }

  @Test func `a DNS name that looks like a SPIFFE name is rejected`() throws {
    // The proxy's RBAC would match it against principals, and its trust domain is nobody's to vouch for.
    let a = try makeAuthority("a")
    let leaf = try makeLeaf("spiffe://a/1", dns: ["spiffe://b/ns/x/sa/y"], by: a)
    #expect(try makeBundles(("a", [a])).seen(leaf) == .rejected(.notSPIFFE))
  }

  @Test func `names that are not SPIFFE names are rejected`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    for wrong in ["spiffe://td", "spiffe://td/", "spiffe:///x", "spiffe://", "SPIFFE://td/x", "https://td/x", "td/x", "", " spiffe://td/x"]
    {
      #expect(bundles.seen(try makeLeaf(wrong, by: root)) == .rejected(.notSPIFFE), "\(wrong)")
    }
    for foreign in ["spiffe://TD/x", "spiffe://td:1/x", "spiffe://u@td/x", "spiffe://td\0/x", "spiffe://t/d/x", "spiffe://tdx/x"] {
      #expect(bundles.seen(try makeLeaf(foreign, by: root)) == .rejected(.unknownTrustDomain), "\(foreign)")
    }
  }

  @Test func `one without a URI name is rejected, whatever else it has`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    #expect(bundles.seen(try makeLeaf(by: root)) == .rejected(.noIdentity))
    #expect(bundles.seen(try makeLeaf(dns: ["a.example"], by: root)) == .rejected(.noIdentity))
    #expect(bundles.seen(try makeLeaf(by: root) { $0.subject = [("CN", name)] }) == .rejected(.noIdentity))
  }

  @Test func `a certificate authority is not a peer`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    let declared = try makeLeaf(name, by: root) { $0.basicConstraints = "critical,CA:TRUE" }
    let byUsage = try makeLeaf(name, by: root) { $0.keyUsage = "critical,digitalSignature,keyCertSign" }
    let byLists = try makeLeaf(name, by: root) { $0.keyUsage = "critical,digitalSignature,cRLSign" }
    for (kind, leaf) in [("declared", declared), ("keyCertSign", byUsage), ("cRLSign", byLists)] {
      #expect(bundles.seen(leaf) == .rejected(.certificateAuthority), "\(kind)")
    }
  }

  @Test func `key usages must allow a TLS client, where they are given`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    #expect(bundles.seen(try makeLeaf(name, by: root) { $0.extendedKeyUsage = "serverAuth" }) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: root) { $0.keyUsage = "critical,keyEncipherment" }) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: root) { $0.extendedKeyUsage = "clientAuth" }) == .names([name, ""]))
    let bare = try makeLeaf(name, by: root) {
      $0.extendedKeyUsage = nil
      $0.keyUsage = nil
      $0.basicConstraints = nil
    }
    #expect(bundles.seen(bare) == .names([name, ""]))
  }

  @Test func `an intermediate alone in the bundle is enough, a root alone is not`() throws {
    let root = try makeAuthority("root")
    let intermediate = try makeAuthority("intermediate", by: root)
    let leaf = try makeLeaf(name, by: intermediate)
    #expect(try makeBundles(("td", [intermediate])).seen(leaf) == .names([name, ""]))
    #expect(try makeBundles(("td", [root, intermediate])).seen(leaf) == .names([name, ""]))
    // The proxy sends the leaf only, so nothing leads from it to the root.
    #expect(try makeBundles(("td", [root])).seen(leaf) == .rejected(.untrusted))
  }

  @Test func `an expired authority does not vouch, and its successor does`() throws {
    let old = try makeAuthority("root") { $0.notAfter = noon }
    let new = try makeAuthority("root") { $0.notBefore = noon }
    let byOld = try makeLeaf(name, by: old)
    let byNew = try makeLeaf(name, by: new)
    let bundles = try makeBundles(("td", [old, new]))
    #expect(bundles.seen(byOld, at: noon - 1) == .names([name, ""]))
    #expect(bundles.seen(byOld, at: noon) == .rejected(.expired))
    #expect(bundles.seen(byNew, at: noon) == .names([name, ""]))
    #expect(bundles.seen(byNew, at: noon - 1) == .rejected(.notYetValid))
  }

  @Test func `two roots of one trust domain may come in two files`() throws {
    let one = try makeAuthority("one")
    let two = try makeAuthority("two")
    let bundles = try makeBundles(("td", [one]), ("td", [two]))
    for root in [one, two] { #expect(bundles.seen(try makeLeaf(name, by: root)) == .names([name, ""])) }
  }

  @Test func `name constraints of an authority hold, and a path length of zero allows leaves`() throws {
    let bound = try makeAuthority("bound") { $0.nameConstraints = "critical,permitted;URI:other.example" }
    #expect(try makeBundles(("td", [bound])).seen(try makeLeaf("spiffe://td.example/x", by: bound)) == .rejected(.unknownTrustDomain))
    #expect(try makeBundles(("td.example", [bound])).seen(try makeLeaf("spiffe://td.example/x", by: bound)) == .rejected(.untrusted))
    let root = try makeAuthority("root") { $0.basicConstraints = "critical,CA:TRUE,pathlen:0" }
    let leaf = try makeLeaf(name, by: root)
    #expect(try makeBundles(("td", [root])).seen(leaf) == .names([name, ""]))
  }

  @Test func `weak keys and weak digests are rejected`() throws {
    let root = try makeAuthority("root")
    let weakRoot = try makeAuthority("weak") { $0.key = .rsa(bits: 1_024) }
    let bundles = try makeBundles(("td", [root, weakRoot]))
    #expect(bundles.seen(try makeLeaf(name, by: root) { $0.digest = .sha1 }) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: root) { $0.key = .rsa(bits: 1_024) }) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: weakRoot)) == .rejected(.untrusted))
    #expect(bundles.seen(try makeLeaf(name, by: root) { $0.key = .rsa(bits: 2_048) }) == .names([name, ""]))
  }

  @Test func `what cannot be read is rejected under a bundle too`() throws {
    let bundles = try makeBundles(("td", [try makeAuthority("root")]))
    #expect(bundles.seen("") == .rejected(.malformed))
    #expect(bundles.seen("garbage") == .rejected(.malformed))
    #expect(bundles.seen(String(repeating: "A", count: 1 << 20)) == .rejected(.tooLarge))
  }

  @Test func `every rejection has a sentence`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    let expired = Array(try makeLeaf(name, by: root) { $0.notAfter = noon }.urlEncodedPEM.utf8)
    guard case .failure(let rejection) = bundles.resolve(expired.span, at: noon).outcome else {
      Issue.record("accepted")
      return
    }
    #expect(rejection.description == "the certificate does not verify: certificate has expired")
  }
}

@Suite struct `A trust bundle` {
  private func problem(_ text: String?, trustDomain: String = "td") throws -> TrustBundleError.Problem? {
    let directory = try CertificateDirectory()
    let path = try text.map { try directory.write($0, to: "b.pem") } ?? directory.path + "/absent.pem"
    do {
      _ = try TrustBundles(reading: [TrustBundleSource(trustDomain: trustDomain, path: path)])
      return nil
    } catch {
      #expect(error.description.hasPrefix("`\(path)`: "))
      return error.problem
    }
  }

  @Test func `holds authorities only, because with partial chains anything else would vouch for itself`() throws {
    let root = try makeAuthority("root")
    let leaf = try makeLeaf("spiffe://td/a", by: root)
    #expect(try problem(root.pem) == nil)
    #expect(try problem(root.pem + leaf.pem) == .notAnAuthority(index: 2))
    let unclear = try makeAuthority("no basic constraints") { $0.basicConstraints = nil }
    #expect(try problem(unclear.pem) == .notAnAuthority(index: 1))
    let notSigner = try makeAuthority("not a signer") { $0.keyUsage = "critical,digitalSignature" }
    #expect(try problem(notSigner.pem) == .notAnAuthority(index: 1))
  }

  @Test func `is refused when empty, absent, damaged or mixed with a key`() throws {
    let root = try makeAuthority("root")
    #expect(try problem(nil) == .unopened(2))
    for text in ["", "no certificate here", root.pem + root.keyPEM, root.pem.replacing("MII", with: "MI!")] {
      guard case .unreadable = try problem(text) else {
        Issue.record("read: \(text)")
        continue
      }
    }
    #expect(throws: TrustBundleError.self) { try TrustBundles(reading: []) }
  }

  @Test func `set has a generation of its own each time it is read`() throws {
    let root = try makeAuthority("root")
    let first = try makeBundles(("td", [root]))
    let second = try makeBundles(("td", [root]))
    #expect(first.generation != second.generation && first.verifies && second.verifies)
    #expect(first.generation != TrustBundles.unverified.generation && !TrustBundles.unverified.verifies)
  }

  @Test func `is named on the command line as domain and file`() {
    #expect(TrustBundleSource(argument: "cluster.local=/a=b.pem") == TrustBundleSource(trustDomain: "cluster.local", path: "/a=b.pem"))
    for wrong in ["", "=", "td", "td=", "=file", "spiffe://td=file", "t d=file", "tß=file", String(repeating: "a", count: 256) + "=f"] {
      #expect(TrustBundleSource(argument: wrong) == nil, "\(wrong)")
    }
  }
}
