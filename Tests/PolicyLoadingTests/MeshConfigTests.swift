// The mesh's settings: a MeshConfig as it is, or inside of Istio's ConfigMap.

import PolicyLoading
import PolicyModel
import Testing

private func mesh(_ text: String) -> (settings: LoadedMeshConfig?, codes: [String], messages: String) {
  let (settings, diagnostics) = loadMeshConfig(text: Array(text.utf8), file: "mesh.yaml")
  return (settings, diagnostics.map(\.code), diagnostics.map(\.description).joined(separator: "\n"))
}

private func grpc(_ settings: String, name: String = "authz") -> String {
  "{extensionProviders: [{name: \(name), envoyExtAuthzGrpc: {\(settings)}}]}"
}
private func http(_ settings: String) -> String {
  "{extensionProviders: [{name: authz, envoyExtAuthzHttp: {service: a.b, port: 80, \(settings)}}]}"
}

private let configMap = """
  apiVersion: v1
  kind: ConfigMap
  metadata:
    name: istio
    namespace: istio-system
  data:
    mesh: |-
      accessLogFile: /dev/stdout
      defaultConfig:
        discoveryAddress: istiod.istio-system.svc:15012

      trustDomain: td.example.com
      rootNamespace: istio-config
    meshNetworks: 'networks: {}'

  """

/// A text, the codes that it gives, and whether there are settings.
private let cases: [(String, [String], Bool)] = [
  ("{}", [], true),
  ("trustDomain: cluster.local", [], true),
  ("trustDomain: a.b.", [], true),
  ("trustDomain: \"\"", ["trust-domain-invalid"], false),
  ("trustDomain: spiffe://a", ["trust-domain-invalid"], false),
  ("trustDomain: a_b", ["trust-domain-invalid"], false),
  ("trustDomain: 1", ["wrong-type"], false),
  ("trustDomain: null", [], true),
  // Identities have a dot for each of these; aliases are compared as they are.
  ("trustDomain: a@b.c", [], true),
  ("trustDomain: \"@@\"", ["trust-domain-invalid"], false),
  ("trustDomainAliases: [a@b]", ["trust-domain-invalid"], false),
  ("trustDomainAliases: [a, b.c]", [], true),
  ("trustDomainAliases: [\"\"]", ["empty-string"], false),
  ("trustDomainAliases: [\"*\"]", ["trust-domain-invalid"], false),
  ("trustDomainAliases: a", ["wrong-type"], false),
  ("caCertificates: [{pem: x, trustDomains: [a, B_c.d-1]}, {spiffeBundleUrl: u, certSigners: [s]}, {}]", [], true),
  ("caCertificates: [{trustDomains: [\"\"]}]", ["empty-string"], false),
  ("caCertificates: [{trustDomains: [\"*\"]}]", ["trust-domain-invalid"], false),
  ("caCertificates: [{trustDomains: [a/ns/b]}]", ["trust-domain-invalid"], false),
  ("caCertificates: [{trustDomains: [spiffe://a]}]", ["trust-domain-invalid"], false),
  ("caCertificates: [{trustDomains: [1]}]", ["wrong-type"], false),
  ("caCertificates: [{trustDomains: a}]", ["wrong-type"], false),
  ("caCertificates: [{trustDomain: [a]}]", ["field-unknown"], false),
  ("caCertificates: [{somethingNew: a}]", ["field-ignored"], true),
  ("caCertificates: {trustDomains: [a]}", ["wrong-type"], false),
  ("caCertificates: [a]", ["wrong-type"], false),
  ("caCertificates: [null]", ["null-entry"], false),
  ("caCertificate: []", ["field-unknown"], false),
  ("rootNamespace: \"\"", ["empty-string"], false),
  ("pathNormalization: {normalization: MERGE_SLASHES}", [], true),
  ("pathNormalization: {normalization: merge_slashes}", ["value-unknown"], false),
  ("pathNormalization: {normalisation: BASE}", ["field-unknown"], false),
  ("pathNormalization: BASE", ["wrong-type"], false),
  // Typing errors of what is read are errors, other unknown fields are not.
  ("trustDomian: a", ["field-unknown"], false),
  ("trust_domain: a", ["field-unknown"], false),
  ("rootNamspace: a", ["field-unknown"], false),
  ("extensionProvider: []", ["field-unknown"], false),
  ("pathNormalisation: {}", ["field-unknown"], false),
  ("enableAutoMtls: true\ndefaultProviders: {}\nmeshMTLS: {}", [], true),
  ("enableAutoMtls: false", [], true), ("enableAutoMtls: \"false\"", ["wrong-type"], false),
  ("defaultDestinationRuleExportTo: [\".\"]", [], true), ("defaultDestinationRuleExportTo: \".\"", ["wrong-type"], false),
  ("defaultDestinationRuleExportTo: [\"\"]", ["empty-string"], false),
  ("somethingNew: {a: 1}\naccessLogFile: x", ["field-ignored"], true),
  // What has no field of a MeshConfig is none, and one inside of another document is not found there.
  ("somethingNew: {a: 1}", ["document-invalid"], false),
  ("global: {hub: x}\nmeshConfig: {trustDomain: a}", ["document-invalid"], false),
  ("trustDomain: b\nmeshConfig: {trustDomain: a}", ["document-invalid"], false),
  ("meshConfig: null", ["document-invalid"], false),
  ("{apiVersion: v1, kind: ConfigMap, data: {mesh: 'values: 1'}}", ["document-invalid"], false),
  // Documents.
  ("", ["document-invalid"], false),
  ("# nothing", ["document-invalid"], false),
  ("[]", ["wrong-type"], false),
  ("a", ["wrong-type"], false),
  ("{}\n---\n{}", ["document-invalid"], false),
  ("---\n---\n{}", [], true),
  ("{", ["yaml-syntax"], false),
  ("trustDomain: a\ntrustDomain: b", ["duplicate-key"], false),
  ("# \u{7}\n{}", ["encoding-invalid"], false),
  ("{apiVersion: v1, kind: Secret}", ["document-invalid"], false),
  ("{apiVersion: install.istio.io/v1alpha1, kind: IstioOperator}", ["document-invalid"], false),
  ("{apiVersion: v1, kind: ConfigMap}", ["field-required"], false),
  ("{apiVersion: v1, kind: ConfigMap, data: {mesh: {trustDomain: a}}}", ["wrong-type"], false),
  ("{apiVersion: v1, kind: ConfigMap, data: {mesh: \"\"}}", [], true),
  ("{apiVersion: v1, kind: ConfigMap, data: {mesh: '[]'}}", ["wrong-type"], false),
  ("{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {\"mesh\": \"trustDomain: a\\nrootNamespace: b\\n\"}}", [], true),
  (
    "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {\"mesh\": \"trustDomain: a\\ntrustDomain: b\\n\"}}", ["duplicate-key"],
    false
  ),
  // Providers.
  ("extensionProviders: []", [], true),
  ("extensionProviders: {}", ["wrong-type"], false),
  ("extensionProviders: [null]", ["null-entry"], false),
  ("extensionProviders: [a]", ["wrong-type"], false),
  ("{extensionProviders: [{name: p, prometheus: {}}, {name: Z_1, zipkin: {service: z}}]}", [], true),
  ("{extensionProviders: [{name: p, newKind: {}}]}", ["field-ignored"], true),
  ("{extensionProviders: [{name: p, envoyExtAuthzGRPC: {}}]}", ["field-unknown"], false),
  ("{extensionProviders: [{name: p}]}", ["extension-provider-invalid"], true),
  ("{extensionProviders: [{prometheus: {}}]}", ["extension-provider-invalid"], true),
  ("{extensionProviders: [{name: 1, prometheus: {}}]}", ["wrong-type"], false),
  ("{extensionProviders: [{name: p, prometheus: {}, zipkin: {}}]}", ["field-conflict"], false),
  ("{extensionProviders: [{name: p, prometheus: {}}, {name: p, zipkin: {}}]}", ["extension-provider-invalid"], true),
  (grpc("service: a.b, port: 9000, timeout: 1s, failOpen: true, statusOnError: \"503\", clearRouteCache: true"), [], true),
  (grpc("service: ns/a.b, port: 9000, includeRequestBodyInCheck: {maxRequestBytes: 10, packAsBytes: true}"), [], true),
  (grpc("service: 10.0.0.1, port: 9000"), [], true),
  (grpc("service: a.b, port: 9000, newField: true"), ["field-ignored"], true),
  (grpc("service: a.b, port: 9000, fail_open: true"), ["field-unknown"], false),
  (grpc("service: a.b, port: 9000, failOpen: \"true\""), ["wrong-type"], false),
  (grpc("service: a.b, port: 9000, timeout: 1"), ["wrong-type"], false),
  (grpc("service: a.b, port: 9000", name: "Authz"), ["extension-provider-invalid"], true),
  (grpc("service: a.b, port: 9000", name: String(repeating: "a", count: 64)), ["extension-provider-invalid"], true),
  (grpc("service: a b, port: 9000"), ["extension-provider-invalid"], true),
  (grpc("service: ns/a, port: 9000"), ["extension-provider-invalid"], true),
  (grpc("service: ns/*a.b, port: 9000"), ["extension-provider-invalid"], true),
  (grpc("port: 9000"), ["extension-provider-invalid"], true),
  (grpc("service: a.b"), ["extension-provider-invalid"], true),
  (grpc("service: a.b, port: 0"), ["extension-provider-invalid"], true),
  (grpc("service: a.b, port: 65536"), ["extension-provider-invalid"], true),
  (grpc("service: a.b, port: 80, statusOnError: \"999\""), ["extension-provider-invalid"], true),
  (grpc("service: a.b, port: 80, statusOnError: teapot"), ["extension-provider-invalid"], true),
  (http("pathPrefix: /check, headersToUpstreamOnAllow: [x-*, \"*-y\"], includeAdditionalHeadersInCheck: {a: b}"), [], true),
  (http("pathPrefix: check"), ["extension-provider-invalid"], true),
  (http("headersToUpstreamOnAllow: [\"*\"]"), ["extension-provider-invalid"], true),
  (http("headersToDownstreamOnDeny: [\"*\"]"), ["extension-provider-invalid"], true),
  (http("headersToDownstreamOnAllow: [\"*\"]"), ["extension-provider-invalid"], true),
  (http("includeRequestHeadersInCheck: [\"*\"]"), ["extension-provider-invalid"], true),
  (http("includeHeadersInCheck: [\"*\"]"), ["extension-provider-invalid"], true),
  (http("includeHeadersInCheck: a"), ["wrong-type"], false),
]

@Suite struct `A MeshConfig` {
  @Test(arguments: cases) func `gives exactly these problems`(text: String, codes: [String], hasSettings: Bool) {
    let answer = mesh(text)
    #expect(answer.codes == codes, "\(text)\n\(answer.messages)")
    #expect((answer.settings != nil) == hasSettings)
  }

  @Test func `the values of a Helm chart are told from it`() {
    let values = mesh("global: {hub: x}\nmeshConfig: {trustDomain: a}\n")
    #expect(
      values.messages == """
        mesh.yaml:2:1: error: a MeshConfig has no field `meshConfig`; this looks like the values of a Helm chart [document-invalid]
          meshConfig: {trustDomain: a}
          ^^^^^^^^^^
          = help: did you mean what stands below `meshConfig`? Write that to a file of its own
        """, "\(values.messages)")
  }

  @Test func `says what it says and nothing else`() {
    #expect(mesh("{}").settings == LoadedMeshConfig())
    #expect(mesh("trustDomain: me@prod.example").settings?.trustDomain == "me.prod.example")
    var expected = LoadedMeshConfig()
    expected.trustDomain = "td"
    expected.trustDomainAliases = ["a", "b"]
    expected.acceptedTrustDomains = ["c", "d", "e"]
    expected.rootNamespace = "root"
    expected.pathNormalization = .decodeAndMergeSlashes
    var provider = ExtensionProvider(kind: .extAuthzHTTP)
    provider.service = "a.b"
    provider.port = 80
    provider.failsOpen = true
    provider.statusOnError = 503
    provider.timeoutMilliseconds = 500
    expected.extensionProviders = ["authz": provider, "metrics": ExtensionProvider(kind: .other("prometheus"))]
    let answer = mesh(
      """
      trustDomain: td
      trustDomainAliases: [a, b]
      caCertificates: [{pem: x, trustDomains: [c, d]}, {pem: y}, {pem: z, trustDomains: [e]}]
      rootNamespace: root
      pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}
      extensionProviders:
      - name: authz
        envoyExtAuthzHttp: {service: a.b, port: 80, failOpen: true, statusOnError: "503", timeout: 0.5s}
      - name: metrics
        prometheus: {}
      """)
    #expect(answer.settings == expected, "\(answer.messages)")
  }

  @Test(arguments: [("DEFAULT", MeshSettings.PathNormalization.base), ("BASE", .base), ("NONE", .none), ("MERGE_SLASHES", .mergeSlashes)])
  func `path normalization has Istio's words`(word: String, setting: MeshSettings.PathNormalization) {
    #expect(mesh("pathNormalization: {normalization: \(word)}").settings?.pathNormalization == setting)
  }

  @Test func `of two providers with one name none is usable, the others are`() {
    let answer = mesh(
      """
      extensionProviders:
      - {name: a, envoyExtAuthzGrpc: {service: a.b, port: 1}}
      - {name: a, envoyExtAuthzGrpc: {service: a.b, port: 2}}
      - {name: b, envoyExtAuthzGrpc: {service: a.b, port: 3}}
      """)
    #expect(answer.settings?.extensionProviders["a"]?.isUsable == false)
    #expect(answer.settings?.extensionProviders["b"]?.isUsable == true)
  }

  @Test func `Istio's ConfigMap holds it as text`() {
    let answer = mesh(configMap)
    #expect(answer.codes == [], "\(answer.messages)")
    #expect(answer.settings?.trustDomain == "td.example.com")
    #expect(answer.settings?.rootNamespace == "istio-config")
    #expect(mesh(configMap.replacing("\n", with: "\r\n")).settings == answer.settings)
  }

  @Test func `problems inside of the ConfigMap's text have their own place`() {
    let text = configMap.replacing("rootNamespace: istio-config", with: "trustDomain: x\n    rootNamespaces: \"\u{e4}\"")
    let answer = mesh(text)
    #expect(answer.settings == nil)
    #expect(
      answer.messages == """
        mesh.yaml:13:5: error: duplicate key `trustDomain`, first on line 12 [duplicate-key]
              trustDomain: x
              ^^^^^^^^^^^
          = help: keep one of the two, or join their values
        mesh.yaml:14:5: error: unknown field `rootNamespaces` in `MeshConfig` [field-unknown]
              rootNamespaces: "\u{e4}"
              ^^^^^^^^^^^^^^
          = help: did you mean `rootNamespace`?
        """, "\(answer.messages)")
  }

  @Test(arguments: [
    "{apiVersion: v1, kind: ConfigMap, data: {mesh: 'trustDomain: a b'}}",
    "apiVersion: v1\nkind: ConfigMap\ndata:\n  mesh: >-\n    trustDomain: a\n    b\n",
    "apiVersion: v1\nkind: ConfigMap\ndata:\n  mesh: |-\n    ---\n    trustDomain: a b\n",
    "apiVersion: v1\nkind: ConfigMap\ndata:\n  mesh: \"trustDomain:\\\n    \\ a b\"\n",
  ])
  func `in other texts they stand at the text itself`(text: String) {
    let (settings, diagnostics) = loadMeshConfig(text: Array(text.utf8), file: "m")
    #expect(settings == nil && diagnostics.map(\.code) == ["trust-domain-invalid"])
    let line = text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("mesh:") }.map { $0 + 1 }
    #expect(diagnostics.first.map { Int($0.location.span.line) } == line)
  }

  @Test func `no damage crashes, and without settings there is an error`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    let whole = Array(
      (configMap.replacing(
        "rootNamespace: istio-config",
        with: "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: a.b, port: 1, statusOnError: \"503\"}}]")).utf8)
    for step in 0..<1000 {
      var text = whole
      for _ in 0...Int.random(in: 0...3, using: &generator) where !text.isEmpty {
        let place = Int.random(in: 0..<text.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: text.insert(contentsOf: Array("\n|-%:{[\"'#&*".utf8).shuffled(using: &generator).prefix(2), at: place)
        case 1: text.removeSubrange(place..<min(text.count, place + Int.random(in: 1...20, using: &generator)))
        default: text[place] = UInt8.random(in: 0...255, using: &generator)
        }
      }
      let (settings, diagnostics) = loadMeshConfig(text: text, file: "m")
      #expect((settings == nil) == diagnostics.contains { $0.severity == .error }, "seed \(seed), step \(step)")
    }
    print("damaged mesh settings: seed \(seed)")
  }
}
