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
  /// Names that workloads of the inventory run under: candidates for witnesses, not all of them where they are many.
  let someIdentities: [[UInt8]]

  /// Compiles a set for the data planes that are asked about. O(total size).
  public init(_ policies: PolicySet, mesh: MeshSettings, dataPlanes: Set<DataPlane> = [.envoy]) {
    self.policies = policies
    self.mesh = mesh
    programs = AttachedPrograms(policies: policies, mesh: mesh)
    someIdentities = policies.workloads.prefix(1_000).map { workload in
      SPIFFEID(
        trustDomain: mesh.trustDomain, namespace: workload.metadata.key.namespace, serviceAccount: workload.serviceAccount
      ).uri.bytes
    }
    snapshots = Dictionary(uniqueKeysWithValues: dataPlanes.map { ($0, Snapshot(policies, mesh: mesh, dataPlane: $0)) })
  }

  func program(_ proxy: AnalyzedProxy, isTCP: Bool) -> AttachedProgram { programs.program(proxy, isTCP: isTCP) }

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

/// A workload, or any workload with certain labels, that is compared.
public struct AnalyzedDestination: Sendable {
  /// `namespace/kind/name`, or a description.
  public var name: String
  /// As it is before and after; of a workload that is on one side only, both are that one.
  package var before: AnalyzedProxy
  package var after: AnalyzedProxy
  /// Whether a manifest describes it.
  public var isOfInventory = true

  /// The namespace.
  public var namespace: ExactText { after.namespace }
  /// The labels after the change.
  public var labels: [ExactText: ExactText] { after.labels }
}

/// A region whose outcome changes.
public struct ChangedRegion: Sendable {
  /// What of a request matters, field by field; empty for every request.
  public var words: [FieldWords]
  /// A request in it.
  public var witness: WitnessRequest
  /// What the engine decides about that before the change.
  public var before: SideFinding
  /// And after it.
  public var after: SideFinding
}

/// All regions of one direction for the workloads that share both programs.
public struct WorkloadChange: Sendable {
  /// The workloads, by name.
  public var workloads: [String]
  /// One of them, as it is after the change.
  public var destination: AnalyzedDestination
  /// TCP connections, or HTTP requests.
  public var isTCP: Bool
  /// From which outcome.
  public var from: Verdict
  /// To which.
  public var to: Verdict
  /// Where.
  public var regions: [ChangedRegion]
}

/// What was found.
public struct ChangeReport: Sendable {
  /// Newly allowed first, then what is no longer denied for certain, then the rest.
  public var changes: [WorkloadChange] = []
  /// What was not looked at, or not to its end; empty when the report is complete.
  public var gaps: [String] = []
  /// How many workloads were compared.
  public var workloadCount = 0
  /// For how many of them anything changes.
  public var differingCount = 0
  /// How many stand-ins for workloads that the files do not hold were compared.
  public var standInCount = 0
  /// For how many of them anything changes.
  public var differingStandInCount = 0
  /// What else there is to know: settings that differ, policies in dry run, for what stand-ins were compared.
  public var notes: [String] = []
  /// Changed policies that no workload of either side has; compared for stand-ins.
  public var unattached: [ObjectKey] = []
}

/// Compares two sides.
public struct ChangeAnalysis {
  let before: AnalysisSide
  let after: AnalysisSide
  let profile: Profile
  /// The most regions of one direction for one group of workloads.
  public var limit = 50
  /// When to stop; looked at between workloads, each of which is bounded.
  public var deadline: ContinuousClock.Instant?

  /// Compares two sides for proxies of this kind.
  public init(before: AnalysisSide, after: AnalysisSide, profile: Profile = .sidecar) {
    self.before = before
    self.after = after
    self.profile = profile
  }

  private struct Stopped: Error {}

  /// The workloads of both sides; one that is on one side only is compared under the policies of both. Those of which the files say that their
  /// proxy is of another kind are not compared, and told in `gaps`.
  public func destinations(_ gaps: inout [String]) -> [AnalyzedDestination] {
    let old = Dictionary(before.policies.workloads.map { ($0.metadata.key, $0) }) { first, _ in first }
    let new = Dictionary(after.policies.workloads.map { ($0.metadata.key, $0) }) { first, _ in first }
    let finders = (before: ProxyFinder(before.policies, assumed: .sidecar), after: ProxyFinder(after.policies, assumed: .sidecar))
    var found: [AnalyzedDestination] = []
    for key in Set(old.keys).union(new.keys).sorted() {
      guard let one = old[key] ?? new[key], let two = new[key] ?? old[key] else { continue }
      let name = "\(key.namespace)/\(key.kind.string.lowercased())/\(key.name)"
      let mismatches = [(one, finders.before), (two, finders.after)].compactMap { Self.mismatch($0, $1, profile) }
      if let mismatch = mismatches.first {
        gaps.append(mismatch)
        continue
      }
      func proxy(_ workload: Workload) -> AnalyzedProxy {
        AnalyzedProxy(namespace: key.namespace, labels: workload.labels, profile: profile)
      }
      found.append(AnalyzedDestination(name: name, before: proxy(one), after: proxy(two)))
    }
    return found
  }

  /// Compares all of them and, unless told otherwise, stand-ins for what changed policies of no workload would do.
  ///
  /// - Throws: `AnalysisDefect` when the engine does not confirm a witness.
  public func report(_ destinations: [AnalyzedDestination], onlyThese: Bool = false, gaps: [String] = []) throws -> ChangeReport {
    var report = ChangeReport()
    report.workloadCount = destinations.count
    report.notes = before.mesh.differences(after.mesh)
    let difference = SetDifference(before.policies, after.policies)
    // What is the same on both sides decides the same, also where nobody looks.
    let differs =
      difference.isSome || !isSameMesh || !Self.areSameWorkloads(before.policies, after.policies)
      || !Self.areSameProxies(before.policies, after.policies)
    let standIns = onlyThese ? StandIns() : standIns(difference, destinations, assumed: profile)
    report.unattached = standIns.unattached
    report.standInCount = standIns.all.count
    report.notes += standIns.notes
    if differs {
      report.gaps = gaps + uncovered(difference, destinations + standIns.all, onlyThese: onlyThese) + standIns.gaps
      if report.gaps.isEmpty, destinations.isEmpty, standIns.all.isEmpty {
        report.gaps = ["no workload was compared, and the two sets differ"]
      }
    }
    var groups: [(key: GroupKey, names: [String], destination: AnalyzedDestination)] = []
    var places: [GroupKey: Int] = [:]
    let all = destinations + standIns.all
    let root = after.mesh.rootNamespace
    let changed = Dictionary(grouping: difference.policies) { $0.metadata.key.namespace }
    for destination in all {
      let near = Set([destination.after.namespace, root, before.mesh.rootNamespace]).flatMap { changed[$0] ?? [] }
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
      for group in groups { try compare(group.names, group.destination, &report) }
    } catch is Stopped {
      report.gaps.append("the time was over before all workloads were compared")
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
    guard namespace == proxy.namespace || namespace == root || namespace == before.mesh.rootNamespace else { return false }
    if case .selector(let selector) = policy.attachment { return selector.selects(proxy.labels) }
    return true
  }

  private static func rank(_ change: WorkloadChange) -> (Int, String, Int) {
    let direction = change.to == .allow ? 0 : change.to == .undecided ? 1 : 2
    return (direction * 3 + Int(change.from.rawValue), change.workloads.first ?? "", change.isTCP ? 1 : 0)
  }

  private func compare(_ names: [String], _ destination: AnalyzedDestination, _ report: inout ChangeReport) throws {
    var isDiffering = false
    for isTCP in profile == .ztunnel ? [true] : [false, true] {
      if let deadline, ContinuousClock.now > deadline { throw Stopped() }
      let kind = isTCP ? "TCP" : "HTTP"
      let shown = names.count == 1 ? names[0] : "\(names[0]) and \(names.count - 1) more"
      do {
        let (old, new) = (before.program(destination.before, isTCP: isTCP), after.program(destination.after, isTCP: isTCP))
        if Self.providers(old, before) != Self.providers(new, after) {
          report.gaps.append("\(shown), \(kind): other providers are asked; what they answer is not known here")
        }
        var comparison = try ChainComparison(
          before: (old, before.mesh), after: (new, after.mesh), profile: profile, isTCP: isTCP)
        if try comparison.differsInDryRun() {
          report.notes.append("\(shown), \(kind): policies in dry run would decide some requests differently")
        }
        var known: [Int32: [UInt8]]?
        for (from, to) in [
          (Verdict.deny, Verdict.allow), (.undecided, .allow), (.deny, .undecided), (.allow, .undecided), (.undecided, .deny),
          (.allow, .deny),
        ] {
          let (regions, isComplete) = try comparison.regions(from: from, to: to, limit: limit)
          if !isComplete { report.gaps.append("\(shown), \(kind): only the first \(limit) regions from \(from.name) to \(to.name)") }
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
    if isDiffering, destination.isOfInventory { report.differingCount += names.count }
    if isDiffering, !destination.isOfInventory { report.differingStandInCount += names.count }
  }
}

extension Space {
  /// Names that workloads of the inventory run under, by class.
  mutating func knownIdentities(_ sides: AnalysisSide...) -> [Int32: [UInt8]] {
    var known: [Int32: [UInt8]] = [:]
    for side in sides.reversed() {
      for uri in side.someIdentities {
        if let atom = textAtom(.identity, uri), known[atom] == nil { known[atom] = uri }
      }
    }
    return known
  }
}
