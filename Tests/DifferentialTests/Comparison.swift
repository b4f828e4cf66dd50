// Asks all sides about many requests and compares what they say.
//
// Enters: a world and requests for its sets. Leaves: counts, and the requests about which the sides disagree. Never happens here: a
// disagreement that is explained away; requests that Portcullis does not decide are counted by reason and held to the documented ones.

internal import Foundation
internal import Synchronization
internal import TestSupport

/// One request for one set.
struct TestCase: Sendable {
  var set: Int
  var request: TestRequest
}

/// A disagreement.
struct Disagreement: Sendable {
  var testCase: TestCase
  /// Which way of Portcullis disagrees with Envoy.
  var side: Side
  var envoy: Verdict
  var portcullis: Verdict
}

/// What came out.
struct Outcome: Sendable {
  var http = 0
  var tcp = 0
  var allowed = 0
  var denied = 0
  var other = 0
  /// Those of the HTTP requests that came by HTTP/2 and were allowed or denied.
  var http2 = 0
  /// By reason.
  var undecided: [String: Int] = [:]
  /// What the module does not decide, by reason.
  var moduleUndecided: [String: Int] = [:]
  /// What the module decided.
  var moduleDecided = 0
  var disagreements: [Disagreement] = []

  mutating func add(_ other: Outcome) {
    http += other.http
    tcp += other.tcp
    http2 += other.http2
    allowed += other.allowed
    denied += other.denied
    self.other += other.other
    undecided.merge(other.undecided) { $0 + $1 }
    moduleUndecided.merge(other.moduleUndecided) { $0 + $1 }
    moduleDecided += other.moduleDecided
    disagreements += other.disagreements
  }

  var counts: String {
    "\(http) HTTP requests (\(http2) by HTTP/2) and \(tcp) TCP connections: \(allowed) allowed, \(denied) denied, \(other) refused by the proxy, "
      + "undecided \(undecided.isEmpty ? "none" : "\(undecided)"); the module decided \(moduleDecided), undecided "
      + "\(moduleUndecided.isEmpty ? "none" : "\(moduleUndecided)"); disagreements \(disagreements.count)"
  }
}

extension World {
  /// Asks all sides about all cases, with several threads.
  func compare(_ cases: [TestCase], threads: Int = 3) throws -> Outcome {
    let results = Results()
    let next = Atomic<Int>(0)
    let chunk = 64
    DispatchQueue.concurrentPerform(iterations: threads) { _ in
      let client = Client(self)
      do {
        while true {
          let start = next.add(chunk, ordering: .relaxed).oldValue
          if start >= cases.count { return }
          results.add(try compare(cases[start..<min(start + chunk, cases.count)], with: client))
        }
      } catch { results.fail(error) }
    }
    return try results.total()
  }

  /// Whether a rule that a proxy named, `ns[…]-policy[w4-p0]-rule[1]`, tests metadata of other filters.
  private func testsMetadata(_ rule: String, set: Int) -> Bool {
    guard let found = rule.wholeMatch(of: /ns\[.*\]-policy\[w\d+-p(\d+)\]-rule\[(\d+)\]/), let policy = Int(found.1),
      let number = Int(found.2),
      sets[set].policies.indices.contains(policy), sets[set].policies[policy].rules.indices.contains(number)
    else { return false }
    return sets[set].policies[policy].rules[number].yaml.contains("experimental.")
  }

  private func compare(_ cases: ArraySlice<TestCase>, with client: Client) throws -> Outcome {
    var outcome = Outcome()
    for testCase in cases {
      let envoy = try client.ask(.envoy, testCase.request, set: testCase.set)
      let portcullis = try client.ask(.portcullis, testCase.request, set: testCase.set)
      if !sets[testCase.set].isTCP, testCase.request.peer.isHTTP2, envoy.status == 200 || envoy.status == 403 { outcome.http2 += 1 }
      if sets[testCase.set].isTCP { outcome.tcp += 1 } else { outcome.http += 1 }
      switch envoy.status {
      case 200: outcome.allowed += 1
      case 403: outcome.denied += 1
      default: outcome.other += 1
      }
      if !portcullis.isDecided, portcullis.status == 403 { outcome.undecided[portcullis.why, default: 0] += 1 }
      if !Self.agree(envoy, portcullis, about: testCase.request) {
        outcome.disagreements.append(Disagreement(testCase: testCase, side: .portcullis, envoy: envoy, portcullis: portcullis))
      }
      let module = try client.ask(.module, testCase.request, set: testCase.set)
      if module.isDecided || module.status != 403 {
        outcome.moduleDecided += 1
      } else {
        outcome.moduleUndecided[module.why, default: 0] += 1
      }
      // The module sees no metadata of other filters; nothing is assumed of it.
      if module.why == "unknown-metadata", module.status == 403 { continue }
      // Where the rule that Envoy names tests it, the module names the next one that denies; nothing else may differ.
      if envoy.status == 403, module.status == 403, envoy.body == module.body, testsMetadata(envoy.policy, set: testCase.set) { continue }
      if !Self.agree(envoy, module, about: testCase.request) {
        outcome.disagreements.append(Disagreement(testCase: testCase, side: .module, envoy: envoy, portcullis: module))
      }
    }
    return outcome
  }

  /// The same status and body, and over HTTP the same rule that denied.
  static func agree(_ envoy: Verdict, _ portcullis: Verdict, about request: TestRequest) -> Bool {
    if Texts.unsettledPaths.contains(request.path), portcullis.status == 403 {
      // Denied for not knowing the path, or by a later rule that does not test it.
      return portcullis.why == "path-not-normalized" || envoy.status == 403
    }
    // Whoever does not get a connection cannot be told that the request is none; the side that asks lets the peer in first.
    if envoy.isRefusedAtTheGate { return portcullis.isRefusedAtTheGate || portcullis.status != 200 && portcullis.status != 403 }
    if portcullis.isRefusedAtTheGate { return false }
    return envoy.status == portcullis.status && envoy.body == portcullis.body && (envoy.status != 403 || envoy.policy == portcullis.policy)
  }
}

/// Collects what the threads found.
private final class Results: @unchecked Sendable {
  // Guarded by the lock, all of it.
  private let lock = NSLock()
  private var outcome = Outcome()
  private var failure: (any Error)?

  func add(_ more: Outcome) { lock.withLock { outcome.add(more) } }

  func fail(_ error: any Error) { lock.withLock { failure = failure ?? error } }

  func total() throws -> Outcome {
    try lock.withLock {
      if let failure { throw failure }
      return outcome
    }
  }
}
