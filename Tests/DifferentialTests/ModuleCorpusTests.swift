// The corpus through a real Envoy that decides by Portcullis' module: over real mTLS with certificates of the named peers, real tokens, real
// addresses. Enters: Tests/Corpus. Leaves: what Envoy did, held to the case. Never happens here: a request that is left out without being
// counted by its reason.

internal import CorpusSupport
internal import PolicyEngine
internal import PolicyModel
internal import TestSupport
internal import Testing

extension `Portcullis and a real Envoy` {
  @Suite struct `the corpus in Envoy's module` {
    private struct Question {
      var one: CorpusCase
      var index: Int
      var facts: CorpusFacts
      var site: Int
      var check: CorpusCheck
    }

    private struct Tally {
      var asked = 0
      var total = 0
      var undecided = 0
      var left: [String: Int] = [:]

      mutating func leave(_ reason: String, _ one: CorpusCase, _ index: Int) {
        left[reason, default: 0] += 1
        print("not in Envoy's module (\(reason)): \(one), request \(index)")
      }
    }

    @Test(arguments: ModuleKnowledge.allCases) func `is decided as the corpus says`(knowing knowledge: ModuleKnowledge) throws {
      try withSandbox { sandbox in
        let root = try IssuedCertificate(.authority("corpus"))
        let server = try IssuedCertificate(.leaf("spiffe://cluster.local/ns/foo/sa/server"), signedBy: root)
        let signer = try TokenSigner()
        let trust = try CorpusTrust(
          server: (sandbox.write(server.pem, to: "server.pem"), sandbox.write(server.keyPEM, to: "server.key")),
          authority: sandbox.write(root.pem, to: "ca.pem"), keys: signer.keys)
        var tally = Tally()
        let (sites, questions) = try Self.world(&tally, sandbox, knowledge)
        let port = try Ports.free()
        let module = try EnvoyModule.path(in: sandbox)
        let log = sandbox.path("connections.log")
        let listeners = sites.map { $0.listener(port: port, trust, module: module, log: log) }.joined()
        let proxy = try Envoy("corpus", configuration: "static_resources:\n  listeners:\n\(listeners.indented(2))", in: sandbox)
        var client = CorpusClient(sandbox: sandbox, root: root, signer: signer, port: port)
        var connections: [(question: Question, port: UInt16, passed: Bool)] = []
        for question in questions {
          do {
            let site = sites[question.site]
            var verdict = try Self.read(client.ask(site, question.facts))
            if question.facts.http == nil {
              connections.append((question, client.clientPort, verdict.decision == "allow"))
              tally.asked += 1
              continue
            }
            // HTTP/2 has other rules for methods and values.
            let refusal = verdict
            if Int(verdict.decision) != nil || verdict.decision.isEmpty {
              verdict = try Self.read(client.ask(site, question.facts, isHTTP2: true))
            }
            if Int(verdict.decision) != nil || verdict.decision.isEmpty {
              throw Inexpressible(reason: "the proxy refuses the request: \(refusal.decision) \(refusal.details)")
            }
            if verdict.told["x-reason"] == "unknown-metadata", question.check.reason != "unknown-metadata" {
              throw Inexpressible(reason: "the module sees no metadata of other filters")
            }
            tally.asked += 1
            if verdict.told["x-reason"] == "unknown-claims" { tally.undecided += 1 }
            Self.compare(verdict, question)
          } catch let error as Inexpressible {
            tally.leave(error.reason, question.one, question.index)
          } catch let error as TestFailure {
            Issue.record("\(question.one), request \(question.index): \(error)")
          }
        }
        // What the client saw is not enough: a handshake that fails is a closed connection too.
        let verdicts = try ModuleCorpusLog.verdicts(log, count: connections.count)
        for connection in connections {
          let verdict = try #require(verdicts[connection.port], "\(connection.question.one), request \(connection.question.index)")
          #expect(connection.passed == (verdict.decision == "allow"), "\(connection.question.one), request \(connection.question.index)")
          Self.compare(verdict, connection.question)
        }
        #expect(proxy.process.poll() == nil)
        #expect(try proxy.counter("portcullis.failed") == 0)
        print(
          "corpus in Envoy's module, \(knowledge): \(sites.count) listeners, \(tally.asked) requests, \(connections.count) of them by TCP, "
            + "\(tally.undecided) undecided for want of claims, left \(tally.left)")
        #expect(tally.left == Self.left(knowledge))
        #expect((tally.undecided > 20) == (knowledge == .bare))
        // Nothing is lost between the two.
        #expect(tally.asked + tally.left.values.reduce(0, +) == tally.total)
      }
    }

    /// What cannot be asked in this way, by reason.
    private static func left(_ knowledge: ModuleKnowledge) -> [String: Int] {
      let refusal = "the proxy refuses the request: "
      let common = [
        "ztunnel is no Envoy": 130, "the module is not older than itself": 10, "the connection's peer is on loopback here": 38,
        "the module serves no waypoint": 34, "the module sees no metadata of other filters": 16,
        "a certificate without any name is unknown to the module": 3, "a proxy knows the whole request": 14,
        "a proxy knows addresses and ports": 9, "a proxy knows its peer": 6, "a proxy knows its peer's address": 1,
        "the proxy derives another client's address": 1, "\(refusal)400 http.invalid_authority": 3, "\(refusal)400 missing_host_header": 2,
        "\(refusal)400 path_normalization_failed": 2, "\(refusal)404 absolute_path_rejected": 1,
      ]
      let own =
        switch knowledge {
        case .whole:
          [
            "\(refusal)401 jwt_authn_access_denied{Jwt_payload_[iss]_field_is_not_a_string}": 2,
            "\(refusal)401 jwt_authn_access_denied{Jwt_payload_[sub]_field_is_not_a_string}": 3,
          ]
        case .bare: ["the certificate has other names than one of a URI": 28, "the network filter knows all there is": 67]
        }
      return common.merging(own) { $0 + $1 }
    }

    /// The verdict in the corpus' words.
    private static func read(_ verdict: CorpusVerdict) -> CorpusVerdict {
      var verdict = verdict
      if verdict.details.hasPrefix("rbac_access_denied_undecided[") { verdict.decision = "undecided" }
      return verdict
    }

    private static func compare(_ verdict: CorpusVerdict, _ question: Question) {
      let check = question.check
      let place = "\(question.one), request \(question.index)"
      func told(_ key: String) -> String? { verdict.told[key].flatMap { $0 == "-" || $0.isEmpty ? nil : $0 } }
      #expect(verdict.decision == check.decision, "\(place): \(verdict)")
      #expect(told("x-reason") == check.reason, "\(place): \(verdict)")
      #expect(told("x-policy") == check.policy, "\(place): \(verdict)")
      #expect(told("x-dry-run")?.split(separator: " ").first.map(String.init) == check.dryRun, "\(place): \(verdict)")
      if let audit = check.audit { #expect(told("x-audit-policy") ?? "none" == audit, "\(place): \(verdict)") }
    }

    /// What is decided when nothing is known of tokens, by the reference.
    private static func withoutToken(_ check: CorpusCheck, _ one: CorpusCase, _ set: PolicySet) throws -> CorpusCheck {
      guard case .object(var root) = check.request, case .object(var http)? = root["http"] else { return check }
      http["claims"] = nil
      root["http"] = .object(http)
      let door = try CorpusRequest(.object(root), mesh: one.mesh)
      let finding = ReferenceEvaluator(policies: set, mesh: one.mesh).decide(
        door.request, namespace: door.namespace, labels: door.labels, profile: door.profile, service: door.service)
      var changed = check
      changed.decision = "\(finding.verdict.name)"
      changed.reason = "\(finding.reason.code)"
      changed.policy = finding.rule.string
      changed.dryRun = finding.dryRun.map { "\($0.name)" }
      changed.audit = nil
      return changed
    }

    /// A listener for each workload of each case, and the requests.
    private static func world(_ tally: inout Tally, _ sandbox: Sandbox, _ knowledge: ModuleKnowledge) throws -> (
      [ModuleCorpusSite], [Question]
    ) {
      var sites: [ModuleCorpusSite] = []
      var questions: [Question] = []
      for (number, one) in try CorpusCase.all().enumerated() where one.needs == nil {
        let set = try one.policySet()
        let facts = try one.checks.map { try CorpusFacts($0.request) }
        tally.total += facts.count
        let policies = try one.write(facts, in: sandbox, number)
        let meshConfig = try one.writeMeshConfig(in: sandbox, number)
        var groups: [[Int]] = []
        for index in facts.indices {
          if let reason = Self.obstacle(one, set, facts[index], one.checks[index], knowledge) {
            tally.leave(reason, one, index)
          } else if let group = groups.firstIndex(where: { facts[$0[0]].isSameListener(as: facts[index]) }) {
            groups[group].append(index)
          } else {
            groups.append([index])
          }
        }
        for group in groups {
          let site = try ModuleCorpusSite(
            number: sites.count, one, set, requests: group.map { facts[$0] }, workload: "w\(CorpusCase.workload(facts, group[0]))",
            policies: policies, meshConfig: meshConfig, knowledge)
          sites.append(site)
          questions += try group.map { index in
            let check = try knowledge == .whole ? one.checks[index] : Self.withoutToken(one.checks[index], one, set)
            return Question(one: one, index: index, facts: facts[index], site: site.number, check: check)
          }
        }
      }
      return (sites, questions)
    }

    /// Why a request cannot be asked.
    private static func obstacle(
      _ one: CorpusCase, _ set: PolicySet, _ facts: CorpusFacts, _ check: CorpusCheck, _ knowledge: ModuleKnowledge
    ) -> String? {
      if facts.profile == "ztunnel" { return "ztunnel is no Envoy" }
      if facts.profile == "waypoint" { return "the module serves no waypoint" }
      if !one.mesh.olderBehaviors.isEmpty { return "the module is not older than itself" }
      if set.attributes.contains(.sourceIP), facts.sourceAddress != nil, facts.sourceOctet != "127" {
        return "the connection's peer is on loopback here"
      }
      if check.reason == "unknown-sni" || check.reason == "unknown-headers" { return "a proxy knows the whole request" }
      if case .certificate(let uris, let dns, let subject) = facts.peer, uris.isEmpty, dns.isEmpty, subject.isEmpty {
        return "a certificate without any name is unknown to the module"
      }
      if knowledge == .bare {
        if facts.http == nil { return "the network filter knows all there is" }
        if case .certificate(let uris, let dns, let subject) = facts.peer, uris.count != 1 || !dns.isEmpty || !subject.isEmpty {
          return "the certificate has other names than one of a URI"
        }
      }
      return nil
    }
  }
}

extension CorpusFacts {
  /// Whether one listener can be for both.
  func isSameListener(as other: CorpusFacts) -> Bool {
    namespace == other.namespace && labels == other.labels && profile == other.profile && service == other.service
      && (http == nil) == (other.http == nil) && honorsRequestAuthentication == other.honorsRequestAuthentication
  }
}
