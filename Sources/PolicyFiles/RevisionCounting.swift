// Which parts of a policy set changed. The states before and after one step enter; a number for each namespace leaves, the same as before
// if and only if the namespace holds the same objects, of the same parse, in the same order, and the same of what is unusable.
//
// Whoever compiles takes over what has an equal number, so a number that fails to change would leave an old policy in force. Therefore
// contents are compared and never hashed, and no number is given twice in a process: two watchers that continue from one load cannot
// give one number to different things.

internal import PolicyLoading
internal import PolicyModel
internal import Synchronization

/// Gives numbers that nobody in the process has.
enum RevisionNumber {
  private static let last = Atomic<UInt64>(0)

  static func fresh() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// The objects in force and what is unusable, by namespace. Made for one comparison.
struct RevisionParts {
  /// One version of one object: which parse, and which object of it.
  struct Version: Equatable {
    var parse: UInt64
    var index: Int
  }

  struct Part: Equatable {
    var objects: [Version] = []
    var unusable: [UnusablePolicy] = []
    var unusableWorkloads: [UnusableWorkload] = []
  }

  private(set) var namespaces: [ExactText: Part] = [:]
  private(set) var unplaced = Part()

  /// O(objects).
  init(_ holdings: Holdings) {
    for entry in holdings.order {
      namespaces[entry.object.key.namespace, default: Part()].objects.append(Version(parse: entry.content.version, index: entry.index))
    }
    for policy in holdings.unusable.lazy.map(\.policy) {
      switch policy.reach {
      case .namespace(let namespace, _): namespaces[namespace, default: Part()].unusable.append(policy)
      case .everywhere: unplaced.unusable.append(policy)
      }
    }
    for workload in holdings.unusableWorkloads.lazy.map(\.workload) {
      if let namespace = workload.namespace {
        namespaces[namespace, default: Part()].unusableWorkloads.append(workload)
      } else {
        unplaced.unusableWorkloads.append(workload)
      }
    }
  }

  /// The numbers of these parts, given the parts and the numbers before.
  func revisions(after before: RevisionParts, _ numbers: Revisions) -> Revisions {
    let number = RevisionNumber.fresh()
    var revisions = Revisions(
      source: numbers.source, namespaces: [:], unplaced: before.unplaced == unplaced ? numbers.unplaced : number)
    for (namespace, part) in namespaces {
      let isSame = before.namespaces[namespace] == part
      revisions.namespaces[namespace] = isSame ? numbers.namespaces[namespace] ?? number : number
    }
    return revisions
  }
}

extension Revisions {
  /// The numbers of a new source that holds nothing.
  static func ofNewSource() -> Revisions {
    Revisions(source: RevisionNumber.fresh(), namespaces: [:], unplaced: RevisionNumber.fresh())
  }

  /// The numbers after a step that changed objects of these namespaces and nothing else; `isHeld` says which of them still hold any.
  func changed(_ touched: Set<ExactText>, isHeld: (ExactText) -> Bool) -> Revisions {
    guard !touched.isEmpty else { return self }
    var after = self
    let number = RevisionNumber.fresh()
    for namespace in touched { after.namespaces[namespace] = isHeld(namespace) ? number : nil }
    return after
  }
}
