// Every text of small alphabets, every request of small worlds: the classes against the reference's own matching, the universes against the
// engine's own normalization, whole regions against the engine.

import Foundation
import PolicyModel
import Testing

@testable import PolicyAnalysis
@testable import PolicyEngine

@Suite struct `The exact core agrees with exhaustive enumeration` {
  /// All concatenations of up to this many parts.
  static func texts(_ parts: [String], upTo length: Int) -> [[UInt8]] {
    var all: [[UInt8]] = [[]]
    var last: [[UInt8]] = [[]]
    for _ in 0..<length {
      last = last.flatMap { text in parts.map { text + Array($0.utf8) } }
      all += last
    }
    return Array(Set(all))
  }

  @Test(arguments: MeshSettings.PathNormalization.allCases)
  func `paths are in the universe if and only if the proxy leaves them as they are`(_ mode: MeshSettings.PathNormalization) {
    let alphabet = ["/", ".", ";", "%", "2", "e", "F", "5", "a", "?", "#", "\\", "*", "|", "0"]
    var scratch = PathScratch()
    for keepsDots in [false, true] {
      let universe = Universe(kind: .path(mode, keepsDotParameters: keepsDots, hasQuery: true))
      var members = 0
      for text in Self.texts(alphabet, upTo: 4) + Self.texts(alphabet, upTo: 4).map({ Array("/a".utf8) + $0 }) {
        let isMember = universe.contains(text)
        if isMember { members += 1 }
        if isMember != mode.isFixedPoint(text.span, keepsDotParameters: keepsDots, using: &scratch) {
          Issue.record("\(mode) \(keepsDots) \(String(decoding: text, as: UTF8.self)): \(isMember)")
          return
        }
      }
      #expect(members > 1_000)
    }
  }

  /// For random values of one attribute: every text of the alphabet is in the class whose languages are exactly those that match it, every
  /// class that holds such a text exists, and a witness lies in its own class.
  @Test func `every short text is in the class that the reference's matching gives it`() throws {
    let seed = `The exact core agrees with the engine`.seed
    print("exhaustive seed: \(seed)")
    var random = AnalysisWorld(seed: seed &+ 7)
    let identityParts = ["spiffe://", "/ns/", "foo", "/sa/", "a", "/", "td1", "b", "ns"]
    let identities = Self.texts(identityParts, upTo: 5) + Self.texts(identityParts, upTo: 4).map { Array("spiffe://td1/ns/foo".utf8) + $0 }
    let plain = Self.texts(["a", "b", "/", ".", "A", "*"], upTo: 5)
    let paths = plain.map { [0x2f] + $0 } + Self.texts(["a", "b", "/", "?", "c"], upTo: 5).map { [0x2f] + $0 } + [[0x2a]]
    let cases: [(attributes: [Attribute], texts: [[UInt8]], pool: [String]?)] = [
      ([.sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain], identities, nil),
      ([.path, .path, .requestHeader(":path")], paths, ["/a/b", "/a", "/ab/", "/", "/a/b/a", "/a?b", "/a//b"]),
      ([.host, .requestHeader(":authority")], plain, ["a.b", "A.b", "ab", "a", "b/a"]),
      ([.method], Self.texts(["a", "b", "A", "*"], upTo: 5), ["ab", "a", "bab", "aab"]),
      ([.requestHeader("x")], plain, ["ab", "a", "b.a", "aab", "a*"]),
      ([.sni], Self.texts(["a", "b", "."], upTo: 6), ["ab", "a", "b.a", "aab", "A"]),
    ]
    var checks = 0
    for round in 0..<12 {
      let mesh = random.mesh()
      for item in cases {
        var demands: [(attribute: Attribute, value: ExactText)] = []
        for _ in 0..<random.number(1...6) {
          let attribute = random.pick(item.attributes)
          let own = item.pool.map { random.starred(random.pick($0)) }
          demands.append((attribute, ExactText(own ?? random.value(attribute))))
        }
        let maker = FormulaMaker(mesh: mesh, profile: .sidecar)
        let formulas = demands.map { demand in
          maker.formula([
            [[AttachedProgram.Demand(subject: .attribute(demand.attribute), values: [demand.value], notValues: [], namespace: "foo")]]
          ])
        }
        let shape = try ChainComparison.shape(mesh, mesh, profile: .sidecar, isTCP: false)
        var space = try Space(shape, formulas)
        var diagrams = space.diagrams()
        let functions = try formulas.map { try space.diagram($0, &diagrams) }
        for text in item.texts.shuffled(using: &random.random).prefix(2_500) {
          guard let request = Self.request(item.attributes[0], text), let point = space.point(of: request) else { continue }
          for (demand, function) in zip(demands, functions) {
            checks += 1
            let matching = ReferenceMatching(attribute: demand.attribute, policyNamespace: "foo", mesh: mesh)
            let expected = matching.matches(demand.value, request.request) == .yes
            if diagrams.value(function, at: point) != expected {
              Issue.record("round \(round): \(demand) on \(String(decoding: text, as: UTF8.self)): expected \(expected), \(mesh)")
              return
            }
          }
        }
        for (field, place) in space.places {
          guard let texts = place.texts else { continue }
          for (number, atom) in texts.atoms.enumerated() {
            #expect(space.textAtom(field, atom.witness) == Int32(number), "\(String(decoding: atom.witness, as: UTF8.self)) of \(field)")
          }
        }
      }
    }
    print("exhaustive: \(checks) matches compared")
    #expect(checks > 100_000)
  }

  /// A request that has the text where the attribute looks; nil where no proxy would let it through.
  static func request(_ attribute: Attribute, _ text: [UInt8]) -> WitnessRequest? {
    var request = WitnessRequest()
    switch attribute {
    case .sourcePrincipal: request.identity = text
    case .path: request.path = text
    case .host: request.host = text
    case .method: request.method = text
    case .sni: request.sni = text
    default: request.headers = [.init(name: Array("x".utf8), value: text)]
    }
    return request
  }

  /// Every request of a small world: all combinations of a few identities, ports, methods, paths and header lines.
  @Test func `every request of small worlds lies in the region that the engine gives it`() throws {
    let seed = `The exact core agrees with the engine`.seed
    var random = AnalysisWorld(seed: seed &+ 11)
    let names = [
      "spiffe://td1/ns/a/sa/a", "spiffe://td1/ns/a/sa/ab", "spiffe://td1/ns/ab/sa/a", "spiffe://td1/ns/b/sa/b", "spiffe://td2/ns/a/sa/a",
    ]
    let lines: [[String]] = [[], ["a"], ["b"], ["ab"], ["a", "b"], ["ab", "b"], ["a", "ab", "b"]]
    var checks = 0
    var differing = 0
    for round in 0..<30 {
      func text(_ pool: [String]) -> [Located<ExactText>] {
        (0..<random.number(1...2)).map { _ in Located(ExactText(random.starred(random.pick(pool)))) }
      }
      func constraint(_ attribute: Attribute, _ pool: [String]) -> Constraint {
        random.chance(70) ? Constraint(attribute, values: text(pool)) : Constraint(attribute, notValues: text(pool))
      }
      func set() -> PolicySet {
        var set = PolicySet()
        for number in 0..<random.number(1...4) {
          var rules: [AuthorizationPolicy.Rule?] = []
          for _ in 0..<random.number(1...3) {
            let source =
              random.chance(50)
              ? constraint(.sourceNamespace, ["a", "ab", "b"]) : constraint(.sourcePrincipal, names.map { String($0.dropFirst(9)) })
            let operation =
              random.chance(50) ? constraint(.path, ["/a", "/ab", "/a/b", "/b", "/{*}/b"]) : constraint(.method, ["a", "ab", "b"])
            rules.append(
              AuthorizationPolicy.Rule(
                sources: random.chance(70) ? [.init([source])] : [], operations: random.chance(70) ? [.init([operation])] : [],
                conditions: random.chance(50) ? [constraint(.requestHeader("x"), ["a", "ab", "b"])] : []))
          }
          set.policies.append(
            AuthorizationPolicy(
              metadata: ObjectMetadata(
                key: ObjectKey(kind: "AuthorizationPolicy", namespace: "a", name: ExactText("p\(number)")),
                location: SourceLocation(file: "f", span: .nowhere)), action: random.pick([.allow, .deny, .allow]), rules: rules))
        }
        return set
      }
      let mesh = MeshSettings(trustDomain: "td1")
      let proxy = AnalyzedProxy(namespace: "a", labels: [:])
      let sides = [set(), set()].map { `The exact core agrees with the engine`.Side($0, mesh, proxy, isTCP: false) }
      var comparison = try ChainComparison(
        before: (sides[0].program, mesh), after: (sides[1].program, mesh), profile: .sidecar, isTCP: false)
      var changed = Diagrams.never
      for (from, to) in [(Verdict.allow, Verdict.deny), (.deny, .allow)] {
        changed = try comparison.diagrams.or(changed, try comparison.changed(from: from, to: to))
      }
      var request = WitnessRequest()
      for name in [nil] + names.map({ Optional($0) }) {
        request.identity = name.map { Array($0.utf8) }
        for method in ["a", "ab", "b", "CONNECT"] {
          request.method = Array(method.utf8)
          for path in ["/", "/a", "/ab", "/b", "/a/b", "/b/b", "/a/"] {
            request.path = Array(path.utf8)
            for values in lines {
              request.headers = values.map { .init(name: Array("x".utf8), value: Array($0.utf8)) }
              checks += 1
              let verdicts = sides.map { $0.decide(request, .sidecar).verdict }
              guard let point = comparison.point(of: request) else {
                Issue.record("outside: \(request)")
                return
              }
              if verdicts[0] != verdicts[1] { differing += 1 }
              if comparison.diagrams.value(changed, at: point) != (verdicts[0] != verdicts[1]) {
                Issue.record("seed \(seed) round \(round): \(request) \(verdicts)")
                return
              }
            }
          }
        }
      }
    }
    print("small worlds: \(checks) requests, \(differing) of them differ")
    #expect(differing > 500)
  }
}
