// `portcullis explain --output json`: whole objects.
// Enters: worlds. Leaves: what a program reads. Never here: the order of keys, which is the byte order.

internal import Foundation
internal import TestSupport
internal import Testing

extension Run {
  /// Whether the answer is this object, whatever its layout.
  fileprivate func isObject(_ text: String) throws -> Bool {
    func sorted(_ text: String) throws -> String {
      let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
      return String(decoding: try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys]), as: UTF8.self)
    }
    return try sorted(output) == sorted(text)
  }
}

@Suite struct `explain tells a program why` {
  @Test func `the database says no to the frontend: every key is there`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("shop", "--from shop/frontend-sa --to shop/db --output json")
      #expect(run.code == 1 && run.lines.count == 1, "\(run.errors)")
      #expect(
        try run.isObject(
          #"""
          {
            "agrees": true, "at": null, "audit": [], "decision": "deny", "dry_run": [], "not_enforced": [],
            "peer": ["spiffe://cluster.local/ns/shop/sa/frontend-sa"],
            "policies": [
              {
                "action": "ALLOW", "at": {"column": 9, "file": "examples/shop/policies.yaml", "line": 37}, "effect": null,
                "dry_run": false, "name": "db-from-backend", "namespace": "shop", "provider": null, "reached": "yes",
                "rules": [
                  {
                    "at": {"column": 5, "file": "examples/shop/policies.yaml", "line": 45}, "depends_on": [], "dropped": null,
                    "failures": [
                      {
                        "absence": null, "actual": ["spiffe://cluster.local/ns/shop/sa/frontend-sa"],
                        "at": {"column": 9, "file": "examples/shop/policies.yaml", "line": 47}, "attribute": "source.principal",
                        "demand": "one-of", "part": {"clause": "from", "index": 0},
                        "wanted": [
                          {
                            "at": {"column": 22, "file": "examples/shop/policies.yaml", "line": 47}, "matched": false, "near_miss": null,
                            "value": "cluster.local/ns/shop/sa/backend-sa"
                          }
                        ]
                      }
                    ],
                    "index": 0, "not_tested": [], "outcome": "no-match", "reached": "yes", "reason": null,
                    "rule": "ns[shop]-policy[db-from-backend]-rule[0]"
                  }
                ]
              }
            ],
            "policies_elsewhere": 1, "policy": "none", "reason": "no-allow-matched",
            "reference": {"decision": "deny", "policy": "none", "reason": "no-allow-matched"},
            "token": null, "server_mode": {
              "mode": "STRICT", "outcome": "pass", "reason": null,
              "set_by": {
                "at": {"column": 9, "file": "examples/shop/policies.yaml", "line": 11}, "kind": "PeerAuthentication", "name": "default",
                "namespace": "shop"
              }
            },
            "snapshot": "…", "unusable": []
          }
          """#), "\(run.output)")
    }
  }

  @Test func `what is not there and what is not tested on TCP has a cause`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("tcp", "--to shop/backend --from shop/frontend-sa --tcp --port 9000 --output json")
      #expect(run.code == 1 && run.lines.count == 1, "\(run.errors)")
      #expect(
        try run.isObject(
          #"""
          {
            "agrees": true, "at": {"column": 5, "file": "tcp.yaml", "line": 16}, "audit": [], "decision": "deny", "dry_run": [],
            "not_enforced": [], "peer": ["spiffe://cluster.local/ns/shop/sa/frontend-sa"],
            "policies": [
              {
                "action": "DENY", "at": {"column": 18, "file": "tcp.yaml", "line": 11}, "effect": null, "dry_run": false,
                "name": "deny-admin", "namespace": "shop", "provider": null, "reached": "yes",
                "rules": [
                  {
                    "at": {"column": 5, "file": "tcp.yaml", "line": 15}, "depends_on": [], "dropped": null,
                    "failures": [
                      {
                        "absence": null, "actual": ["spiffe://cluster.local/ns/shop/sa/frontend-sa"],
                        "at": {"column": 22, "file": "tcp.yaml", "line": 15}, "attribute": "source.namespace", "demand": "none-of",
                        "part": {"clause": "from", "index": 0},
                        "wanted": [{"at": {"column": 38, "file": "tcp.yaml", "line": 15}, "matched": true, "near_miss": null, "value": "shop"}]
                      }
                    ],
                    "index": 0, "not_tested": [], "outcome": "no-match", "reached": "yes", "reason": null,
                    "rule": "ns[shop]-policy[deny-admin]-rule[0]"
                  },
                  {
                    "at": {"column": 5, "file": "tcp.yaml", "line": 16}, "depends_on": [], "dropped": null, "failures": [], "index": 1,
                    "not_tested": [
                      {
                        "at": {"column": 23, "file": "tcp.yaml", "line": 16}, "attribute": "paths", "cause": "needs-http",
                        "part": {"clause": "to", "index": 0}, "values": []
                      }
                    ],
                    "outcome": "match", "reached": "yes", "reason": null, "rule": "ns[shop]-policy[deny-admin]-rule[1]"
                  }
                ]
              },
              {
                "action": "ALLOW", "at": {"column": 18, "file": "tcp.yaml", "line": 3}, "effect": null, "dry_run": false,
                "name": "allow-get", "namespace": "shop", "provider": null, "reached": "no",
                "rules": [
                  {
                    "at": {"column": 5, "file": "tcp.yaml", "line": 7}, "depends_on": [],
                    "dropped": {
                      "at": {"column": 23, "file": "tcp.yaml", "line": 7}, "attribute": "methods", "cause": "needs-http",
                      "part": {"clause": "to", "index": 0}, "values": []
                    },
                    "failures": [], "index": 0, "not_tested": [], "outcome": "dropped", "reached": "no", "reason": null,
                    "rule": "ns[shop]-policy[allow-get]-rule[0]"
                  }
                ]
              }
            ],
            "policies_elsewhere": 0, "policy": "ns[shop]-policy[deny-admin]-rule[1]", "reason": "denied-by-policy",
            "reference": {"decision": "deny", "policy": "ns[shop]-policy[deny-admin]-rule[1]", "reason": "denied-by-policy"},
            "token": null, "server_mode": {"mode": "PERMISSIVE", "outcome": "pass", "reason": null, "set_by": null}, "snapshot": "…", "unusable": []
          }
          """#), "\(run.output)")
    }
  }

  @Test func `dry run, AUDIT and CUSTOM: what is not known has a reason and a place`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("dry", "--to shop/backend --from web/site --method PUT --output json")
      #expect(run.code == 3 && run.lines.count == 1, "\(run.errors)")
      #expect(
        try run.isObject(
          #"""
          {
            "agrees": true, "at": {"column": 5, "file": "dry.yaml", "line": 33}, "audit": ["ns[shop]-policy[watch-writes]-rule[1]"],
            "decision": "undecided", "dry_run": [{"decision": "deny", "policy": "ns[shop]-policy[no-web]-rule[0]"}], "not_enforced": [],
            "peer": ["spiffe://cluster.local/ns/web/sa/site"],
            "policies": [
              {
                "action": "CUSTOM", "at": {"column": 18, "file": "dry.yaml", "line": 28}, "effect": "asked", "dry_run": false,
                "name": "ask-opa", "namespace": "shop", "provider": "opa", "reached": "yes",
                "rules": [
                  {
                    "at": {"column": 5, "file": "dry.yaml", "line": 33},
                    "depends_on": [
                      {
                        "at": {"column": 23, "file": "dry.yaml", "line": 33}, "attribute": "paths", "part": {"clause": "to", "index": 0},
                        "reason": "unknown-path"
                      }
                    ],
                    "dropped": null, "failures": [], "index": 0, "not_tested": [], "outcome": "undecided", "reached": "yes",
                    "reason": "unknown-path", "rule": "ns[shop]-policy[ask-opa]-rule[0]"
                  }
                ]
              },
              {
                "action": "AUDIT", "at": {"column": 18, "file": "dry.yaml", "line": 10}, "effect": null, "dry_run": false,
                "name": "watch-writes", "namespace": "shop", "provider": null, "reached": "depends",
                "rules": [
                  {
                    "at": {"column": 5, "file": "dry.yaml", "line": 14}, "depends_on": [], "dropped": null,
                    "failures": [
                      {
                        "absence": null, "actual": ["PUT"], "at": {"column": 23, "file": "dry.yaml", "line": 14}, "attribute": "methods",
                        "demand": "one-of", "part": {"clause": "to", "index": 0},
                        "wanted": [{"at": {"column": 33, "file": "dry.yaml", "line": 14}, "matched": false, "near_miss": null, "value": "GET"}]
                      }
                    ],
                    "index": 0, "not_tested": [], "outcome": "no-match", "reached": "depends", "reason": null,
                    "rule": "ns[shop]-policy[watch-writes]-rule[0]"
                  },
                  {
                    "at": {"column": 5, "file": "dry.yaml", "line": 15}, "depends_on": [], "dropped": null, "failures": [], "index": 1,
                    "not_tested": [], "outcome": "match", "reached": "depends", "reason": null,
                    "rule": "ns[shop]-policy[watch-writes]-rule[1]"
                  }
                ]
              },
              {
                "action": "DENY", "at": {"column": 18, "file": "dry.yaml", "line": 19}, "effect": null, "dry_run": true,
                "name": "no-web", "namespace": "shop", "provider": null, "reached": "depends",
                "rules": [
                  {
                    "at": {"column": 5, "file": "dry.yaml", "line": 23}, "depends_on": [], "dropped": null, "failures": [], "index": 0,
                    "not_tested": [], "outcome": "match", "reached": "depends", "reason": null,
                    "rule": "ns[shop]-policy[no-web]-rule[0]"
                  },
                  {
                    "at": {"column": 5, "file": "dry.yaml", "line": 24}, "depends_on": [], "dropped": null, "failures": [], "index": 1,
                    "not_tested": [], "outcome": "match", "reached": "no", "reason": null, "rule": "ns[shop]-policy[no-web]-rule[1]"
                  }
                ]
              },
              {
                "action": "ALLOW", "at": {"column": 18, "file": "dry.yaml", "line": 3}, "effect": null, "dry_run": true,
                "name": "only-frontend", "namespace": "shop", "provider": null, "reached": "depends",
                "rules": [
                  {
                    "at": {"column": 5, "file": "dry.yaml", "line": 6}, "depends_on": [], "dropped": null,
                    "failures": [
                      {
                        "absence": null, "actual": ["spiffe://cluster.local/ns/web/sa/site"],
                        "at": {"column": 22, "file": "dry.yaml", "line": 6}, "attribute": "source.serviceAccount", "demand": "one-of",
                        "part": {"clause": "from", "index": 0},
                        "wanted": [
                          {
                            "at": {"column": 40, "file": "dry.yaml", "line": 6}, "matched": false, "near_miss": null,
                            "value": "frontend-sa"
                          }
                        ]
                      }
                    ],
                    "index": 0, "not_tested": [], "outcome": "no-match", "reached": "depends", "reason": null,
                    "rule": "ns[shop]-policy[only-frontend]-rule[0]"
                  }
                ]
              }
            ],
            "policies_elsewhere": 0, "policy": "ns[shop]-policy[ask-opa]-rule[0]", "reason": "unknown-path",
            "reference": {"decision": "undecided", "policy": "ns[shop]-policy[ask-opa]-rule[0]", "reason": "unknown-path"},
            "token": null, "server_mode": {"mode": "PERMISSIVE", "outcome": "pass", "reason": null, "set_by": null}, "snapshot": "…", "unusable": []
          }
          """#), "\(run.output)")
    }
  }

  @Test func `bytes that are not UTF-8 are base64, and each line of a file gets its object`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("token", "--requests token.jsonl --output json")
      #expect(run.code == 3 && run.lines.count == 2, "\(run.errors)")
      let source = #""source": {"identities": {"uri": [{"base64": "/w=="}, "spiffe://cluster.local/a"]}}"#
      let binary = try sandbox.write("{\(source), \"destination\": {\"workload\": \"shop/db\"}, \"http\": {}}", to: "binary.jsonl")
      let answer = try sandbox.portcullis("explain", "--policies", Sandbox.shop, "--requests", binary, "--output", "json")
      #expect(answer.code == 1 && answer.output.contains(#""peer":[{"base64":"/w=="},"spiffe://cluster.local/a"]"#), "\(answer.output)")
      #expect(answer.output.contains(#""actual":[{"base64":"/w=="},"spiffe://cluster.local/a"]"#))
    }
  }
}
