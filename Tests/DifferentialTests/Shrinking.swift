// Makes a disagreement small: takes away policies, rules, values and parts of the request as long as the two sides still disagree.
//
// Enters: a set and a request. Leaves: a smaller set and a smaller request. Every round tries all single steps at once, as the sets of one
// new world. Never happens here: a step that makes a policy invalid; such steps are dropped before.

internal import PolicyLoading
internal import PolicyModel
internal import TestSupport

/// A set and a request for it.
struct Example: Sendable {
  var set: TestSet
  var request: TestRequest
}

extension Example {
  /// Everything that is smaller by one step.
  var smaller: [Example] {
    (set.smaller.map { Example(set: $0, request: request) } + request.smaller.map { Example(set: set, request: $0) }).filter(\.isValid)
  }

  private var isValid: Bool {
    !loadPolicies(text: Array(set.yaml(index: 0).utf8), file: "shrunk.yaml").diagnostics.contains { $0.severity == .error }
  }
}

extension TestRequest {
  fileprivate var smaller: [TestRequest] {
    func change(_ edit: (inout TestRequest) -> Void) -> TestRequest? {
      var changed = self
      edit(&changed)
      return changed == self ? nil : changed
    }
    var all = headers.indices.map { index in change { $0.headers.remove(at: index) } }
    all += [
      change { $0.token = nil }, change { $0.path = "/" }, change { $0.host = "a.com" }, change { $0.method = "GET" },
      change { $0.peer.sni = nil }, change { $0.peer.isHTTP2 = false }, change { $0.scheme = "http" },
      change { $0.peer.source = "127.0.0.1" }, change { $0.peer.destination = 1 }, change { $0.peer.port = 0 },
      change {
        $0.peer = TestPeer(
          identity: 0, source: $0.peer.source, destination: $0.peer.destination, port: $0.peer.port, isHTTP2: $0.peer.isHTTP2)
      },
    ]
    return all.compactMap(\.self)
  }
}

extension TestSet {
  fileprivate var smaller: [TestSet] {
    var all: [TestSet] = []
    for index in policies.indices {
      var changed = self
      changed.policies.remove(at: index)
      all.append(changed)
      for policy in policies[index].smaller {
        changed = self
        changed.policies[index] = policy
        all.append(changed)
      }
    }
    return all
  }
}

extension TestPolicy {
  fileprivate var smaller: [TestPolicy] {
    var all: [TestPolicy] = []
    if isDryRun {
      var changed = self
      changed.isDryRun = false
      all.append(changed)
    }
    for index in rules.indices {
      var changed = self
      changed.rules.remove(at: index)
      all.append(changed)
      for rule in rules[index].smaller {
        changed = self
        changed.rules[index] = rule
        all.append(changed)
      }
    }
    return all
  }
}

extension TestRule {
  fileprivate var smaller: [TestRule] {
    func clauses(_ list: [[TestField]]) -> [[[TestField]]] {
      Self.without(list)
        + list.indices.flatMap { index in
          Self.fields(list[index]).filter { !$0.isEmpty }.map { fields in
            var changed = list
            changed[index] = fields
            return changed
          }
        }
    }
    return clauses(from).map { TestRule(from: $0, to: to, when: when) } + clauses(to).map { TestRule(from: from, to: $0, when: when) }
      + Self.fields(when).map { TestRule(from: from, to: to, when: $0) }
  }

  private static func fields(_ fields: [TestField]) -> [[TestField]] {
    without(fields)
      + fields.indices.flatMap { index -> [[TestField]] in
        let field = fields[index]
        let values = without(field.values).map { TestField(name: field.name, values: $0, notValues: field.notValues) }
        let notValues = without(field.notValues).map { TestField(name: field.name, values: field.values, notValues: $0) }
        return (values + notValues).filter { !$0.values.isEmpty || !$0.notValues.isEmpty }.map { smaller in
          var changed = fields
          changed[index] = smaller
          return changed
        }
      }
  }

  private static func without<Element>(_ list: [Element]) -> [[Element]] {
    list.indices.map { index in
      var changed = list
      changed.remove(at: index)
      return changed
    }
  }
}

/// Shrinks one disagreement in worlds of its own.
struct Shrinker {
  let mesh: TestMesh
  let credentials: Credentials
  let ports: TestPorts
  let sandbox: Sandbox
  let name: String

  /// The smallest example that was found, and what the sides say about it.
  func shrink(_ example: Example, rounds: Int = 25) throws -> (Example, Disagreement) {
    var (best, found) = (example, try first([example], round: 0))
    for round in 1...rounds {
      guard let next = try first(best.smaller, round: round) else { break }
      found = next
      best = next.0
    }
    guard let found else { throw TestFailure("the disagreement did not happen again: \(example)") }
    return found
  }

  /// The first example about which the sides disagree.
  private func first(_ examples: [Example], round: Int) throws -> (Example, Disagreement)? {
    for start in stride(from: 0, to: examples.count, by: World.capacity) {
      let part = Array(examples[start..<min(start + World.capacity, examples.count)])
      var programs = part.map(\.set)
      // A world has HTTP routes even when all of its sets are for TCP.
      if programs.allSatisfy(\.isTCP) { programs.append(TestSet(namespace: "$W", isTCP: false, policies: [])) }
      let world = try World(
        programs, mesh: mesh, credentials: credentials, ports: ports, name: "\(name)-\(round)-\(start)", in: sandbox)
      let outcome = try world.compare(part.enumerated().map { TestCase(set: $0, request: $1.request) }, threads: 1)
      world.stop()
      if let found = outcome.disagreements.min(by: { $0.testCase.set < $1.testCase.set }) { return (part[found.testCase.set], found) }
    }
    return nil
  }
}

extension Disagreement {
  /// What a person needs to see what happened.
  func report(_ example: Example, mesh: TestMesh, ports: TestPorts) -> String {
    let request = example.request
    let identity = Identities.all[request.peer.identity]
    let names = (identity.uris.map { "URI \($0)" } + identity.dns.map { "DNS \($0)" } + (identity.subject.map { ["CN \($0)"] } ?? []))
    let who =
      identity.isPlaintext ? "plaintext" : names.isEmpty ? "TLS without a certificate" : "certificate with " + names.joined(separator: ", ")
    let port = example.set.isTCP ? ports.tcp[request.peer.port] : ports.http[request.peer.port]
    let destination = example.set.isTCP ? World.tcpDestination(testCase.set) : World.httpDestination(request.peer)
    var text = """
      mesh: \(mesh)
      client: \(who); server name \(request.peer.sni ?? "none"); from \(request.peer.source) to \(destination):\(port)

      """
    if example.set.isTCP {
      text += "a TCP connection\n"
    } else {
      let headers = ([["host", request.host]] + request.headers).map { "-H '\($0[0]): \($0[1])'" }.joined(separator: " ")
      text += request.peer.isHTTP2 ? "HTTP/2, scheme \(request.scheme): " : ""
      text += "curl --path-as-is -X \(request.method) \(headers) 'http://\(destination):\(port)\(request.path)'\n"
      if let token = request.token { text += "token: \(Texts.tokens[token])\n" }
    }
    return text + """
      Envoy:      \(envoy.status) rule `\(envoy.policy)` (\(envoy.why))
      Portcullis (\(side)): \(portcullis.status) rule `\(portcullis.policy)` (\(portcullis.why))
      \(example.set.yaml(index: testCase.set))
      """
  }
}
