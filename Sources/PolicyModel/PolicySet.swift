// Everything that decisions are made from, before compilation.

/// Policies, server modes and workloads, together with the objects that could not be used.
public struct PolicySet: Sendable {
  /// The usable AuthorizationPolicies.
  public var policies: [AuthorizationPolicy] = []
  /// The usable PeerAuthentications.
  public var peerAuthentications: [PeerAuthentication] = []
  /// The usable RequestAuthentications.
  public var requestAuthentications: [RequestAuthentication] = []
  /// The usable DestinationRules; no decision depends on them.
  public var destinationRules: [DestinationRule] = []
  /// The workloads of the inventory.
  public var workloads: [Workload] = []
  /// The other objects of the inventory.
  public var inventory: [InventoryObject] = []
  /// Policies that are broken and have no last good version: every workload that one could attach to is denied.
  public var unusable: [UnusablePolicy] = []

  /// Makes an empty set.
  public init() {}
}

/// A policy that exists but cannot be read, so that nobody knows what it would deny.
public struct UnusablePolicy: Sendable {
  /// Which object, as far as it could be read.
  public var key: ObjectKey
  /// Where it is written.
  public var location: SourceLocation
  /// Which workloads it could attach to.
  public var reach: Reach

  /// Which workloads an unreadable policy could attach to.
  public enum Reach: Sendable, Hashable {
    /// Its namespace could not be read: every workload.
    case everywhere
    /// Workloads of the scope of this namespace (the root namespace reaches all) that the selector selects; an unreadable
    /// selector counts as empty.
    case namespace(ExactText, LabelSelector)
  }

  /// Makes an entry.
  public init(key: ObjectKey, location: SourceLocation, reach: Reach) {
    self.key = key
    self.location = location
    self.reach = reach
  }
}
