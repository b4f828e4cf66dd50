// `portcullis check --requests`: many requests as lines of JSON.
// Enters: lines, right and wrong. Leaves: one decision a line, or the place of what is wrong. Never here: the order of keys in the answer.

internal import Foundation
internal import TestSupport
internal import Testing

extension Sandbox {
  /// Decides lines on the shop.
  fileprivate func requests(_ lines: String, _ more: String...) throws -> Run {
    let file = try write(lines, to: "requests.jsonl")
    return try portcullis(["check", "--policies", Self.shop, "--requests", file] + more)
  }
}

private let frontend = "\"source\": {\"principal\": \"spiffe://cluster.local/ns/shop/sa/frontend-sa\"}"

@Suite struct `check decides many requests` {
  @Test func `each line gets a decision, and the exit code is the worst`() throws {
    try withSandbox { sandbox in
      let lines = """
        {\(frontend), "destination": {"workload": "shop/backend"}, "http": {}}

        {\(frontend), "destination": {"workload": "shop/db"}}\r
        {"source": {"principal": null}, "destination": {"namespace": "shop", "labels": {"app": "backend"}}}
        """
      let text = try sandbox.requests(lines)
      #expect(text.code == 1 && text.errors.isEmpty)
      #expect(
        text.lines == [
          "allow  spiffe://cluster.local/ns/shop/sa/frontend-sa -> shop/backend  allowed-by-policy  "
            + "ns[shop]-policy[backend-from-frontend]-rule[0]",
          "deny  spiffe://cluster.local/ns/shop/sa/frontend-sa -> shop/db  no-allow-matched  none",
          "deny  anonymous -> shop  mtls-required  none",
        ], "\(text.output)")
      let json = try sandbox.requests("{\"destination\": {\"workload\": \"shop/db\"}}\n" + lines, "--output", "json")
      #expect(json.code == 3 && json.lines.count == 4)
      let reasons = try json.lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        .map { $0?["reason"] as? String }
      #expect(reasons == ["unknown-peer", "allowed-by-policy", "no-allow-matched", "mtls-required"])
    }
  }

  @Test func `requests come from standard input, too, and a file may be large`() throws {
    try withSandbox { sandbox in
      let line = "{\(frontend), \"destination\": {\"workload\": \"shop/backend\"}, \"http\": {}}\n"
      // Larger than a few read chunks, and lines that straddle them.
      let file = try sandbox.write(String(repeating: line, count: 5_000), to: "many.jsonl")
      let words = "check --policies \(Sandbox.shop) --requests - --output json"
      let run = try sandbox.run("/bin/bash", ["-c", "exec \(Programs.portcullis()) \(words) < \(file)"])
      #expect(run.end == .exited(0))
      let lines = run.output.split(separator: "\n")
      #expect(lines.count == 5_000 && lines.allSatisfy { $0.contains("\"decision\":\"allow\"") })
    }
  }

  @Test func `a wrong line ends the run, and is named by its number`() throws {
    try withSandbox { sandbox in
      let good = "{\(frontend), \"destination\": {\"workload\": \"shop/backend\"}, \"http\": {}}\n"
      let run = try sandbox.requests("\n" + good + "\n{\"destination\": }\n" + good)
      #expect(run.code == 2 && run.lines.count == 1)
      #expect(
        run.errors.hasPrefix("\(sandbox.path("requests.jsonl")):4:17: error: not JSON: this is not a value\n  = help: "), "\(run.errors)")
      #expect(try sandbox.requests("\n \n").errors.hasPrefix("error: `\(sandbox.path("requests.jsonl"))` holds no request\n"))
      let missing = try sandbox.portcullis("check", "--policies", Sandbox.shop, "--requests", "/nowhere")
      #expect(missing.code == 2 && missing.errors == "error: `/nowhere` cannot be read: No such file or directory\n")
      let folder = try sandbox.portcullis("check", "--policies", Sandbox.shop, "--requests", "/tmp")
      #expect(folder.code == 2 && folder.errors == "error: `/tmp` cannot be read: Is a directory\n")
    }
  }

  @Test(arguments: [
    (#"{"destination": {"workload": "shop/db", "port": true}}"#, "`destination.port` is not a whole number from 1 to 65535"),
    (#"{"destination": {"workload": "shop/db", "port": "80"}}"#, "`destination.port` is not a whole number from 1 to 65535"),
    (#"{"destination": {"workload": "shop/db", "port": 80.5}}"#, "`destination.port` is not a whole number from 1 to 65535"),
    (#"{"destination": {"workload": "shop/db", "port": 0}}"#, "`destination.port` is not a whole number from 1 to 65535"),
    (#"{"destination": {"workload": "shop/db", "port": 65616}}"#, "`destination.port` is not a whole number from 1 to 65535"),
    (#"{"destination": {"workload": "shop/db", "prot": 1}}"#, "`destination` has an unknown key `prot`; known are workload, "),
    (#"{"destination": {"workload": "shop/db"}, "htpp": {}}"#, "`the request` has an unknown key `htpp`; known are source, "),
    (#"{"destination": {"workload": "shop/db"}, "http": {"verb": "GET"}}"#, "`http` has an unknown key `verb`; "),
    (#"{"destination": {"workload": "shop/db"}, "source": {"user": ""}}"#, "`source` has an unknown key `user`; "),
    (#"{"destination": {"workload": "shop/db"}, "source": {"principal": ""}}"#, "`source.principal` is empty; write `null`"),
    (#"{"destination": {"workload": "shop/db"}, "source": {"principal": 1}}"#, "`source.principal` is neither a string nor "),
    (
      #"{"destination": {"workload": "shop/db"}, "source": {"principal": {"base64": "?"}}}"#,
      "`source.principal` has a `base64` that is none"
    ),
    (#"{"destination": {"workload": "shop/db"}, "source": {"principal": null, "identities": {}}}"#, "`source` has both "),
    (#"{"destination": {"workload": "shop/db"}, "source": {"address": "10.0.0.256"}}"#, "`source.address` is not an address"),
    (#"{"destination": {"workload": "shop/db"}, "source": null}"#, "`source` is not an object"),
    (#"{"destination": {"workload": "shop/db", "labels": {}}}"#, "`destination` has both `workload` and `labels` or `namespace`"),
    (
      #"{"source": {"principal": "shop/frontend-sa"}, "destination": {"workload": "shop/backend"}}"#,
      "`source.principal` `shop/frontend-sa` is no SPIFFE URI; write `spiffe://…`, or other names of a certificate as `source.identities`"
    ),
    (#"{"source": {"principal": "spiffe://"}, "destination": {"workload": "shop/db"}}"#, "`source.principal` `spiffe://` is no SPIFFE URI"),
    (
      #"{"source": {"principal": "spiffe://a/ns/b/sa/c "}, "destination": {"workload": "shop/db"}}"#,
      "`source.principal` `spiffe://a/ns/b/sa/c ` is no SPIFFE URI"
    ),
    (
      #"{"destination": {"namespace": "shpo", "labels": {}}}"#, "no object in the given files is in the namespace `shpo`"
    ),
    (#"{"destination": {"namespace": "shop"}}"#, "`destination` needs `workload`, or `namespace` and `labels`"),
    (#"{"destination": {"namespace": "shop", "labels": {"app": 1}}}"#, "`destination.labels.app` is not a string"),
    (#"{"destination": {"workload": "db"}}"#, "`db` is not a workload"),
    (#"{"destination": {"workload": "shop/nobody"}}"#, "no workload `shop/nobody` in the given files"),
    (
      #"{"destination": {"workload": "shop/db", "profile": "mesh"}}"#,
      "`destination.profile` is not `sidecar`, `gateway`, `waypoint` or `ztunnel`"
    ),
    (#"{"http": {}}"#, "`destination` is missing"),
    (#"{"destination": {"workload": "shop/db"}, "http": null}"#, "`http` is not an object"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"headers": {"a": "b"}}}"#, "`http.headers` is not a list"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"headers": [["a"]]}}"#, "`http.headers` is not a list of `[name, value]`"),
    (
      #"{"destination": {"workload": "shop/db"}, "http": {"headers": [["host", "b"]]}}"#,
      "the header `host` is the request's host: write it as"
    ),
    (
      #"{"destination": {"workload": "shop/db"}, "http": {"headers": [["x-role ", "b"]]}}"#, "`x-role ` is not the name of a header"
    ),
    (#"{"destination": {"workload": "shop/db"}, "http": {"headers": [["", "b"]]}}"#, "`` is not the name of a header"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"headers": [["x-role:", "b"]]}}"#, "`x-role:` is not the name of a header"),
    (
      #"{"destination": {"workload": "shop/db"}, "http": {"headers": [["x", "b "]]}}"#,
      "the value `b ` of the header `x` has blanks around it"
    ),
    (
      #"{"destination": {"workload": "shop/db"}, "http": {"headers": [["x", "a\nb"]]}}"#,
      "the value of the header `x` has a control character"
    ),
    (#"{"destination": {"workload": "shop/db"}, "http": {"method": ""}}"#, "`http.method` `` is no HTTP method"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"method": "GET "}}"#, "`http.method` `GET ` is no HTTP method"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"host": "a b"}}"#, "`http.host` `a b` has a blank or a control character"),
    (
      #"{"destination": {"workload": "shop/db"}, "http": {"path": null, "method": "GET"}}"#,
      "`http.path` is null, and only `CONNECT` has no path"
    ),
    (#"{"destination": {"workload": "shop/db"}, "http": {"path": null}}"#, "`http.path` is null, and only `CONNECT` has no path"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"path": "/a%00"}}"#, "the proxies answer 400 to the path `/a%00`"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"path": "a"}}"#, "the proxies answer 400 to the path `a`"),
    (#"{"destination": {"workload": "shop/db"}, "http": {}, "metadata": {}}"#, "`metadata` stands beside `http`; "),
    (#"{"destination": {"workload": "shop/db"}, "metadata": []}"#, "`metadata` is not an object"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"claims": []}}"#, "`http.claims` is not an object"),
    (#"{"destination": {"workload": "shop/db"}, "http": {"path_form": "nice"}}"#, "`http.path_form` is not `raw` or `normalized`"),
    (#"[]"#, "`the request` is not an object"),
    (#"{"destination": {"workload": "shop/db", "service": "shop/db"}}"#, "only a waypoint is asked for a service"),
    (#"{"destination": {"workload": "shop/wp", "profile": "waypoint"}}"#, "which service is the waypoint asked for?"),
    (#"{"destination": {"namespace": "shop", "labels": {}, "profile": "waypoint", "service": "x"}}"#, "`x` is not a service"),
    (#"{"destination": {"workload": "shop/db", "profile": "waypoint", "service": null}}"#, "no waypoint `shop/db` in the given files"),
  ])
  func `what is not the shape is refused`(_ line: String, _ message: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.requests(line)
      #expect(run.code == 2 && run.output.isEmpty)
      #expect(run.errors.hasPrefix("\(sandbox.path("requests.jsonl")):1: error: \(message)"), "\(run.errors)")
      #expect(run.errors.contains("\n  = help: "))
    }
  }

  @Test(arguments: [
    (#"{"source": {"principal": null, "principal": "spiffe://a"}}"#, 32, "`principal` is written twice"),
    (#"{"a": 01}"#, 9, "a number does not begin with 0"), (#"{"a": "\ud800"}"#, 8, "half of a surrogate pair is not a character"),
    (#"{"a": "\x"}"#, 9, "JSON has no such escape"), (#"{"a": tru}"#, 7, "this is not a value"), (#"{"a" 1}"#, 6, "`:` must stand here"),
    (#"{"a": 1,}"#, 9, "a name in quotes must stand here"), (#"{"a": 1} {}"#, 10, "something follows the value"),
    (#"{"a": "b"#, 9, "the text ends inside a string"), ("{\"a\": \"\t\"}", 8, "a control character must be written as `\\u0009`"),
    (#"{'a': 1}"#, 2, "a name in quotes must stand here"), (#"{"a": NaN}"#, 7, "this is not a value"),
    (String(repeating: "[", count: 100_000), 65, "the value nests deeper than 64"),
  ])
  func `what is not JSON is refused at its column`(_ line: String, _ column: Int, _ problem: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.requests(line)
      #expect(
        run.code == 2 && run.errors.hasPrefix("\(sandbox.path("requests.jsonl")):1:\(column): error: not JSON: \(problem)\n"),
        "\(run.errors)")
    }
  }

  @Test func `bytes that are not UTF-8 come as base64, and names stay on their line`() throws {
    try withSandbox { sandbox in
      let name = Data("spiffe://cluster.local/ns/shop/sa/frontend-sa".utf8).base64EncodedString()
      let run = try sandbox.requests(
        """
        {"source": {"principal": {"base64": "\(name)"}}, "destination": {"workload": "shop/backend"}, "http": {}}
        {"source": {"identities": {"uri": [{"base64": "/w=="}], "dns": ["a"]}}, "destination": {"workload": "shop/backend"}, "http": {}}
        {"source": {"identities": {"uri": ["spiffe://x\\nallow  root -> shop/db\\u001b[2J"]}}, "destination": {"workload": "shop/backend"}, "http": {}}
        """)
      #expect(run.code == 1 && run.lines.count == 3, "\(run.output)")
      #expect(run.lines.map { $0.prefix { $0 != " " } } == ["allow", "deny", "deny"])
      #expect(run.lines.last?.contains("spiffe://x\\u{a}allow  root -> shop/db\\u{1b}[2J -> shop/backend") == true, "\(run.output)")
    }
  }

  @Test func `a TCP connection has metadata, too, and a CONNECT has no path`() throws {
    try withSandbox { sandbox in
      func decisions(_ rule: String, _ lines: String...) throws -> [String] {
        let policy = try sandbox.write(
          """
          apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: only, namespace: shop}
          spec: {selector: {matchLabels: {app: backend}}, action: DENY, rules: [\(rule)]}

          """, to: "policy.yaml")
        let all = lines.map { "{\(frontend), \"destination\": {\"workload\": \"shop/backend\"}\($0)}\n" }
        let file = try sandbox.write(all.joined(), to: "all.jsonl")
        let run = try sandbox.portcullis(
          "check", "--policies", policy, "--policies", Sandbox.shop + "/workloads.yaml", "--requests", file)
        return run.lines.map { $0.split(separator: " ").first.map(String.init) ?? "" } + [run.errors].filter { !$0.isEmpty }
      }
      let rule = "{when: [{key: \"experimental.envoy.filters.network.mysql_proxy[db.t]\", values: [\"[drop]\"]}]}"
      let filter = "\"envoy.filters.network.mysql_proxy\""
      let connections = try decisions(
        rule, "", ", \"metadata\": {}", ", \"metadata\": {\(filter): {\"db.t\": [\"drop\"]}}",
        ", \"metadata\": {\(filter): {\"db.t\": [\"insert\"]}}")
      #expect(connections == ["undecided", "allow", "deny", "allow"])
      let tunnel = try decisions(
        "{to: [{operation: {paths: [/a], ports: [\"80\"]}}]}", ", \"http\": {\"method\": \"CONNECT\", \"path\": null}")
      #expect(tunnel == ["allow"])
    }
  }

  @Test func `identities, claims, headers and metadata mean what the arguments mean`() throws {
    try withSandbox { sandbox in
      let policy = try sandbox.write(
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: only, namespace: shop}
        spec:
          selector: {matchLabels: {app: backend}}
          rules:
          - from: [{source: {principals: ["cluster.local/ns/shop/sa/second"]}}]
            to: [{operation: {methods: [GET], paths: [/a], hosts: [h], ports: ["80"]}}]
            when:
            - {key: "request.auth.claims[a][b]", values: [c]}
            - {key: "request.auth.claims[groups]", values: [dev]}
            - {key: "request.headers[x]", values: ["1"]}
            - {key: "connection.sni", values: [s]}
            - {key: "remote.ip", values: ["10.0.0.9"]}
            - {key: "source.ip", values: ["10.0.0.1"]}
            - {key: "destination.ip", values: ["10.0.0.2"]}
        """, to: "policy.yaml")
      func line(_ change: (old: String, new: String)) -> String {
        """
        {"source": {"identities": {"uri": ["spiffe://a/b", "spiffe://cluster.local/ns/shop/sa/second"]}, "address": "10.0.0.1"}, \
        "destination": {"workload": "shop/backend", "port": 80, "address": "10.0.0.2"}, "sni": "S", "remote_ip": "10.0.0.9", \
        "http": {"method": "GET", "host": "h", "path": "/x/..//a", "headers": [["X", "2"], ["X", "1"]], \
        "claims": {"a": {"b": "c"}, "groups": ["ops", "dev"], "n": 1}}}
        """
        .replacingOccurrences(of: change.old, with: change.new) + "\n"
      }
      let cases: [(old: String, new: String, decision: String)] = [
        ("~", "~", "deny"), ("/x/..//a", "/x/../a", "allow"), ("\"c\"", "\"d\"", "deny"), ("\"dev\"", "true", "deny"),
        ("\"1\"", "\"3\"", "deny"), ("\"S\"", "\"T\"", "deny"), ("10.0.0.9", "10.0.0.8", "deny"), ("second", "third", "deny"),
        (", \"sni\": \"S\"", "", "undecided"), ("/x/..//a\"", "/x/../a\", \"path_form\": \"normalized\"", "undecided"),
      ]
      let lines = cases.map { item in
        line((item.old, item.new)).replacingOccurrences(of: "/x/..//a", with: item.old == "~" ? "/x/..//a" : "/x/../a")
      }
      let file = try sandbox.write(lines.joined(), to: "all.jsonl")
      let run = try sandbox.portcullis(
        "check", "--policies", policy, "--policies", Sandbox.shop + "/workloads.yaml", "--requests", file)
      #expect(run.lines.map { String($0.prefix { $0 != " " }) } == cases.map(\.decision), "\(run.output)\(run.errors)")
    }
  }
}
