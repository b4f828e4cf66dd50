// The corpus through a real Envoy whose own RBAC filters are the export's: over real mTLS with certificates of the named peers, real tokens,
// real addresses. Enters: Tests/Corpus. Leaves: what Envoy did, held to the case. Never happens here: a request that is left out without
// being counted by its reason.

internal import CorpusSupport
internal import PolicyModel
internal import TestSupport
internal import Testing

extension `Portcullis and a real Envoy` {
  @Suite struct `the corpus in Envoy's own filters` {
    /// One request with its place.
    private struct Question {
      var one: CorpusCase
      var index: Int
      var facts: CorpusFacts
      var site: Int
      var check: CorpusCheck { one.checks[index] }
    }

    @Test func `is decided as the corpus says`() throws {
      try withSandbox { sandbox in
        let root = try IssuedCertificate(.authority("corpus"))
        let server = try IssuedCertificate(.leaf("spiffe://cluster.local/ns/foo/sa/server"), signedBy: root)
        let signer = try TokenSigner()
        let trust = try CorpusTrust(
          server: (sandbox.write(server.pem, to: "server.pem"), sandbox.write(server.keyPEM, to: "server.key")),
          authority: sandbox.write(root.pem, to: "ca.pem"), keys: signer.keys)
        var tally = Tally()
        let (sites, questions) = try Self.world(&tally)
        let port = try Ports.free()
        let listeners = try sites.map { try $0.listener(port: port, trust) }.joined()
        let proxy = try Envoy("corpus", configuration: "static_resources:\n  listeners:\n\(listeners.indented(2))", in: sandbox)
        var client = CorpusClient(sandbox: sandbox, root: root, signer: signer, port: port)
        for question in questions {
          do {
            let verdict = try client.ask(sites[question.site], question.facts)
            if let refusal = Self.refusal(verdict, question.check) {
              // HTTP/2 has other rules for methods and values.
              let second = try client.ask(sites[question.site], question.facts, isHTTP2: true)
              guard Self.refusal(second, question.check) == nil else {
                throw Inexpressible(reason: "the proxy refuses the request: \(refusal)")
              }
              Self.compare(second, question)
              tally.http2 += 1
            } else {
              Self.compare(verdict, question)
            }
            tally.asked += 1
          } catch let error as Inexpressible {
            tally.leave(error.reason, question.one, question.index)
          } catch let error as TestFailure {
            Issue.record("\(question.one), request \(question.index): \(error)")
          }
        }
        #expect(proxy.process.poll() == nil)
        print(
          "corpus in Envoy's own filters: \(sites.count) listeners, \(tally.asked) requests, \(tally.http2) of them over HTTP/2, left \(tally.left)"
        )
        #expect(tally.left == Self.left)
        // Nothing is lost between the two.
        #expect(tally.asked + tally.left.values.reduce(0, +) == tally.total)
      }
    }

    /// What cannot be asked in this way, by reason.
    private static let left: [String: Int] = [
      "undecided: a proxy always knows": 35, "a proxy knows the whole request": 3, "a proxy knows addresses and ports": 2,
      "a proxy knows its peer": 1,
      "PeerAuthentication is no RBAC": 61, "RequestAuthentication is no RBAC": 24, "CUSTOM is not exported": 6,
      "the listener here is not inside a waypoint": 2, "no Envoy knows what it was asked about as": 2, "ztunnel is not exported": 111,
      "older releases are not exported": 10,
      "a source address is of IPv6": 12, "a source block is not on loopback": 1, "the proxy derives another client's address": 1,
      "the proxy refuses the request: 400 http.invalid_authority": 3,
      "the proxy refuses the request: 400 path_normalization_failed": 1,
      "the proxy refuses the request: 401 jwt_authn_access_denied{Jwt_payload_[iss]_field_is_not_a_string}": 2,
      "the proxy refuses the request: 401 jwt_authn_access_denied{Jwt_payload_[sub]_field_is_not_a_string}": 3,
      "the proxy refuses the request: 404 absolute_path_rejected": 1,
    ]

    private struct Tally {
      var asked = 0
      var total = 0
      /// Of those asked, over HTTP/2 because HTTP/1.1 cannot say them.
      var http2 = 0
      var left: [String: Int] = [:]

      mutating func leave(_ reason: String, _ one: CorpusCase, _ index: Int) {
        left[reason, default: 0] += 1
        print("not in Envoy's own filters (\(reason)): \(one), request \(index)")
      }
    }

    /// Why the proxy refused the request before any policy; `nil` when it did not, or when that is what the case says.
    private static func refusal(_ verdict: CorpusVerdict, _ check: CorpusCheck) -> String? {
      if verdict.decision == check.decision || verdict.decision == "allow" || verdict.decision == "deny" { return nil }
      return "\(verdict.decision) \(verdict.details)"
    }

    private static func compare(_ verdict: CorpusVerdict, _ question: Question) {
      let check = question.check
      let place = "\(question.one), request \(question.index)"
      #expect(verdict.decision == check.decision, "\(place): \(verdict)")
      guard question.facts.http != nil else { return }
      if verdict.decision == "deny", let policy = check.policy { #expect(verdict.policy == policy, "\(place): \(verdict)") }
      // A request that the enforced DENY rules refuse never meets the ALLOW rules in dry run.
      if verdict.decision == "allow" { #expect(verdict.dryRun == check.dryRun, "\(place): \(verdict)") }
      if let audit = check.audit { #expect(verdict.isAudited == (audit != "none"), "\(place): \(verdict)") }
    }

    /// A listener for each workload of each case, and the requests.
    private static func world(_ tally: inout Tally) throws -> ([CorpusSite], [Question]) {
      var sites: [CorpusSite] = []
      var questions: [Question] = []
      for one in try CorpusCase.all() where one.needs == nil || one.needs == "codec" || one.needs == "jwt-filter" {
        let set = try one.policySet()
        let facts = try one.checks.map { try CorpusFacts($0.request) }
        tally.total += facts.count
        // The JWT filter here splits `scope` and `permission` alone.
        let splitsClaims = set.requestAuthentications.flatMap(\.jwtRules).contains { !$0.spaceDelimitedClaims.isEmpty }
        var groups: [[Int]] = []
        for index in facts.indices {
          let check = one.checks[index]
          if check.decision == "undecided" {
            tally.leave("undecided: a proxy always knows", one, index)
          } else if check.reason == "mtls-required" || check.reason == "untrusted-domain" {
            tally.leave("PeerAuthentication is no RBAC", one, index)
          } else if check.reason == "unsupported-profile" {
            tally.leave("no Envoy knows what it was asked about as", one, index)
          } else if facts[index].profile == "waypoint", set.attributes.contains(.sourceIP) {
            tally.leave("the listener here is not inside a waypoint", one, index)
          } else if facts[index].profile == "ztunnel" {
            tally.leave("ztunnel is not exported", one, index)
          } else if !one.mesh.olderBehaviors.isEmpty {
            tally.leave("older releases are not exported", one, index)
          } else if facts[index].honorsRequestAuthentication || splitsClaims && facts[index].http?.claims != nil {
            tally.leave("RequestAuthentication is no RBAC", one, index)
          } else if let group = groups.firstIndex(where: { facts[$0[0]].isSameSite(as: facts[index], set.attributes) }) {
            groups[group].append(index)
          } else {
            groups.append([index])
          }
        }
        for group in groups {
          do {
            let site = try CorpusSite(
              number: sites.count, one, set, requests: group.map { facts[$0] }, expecting: group.map { one.checks[$0].decision })
            sites.append(site)
            questions += group.map { Question(one: one, index: $0, facts: facts[$0], site: site.number) }
          } catch let error as Inexpressible {
            for index in group { tally.leave(error.reason, one, index) }
          }
        }
      }
      return (sites, questions)
    }
  }
}

extension CorpusFacts {
  /// Whether one listener can be for both.
  fileprivate func isSameSite(as other: CorpusFacts, _ attributes: Set<Attribute>) -> Bool {
    (sourceOctet == other.sourceOctet || !attributes.contains(.sourceIP)) && namespace == other.namespace && labels == other.labels
      && profile == other.profile && service == other.service && (http == nil) == (other.http == nil)
  }
}
