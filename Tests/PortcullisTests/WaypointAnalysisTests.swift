// Ambient meshes and Gateways, asked about all requests: each service at its waypoint, each pod at its ztunnel, each Gateway as what it is.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `All requests in an ambient mesh` {
  static let ambient = "examples/ambient"

  /// The ambient example with something else in its policies.
  static func changed(_ old: String, _ new: String, _ sandbox: Sandbox) throws -> String {
    let root = Programs.project() + "/examples/ambient"
    let policies = try String(contentsOfFile: root + "/policies.yaml", encoding: .utf8)
    #expect(policies.contains(old))
    let path = try sandbox.write(policies.replacingOccurrences(of: old, with: new), to: "changed/policies.yaml")
    _ = try sandbox.write(try String(contentsOfFile: root + "/workloads.yaml", encoding: .utf8), to: "changed/workloads.yaml")
    return URL(fileURLWithPath: path).deletingLastPathComponent().path
  }

  @Test func `who can reach a service through its waypoint, and its pods past it`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("who-can", "--policies", Self.ambient, "--to", "shop/reviews")
      #expect(run.code == 0, "\(run.output)\(run.errors)")
      #expect(
        run.output.contains(
          "allowed  shop/service/reviews through shop/deployment/waypoint  HTTP\n"
            + "  source      principal cluster.local/ns/shop/sa/productpage\n  method      GET\n  path        /reviews/*\n"),
        "\(run.output)")
      #expect(run.output.contains("allowed  shop/deployment/reviews  TCP\n  source      principal cluster.local/ns/shop/sa/waypoint\n"))
    }
  }

  @Test func `a change of a service's policy is compared at its waypoint, and check confirms it`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changed("methods: [\"GET\"]", "methods: [\"GET\", \"POST\"]", sandbox)
      let run = try sandbox.portcullis("diff", Self.ambient, changed, "--output", "json")
      let report = try run.json()
      #expect(run.code == 1 && report["complete"] as? Bool == true, "\(run.output)")
      let change = try #require((report["changes"] as? [[String: Any]])?.first)
      #expect(change["workloads"] as? [String] == ["shop/service/reviews through shop/deployment/waypoint"])
      let witness = try #require((change["regions"] as? [[String: Any]])?.first?["witness"])
      let line = String(decoding: try JSONSerialization.data(withJSONObject: witness), as: UTF8.self)
      let file = try sandbox.write(line + "\n", to: "witness.jsonl")
      #expect(try sandbox.portcullis("check", "--policies", Self.ambient, "--requests", file).code == 1)
      #expect(try sandbox.portcullis("check", "--policies", changed, "--requests", file).code == 0)
    }
  }

  @Test func `a policy for a service that has no waypoint was not compared`() throws {
    try withSandbox { sandbox in
      let changed = try Self.changed("name: reviews}]", "name: ratings}]", sandbox)
      let run = try sandbox.portcullis("diff", Self.ambient, changed)
      #expect(run.output.contains("not complete: ") && run.output.contains("is for gateways or waypoints"), "\(run.output)")
    }
  }

  @Test func `an invariant about a service is held to its waypoint and to its pods`() throws {
    try withSandbox { sandbox in
      func verify(_ spec: String, _ policies: String) throws -> (code: Int32, output: String) {
        let file = try sandbox.write(`portcullis verify`.invariant(spec), to: "invariants.yaml")
        let run = try sandbox.portcullis("verify", "--policies", policies, "--invariants", file)
        return (run.code, run.output + run.errors)
      }
      let page = "from: [{source: {principals: [\"cluster.local/ns/shop/sa/productpage\"]}}]"
      let about = "destination: {selector: {matchLabels: {app: reviews}}}"
      let reads = try verify(
        "{\(about), \(page), to: [{operation: {methods: [GET], paths: [\"/reviews/1\"]}}], expect: allow}", Self.ambient)
      #expect(reads.code == 0, "\(reads.output)")
      let writes = "{\(about), \(page), to: [{operation: {methods: [POST]}}], expect: deny}"
      #expect(try verify(writes, Self.ambient).code == 0)
      // Whoever gets past the waypoint may write: to ztunnel a request is the connection that it comes in.
      let open = try Self.changed("sa/waypoint\"", "sa/waypoint\", \"cluster.local/ns/shop/sa/productpage\"", sandbox)
      let past = try verify(writes, open)
      #expect(past.code == 1 && past.output.contains("shop/deployment/reviews  TCP"), "\(past.output)")
    }
  }

  @Test func `a Gateway without pods is compared as a gateway`() throws {
    try withSandbox { sandbox in
      let gateway = """
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: front, namespace: shop}
        spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
        ---

        """
      func policy(_ methods: String) -> String {
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: front, namespace: shop}\nspec: {targetRefs: "
          + "[{group: gateway.networking.k8s.io, kind: Gateway, name: front}], rules: [{to: [{operation: {methods: [\(methods)]}}]}]}\n"
      }
      let before = try sandbox.write(gateway + policy("GET"), to: "before/all.yaml")
      let after = try sandbox.write(gateway + policy("GET, PUT"), to: "after/all.yaml")
      let run = try sandbox.portcullis("diff", before, after)
      #expect(run.code == 1 && run.output.contains("newly allowed  shop/gateway/front  HTTP\n  method      PUT\n"), "\(run.output)")
      #expect(!run.output.contains("not complete"), "\(run.output)")
      // Of another class nobody knows whether its proxies read these policies.
      let foreign = gateway.replacingOccurrences(of: "gatewayClassName: istio", with: "gatewayClassName: nginx")
      let one = try sandbox.write(foreign + policy("GET"), to: "one/all.yaml")
      let two = try sandbox.write(foreign + policy("GET, PUT"), to: "two/all.yaml")
      let other = try sandbox.portcullis("diff", one, two)
      #expect(other.code == 3 && other.output.contains("its class is `nginx`"), "\(other.output)")
    }
  }

  static let set = """
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: wp, namespace: shop, labels: {istio.io/waypoint-for: service}}
    spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: api, namespace: shop, labels: {istio.io/use-waypoint: wp}}
    spec: {selector: {app: backend}, ports: [{port: 80}]}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: backend, namespace: shop}
    spec: {selector: {matchLabels: {app: backend}}, template: {metadata: {labels: {app: backend}}, spec: {containers: [{name: c, image: i}]}}}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: deny-delete, namespace: shop}
    spec: {targetRefs: [{kind: Service, group: "", name: api}], action: DENY, rules: [{to: [{operation: {methods: [DELETE]}}]}]}
    ---

    """
  static let onlyWaypoint =
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: only, namespace: shop}\n"
    + "spec: {selector: {matchLabels: {app: backend}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/wp]}}]}]}\n"

  @Test(arguments: [
    ("{istio.io/use-waypoint: wp}", "{}"), ("{istio.io/use-waypoint: wp}", "{istio.io/use-waypoint: none}"),
    ("{istio.io/use-waypoint: wp}", "{istio.io/use-waypoint: other}"), ("waypoint-for: service", "waypoint-for: none"),
    ("gatewayClassName: istio-waypoint", "gatewayClassName: nginx"), ("gatewayClassName: istio-waypoint", "gatewayClassName: istio"),
    ("kind: Gateway\nmetadata: {name: wp,", "kind: Gateway\nmetadata: {name: else,"),
  ])
  func `a waypoint that goes, or is another, is never nothing`(_ old: String, _ new: String) throws {
    try withSandbox { sandbox in
      #expect(Self.set.contains(old))
      let one = try sandbox.write(Self.set, to: "one/all.yaml")
      let two = try sandbox.write(Self.set.replacingOccurrences(of: old, with: new), to: "two/all.yaml")
      for (before, after) in [(one, two), (two, one)] {
        let run = try sandbox.portcullis("diff", before, after)
        #expect(run.code == 3 && run.output.contains("not complete"), "\(new): \(run.code) \(run.output)\(run.errors)")
        let strict = try sandbox.portcullis("verify", "--policies", after, "--invariant", "at-least-as-strict", "--before", before)
        #expect(strict.code == 3, "\(new): \(strict.output)\(strict.errors)")
      }
      #expect(try sandbox.portcullis("diff", one, one).code == 0)
      #expect(try sandbox.portcullis("diff", two, two).code == 0)
    }
  }

  @Test(arguments: [
    // Kept out at the pods, let in by the waypoint: found by the name of a workload too.
    ("{destination: {workloads: [shop/backend]}, from: [{source: {notNamespaces: [shop]}}], expect: deny}", "", 1),
    ("{destination: {selector: {matchLabels: {app: backend}}}, from: [{source: {notNamespaces: [shop]}}], expect: deny}", "", 1),
    (
      "{destination: {workloads: [shop/backend]}, from: [{source: {namespaces: [web]}}], to: [{operation: {methods: [GET]}}], expect: allow}",
      "", 0
    ),
    // The waypoint lets them in, and the pods refuse the waypoint.
    (
      "{destination: {workloads: [shop/backend]}, to: [{operation: {methods: [GET]}}], from: [{source: {namespaces: [web]}}], expect: allow}",
      "sa/wp", 1
    ),
    // Nobody is behind a waypoint that takes nothing.
    ("{destination: {workloads: [shop/backend]}, from: [{source: {namespaces: [web]}}], expect: allow}", "waypoint-for: service", 1),
    // To ztunnel a request is its connection, also where an invariant is about HTTP alone.
    ("{destination: {workloads: [shop/deployment/backend]}, from: [{source: {namespaces: [shop]}}], chain: http, expect: deny}", "", 1),
    // One of several names that is nothing.
    (
      "{destination: {workloads: [shop/backend, shop/backnd]}, to: [{operation: {methods: [DELETE]}}], from: [{source: {namespaces: [web]}}], expect: deny}",
      "", 3
    ),
  ])
  func `what an invariant says of what is behind a waypoint`(_ spec: String, _ change: String, _ code: Int32) throws {
    try withSandbox { sandbox in
      var set = Self.set + Self.onlyWaypoint
      if change == "sa/wp" { set = set.replacingOccurrences(of: "sa/wp", with: "sa/other") }
      if change == "waypoint-for: service" { set = set.replacingOccurrences(of: change, with: "waypoint-for: none") }
      let policies = try sandbox.write(set, to: "all.yaml")
      let file = try sandbox.write(`portcullis verify`.invariant(spec), to: "invariants.yaml")
      let run = try sandbox.portcullis("verify", "--policies", policies, "--invariants", file)
      #expect(run.code == code, "\(spec): \(run.code) \(run.output)\(run.errors)")
    }
  }

  @Test func `a waypoint that the files do not hold is no proof of anything`() throws {
    try withSandbox { sandbox in
      let set = (Self.set + Self.onlyWaypoint).replacingOccurrences(
        of: "kind: Gateway\nmetadata: {name: wp,", with: "kind: Gateway\nmetadata: {name: else,")
      let policies = try sandbox.write(set, to: "all.yaml")
      for words in [["verify", "--invariant", "no-anonymous-access"], ["who-can", "--to", "shop/backend"], ["who-can", "--all"]] {
        let run = try sandbox.portcullis([words[0], "--policies", policies] + words.dropFirst())
        #expect(run.code == 3 && run.output.contains("a waypoint that the files do not hold"), "\(words): \(run.output)\(run.errors)")
      }
    }
  }
}
