// A waypoint asks: what it is, what is addressed, and who called.

internal import ExtAuthzServer
internal import PolicyEngine
internal import PolicyModel
internal import Testing

@Suite struct `A waypoint's request` {
  private static func target(_ name: String, _ reference: String, namespace: String = "shop", _ rest: String) -> String {
    """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: \(name), namespace: \(namespace)}
    spec: {targetRefs: [\(reference)], \(rest)}
    ---

    """
  }

  private static let yaml =
    """
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: wp, namespace: infra}
    spec: {gatewayClassName: istio-waypoint}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: own, namespace: infra, labels: {gateway.networking.k8s.io/gateway-name: own}}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: empty}
    ---

    """ + deployment("infra", "plain")
    + target("web", "{kind: Service, name: web}", "action: DENY, rules: [{to: [{operation: {paths: [/web]}}]}]")
    + target(
      "entry", "{group: networking.istio.io, kind: ServiceEntry, name: web}",
      "action: DENY, rules: [{to: [{operation: {paths: [/entry]}}]}]")
    + target(
      "own", "{group: gateway.networking.k8s.io, kind: Gateway, name: own}", namespace: "infra",
      "action: DENY, rules: [{to: [{operation: {paths: [/own]}}]}]")
    + target(
      "wp", "{group: gateway.networking.k8s.io, kind: Gateway, name: wp}", namespace: "infra",
      "action: DENY, rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}], to: [{operation: {paths: [/peer]}}]}]")
    + authorization("selector", app: "web", "action: DENY, rules: [{}]")

  private func server(_ change: (inout Belief) -> Void = { _ in }) throws -> TestServer { try TestServer(Self.yaml, believing: change) }

  private func asking(_ path: String, _ hints: (String, String)...) -> CheckMessage {
    CheckMessage().with {
      $0.principal = "spiffe://cluster.local/ns/a/sa/b"
      $0.http = .init(path: path)
      $0.extensions = [("portcullis.profile", "waypoint")] + hints.map { ("portcullis.\($0.0)", $0.1) }
    }
  }

  @Test func `is decided by the policies of the service that is addressed`() throws {
    let server = try server()
    let wp = ("workload", "infra/wp")
    #expect(try server.ask(asking("/web", wp, ("service", "shop/web"))).policy == rule("web"))
    #expect(try server.ask(asking("/web", wp, ("service", "shop/Service/web"))).policy == rule("web"))
    #expect(try server.ask(asking("/entry", wp, ("service", "shop/serviceentry/web"))).policy == rule("entry"))
    for service in ["shop/db", "infra/web", "shop/serviceentry/web", "none"] {
      let reason = try server.reason(asking("/web", wp, ("service", service)))
      #expect(reason == "allowed-by-default", "\(service)")
    }
    // The same again, now from memory.
    #expect(try server.ask(asking("/web", wp, ("service", "shop/web"))).policy == rule("web"))
  }

  @Test func `is decided by the policies of the waypoint, whatever form names it`() throws {
    let server = try server()
    let labels = ("labels", "gateway.networking.k8s.io/gateway-name=own")
    for hints in [[("workload", "infra/own")], [("workload", "infra/pod/own")], [("namespace", "infra"), labels]] {
      let message = asking("/own", ("service", "shop/web")).with { message in
        message.extensions += hints.map { ("portcullis.\($0.0)", $0.1) }
      }
      #expect(try server.ask(message).policy == rule("own", namespace: "infra"), "\(hints)")
    }
    #expect(try server.reason(asking("/own", ("workload", "infra/wp"), ("service", "none"))) == "allowed-by-default")
    // Both forms must mean the same, also when one of them is remembered.
    for _ in 0..<2 {
      #expect(try server.reason(asking("/", ("workload", "infra/own"), ("service", "none"))) == "allowed-by-default")
      let contradiction = asking("/", ("workload", "infra/own"), ("service", "none"), ("namespace", "infra"), ("labels", "app=x"))
      #expect(try server.reason(contradiction) == "bad-hint")
      let other = asking("/", ("workload", "infra/own"), ("service", "none"), ("namespace", "shop"), labels)
      #expect(try server.reason(other) == "bad-hint")
    }
  }

  @Test func `is denied when it does not say what is addressed, or says it wrong`() throws {
    let server = try server()
    let wp = ("workload", "infra/wp")
    #expect(try server.reason(asking("/web", wp)) == "unknown-service")
    #expect(try server.reason(asking("/web", wp, ("service", "nowhere/web"))) == "unknown-service")
    for service in ["web", "shop/", "/web", "shop/pod/web", "shop/service/web/x", "", "shop//web"] {
      #expect(try server.reason(asking("/web", wp, ("service", service))) == "bad-hint", "\(service)")
    }
    let named = asking("/web", wp, ("service", "shop/web"))
    #expect(try server.reason(named, metadata: [("x-portcullis-service", "shop/db")]) == "bad-hint")
    #expect(try server.reason(named, metadata: [("x-portcullis-service", "shop/service/web")]) == "denied-by-policy")
    #expect(try server.reason(asking("/web", ("workload", "infra/plain"), ("service", "none"))) == "unknown-workload")
    #expect(try server.reason(asking("/web", ("service", "none"))) == "unknown-workload")
    let sidecar = CheckMessage(to: "infra/plain")
    for hint in [("service", "shop/web"), ("peer", "spiffe://cluster.local/ns/a/sa/b")] {
      #expect(try server.reason(sidecar.with { $0.extensions.append(("portcullis.\(hint.0)", hint.1)) }) == "bad-hint")
    }
  }

  @Test func `knows its peer by the hint, because its own connection has none`() throws {
    let server = try server()
    let names = [("workload", "infra/wp"), ("service", "none")]
    func reason(_ peer: String?, _ change: (inout CheckMessage) -> Void = { _ in }) throws -> String {
      let message = CheckMessage().with {
        $0.http = .init(path: "/peer")
        $0.extensions = [("portcullis.profile", "waypoint")] + names.map { ("portcullis.\($0.0)", $0.1) }
        change(&$0)
      }
      return try server.reason(message, metadata: peer.map { [("x-portcullis-peer", $0)] } ?? [])
    }
    #expect(try reason(nil) == "mtls-required")
    #expect(try reason("-") == "mtls-required")
    #expect(try reason("spiffe://elsewhere/ns/a/sa/b") == "untrusted-domain")
    #expect(try reason("spiffe://cluster.local/ns/a/sa/b") == "denied-by-policy")
    // Several URI names are one text, in which no exact value is found.
    #expect(try reason("spiffe://cluster.local/ns/a/sa/b,spiffe://cluster.local/ns/a/sa/c") == "allowed-by-default")
    #expect(try reason("spiffe://cluster.local/ns/a/sa/c") == "allowed-by-default")
    #expect(try reason("spiffe://cluster.local/ns/a/sa/b") { $0.extensions.append(("portcullis.peer", "x")) } == "bad-hint")
    let strict = try self.server { $0.peerIdentity = .certificate }
    let message = asking("/peer", ("workload", "infra/wp"), ("service", "none"), ("peer", "spiffe://cluster.local/ns/a/sa/b"))
    #expect(try strict.reason(message) == "peer-certificate-missing")
  }

  @Test func `at a pinned server must be the pinned waypoint's`() throws {
    let server = try server { $0.workload = "infra/wp" }
    #expect(try server.ask(asking("/web", ("service", "shop/web"))).policy == rule("web"))
    #expect(try server.reason(asking("/web", ("service", "shop/web"), ("workload", "infra/own"))) == "wrong-workload")
    #expect(try server.reason(asking("/web", ("service", "shop/web"), ("workload", "infra/gateway/wp"))) == "denied-by-policy")
  }
}
