// `portcullis replay`: what a person sees of a log, from a file and from standard input, and what each exit code means.
// Enters: the shop and a log. Leaves: text and exit codes. Never here: what each field means; PolicyAnalysis's tests hold that.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct ReplayVerbTests {
  /// Two denied pairs, an undecided record, an allowed one, and a line of every kind that is not decided.
  static let log =
    [
      record("backend", "frontend-sa", "/items"), record("db", "frontend-sa", "/"),
      record("db", "frontend-sa", "/x", "rbac_access_denied_x"),
      #"{"workload":"shop/db","protocol":null,"method":null,"downstream_peer_uri_san":null,"downstream_tls_version":null,"downstream_local_address":"10.0.0.3:5432"}"#,
      #"{"workload":"shop/backend","method":"GET","path":"/a\u001b[2J"}"#, "oops", "[]", #"{"method":"GET","method":"GET"}"#,
      #"{"method":1}"#, #"{"workload":"shop/db"}"#, #"{"upstream_cluster":"outbound|80||x"}"#, #"{"method":"GET"}"#,
      #"{"method":"GET","workload":"shop/none"}"#, "", "oops again",
    ].joined(separator: "\n") + "\n"

  private static func record(_ workload: String, _ account: String, _ path: String, _ details: String = "via_upstream") -> String {
    #"{"workload":"shop/\#(workload)","protocol":"HTTP/2","method":"GET","authority":"\#(workload):80","path":"\#(path)","#
      + #""downstream_peer_uri_san":"spiffe://cluster.local/ns/shop/sa/\#(account)","downstream_tls_version":"TLSv1.3","#
      + #""response_code":200,"response_code_details":"\#(details)"}"#
  }

  private static let frontend = "spiffe://cluster.local/ns/shop/sa/frontend-sa"

  @Test func `what would be denied is told by pair and rule, with counts and an example`() throws {
    try withSandbox { sandbox in
      let log = try sandbox.write(Self.log, to: "access.log")
      let run = try sandbox.portcullis("replay", "--policies", Sandbox.shop, log)
      #expect(run.code == 1 && run.errors.isEmpty, "\(run.errors)")
      #expect(
        run.output == """
          15 lines, 5 records decided
            1 allow, 3 deny, 1 undecided
            1 of them were refused by a policy when they were recorded
            2 lines bad, not JSON; the first is line 6:1:
              oops
            1 line bad, not a JSON object; line 7:3:
              []
            1 line bad, a field is written twice; line 8:17:
              {"method":"GET","method":"GET"}
            1 line bad, a field holds neither text nor `null`; line 9:11:
              {"method":1}
            1 line bad, neither `method` nor `protocol`, so that nobody knows whether it is HTTP or TCP; line 10:
              {"workload":"shop/db"}
            1 line left out, written by the caller's proxy, which does not enforce; line 11:
              {"upstream_cluster":"outbound|80||x"}
            1 line left out, neither `workload` nor an address in `downstream_local_address`; line 12:
              {"method":"GET"}
            1 line left out, about a workload that is not in the given files; line 13:
              {"method":"GET","workload":"shop/none"}

          would be denied: 3 records in 2 groups

            2 records  \(Self.frontend) -> shop/db
              because   deny, no-allow-matched
              then      1 refused by a policy
              example   line 2: GET db:80/

            1 record  anonymous -> shop/db
              because   deny, mtls-required
              example   line 4: TCP to 10.0.0.3:5432

          undecided: the log does not say enough: 1 record in 1 group

            1 record  shop/backend
              because   undecided, unknown-peer
              example   line 5: GET /a\\u{1b}[2J
              = help: log `downstream_peer_uri_san`, and `downstream_tls_version` for those that have no certificate

          not complete: 8 lines were skipped; `--ignore-skipped` accepts that

          """, "\(run.output)")
    }
  }

  @Test func `what other policies change is told, newly allowed first`() throws {
    try withSandbox { sandbox in
      let log = try sandbox.write(Self.log, to: "access.log")
      let text = try String(contentsOfFile: Sandbox.shop + "/policies.yaml", encoding: .utf8)
      let changed = try sandbox.write(text.replacing("sa/backend-sa", with: "sa/frontend-sa"), to: "changed.yaml")
      let both = ["--against", changed, "--against", Sandbox.shop + "/workloads.yaml"]
      let run = try sandbox.portcullis(["replay", "--policies", Sandbox.shop, log] + both)
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output.contains("\n  --policies  1 allow, 3 deny, 1 undecided\n  --against   3 allow, 1 deny, 1 undecided\n"), "\(run.output)")
      #expect(
        run.output.hasSuffix(
          """

          newly allowed: 2 records in 1 group

            2 records  \(Self.frontend) -> shop/db
              before    deny, no-allow-matched
              after     allow, allowed-by-policy: ns[shop]-policy[db-from-backend]-rule[0]  \(changed):45:5
              then      1 refused by a policy
              example   line 2: GET db:80/

          not complete: 8 lines were skipped; `--ignore-skipped` accepts that

          """), "\(run.output)")
      let same = try sandbox.portcullis("replay", "--policies", Sandbox.shop, log, "--against", Sandbox.shop)
      #expect(same.code == 0 && same.output.hasSuffix("\n\nnothing changes\n"), "\(same.output)")
    }
  }

  @Test func `standard input is a log, and the exit code says what came out`() throws {
    try withSandbox { sandbox in
      let lines = Self.log.split(separator: "\n", omittingEmptySubsequences: false)
      func replay(_ text: some StringProtocol) throws -> Run {
        let file = try sandbox.write(String(text), to: "\(UUID().uuidString).log")
        let script = #"exec "$0" replay --policies "$1" - < "$2""#
        let ended = try sandbox.run("/bin/sh", ["-c", script, Programs.portcullis(), Sandbox.shop, file])
        return Run(end: ended.end, output: ended.output, errors: ended.errors)
      }
      #expect(try replay(Self.log).code == 1)
      #expect(try replay(lines[0]).code == 0)
      #expect(try replay(lines[4]).code == 3)
      let bad = try replay(lines[5])
      #expect(bad.code == 2 && bad.output.isEmpty)
      #expect(
        bad.errors.hasPrefix("  1 line bad, not JSON; line 1:1:\n    oops\nerror: `-` holds no record that can be decided\n  = help: "),
        "\(bad.errors)")
      #expect(try replay("").code == 2)
      #expect(try sandbox.portcullis("replay", "--policies", Sandbox.shop, sandbox.path("nowhere")).code == 2)
    }
  }

  /// What stands beside one allowed record, whether it leaves a gap, and which kind of line it is.
  @Test(arguments: [
    ("oops", true, "not-json"), ("[]", true, "not-object"), (#"{"method":"GET","method":"GET"}"#, true, "field-twice"),
    (#"{"method":1}"#, true, "wrong-type"), (#"{"workload":"shop/db"}"#, true, "no-protocol"),
    ("LONG", true, "too-long"), (#"{"method":"GET"}"#, true, "no-destination"),
    (#"{"method":"GET","workload":"shop/none"}"#, true, "unknown-destination"),
    (#"{"method":"GET","workload":"shop/twin"}"#, true, "ambiguous-destination"),
    (#"{"upstream_cluster":"outbound|80||x"}"#, false, "outbound"), ("", false, ""),
  ])
  func `a skipped line makes the answer not complete, unless that is accepted`(_ line: String, _ isGap: Bool, _ kind: String) throws {
    try withSandbox { sandbox in
      let bytes = line == "LONG" ? String(repeating: "x", count: 1 << 20 + 1) : line
      let log = try sandbox.write("\(Self.record("backend", "frontend-sa", "/items"))\n\(bytes)\n", to: "access.log")
      let twins = try sandbox.write(Self.twins, to: "twins.yaml")
      let words = ["replay", "--policies", Sandbox.shop, "--policies", twins, log]
      let run = try sandbox.portcullis(words)
      #expect(run.code == (isGap ? 3 : 0) && run.errors.isEmpty, "\(run.output)\(run.errors)")
      let note = "\n\nnot complete: 1 line was skipped; `--ignore-skipped` accepts that\n"
      #expect(run.output.hasSuffix(note) == isGap, "\(run.output)")
      let accepted = try sandbox.portcullis(words + ["--ignore-skipped"])
      #expect(accepted.code == 0 && !accepted.output.contains("not complete"), "\(accepted.output)")
      for option in [[], ["--ignore-skipped"]] {
        let run = try sandbox.portcullis(words + ["--output", "json"] + option)
        let (json, complaints) = (try run.json(), try sandbox.schemaComplaints("replay", run.output))
        let skipped = json["skipped"] as? [[String: Any]] ?? []
        #expect(json["complete"] as? Bool == !isGap && complaints.isEmpty, "\(complaints)")
        #expect(skipped.map { $0["kind"] as? String } == (kind.isEmpty ? [] : [kind]), "\(run.output)")
        #expect(skipped.allSatisfy { $0["leaves_gap"] as? Bool == isGap })
      }
    }
  }

  /// Two workloads of one name, to one of which a policy applies.
  private static let twins = """
    {apiVersion: apps/v1, kind: Deployment, metadata: {name: twin, namespace: shop}, spec: {template: {metadata: {labels: {app: one}}}}}
    ---
    {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: twin, namespace: shop}, spec: {template: {metadata: {labels: {app: two}}}}}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: one, namespace: shop}
    spec: {selector: {matchLabels: {app: one}}}

    """

  @Test func `what is accepted changes no other exit code`() throws {
    try withSandbox { sandbox in
      func code(_ lines: [String], _ more: String...) throws -> Int32? {
        let log = try sandbox.write(lines.joined(separator: "\n"), to: "access.log")
        return try sandbox.portcullis(["replay", "--policies", Sandbox.shop, log] + more).code
      }
      let (allowed, denied) = (Self.record("backend", "frontend-sa", "/items"), Self.record("db", "frontend-sa", "/"))
      #expect(try code([allowed, denied, "oops"]) == 1)
      #expect(try code([allowed, denied, "oops"], "--ignore-skipped") == 1)
      #expect(try code([allowed, #"{"workload":"shop/backend","method":"GET"}"#], "--ignore-skipped") == 3)
      #expect(try code(["oops"], "--ignore-skipped") == 2)
      // With other policies: a line that cannot be read may be one that changes, and one of a workload that they lack is not accepted.
      let other = try sandbox.write(
        #"{apiVersion: apps/v1, kind: Deployment, metadata: {name: backend, namespace: shop}, spec: {template: {metadata: {labels: {app: backend}}}}}"#,
        to: "other.yaml")
      #expect(try code([allowed], "--against", other, "--allow-empty") == 0)
      #expect(try code([allowed, "oops"], "--against", other, "--allow-empty") == 3)
      #expect(try code([allowed, "oops"], "--against", other, "--allow-empty", "--ignore-skipped") == 0)
      #expect(try code([allowed, denied], "--against", other, "--allow-empty", "--ignore-skipped") == 3)
      #expect(try code([allowed, "oops"], "--against", Sandbox.shop) == 0)
    }
  }

  @Test func `many groups are cut in text, and all in JSON`() throws {
    try withSandbox { sandbox in
      let lines = (0..<60).map { Self.record("db", "caller-\($0)", "/") }
      let log = try sandbox.write(lines.joined(separator: "\n"), to: "access.log")
      let text = try sandbox.portcullis("replay", "--policies", Sandbox.shop, log, "--limit", "7")
      #expect(text.output.hasSuffix("\n  and 53 groups more; `--limit` shows more of them\n"), "\(text.output)")
      let json = try sandbox.portcullis("replay", "--policies", Sandbox.shop, log, "--output", "json").json()
      #expect((json["groups"] as? [Any])?.count == 60)
      #expect(try sandbox.portcullis("replay", "--policies", Sandbox.shop, log, "--limit", "0").code == 2)
    }
  }
}
