// Spoiled requests of the corpus through Envoy's module, while policies change and break, and while the same requests unspoiled must be decided
// as ever. Enters: Tests/Corpus, a seed. Leaves: nothing. Never happens here: a judgement of a spoiled request, but that it fails nothing.
//
// PORTCULLIS_DIFFERENTIAL_SEED repeats the spoiling.

internal import CorpusSupport
internal import Foundation
internal import PolicyModel
internal import Synchronization
internal import TestSupport
internal import Testing

extension `Portcullis and a real Envoy` {
  @Suite struct `spoiled requests` {
    /// One case: its listener, its file, what is asked of it, and what is spoiled.
    private struct Place {
      var site: ModuleCorpusSite
      var file: String
      var facts: [CorpusFacts]
      var checks: [CorpusCheck]
      var bytes: [[UInt8]] = []
    }

    @Test func `fail nothing in Envoy's module while policies change and break`() throws {
      let seed =
        ProcessInfo.processInfo.environment["PORTCULLIS_DIFFERENTIAL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...9_999_999)
      print("spoiled requests: seed \(seed)")
      try withSandbox { sandbox in
        let root = try IssuedCertificate(.authority("corpus"))
        let server = try IssuedCertificate(.leaf("spiffe://cluster.local/ns/foo/sa/server"), signedBy: root)
        let signer = try TokenSigner()
        let trust = try CorpusTrust(
          server: (sandbox.write(server.pem, to: "server.pem"), sandbox.write(server.keyPEM, to: "server.key")),
          authority: sandbox.write(root.pem, to: "ca.pem"), keys: signer.keys)
        let port = try Ports.free()
        var client = CorpusClient(sandbox: sandbox, root: root, signer: signer, port: port)
        let places = try Self.places(client, sandbox)
        let module = try EnvoyModule.path(in: sandbox)
        let listeners = places.map { $0.site.listener(port: port, trust, module: module, log: "/dev/null") }.joined()
        let proxy = try Envoy(
          "spoiled", configuration: "static_resources:\n  listeners:\n\(listeners.indented(2))", in: sandbox, workers: 2)
        let shared = places.filter { !$0.bytes.isEmpty }.map { (address: $0.site.address, bytes: $0.bytes) }
        let spoilers = Spoilers(shared, port: port, seed: seed, threads: 2)
        let texts = try places.map { try String(contentsOfFile: $0.file, encoding: .utf8) }
        func ask(_ when: String) throws {
          for place in places {
            for (facts, check) in zip(place.facts, place.checks) {
              let verdict = try client.ask(place.site, facts)
              let decision = verdict.details.hasPrefix("rbac_access_denied_undecided[") ? "undecided" : verdict.decision
              #expect(decision == check.decision, "\(when), listener \(place.site.number): \(verdict)")
            }
          }
        }
        for round in 1...4 {
          let isBroken = round % 2 == 0
          let counter = isBroken ? "portcullis.reloads_stale" : "portcullis.reloads"
          let before = try proxy.counter(counter)
          for (place, text) in zip(places, texts) { try Self.change(place, text, round, isBroken: isBroken, in: sandbox) }
          // While files are read, and when all are.
          try ask("round \(round)")
          try waitUntil("all changes of round \(round)") { try proxy.counter(counter) >= before + places.count }
          try ask("behind round \(round)")
        }
        let answers = try spoilers.stop()
        print("spoiled requests: seed \(seed): answers \(answers), \(places.count) listeners")
        #expect(proxy.process.poll() == nil)
        #expect(try proxy.counter("portcullis.failed") == 0)
        // All kinds of ends must have come, or the spoiling reached too little.
        for status in [200, 400, 403] { #expect(answers[status, default: 0] > 20, "status \(status)") }
      }
    }

    /// Another policy, for nobody, or a file that cannot be read at all, so that all of it stays as it was.
    private static func change(_ place: Place, _ text: String, _ number: Int, isBroken: Bool, in sandbox: Sandbox) throws {
      let more = """
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: change-\(number), namespace: nobody}
        spec: {action: DENY, rules: [{}]}

        """
      try sandbox.write(
        isBroken ? "kind: [Broken\n" : text + "\n" + more, to: URL(fileURLWithPath: place.file).lastPathComponent)
    }

    /// Every tenth case, with its first listener.
    private static func places(_ client: CorpusClient, _ sandbox: Sandbox) throws -> [Place] {
      var places: [Place] = []
      for (number, one) in try CorpusCase.all().enumerated() where number % 10 == 0 && one.needs == nil && one.mesh.olderBehaviors.isEmpty {
        let set = try one.policySet()
        let facts = try one.checks.map { try CorpusFacts($0.request) }
        guard let first = facts.first, first.http != nil, first.profile == "sidecar", !set.attributes.contains(.sourceIP) else { continue }
        let same = facts.indices.filter { facts[$0].isSameListener(as: first) }
        let site = try ModuleCorpusSite(
          number: places.count, one, set, requests: same.map { facts[$0] }, workload: "w0", policies: one.write(facts, in: sandbox, number),
          meshConfig: one.writeMeshConfig(in: sandbox, number), .whole, watches: true)
        var place = Place(site: site, file: sandbox.path("case-\(number).yaml"), facts: [], checks: [])
        for index in same {
          do {
            place.bytes.append(try client.bytes(site, facts[index]))
            if Self.isPlain(facts[index]), !["unknown-metadata", "unknown-sni"].contains(one.checks[index].reason) {
              place.facts.append(facts[index])
              place.checks.append(one.checks[index])
            }
          } catch is Inexpressible { continue }
        }
        places.append(place)
      }
      return places
    }

    /// Whether a proxy takes it over HTTP/1.1 and knows all of it; the test of the corpus asks the rest.
    private static func isPlain(_ facts: CorpusFacts) -> Bool {
      guard let http = facts.http, case .text(let path) = http.path, path.hasPrefix("/"), http.host?.contains("/") == false,
        case .null? = http.claims, http.metadata?.isEmpty == true, facts.remoteIP != nil, facts.port != nil,
        facts.destinationAddress != nil,
        http.headers?.contains(where: { $0[0].lowercased() == "x-forwarded-for" }) == false
      else { return false }
      if case .unknown = facts.peer { return false }
      return true
    }
  }
}

/// Threads that send spoiled requests, each on a connection of its own, until they are stopped.
private final class Spoilers: Sendable {
  private let isStopped = Atomic<Bool>(false)
  private let running: Atomic<Int>
  private let answers = Mutex<[Int: Int]>([:])

  init(_ places: [(address: String, bytes: [[UInt8]])], port: UInt16, seed: UInt64, threads: Int) {
    running = Atomic(threads)
    for thread in 0..<threads {
      Thread { [self] in
        var random = Randomness(seed: seed &+ UInt64(thread))
        var count = 0
        while !self.isStopped.load(ordering: .sequentiallyConsistent) || count < 300 {
          count += 1
          let place = random.pick(places)
          let status = Self.ask(place.address, port, Self.spoil(random.pick(place.bytes), &random))
          self.answers.withLock { $0[status, default: 0] += 1 }
        }
        self.running.subtract(1, ordering: .sequentiallyConsistent)
      }.start()
    }
  }

  /// - Returns: how often each status came; 0 is a connection that ended without one.
  func stop() throws -> [Int: Int] {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    try waitUntil("the end of the spoiling", seconds: 60) { self.running.load(ordering: .sequentiallyConsistent) == 0 }
    return answers.withLock { $0 }
  }

  private static func ask(_ address: String, _ port: UInt16, _ bytes: [UInt8]) -> Int {
    do {
      let connection = try ClientConnection(
        ClientIdentity(nil, isPlaintext: true), source: "127.0.0.1", destination: address, port: port, sni: nil,
        preface: "PROXY TCP4 10.1.1.1 10.0.0.2 40000 80\r\n")
      try connection.send(bytes)
      let line = String(decoding: try connection.receive().prefix(12), as: UTF8.self)
      return Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
    } catch { return 0 }
  }

  private static let pieces: [[UInt8]] =
    [
      "%2e%2e/", "%00", "//", "?", "\r\n", ": ", "\u{e9}", "x-corpus-payload: e30\r\n", "x-corpus-payload: %%%\r\n",
      "transfer-encoding: x\r\n",
    ]
    .map { Array($0.utf8) } + [[0], [0xFF, 0xFE], [0x80], Array(repeating: 0x61, count: 5_000)]

  /// A few bytes changed, added, taken away, or a line repeated. It ends as a request does.
  private static func spoil(_ bytes: [UInt8], _ random: inout Randomness) -> [UInt8] {
    var bytes = bytes
    for _ in 0...random.below(3) {
      let place = random.below(max(1, bytes.count))
      switch random.below(5) {
      case 0: if place < bytes.count { bytes[place] = UInt8(truncatingIfNeeded: random.next()) }
      case 1: bytes.insert(contentsOf: random.pick(pieces), at: place)
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(8)))
      case 3:
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let line = lines[random.below(lines.count)] + [UInt8(ascii: "\n")]
        bytes.insert(contentsOf: line, at: (bytes.firstIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)
      default:
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        bytes += lines[random.below(lines.count)]
      }
    }
    return bytes + Array("\r\n\r\n".utf8)
  }
}
