// Who is in the mesh, who calls whom, and what is said where that is not known.
// Enters: small meshes. Leaves: the codes of findings. Never here: what a finding says in full.

internal import PolicyAnalysis
internal import PolicyModel
internal import Testing

@Suite struct `who is in the mesh, as lint sees it` {
  private typealias M = Manifest

  private static func codes(_ objects: [String], clusterDomain: ExactText = "cluster.local") -> [LintCode] {
    lint(M.set(objects), mesh: MeshSettings(), clusterDomain: clusterDomain).map(\.code)
  }

  private static func policy(_ name: String, in namespace: String, app: String, _ rules: String, action: String = "ALLOW") -> String {
    """
    {apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: \(name), namespace: \(namespace)}, \
    spec: {action: \(action), selector: {matchLabels: {app: \(app)}}, rules: \(rules)}}
    """
  }

  private static let strict = "mtls: {mode: STRICT}"
  private static let out = "sidecar.istio.io/inject: \"false\""

  // MARK: Namespaces

  @Test func `a namespace without its manifest may be in it, one without a label is not`() {
    let web = [M.namespace("a"), M.deployment("web", in: "a"), M.deployment("api", in: "b"), M.service("api", in: "b")]
    let conflict = [M.peer("p", in: "b", Self.strict), M.rule("d", in: "b", "host: api, trafficPolicy: {tls: {mode: DISABLE}}")]
    let allowed = [Self.policy("p", in: "b", app: "api", "[{from: [{source: {principals: [cluster.local/ns/a/sa/default]}}]}]")]
    #expect(Self.codes(web + conflict).contains(.tlsConflict))
    #expect(!Self.codes(web + allowed).contains(.policyWithoutProxy))
    // A container says it of one workload, not of other namespaces.
    let container = [M.deployment("web", in: "a", pod: "containers: [{name: istio-proxy, image: p}]")] + web.dropFirst(2)
    #expect(Self.codes(container + conflict).contains(.tlsConflict))
    #expect(!Self.codes(container + allowed).contains(.policyWithoutProxy))
    // With the manifest it is known.
    for labels in ["{}", "{team: b}", "{istio-injection: disabled}"] {
      let told = [M.namespace("b", labels)] + web
      #expect(!Self.codes(told + conflict).contains(.tlsConflict), "\(labels)")
      #expect(Self.codes(told + allowed).contains(.policyWithoutProxy), "\(labels)")
    }
    #expect(Self.codes([M.namespace("b")] + web + conflict).contains(.tlsConflict))
    #expect(!Self.codes([M.namespace("b")] + web + allowed).contains(.policyWithoutProxy))
    // Where nobody is in it for certain, labels are written elsewhere.
    let silent = [M.namespace("b", "{}"), M.deployment("api", in: "b"), M.service("api", in: "b")]
    #expect(!Self.codes(silent + allowed).contains(.policyWithoutProxy))
  }

  // MARK: Gateways

  @Test func `the gateway of Istio's chart is one`() {
    func gateway(_ annotations: String) -> String {
      """
      {apiVersion: apps/v1, kind: Deployment, metadata: {name: edge, namespace: shop}, spec: {template: {metadata: \
      {labels: {app: edge, istio: edge}, annotations: {\(annotations)}}, spec: {containers: [{name: a, image: auto}]}}}}
      """
    }
    func proxy(_ annotations: String) -> ProxyFinding? { TLSAnalysis([M.namespace("shop"), gateway(annotations)]).proxies.first }
    for templates in ["gateway", "\"sidecar, gateway\""] {
      let found = proxy("inject.istio.io/templates: \(templates)")
      #expect(found?.kind == .gateway && found?.isAssumed == false && found?.because.contains("templates") == true, "\(templates)")
    }
    for other in ["inject.istio.io/templates: sidecar", "inject.istio.io/templates: my-gateway", "team: gateway"] {
      #expect(proxy(other)?.kind == .sidecar, "\(other)")
    }
    // Whoever comes from outside has no certificate there, and that is no pitfall.
    let rule = Self.policy("g", in: "shop", app: "edge", "[{from: [{source: {notNamespaces: [x]}}]}]")
    #expect(!Self.codes([M.namespace("shop"), rule, gateway("inject.istio.io/templates: gateway")]).contains(.allowAdmitsAnonymous))
    #expect(Self.codes([M.namespace("shop"), rule, gateway("team: edge")]).contains(.allowAdmitsAnonymous))
  }

  // MARK: STRICT

  @Test func `STRICT beside a client without a proxy, whoever says it`() {
    let cron = M.deployment("cron", labels: Self.out)
    let shop = [M.namespace("shop"), M.deployment("web"), cron]
    let code = LintCode.strictWithoutClientProxy
    #expect(Self.codes(shop + [M.peer("p", Self.strict)]).contains(code))
    #expect(Self.codes(shop + [M.peer("p", in: "istio-system", Self.strict)]).contains(code))
    #expect(Self.codes(shop + [M.peer("p", "selector: {matchLabels: {app: web}}, " + Self.strict)]).contains(code))
    // Not where the workload has another mode after all, and not about clients elsewhere.
    #expect(!Self.codes(shop + [M.peer("p", "selector: {matchLabels: {app: cron}}, " + Self.strict)]).contains(code))
    #expect(!Self.codes(shop + [M.peer("p", in: "istio-system", Self.strict), M.peer("q", "mtls: {mode: PERMISSIVE}")]).contains(code))
    let elsewhere = [M.namespace("shop"), M.deployment("web"), M.namespace("old", "{}"), M.deployment("job", in: "old")]
    #expect(!Self.codes(elsewhere + [M.peer("p", in: "istio-system", Self.strict)]).contains(code))
    // A workload in ambient mode somewhere makes no server of other namespaces.
    let ambient = [M.namespace("field", "{istio.io/dataplane-mode: ambient}"), M.deployment("one", in: "field")]
    let legacy = [M.namespace("legacy", "{istio-injection: disabled}"), M.deployment("old", in: "legacy")]
    #expect(!Self.codes(ambient + legacy + [M.peer("p", in: "legacy", Self.strict)]).contains(code))
    #expect(
      Self.codes(
        ambient + [M.deployment("bare", in: "field", labels: "istio.io/dataplane-mode: none"), M.peer("p", in: "field", Self.strict)]
      ).contains(code))
  }

  @Test func `a port of the proxy itself takes plaintext`() {
    let mesh = [
      M.namespace("shop"), M.deployment("web"), M.namespace("mon", "{istio-injection: disabled}"), M.deployment("prometheus", in: "mon"),
      M.peer("p", Self.strict),
    ]
    func allow(_ ports: String) -> String {
      Self.policy("m", in: "shop", app: "web", "[{from: [{source: {namespaces: [mon]}}], to: [{operation: {ports: [\(ports)]}}]}]")
    }
    #expect(!Self.codes(mesh + [allow("\"15020\"")]).contains(.strictWithoutClientProxy))
    for ports in ["\"8080\"", "\"15020\", \"8080\""] {
      #expect(Self.codes(mesh + [allow(ports)]).contains(.strictWithoutClientProxy), "\(ports)")
    }
  }

  // MARK: Rules that nobody uses

  @Test func `a DestinationRule that nobody uses makes no conflict`() {
    let mesh = [
      M.namespace("a"), M.namespace("b"), M.deployment("web", in: "a"), M.deployment("api", in: "b"), M.deployment("other", in: "b"),
      M.service("api", in: "b"), M.peer("p", in: "b", Self.strict),
    ]
    let off = ", trafficPolicy: {tls: {mode: DISABLE}}"
    func isConflict(_ rule: String) -> Bool { Self.codes(mesh + [rule]).contains(.tlsConflict) }
    #expect(!isConflict(M.rule("d", in: "b", "host: api, workloadSelector: {matchLabels: {app: nobody}}" + off)))
    #expect(isConflict(M.rule("d", in: "b", "host: api, workloadSelector: {matchLabels: {app: other}}" + off)))
    #expect(!isConflict(M.rule("d", in: "b", "host: api, exportTo: [nowhere]" + off)))
    #expect(isConflict(M.rule("d", in: "b", "host: api, exportTo: [a]" + off)) && isConflict(M.rule("d", in: "b", "host: api" + off)))
    // Who is not loaded and writes a rule for its own namespace uses it.
    #expect(isConflict(M.rule("d", in: "c", "host: api.b.svc.cluster.local" + off)))
    // All clients of the namespace are chosen by another rule.
    let chosen = M.rule(
      "e", in: "a", "host: api.b.svc.cluster.local, workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"
    )
    let rest = M.rule("d", in: "a", "host: api.b.svc.cluster.local, exportTo: [.]" + off)
    #expect(isConflict(rest) && !Self.codes(mesh + [rest, chosen]).contains(.tlsConflict))
  }

  // MARK: Names

  @Test func `services have the suffix that is given`() {
    let mesh = [M.namespace("shop"), M.deployment("web"), M.deployment("api"), M.service("api"), M.peer("p", Self.strict)]
    func codes(_ host: String, _ domain: ExactText) -> [LintCode] {
      Self.codes(mesh + [M.rule("d", "host: \(host), trafficPolicy: {tls: {mode: DISABLE}}")], clusterDomain: domain)
    }
    for host in ["api", "api.shop.svc.example.corp"] {
      #expect(codes(host, "example.corp") == [.tlsConflict], "\(host)")
    }
    #expect(codes("api.shop.svc.example.corp", "cluster.local") == [])
    #expect(codes("ap.shop.svc.example.corp", "example.corp").contains(.destinationHostUnknown))
    #expect(!codes("api.shop.svc.cluster.local", "example.corp").contains(.destinationHostUnknown))
    let rule = Self.policy("p", in: "shop", app: "api", "[{to: [{operation: {hosts: [\"ap.shop.svc.example.corp\"]}}]}]")
    #expect(Self.codes(mesh + [rule], clusterDomain: "example.corp").contains(.hostUnknown))
    #expect(!Self.codes(mesh + [rule]).contains(.hostUnknown))
  }
}
