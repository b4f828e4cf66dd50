// Who calls, over the wire: principals, certificates, both, none. Each peer is asked about at four workloads: one that lets the frontend in,
// one that denies everybody but the frontend (an anonymous peer too, and one whose certificate is bad must not slip through), one without
// policies, and one that demands mTLS.

internal import ExtAuthzServer
internal import PeerIdentity
internal import PolicyEngine
internal import TestSupport
internal import Testing

private let yaml =
  deployment("shop", "allow") + deployment("shop", "not") + deployment("shop", "open") + deployment("bank", "strict") + strict("bank")
  + authorization(
    "allow", app: "allow", "action: ALLOW, rules: [{from: [{source: {principals: [\"cluster.local/ns/shop/sa/frontend\"]}}]}]")
  + authorization("not", app: "not", "action: DENY, rules: [{from: [{source: {notPrincipals: [\"cluster.local/ns/shop/sa/frontend\"]}}]}]")

/// What the four workloads say.
private let frontend = ["allowed-by-policy", "allowed-by-default", "allowed-by-default", "allowed-by-default"]
private let somebody = ["no-allow-matched", "denied-by-policy", "allowed-by-default", "allowed-by-default"]
private let foreigner = Array(repeating: "untrusted-domain", count: 4)
private let anonymous = ["no-allow-matched", "denied-by-policy", "allowed-by-default", "mtls-required"]
private let rejected = Array(repeating: "peer-certificate-rejected", count: 4)
private let missing = Array(repeating: "peer-certificate-missing", count: 4)
private let tooLong = Array(repeating: "peer-identity-too-long", count: 4)

extension TestServer {
  fileprivate func reasons(principal: String = "", certificate: String = "") throws -> [String] {
    var reasons: [String] = []
    for workload in ["shop/allow", "shop/not", "shop/open", "bank/strict"] {
      let message = CheckMessage(to: workload, from: principal).with { $0.certificate = certificate }
      let answer = try ask(message)
      let tcp = try ask(message.with { $0.http = nil }, metadata: [("x-portcullis-workload", workload)])
      #expect(tcp.reason == answer.reason)
      reasons.append(answer.reason)
    }
    return reasons
  }

  fileprivate func reasons(_ certificate: IssuedCertificate, principal: String = "") throws -> [String] {
    try reasons(principal: principal, certificate: certificate.urlEncodedPEM)
  }
}

/// An authority and what it signs.
private struct Authority {
  let root: IssuedCertificate

  init(_ name: String) throws { root = try IssuedCertificate(.authority(name)) }

  func leaf(_ uris: String..., dns: [String] = [], change: (inout CertificateOrder) -> Void = { _ in }) throws -> IssuedCertificate {
    var order = CertificateOrder.leaf(dns: dns)
    order.uris = uris.map { Array($0.utf8) }
    change(&order)
    return try IssuedCertificate(order, signedBy: root)
  }

  func bundles(for domain: String = "cluster.local") throws -> TrustBundles {
    let directory = try CertificateDirectory()
    return try TrustBundles(reading: [TrustBundleSource(trustDomain: domain, path: directory.write(root.pem, to: "root.pem"))])
  }
}

private let garbage = [
  "x", " ", "-----BEGIN%20CERTIFICATE-----%0A", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "%", "%ZZ", "\u{0}",
  spiffe("shop", "frontend"), String(repeating: "A", count: 100_000),
]

@Suite struct `The peer of a request` {
  @Test func `is whom the principal names, or nobody`() throws {
    let server = try TestServer(yaml)
    #expect(try server.reasons() == anonymous)
    #expect(try server.reasons(principal: spiffe("shop", "frontend")) == frontend)
    #expect(try server.reasons(principal: spiffe("shop", "backend")) == somebody)
    #expect(try server.reasons(principal: "spiffe://elsewhere/ns/shop/sa/frontend") == foreigner)
    #expect(try server.reasons(principal: "spiffe://cluster.local.evil/ns/shop/sa/frontend") == foreigner)
    for other in ["frontend.example", "CN=frontend", "cluster.local/ns/shop/sa/frontend", "SPIFFE://cluster.local/ns/shop/sa/frontend"] {
      #expect(try server.reasons(principal: other) == anonymous, "\(other)")
    }
  }

  @Test func `is whom the certificate names, whatever the principal says`() throws {
    let authority = try Authority("a")
    for bundles in [TrustBundles.unverified, try authority.bundles()] {
      let server = try TestServer(yaml, bundles: bundles)
      let leaf = try authority.leaf(spiffe("shop", "frontend"))
      let other = try authority.leaf(spiffe("shop", "backend"))
      for _ in 0..<2 {
        for principal in ["", spiffe("shop", "frontend"), spiffe("shop", "backend"), String(repeating: "x", count: 10_000)] {
          #expect(try server.reasons(leaf, principal: principal) == frontend)
          #expect(try server.reasons(other, principal: principal) == somebody)
        }
      }
      // Every name counts, in any place.
      #expect(try server.reasons(authority.leaf(spiffe("shop", "backend"), spiffe("shop", "frontend"))) == frontend)
      #expect(try server.reasons(authority.leaf(spiffe("shop", "backend"), dns: ["frontend.example"])) == somebody)
    }
  }

  @Test func `is never nobody when a certificate was sent that cannot be read`() throws {
    let authority = try Authority("a")
    for bundles in [TrustBundles.unverified, try authority.bundles()] {
      for mode in Belief.PeerIdentity.allCases {
        let server = try TestServer(yaml, bundles: bundles) { $0.peerIdentity = mode }
        let leaf = try authority.leaf(spiffe("shop", "frontend")).urlEncodedPEM
        for text in garbage + [String(leaf.dropLast(60)), String(leaf.dropFirst(9))] {
          for principal in ["", spiffe("shop", "frontend")] {
            #expect(try server.reasons(principal: principal, certificate: text) == rejected, "\(text.prefix(80))")
          }
        }
      }
    }
  }

  @Test func `without a bundle is the proxy's word, names that are no SPIFFE names included`() throws {
    let authority = try Authority("a")
    let server = try TestServer(yaml)
    #expect(try server.reasons(authority.leaf(spiffe("shop", "frontend")) { $0.notAfter = 1_710_000_000 }) == frontend)
    #expect(try server.reasons(authority.leaf(dns: ["frontend.example"])) == anonymous)
    #expect(try server.reasons(authority.leaf { $0.subject = [("CN", "frontend")] }) == anonymous)
    #expect(try server.reasons(authority.leaf()) == anonymous)
    #expect(try server.reasons(authority.leaf("spiffe://elsewhere/ns/shop/sa/frontend")) == foreigner)
    #expect(try server.reasons(authority.leaf("spiffe://elsewhere/ns/shop/sa/frontend", spiffe("shop", "x"))) == somebody)
  }

  @Test func `with a bundle is verified, and never becomes nobody`() throws {
    let authority = try Authority("a")
    let foreign = try Authority("a")
    let server = try TestServer(yaml, bundles: authority.bundles())
    let name = spiffe("shop", "frontend")
    #expect(try server.reasons(authority.leaf(name)) == frontend)
    let bad = [
      try authority.leaf(name) { $0.notAfter = 1_710_000_000 }, try authority.leaf(name) { $0.notBefore = 1_999_999_000 },
      try foreign.leaf(name), try IssuedCertificate(.leaf(name)), try authority.leaf("spiffe://elsewhere/ns/shop/sa/frontend"),
      try authority.leaf(name, "spiffe://elsewhere/ns/shop/sa/frontend"), try authority.leaf(), try authority.leaf(dns: [name]),
      try authority.leaf(dns: ["frontend.example"]), try authority.leaf { $0.subject = [("CN", name)] },
      try authority.leaf(name) { $0.basicConstraints = "critical,CA:TRUE" },
      try authority.leaf("https://cluster.local/ns/shop/sa/frontend"),
    ]
    for (index, certificate) in bad.enumerated() {
      for principal in ["", name, name] {
        #expect(try server.reasons(certificate, principal: principal) == rejected, "certificate \(index)")
      }
    }
    // Nobody is still nobody, and a name without a certificate is a name without proof.
    #expect(try server.reasons() == anonymous)
    for principal in [name, "frontend.example", String(repeating: "x", count: 10_000)] {
      #expect(try server.reasons(principal: principal) == missing)
    }
  }

  @Test func `under --peer-identity certificate has one, or is denied`() throws {
    let authority = try Authority("a")
    let server = try TestServer(yaml) { $0.peerIdentity = .certificate }
    #expect(try server.reasons(principal: spiffe("shop", "frontend")) == missing)
    #expect(try server.reasons(principal: "x") == missing)
    #expect(try server.reasons() == missing)
    #expect(try server.reasons(authority.leaf(spiffe("shop", "frontend"))) == frontend)
  }

  @Test func `is verified anew when the bundles change, in every worker`() throws {
    let (old, new) = (try Authority("a"), try Authority("a"))
    let (oldBundles, newBundles) = (try old.bundles(), try new.bundles())
    let server = try TestServer(yaml, bundles: oldBundles, workers: 4)
    let name = spiffe("shop", "frontend")
    let (oldLeaf, newLeaf) = (try old.leaf(name), try new.leaf(name))
    for _ in 0..<3 {
      for _ in 0..<4 {
        #expect(try server.reasons(oldLeaf) == frontend)
        #expect(try server.reasons(newLeaf) == rejected)
      }
      server.bundles.publish(newBundles)
      for _ in 0..<4 {
        #expect(try server.reasons(oldLeaf) == rejected)
        #expect(try server.reasons(newLeaf) == frontend)
      }
      server.bundles.publish(oldBundles)
    }
  }

  @Test func `with an endless name is denied`() throws {
    let server = try TestServer(yaml)
    let name = { (size: Int) in "spiffe://cluster.local/ns/shop/sa/" + String(repeating: "x", count: size - 34) }
    #expect(try server.reasons(principal: name(2048)) == somebody)
    for size in [2049, 100_000, 1 << 20] { #expect(try server.reasons(principal: name(size)) == tooLong) }
    let authority = try Authority("a")
    #expect(try server.reasons(authority.leaf(spiffe("shop", "frontend"), name(2049))) == tooLong)
    #expect(try server.reasons(authority.leaf(spiffe("shop", "frontend"), name(2000))) == frontend)
  }
}
