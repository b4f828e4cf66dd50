// What stands between a workload and the network: a sidecar, a gateway, a waypoint, the node's proxy of ambient mode, or nothing.
// Enters: labels, annotations and containers of the inventory. Leaves: the kind of proxy, why, and whether that is only assumed.
// Never here: a guess without the word "assumed".

internal import PolicyModel

/// What stands between a workload and the network.
package enum ProxyKind: String, Sendable, CaseIterable {
  /// Envoy in the workload's own pod.
  case sidecar
  /// An ingress or egress gateway: the pod is the proxy.
  case gateway
  /// A waypoint: the pod is the proxy of services in ambient mode.
  case waypoint
  /// ztunnel, the node's proxy.
  case ambient
  /// Nothing of the mesh.
  case none

  /// Whether it is an Envoy, which DestinationRules tell how to connect.
  package var readsDestinationRules: Bool { self == .sidecar || self == .gateway || self == .waypoint }
}

/// The proxy of a workload, and how that is known.
package struct ProxyFinding: Sendable, Equatable {
  /// Which proxy.
  package var kind: ProxyKind
  /// Why, as part of a sentence.
  package var because: String
  /// Whether no manifest says it.
  package var isAssumed: Bool
  /// Whether the endpoint tells clients that it takes the mesh's mutual TLS (Istio: the label `security.istio.io/tlsMode`).
  package var advertisesMutualTLS: Bool
  /// Whether the endpoint tells clients that it takes HBONE; `nil` when that depends on how the mesh was installed.
  package var takesHBONE: Bool?
}

/// Finds the proxies of workloads.
struct ProxyFinder: Sendable {
  /// The labels of the namespaces whose manifests are loaded.
  private let namespaces: [ExactText: [ExactText: ExactText]]
  /// The Gateways that are waypoints, by namespace and name.
  private let waypoints: Set<[ExactText]>
  private let assumed: ProxyKind
  private let assumedWhereLoaded: ProxyKind?

  /// `assumed` is the proxy of workloads of which nothing is said; `whereLoaded`, if there is one, that of those among them whose namespace's
  /// manifest is there and does not say it either.
  init(_ set: PolicySet, assumed: ProxyKind, whereLoaded: ProxyKind? = nil) {
    let objects = set.inventory.filter { $0.metadata.key.kind == "Namespace" }
    namespaces = Dictionary(objects.map { ($0.metadata.key.name, $0.metadata.labels) }) { first, _ in first }
    waypoints = Set(
      set.inventory.filter { $0.gatewayClass == "istio-waypoint" }.map { [$0.metadata.key.namespace, $0.metadata.key.name] })
    self.assumed = assumed
    assumedWhereLoaded = whereLoaded
  }

  /// The proxy of a workload.
  func proxy(of workload: Workload) -> ProxyFinding {
    let (kind, because, isAssumed) = kind(of: workload)
    var finding = ProxyFinding(kind: kind, because: because, isAssumed: isAssumed, advertisesMutualTLS: false, takesHBONE: false)
    // The injector adds the label; a manifest from before the injection does not have it yet.
    let label = workload.labels["security.istio.io/tlsMode"]
    let isInjected = kind == .sidecar || kind == .gateway
    finding.advertisesMutualTLS = label.map { $0 == "istio" } ?? (isInjected && !(isPod(workload) && workload.runtime.isObserved))
    switch kind {
    case .ambient, .waypoint: finding.takesHBONE = true
    case .sidecar, .gateway:
      let tunnel = workload.labels["networking.istio.io/tunnel"]
      finding.takesHBONE = tunnel.map { $0 == "http" } ?? (isPod(workload) && workload.runtime.isObserved ? false : nil)
    case .none: finding.takesHBONE = false
    }
    return finding
  }

  /// The proxy of an endpoint that a ServiceEntry lists (Istio: by the label, else by its service account).
  func proxy(of endpoint: ServiceDetail.Endpoint) -> ProxyFinding {
    let (isIn, because) = entry(label: endpoint.labels["security.istio.io/tlsMode"], hasAccount: endpoint.serviceAccount != nil)
    return ProxyFinding(
      kind: isIn ? .sidecar : .none, because: because, isAssumed: false, advertisesMutualTLS: isIn, takesHBONE: false)
  }

  private func isPod(_ workload: Workload) -> Bool { workload.metadata.key.kind == "Pod" }

  private func entry(label: ExactText?, hasAccount: Bool) -> (Bool, String) {
    if let label { return (label == "istio", "its label `security.istio.io/tlsMode` is `\(label)`") }
    return hasAccount ? (true, "the entry names a service account") : (false, "the entry names no service account")
  }

  private func kind(of workload: Workload) -> (ProxyKind, because: String, isAssumed: Bool) {
    let labels = workload.labels
    let runtime = workload.runtime
    if labels["gateway.networking.k8s.io/gateway-class-name"] == "istio-waypoint" {
      return (.waypoint, "its class is `istio-waypoint`", false)
    }
    if let gateway = labels["gateway.networking.k8s.io/gateway-name"] {
      return waypoints.contains([workload.metadata.key.namespace, gateway])
        ? (.waypoint, "the class of its Gateway is `istio-waypoint`", false) : (.gateway, "it is the pod of a Gateway", false)
    }
    if let name = labels["istio"], name == "ingressgateway" || name == "egressgateway" {
      return (.gateway, "its label `istio` is `\(name)`", false)
    }
    // The gateway of Istio's own chart: its label `istio` is the name of the release.
    if let templates = runtime.templatesAnnotation,
      templates.string.split(separator: ",").contains(where: { $0.filter { $0 != " " } == "gateway" })
    {
      return (.gateway, "its annotation `inject.istio.io/templates` is `\(templates)`", false)
    }
    switch workload.metadata.key.kind {
    case "WorkloadEntry":
      let (isIn, because) = entry(label: labels["security.istio.io/tlsMode"], hasAccount: runtime.namesServiceAccount)
      return (isIn ? .sidecar : .none, because, false)
    case "WorkloadGroup": return (.sidecar, "entries of a group register with the help of their proxy", false)
    default: break
    }
    if runtime.usesHostNetwork { return (.none, "it is on the network of its host, where no proxy is put in front of it", false) }
    if runtime.hasProxyContainer { return (.sidecar, "it has the container `istio-proxy`", false) }
    if runtime.redirectionAnnotation == "enabled" { return (.ambient, "its annotation `ambient.istio.io/redirection` is `enabled`", false) }
    let ambient = ambientMode(workload)
    if runtime.isObserved, isPod(workload) {
      if let ambient, ambient.isIn { return (.ambient, ambient.because, false) }
      return (.none, "it is a running pod without the container `istio-proxy`", false)
    }
    let injection = injection(workload)
    if let injection, injection.isIn { return (.sidecar, injection.because, false) }
    if let ambient, ambient.isIn { return (.ambient, ambient.because, false) }
    if let injection { return (.none, injection.because, false) }
    if let ambient { return (.none, ambient.because, false) }
    if let assumedWhereLoaded, namespaces[workload.metadata.key.namespace] != nil {
      return (assumedWhereLoaded, "its namespace has no label that puts it into the mesh", true)
    }
    return (assumed, "nothing in the given files says what proxy it has", true)
  }

  /// Whether ambient mode takes the workload; `nil` when nothing is said.
  private func ambientMode(_ workload: Workload) -> (isIn: Bool, because: String)? {
    let key: ExactText = "istio.io/dataplane-mode"
    if let own = workload.labels[key] { return (own == "ambient", "its label `istio.io/dataplane-mode` is `\(own)`") }
    guard let inherited = namespaces[workload.metadata.key.namespace]?[key] else { return nil }
    return (inherited == "ambient", "its namespace has the label `istio.io/dataplane-mode: \(inherited)`")
  }

  /// Whether a sidecar is injected; `nil` when nothing is said (Istio: which of the webhooks sees the pod, then label before annotation).
  private func injection(_ workload: Workload) -> (isIn: Bool, because: String)? {
    let labels = namespaces[workload.metadata.key.namespace] ?? [:]
    let own = workload.labels["sidecar.istio.io/inject"]
    if let own, own != "true" { return (false, "its label `sidecar.istio.io/inject` is `\(own)`") }
    if let whole = labels["istio-injection"], whole != "enabled" {
      return (false, "its namespace has the label `istio-injection: \(whole)`")
    }
    let isNamespaceIn = labels["istio-injection"] == "enabled" || labels["istio.io/rev"] != nil
    if own != nil { return (true, "its label `sidecar.istio.io/inject` is `true`") }
    if isNamespaceIn, let annotation = workload.runtime.injectAnnotation, annotation != "true" {
      return (false, "its annotation `sidecar.istio.io/inject` is `\(annotation)`")
    }
    if labels["istio-injection"] == "enabled" { return (true, "its namespace has the label `istio-injection: enabled`") }
    if let revision = labels["istio.io/rev"] { return (true, "its namespace has the label `istio.io/rev: \(revision)`") }
    if let revision = workload.labels["istio.io/rev"] { return (true, "its label `istio.io/rev` is `\(revision)`") }
    if let annotation = workload.runtime.injectAnnotation, annotation != "true" {
      return (false, "its annotation `sidecar.istio.io/inject` is `\(annotation)`")
    }
    return nil
  }
}
