// Workloads that the files do not hold, for what changes and applies to none that they do hold.
// Enters: what differs, and the workloads of the files. Leaves: one stand-in for every combination of labels that any selector tells apart.
// Never here: a combination that is left out without a word.
//
// Of a workload's labels only this counts: which selectors they satisfy, which Gateway they name, and which proxy they say that it has. Labels satisfy the same selectors as
// the union of the selectors that they satisfy. So all unions of selectors that agree with each other stand for all labels there are.

internal import PolicyEngine
internal import PolicyModel

/// Stand-ins, and what is to be said of them.
struct StandIns {
  var all: [AnalyzedDestination] = []
  /// The policies for which they stand.
  var unattached: [ObjectKey] = []
  /// Labels of which the files say that they are of another kind of proxy.
  fileprivate var refused: Set<Labels> = []
  /// What was compared, and what was not.
  var notes: [String] = []
  var gaps: [String] = []
}

/// Labels of a workload.
typealias Labels = [ExactText: ExactText]

extension ChangeAnalysis {
  /// More combinations of labels of one namespace are not compared.
  static let mostLabelSets = 256
  /// More stand-ins are not compared.
  static let mostStandIns = 1_024
  /// More objects are not named one by one.
  private static let mostNamed = 5

  /// What an object of a namespace asks of a workload's labels.
  private struct Selection {
    var key: ObjectKey
    var labels: Labels
  }

  /// The stand-ins for policies and PeerAuthentications that differ, or are under settings that differ, and that no workload has.
  ///
  /// - Parameter assumed: the kind of proxy that they have where nothing says otherwise.
  func standIns(_ difference: SetDifference, _ destinations: [AnalyzedDestination], assumed: Profile) -> StandIns {
    var found = StandIns()
    var wanted = unattached(difference, destinations, assumed)
    for selection in wanted where selection.key.kind == "AuthorizationPolicy" && !found.unattached.contains(selection.key) {
      found.unattached.append(selection.key)
    }
    // Other settings concern also whom no object names.
    let concernsAnybody = !isSameMesh && destinations.isEmpty
    if concernsAnybody {
      wanted.append(
        Selection(key: ObjectKey(kind: "", namespace: after.mesh.rootNamespace, name: ""), labels: [:]))
    }
    if wanted.isEmpty { return found }
    let namespaces = namespaces(assumed)
    var isWhole = true
    for (namespace, name, selectors) in namespaces {
      let own = wanted.filter { $0.key.namespace == namespace || roots.contains($0.key.namespace) }
      guard !own.isEmpty else { continue }
      guard let sets = Self.unions(from: own.map(\.labels), of: selectors, most: Self.mostLabelSets),
        found.all.count + sets.count <= Self.mostStandIns
      else {
        isWhole = false
        add(own.map(\.labels), namespace, name, assumed, asked: own.map(\.labels), to: &found)
        continue
      }
      add(sets, namespace, name, assumed, asked: own.map(\.labels), to: &found)
    }
    var seen: Set<ObjectKey> = []
    let keys = wanted.filter { !found.refused.contains($0.labels) }.map(\.key).filter { !$0.name.isEmpty && seen.insert($0).inserted }
    if !keys.isEmpty {
      let rest = keys.count - Self.mostNamed
      let names = keys.prefix(Self.mostNamed).map { $0.description }.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
      let text = "\(names) appl\(keys.count == 1 ? "ies" : "y") to no workload of the files; compared for "
      if isWhole {
        found.notes.append(text + "every combination of labels that selectors ask for, as \(assumed.name) where nothing else is said")
      } else {
        found.gaps.append(text + "those with just the labels that \(keys.count == 1 ? "it asks" : "they ask") for")
      }
    }
    if concernsAnybody {
      if isWhole {
        found.notes.append(
          "the files hold no workload; compared for every combination of labels that selectors ask for, as \(assumed.name) where nothing else is said"
        )
      } else {
        found.gaps.append("the files hold no workload, and the mesh settings differ; compared for some labels only")
      }
    }
    return found
  }

  /// The labels of the pods of a Gateway.
  private static func selector(_ target: AuthorizationPolicy.TargetReference) -> LabelSelector? {
    target.kind == "Gateway" ? LabelSelector(matchLabels: ["gateway.networking.k8s.io/gateway-name": target.name]) : nil
  }

  private func unattached(
    _ difference: SetDifference, _ destinations: [AnalyzedDestination], _ assumed: Profile
  ) -> [Selection] {
    let proxies = destinations.flatMap { [$0.before, $0.after] }.filter { $0.profile != .waypoint }
    let places = Dictionary(grouping: proxies, by: \.namespace)
    func isUnattached(_ key: ObjectKey, _ selector: LabelSelector) -> Bool {
      !(roots.contains(key.namespace) ? proxies : places[key.namespace] ?? []).contains { selector.selects($0.labels) }
    }
    var found: [Selection] = []
    let policies: [AuthorizationPolicy] = concerned(difference)
    for policy in policies {
      var selectors: [LabelSelector] = []
      switch policy.attachment {
      case .selector(let selector): selectors = [selector]
      case .targets(let targets): selectors = assumed == .gateway ? targets.compactMap(Self.selector) : []
      }
      for selector in selectors where isUnattached(policy.metadata.key, selector) {
        found.append(Selection(key: policy.metadata.key, labels: selector.labels))
      }
    }
    let modes: [PeerAuthentication] = concerned(difference)
    for object in modes where isUnattached(object.metadata.key, object.selector) {
      found.append(Selection(key: object.metadata.key, labels: object.selector.labels))
    }
    return found
  }

  /// Every namespace of which anything is said, and one that stands for all others, with what selects there.
  private func namespaces(_ assumed: Profile) -> [(namespace: ExactText, name: String, selectors: [Labels])] {
    var selectors: [ExactText: Set<Labels>] = Dictionary(uniqueKeysWithValues: roots.map { ($0, []) })
    func add(_ namespace: ExactText, _ selector: LabelSelector) {
      selectors[namespace, default: []].formUnion(selector.isEmpty ? [] : [selector.labels])
    }
    func add(_ object: ObjectMetadata, _ attachment: AuthorizationPolicy.Attachment) {
      switch attachment {
      case .selector(let selector): add(object.key.namespace, selector)
      case .targets(let targets):
        add(object.key.namespace, LabelSelector())
        for selector in assumed == .gateway ? targets.compactMap(Self.selector) : [] { add(object.key.namespace, selector) }
      }
    }
    for set in [before.policies, after.policies] {
      for policy in set.policies { add(policy.metadata, policy.attachment) }
      for object in set.requestAuthentications { add(object.metadata, object.attachment) }
      for object in set.peerAuthentications { add(object.metadata.key.namespace, object.selector) }
      for policy in set.unusable { if case .namespace(let name, let selector) = policy.reach { add(name, selector) } }
    }
    for object in before.policies.inventory + after.policies.inventory where object.metadata.key.kind == "Namespace" {
      add(object.metadata.key.name, LabelSelector())
    }
    // Labels also say which proxy a workload has.
    let kinds: [(labels: Labels, profile: Profile)] = [
      (["istio": "ingressgateway"], .gateway), (["istio.io/dataplane-mode": "ambient"], .ztunnel),
    ]
    for root in roots {
      for kind in kinds where before.decides(for: kind.profile) { selectors[root, default: []].insert(kind.labels) }
    }
    let common = roots.reduce(into: Set<Labels>()) { $0.formUnion(selectors[$1] ?? []) }
    var other: ExactText = "any-other-namespace"
    while selectors[other] != nil { other = ExactText("\(other)-") }
    let named = selectors.sorted { $0.key < $1.key }.map { namespace, own in
      (namespace: namespace, name: namespace.string, selectors: Self.sorted(own.union(common)))
    }
    return named + [(namespace: other, name: "any other namespace", selectors: Self.sorted(common))]
  }

  private static func sorted(_ sets: Set<Labels>) -> [Labels] { sets.sorted { words($0) < words($1) } }

  private static func words(_ labels: Labels) -> String {
    labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
  }

  /// Each of the first with all unions of the others that agree with it and with each other; nil for more than `most`.
  static func unions(from first: [Labels], of others: [Labels], most: Int) -> [Labels]? {
    var found: [Labels] = []
    var seen: Set<Labels> = []
    for labels in first where seen.insert(labels).inserted { found.append(labels) }
    for other in others {
      for labels in found {
        let isAgreeing = other.allSatisfy { labels[$0.key] == nil || labels[$0.key] == $0.value }
        guard isAgreeing else { continue }
        let union = labels.merging(other) { own, _ in own }
        if seen.insert(union).inserted { found.append(union) }
        if found.count > most { return nil }
      }
    }
    return found
  }

  /// Adds stand-ins with these labels; `asked` are those of the objects for which they stand.
  private func add(
    _ sets: [Labels], _ namespace: ExactText, _ name: String, _ assumed: Profile, asked: [Labels], to found: inout StandIns
  ) {
    let finders = [before.policies, after.policies].map { ProxyFinder($0, assumed: .sidecar) }
    let known = Set(found.all.map(\.after))
    for labels in Set(sets).sorted(by: { Self.words($0) < Self.words($1) }) {
      let words = Self.words(labels)
      let name = "\(name)/any workload\(words.isEmpty ? "" : " with \(words)")"
      let workload = Workload(
        metadata: ObjectMetadata(
          key: ObjectKey(kind: "Deployment", namespace: namespace, name: "any"), location: SourceLocation(file: "", span: .nowhere)),
        labels: labels)
      let kinds = finders.map { finder -> Profile? in
        let finding = finder.proxy(of: workload)
        switch finding.kind {
        case .sidecar: return finding.isAssumed ? assumed : .sidecar
        case .gateway: return .gateway
        case .ambient: return .ztunnel
        case .waypoint, .none: return nil
        }
      }
      guard let profile = kinds[0], kinds[1] == profile, before.decides(for: profile) else {
        // Where nothing enforces on either side there is nothing to compare.
        if kinds != [nil, nil], asked.contains(labels) {
          found.refused.insert(labels)
          found.gaps.append("\(name) would have another kind of proxy than \(assumed.name), and was not compared")
        }
        continue
      }
      let proxy = AnalyzedProxy(namespace: namespace, labels: labels, profile: profile)
      if known.contains(proxy) { continue }
      found.all.append(AnalyzedDestination(key: nil, name: name, address: .labels, before: proxy, after: proxy))
    }
  }
}

extension LabelSelector {
  /// The labels that it asks for.
  fileprivate var labels: Labels { Dictionary(matchLabels.map { ($0.key, $0.value) }) { first, _ in first } }
}

extension ChangeReport {
  /// Takes together the stand-ins for which the same changes.
  mutating func joinStandIns() {
    var joined: [WorkloadChange] = []
    for change in changes {
      if !change.destination.isOfInventory, let place = joined.firstIndex(where: { $0.isSame(as: change) }) {
        joined[place].workloads += change.workloads
      } else {
        joined.append(change)
      }
    }
    changes = joined
  }
}

extension WorkloadChange {
  /// Whether both say the same of different stand-ins.
  fileprivate func isSame(as other: WorkloadChange) -> Bool {
    func isSame(_ one: SideFinding, _ two: SideFinding) -> Bool { one.reason == two.reason && one.rule == two.rule }
    return !destination.isOfInventory && isTCP == other.isTCP && from == other.from && to == other.to
      && regions.count == other.regions.count
      && zip(regions, other.regions).allSatisfy { $0.words == $1.words && isSame($0.before, $1.before) && isSame($0.after, $1.after) }
  }
}
