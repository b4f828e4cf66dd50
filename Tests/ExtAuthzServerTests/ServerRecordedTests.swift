// The recorded messages of a real proxy, through the whole server. The expectations were written from the messages' text forms by hand.

internal import ExtAuthzServer
internal import PeerIdentity
internal import TestSupport
internal import Testing

@Suite struct `Recorded requests of a real proxy` {
  private static let workloads = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: backend, namespace: default}
    spec: {template: {metadata: {labels: {app: backend, version: v1}}, spec: {serviceAccountName: backend}}}
    ---

    """

  private static func policy(_ name: String, _ spec: String) -> String { authorization(name, spec, namespace: "default") }

  private static func callers(_ index: Int) -> String { "allowed-by-policy \(rule("callers", namespace: "default", index))" }

  /// Principals, methods, paths, and a header.
  private static let byCaller =
    workloads
    + policy(
      "callers",
      """
      action: ALLOW, rules: [
        {from: [{source: {principals: ["cluster.local/ns/default/sa/frontend"]}}], to: [{operation: {methods: [GET]}}]},
        {from: [{source: {principals: ["cluster.local/ns/default/sa/frontend"]}}], to: [{operation: {methods: [POST], paths: ["/x"]}}]},
        {from: [{source: {principals: ["cluster.local/ns/b/sa/second"]}}]}]
      """)
    + policy("no-two", "action: DENY, rules: [{when: [{key: \"request.headers[x-a]\", values: [\"2\"]}]}]")

  /// mTLS and ports.
  private static let byPort =
    workloads + strict("default") + policy("no-15009", "action: DENY, rules: [{to: [{operation: {ports: [\"15009\"]}}]}]")
    + policy("callers", "action: ALLOW, rules: [{from: [{source: {principals: [\"cluster.local/ns/default/sa/frontend\"]}}]}]")

  /// The client's address.
  private static let byAddress =
    workloads + policy("clients", "action: ALLOW, rules: [{from: [{source: {remoteIpBlocks: [\"192.0.2.2\"]}}]}]")

  private static let none = "no-allow-matched none"
  private static let client = "allowed-by-policy \(rule("clients", namespace: "default"))"
  private static let port = "unknown-port \(rule("no-15009", namespace: "default"))"
  private static let mtls = "mtls-required none"
  private static let two = rule("no-two", namespace: "default")

  /// Name, whether the message itself names the workload, and what the three sets say.
  private static let table: [(String, Bool, String, String, String)] = [
    ("body-over-limit-http2-truncated", true, callers(1), port, client), ("body-partial-string", true, callers(1), port, client),
    ("body-whole-bytes", true, callers(1), port, client), ("body-whole-string", true, callers(1), port, client),
    // Plaintext, nothing names the destination's namespace.
    ("google-grpc-client", false, none, mtls, client), ("plaintext-no-principal", false, none, mtls, client),
    ("unix-listener-plaintext", false, none, mtls, none),
    // Its certificate names the second caller too; `x-a: 1,2` is joined.
    ("header-mutation-extra-attributes", true, "ambiguous-header \(two)", none, client),
    ("http1-duplicate-headers", true, "ambiguous-header \(two)", port, none),
    ("http1-raw-headers", true, "denied-by-policy \(two)", port, client),
    ("http2-mtls-all-options", true, callers(0), port, none), ("http2-mtls-no-options", true, callers(0), port, none),
    ("mtls-dns-san-only", true, none, mtls, none), ("mtls-subject-only", true, none, mtls, none),
    // Without the certificate the proxy tells the first name only.
    ("mtls-many-sans", true, none, none, none), ("xff-trusted-hop", true, callers(0), port, client),
    // A denying rule about headers denies all of TCP; the port is a tunnel's.
    ("tcp-network-filter-all-options", true, "denied-by-policy \(two)", port, none),
    ("tcp-network-filter-minimal", false, "denied-by-policy \(two)", mtls, none),
  ]

  @Test func `are decided as their text says`() throws {
    #expect(Set(Self.table.map(\.0)) == Set(Sample.all.map(\.name)))
    let servers = [try TestServer(Self.byCaller), try TestServer(Self.byPort), try TestServer(Self.byAddress)]
    for (name, namesWorkload, byCaller, byPort, byAddress) in Self.table {
      let bytes = try Sample(name: name).bytes()
      let isTCP = name.hasPrefix("tcp")
      for (server, expected) in zip(servers, [byCaller, byPort, byAddress]) {
        let isAllowed = expected.hasPrefix("allowed")
        let hinted = try Answer(server.call(bytes, metadata: [("x-portcullis-workload", "default/backend")]), isTCP: isTCP)
        #expect(hinted.description == "\(isAllowed ? "allow" : "deny") \(expected)", "\(name)")
        let plain = try Answer(server.call(bytes), isTCP: isTCP)
        if namesWorkload {
          #expect(plain.description == hinted.description, "\(name)")
        } else {
          #expect(plain.description == "deny unknown-workload none", "\(name)")
        }
      }
    }
  }

  @Test func `with a bundle of another authority are denied, unless nobody called`() throws {
    let authority = try IssuedCertificate(.authority("another"))
    let directory = try CertificateDirectory()
    let source = TrustBundleSource(trustDomain: "cluster.local", path: try directory.write(authority.pem, to: "root.pem"))
    let server = try TestServer(Self.byCaller, bundles: try TrustBundles(reading: [source]))
    let certified: Set<String> = [
      "header-mutation-extra-attributes", "http2-mtls-all-options", "tcp-network-filter-all-options", "xff-trusted-hop",
    ]
    let nobody: Set<String> = ["google-grpc-client", "plaintext-no-principal", "unix-listener-plaintext"]
    for sample in Sample.all {
      let result = server.call(try sample.bytes(), metadata: [("x-portcullis-workload", "default/backend")])
      let answer = try Answer(result, isTCP: sample.name.hasPrefix("tcp"))
      let expected =
        certified.contains(sample.name)
        ? "peer-certificate-rejected" : nobody.contains(sample.name) ? "no-allow-matched" : "peer-certificate-missing"
      #expect(answer.reason == expected, "\(sample.name)")
    }
  }
}
