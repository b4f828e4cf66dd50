// Random invariants against random policies: what is said to hold no request breaks, and what breaks one is meant by it.
// The engine says which requests a rule means: those that a DENY policy with this rule alone denies. Every run prints its seed.

import PolicyModel
import Testing

@testable import PolicyAnalysis
@testable import PolicyEngine

@Suite struct `Invariants of random worlds` {
  typealias Core = `The exact core agrees with the engine`

  /// Whether a file could hold the rule.
  static func isWritable(_ rule: AuthorizationPolicy.Rule) -> Bool {
    rule.constraints.allSatisfy { constraint in
      switch constraint.attribute {
      case .unknownKey, .malformedKey: return false
      default:
        return (constraint.values + constraint.notValues).allSatisfy { ReferenceMatching.isExpressible($0.value, constraint.attribute) }
      }
    }
  }

  /// Whether the mesh issues a certificate of this name.
  static func isIssued(_ identity: [UInt8], _ mesh: MeshSettings) -> Bool {
    let text = String(decoding: identity, as: UTF8.self)
    return (mesh.allTrustDomains + mesh.acceptedTrustDomains).contains { domain in
      guard text.hasPrefix("spiffe://\(domain)/ns/") else { return false }
      let parts = text.dropFirst("spiffe://\(domain)/ns/".count).split(separator: "/", omittingEmptySubsequences: false)
      func isName(_ part: Substring, dots: Bool) -> Bool {
        !part.isEmpty
          && part.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            case UInt8(ascii: "."): dots
            default: false
            }
          }
      }
      return parts.count == 3 && parts[1] == "sa" && isName(parts[0], dots: false) && isName(parts[2], dots: true)
    }
  }

  @Test func `hold, or are broken by a request that they mean`() throws {
    let seed = Core.seed &+ 23
    print("invariants seed: \(seed)")
    var random = AnalysisWorld(seed: seed)
    var (held, broken, checks, meant) = (0, 0, 0, 0)
    var round = 0
    // Some seeds make few invariants that hold: then more are made, up to a bound.
    while round < 36 * Core.factor || (held < 3 || broken < 5 || meant < 400) && round < 400 * Core.factor {
      round += 1
      let (mesh, proxy) = (random.mesh(), random.proxy())
      guard proxy.profile == .sidecar || proxy.profile == .gateway else { continue }
      let set = random.set(policies: random.number(1...3))
      let rule = random.rule()
      guard Self.isWritable(rule) else { continue }
      let expectation = random.pick([Invariant.Expectation.deny, .deny, .allow])
      var probe = PolicySet()
      let key = ObjectKey(kind: "AuthorizationPolicy", namespace: proxy.namespace, name: "probe")
      probe.policies = [
        AuthorizationPolicy(
          metadata: ObjectMetadata(key: key, location: SourceLocation(file: "f", span: .nowhere)), action: .deny, rules: [rule])
      ]
      let destination = AnalyzedDestination(key: nil, name: "x", address: .labels, before: proxy, after: proxy)
      var gaps: [String] = []
      let finding = try AnalysisSide(set, mesh: mesh).check(
        Invariant(.matching(rule), expect: expectation), of: destination, workLimit: WorkLimit(nodes: 10_000), gaps: &gaps)
      if !gaps.isEmpty { continue }
      for isTCP in rule.looksIntoRequests ? [false] : [false, true] {
        let side = Core.Side(set, mesh, proxy, isTCP: isTCP)
        let asking = Core.Side(probe, mesh, proxy, isTCP: isTCP)
        /// Nil for peers whom the proxy refuses before it looks at rules.
        func means(_ request: WitnessRequest) -> Bool? {
          let decision = asking.decide(request, proxy.profile)
          if decision.reason == .deniedByPolicy { return true }
          return decision.verdict == .allow ? false : nil
        }
        func isBreaking(_ request: WitnessRequest) -> Bool {
          let verdict = side.decide(request, proxy.profile).verdict
          if expectation == .deny { return verdict != .deny }
          return verdict != .allow && (request.identity.map { Self.isIssued($0, mesh) } ?? true)
        }
        let examples = finding.counterexamples.filter { $0.isTCP == isTCP }
        for example in examples {
          #expect(means(example.witness) == true && isBreaking(example.witness), "seed \(seed) round \(round): \(example.witness)")
        }
        let formulas = [side, asking].flatMap { ProgramFormulas($0.program, mesh: mesh, profile: proxy.profile).formulas }
        var space = try Space(ChainComparison.shape(mesh, mesh, profile: proxy.profile, isTCP: isTCP), formulas)
        for _ in 0..<600 {
          let request = random.request(in: space)
          guard space.point(of: request) != nil else { continue }
          checks += 1
          guard means(request) == true else { continue }
          meant += 1
          if examples.isEmpty, isBreaking(request) {
            Issue.record("seed \(seed) round \(round): called held, and broken by \(request)\n\(rule)\n\(Core.text(set))")
            return
          }
        }
        if examples.isEmpty { held += 1 } else { broken += 1 }
      }
    }
    print("invariants: \(held) held, \(broken) broken, \(checks) requests, \(meant) of them meant")
    #expect(held >= 3 && broken >= 5 && meant >= 400)
  }
}
