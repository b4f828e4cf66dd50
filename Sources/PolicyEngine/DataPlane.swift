// Who enforces: Envoy, in sidecars, gateways and waypoints, or ztunnel. The same policies mean different things to them.

internal import PolicyModel

/// Whose reading of the policies a snapshot holds.
public enum DataPlane: UInt8, Sendable, Hashable {
  /// Istio's Envoy filters.
  case envoy
  /// Ambient mode's node proxy (Istio, pilot/pkg/serviceregistry/ambient; ztunnel, src/rbac.rs).
  case ztunnel

  /// The trust domains of which a peer must be. ztunnel compares with that of its own certificate and knows no others.
  func trustDomains(of mesh: MeshSettings) -> [ExactText] {
    self == .ztunnel ? [mesh.trustDomain] : mesh.allTrustDomains + mesh.acceptedTrustDomains
  }
}

extension Profile {
  /// Whose reading of the policies the profile needs.
  public var dataPlane: DataPlane { self == .ztunnel ? .ztunnel : .envoy }
}
