// A small mesh for lint: manifests in, codes out.
// Enters: YAML of policies. Leaves: what lint finds in them beside the workloads of the mesh. Never here: files.

internal import PolicyAnalysis
internal import PolicyLoading
internal import PolicyModel
internal import Testing

/// The mesh that every case stands in: a namespace with sidecars, one without, and one in ambient mode.
enum LintMesh {
  private static func deployment(
    _ name: String, _ namespace: String, labels: String? = nil, account: String? = nil, port: Int = 8080
  ) -> String {
    """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: \(name), namespace: \(namespace)}
    spec:
      template:
        metadata: {labels: {\(labels ?? "app: \(name)")}}
        spec: {serviceAccountName: \(account ?? "\(name)-sa"), containers: [{name: main, ports: [{containerPort: \(port)}]}]}
    ---

    """
  }

  private static func namespace(_ name: String, _ labels: String) -> String {
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: \(name), labels: {\(labels)}}\n---\n"
  }

  private static func service(_ name: String, _ namespace: String, _ ports: String) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {selector: {app: \(name)}, ports: [\(ports)]}
    ---

    """
  }

  /// The workloads and services.
  static let manifests =
    namespace("shop", "istio-injection: enabled") + namespace("legacy", "team: old")
    + namespace("field", "istio.io/dataplane-mode: ambient")
    + namespace("open", "istio-injection: enabled")
    + deployment("frontend", "shop") + deployment("backend", "shop", labels: "app: backend, version: v1")
    + deployment("db", "shop", port: 5432)
    + deployment("batch", "legacy") + deployment("orders", "field") + deployment("files", "open")
    + deployment(
      "waypoint", "field",
      labels:
        "app: waypoint, gateway.networking.k8s.io/gateway-name: waypoint, gateway.networking.k8s.io/gateway-class-name: istio-waypoint")
    + service("backend", "shop", "{name: http, port: 80, targetPort: 8080}") + service("db", "shop", "{name: tcp, port: 5432}")
    + service("orders", "field", "{name: http, port: 80, targetPort: 8080}")
    + service("files", "open", "{name: http, port: 80, targetPort: 8080}")
      + """
      apiVersion: security.istio.io/v1
      kind: PeerAuthentication
      metadata: {name: default, namespace: open}
      spec: {mtls: {mode: DISABLE}}
      ---

      """

  /// What lint finds.
  static func findings(_ policies: String, mesh: MeshSettings = MeshSettings(), isAlone: Bool = false) -> [LintFinding] {
    let text = isAlone ? policies : policies + "\n---\n" + manifests
    let file = loadPolicies(text: Array(text.utf8), file: "mesh.yaml")
    #expect(file.diagnostics.allSatisfy { $0.severity == .warning }, "\(file.diagnostics.map(\.description)) in\n\(policies)")
    var set = PolicySet()
    for object in file.objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .peerAuthentication(let object): set.peerAuthentications.append(object)
      case .requestAuthentication(let object): set.requestAuthentications.append(object)
      case .destinationRule(let rule): set.destinationRules.append(rule)
      case .workload(let workload): set.workloads.append(workload)
      case .inventory(let object): set.inventory.append(object)
      }
    }
    return lint(set, mesh: mesh)
  }

  /// An ALLOW policy of namespace `shop` for one of its apps.
  static func policy(_ rules: String, app: String = "backend", namespace: String = "shop", name: String = "one") -> String {
    policy("ALLOW", rules, app: app, namespace: namespace, name: name)
  }

  /// The same with another action.
  static func policy(
    _ action: String, _ rules: String, app: String = "backend", namespace: String = "shop", name: String = "one"
  ) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {action: \(action), selector: {matchLabels: {app: \(app)}}, rules: \(rules)}

    """
  }

  /// Mutual TLS for a namespace.
  static func strict(_ namespace: String = "shop", mode: String = "STRICT") -> String {
    """
    ---
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: strict, namespace: \(namespace)}
    spec: {mtls: {mode: \(mode)}}
    ---

    """
  }

  /// A DestinationRule of namespace `shop`.
  static func destination(_ spec: String, name: String = "one") -> String {
    """
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: \(name), namespace: shop}
    spec: {\(spec)}
    ---

    """
  }

  /// A RequestAuthentication for the backend.
  static let tokens = """
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: shop}
    spec: {selector: {matchLabels: {app: backend}}, jwtRules: [{issuer: "https://issuer.example/", jwksUri: "https://issuer.example/keys"}]}
    ---

    """
}
