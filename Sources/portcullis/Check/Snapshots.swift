// The policies as each data plane reads them, compiled when somebody asks.
// Enters: a policy set. Leaves: snapshots, each compiled once. Never here: a decision.

internal import PolicyEngine
internal import PolicyModel

struct Snapshots {
  private let policies: PolicySet
  let mesh: MeshSettings
  private var compiled: [DataPlane: Snapshot] = [:]

  init(_ policies: PolicySet, mesh: MeshSettings) {
    self.policies = policies
    self.mesh = mesh
  }

  /// The snapshot that decides requests of this profile.
  mutating func snapshot(for profile: Profile) -> Snapshot {
    if let known = compiled[profile.dataPlane] { return known }
    let snapshot = Snapshot(policies, mesh: mesh, dataPlane: profile.dataPlane)
    compiled[profile.dataPlane] = snapshot
    return snapshot
  }
}
