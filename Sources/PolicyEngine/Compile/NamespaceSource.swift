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

  init(_ namespace: ExactText) { self.namespace = namespace }
}

/// All parts of a set.
struct SetParts {
  private(set) var namespaces: [ExactText: Int] = [:]
  private(set) var parts: [NamespaceSource] = []
  /// Policies that cannot be read and reach every workload.
  private(set) var everywhere: [UnusablePolicy] = []
  /// Namespaces that objects are, or are in.
  private(set) var known: Set<ExactText> = []

  /// Takes the set apart. O(objects).
  init(_ set: PolicySet) {
    for policy in set.policies { change(policy.metadata.key.namespace) { $0.policies.append(policy) } }
    for policy in set.unusable {
      switch policy.reach {
      case .everywhere: everywhere.append(policy)
      case .namespace(let namespace, let selector):
        change(namespace, isKnown: false) {
          $0.unusable.append(selector)
          $0.unusablePolicies.append(policy)
        }
      }
    }
    for object in set.peerAuthentications { change(object.metadata.key.namespace) { $0.peerAuthentications.append(object) } }
    for object in set.requestAuthentications {
      change(object.metadata.key.namespace, isKnown: false) { $0.requestAuthentications.append(object) }
    }
    for workload in set.workloads { change(workload.metadata.key.namespace) { $0.workloads.append(workload) } }
    for object in set.inventory {
      let key = object.metadata.key
      change(key.namespace, isKnown: key.kind != "Namespace") { $0.inventory.append(key) }
      if key.kind == "Namespace" { known.insert(key.name) }
    }
    known.formUnion(parts.lazy.filter(\.isKnown).map(\.namespace))
  }

  private mutating func change(_ namespace: ExactText, isKnown: Bool = true, _ body: (inout NamespaceSource) -> Void) {
    let number: Int
    if let found = namespaces[namespace] {
      number = found
    } else {
      number = parts.count
      namespaces[namespace] = number
      parts.append(NamespaceSource(namespace))
    }
    if isKnown { parts[number].isKnown = true }
    body(&parts[number])
  }
}
