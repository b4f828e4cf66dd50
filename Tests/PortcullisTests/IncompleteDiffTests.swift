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
    (
      "a gateway that is asked about as a sidecar",
      policy("g", "{selector: {matchLabels: {istio: ingressgateway}}, action: DENY, rules: [{}]}"),
      workload("api") + workload("in", "istio: ingressgateway"), "is a gateway"
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

  @Test func `holds is said of no gateway, of no pod without a proxy, and of no ambient workload, as of sidecars`() throws {
    try withSandbox { sandbox throws in
      let strict = Self.policy("default", "{mtls: {mode: STRICT}}", kind: "PeerAuthentication") + Self.allow
      for labels in ["istio: ingressgateway", "sidecar.istio.io/inject: \"false\"", "istio.io/dataplane-mode: ambient"] {
        let path = try sandbox.write(strict + Self.workload("api") + Self.workload("other", labels), to: "one/all.yaml")
        let run = try sandbox.portcullis("verify", "--policies", path, "--invariant", "no-anonymous-access")
        #expect(
          run.code == 3 && run.output.hasPrefix("not complete  no-anonymous-access"), "\(labels): \(run.code) \(run.output)\(run.errors)")
      }
    }
  }
}
