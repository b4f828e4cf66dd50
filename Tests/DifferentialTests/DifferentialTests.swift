// For any policies and any request, Portcullis, as a server and as Envoy's module, and a real Envoy that runs the same policies as native RBAC
// filters give the same verdict.
//
// PORTCULLIS_DIFFERENTIAL_SEED repeats a run, PORTCULLIS_DIFFERENTIAL_SETS makes it longer (default 300 sets, about 20,000 requests).

internal import Foundation
internal import TestSupport
internal import Testing

@testable internal import portcullis

@Suite(.serialized) struct `Portcullis and a real Envoy` {
  private static func setting(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }

  /// All that peers are of: where the gate refuses nobody, the policies are asked about everybody.
  private static let domains = ["cluster.local", "td1", "old-td1", "a.b.example", "CLUSTER.local"]

  private static let meshes = [
    TestMesh(accepted: domains),
    TestMesh(
      trustDomain: "td1", aliases: ["old-td1", "cluster.local"], accepted: domains, normalization: .merge, isDualStack: World.hasIPv6),
    TestMesh(trustDomain: "a.b.example", accepted: domains, normalization: .decode, trustedHops: 0),
    TestMesh(aliases: ["td1"], accepted: ["old-td1"], normalization: .none, isStrict: true),
    TestMesh(trustDomain: "td1", aliases: ["*-td1", "a.b.example"], trustedHops: 1, isDualStack: World.hasIPv6),
  ]

  @Test func `agree about random requests under random policies`() throws {
    let seed = Self.setting("PORTCULLIS_DIFFERENTIAL_SEED") ?? UInt64.random(in: 0...UInt64(UInt32.max))
    let setCount = Int(Self.setting("PORTCULLIS_DIFFERENTIAL_SETS") ?? 300)
    let worldSize = 60
    let worldCount = max(1, (setCount + worldSize - 1) / worldSize)
    print("differential test: seed \(seed), \(worldCount * worldSize) policy sets\(World.hasIPv6 ? "" : ", without IPv6")")
    var total = Outcome()
    try withSandbox { sandbox in
      let credentials = try Credentials(in: sandbox)
      for number in 0..<worldCount {
        let ports = try TestPorts()
        let mesh = Self.meshes[number % Self.meshes.count]
        var generator = Generator(
          random: Randomness(seed: seed &+ UInt64(number)), ports: (ports.http, ports.tcp), isDualStack: mesh.isDualStack)
        let (sets, cases) = Self.population(worldSize, &generator)
        let world = try World(sets, mesh: mesh, credentials: credentials, ports: ports, name: "world-\(number)", in: sandbox)
        let outcome = try world.compare(cases)
        world.stop()
        total.add(outcome)
        for (index, found) in Self.distinct(outcome.disagreements).prefix(3).enumerated() {
          let shrinker = Shrinker(
            mesh: mesh, credentials: credentials, ports: ports, sandbox: sandbox, name: "shrink-\(number)-\(index)")
          let (example, smallest) = try shrinker.shrink(
            Example(set: sets[found.testCase.set], request: found.testCase.request))
          Issue.record("seed \(seed), world \(number):\n\(smallest.report(example, mesh: mesh, ports: ports))")
        }
      }
    }
    print("differential test: seed \(seed): \(total.counts)")
    #expect(total.disagreements.count == 0, "seed \(seed)")
    // Both answers must be common, or the test proves little; and what is not decided must be rare.
    #expect(total.allowed * 5 > total.http + total.tcp)
    #expect(total.denied * 5 > total.http + total.tcp)
    #expect(total.http2 * 5 > total.http)
    #expect(total.undecided.values.reduce(0, +) * 50 < total.http + total.tcp)
    #expect(total.moduleUndecided.filter { $0.key != "unknown-metadata" }.values.reduce(0, +) * 50 < total.http + total.tcp)
    #expect(total.moduleDecided * 10 > (total.http + total.tcp) * 9)
  }

  /// Sets, and requests about each: half of them near those that the policies were made from.
  private static func population(_ count: Int, _ generator: inout Generator) -> ([TestSet], [TestCase]) {
    let peers = (0..<48).map { _ in generator.peer() }
    var sets: [TestSet] = []
    var cases: [TestCase] = []
    for index in 0..<count {
      let focus = (0..<3).map { _ in generator.request(peers: peers) }
      let isTCP = index % 6 == 5
      sets.append(generator.set(isTCP: isTCP, about: focus))
      for _ in 0..<(isTCP ? 40 : 80) {
        let about = generator.random.pick(focus)
        let request =
          switch generator.random.below(10) {
          case 0: about
          case 1...5: generator.near(about, peers: peers)
          default: generator.request(peers: peers)
          }
        cases.append(TestCase(set: index, request: request))
      }
    }
    return (sets, cases)
  }

  /// One disagreement for each set and rule: a rule that is wrong is wrong about many requests.
  private static func distinct(_ all: [Disagreement]) -> [Disagreement] {
    var seen: Set<String> = []
    return all.filter { seen.insert("\($0.testCase.set) \($0.side) \($0.envoy.policy) \($0.portcullis.policy)").inserted }
  }
}
