// Records become requests in which nothing is made up, and the same decisions come out however the bytes arrive.
// Enters: policies, records. Leaves: counts and groups. Never here: the command and what it prints.

import PolicyAnalysis
import PolicyEngine
import PolicyLoading
import PolicyModel
import Testing

private let inventory = """
  apiVersion: v1
  kind: Pod
  metadata: {name: api, namespace: shop, labels: {app: api}}
  status: {podIP: 10.0.0.2}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: db, namespace: shop, labels: {app: db}}
  status: {podIP: 10.0.0.3}
  ---

  """

private func policies(_ action: String, _ rules: String) -> PolicySet {
  var set = PolicySet()
  let text =
    inventory + """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: only, namespace: shop}
      spec: {selector: {matchLabels: {app: api}}, action: \(action), rules: \(rules)}

      """
  let file = loadPolicies(text: Array(text.utf8), file: "test.yaml")
  #expect(file.diagnostics.allSatisfy { $0.severity == .warning }, "\(file.diagnostics.map(\.description))")
  for object in file.objects {
    switch object {
    case .policy(let policy): set.policies.append(policy)
    case .workload(let workload): set.workloads.append(workload)
    default: break
    }
  }
  return set
}

private struct Outcome {
  var counts: VerdictCounts
  var groups: [ReplayGroup]
  var skipped: [SkippedLine: Int]
  var other: VerdictCounts
  var changed: Int
}

private func replay(
  _ set: PolicySet, _ log: String, against other: PolicySet? = nil, profile: Profile = .sidecar, chunk: Int = .max
) -> Outcome {
  let mesh = MeshSettings()
  var replayer = Replayer(
    Snapshot(set, mesh: mesh), against: other.map { Snapshot($0, mesh: mesh) }, profile: profile, workloads: set.workloads)
  let bytes = Array(log.utf8)
  var rest: [UInt8] = []
  var start = 0
  while start < bytes.count {
    let end = min(bytes.count, start + min(chunk, bytes.count))
    rest += bytes[start..<end]
    rest.removeFirst(replayer.read(rest.span, isLast: false))
    start = end
  }
  let used = replayer.read(rest.span, isLast: true)
  #expect(used == rest.count)
  return Outcome(
    counts: replayer.counts, groups: replayer.groups,
    skipped: Dictionary(uniqueKeysWithValues: replayer.skipped.map { ($0.kind, $0.count) }), other: replayer.otherCounts,
    changed: replayer.changedCount)
}

private let web = "spiffe://cluster.local/ns/shop/sa/web"

/// A record about the API with these fields beside.
private func record(_ fields: String) -> String { #"{"workload":"shop/api","protocol":"HTTP/1.1",\#(fields)}"# + "\n" }

@Suite struct `A replay decides what a record says` {
  @Test(
    arguments: [
      // The caller.
      ("ALLOW", "[{from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}]}]", #""downstream_peer_uri_san":"\#(web)""#, .allow),
      ("ALLOW", "[{from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}]}]", #""downstream_peer_uri_san":"\#(web)x""#, .deny),
      ("ALLOW", "[{from: [{source: {principals: [\"*\"]}}]}]", #""method":"GET""#, .undecided),
      ("ALLOW", "[{from: [{source: {principals: [\"*\"]}}]}]", #""downstream_peer_uri_san":null"#, .undecided),
      ("ALLOW", "[{from: [{source: {principals: [\"*\"]}}]}]", #""downstream_peer_uri_san":null,"downstream_tls_version":null"#, .deny),
      ("ALLOW", "[{from: [{source: {principals: [\"*\"]}}]}]", #""downstream_peer_uri_san":"-","downstream_tls_version":"-""#, .deny),
      (
        "ALLOW", "[{from: [{source: {principals: [\"*\"]}}]}]", #""downstream_peer_uri_san":null,"downstream_tls_version":"TLSv1.3""#,
        .undecided
      ),
      (
        "DENY", "[{from: [{source: {principals: [\"*\"]}}]}]",
        #""downstream_peer_uri_san":null,"downstream_peer_dns_san":"a","downstream_peer_subject":null,"downstream_tls_version":"TLSv1.3""#,
        .deny
      ),
      (
        "ALLOW", "[{from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}]}]",
        #""downstream_peer_uri_san":"spiffe://other/x,\#(web)""#, .allow
      ),
      (
        "ALLOW", "[{from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}]}]",
        #""downstream_peer_uri_san":"spiffe://other/x,y""#, .undecided
      ),
      // Method, host and path.
      ("DENY", "[{to: [{operation: {methods: [POST]}}]}]", #""method":"POST""#, .deny),
      ("DENY", "[{to: [{operation: {methods: [POST]}}]}]", #""method":"GET""#, .allow),
      ("DENY", "[{to: [{operation: {methods: [POST]}}]}]", #""method":null"#, .undecided),
      ("DENY", "[{to: [{operation: {paths: [/admin*]}}]}]", #""path":"/admin?x=1""#, .deny),
      ("DENY", "[{to: [{operation: {paths: [/admin*]}}]}]", #""path":"\/adm\u0069n""#, .deny),
      ("DENY", "[{to: [{operation: {paths: [/admin*]}}]}]", #""path":"/a/../admin""#, .undecided),
      ("DENY", "[{to: [{operation: {paths: [/admin*]}}]}]", #""path":null"#, .undecided),
      ("DENY", "[{to: [{operation: {paths: [/admin*]}}]}]", #""method":"CONNECT","path":null"#, .allow),
      ("DENY", "[{to: [{operation: {hosts: [a.example]}}]}]", #""authority":"A.example""#, .deny),
      ("DENY", "[{to: [{operation: {hosts: [a.example]}}]}]", #""method":"GET""#, .undecided),
      // Addresses and ports.
      ("DENY", "[{to: [{operation: {ports: [\"8080\"]}}]}]", #""downstream_local_address":"10.0.0.2:8080""#, .deny),
      ("DENY", "[{to: [{operation: {ports: [\"8080\"]}}]}]", #""downstream_local_address":"[fd00::1]:8080""#, .deny),
      ("DENY", "[{to: [{operation: {ports: [\"8080\"]}}]}]", #""downstream_local_address":"10.0.0.2""#, .undecided),
      ("DENY", "[{from: [{source: {ipBlocks: [10.1.0.0/16]}}]}]", #""downstream_direct_remote_address":"10.1.2.3:4000""#, .deny),
      ("DENY", "[{from: [{source: {ipBlocks: [10.1.0.0/16]}}]}]", #""downstream_direct_remote_address":"/run/pipe""#, .allow),
      ("DENY", "[{from: [{source: {ipBlocks: [10.1.0.0/16]}}]}]", #""downstream_direct_remote_address":"what""#, .undecided),
      ("DENY", "[{from: [{source: {ipBlocks: [10.1.0.0/16]}}]}]", #""downstream_remote_address":"10.1.2.3:4000""#, .undecided),
      ("DENY", "[{from: [{source: {remoteIpBlocks: [10.1.0.0/16]}}]}]", #""downstream_remote_address":"10.1.2.3:4000""#, .deny),
      ("DENY", "[{when: [{key: destination.ip, values: [10.0.0.2]}]}]", #""downstream_local_address":"10.0.0.2:80""#, .deny),
      // The server name.
      ("DENY", "[{when: [{key: connection.sni, values: [a.example]}]}]", #""requested_server_name":"a.example""#, .deny),
      ("DENY", "[{when: [{key: connection.sni, values: [a.example]}]}]", #""requested_server_name":null"#, .allow),
      ("DENY", "[{when: [{key: connection.sni, values: [a.example]}]}]", #""requested_server_name":"invalid:a.example""#, .undecided),
      ("DENY", "[{when: [{key: connection.sni, values: [a.example]}]}]", #""method":"GET""#, .undecided),
      // Never in a log.
      ("DENY", "[{when: [{key: \"request.headers[x-a]\", values: [b]}]}]", #""x-a":"b","method":"GET""#, .undecided),
      ("DENY", "[{when: [{key: \"request.auth.claims[a]\", values: [b]}]}]", #""method":"GET""#, .undecided),
    ] as [(String, String, String, Verdict)])
  func `what it does not say is unknown`(_ action: String, _ rules: String, _ fields: String, _ verdict: Verdict) {
    let outcome = replay(policies(action, rules), record(fields))
    #expect(outcome.counts.total == 1 && outcome.skipped.isEmpty, "\(outcome.skipped)")
    let got: Verdict = outcome.counts.allow == 1 ? .allow : outcome.counts.deny == 1 ? .deny : .undecided
    #expect(got == verdict, "\(outcome.groups)")
  }

  @Test func `a record without protocol and method is a TCP connection`() {
    let set = policies("DENY", "[{from: [{source: {remoteIpBlocks: [10.1.0.0/16]}}]}]")
    let tcp = #"{"workload":"shop/api","protocol":null,"method":null,"downstream_remote_address":"10.1.2.3:5"}"#
    #expect(replay(set, tcp).counts.deny == 1)
    #expect(replay(set, #"{"workload":"shop/api","downstream_remote_address":"10.1.2.3:5"}"#).skipped == [.noProtocol: 1])
    // An ALLOW rule about HTTP admits no connection.
    let allow = replay(policies("ALLOW", "[{to: [{operation: {methods: [GET]}}]}]"), tcp)
    #expect(allow.counts.deny == 1 && allow.groups[0].example == Array("TCP to an address that is not known".utf8), "\(allow.groups)")
  }

  @Test func `the workload is found by its name, else by its address`() {
    let set = policies("DENY", "[{}]")
    func at(_ fields: String) -> Outcome { replay(set, "{\"method\":\"GET\",\(fields)}") }
    #expect(at(#""workload":"shop/api""#).counts.deny == 1 && at(#""workload":"shop/pod/db""#).counts.allow == 1)
    #expect(at(#""downstream_local_address":"10.0.0.2:80""#).counts.deny == 1)
    #expect(at(#""workload":"-","downstream_local_address":"10.0.0.3:80""#).counts.allow == 1)
    // A name that nobody has is not looked for under another address.
    #expect(at(#""workload":"shop/none","downstream_local_address":"10.0.0.3:80""#).skipped == [.unknownDestination: 1])
    #expect(at(#""downstream_local_address":"10.0.0.9:80""#).skipped == [.unknownDestination: 1])
    #expect(at(#""downstream_local_address":null"#).skipped == [.noDestination: 1])
    #expect(at(#""workload":"shop/api","upstream_cluster":"outbound|80||api.shop""#).skipped == [.outbound: 1])
  }

  @Test func `what a gateway sends on was decided by it, what a sidecar sends out was not`() {
    let set = policies("DENY", "[{to: [{operation: {paths: [/admin*]}}]}]")
    for cluster in ["outbound|80||db.shop.svc.cluster.local", "outbound_.80_._.db.shop.svc.cluster.local", "PassthroughCluster"] {
      let log = ["/admin/x", "/"].map { record(#""method":"GET","path":"\#($0)","upstream_cluster":"\#(cluster)""#) }.joined()
      let gateway = replay(set, log, profile: .gateway)
      #expect(gateway.counts.deny == 1 && gateway.counts.allow == 1 && gateway.skipped.isEmpty, "\(gateway)")
      let sidecar = replay(set, log)
      #expect(sidecar.counts.total == 0 && sidecar.skipped == [.outbound: 2], "\(sidecar)")
    }
  }

  @Test func `the same comes out however the bytes arrive, and bad lines stop nothing`() {
    let set = policies("ALLOW", "[{from: [{source: {principals: [\"*/web\"]}}]}]")
    var log = ""
    for number in 0..<50 {
      log += record(
        #""method":"GET","path":"/\#(number)","downstream_peer_uri_san":"spiffe://cluster.local/ns/shop/sa/\#(number % 3 == 0 ? "web" : "x")""#
      )
      if number % 10 == 0 { log += "{oops\n\n   \r\n[]\n" }
    }
    log += String(repeating: "x", count: Replayer.longestLine + 5) + "\n" + record(#""downstream_peer_uri_san":"\#(web)""#)
    // The last line has no line break.
    log.removeLast()
    for chunk in [1 << 22, 65_536, 4_099] {
      let outcome = replay(set, log, chunk: chunk)
      #expect(outcome.counts.allow == 18 && outcome.counts.deny == 33 && outcome.counts.undecided == 0, "\(chunk): \(outcome.counts)")
      #expect(outcome.skipped == [.notJSON: 5, .notObject: 5, .tooLong: 1], "\(chunk): \(outcome.skipped)")
      #expect(outcome.groups.count == 1 && outcome.groups[0].count == 33 && outcome.groups[0].firstLine == 6, "\(outcome.groups)")
      #expect(outcome.groups[0].caller == .named(Array("spiffe://cluster.local/ns/shop/sa/x".utf8)))
    }
    let short = String(log.prefix(3_000))
    #expect(replay(set, short, chunk: 1).counts == replay(set, short).counts)
  }

  @Test func `what other policies change is told, and nothing else`() {
    let before = policies("ALLOW", "[{from: [{source: {principals: [\"*/web\"]}}]}]")
    let after = policies("ALLOW", "[{from: [{source: {principals: [\"*/job\"]}}]}]")
    let callers = ["web", "job", "job", "x"]
    let log = callers.map { record(#""method":"GET","downstream_peer_uri_san":"spiffe://cluster.local/ns/shop/sa/\#($0)""#) }.joined()
    let outcome = replay(before, log, against: after)
    #expect(outcome.counts.allow == 1 && outcome.counts.deny == 3 && outcome.other.allow == 2 && outcome.other.deny == 2)
    #expect(outcome.changed == 3 && outcome.groups.map(\.count) == [2, 1], "\(outcome.groups)")
    #expect(outcome.groups.map(\.answer.verdict) == [.deny, .allow] && outcome.groups.map { $0.after?.verdict } == [.allow, .deny])
    var smaller = after
    smaller.workloads.removeAll { $0.metadata.key.name == "api" }
    #expect(replay(before, log, against: smaller).skipped == [.missingAfter: 4])
  }

  @Test func `what was refused then is counted`() {
    let set = policies("DENY", "[{}]")
    let log =
      record(#""method":"GET","response_code_details":"rbac_access_denied_matched_policy[none]""#)
      + record(#""method":"GET","response_code_details":"via_upstream""#)
      + record(#""method":"GET","response_code_details":"ext_authz_denied""#)
    let outcome = replay(set, log)
    #expect(outcome.groups.count == 1 && outcome.groups[0].count == 3 && outcome.groups[0].refusedThen == 2, "\(outcome.groups)")
  }
}
