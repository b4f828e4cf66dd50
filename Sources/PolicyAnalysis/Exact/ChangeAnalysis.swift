// What a change changes: for every workload the regions of requests whose outcome differs.
// Enters: two policy sets with their settings. Leaves: regions, each with a request that the engine has decided on both sides.
// Never here: a region that the engine does not confirm (that is a defect, and said so), a verdict for what was not looked at: what is left
// out is listed.

public import PolicyEngine
public import PolicyModel

/// The engine and the analysis disagree about a request: neither may be believed.
public struct AnalysisDefect: Error, CustomStringConvertible {
  /// About which request, and how.
  public let description: String
}

/// One side of a comparison.
public struct AnalysisSide: Sendable {
  /// What applies.
  public let policies: PolicySet
  /// Under which settings.
  public let mesh: MeshSettings
  private let programs: AttachedPrograms
  private let snapshots: [DataPlane: Snapshot]
  /// The workloads of the inventory, and the name that each shows; nil for one without a proxy, which shows none.
  public let callers: [(name: String, identity: [UInt8]?)]

  /// Compiles a set for the data planes that are asked about. O(total size).
  public init(_ policies: PolicySet, mesh: MeshSettings, dataPlanes: Set<DataPlane> = [.envoy]) {
    self.policies = policies
    self.mesh = mesh
    programs = AttachedPrograms(policies: policies, mesh: mesh)
    let finder = ProxyFinder(policies, assumed: .sidecar)
    callers = policies.workloads.map { workload in
      let key = workload.metadata.key
      let identity = SPIFFEID(trustDomain: mesh.trustDomain, namespace: key.namespace, serviceAccount: workload.serviceAccount).uri.bytes
      return ("\(key.namespace)/\(key.kind.string.lowercased())/\(key.name)", finder.proxy(of: workload).kind == .none ? nil : identity)
    }
    snapshots = Dictionary(uniqueKeysWithValues: dataPlanes.map { ($0, Snapshot(policies, mesh: mesh, dataPlane: $0)) })
  }

  func program(_ proxy: AnalyzedProxy, isTCP: Bool) -> AttachedProgram { programs.program(proxy, isTCP: isTCP) }

  /// Whether the data plane of this kind of proxy was asked for.
  func decides(for profile: Profile) -> Bool { snapshots[profile.dataPlane] != nil }

  /// What the engine decides, with the rule's place.
  func finding(_ request: WitnessRequest, _ proxy: AnalyzedProxy) -> SideFinding? {
    guard let snapshot = snapshots[proxy.profile.dataPlane], let target = proxy.target(in: snapshot) else { return nil }
    var request = request.request
    let decision = snapshot.decide(&request, on: target, profile: proxy.profile)
    let origin = snapshot.origin(of: decision.rule)
    return SideFinding(verdict: decision.verdict, reason: decision.reason, rule: origin?.name, location: origin?.location)
  }
}

/// What the engine decided about a witness.
public struct SideFinding: Sendable {
  /// The outcome.
  public var verdict: Verdict
  /// Why.
  public var reason: Reason
  /// The rule that decided, if one did.
  public var rule: ExactText?
  /// Where that is written.
  public var location: SourceLocation?
}

/// Compares two sides.
public struct ChangeAnalysis {
  let before: AnalysisSide
  let after: AnalysisSide
  /// The most regions of one direction for one group of workloads.
  public var limit = 50
  /// When to stop.
  public var workLimit = WorkLimit()
  /// Told how many of how many groups of workloads with the same policies are done.
  public var progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }

  /// Compares two sides.
  public init(before: AnalysisSide, after: AnalysisSide) {
    self.before = before
    self.after = after
  }

  /// Compares all of them and, unless told otherwise, stand-ins for what changed policies of no workload would do.
  ///
  /// - Parameter name: where something is asked about alone: its name.
  /// - Throws: `AnalysisDefect` when the engine does not confirm a witness.
  public func report(_ found: AnalyzedDestinations, only name: String? = nil) throws -> ChangeReport {
    let destinations = name.map { name in found.all.filter { $0.isNamed(name) } } ?? found.all
    let onlyThese = name != nil
    let unasked = onlyThese ? [] : found.unasked
    var report = ChangeReport()
    report.workloadCount = destinations.count
    report.notes = before.mesh.differences(after.mesh)
    let difference = SetDifference(before.policies, after.policies)
    // What is the same on both sides decides the same, also where nobody looks.
    let differs =
      difference.isSome || !isSameMesh || !Self.areSameWorkloads(before.policies, after.policies)
      || !Self.areSameProxies(before.policies, after.policies)
    let standIns = onlyThese ? StandIns() : standIns(difference, destinations, assumed: found.assumed)
    report.unattached = standIns.unattached
    report.standInCount = standIns.all.count
    report.notes += standIns.notes
    report.gaps = unasked.filter(\.isChange).map(\.why)
    if differs {
      report.gaps +=
        unasked.filter { $0.isEnforced && !$0.isChange }.map(\.why)
        + uncovered(difference, destinations + standIns.all, onlyThese: onlyThese) + standIns.gaps
      if report.gaps.isEmpty, destinations.isEmpty, standIns.all.isEmpty {
        report.gaps = ["no workload was compared, and the two sets differ"]
      }
      // Where nothing enforces on either side, nothing changes.
      report.notes += unasked.filter { !$0.isEnforced }.map(\.why)
    }
    var groups: [(key: GroupKey, names: [String], destination: AnalyzedDestination)] = []
    var places: [GroupKey: Int] = [:]
    let all = destinations + standIns.all
    let root = after.mesh.rootNamespace
    let changed = Dictionary(grouping: difference.policies) { $0.metadata.key.namespace }
    for destination in all {
      let homes = [destination.before, destination.after].flatMap { [$0.namespace, $0.service?.namespace ?? $0.namespace] }
      let near = Set(homes + [root, before.mesh.rootNamespace]).flatMap { changed[$0] ?? [] }
      let isTouched = near.contains { policy in
        [destination.before, destination.after].contains { concerns(policy, $0, root) }
      }
      let isMoved = destination.before != destination.after
      if isSameMesh, !isMoved, !difference.concernsAll, !isTouched { continue }
      let key = GroupKey(before: destination.before, after: destination.after)
      if let place = places[key] {
        groups[place].names.append(destination.name)
      } else {
        places[key] = groups.count
        groups.append((key, [destination.name], destination))
      }
    }
    do {
      for (place, group) in groups.enumerated() {
        progress(place, groups.count)
        try compare(group.names, group.destination, &report)
      }
    } catch is TimeOver {
      report.gaps.append(timeOver)
    }
    report.changes.sort { Self.rank($0) < Self.rank($1) }
    report.joinStandIns()
    return report
  }

  private static func areSameWorkloads(_ one: PolicySet, _ two: PolicySet) -> Bool {
    one.workloads.count == two.workloads.count
      && zip(one.workloads, two.workloads).allSatisfy { $0.metadata.key == $1.metadata.key && $0.labels == $1.labels }
  }

  /// Workloads of one namespace with the same labels have the same programs.
  private struct GroupKey: Hashable {
    var before: AnalyzedProxy
    var after: AnalyzedProxy
  }

  /// Whether a policy can be attached to a proxy; says yes where it takes more to know.
  private func concerns(_ policy: AuthorizationPolicy, _ proxy: AnalyzedProxy, _ root: ExactText) -> Bool {
    let namespace = policy.metadata.key.namespace
    let homes = [proxy.namespace, proxy.service?.namespace ?? proxy.namespace, root, before.mesh.rootNamespace]
    guard homes.contains(namespace) else { return false }
    if case .selector(let selector) = policy.attachment { return selector.selects(proxy.labels) }
    return true
  }

  private static func rank(_ change: WorkloadChange) -> (Int, String, Int) {
    let direction = change.to == .allow ? 0 : change.to == .undecided ? 1 : 2
    return (direction * 3 + Int(change.from.rawValue), change.workloads.first ?? "", change.isTCP ? 1 : 0)
  }

  private func compare(_ names: [String], _ destination: AnalyzedDestination, _ report: inout ChangeReport) throws {
    var isDiffering = false
    defer {
      if isDiffering, destination.isOfInventory { report.differingCount += names.count }
      if isDiffering, !destination.isOfInventory { report.differingStandInCount += names.count }
    }
    let profile = destination.profile
    for isTCP in profile == .ztunnel ? [true] : [false, true] {
      try workLimit.check()
      let kind = isTCP ? "TCP" : "HTTP"
      let shown = names.count == 1 ? names[0] : "\(names[0]) and \(names.count - 1) more"
      do {
        let (old, new) = (before.program(destination.before, isTCP: isTCP), after.program(destination.after, isTCP: isTCP))
        if Self.providers(old, before) != Self.providers(new, after) || !Self.isAskedAlike(old, new) {
          report.gaps.append("\(shown), \(kind): other providers are asked; what they answer is not known here")
        }
        var comparison = try ChainComparison(
          before: (old, before.mesh), after: (new, after.mesh), profile: profile, isTCP: isTCP, workLimit: workLimit)
        if try comparison.differsInDryRun() {
          report.notes.append("\(shown), \(kind): policies in dry run would decide some requests differently")
        }
        var known: [Int32: [UInt8]]?
        for (from, to) in [
          (Verdict.deny, Verdict.allow), (.undecided, .allow), (.deny, .undecided), (.allow, .undecided), (.undecided, .deny),
          (.allow, .deny),
        ] {
          let (regions, isComplete) = try comparison.regions(from: from, to: to, limit: limit)
          if !isComplete { report.cut.append("\(shown), \(kind): only the first \(limit) regions from \(from.name) to \(to.name)") }
          if regions.isEmpty { continue }
          isDiffering = true
          let named = known ?? comparison.space.knownIdentities(before, after)
          known = named
          let shownRegions = try regions.map { region in
            let witness = comparison.space.request(at: region.point, known: named)
            guard let one = before.finding(witness, destination.before), let two = after.finding(witness, destination.after),
              one.verdict == from, two.verdict == to
            else {
              throw AnalysisDefect(description: "\(shown), \(kind): the engine does not confirm \(from.name) to \(to.name) of \(witness)")
            }
            return ChangedRegion(
              words: comparison.space.words(of: region.box, told: try comparison.told(region.box)), witness: witness, before: one,
              after: two)
          }
          report.changes.append(
            WorkloadChange(
              workloads: names.sorted(), destination: destination, isTCP: isTCP, from: from, to: to, regions: shownRegions))
        }
      } catch let error as LimitReached {
        report.gaps.append("\(shown), \(kind): too many \(error.what)")
      } catch let error as NotAnalyzable {
        report.gaps.append("\(shown), \(kind): \(error.why)")
      }
    }
  }
}

extension Space {
  /// Names that workloads of the inventory run under, by class.
  mutating func knownIdentities(_ sides: AnalysisSide...) -> [Int32: [UInt8]] {
    var known: [Int32: [UInt8]] = [:]
    for side in sides.reversed() {
      // Candidates for witnesses, not all of them where they are many.
      for uri in side.callers.prefix(1_000).compactMap(\.identity) {
        if let atom = textAtom(.identity, uri), known[atom] == nil { known[atom] = uri }
      }
    }
    return known
  }
}
