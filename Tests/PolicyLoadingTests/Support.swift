// What every test here needs: a text becomes a loaded file, and diagnostics become short texts to compare.

import PolicyLoading
import PolicyModel

/// Loads a text as `test.yaml`.
func load(_ text: String, limits: LoadingLimits = LoadingLimits()) -> LoadedFile {
  loadPolicies(text: Array(text.utf8), file: "test.yaml", limits: limits)
}

extension LoadedFile {
  /// The codes of all diagnostics, in order.
  var codes: [String] { diagnostics.map(\.code) }
  /// All diagnostics as a user sees them.
  var messages: String { diagnostics.map(\.description).joined(separator: "\n") }
  var keys: [String] { objects.map(\.key.description) }
  var policies: [AuthorizationPolicy] {
    objects.compactMap { if case .policy(let policy) = $0 { policy } else { nil } }
  }
  var peerAuthentications: [PeerAuthentication] {
    objects.compactMap { if case .peerAuthentication(let policy) = $0 { policy } else { nil } }
  }
  var requestAuthentications: [RequestAuthentication] {
    objects.compactMap { if case .requestAuthentication(let policy) = $0 { policy } else { nil } }
  }
  var destinationRules: [DestinationRule] {
    objects.compactMap { if case .destinationRule(let rule) = $0 { rule } else { nil } }
  }
  var workloads: [Workload] {
    objects.compactMap { if case .workload(let workload) = $0 { workload } else { nil } }
  }
  var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
}

/// An AuthorizationPolicy `shop/p` whose spec is `spec` in flow style.
func policy(_ spec: String, annotations: String = "{}") -> String {
  """
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: p, namespace: shop, annotations: \(annotations)}
  spec: \(spec)

  """
}

/// A PeerAuthentication `shop/p` whose spec is `spec` in flow style.
func peer(_ spec: String) -> String {
  """
  apiVersion: security.istio.io/v1
  kind: PeerAuthentication
  metadata: {name: p, namespace: shop}
  spec: \(spec)

  """
}

/// A RequestAuthentication `shop/p` whose spec is `spec` in flow style.
func tokens(_ spec: String) -> String { peer(spec).replacing("PeerAuthentication", with: "RequestAuthentication") }

/// A DestinationRule `shop/p` whose spec is `spec` in flow style.
func rule(_ spec: String) -> String {
  peer(spec).replacing("PeerAuthentication", with: "DestinationRule").replacing("security.istio.io", with: "networking.istio.io")
}
