// The shop's policies and workloads as Kubernetes YAML, the text that Portcullis is given when `ShopTraffic` asks it.
// Nothing enters; two files leave. The sentences that they say stand in ShopTraffic, which does not read them.
internal import Foundation

/// The shop as files.
enum ShopPolicies {
  /// Writes the shop into a directory.
  static func write(to directory: URL) throws {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    for (name, documents) in [("policies.yaml", policies), ("workloads.yaml", workloads)] {
      try documents.joined(separator: "---\n").write(to: directory.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
  }

  /// The shop as one text.
  static var text: String { (policies + workloads).joined(separator: "---\n") }

  private static var policies: [String] { [mutualTLS, allow("backend", from: "frontend-sa"), allow("db", from: "backend-sa")] }

  private static var workloads: [String] { ["frontend", "backend", "db"].map(deployment) }

  private static let mutualTLS = """
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata:
      name: default
      namespace: shop
    spec:
      mtls:
        mode: STRICT

    """

  private static func allow(_ workload: String, from serviceAccount: String) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata:
      name: \(workload)-from-\(serviceAccount)
      namespace: shop
    spec:
      selector:
        matchLabels:
          app: \(workload)
      action: ALLOW
      rules:
      - from:
        - source:
            principals: ["cluster.local/ns/shop/sa/\(serviceAccount)"]

    """
  }

  private static func deployment(_ name: String) -> String {
    """
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: \(name)
      namespace: shop
    spec:
      selector:
        matchLabels:
          app: \(name)
      template:
        metadata:
          labels:
            app: \(name)
        spec:
          serviceAccountName: \(name)-sa
          containers:
          - name: \(name)
            image: registry.example/shop/\(name):1

    """
  }
}
