// A waypoint decides behind its own listener, where there is no certificate any more, and no client's address.

internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `calls through a waypoint` {
    private static func policy(_ name: String, _ reference: String, namespace: String = "shop", _ rest: String) -> String {
      """
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: \(name), namespace: \(namespace)}
      spec: {targetRefs: [\(reference)], \(rest)}

      """
    }

    private static func rule(_ path: String, from source: String) -> String {
      "{from: [{source: {\(source)}}], to: [{operation: {paths: [\(path)]}}]}"
    }

    private static let policies =
      """
      apiVersion: gateway.networking.k8s.io/v1
      kind: Gateway
      metadata: {name: wp, namespace: infra}
      spec: {gatewayClassName: istio-waypoint}

      """
      + policy(
        "web", "{kind: Service, name: web}",
        "rules: ["
          + [
            rule("/exact", from: "principals: [cluster.local/ns/a/sa/b]"), rule("/second", from: "principals: [cluster.local/ns/d/sa/c]"),
            rule("/prefix", from: "principals: ['cluster.local/ns/a/*']"), rule("/suffix", from: "principals: ['*/sa/c']"),
            rule("/namespace", from: "namespaces: [d]"), rule("/not", from: "notPrincipals: [cluster.local/ns/a/sa/b]"),
            rule("/account", from: "serviceAccounts: [a/b]"), rule("/domain", from: "trustDomains: [cluster.local]"),
            rule("/source", from: "ipBlocks: [127.0.0.0/8]"), rule("/not-source", from: "notIpBlocks: [127.0.0.0/8]"),
            rule("/remote", from: "remoteIpBlocks: [127.0.0.0/8]"), "{to: [{operation: {paths: [/port], ports: ['8080']}}]}",
            "{to: [{operation: {paths: [/other-port], ports: ['80']}}]}",
          ].joined(separator: ", ") + "]")
      + policy("api", "{kind: Service, name: api}", "action: DENY, rules: [{to: [{operation: {paths: [/exact]}}]}]")
      + policy("db", "{kind: Service, name: db}", "rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}]}]")

    private static let gatewayPolicy =
      policy(
        "wp", "{group: gateway.networking.k8s.io, kind: Gateway, name: wp}", namespace: "infra",
        "action: DENY, rules: [{to: [{operation: {paths: [/closed]}}]}]")

    private static let paths = [
      "/exact", "/second", "/prefix", "/suffix", "/namespace", "/not", "/account", "/domain", "/source", "/not-source", "/remote", "/port",
      "/other-port", "/closed", "/",
    ]

    /// What is allowed to whom, where a service has policies of its own.
    private static let allowed: [WaypointPeer: Set<String>] = [
      .one: ["/exact", "/prefix", "/account", "/domain", "/not-source", "/remote", "/port"],
      // Both names are one text: a whole name is not found in it, the first begins it, the last ends it.
      .two: ["/prefix", "/suffix", "/namespace", "/not", "/domain", "/not-source", "/remote", "/port"],
      .none: [],
    ]

    @Test func `are decided by who ended the tunnel at its first listener, and by the service, as Envoy's own filters decide`() throws {
      try withSandbox { sandbox in
        let waypoint = try WaypointProxy(in: sandbox, policies: Self.policies + Self.gatewayPolicy)
        try waitUntil("an answer through the tunnel", detail: { sandbox.logs }) {
          try HTTPClient(port: waypoint.port(.one, .web, .ask)).request("/exact").status == 200
        }
        for service in [WaypointService.web, .api, .none] {
          for peer in WaypointPeer.allCases {
            let asking = HTTPClient(port: waypoint.port(peer, service, .ask))
            let native = HTTPClient(port: waypoint.port(peer, service, .rbac))
            for path in Self.paths {
              let isAllowed =
                switch service {
                case .web: Self.allowed[peer]?.contains(path) == true
                case .api: peer != .none && path != "/exact" && path != "/closed"
                case .db, .none: peer != .none && path != "/closed"
                }
              let place = "\(peer) calls \(service) \(path)"
              #expect(try asking.request(path).status == (isAllowed ? 200 : 403), "\(place)")
              // Envoy's filters take a peer without any URI name for one of that name.
              if peer != .none { #expect(try native.request(path).status == (isAllowed ? 200 : 403), "\(place), natively") }
            }
          }
        }
      }
    }

    @Test func `over TCP are decided in the same way`() throws {
      try withSandbox { sandbox in
        // Without the DENY policy about paths, which on TCP denies everything.
        let waypoint = try WaypointProxy(in: sandbox, policies: Self.policies)
        for side in WaypointSide.allCases {
          for peer in WaypointPeer.allCases {
            let connection = try Connection(port: waypoint.port(peer, .db, side))
            try connection.send(Array("select 1".utf8))
            let answer = try peer == .one ? connection.receive() : connection.receiveUntilClosed()
            #expect(String(decoding: answer, as: UTF8.self) == (peer == .one ? "select 1" : ""), "\(peer) \(side)")
          }
        }
      }
    }
  }
}
