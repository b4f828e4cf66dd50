// `--profile waypoint`: a waypoint, by its Gateway or its pod, and the service that it is asked for.
// Enters: policies of services, of the Gateway and of its class. Leaves: decisions and explanations.
// Never here: which reference attaches to what; the engine's tests and the corpus hold that.

internal import Foundation
internal import TestSupport
internal import Testing

/// The waypoint, a service behind it, and policies for both.
private let world = """
  apiVersion: gateway.networking.k8s.io/v1
  kind: Gateway
  metadata: {name: waypoint, namespace: shop}
  spec: {gatewayClassName: istio-waypoint}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: waypoint-1, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: waypoint}}
  spec: {containers: []}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: other, namespace: shop}
  ---
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: backend, namespace: shop}
  spec:
    targetRefs: [{kind: Service, group: "", name: backend}]
    rules: [{from: [{source: {serviceAccounts: [frontend-sa]}}]}]
  ---
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: no-guest, namespace: shop}
  spec:
    action: DENY
    targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}]
    rules: [{from: [{source: {serviceAccounts: [guest]}}]}]
  ---
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: outside, namespace: shop}
  spec:
    targetRefs: [{kind: ServiceEntry, group: networking.istio.io, name: outside}]
    rules: [{from: [{source: {serviceAccounts: [backend-sa]}}]}]

  """

extension Sandbox {
  /// Asks a waypoint of the shop.
  fileprivate func ask(_ verb: String = "check", _ waypoint: String = "shop/waypoint", from: String, _ more: String...) throws -> Run {
    let path = try write(world, to: "waypoint.yaml")
    return try portcullis(
      [verb, "--policies", path, "--policies", Self.shop, "--from", from, "--to", waypoint, "--profile", "waypoint"] + more)
  }
}

@Suite struct `Asking what a waypoint would decide` {
  @Test(arguments: ["shop/waypoint", "shop/gateway/waypoint", "shop/Gateway/waypoint", "shop/waypoint-1", "shop/pod/waypoint-1"])
  func `by its Gateway or by a pod of it`(_ name: String) throws {
    try withSandbox { sandbox throws in
      let allowed = try sandbox.ask("check", name, from: "shop/frontend-sa", "--service", "shop/backend")
      #expect(allowed.code == 0 && allowed.output.contains("  policy    ns[shop]-policy[backend]-rule[0] (ALLOW)\n"), "\(allowed.errors)")
      #expect(try sandbox.ask("check", name, from: "shop/backend-sa", "--service", "shop/backend").code == 1)
    }
  }

  @Test(
    arguments: [
      ("shop/backend", [0, 1, 1]), ("shop/service/backend", [0, 1, 1]), ("shop/serviceentry/outside", [1, 0, 1]),
      ("shop/other", [0, 0, 1]),
      ("none", [0, 0, 1]),
    ] as [(String, [Int32])])
  func `for a service, for a ServiceEntry, or for a workload's own address`(_ service: String, _ codes: [Int32]) throws {
    try withSandbox { sandbox throws in
      let found = try ["shop/frontend-sa", "shop/backend-sa", "shop/guest"].map { try sandbox.ask(from: $0, "--service", service).code }
      #expect(found == codes)
    }
  }

  @Test func `the service must be said, and only where a waypoint is asked`() throws {
    try withSandbox { sandbox throws in
      let silent = try sandbox.ask(from: "shop/frontend-sa")
      #expect(silent.code == 2 && silent.errors.hasPrefix("error: which service is the waypoint asked for?\n  = help: give `service`: "))
      let sidecar = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/backend", "--service", "shop/backend")
      #expect(sidecar.code == 2 && sidecar.errors.hasPrefix("error: only a waypoint is asked for a service\n"), "\(sidecar.errors)")
      let malformed = try sandbox.ask(from: "shop/frontend-sa", "--service", "backend")
      #expect(malformed.code == 2 && malformed.errors.hasPrefix("error: `backend` is not a service\n"), "\(malformed.errors)")
      let none = try sandbox.ask("check", "shop/backend", from: "shop/frontend-sa", "--service", "shop/backend")
      #expect(none.code == 2 && none.errors.hasPrefix("error: no waypoint `shop/backend` in the given files\n"), "\(none.errors)")
    }
  }

  @Test(arguments: ["shop/bakend", "shpo/backend", "shop/serviceentry/backend"])
  func `a service that nothing knows is a slip, not one without policies`(_ service: String) throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.ask(from: "shop/guests", "--service", service)
      #expect(run.code == 2 && run.errors.hasPrefix("error: no service `\(service)` in the given files\n  = help: "), "\(run.errors)")
    }
  }

  @Test func `a peer without identity never passes HBONE`() throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.ask("explain", from: "anonymous", "--service", "shop/other")
      #expect(run.code == 1 && run.output.contains("  reason    mtls-required: "), "\(run.output)")
      #expect(run.output.contains("\nmTLS      always, by HBONE: the peer is denied before any policy (mtls-required)\n"))
      let json = try sandbox.ask("explain", from: "anonymous", "--service", "shop/other", "--output", "json").json()
      let mode = json["server_mode"] as? [String: Any]
      #expect(mode?["mode"] as? String == "HBONE" && mode?["outcome"] as? String == "deny", "\(json)")
      #expect(mode?["reason"] as? String == "mtls-required" && mode?["set_by"] is NSNull)
      let passes = try sandbox.ask("explain", from: "shop/frontend-sa", "--service", "shop/backend")
      #expect(passes.output.contains("\nmTLS      always, by HBONE: the peer has an identity of the mesh and passes\n"), "\(passes.output)")
      // The shop's own policies have selectors, which a waypoint does not know.
      #expect(passes.output.contains("\n3 policies apply elsewhere, not to this workload\n"))
    }
  }

  @Test func `lines of a file name the service, or null for a workload's own address`() throws {
    try withSandbox { sandbox throws in
      let path = try sandbox.write(world, to: "waypoint.yaml")
      let labels = #""namespace": "shop", "labels": {"gateway.networking.k8s.io/gateway-name": "waypoint"}"#
      let destinations = [
        #""workload": "shop/waypoint", "service": "shop/backend""#, #""workload": "shop/waypoint", "service": null"#,
        labels + #", "service": "shop/backend""#, labels + #", "service": "none""#,
      ]
      let lines = destinations.map {
        #"{"source": {"principal": "spiffe://cluster.local/ns/shop/sa/backend-sa"}, "destination": {"profile": "waypoint", \#($0)}, "http": {}}"#
      }
      let requests = try sandbox.write(lines.joined(separator: "\n"), to: "requests.jsonl")
      let run = try sandbox.portcullis("check", "--policies", path, "--policies", Sandbox.shop, "--requests", requests)
      #expect(run.lines.map { $0.prefix { $0 != " " } } == ["deny", "allow", "deny", "allow"], "\(run.output)\(run.errors)")
    }
  }
}
