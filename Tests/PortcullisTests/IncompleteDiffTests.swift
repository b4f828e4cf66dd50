// What a comparison does not see must be said: "nothing changes" with exit code 0 is only for sets of which everything that differs was compared.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `A comparison that does not see everything says so` {
  static let workload = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: NAME, namespace: shop}
    spec: {selector: {matchLabels: {app: NAME}}, template: {metadata: {labels: {LABELS}}, spec: {containers: [{name: a, image: b}]}}}
    ---

    """

  static func workload(_ name: String, _ labels: String? = nil) -> String {
    workload.replacingOccurrences(of: "LABELS", with: labels ?? "app: \(name)").replacingOccurrences(of: "NAME", with: name)
  }

  static func policy(_ name: String, _ spec: String, kind: String = "AuthorizationPolicy") -> String {
    "apiVersion: security.istio.io/v1\nkind: \(kind)\nmetadata: {name: \(name), namespace: shop}\nspec: \(spec)\n---\n"
  }

  static let allow = policy("allow", "{action: ALLOW, rules: [{}]}")
  static let token = #"{jwtRules: [{issuer: "https://a", jwksUri: "https://a/k"}]}"#

  @Test(arguments: [
    (
      "a policy for a service's waypoint",
      policy("w", "{targetRefs: [{kind: Service, group: \"\", name: reviews}], action: DENY, rules: [{}]}"), workload("api"),
      "is for gateways or waypoints"
    ),
    ("a RequestAuthentication", policy("t", token, kind: "RequestAuthentication"), workload("api"), "RequestAuthentications differ"),
    (
      "mutual TLS switched off", policy("m", "{mtls: {mode: DISABLE}}", kind: "PeerAuthentication"), workload("api"),
      "switches mutual TLS off"
    ),
  ])
  func `and does not answer 0`(_ name: String, _ change: String, _ workloads: String, _ reason: String) throws {
    try withSandbox { sandbox throws in
      let before = try sandbox.write(workloads + Self.allow, to: "before/all.yaml")
      let after = try sandbox.write(workloads + Self.allow + change, to: "after/all.yaml")
      for (one, two) in [(before, after), (after, before)] {
        let run = try sandbox.portcullis("diff", one, two)
        #expect(
          run.code != 0 && run.output.contains("not complete") && run.output.contains(reason),
          "\(name): \(run.code) \(run.output)\(run.errors)")
      }
      // The same on both sides changes nothing, whatever nobody looked at.
      #expect(try sandbox.portcullis("diff", after, after).code == 0, "\(name)")
    }
  }

  @Test func `each workload is asked about as the proxy that it has`() throws {
    try withSandbox { sandbox throws in
      let strict = Self.policy("default", "{mtls: {mode: STRICT}}", kind: "PeerAuthentication") + Self.allow
      // PeerAuthentication is nothing to a gateway; ztunnel follows it; where there is no proxy, nobody does.
      for (labels, code, answer) in [
        ("istio: ingressgateway", Int32(1), "broken"), ("istio.io/dataplane-mode: ambient", 0, "holds"),
        ("sidecar.istio.io/inject: \"false\"", 3, "not complete"), ("app: other", 0, "holds"),
      ] {
        let path = try sandbox.write(strict + Self.workload("api") + Self.workload("other", labels), to: "one/all.yaml")
        let run = try sandbox.portcullis("verify", "--policies", path, "--invariant", "no-anonymous-access")
        #expect(
          run.code == code && run.output.hasPrefix("\(answer)  no-anonymous-access"), "\(labels): \(run.code) \(run.output)\(run.errors)")
      }
      let closed = Self.policy("g", "{selector: {matchLabels: {istio: ingressgateway}}, action: DENY, rules: [{}]}")
      let gateway = Self.workload("in", "istio: ingressgateway")
      let before = try sandbox.write(gateway + Self.allow, to: "before/all.yaml")
      let after = try sandbox.write(gateway + Self.allow + closed, to: "after/all.yaml")
      let report = try sandbox.portcullis("diff", before, after, "--output", "json").json()
      #expect(report["complete"] as? Bool == true)
      let text = try sandbox.portcullis("diff", before, after)
      #expect(text.code == 1 && text.output.contains(#""profile":"gateway""#), "\(text.output)")
    }
  }

  @Test func `a workload that changes its kind of proxy is not compared, and that is said`() throws {
    try withSandbox { sandbox throws in
      let before = try sandbox.write(Self.workload("api") + Self.allow, to: "before/all.yaml")
      let after = try sandbox.write(
        Self.workload("api", "app: api, istio.io/dataplane-mode: ambient") + Self.allow, to: "after/all.yaml")
      let run = try sandbox.portcullis("diff", before, after)
      #expect(run.code == 3 && run.output.contains("another kind of proxy on each side"), "\(run.output)\(run.errors)")
    }
  }

  @Test func `no proxy on either side is nothing that changes`() throws {
    try withSandbox { sandbox throws in
      let bare = Self.workload("bare", "sidecar.istio.io/inject: \"false\"")
      let before = try sandbox.write(bare + Self.workload("api") + Self.allow, to: "before/all.yaml")
      let after = try sandbox.write(
        bare + Self.workload("api") + Self.allow + Self.policy("d", "{action: DENY, rules: [{from: [{source: {namespaces: [x]}}]}]}"),
        to: "after/all.yaml")
      let run = try sandbox.portcullis("diff", before, after)
      #expect(run.code == 1 && run.output.contains("note: nothing enforces policies at shop/deployment/bare"), "\(run.output)")
      #expect(!run.output.contains("not complete"), "\(run.output)")
    }
  }

  @Test(arguments: [
    (
      "{selector: {matchLabels: {app: api}}, mtls: {mode: PERMISSIVE}}", "{selector: {matchLabels: {app: other}}, mtls: {mode: PERMISSIVE}}"
    ),
    ("{selector: {matchLabels: {app: api}}, mtls: {mode: PERMISSIVE}}", "{selector: {matchLabels: {app: api}}, mtls: {mode: UNSET}}"),
  ])
  func `mutual TLS that is off by inheritance is told like any other`(_ old: String, _ new: String) throws {
    try withSandbox { sandbox throws in
      func set(_ own: String) -> String {
        Self.workload("api") + Self.allow + Self.policy("default", "{mtls: {mode: DISABLE}}", kind: "PeerAuthentication")
          + Self.policy("own", own, kind: "PeerAuthentication")
      }
      let before = try sandbox.write(set(old), to: "before/all.yaml")
      let after = try sandbox.write(set(new), to: "after/all.yaml")
      let run = try sandbox.portcullis("diff", before, after)
      #expect(run.code == 3 && run.output.contains("switches mutual TLS off"), "\(run.output)\(run.errors)")
    }
  }

  @Test func `where several providers are asked, who is asked about what counts`() throws {
    try withSandbox { sandbox throws in
      func ask(_ provider: String, _ path: String) -> String {
        Self.policy("\(provider)", "{action: CUSTOM, provider: {name: \(provider)}, rules: [{to: [{operation: {paths: [\(path)]}}]}]}")
      }
      let before = try sandbox.write(Self.workload("api") + ask("pa", "/a") + ask("pb", "/b"), to: "before/all.yaml")
      let after = try sandbox.write(Self.workload("api") + ask("pa", "/b") + ask("pb", "/a"), to: "after/all.yaml")
      let run = try sandbox.portcullis("diff", before, after, "--several-custom-providers")
      #expect(run.code == 3 && run.output.contains("other providers are asked"), "\(run.output)\(run.errors)")
    }
  }

  @Test func `a claim with a tab, a server name with a blank and a namespace that is ambient are requests like others`() throws {
    try withSandbox { sandbox throws in
      for (condition, value) in [("request.auth.claims[foo]", "a\\tb"), ("connection.sni", "a b")] {
        let more = Self.policy("more", "{rules: [{when: [{key: \"\(condition)\", values: [\"\(value)\"]}]}]}")
        let base = Self.workload("api") + Self.policy("base", "{rules: [{when: [{key: \"\(condition)\", values: [x]}]}]}")
        let before = try sandbox.write(base, to: "before/all.yaml")
        let after = try sandbox.write(base + more, to: "after/all.yaml")
        let run = try sandbox.portcullis("diff", before, after)
        #expect(run.code == 1 && run.output.contains("newly allowed"), "\(condition): \(run.output)\(run.errors)")
      }
      let ambient = "apiVersion: v1\nkind: Namespace\nmetadata: {name: amb, labels: {istio.io/dataplane-mode: ambient}}\n---\n"
      func stop(_ selector: String) -> String {
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: r, namespace: istio-system}\n"
          + "spec: {\(selector)action: DENY, rules: [{from: [{source: {namespaces: [bad]}}]}]}\n"
      }
      let before = try sandbox.write(ambient + stop(""), to: "one/all.yaml")
      let after = try sandbox.write(ambient + stop("selector: {}, "), to: "two/all.yaml")
      let run = try sandbox.portcullis("diff", before, after)
      #expect(run.code == 1 && run.output.contains("newly allowed  amb/any workload, "), "\(run.output)\(run.errors)")
    }
  }
}
