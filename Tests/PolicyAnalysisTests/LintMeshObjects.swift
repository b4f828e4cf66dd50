// The objects that cases of lint put beside the small mesh.
// Enters: names and modes. Leaves: YAML. Never here: a case.

extension LintMesh {
  static func targeted(_ kind: String, _ name: String, _ namespace: String) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: one, namespace: \(namespace)}
    spec: {targetRefs: [{group: "", kind: \(kind), name: \(name)}], rules: [{}]}

    """
  }

  static func tokenReader(_ app: String) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: tokens, namespace: field}
    spec: {selector: {matchLabels: {app: \(app)}}, jwtRules: [{issuer: "https://issuer.example", jwksUri: "https://issuer.example/keys"}]}

    """
  }

  static func everywhere(_ namespace: String) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: all-\(namespace), namespace: \(namespace)}
    spec: {}
    ---

    """
  }

  static func emptyEntry(_ mode: String) -> String {
    destination(
      "host: backend, trafficPolicy: {tls: {mode: \(mode)}, portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}")
  }

  static func peer(_ name: String, _ label: String, _ mode: String, namespace: String = "shop") -> String {
    """
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {selector: {matchLabels: {\(label)}}, mtls: {mode: \(mode)}}
    ---

    """
  }

  /// A mode for the workload of the namespace that is DISABLE.
  static func files(_ mode: String) -> String { peer("files", "app: files", mode, namespace: "open") }

  static let external = """
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: api, namespace: shop}
    spec: {hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
    ---

    """

  /// A workload with a port for its numbers, and what of it is redirected.
  static func meter(_ annotation: String) -> String {
    """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: meter, namespace: shop}
    spec:
      template:
        metadata: {labels: {app: meter}, annotations: {traffic.sidecar.istio.io/\(annotation)}}
        spec: {serviceAccountName: meter-sa, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 9090}]}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: meter, namespace: shop}
    spec: {selector: {app: meter}, ports: [{name: http, port: 80, targetPort: 8080}, {name: http-meter, port: 9090}]}
    ---

    """
  }

  static func port(_ number: String, _ mode: String) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: port, namespace: shop}
    spec: {selector: {matchLabels: {app: backend}}, portLevelMtls: {\(number): {mode: \(mode)}}}

    """
  }
}
