// A policy set, taken apart by namespace: the parts that are compiled, and taken over, each for itself.
// Enters: a policy set. Leaves: what each namespace holds. Never here: an object that is in no part.

internal import PolicyModel

/// What is compiled of one namespace.
struct NamespaceSource {
  let namespace: ExactText
  var policies: [AuthorizationPolicy] = []
  /// The selectors of policies that cannot be used.
  var unusable: [LabelSelector] = []
  /// The same policies as they are.
  var unusablePolicies: [UnusablePolicy] = []
  var requestAuthentications: [RequestAuthentication] = []
  var peerAuthentications: [PeerAuthentication] = []
  var workloads: [Workload] = []
  var inventory: [ObjectKey] = []
  /// Whether the namespace is known by what is in it; token rules alone do not make one.
  var isKnown = false
  /// Whether what was compiled of it earlier is taken over: then nothing is collected.
  let isTakenOver: Bool

  init(_ namespace: ExactText, isTakenOver: Bool) {
    self.namespace = namespace
    self.isTakenOver = isTakenOver
  }
}

/// All parts of a set.
struct SetParts {
  private var namespaces: [ExactText: Int] = [:]
  private(set) var parts: [NamespaceSource] = []
  /// Policies that cannot be read and reach every workload.
  private(set) var everywhere: [UnusablePolicy] = []
  /// Namespaces that objects are, or are in.
  private(set) var known: Set<ExactText> = []

  private let isTakenOver: (ExactText) -> Bool
  /// The part that was asked for last, or -1.
  private var current = -1

  /// Takes the set apart, but for what is in namespaces that are taken over. O(objects).
  init(_ set: PolicySet, takingOver isTakenOver: @escaping (ExactText) -> Bool) {
    self.isTakenOver = isTakenOver
    // By place: of an object in a namespace that is taken over, nothing but the namespace is looked at.
    let policies = set.policies.span
    for place in policies.indices {
      if let part = part(policies[place].metadata.key.namespace) { parts[part].policies.append(policies[place]) }
    }
    for policy in set.unusable {
      switch policy.reach {
      case .everywhere: everywhere.append(policy)
      case .namespace(let namespace, let selector):
        guard let part = part(namespace, isKnown: false) else { continue }
        parts[part].unusable.append(selector)
        parts[part].unusablePolicies.append(policy)
      }
    }
    for object in set.peerAuthentications {
      if let part = part(object.metadata.key.namespace) { parts[part].peerAuthentications.append(object) }
    }
    for object in set.requestAuthentications {
      if let part = part(object.metadata.key.namespace, isKnown: false) { parts[part].requestAuthentications.append(object) }
    }
    let workloads = set.workloads.span
    for place in workloads.indices {
      if let part = part(workloads[place].metadata.key.namespace) { parts[part].workloads.append(workloads[place]) }
    }
    for object in set.inventory {
      let key = object.metadata.key
      if let part = part(key.namespace, isKnown: key.kind != "Namespace") { parts[part].inventory.append(key) }
      if key.kind == "Namespace" { known.insert(key.name) }
    }
    known.formUnion(parts.lazy.filter(\.isKnown).map(\.namespace))
  }

  /// The place of a namespace's part; nil when it is taken over, so that nothing is collected.
  private mutating func part(_ namespace: borrowing ExactText, isKnown: Bool = true) -> Int? {
    // Objects of one namespace mostly follow each other.
    if current < 0 || parts[current].namespace != namespace {
      let namespace = copy namespace
      if let found = namespaces[namespace] {
        current = found
      } else {
        current = parts.count
        namespaces[namespace] = current
        parts.append(NamespaceSource(namespace, isTakenOver: isTakenOver(namespace)))
      }
    }
    if isKnown { parts[current].isKnown = true }
    return parts[current].isTakenOver ? nil : current
  }
}
