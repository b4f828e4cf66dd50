// What a reply says, for every reason there is: over the wire where a request can bring it about, and through the encoder for all of them.

internal import CExtAuthz
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyModel
internal import Testing

@testable internal import ExtAuthzServer

@Suite struct `Replies of the server` {
  private static func when(_ name: String, _ key: String, _ value: String) -> String {
    deployment("shop", name) + authorization(name, app: name, "action: DENY, rules: [{when: [{key: \"\(key)\", values: [\"\(value)\"]}]}]")
  }

  private static let yaml =
    deployment("shop", "open") + deployment("bank", "strict") + strict("bank") + deployment("shop", "unusable")
    + deployment("shop", "one", account: "shared") + deployment("shop", "two", account: "shared")
    + authorization("two", app: "two", "action: DENY, rules: [{}]") + deployment("shop", "allow")
    + authorization("allow", app: "allow", "action: ALLOW, rules: [{to: [{operation: {methods: [\"GET\"]}}]}]")
    + deployment("shop", "custom")
    + authorization("custom", app: "custom", "action: CUSTOM, provider: {name: other}, rules: [{}]")
    + deployment("shop", "unasked") + authorization("unasked", app: "unasked", "action: CUSTOM, provider: {name: broken}, rules: [{}]")
    + when("port", "destination.port", "80") + when("source", "source.ip", "10.0.0.1") + when("remote", "remote.ip", "10.0.0.1")
    + when("own", "destination.ip", "10.0.0.1") + when("sni", "connection.sni", "a") + when("header", "request.headers[x-a]", "a")
    + when("claim", "request.auth.claims[a]", "a") + when("metadata", "experimental.envoy.filters.a[b]", "c") + deployment("shop", "path")
    + authorization("path", app: "path", "action: DENY, rules: [{to: [{operation: {paths: [\"/x\"]}}]}]") + deployment("shop", "method")
    + authorization("method", app: "method", "action: DENY, rules: [{to: [{operation: {methods: [\"PUT\"]}}]}]")
    + deployment("shop", "host") + authorization("host", app: "host", "action: DENY, rules: [{to: [{operation: {hosts: [a]}}]}]")

  private static func set() throws -> PolicySet {
    var set = try policies(yaml)
    set.unusable.append(
      UnusablePolicy(
        key: ObjectKey(kind: "AuthorizationPolicy", namespace: "shop", name: "broken"),
        location: SourceLocation(file: "broken.yaml", span: .nowhere),
        reach: .namespace("shop", LabelSelector(matchLabels: ["app": "unusable"]))))
    return set
  }

  /// A request for each reason that a request can bring about, with the rule that is named.
  private static let table: [(Reason, String, CheckMessage)] = {
    func to(_ workload: String, _ change: (inout CheckMessage) -> Void = { _ in }) -> CheckMessage {
      CheckMessage(to: workload.contains("/") ? workload : "shop/\(workload)").with(change)
    }
    return [
      (.badHint, "none", to("open") { $0.extensions.append(("portcullis.x", "y")) }), (.unknownWorkload, "none", CheckMessage()),
      (.ambiguousWorkload, "none", CheckMessage().with { $0.destinationPrincipal = spiffe("shop", "shared") }),
      (.unknownService, "none", to("open") { $0.extensions.append(("portcullis.profile", "waypoint")) }),
      (.peerCertificateRejected, "none", to("open") { $0.certificate = "x" }),
      (.peerIdentityTooLong, "none", to("open") { $0.principal = String(repeating: "x", count: 9000) }),
      (.policyUnusable, "none", to("unusable")), (.mtlsRequired, "none", to("bank/strict")),
      (.untrustedDomain, "none", to("bank/strict") { $0.principal = "spiffe://elsewhere/ns/a/sa/b" }),
      (.deniedByPolicy, rule("two"), to("two")), (.noAllowMatched, "none", to("allow") { $0.http = .init(method: "PUT") }),
      (.allowedByPolicy, rule("allow"), to("allow")), (.allowedByDefault, "none", to("open")),
      (.customProvider, rule("custom"), to("custom")), (.customProviderUnusable, rule("unasked"), to("unasked")),
      (.unknownPort, rule("port"), to("port") { $0.destination = .none }),
      (.unknownSourceIP, rule("source"), to("source") { $0.source = .none }),
      (.unknownRemoteIP, rule("remote"), to("remote") { $0.source = .none }),
      (.unknownDestinationIP, rule("own"), to("own") { $0.destination = .none }), (.unknownSNI, rule("sni"), to("sni")),
      (.unknownMethod, rule("method"), to("method") { $0.http = .init(method: "") }),
      (.unknownHost, rule("host"), to("host") { $0.http = .init(host: "") }),
      (.unknownPath, rule("path"), to("path") { $0.http = .init(path: "") }),
      (.pathNotNormalized, rule("path"), to("path") { $0.http = .init(path: "/../x") }),
      (.unknownHeaders, rule("header"), to("header") { $0.http = .init(headers: CheckMessage.Headers.none) }),
      (.ambiguousHeader, rule("header"), to("header") { $0.http = .init(headers: .joined([("x-a", "a,b")])) }),
      (.unknownClaims, rule("claim"), to("claim") { $0.metadata = nil }), (.unknownMetadata, rule("metadata"), to("metadata")),
    ]
  }()

  @Test func `name their reason and their rule, for every reason that a request can bring about`() throws {
    let set = try Self.set()
    let providers = ["other": ExtensionProvider(kind: .extAuthzGRPC)] as [ExactText: ExtensionProvider]
    let snapshot = Snapshot(set, mesh: MeshSettings(extensionProviders: providers))
    var belief = Belief()
    belief.infersWorkload = true
    let server = try TestServer(snapshot, belief)
    var seen: Set<Reason> = []
    for (reason, policy, message) in Self.table {
      let answer = try server.ask(message)
      #expect(answer.reason == "\(reason.code)" && answer.policy == policy, "\(reason): \(answer)")
      #expect(answer.isAllowed == (reason == .allowedByPolicy || reason == .allowedByDefault))
      #expect(answer.status == (answer.isAllowed ? nil : 403))
      #expect(answer.snapshot == snapshot.contentHash.string)
      #expect(answer.dryRun == nil && answer.audit == nil)
      #expect(server.server.counters.count(of: reason) == 1, "\(reason)")
      seen.insert(reason)
    }
    #expect(server.server.wireCounters.checks == UInt64(Self.table.count))
    belief.workload = "shop/open"
    belief.peerIdentity = .certificate
    let pinned = try TestServer(snapshot, belief)
    #expect(try pinned.reason(CheckMessage(to: "shop/two")) == "wrong-workload")
    #expect(try pinned.reason(CheckMessage(to: "shop/open", from: "x")) == "peer-certificate-missing")
    seen.formUnion([.wrongWorkload, .peerCertificateMissing])
    // A defect of ours, a peer of whom not even anonymity is known, a profile that no hint names: no request brings these about. Tokens
    // count only where that is asked for (`ServerTokenTests.swift`).
    #expect(
      Set(Reason.allCases).subtracting(seen) == [.internalError, .unknownPeer, .unsupportedProfile, .tokenRequired, .tokenRejected])
  }

  @Test func `allow for the verdict allow alone, and are never empty, whatever was decided`() throws {
    let snapshot = try snapshot(deployment("shop", "backend") + authorization("a", "action: DENY, rules: [{}]"))
    var writer = ReplyWriter(Belief(), worker: 3, processID: 7)
    let rules: [RuleReference] = [.none, RuleReference(number: 0), RuleReference(number: 1), RuleReference(number: .max - 1)]
    for verdict in [Verdict.deny, .allow, .undecided] {
      for reason in Reason.allCases {
        for rule in rules {
          for isTCP in [false, true] {
            var decision = Decision(verdict, reason, rule: rule)
            decision.audit = rule
            decision.dryRun.rule = rule
            decision.dryRun.verdict = reason == .badHint ? nil : verdict
            let bytes = try encode(&writer, decision, snapshot, isTCP)
            #expect(!bytes.isEmpty)
            let reply = try DecodedReply.read(bytes)
            #expect((reply.code == 0) == (verdict == .allow))
            #expect((reply.deniedStatus != nil) == (verdict != .allow && !isTCP))
            let text = Dictionary(
              uniqueKeysWithValues: reply.metadata.map {
                (String(decoding: $0.key, as: UTF8.self), String(decoding: $0.value, as: UTF8.self))
              })
            #expect(text["decision"] == (verdict == .allow ? "allow" : "deny"))
            #expect(text["reason"] == "\(reason.code)")
            #expect(text["snapshot"] == snapshot.contentHash.string)
            #expect(text["policy"] == (rule == .none ? "none" : rule.number == 0 ? "ns[shop]-policy[a]-rule[0]" : ""))
            #expect(text["decision_id"]?.hasPrefix("00000000000000070003") == true)
            #expect((text["dry_run"] == nil) == (reason == .badHint))
          }
        }
      }
    }
    let zero = try DecodedReply.read(encode(&writer, Decision(), snapshot, false))
    #expect(zero.code == 7 && zero.message == Array("internal-error".utf8))
  }

  private func encode(_ writer: inout ReplyWriter, _ decision: Decision, _ snapshot: Snapshot, _ isTCP: Bool) throws -> [UInt8] {
    var reply = unsafe extauthz_reply()
    unsafe writer.write(decision, snapshot, isTCP: isTCP, to: &reply)
    var buffer = [UInt8](repeating: 0xEE, count: 32_768)
    let size = unsafe buffer.withUnsafeMutableBufferPointer { unsafe extauthz_encode(&reply, $0.baseAddress, $0.count) }
    return Array(buffer[..<size])
  }

  @Test func `carry an identity that no other decision has`() throws {
    let (first, second) = (try TestServer(Self.yaml, workers: 4), try TestServer(Self.yaml, workers: 4))
    var seen: Set<String> = []
    for _ in 0..<300 {
      for server in [first, second] {
        #expect(seen.insert(try server.ask(CheckMessage(to: "shop/open")).id).inserted)
        #expect(seen.insert(try server.ask(CheckMessage()).id).inserted)
      }
    }
    #expect(seen.allSatisfy { $0.allSatisfy { "0123456789abcdef".contains($0) } })
  }

  @Test func `carry the status that was configured, or 403`() throws {
    for (status, sent) in [(400, 400), (401, 401), (503, 503), (599, 599), (200, 403), (399, 403), (600, 403), (0, 403)]
      as [(UInt32, UInt64)]
    {
      let server = try TestServer(Self.yaml) { $0.denialStatus = status }
      #expect(try server.ask(CheckMessage(to: "shop/two")).status == sent)
      #expect(try server.ask(CheckMessage(to: "shop/open")).status == nil)
    }
  }

  @Test func `tell what policies in dry run would have done, and which rule audits`() throws {
    let dry = "\"istio.io/dry-run\": \"true\""
    let server = try TestServer(
      deployment("shop", "backend") + deployment("shop", "db")
        + authorization("dry", "action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]", annotations: dry)
        + authorization("real", "action: DENY, rules: [{to: [{operation: {methods: [POST]}}]}]")
        + authorization("audit", "action: AUDIT, rules: [{}]"))
    let ask = { (workload: String, method: String) in
      try server.ask(CheckMessage(to: workload).with { $0.http = .init(method: method) })
    }
    let put = try ask("shop/backend", "PUT")
    #expect(put.isAllowed && put.dryRun == "deny \(rule("dry"))" && put.audit == rule("audit"))
    #expect(try ask("shop/backend", "GET").dryRun == "allow")
    let post = try ask("shop/backend", "POST")
    #expect(post.policy == rule("real") && post.dryRun == "allow" && !post.isAllowed)
    #expect(try ask("shop/backend", "").dryRun == "undecided")
    let other = try ask("shop/db", "PUT")
    #expect(other.dryRun == nil && other.audit == nil)
  }

  @Test func `cut names of rules that no cluster can hold, and keep the rest`() throws {
    var set = try policies(
      deployment("shop", "backend") + authorization("a", "action: DENY, rules: [{}]")
        + authorization("b", "action: DENY, rules: [{}]", annotations: "\"istio.io/dry-run\": \"true\"")
        + authorization("c", "action: AUDIT, rules: [{}]"))
    for index in set.policies.indices {
      set.policies[index].metadata.key.name = ExactText(
        set.policies[index].metadata.key.name.string + String(repeating: "é", count: 50_000))
    }
    let server = try TestServer(Snapshot(set, mesh: .init()), Belief())
    // `Answer` demands the snapshot and the identity in full.
    let answer = try server.ask(CheckMessage(to: "shop/backend"))
    #expect(answer.policy.hasPrefix("ns[shop]-policy[aéé") && (1000...2060).contains(answer.policy.utf8.count))
    #expect(answer.dryRun?.hasPrefix("deny ns[shop]-policy[béé") == true)
    #expect(answer.audit?.hasPrefix("ns[shop]-policy[céé") == true)
  }
}
