// Two sides whose mesh settings differ in one thing: the comparison follows each, and says which thing it is.

import PolicyModel
import Testing

@testable import PolicyAnalysis
@testable import PolicyEngine

@Suite struct `Two sides under different mesh settings` {
  typealias Core = `The exact core agrees with the engine`

  /// One setting in two values, and what is needed to see it.
  struct Setting: Sendable, CustomTestStringConvertible {
    let name: String
    let before: MeshSettings
    let after: MeshSettings
    /// What the note says of both.
    let note: String
    /// Whether some request is decided differently.
    var decides = true
    var testDescription: String { name }

    init(_ name: String, _ note: String, decides: Bool = true, _ change: (inout MeshSettings, inout MeshSettings) -> Void) {
      var sides = (MeshSettings(acceptedTrustDomains: ["td2"]), MeshSettings(acceptedTrustDomains: ["td2"]))
      change(&sides.0, &sides.1)
      (self.name, self.note, self.decides, before, after) = (name, note, decides, sides.0, sides.1)
    }
  }

  static let http: [ExactText: ExtensionProvider] = [
    "external": ExtensionProvider(kind: .extAuthzHTTP), "portcullis": .init(kind: .extAuthzGRPC),
  ]
  static let grpc: [ExactText: ExtensionProvider] = [
    "external": ExtensionProvider(kind: .extAuthzGRPC), "portcullis": .init(kind: .extAuthzGRPC),
  ]

  static let settings: [Setting] = [
    Setting("trust domain", "`trustDomain` is `cluster.local` before and `td1` after") { $1.trustDomain = "td1" },
    Setting("aliases", "`trustDomainAliases` is none before and `td1`, `old-td` after") { $1.trustDomainAliases = ["td1", "old-td"] },
    Setting("accepted trust domains", "`caCertificates.trustDomains` is `td2` before and `td2`, `old-td` after") {
      $1.acceptedTrustDomains = ["td2", "old-td"]
    },
    Setting("root namespace", "`rootNamespace` is `istio-system` before and `bar` after") { $1.rootNamespace = "bar" },
    Setting("delegated providers", "`--custom-delegated` is none before and `external` after") { $1.delegatedProviders = ["external"] },
    Setting("a provider that is missing", "`extensionProviders` is not known before and none after") { $1.extensionProviders = [:] },
    Setting(
      "a provider of another kind", "`extensionProviders[external]` is `envoyExtAuthzHttp` before and `envoyExtAuthzGrpc` after"
    ) {
      $0.extensionProviders = Self.http
      $1.extensionProviders = Self.grpc
    },
    Setting("several providers", "`--several-custom-providers` is false before and true after") { $1.allowsSeveralCustomProviders = true },
    Setting("wild dots", "`--older` is none before and `unquoted-dots` after") { $1.olderBehaviors = [.unquotedDots] },
    // Where rules look at what the sides see in two ways, nothing is said; where they do not, nothing differs.
    Setting("header lines", "`--older` is `joined-header-lines` before and none after", decides: false) { before, _ in
      before.olderBehaviors = [.joinedHeaderLines]
    },
    Setting("dots in paths", "`--older` is none before and `literal-dot-parameters` after", decides: false) {
      $1.olderBehaviors = [.literalDotParameters]
    },
    Setting("paths", "`pathNormalization` is `BASE` before and `NONE` after", decides: false) { $1.pathNormalization = .none },
    Setting("client mode", "`enableAutoMtls` is true before and false after; no decision depends on it", decides: false) {
      $1.enablesAutoMTLS = false
    },
    Setting(
      "export", "`defaultDestinationRuleExportTo` is none before and `.` after; no decision depends on it", decides: false
    ) { $1.destinationRuleExport = ["."] },
  ]

  @Test(arguments: settings)
  func `each setting is followed alone, on both sides`(_ setting: Setting) throws {
    let seed = Core.seed &+ 23
    print("mesh settings seed: \(Core.seed)")
    var random = AnalysisWorld(seed: seed, isLight: true)
    var tally = Core.Tally()
    var worlds = 0
    while worlds < 400, worlds < 20 || (setting.decides && tally.differing == 0) {
      worlds += 1
      var set = random.set(policies: random.number(2...4))
      if setting.name == "wild dots" { set.policies.append(Self.dotted(worlds)) }
      if setting.name == "several providers" {
        for (number, provider) in [ExactText("external"), "portcullis"].enumerated() {
          set.policies.append(Self.custom(number, provider, random.rule()))
        }
      }
      let sides = random.chance(50) ? (setting.before, setting.after) : (setting.after, setting.before)
      let problems = try Core.check(
        (set, sides.0), (set, sides.1), random.proxy(), isTCP: random.chance(40), &random, requests: 60, &tally)
      if !problems.isEmpty {
        Issue.record("\(setting.name), seed \(Core.seed):\n\(problems.joined(separator: "\n"))")
        return
      }
    }
    #expect(tally.checks > 500, "\(tally)")
    #expect((tally.differing > 0) == setting.decides, "\(tally)")
  }

  /// A policy for the whole mesh that asks a provider.
  private static func custom(_ number: Int, _ provider: ExactText, _ rule: AuthorizationPolicy.Rule) -> AuthorizationPolicy {
    AuthorizationPolicy(
      metadata: ObjectMetadata(
        key: ObjectKey(kind: "AuthorizationPolicy", namespace: "istio-system", name: ExactText("custom\(number)")),
        location: SourceLocation(file: "f", span: .nowhere)), action: .custom, provider: provider, rules: [rule])
  }

  /// A policy whose dots stand for other bytes in older releases.
  private static func dotted(_ number: Int) -> AuthorizationPolicy {
    let values: [Located<ExactText>] = [Located("*/ns/foo/sa.a"), Located("*/ns.foo/sa/b")]
    return AuthorizationPolicy(
      metadata: ObjectMetadata(
        key: ObjectKey(kind: "AuthorizationPolicy", namespace: "istio-system", name: ExactText("dots\(number)")),
        location: SourceLocation(file: "f", span: .nowhere)), action: .deny,
      rules: [AuthorizationPolicy.Rule(sources: [.init([Constraint(.sourcePrincipal, values: values)])])])
  }

  @Test(arguments: settings)
  func `the report names the setting and both values`(_ setting: Setting) throws {
    var set = PolicySet()
    set.workloads = [`A whole report agrees with the engine`.workload("w", "foo", [:])]
    let sides = (AnalysisSide(set, mesh: setting.before), AnalysisSide(set, mesh: setting.after))
    let report = try `A whole report agrees with the engine`.report(sides.0, sides.1, .sidecar)
    #expect(report.notes == ["the mesh settings differ: " + setting.note])
    #expect(try `A whole report agrees with the engine`.report(sides.0, sides.0, .sidecar).notes.isEmpty)
  }

  @Test func `what both sides see in two ways is a gap where rules look at it, and only there`() throws {
    func gaps(_ attribute: Attribute, _ change: (inout MeshSettings) -> Void) throws -> [String] {
      var set = PolicySet()
      set.workloads = [`A whole report agrees with the engine`.workload("w", "foo", [:])]
      let constraint = Constraint(attribute, values: [Located("/a")])
      set.policies = [
        AuthorizationPolicy(
          metadata: ObjectMetadata(
            key: ObjectKey(kind: "AuthorizationPolicy", namespace: "foo", name: "p"), location: SourceLocation(file: "f", span: .nowhere)),
          rules: [AuthorizationPolicy.Rule(operations: [.init([constraint])])])
      ]
      var mesh = MeshSettings()
      change(&mesh)
      return try `A whole report agrees with the engine`.report(
        AnalysisSide(set, mesh: MeshSettings()), AnalysisSide(set, mesh: mesh), .sidecar
      )
      .gaps
    }
    let paths = ["foo/deployment/w, HTTP: the mesh settings differ in what they do to paths, and rules look at paths"]
    let lines = ["foo/deployment/w, HTTP: the mesh settings differ in what they do to repeated header lines, and rules look at headers"]
    #expect(try gaps(.path) { $0.pathNormalization = .mergeSlashes } == paths)
    #expect(try gaps(.requestHeader(":path")) { $0.pathNormalization = .mergeSlashes } == paths)
    #expect(try gaps(.path) { $0.olderBehaviors = [.literalDotParameters] } == paths)
    #expect(try gaps(.requestHeader("x")) { $0.olderBehaviors = [.joinedHeaderLines] } == lines)
    #expect(try gaps(.method) { $0.pathNormalization = .mergeSlashes } == [])
    #expect(try gaps(.path) { $0.olderBehaviors = [.joinedHeaderLines] } == [])
    #expect(try gaps(.requestHeader(":scheme")) { $0.olderBehaviors = [.joinedHeaderLines] } == [])
  }

  @Test func `witnesses are named by the trust domain of each side`() throws {
    var set = PolicySet()
    set.workloads = [`A whole report agrees with the engine`.workload("w", "foo", [:])]
    let sides = ["one", "two"].map { AnalysisSide(set, mesh: MeshSettings(trustDomain: $0)) }
    let report = try `A whole report agrees with the engine`.report(sides[0], sides[1], .sidecar)
    let names = report.changes.map { change in
      change.regions.map { "\(change.to) \($0.witness.identity.map { String(decoding: $0, as: UTF8.self) } ?? "none")" }
    }
    #expect(Set(names.joined()) == ["allow spiffe://two/ns/foo/sa/default", "deny spiffe://one/ns/foo/sa/default"])
  }
}
