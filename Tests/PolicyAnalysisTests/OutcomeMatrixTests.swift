// Every row of the outcome matrices: what a client sends against what a server takes.
// Enters: small meshes. Leaves: outcomes. Never here: which DestinationRule is chosen; ClientRuleTests hold that.

import Foundation
import PolicyAnalysis
import PolicyModel
import Testing

private let modes = ["DISABLE", "PERMISSIVE", "STRICT"]

/// The port of each family.
private let ports = "[{port: 80, name: http, targetPort: 8080}, {port: 81, name: tcp-x, targetPort: 8081}, {port: 82, targetPort: 8082}]"

private func mesh(_ mode: String, tls: String?, front: String = "", back: String = "", pods: String = "") -> [String] {
  var objects = [
    Manifest.namespace("shop"), Manifest.deployment("front", labels: front), Manifest.deployment("back", labels: back, pod: pods),
    Manifest.service("back", ports: ports),
  ]
  objects.append(Manifest.peer("mode", "mtls: {mode: \(mode)}"))
  if let tls { objects.append(Manifest.rule("tls", "host: back, trafficPolicy: {tls: \(tls)}")) }
  return objects
}

@Suite struct `the outcome matrices` {
  /// What is sent, and for each mode the outcomes of the ports declared HTTP, TCP and not at all.
  @Test(arguments: [
    (
      nil as String?, true,
      [
        "plaintext possible plaintext-accepted", "mTLS possible mtls", "mTLS possible mtls",
      ].map { [$0, $0, $0] }
    ),
    (
      nil, false,
      [
        "plaintext possible plaintext-accepted", "plaintext possible plaintext-accepted", "failure failure strict-refuses-plaintext",
      ].map { [$0, $0, $0] }
    ),
    (
      "{mode: DISABLE}", true,
      [
        "plaintext possible plaintext-accepted", "plaintext possible plaintext-accepted", "failure failure strict-refuses-plaintext",
      ].map { [$0, $0, $0] }
    ),
    (
      "{}", true,
      [
        "plaintext possible plaintext-accepted", "plaintext possible plaintext-accepted", "failure failure strict-refuses-plaintext",
      ].map { [$0, $0, $0] }
    ),
    (
      "{mode: ISTIO_MUTUAL}", true,
      [
        [
          "failure failure disabled-reads-tls-as-http", "failure failure disabled-passes-mtls-to-application",
          "failure failure disabled-passes-mtls-to-application",
        ], Array(repeating: "mTLS possible mtls", count: 3), Array(repeating: "mTLS possible mtls", count: 3),
      ]
    ),
    (
      "{mode: SIMPLE}", true,
      [
        ["failure failure disabled-reads-tls-as-http", "TLS conditional tls-to-application", "TLS conditional tls-to-application"],
        ["failure failure no-filter-chain-for-tls", "TLS conditional tls-to-application", "TLS conditional tls-to-application"],
        Array(repeating: "failure failure strict-wants-certificate", count: 3),
      ]
    ),
    (
      "{mode: MUTUAL, clientCertificate: /c, privateKey: /k}", true,
      [
        ["failure failure disabled-reads-tls-as-http", "TLS conditional tls-to-application", "TLS conditional tls-to-application"],
        ["failure failure no-filter-chain-for-tls", "TLS conditional tls-to-application", "TLS conditional tls-to-application"],
        Array(repeating: "mTLS conditional own-certificate", count: 3),
      ]
    ),
  ])
  func `sidecar to sidecar`(_ tls: String?, _ isAutomatic: Bool, _ expected: [[String]]) {
    var settings = MeshSettings()
    settings.enablesAutoMTLS = isAutomatic
    for (mode, outcomes) in zip(modes, expected) {
      let analysis = TLSAnalysis(mesh(mode, tls: tls), mesh: settings)
      for (port, outcome) in zip([80, 81, 82] as [UInt32], outcomes) {
        #expect(analysis.outcome("front", port: port) == outcome, "\(tls ?? "none") to \(mode), port \(port)")
      }
    }
  }

  @Test(arguments: [
    (nil as String?, "plaintext possible plaintext-to-application"),
    ("{mode: DISABLE}", "plaintext possible plaintext-to-application"),
    ("{mode: ISTIO_MUTUAL}", "failure failure mtls-to-application"),
    ("{mode: SIMPLE}", "TLS conditional tls-to-application"),
    ("{mode: MUTUAL, clientCertificate: /c, privateKey: /k}", "TLS conditional tls-to-application"),
  ])
  func `sidecar to a server without one, whatever the mode`(_ tls: String?, _ expected: String) {
    for mode in modes {
      let analysis = TLSAnalysis(mesh(mode, tls: tls, back: "sidecar.istio.io/inject: \"false\""))
      #expect(analysis.outcome("front", port: 80) == expected, "\(mode)")
    }
  }

  @Test func `a service's port that nothing names, where the rule has settings for single ports`() {
    func outcome(_ entry: String, question: UInt32? = nil) -> String {
      let rule = Manifest.rule(
        "r", "host: back, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 81}, \(entry)}]}")
      return TLSAnalysis([
        Manifest.namespace("shop"), Manifest.deployment("front"), Manifest.deployment("back"),
        Manifest.peer("m", "mtls: {mode: PERMISSIVE}"),
        rule,
      ]).outcome("front", port: question)
    }
    #expect(outcome("tls: {mode: DISABLE}") == "plaintext conditional service-port-unknown")
    #expect(outcome("tls: {mode: ISTIO_MUTUAL}") == "mTLS possible mtls")
    #expect(outcome("tls: {mode: DISABLE}", question: 80) == "mTLS possible mtls")
    #expect(outcome("tls: {mode: DISABLE}", question: 81) == "plaintext possible plaintext-accepted")
  }

  @Test func `a label that promises a proxy that is not there`() {
    let labels = "sidecar.istio.io/inject: \"false\", security.istio.io/tlsMode: istio"
    #expect(TLSAnalysis(mesh("PERMISSIVE", tls: nil, back: labels)).outcome("front", port: 80) == "failure failure mtls-to-application")
  }

  /// What the application sends, the outcome at a bare server, and those of the three modes; on ports declared HTTP, TCP and not at all.
  @Test(arguments: [
    (
      ApplicationSends.plaintext, [80, 81, 82] as [UInt32],
      [
        "plaintext possible plaintext-to-application", "plaintext possible plaintext-accepted", "plaintext possible plaintext-accepted",
        "failure failure strict-refuses-plaintext",
      ]
    ),
    (
      .tls, [81, 82],
      [
        "TLS possible application-tls", "TLS possible application-tls", "TLS possible application-tls",
        "failure failure strict-wants-certificate",
      ]
    ),
    (
      .tls, [80],
      [
        "TLS conditional tls-to-application", "failure failure disabled-reads-tls-as-http", "failure failure no-filter-chain-for-tls",
        "failure failure strict-wants-certificate",
      ]
    ),
  ])
  func `a client without a sidecar`(_ sends: ApplicationSends, _ ports: [UInt32], _ expected: [String]) {
    let bare = "sidecar.istio.io/inject: \"false\""
    // DestinationRules mean nothing here.
    for tls in [nil, "{mode: ISTIO_MUTUAL}"] {
      for port in ports {
        let toBare = TLSAnalysis(mesh("STRICT", tls: tls, front: bare, back: bare))
        #expect(toBare.outcome("front", port: port, sends: sends) == expected[0], "port \(port)")
        for (mode, outcome) in zip(modes, expected.dropFirst()) {
          let analysis = TLSAnalysis(mesh(mode, tls: tls, front: bare))
          #expect(analysis.outcome("front", port: port, sends: sends) == outcome, "\(mode), port \(port)")
          #expect(analysis.outcome("nobody", port: port, sends: sends) == outcome, "from outside, \(mode), port \(port)")
        }
      }
    }
  }
}

@Suite struct `ambient mode` {
  static func mesh(_ mode: String, tls: String? = nil, more: [String] = []) -> [String] {
    let ambient = "istio.io/dataplane-mode: ambient"
    var objects = [
      Manifest.namespace("shop", "{}"), Manifest.deployment("front", labels: ambient), Manifest.deployment("back", labels: ambient),
      Manifest.deployment("side", labels: "sidecar.istio.io/inject: \"true\""),
      Manifest.deployment("bare", labels: "sidecar.istio.io/inject: \"false\""), Manifest.service("back"), Manifest.service("side"),
      Manifest.service("bare"), Manifest.peer("mode", "mtls: {mode: \(mode)}"),
    ]
    if let tls { objects.append(Manifest.rule("tls", "host: back, trafficPolicy: {tls: \(tls)}")) }
    return objects + more
  }

  @Test func `two ambient endpoints speak HBONE, whatever rules say`() {
    for mode in modes {
      for tls in [nil, "{mode: DISABLE}", "{mode: SIMPLE}", "{mode: ISTIO_MUTUAL}"] {
        #expect(TLSAnalysis(Self.mesh(mode, tls: tls)).outcome("front") == "mTLS possible hbone")
      }
    }
  }

  @Test(arguments: [
    (nil as String?, "mTLS possible hbone"), ("{mode: DISABLE}", "mTLS possible hbone"), ("{mode: ISTIO_MUTUAL}", "mTLS possible hbone"),
    ("{mode: SIMPLE}", "mTLS conditional tls-in-hbone"),
    ("{mode: MUTUAL, clientCertificate: /c, privateKey: /k}", "mTLS conditional tls-in-hbone"),
  ])
  func `a sidecar prefers HBONE`(_ tls: String?, _ expected: String) {
    for mode in modes { #expect(TLSAnalysis(Self.mesh(mode, tls: tls)).outcome("side") == expected, "\(mode)") }
  }

  @Test func `a client outside the mesh is taken unless the mode is STRICT`() {
    for (mode, expected) in zip(
      modes, ["plaintext possible plaintext-accepted", "plaintext possible plaintext-accepted", "failure failure strict-refuses-plaintext"])
    {
      #expect(TLSAnalysis(Self.mesh(mode)).outcome("bare") == expected, "\(mode)")
      #expect(TLSAnalysis(Self.mesh(mode)).outcome("nobody") == expected, "\(mode)")
    }
    // DISABLE behaves as PERMISSIVE, and is shown so.
    #expect(TLSAnalysis(Self.mesh("DISABLE")).connect("bare").first?.serverMode?.mode == .permissive)
    #expect(TLSAnalysis(Self.mesh("PERMISSIVE")).outcome("bare", sends: .tls) == "TLS possible application-tls")
    #expect(TLSAnalysis(Self.mesh("STRICT")).outcome("bare", sends: .tls) == "failure failure strict-refuses-plaintext")
  }

  @Test func `ports of a workload are ztunnel's own matter`() {
    let own = Manifest.peer("own", "selector: {matchLabels: {app: back}}, portLevelMtls: {8080: {mode: DISABLE}}")
    // The port stays strict in ambient mode: only PERMISSIVE ports are counted as exceptions there. A sidecar would take plaintext.
    #expect(TLSAnalysis(Self.mesh("STRICT", more: [own])).outcome("bare") == "failure failure strict-refuses-plaintext")
    let permissive = Manifest.peer("own", "selector: {matchLabels: {app: back}}, portLevelMtls: {8080: {mode: PERMISSIVE}}")
    #expect(TLSAnalysis(Self.mesh("STRICT", more: [permissive])).outcome("bare") == "plaintext possible plaintext-accepted")
    let mixed = Manifest.peer(
      "own", "selector: {matchLabels: {app: back}}, mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}")
    #expect(TLSAnalysis(Self.mesh("PERMISSIVE", more: [mixed])).outcome("bare") == "failure failure strict-refuses-plaintext")
  }

  @Test func `from ambient to others`() {
    #expect(TLSAnalysis(Self.mesh("STRICT")).outcome("front", "side.shop.svc.cluster.local") == "mTLS possible hbone")
    #expect(
      TLSAnalysis(Self.mesh("STRICT")).outcome("front", "bare.shop.svc.cluster.local") == "plaintext possible plaintext-to-application")
    let without = Manifest.deployment("old", labels: "sidecar.istio.io/inject: \"true\", networking.istio.io/tunnel: none")
    let more = [without, Manifest.service("old")]
    #expect(
      TLSAnalysis(Self.mesh("STRICT", more: more)).outcome("front", "old.shop.svc.cluster.local")
        == "failure failure strict-refuses-plaintext")
    #expect(
      TLSAnalysis(Self.mesh("PERMISSIVE", more: more)).outcome("front", "old.shop.svc.cluster.local")
        == "plaintext possible plaintext-accepted")
  }

  @Test func `a waypoint takes HBONE only, and no PeerAuthentication`() {
    let labels = "gateway.networking.k8s.io/gateway-name: way, gateway.networking.k8s.io/gateway-class-name: istio-waypoint"
    let more = [Manifest.deployment("way", labels: labels), Manifest.service("way")]
    for mode in modes {
      let analysis = TLSAnalysis(Self.mesh(mode, more: more))
      for source in ["front", "side"] { #expect(analysis.outcome(source, "way.shop.svc.cluster.local") == "mTLS possible waypoint") }
      #expect(analysis.outcome("nobody", "way.shop.svc.cluster.local") == "failure failure waypoint-wants-hbone")
      #expect(analysis.connect("front", "way.shop.svc.cluster.local").first?.serverMode == nil)
      // A waypoint is a client of the workloads behind it.
      #expect(analysis.outcome("way") == "mTLS possible hbone")
    }
  }
}

@Suite struct `what is taken for granted` {
  @Test func `that sidecars and gateways speak HBONE to ambient mode`() {
    let field = Manifest.namespace("field", "{istio.io/dataplane-mode: ambient}")
    let analysis = TLSAnalysis([
      Manifest.namespace("shop"), field, Manifest.deployment("front"), Manifest.deployment("gate", labels: "istio: ingressgateway"),
      Manifest.deployment("near", in: "field"), Manifest.deployment("back", in: "field"), Manifest.service("back", in: "field"),
      Manifest.rule("tls", in: "field", "host: back, trafficPolicy: {tls: {mode: SIMPLE}}"),
    ])
    func assumptions(_ client: String) -> [String] {
      analysis.connect(client, "back.field.svc.cluster.local").flatMap(\.assumptions)
    }
    #expect(assumptions("front") == ["the client's sidecar sends HBONE, as the ambient profile installs it"])
    #expect(assumptions("gate") == ["the client's gateway sends HBONE, as the ambient profile installs it"])
    #expect(assumptions("near").isEmpty, "ztunnel speaks nothing else")
  }
}

@Suite struct `docs/schemas/tls-check.json` {
  @Test func `has every reason`() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let schema = try String(contentsOf: root.appending(path: "docs/schemas/tls-check.json"), encoding: .utf8)
    for reason in OutcomeReason.allCases { #expect(schema.contains("\"\(reason.rawValue)\""), "\(reason.rawValue)") }
  }
}
