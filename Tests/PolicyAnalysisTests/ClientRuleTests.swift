// Which DestinationRule a client uses, what of it counts, and what automatic mTLS does where it says nothing.
// Enters: small meshes. Leaves: what the client sends, and the objects that made it so.

import PolicyAnalysis
import PolicyModel
import Testing

private let host: ExactText = "back.shop.svc.cluster.local"

/// A front in `shop` and one in `web` and one in the root namespace, a back in `shop`.
private func analysis(_ rules: [String], modes: [String] = [], mesh: MeshSettings = MeshSettings(), ports: String? = nil) -> TLSAnalysis {
  TLSAnalysis(
    [
      Manifest.namespace("shop"), Manifest.namespace("web"), Manifest.namespace("istio-system"),
      Manifest.deployment("front", labels: "tier: gold"), Manifest.deployment("back", labels: "version: v1"),
      Manifest.deployment("far", in: "web"), Manifest.deployment("root", in: "istio-system"),
      Manifest.service("back", ports: ports ?? "[{port: 80, name: tcp, targetPort: 8080}]"),
    ] + rules + modes, mesh: mesh)
}

extension TLSAnalysis {
  /// The names of the rules that a client uses.
  fileprivate func rules(_ client: String) -> [String] { connect(client).first?.rules.map(\.key.name.string) ?? ["none"] }

  /// What a client sends, and why.
  fileprivate func choice(_ client: String = "front", port: UInt32 = 80, subset: ExactText? = nil) -> String {
    connect(client, port: port, subset: subset).map { "\($0.choice.word) \($0.choice.transport.rawValue) \($0.choice.cause.rawValue)" }
      .joined(separator: "; ")
  }
}

@Suite struct `which DestinationRule a client uses` {
  private static func rule(_ name: String, in namespace: String = "shop", host: String = "back", _ more: String = "") -> String {
    Manifest.rule(name, in: namespace, "host: \(host), trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}\(more.isEmpty ? "" : ", " + more)")
  }

  @Test func `the client's namespace, then the service's, then the root`() {
    let full = host.string
    let root = Self.rule("root", in: "istio-system", host: full)
    let service = Self.rule("service")
    let client = Self.rule("client", in: "web", host: full)
    #expect(analysis([root]).rules("far") == ["root"])
    #expect(analysis([root, service]).rules("far") == ["service"])
    #expect(analysis([root, service, client]).rules("far") == ["client"])
    #expect(analysis([client]).rules("front") == [], "a rule of a client's namespace is not the server's")
    #expect(analysis([]).rules("far") == [])
    // Clients of the root namespace look at its private rules first, and at the shared ones last.
    #expect(analysis([root, service]).rules("root") == ["service"])
    #expect(analysis([Self.rule("mine", in: "istio-system", host: full, "exportTo: [\".\"]"), service]).rules("root") == ["mine"])
  }

  @Test func `names without a dot are of the rule's namespace, others are whole`() {
    #expect(analysis([Self.rule("short", host: "back")]).rules("front") == ["short"])
    #expect(analysis([Self.rule("half", host: "back.shop")]).rules("front") == [])
    #expect(analysis([Self.rule("half", host: "back.shop.svc")]).rules("front") == [])
    #expect(analysis([Self.rule("elsewhere", in: "web", host: "back")]).rules("far") == [])
    // A star alone has no dot, and is whole all the same.
    #expect(analysis([Self.rule("all", in: "web", host: "\"*\"")]).rules("far") == ["all"])
  }

  @Test func `exact before wildcard, the longest wildcard, and the host before visibility`() {
    let any = Self.rule("any", host: "\"*.local\"")
    let shop = Self.rule("shop", host: "\"*.shop.svc.cluster.local\"")
    let exact = Self.rule("exact")
    #expect(analysis([any]).rules("far") == ["any"])
    #expect(analysis([any, shop]).rules("far") == ["shop"])
    #expect(analysis([any, shop, exact]).rules("far") == ["exact"])
    let hidden = Self.rule("hidden", "exportTo: [other]")
    let root = Self.rule("root", in: "istio-system", host: "\"*.local\"")
    #expect(analysis([any, hidden, root]).rules("far") == ["root"], "the next tier, not a less specific host of this one")
  }

  @Test func `exportTo`() {
    for (exports, isSeen) in [("\".\"", false), ("shop", false), ("\"*\"", true), ("web", true), ("\".\", web", true), ("other", false)] {
      let set = analysis([Self.rule("r", "exportTo: [\(exports)]")])
      #expect(set.rules("far") == (isSeen ? ["r"] : []), "\(exports)")
    }
    // One that names only others does not count at home.
    #expect(analysis([Self.rule("r", "exportTo: [web]")]).rules("front") == [])
    #expect(analysis([Self.rule("r", "exportTo: [shop]")]).rules("front") == ["r"])
    var settings = MeshSettings()
    settings.destinationRuleExport = ["."]
    #expect(analysis([Self.rule("r")], mesh: settings).rules("far") == [])
    #expect(analysis([Self.rule("r")], mesh: settings).rules("front") == ["r"])
  }

  @Test func `rules for chosen clients`() {
    let gold = Self.rule("gold", "workloadSelector: {matchLabels: {tier: gold}}")
    let lead = Self.rule("lead", "workloadSelector: {matchLabels: {tier: lead}}")
    let all = Self.rule("all")
    #expect(analysis([gold, all]).rules("front") == ["gold"])
    #expect(analysis([lead, all]).rules("front") == ["all"])
    #expect(analysis([gold]).rules("far") == [], "always private")
    // An equal export set is folded into the rule with the selector, and is gone for the others (Istio).
    let own = Self.rule("own", "exportTo: [\".\"]")
    #expect(analysis([gold, own]).rules("front") == ["gold", "own"])
    #expect(analysis([lead, own]).rules("front") == [])
  }

  @Test func `rules of one host and namespace are merged, the oldest first`() {
    func dated(_ text: String, _ year: Int) -> String {
      text.replacing("namespace: shop}", with: "namespace: shop, creationTimestamp: \"\(year)-01-01T00:00:00Z\"}")
    }
    let one = dated(
      Manifest.rule("b", "host: back, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: SIMPLE}}}]"), 2020)
    let two = dated(
      Manifest.rule(
        "a", "host: back, trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v1, trafficPolicy: {tls: {mode: DISABLE}}}]"), 2021)
    let three = dated(Manifest.rule("c", "host: back, trafficPolicy: {tls: {mode: SIMPLE}}"), 2022)
    let set = analysis([three, two, one])
    #expect(set.rules("front") == ["b", "a", "c"])
    #expect(set.choice() == "DISABLE plaintext rule", "the first trafficPolicy wins as a whole")
    #expect(set.choice(subset: "v1") == "SIMPLE simple rule", "the first subset of a name wins")
    let place = set.connect("front").first?.choice.place
    #expect(place?.owner.key.name == "a" && place?.field == "trafficPolicy.tls")
    #expect(set.connect("front", subset: "v1").first?.choice.place?.owner.key.name == "b")
    // Without times, by name.
    #expect(analysis([Self.rule("zz"), Self.rule("yy")]).rules("front") == ["yy", "zz"])
    // Another export set stands alone; the last of those that a client sees is used, and a superset is merged into the earlier ones too.
    let local = dated(Manifest.rule("local", "host: back, exportTo: [\".\"], trafficPolicy: {tls: {mode: SIMPLE}}"), 2020)
    let wide = dated(Manifest.rule("wide", "host: back, exportTo: [\".\", web], trafficPolicy: {tls: {mode: DISABLE}}"), 2021)
    #expect(analysis([local, wide]).rules("front") == ["wide"])
    #expect(analysis([local, wide]).rules("far") == ["wide"])
  }
}

@Suite struct `what of a DestinationRule counts` {
  @Test(arguments: [
    // A port's entry stands alone, also where it sets no tls; the endpoint's check then falls back to the top level.
    ("{tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}", "DISABLE plaintext rule"),
    (
      "{tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}",
      "AUTO plaintext top-level-of-port"
    ),
    (
      "{tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}",
      "AUTO plaintext top-level-of-port"
    ),
    (
      "{tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}",
      "AUTO istioMutual top-level-of-port"
    ),
    ("{portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}", "AUTO istioMutual automatic"),
    // The service's port, not the container's.
    ("{tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 8080}, tls: {mode: DISABLE}}]}", "SIMPLE simple rule"),
    ("{tls: {}}", "DISABLE plaintext rule"), ("{connectionPool: {tcp: {maxConnections: 1}}}", "AUTO istioMutual automatic"),
    ("{tls: {mode: SIMPLE, credentialName: x}}", "SIMPLE plaintext credential-ignored"),
    ("{tls: {mode: MUTUAL, credentialName: x}}", "MUTUAL plaintext credential-ignored"),
  ])
  func `top level and ports`(_ policy: String, _ expected: String) {
    #expect(analysis([Manifest.rule("r", "host: back, trafficPolicy: \(policy)")]).choice() == expected)
  }

  @Test func `a secret works in a rule for chosen clients, and on gateways`() {
    let rule = Manifest.rule(
      "r", "host: back, workloadSelector: {matchLabels: {tier: gold}}, trafficPolicy: {tls: {mode: SIMPLE, credentialName: x}}")
    #expect(analysis([rule]).choice() == "SIMPLE simple rule")
    let gate = Manifest.deployment("gate", labels: "istio: ingressgateway")
    let plain = Manifest.rule("r", "host: back, trafficPolicy: {tls: {mode: SIMPLE, credentialName: x}}")
    #expect(analysis([plain, gate]).choice("gate") == "SIMPLE simple rule")
  }

  @Test(arguments: [
    // A plain subset tls beats a top-level port's.
    ("{portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}", "{tls: {mode: DISABLE}}", "DISABLE plaintext rule"),
    // A subset's port entry decides, also where it sets nothing.
    (
      "{tls: {mode: SIMPLE}}", "{tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}",
      "DISABLE plaintext rule"
    ),
    (
      "{connectionPool: {tcp: {maxConnections: 1}}}",
      "{portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}", "AUTO istioMutual automatic"
    ),
    (
      "{tls: {mode: SIMPLE}}", "{portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 1}}}]}",
      "AUTO plaintext top-level-of-port"
    ),
    // A subset that sets no tls inherits it.
    ("{tls: {mode: SIMPLE}}", "{connectionPool: {tcp: {maxConnections: 1}}}", "SIMPLE simple rule"),
    ("{tls: {mode: SIMPLE}}", "{portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]}", "SIMPLE simple rule"),
  ])
  func `subsets`(_ top: String, _ subset: String, _ expected: String) {
    let rule = Manifest.rule(
      "r",
      "host: back, trafficPolicy: \(top), subsets: [{name: v1, labels: {version: v1}, trafficPolicy: \(subset)}, {name: v2, labels: {version: v2}}]"
    )
    #expect(analysis([rule]).choice(subset: "v1") == expected)
    #expect(analysis([rule]).outcome("front", subset: "v2").hasSuffix("no-endpoint"))
  }
}

@Suite struct `automatic mTLS` {
  @Test func `it goes by mesh and namespace first, then by the endpoint`() {
    func peer(_ spec: String, in namespace: String = "shop", name: String = "own") -> String { Manifest.peer(name, in: namespace, spec) }
    let back = "selector: {matchLabels: {app: back}}"
    for namespace in ["shop", "istio-system"] {
      let off = peer("mtls: {mode: DISABLE}", in: namespace, name: "disabled")
      #expect(analysis([], modes: [off]).choice() == "AUTO plaintext service-disabled")
      // A workload that is stricter than its namespace is broken without any DestinationRule.
      let strict = analysis([], modes: [off, peer("\(back), mtls: {mode: STRICT}")])
      #expect(strict.outcome("front") == "failure failure strict-refuses-plaintext")
    }
    #expect(analysis([], modes: [peer("\(back), mtls: {mode: DISABLE}")]).outcome("front") == "plaintext possible plaintext-accepted")
    #expect(analysis([], modes: [peer("\(back), mtls: {mode: DISABLE}")]).choice() == "AUTO plaintext endpoint-disabled")
    let port = "\(back), mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}"
    #expect(analysis([], modes: [peer(port)]).outcome("front") == "plaintext possible plaintext-accepted", "the container's port")
    #expect(analysis([], modes: [peer(port.replacing("8080", with: "80"))]).outcome("front") == "mTLS possible mtls")
    #expect(
      analysis([], modes: [peer("\(back), mtls: {mode: STRICT}, portLevelMtls: {8080: {}}")]).outcome("front") == "mTLS possible mtls")
  }

  @Test func `headless services cannot choose by endpoint`() {
    func headless(_ more: [String]) -> TLSAnalysis {
      TLSAnalysis(
        [
          Manifest.namespace("shop"), Manifest.deployment("front"), Manifest.deployment("back"),
          Manifest.service("back", more: "clusterIP: None"),
        ] + more)
    }
    #expect(headless([]).choice() == "AUTO istioMutual headless")
    let off = Manifest.peer("own", "selector: {matchLabels: {app: back}}, mtls: {mode: DISABLE}")
    #expect(headless([off]).outcome("front") == "failure failure disabled-reads-tls-as-http", "the workload's mode is not honoured")
    let bare = Manifest.deployment("other", labels: "sidecar.istio.io/inject: \"false\"").replacing("app: other", with: "app: back")
    let mixed = headless([bare, Manifest.peer("m", "mtls: {mode: STRICT}")])
    #expect(mixed.choice() == "AUTO plaintext headless-without-mtls; AUTO plaintext headless-without-mtls")
    #expect(mixed.connect("front").map(\.outcome.verdict) == [.failure, .possible])
  }

  @Test func `targets by name, and several endpoints`() {
    let pod = "containers: [{name: a, ports: [{name: web, containerPort: 9090}]}]"
    let set = TLSAnalysis([
      Manifest.namespace("shop"), Manifest.deployment("front"), Manifest.deployment("back", pod: pod),
      Manifest.service("back", ports: "[{port: 80, targetPort: web}, {port: 81, targetPort: lost}, {port: 82}]"),
      Manifest.peer("own", "selector: {matchLabels: {app: back}}, portLevelMtls: {9090: {mode: STRICT}}"),
    ])
    #expect(set.connect("front").map(\.containerPort) == [9090, nil, 82])
    #expect(set.connect("front").map { $0.serverMode?.mode } == [.strict, .permissive, .permissive])
  }
}
