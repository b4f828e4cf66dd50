// Which DestinationRule a client uses for a host, after rules for one host have been merged (Istio: pilot/pkg/model/destination_rule.go,
// push_context.go; the enhanced merge).
// Enters: the DestinationRules, once; a client and a host. Leaves: the merged rule, and the objects that it is made of.
// Never here: what the rule means for a connection.

package import PolicyModel

/// Rules for one host that Istio merged.
package struct MergedRule: Sendable {
  /// The result.
  package var rule: DestinationRule
  /// The objects that it is made of, the first of them first.
  package var objects: [ObjectMetadata]
  /// The object that its `trafficPolicy` is from.
  package var policyOwner: ObjectMetadata?
  /// The object that each subset is from.
  package var subsetOwners: [ExactText: ObjectMetadata]
  var exportTo: Set<ExactText>

  init(_ rule: DestinationRule, exportTo: Set<ExactText>) {
    self.rule = rule
    self.exportTo = exportTo
    objects = [rule.metadata]
    policyOwner = rule.trafficPolicy == nil ? nil : rule.metadata
    subsetOwners = Dictionary(rule.subsets.map { ($0.name, rule.metadata) }) { first, _ in first }
  }

  mutating func merge(_ other: DestinationRule) {
    objects.append(other.metadata)
    if rule.trafficPolicy == nil, let policy = other.trafficPolicy {
      rule.trafficPolicy = policy
      policyOwner = other.metadata
    }
    let own = Set(rule.subsets.map(\.name))
    for subset in other.subsets where !own.contains(subset.name) {
      rule.subsets.append(subset)
      subsetOwners[subset.name] = other.metadata
    }
  }
}

/// The rules of one tier, by host.
private struct RuleTier: Sendable {
  private var specific: [ExactText: [MergedRule]] = [:]
  private var wildcard: [ExactText: [MergedRule]] = [:]

  mutating func add(_ rule: DestinationRule, host: ExactText, exportTo: Set<ExactText>) {
    if host.string.hasPrefix("*") {
      Self.merge(rule, exportTo, into: &wildcard[host, default: []])
    } else {
      Self.merge(rule, exportTo, into: &specific[host, default: []])
    }
  }

  private static func merge(_ rule: DestinationRule, _ exportTo: Set<ExactText>, into list: inout [MergedRule]) {
    var standsAlone = true
    for place in list.indices {
      let existing = list[place].rule.workloadSelector
      if let existing, let own = rule.workloadSelector, existing.matchLabels != own.matchLabels {
        standsAlone = true
        continue
      }
      let isSuperset = !list[place].exportTo.isEmpty && exportTo.isSuperset(of: list[place].exportTo)
      standsAlone = exportTo != list[place].exportTo
      if !standsAlone || isSuperset { list[place].merge(rule) }
    }
    if standsAlone { list.append(MergedRule(rule, exportTo: exportTo)) }
  }

  /// The rules of the most specific host: exact, else the longest wildcard, of equal ones the first in the alphabet.
  func rules(for host: ExactText) -> [MergedRule]? {
    if let found = host.string.hasPrefix("*") ? wildcard[host] : specific[host] { return found }
    let best = wildcard.keys.filter { hasSuffix(host, $0.string.dropFirst()) }.min {
      ($1.string.utf8.count, $0) < ($0.string.utf8.count, $1)
    }
    return best.flatMap { wildcard[$0] }
  }
}

/// The DestinationRules of a mesh.
package struct ClientRules: Sendable {
  private var local: [ExactText: RuleTier] = [:]
  private var exported: [ExactText: RuleTier] = [:]
  private var rootPrivate = RuleTier()
  private let root: ExactText

  /// Sorts and merges the rules. O(n log n), and rules for one host in one namespace are compared with each other.
  package init(_ rules: [DestinationRule], mesh: MeshSettings, clusterDomain: ExactText) {
    root = mesh.rootNamespace
    let sorted = rules.sorted { left, right in
      let (one, two) = (left.metadata, right.metadata)
      if (left.workloadSelector == nil) != (right.workloadSelector == nil) { return left.workloadSelector != nil }
      return (one.creationTime, one.key.name, one.key.namespace) < (two.creationTime, two.key.name, two.key.namespace)
    }
    for rule in sorted {
      let namespace = rule.metadata.key.namespace
      let host = Self.host(of: rule, clusterDomain: clusterDomain)
      // Rules for chosen clients are for those of their own namespace.
      let exportTo: Set<ExactText> = rule.workloadSelector == nil ? Set(rule.exportTo) : ["."]
      if exportTo.isEmpty || !exportTo.isDisjoint(with: ["*", ".", namespace]) {
        local[namespace, default: RuleTier()].add(rule, host: host, exportTo: exportTo)
      }
      let isPrivate =
        exportTo.isEmpty
        ? mesh.destinationRuleExport.contains(".") : exportTo.count == 1 && !exportTo.isDisjoint(with: [".", namespace])
      if !isPrivate {
        exported[namespace, default: RuleTier()].add(rule, host: host, exportTo: exportTo)
      } else if namespace == root {
        rootPrivate.add(rule, host: host, exportTo: exportTo)
      }
    }
  }

  /// The host of a rule: a name without any dot is a service of the rule's own namespace; a star alone is every host.
  static func host(of rule: DestinationRule, clusterDomain: ExactText) -> ExactText {
    rule.host.value == "*" || rule.host.value.bytes.contains(UInt8(ascii: "."))
      ? rule.host.value : ExactText("\(rule.host.value).\(rule.metadata.key.namespace).svc.\(clusterDomain)")
  }

  /// The rules among which a client's labels choose: of the first tier that has any that the client's namespace sees.
  package func candidates(client: ExactText, host: ExactText, serviceNamespace: ExactText) -> [MergedRule] {
    if let own = client == root ? rootPrivate.rules(for: host) : local[client]?.rules(for: host) { return own }
    for namespace in [serviceNamespace, root] {
      let visible = exported[namespace]?.rules(for: host)?.filter { rule in
        rule.exportTo.isEmpty || !rule.exportTo.isDisjoint(with: ["*", client])
      }
      if let visible, !visible.isEmpty { return visible }
    }
    return []
  }

  /// The rule that a client with these labels uses: one that selects it, else the last one without a selector.
  package static func choose(_ candidates: [MergedRule], labels: [ExactText: ExactText]) -> MergedRule? {
    candidates.first { $0.rule.workloadSelector.map { $0.selects(labels) } ?? false }
      ?? candidates.last { $0.rule.workloadSelector == nil }
  }
}
