// Which proxy a workload has, by every sign that a manifest can carry; and hosts outside the mesh.
// Enters: labels, annotations, containers. Leaves: kinds of proxies and whether they are assumed.

import PolicyAnalysis
import PolicyModel
import Testing

@Suite struct `which proxy a workload has` {
  /// The namespace's labels, the pod's, and its spec.
  @Test(arguments: [
    ("{istio-injection: enabled}", "", "", "sidecar"), ("{istio-injection: disabled}", "", "", "none"),
    ("{istio-injection: disabled}", "sidecar.istio.io/inject: \"true\"", "", "none"),
    ("{istio-injection: enabled}", "sidecar.istio.io/inject: \"false\"", "", "none"), ("{istio.io/rev: canary}", "", "", "sidecar"),
    ("{}", "sidecar.istio.io/inject: \"true\"", "", "sidecar"), ("{}", "istio.io/rev: canary", "", "sidecar"),
    ("{}", "sidecar.istio.io/inject: \"false\"", "", "none"), ("{}", "", "", "sidecar assumed"),
    ("{istio.io/dataplane-mode: ambient}", "", "", "ambient"), ("{istio.io/dataplane-mode: none}", "", "", "none"),
    ("{istio.io/dataplane-mode: ambient}", "istio.io/dataplane-mode: none", "", "none"),
    ("{}", "istio.io/dataplane-mode: ambient", "", "ambient"),
    ("{istio.io/dataplane-mode: ambient}", "sidecar.istio.io/inject: \"true\"", "", "sidecar"),
    ("{istio-injection: enabled}", "", "hostNetwork: true", "none"),
    ("{istio-injection: disabled}", "", "containers: [{name: istio-proxy}]", "sidecar"),
    ("{istio-injection: disabled}", "", "initContainers: [{name: istio-proxy}]", "sidecar"),
    ("{istio-injection: enabled}", "istio: ingressgateway", "", "gateway"), ("{}", "istio: egressgateway", "", "gateway"),
    ("{}", "gateway.networking.k8s.io/gateway-name: g", "", "gateway"),
    ("{}", "gateway.networking.k8s.io/gateway-name: g, gateway.networking.k8s.io/gateway-class-name: istio-waypoint", "", "waypoint"),
  ])
  func `by its manifests`(_ namespace: String, _ labels: String, _ pod: String, _ expected: String) {
    let analysis = TLSAnalysis([Manifest.namespace("shop", namespace), Manifest.deployment("w", labels: labels, pod: pod)])
    let proxy = analysis.proxies[0]
    #expect("\(proxy.kind.rawValue)\(proxy.isAssumed ? " assumed" : "")" == expected, "\(proxy.because)")
  }

  @Test func `annotations of the template, and of running pods`() {
    func pod(_ annotations: String, _ rest: String = "") -> String {
      "{apiVersion: v1, kind: Pod, metadata: {name: w, namespace: shop, annotations: \(annotations)}, spec: {\(rest)}, status: {podIP: 10.0.0.1}}"
    }
    func kind(_ object: String, _ namespace: String = "{istio-injection: enabled}") -> ProxyKind {
      TLSAnalysis([Manifest.namespace("shop", namespace), object]).proxies[0].kind
    }
    #expect(kind(pod("{}")) == .none, "a running pod without the container has no proxy, whatever its namespace says")
    #expect(kind(pod("{}", "containers: [{name: istio-proxy}]")) == .sidecar)
    #expect(kind(pod("{ambient.istio.io/redirection: enabled}"), "{}") == .ambient)
    let template =
      "{apiVersion: apps/v1, kind: Deployment, metadata: {name: w, namespace: shop}, spec: {template: {metadata: {annotations: {sidecar.istio.io/inject: \"false\"}}}}}"
    #expect(kind(template) == .none)
    #expect(kind(template, "{}") == .none)
    let cron =
      "{apiVersion: batch/v1, kind: CronJob, metadata: {name: w, namespace: shop}, spec: {jobTemplate: {spec: {template: {metadata: {annotations: {sidecar.istio.io/inject: \"false\"}}}}}}}"
    #expect(kind(cron) == .none)
  }

  @Test func `machines, by label and service account`() {
    func entry(_ spec: String) -> ProxyKind {
      TLSAnalysis([
        "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: w, namespace: shop}, spec: {address: 10.1.1.1\(spec)}}"
      ]).proxies[0].kind
    }
    #expect(entry("") == .none)
    #expect(entry(", serviceAccount: vm") == .sidecar)
    #expect(entry(", serviceAccount: vm, labels: {security.istio.io/tlsMode: disabled}") == .none)
    #expect(entry(", labels: {security.istio.io/tlsMode: istio}") == .sidecar)
  }

  @Test func `what is assumed can be chosen`() {
    for kind in [ProxyKind.ambient, .none, .sidecar] {
      let proxy = TLSAnalysis([Manifest.deployment("w")], assumed: kind).proxies[0]
      #expect(proxy.kind == kind && proxy.isAssumed)
    }
  }
}

@Suite struct `hosts outside the mesh` {
  private static func analysis(_ more: [String]) -> TLSAnalysis {
    TLSAnalysis(
      [
        Manifest.namespace("shop"), Manifest.deployment("front"), Manifest.deployment("bare", labels: "sidecar.istio.io/inject: \"false\""),
        Manifest.entry("api", "hosts: [api.example.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS"),
        Manifest.entry("wild", "hosts: [\"*.example.org\"], ports: [{number: 80, name: http, protocol: HTTP}]"),
      ] + more)
  }

  @Test(arguments: [
    (nil as String?, "plaintext possible external"), ("{mode: DISABLE}", "plaintext possible external"),
    ("{mode: SIMPLE}", "TLS conditional external-tls"),
    ("{mode: MUTUAL, clientCertificate: /c, privateKey: /k}", "TLS conditional external-tls"),
    ("{mode: ISTIO_MUTUAL}", "failure failure mtls-to-application"),
  ])
  func `what a rule makes of them`(_ tls: String?, _ expected: String) {
    let rule = tls.map { [Manifest.rule("r", "host: api.example.com, trafficPolicy: {tls: \($0)}")] } ?? []
    #expect(Self.analysis(rule).outcome("front", "api.example.com") == expected)
    #expect(Self.analysis(rule).outcome("bare", "api.example.com") == "plaintext possible external")
    #expect(Self.analysis(rule).outcome("bare", "api.example.com", sends: .tls) == "TLS possible external")
  }

  @Test func `wildcards, unknown hosts, and names that stand for others`() {
    let alias =
      "{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop}, spec: {type: ExternalName, externalName: a.example.net, ports: [{port: 80}]}}"
    let set = Self.analysis([alias])
    #expect(set.outcome("front", "x.example.org") == "plaintext possible external")
    #expect(set.services.named("x.example.net").isEmpty)
    let unknown = set.connection(from: set.client("front"), toUnknown: "x.example.net")
    #expect(unknown.outcome.verdict == .conditional && unknown.outcome.reason == .unknownHost && unknown.service.isExternal)
    let named = set.connect("front", "alias.shop.svc.cluster.local")
    #expect(named.map(\.address) == ["a.example.net"] && named.map(\.outcome.reason) == [.external])
  }

  @Test func `entries inside the mesh, with endpoints of their own and of the inventory`() {
    let entry = Manifest.entry(
      "vm",
      "hosts: [vm.shop], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: tcp}], "
        + "endpoints: [{address: 10.0.0.1, serviceAccount: vm}, {address: 10.0.0.2}]")
    let set = Self.analysis([entry, Manifest.peer("m", "mtls: {mode: STRICT}")])
    let found = set.connect("front", "vm.shop")
    #expect(found.map(\.address) == ["10.0.0.1", "10.0.0.2"])
    #expect(found.map(\.outcome.reason) == [.mutualTLS, .plaintextToApplication])
    let selecting = Manifest.entry(
      "sel",
      "hosts: [sel.shop], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: tcp}], workloadSelector: {labels: {app: front}}"
    )
    #expect(Self.analysis([selecting]).connect("bare", "sel.shop").map(\.workload) == [0])
  }

  @Test func `gateways have settings of their own`() {
    let gate = Manifest.deployment("gate", labels: "istio: ingressgateway")
    let set = Self.analysis([gate, Manifest.service("gate"), Manifest.peer("m", "mtls: {mode: STRICT}")])
    for source in ["front", "bare", "nobody"] {
      #expect(set.connect(source, "gate.shop.svc.cluster.local").map(\.outcome.reason) == [.gatewayListeners])
    }
    #expect(set.connect("front", "gate.shop.svc.cluster.local").first?.serverMode == nil)
  }
}
