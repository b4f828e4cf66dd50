// Everything that decisions are made from, before compilation.

/// Policies, server modes and workloads, together with the objects that could not be used.
public struct PolicySet: Sendable {
  private var lists = Lists()

  /// What may be taken over from an earlier set of the same source; nil where nobody keeps count, and then nothing is.
  /// Whoever changes a list of the set makes it nil: it would speak of another set.
  public var revisions: Revisions?

  /// Makes an empty set.
  public init() {}

  private struct Lists {
    var policies: [AuthorizationPolicy] = []
    var peerAuthentications: [PeerAuthentication] = []
    var requestAuthentications: [RequestAuthentication] = []
    var destinationRules: [DestinationRule] = []
    var workloads: [Workload] = []
    var inventory: [InventoryObject] = []
    var unusable: [UnusablePolicy] = []
    var unusableWorkloads: [UnusableWorkload] = []
  }
}

// Changed in place, so that appending to a list costs what it costs in an array (an observer would copy the list each time).
extension PolicySet {
  /// The usable AuthorizationPolicies.
  public var policies: [AuthorizationPolicy] {
    _read { yield lists.policies }
    _modify {
      revisions = nil
      yield &lists.policies
    }
  }

  /// The usable PeerAuthentications.
  public var peerAuthentications: [PeerAuthentication] {
    _read { yield lists.peerAuthentications }
    _modify {
      revisions = nil
      yield &lists.peerAuthentications
    }
  }

  /// The usable RequestAuthentications.
  public var requestAuthentications: [RequestAuthentication] {
    _read { yield lists.requestAuthentications }
    _modify {
      revisions = nil
      yield &lists.requestAuthentications
    }
  }

  /// The usable DestinationRules; no decision depends on them.
  public var destinationRules: [DestinationRule] {
    _read { yield lists.destinationRules }
    _modify {
      revisions = nil
      yield &lists.destinationRules
    }
  }

  /// The workloads of the inventory.
  public var workloads: [Workload] {
    _read { yield lists.workloads }
    _modify {
      revisions = nil
      yield &lists.workloads
    }
  }

  /// The other objects of the inventory.
  public var inventory: [InventoryObject] {
    _read { yield lists.inventory }
    _modify {
      revisions = nil
      yield &lists.inventory
    }
  }

  /// Policies that are broken and have no last good version: every workload that one could attach to is denied.
  public var unusable: [UnusablePolicy] {
    _read { yield lists.unusable }
    _modify {
      revisions = nil
      yield &lists.unusable
    }
  }

  /// Workloads that exist and are not among `workloads`, because they are broken or written twice and have no last good version.
  /// Whoever guesses a workload from the inventory must reckon with each of them.
  public var unusableWorkloads: [UnusableWorkload] {
    _read { yield lists.unusableWorkloads }
    _modify {
      revisions = nil
      yield &lists.unusableWorkloads
    }
  }
}

/// Which parts of a set are the same as in the sets before it. Two sets of one source in which a part has one number hold the same
/// objects in that part, in the same order, written in the same places.
public struct Revisions: Sendable, Hashable {
  /// Who counts; no two sources of one process have one number.
  public var source: UInt64
  /// For each namespace, all objects of it: policies, authentications, workloads, inventory, and what of it is unusable. A namespace that
  /// is not listed holds nothing.
  public var namespaces: [ExactText: UInt64]
  /// What has no namespace that can be read: unusable policies that reach everywhere, unusable workloads of an unknown namespace.
  public var unplaced: UInt64

  /// Collects numbers.
  public init(source: UInt64, namespaces: [ExactText: UInt64], unplaced: UInt64) {
    self.source = source
    self.namespaces = namespaces
    self.unplaced = unplaced
  }
}

/// A policy that exists but cannot be read, so that nobody knows what it would deny.
public struct UnusablePolicy: Sendable, Equatable {
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

/// A workload that exists, or may exist, and cannot be used. What could not be read is nil and may be anything.
public struct UnusableWorkload: Sendable, Hashable {
  /// The kind; nil when it could not be read or is not known.
  public var kind: ExactText?
  /// The namespace.
  public var namespace: ExactText?
  /// The name.
  public var name: ExactText?
  /// Where it is written.
  public var location: SourceLocation

  /// Makes an entry.
  public init(kind: ExactText?, namespace: ExactText?, name: ExactText?, location: SourceLocation) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
    self.location = location
  }
}
