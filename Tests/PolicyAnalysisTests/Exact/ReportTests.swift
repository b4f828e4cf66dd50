// Whole reports for random worlds: what they say of every workload, and of workloads that the files do not hold, against the engine.
// Enters: a seed. Leaves: nothing when for every request asked, the engine decides it differently on both sides exactly if it lies in a region
// of the report. Every run prints its seed.

import PolicyModel
import Testing

@testable import PolicyAnalysis
@testable import PolicyEngine

@Suite struct `A whole report agrees with the engine` {
  typealias Core = `The exact core agrees with the engine`

  static func workload(_ name: String, _ namespace: String, _ labels: [ExactText: ExactText]) -> Workload {
    Workload(
      metadata: ObjectMetadata(
        key: ObjectKey(kind: "Deployment", namespace: ExactText(namespace), name: ExactText(name)),
        location: SourceLocation(file: "f", span: .nowhere)), labels: labels)
  }

  /// More regions of one direction are not asked for; of those that are missing then the report says so.
  static let limit = 40

  static func report(_ before: AnalysisSide, _ after: AnalysisSide, _ profile: Profile) throws -> ChangeReport {
    var analysis = ChangeAnalysis(before: before, after: after)
    analysis.limit = limit
    return try analysis.report(AnalyzedDestinations(before: before.policies, after: after.policies, assumed: profile))
  }

  /// Everything that is compared, also stand-ins.
  static func destinations(_ before: AnalysisSide, _ after: AnalysisSide, _ profile: Profile) -> [AnalyzedDestination] {
    let analysis = ChangeAnalysis(before: before, after: after)
    let destinations = AnalyzedDestinations(before: before.policies, after: after.policies, assumed: profile).all
    return destinations
      + analysis.standIns(SetDifference(before.policies, after.policies), destinations, assumed: profile).all
  }

  static let labels: [[ExactText: ExactText]] = [
    [:], ["app": "a"], ["app": "b"], ["version": "v1"], ["app": "a", "version": "v1"], ["app": "b", "version": "v1"],
    ["app": "c", "other": "x"],
  ]

  struct World {
    var before: AnalysisSide
    var after: AnalysisSide
    var profile: Profile
    var random: AnalysisWorld
    /// The engine, compiled apart from the sides.
    var engines: [Snapshot]

    init(_ random: AnalysisWorld) {
      var random = random
      profile = random.pick([.sidecar, .sidecar, .sidecar, .gateway, .ztunnel])
      let mesh = random.mesh()
      let other = random.chance(30) ? random.changed(mesh) : mesh
      var old = random.set(policies: random.number(1...4))
      if random.chance(30) {
        old.policies.append(
          AuthorizationPolicy(
            metadata: ObjectMetadata(
              key: ObjectKey(kind: "AuthorizationPolicy", namespace: "foo", name: "ask"),
              location: SourceLocation(file: "f", span: .nowhere)),
            action: .custom, provider: "external", rules: [random.rule()]))
      }
      let hasWorkloads = random.chance(65)
      for number in 0..<(hasWorkloads ? random.number(1...4) : 0) {
        old.workloads.append(
          workload("w\(number)", random.pick(["foo", "foo", "bar", "istio-system"]), random.pick(labels)))
      }
      var new = old
      for _ in 0..<random.pick([0, 1, 1, 2]) { new = random.changed(new) }
      if hasWorkloads, random.chance(35) { new.workloads[0].labels = random.pick(labels) }
      if hasWorkloads, random.chance(10) { new.workloads.removeLast() }
      if hasWorkloads, random.chance(10) { new.workloads.append(workload("new", "foo", random.pick(labels))) }
      before = AnalysisSide(old, mesh: mesh, dataPlanes: [profile.dataPlane])
      after = AnalysisSide(new, mesh: other, dataPlanes: [profile.dataPlane])
      let plane = profile.dataPlane
      engines = [(old, mesh), (new, other)].map { Snapshot($0.0, mesh: $0.1, dataPlane: plane) }
      self.random = random
    }

    func decide(_ side: Int, _ request: WitnessRequest, _ proxy: AnalyzedProxy) -> Decision {
      var request = request.request
      guard let target = proxy.target(in: engines[side]) else { return Decision(.deny, .unsupportedProfile) }
      return engines[side].decide(&request, on: target, profile: profile)
    }
  }

  /// What is demanded by name.
  enum Demand {
    case noAnonymousAccess, noCrossNamespaceAccess

    var invariant: Invariant {
      self == .noAnonymousAccess ? Invariant(.anonymous, expect: .deny) : Invariant(.crossNamespace(allowed: []), expect: .deny)
    }
  }

  struct Tally {
    var worlds = 0
    var requests = 0
    var differing = 0
    var regions = 0
    var exempt = 0
    var others = 0
    var othersDiffering = 0
  }

  static let directions: [(Verdict, Verdict)] = [
    (.deny, .allow), (.undecided, .allow), (.deny, .undecided), (.allow, .undecided), (.undecided, .deny), (.allow, .deny),
  ]

  /// Whether a box holds a point.
  static func holds(_ box: Diagrams.Box, _ point: [Int32]) -> Bool { box.atoms.allSatisfy { $0.value.contains(point[$0.key]) } }

  /// One chain of one destination: what the report says of it, as boxes that its words were made from.
  struct Chain {
    var comparison: ChainComparison
    var boxes: [(from: Verdict, to: Verdict, box: Diagrams.Box)] = []
    /// Directions with more regions than are told.
    var cut: Set<[Verdict]> = []

    init(_ world: World, _ report: ChangeReport, _ destination: AnalyzedDestination, isTCP: Bool, _ problems: inout [String]) throws {
      let programs = (world.before.program(destination.before, isTCP: isTCP), world.after.program(destination.after, isTCP: isTCP))
      comparison = try ChainComparison(
        before: (programs.0, world.before.mesh), after: (programs.1, world.after.mesh), profile: world.profile, isTCP: isTCP)
      for (from, to) in directions {
        let told = report.changes.filter {
          $0.isTCP == isTCP && $0.from == from && $0.to == to && $0.workloads.contains(destination.name)
        }
        if told.count > 1 { problems.append("\(destination.name) has \(from) to \(to) twice") }
        guard let told = told.first else { continue }
        let (regions, isComplete) = try comparison.regions(from: from, to: to, limit: limit)
        if !isComplete {
          cut.insert([from, to])
          if !report.cut.contains(where: { $0.hasSuffix("only the first \(limit) regions from \(from.name) to \(to.name)") }) {
            problems.append("\(destination.name): nothing is said of the regions that are left out")
          }
        }
        let words = try regions.map { comparison.space.words(of: $0.box, told: try comparison.told($0.box)) }
        if words != told.regions.map(\.words) {
          problems.append("the report's words of \(destination.name) are \(told.regions.map(\.words)), not \(words)")
        }
        boxes += regions.map { (from, to, $0.box) }
      }
    }
  }

  static func check(_ world: inout World, requests: Int, _ tally: inout Tally) throws -> [String] {
    var problems: [String] = []
    let report = try report(world.before, world.after, world.profile)
    let destinations = destinations(world.before, world.after, world.profile)
    tally.worlds += 1
    tally.regions += report.changes.reduce(0) { $0 + $1.regions.count }
    let differing = Set(report.changes.flatMap(\.workloads))
    if differing.count != report.differingCount + report.differingStandInCount { problems.append("the count of what differs is wrong") }
    for isTCP in world.profile == .ztunnel ? [true] : [false, true] {
      let kind = isTCP ? "TCP" : "HTTP"
      if report.gaps.contains(where: { $0.contains("\(kind): the mesh settings") || $0.contains("\(kind): too many") }) {
        tally.exempt += 1
        continue
      }
      let standIns = Dictionary(destinations.filter { !$0.isOfInventory }.map { ($0.after, $0) }) { first, _ in first }
      for destination in destinations.filter(\.isOfInventory) {
        var chain = try Chain(world, report, destination, isTCP: isTCP, &problems)
        for _ in 0..<requests {
          let request = world.random.request(in: chain.comparison.space)
          guard let point = chain.comparison.point(of: request) else { continue }
          let (one, two) = (world.decide(0, request, destination.before), world.decide(1, request, destination.after))
          problems += compare(one, two, chain, point).map { "\(destination.name) \(kind): \($0) of \(request)" }
          tally.requests += 1
          if one.verdict != two.verdict { tally.differing += 1 }
        }
      }
      // Workloads that nobody wrote down.
      guard world.before.policies.workloads.isEmpty, world.after.policies.workloads.isEmpty else { continue }
      for _ in 0..<3 {
        let proxy = AnalyzedProxy(
          namespace: ExactText(world.random.pick(["foo", "bar", "istio-system", "elsewhere"])), labels: world.random.pick(labels),
          profile: world.profile)
        let chain = try standIns[standIn(for: proxy, world)].map { try Chain(world, report, $0, isTCP: isTCP, &problems) }
        var space =
          try chain?.comparison
          ?? ChainComparison(
            before: (world.before.program(proxy, isTCP: isTCP), world.before.mesh),
            after: (world.after.program(proxy, isTCP: isTCP), world.after.mesh), profile: world.profile, isTCP: isTCP)
        for _ in 0..<requests {
          let request = world.random.request(in: space.space)
          guard let point = space.point(of: request) else { continue }
          let (one, two) = (world.decide(0, request, proxy), world.decide(1, request, proxy))
          tally.others += 1
          if one.verdict != two.verdict { tally.othersDiffering += 1 }
          let isReported = chain.map { compare(one, two, $0, point) } ?? (one.verdict == two.verdict ? [] : ["no stand-in"])
          problems += isReported.map { "unwritten \(proxy) \(kind): \($0), \(one.verdict) to \(two.verdict) of \(request)" }
        }
      }
    }
    let meshes = "\(world.before.mesh)\n\(world.after.mesh)"
    let sets = [Core.text(world.before.policies), "--- after", Core.text(world.after.policies), meshes, "\(report.gaps) \(report.notes)"]
    return problems.isEmpty ? [] : Array(problems.prefix(4)) + sets
  }

  /// The stand-in for all workloads of this namespace whose labels satisfy the same selectors.
  static func standIn(for proxy: AnalyzedProxy, _ world: World) -> AnalyzedProxy {
    let roots = [world.before.mesh.rootNamespace, world.after.mesh.rootNamespace]
    var namespaces = Set(roots)
    var labels: [ExactText: ExactText] = [:]
    func add(_ key: ObjectKey, _ selector: LabelSelector) {
      namespaces.insert(key.namespace)
      guard key.namespace == proxy.namespace || roots.contains(key.namespace), selector.selects(proxy.labels) else { return }
      for pair in selector.matchLabels { labels[pair.key] = pair.value }
    }
    for set in [world.before.policies, world.after.policies] {
      for policy in set.policies {
        namespaces.insert(policy.metadata.key.namespace)
        if case .selector(let selector) = policy.attachment { add(policy.metadata.key, selector) }
      }
      for object in set.peerAuthentications { add(object.metadata.key, object.selector) }
    }
    let namespace: ExactText = namespaces.contains(proxy.namespace) ? proxy.namespace : "any-other-namespace"
    return AnalyzedProxy(namespace: namespace, labels: labels, profile: proxy.profile)
  }

  static func compare(_ one: Decision, _ two: Decision, _ chain: Chain, _ point: [Int32]) -> [String] {
    let holding = chain.boxes.filter { holds($0.box, point) }
    if one.verdict == two.verdict {
      // Regions may hold peers whom the proxy refuses on both sides: of them they say nothing.
      let gate: Set<Reason> = [.mtlsRequired, .untrustedDomain]
      return holding.isEmpty || (gate.contains(one.reason) && gate.contains(two.reason)) ? [] : ["a region holds what does not change"]
    }
    if chain.cut.contains([one.verdict, two.verdict]) { return [] }
    return holding.contains { $0.from == one.verdict && $0.to == two.verdict } ? [] : ["no region holds a change"]
  }

  @Test func `for every workload, and for those that nobody wrote down`() throws {
    print("report seed: \(Core.seed)")
    var random = AnalysisWorld(seed: Core.seed &+ 31, isLight: true)
    var tally = Tally()
    let most = 400 * Core.factor
    while tally.worlds < 40 * Core.factor
      || (tally.differing < 150 || tally.othersDiffering < 50 || tally.regions < 50) && tally.worlds < most
    {
      var world = World(random)
      let problems = try Self.check(&world, requests: 25, &tally)
      random = world.random
      if !problems.isEmpty {
        Issue.record("seed \(Core.seed), world \(tally.worlds):\n\(problems.joined(separator: "\n"))")
        return
      }
    }
    print("reports: \(tally)")
    #expect(tally.differing >= 150 && tally.othersDiffering >= 50 && tally.regions >= 50)
    #expect(tally.exempt * 5 < tally.worlds)
  }

  @Test func `stand-ins for which the same changes are told as one, others apart`() throws {
    func policy(_ name: ExactText, _ labels: [ExactText: ExactText], _ action: AuthorizationPolicy.Action, _ constraint: Constraint)
      -> AuthorizationPolicy
    {
      AuthorizationPolicy(
        metadata: ObjectMetadata(
          key: ObjectKey(kind: "AuthorizationPolicy", namespace: "foo", name: name), location: SourceLocation(file: "f", span: .nowhere)),
        attachment: .selector(LabelSelector(matchLabels: labels)), action: action,
        rules: [.init(operations: [.init([constraint])])])
    }
    let port = Constraint(.destinationPort, values: [Located("80")])
    var set = PolicySet()
    set.policies = [
      policy("none", [:], .allow, Constraint(.destinationPort, values: [Located("1")])), policy("a", ["app": "a"], .deny, port),
      policy("b", ["app": "b"], .allow, Constraint(.destinationPort, values: [Located("1")])),
    ]
    var other = set
    other.policies.append(policy("more", [:], .allow, Constraint(.destinationPort, values: [Located("80"), Located("81")])))
    let report = try Self.report(AnalysisSide(set, mesh: MeshSettings()), AnalysisSide(other, mesh: MeshSettings()), .sidecar)
    #expect(report.gaps.isEmpty)
    #expect(
      report.changes.filter { !$0.isTCP }.map { $0.workloads.sorted() } == [
        [
          "foo/any workload", "foo/any workload with app=b", "foo/any workload with app=b,istio=ingressgateway",
          "foo/any workload with istio=ingressgateway",
        ], ["foo/any workload with app=a", "foo/any workload with app=a,istio=ingressgateway"],
      ])
  }

  // MARK: One set

  /// Whether an identity is of one of these namespaces in a trust domain of the mesh.
  static func isHome(_ identity: [UInt8], _ namespace: ExactText, _ world: World) -> Bool {
    let text = String(decoding: identity, as: UTF8.self)
    guard text.contains("/ns/\(namespace)/") else { return false }
    if !text.hasPrefix("spiffe://") { return world.profile == .sidecar }
    return world.after.mesh.allTrustDomains.contains { text.hasPrefix("spiffe://\($0)/") }
  }

  static func breaks(_ invariant: Demand, _ request: WitnessRequest, _ verdict: Verdict, _ namespace: ExactText, _ world: World)
    -> Bool
  {
    guard verdict != .deny else { return false }
    guard let identity = request.identity else { return invariant == .noAnonymousAccess }
    return invariant == .noCrossNamespaceAccess && !isHome(identity, namespace, world)
  }

  @Test func `invariants hold, and reach is what is allowed, for every workload`() throws {
    print("one set seed: \(Core.seed)")
    var random = AnalysisWorld(seed: Core.seed &+ 37, isLight: true)
    var (holding, broken, allowed, denied, worlds) = (0, 0, 0, 0, 0)
    while worlds < 25 * Core.factor || (holding < 10 || broken < 10 || allowed < 100 || denied < 100) && worlds < 400 * Core.factor {
      var world = World(random)
      worlds += 1
      var problems: [String] = []
      var gaps: [String] = []
      let side = world.after
      for destination in AnalyzedDestinations(side.policies, assumed: world.profile).all {
        let proxy = destination.after
        let examples = try [Demand.noAnonymousAccess, .noCrossNamespaceAccess].map { demand in
          (demand, try side.check(demand.invariant, of: destination, gaps: &gaps).counterexamples)
        }
        let reach = try side.reach(to: destination, limit: Self.limit, gaps: &gaps)
        if !gaps.isEmpty {
          gaps = []
          continue
        }
        for isTCP in world.profile == .ztunnel ? [true] : [false, true] {
          let program = side.program(proxy, isTCP: isTCP)
          var comparison = try ChainComparison(
            before: (program, side.mesh), after: (program, side.mesh), profile: world.profile, isTCP: isTCP)
          var boxes: [(verdict: Verdict, box: Diagrams.Box)] = []
          for verdict in [Verdict.allow, .undecided] {
            let regions = try comparison.regions(of: comparison.after[verdict], limit: Self.limit).regions
            let words = try regions.map { comparison.space.words(of: $0.box, told: try comparison.told($0.box)) }
            let told = reach.filter { $0.isTCP == isTCP && $0.verdict == verdict }.flatMap(\.regions).map(\.words)
            if told != words { problems.append("who can reach \(destination.name): \(told), not \(words)") }
            if !told.isEmpty { boxes += regions.map { (verdict, $0.box) } }
          }
          for (invariant, found) in examples {
            let own = found.filter { $0.isTCP == isTCP }
            if own.isEmpty { holding += 1 } else { broken += 1 }
            for example in own {
              let witness = example.witness
              if !Self.breaks(invariant, witness, world.decide(1, witness, proxy).verdict, proxy.namespace, world) {
                problems.append("\(destination.name): \(witness) does not break \(invariant)")
              }
            }
          }
          for _ in 0..<30 {
            let request = world.random.request(in: comparison.space)
            guard let point = comparison.point(of: request) else { continue }
            let decision = world.decide(1, request, proxy)
            if decision.verdict == .allow { allowed += 1 } else { denied += 1 }
            let isIn = boxes.contains { $0.verdict == decision.verdict && Self.holds($0.box, point) }
            let isElsewhere = boxes.contains { $0.verdict != decision.verdict && Self.holds($0.box, point) }
            let isRefused = decision.reason == .mtlsRequired || decision.reason == .untrustedDomain
            if isIn != (decision.verdict != .deny) || (isElsewhere && !isRefused) {
              problems.append(
                "\(destination.name): \(decision.verdict) \(decision.reason), in \(isIn), elsewhere \(isElsewhere): \(request)")
            }
            for (invariant, found) in examples where !found.contains(where: { $0.isTCP == isTCP }) {
              if Self.breaks(invariant, request, decision.verdict, proxy.namespace, world) {
                problems.append("\(destination.name): \(request) breaks \(invariant), which is said to hold")
              }
            }
          }
        }
      }
      random = world.random
      if !problems.isEmpty {
        let text = problems.prefix(4).joined(separator: "\n")
        Issue.record("seed \(Core.seed), world \(worlds):\n\(text)\n\(Core.text(side.policies)) \(side.mesh) \(world.profile)")
        return
      }
    }
    print("one set: \(worlds) worlds, \(holding) hold, \(broken) broken, \(allowed) allowed, \(denied) not")
    #expect(holding >= 10 && broken >= 10 && allowed >= 100 && denied >= 100)
  }

  @Test func `an identity of an accepted foreign trust domain is of no namespace of the mesh`() throws {
    var set = PolicySet()
    set.workloads = [Self.workload("w", "foo", [:])]
    set.policies = [
      AuthorizationPolicy(
        metadata: ObjectMetadata(
          key: ObjectKey(kind: "AuthorizationPolicy", namespace: "foo", name: "p"), location: SourceLocation(file: "f", span: .nowhere)),
        rules: [.init(sources: [.init([Constraint(.sourceNamespace, values: [Located("foo")])])])])
    ]
    func found(_ mesh: MeshSettings, _ profile: Profile = .sidecar) throws -> [String] {
      let side = AnalysisSide(set, mesh: mesh, dataPlanes: [profile.dataPlane])
      var gaps: [String] = []
      let destination = try #require(AnalyzedDestinations(set, assumed: profile).all.first)
      return try side.check(Demand.noCrossNamespaceAccess.invariant, of: destination, gaps: &gaps).counterexamples.compactMap { example in
        example.witness.identity.map { String(decoding: $0, as: UTF8.self) }
      }
    }
    #expect(try found(MeshSettings()).isEmpty)
    #expect(try found(MeshSettings(trustDomainAliases: ["old"])).isEmpty)
    #expect(try found(MeshSettings(acceptedTrustDomains: ["foreign"])) == ["spiffe://foreign/ns/foo/sa/x", "spiffe://foreign/ns/foo/sa/x"])
    // ztunnel takes nobody of another domain.
    #expect(try found(MeshSettings(acceptedTrustDomains: ["foreign"]), .ztunnel).isEmpty)
  }
}
