// What the regions of one rule are called, field by field: the words are the policies' own, and say no more and no less.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `The words of regions` {
  /// A rule, and its regions for HTTP and TCP; nil where TCP sees the same words.
  static let cases: [(rule: String, http: [String], tcp: [String]?)] = [
    (#"from: [{source: {principals: ["cluster.local/ns/a/sa/b"]}}]"#, ["source principal cluster.local/ns/a/sa/b"], nil),
    (#"from: [{source: {principals: ["*"]}}]"#, ["source any authenticated peer"], nil),
    (#"from: [{source: {notPrincipals: ["*"]}}]"#, ["source anonymous peers"], nil),
    (
      #"from: [{source: {principals: ["cluster.local/ns/a/*"], notPrincipals: ["cluster.local/ns/a/sa/b"]}}]"#,
      ["source principal cluster.local/ns/a/*, except principal cluster.local/ns/a/sa/b"], nil
    ),
    (#"from: [{source: {principals: ["*/sa/web"]}}]"#, ["source principal */sa/web"], nil),
    (#"from: [{source: {namespaces: [a, b]}}]"#, ["source namespace a or namespace b"], nil),
    (
      #"from: [{source: {notNamespaces: [a, b]}}]"#,
      ["source any identity or anonymous peers, except namespace a and namespace b"], nil
    ),
    (#"from: [{source: {namespaces: ["team-*"], notNamespaces: [team-x]}}]"#, ["source namespace team-*, except namespace team-x"], nil),
    // Each exception belongs to its own part.
    (
      #"from: [{source: {namespaces: [b], notPrincipals: ["*/sa/x"]}}, {source: {namespaces: [c], notPrincipals: ["*/sa/y"]}}]"#,
      ["source namespace b (except principal */sa/x) or namespace c (except principal */sa/y)"], nil
    ),
    (
      #"to: [{operation: {paths: ["/a*"], notPaths: ["*x"]}}, {operation: {paths: ["/b*"], notPaths: ["*y"]}}]"#,
      ["path /a* (except *x) or /b* (except *y)"], []
    ),
    (#"from: [{source: {serviceAccounts: [a/b]}}]"#, ["source service account a/b"], nil),
    // Peers of other trust domains do not get past mutual TLS.
    (#"from: [{source: {trustDomains: [cluster.local]}}]"#, ["source SPIFFE identity"], nil),
    (#"from: [{source: {ipBlocks: [10.0.0.0/8], notIpBlocks: [10.1.0.0/16]}}]"#, ["source ip 10.0.0.0/8, except 10.1.0.0/16"], nil),
    (
      #"from: [{source: {remoteIpBlocks: ["fd00::/8", 192.168.1.1]}}]"#, ["remote ip fd00::/8 or 192.168.1.1"], nil
    ),
    (
      #"from: [{source: {requestPrincipals: ["https://issuer/*"]}}]"#,
      ["claim [iss] issuer of https://issuer/*; claim [sub] subject of https://issuer/*"], []
    ),
    (
      #"from: [{source: {notRequestPrincipals: ["*"]}}]"#,
      [
        "claim [sub] any claim [sub] or no claim [sub], except subject of *",
        "claim [iss] any claim [iss] or no claim [iss], except issuer of *",
      ], []
    ),
    (#"to: [{operation: {ports: ["80", "8080"]}}]"#, ["port 80 or 8080"], nil),
    (#"to: [{operation: {notPorts: ["80"]}}]"#, ["port any port, except 80"], nil),
    (
      #"to: [{operation: {methods: [GET, HEAD], paths: ["/a", "/b/*", "*.html"]}}]"#, ["method GET or HEAD; path /b/* or *.html or /a"], []
    ),
    (#"to: [{operation: {notMethods: [GET]}}]"#, ["method any method, except GET"], []),
    (#"to: [{operation: {paths: ["/a/*"], notPaths: ["/a/secret*"]}}]"#, ["path /a/*, except /a/secret*"], []),
    (#"to: [{operation: {paths: ["/a/{*}/b", "/x/{**}"]}}]"#, ["path /a/{*}/b or /x/{**}"], []),
    (
      #"to: [{operation: {hosts: ["a.example", "*.b.example"], notHosts: ["c.b.example"]}}]"#,
      ["host a.example or *.b.example (except c.b.example)"], []
    ),
    (
      #"when: [{key: "request.headers[x-role]", values: [admin, "ops*"]}]"#, ["some header x-role admin", "some header x-role ops*"], []
    ),
    (#"when: [{key: "request.headers[x-role]", notValues: [guest]}]"#, ["no header x-role guest"], []),
    (#"when: [{key: "request.headers[x-role]", values: ["*"]}]"#, ["some header x-role *"], []),
    (
      #"when: [{key: "request.auth.claims[groups]", values: [admin], notValues: [banned]}]"#,
      ["some claim [groups] admin; no claim [groups] banned"], []
    ),
    (#"when: [{key: "request.auth.audiences", values: [api]}]"#, ["some claim [aud] api"], []),
    (#"when: [{key: "connection.sni", values: ["a.example", "*.b"]}]"#, ["sni a.example or *.b"], nil),
    (#"when: [{key: "destination.ip", values: [10.9.0.0/16]}]"#, ["destination ip 10.9.0.0/16"], nil),
    (
      #"when: [{key: "experimental.envoy.filters.network.mysql_proxy[db.table]", values: ["[update]"]}]"#,
      ["some metadata envoy.filters.network.mysql_proxy[db.table] [update]"], nil
    ),
    (#"when: [{key: "experimental.envoy.filters.x[k]", values: ["v"]}]"#, ["metadata envoy.filters.x[k] v"], nil),
    (#"when: [{key: "request.headers[:path]", values: ["/q?x=1"]}]"#, ["path target /q?x=1"], []),
    (
      #"from: [{source: {namespaces: [a]}}, {source: {principals: ["cluster.local/ns/c/sa/d"]}}], "#
        + #"to: [{operation: {methods: [GET]}}, {operation: {ports: ["81"]}}]"#,
      [
        "source namespace a or principal cluster.local/ns/c/sa/d; method GET",
        "port 81; source namespace a or principal cluster.local/ns/c/sa/d",
      ], []
    ),
  ]

  @Test func `are the policies' own`() throws {
    try withSandbox { sandbox in
      let objects = Self.cases.enumerated().map { number, one in
        `A comparison that does not see everything says so`.workload("case-\(number)")
          + `A comparison that does not see everything says so`.policy(
            "case-\(number)", "{selector: {matchLabels: {app: case-\(number)}}, rules: [{\(one.rule)}]}")
      }
      let path = try sandbox.write(objects.joined(), to: "all.yaml")
      let report = try sandbox.portcullis("who-can", "--policies", path, "--all", "--output", "json").json()
      let workloads = try #require(report["workloads"] as? [[String: Any]])
      #expect(report["complete"] as? Bool == true && workloads.count == Self.cases.count)
      for (number, one) in Self.cases.enumerated() {
        let own = try #require(workloads.first { $0["workload"] as? String == "shop/deployment/case-\(number)" })
        func regions(_ chain: String) -> [String] {
          let reach = (own["reach"] as? [[String: Any]] ?? []).filter { $0["chain"] as? String == chain }
          return reach.flatMap { $0["regions"] as? [[String: Any]] ?? [] }.map { region in
            (region["fields"] as? [[String: Any]] ?? []).map { field in
              let any = (field["any"] as? [String] ?? []).joined(separator: " or ")
              let except = (field["except"] as? [String] ?? []).joined(separator: " and ")
              return "\(field["field"] as? String ?? "") \(any)" + (except.isEmpty ? "" : ", except \(except)")
            }.joined(separator: "; ")
          }
        }
        #expect(regions("http") == one.http, "\(one.rule)")
        #expect(regions("tcp") == one.tcp ?? one.http, "\(one.rule)")
      }
    }
  }
}
