// `portcullis export envoy-rbac` as the operator meets it: the text is complete, Envoy accepts it, and what cannot be exported is refused.

internal import Foundation
internal import TestSupport
internal import Testing

extension `Portcullis and a real Envoy` {
  @Suite struct `the command that exports native filters` {
    private static let policies = """
      apiVersion: v1
      kind: Pod
      metadata: {name: backend, namespace: shop, labels: {app: backend}}
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: deny, namespace: istio-system, annotations: {istio.io/dry-run: "true"}}
      spec:
        action: DENY
        rules:
        - {from: [{source: {notNamespaces: ["a.b*"]}}], to: [{operation: {paths: ["/x/{*}/y", "/z*"], ports: ["8080"]}}]}
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: allow, namespace: shop}
      spec:
        rules:
        - {from: [{source: {principals: ["cluster.local/ns/shop/sa/frontend"], ipBlocks: ["10.9.9.9/8"]}}]}
        - {when: [{key: "request.auth.claims[a][b]", values: ["x\\"y é"]}, {key: connection.sni, notValues: ["*.b"]}]}

      """

    private func export(_ arguments: [String], policies: String = policies, in sandbox: Sandbox) throws
      -> (end: ProcessEnd, output: String, errors: String)
    {
      let file = try sandbox.write(policies, to: "policies.yaml")
      return try sandbox.run(
        Programs.portcullis(), ["export", "envoy-rbac", "--policies", file, "--workload", "shop/backend"] + arguments)
    }

    @Test(arguments: [false, true])
    func `Envoy accepts its output`(isTCP: Bool) throws {
      try withSandbox { sandbox in
        func part(_ name: String) throws -> String {
          let result = try export((isTCP ? ["--tcp"] : []) + ["--only", name], in: sandbox)
          #expect(result.end == .exited(0), "\(result.errors)")
          return result.output
        }
        func indented(_ text: String, _ width: Int) -> String {
          text.split(separator: "\n").map { String(repeating: " ", count: width) + $0 }.joined(separator: "\n")
        }
        let type = "type.googleapis.com/envoy.extensions.filters"
        let last =
          isTCP
          ? """
                - {name: echo, typed_config: {"@type": \(type).network.echo.v3.Echo}}
          """
          : """
                - name: http
                  typed_config:
                    "@type": \(type).network.http_connection_manager.v3.HttpConnectionManager
                    stat_prefix: http
          \(indented(try part("hcm"), 10))
                    http_filters:
          \(indented(try part("http-filter"), 10))
                    - {name: router, typed_config: {"@type": \(type).http.router.v3.Router}}
                    route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: "/"}, direct_response: {status: 200}}]}]}
          """
        let filters = isTCP ? indented(try part("network-filter"), 6) + "\n" : ""
        let configuration = """
          static_resources:
            listeners:
            - address: {socket_address: {address: 127.0.0.1, port_value: 1}}
              filter_chains:
              - filters:
          \(filters)\(last)
          """
        #expect(try Envoy.complaint(about: configuration, in: sandbox) == nil)
        #expect(configuration.contains("\"ns[shop]-policy[allow]-rule[0]\""))
        #expect(configuration.contains("shadow_rules_stat_prefix: istio_dry_run_deny_"))
        // On TCP the second rule tests what is not there, and an ALLOW rule that does goes.
        #expect(configuration.contains("\"ns[shop]-policy[allow]-rule[1]\"") == !isTCP)
        let misspelt = configuration.replacing("\"prefix_len\"", with: "\"prefix_length\"")
        #expect(try Envoy.complaint(about: misspelt, in: sandbox)?.contains("prefix_length") == true)
      }
    }

    @Test func `a provider that nobody asks is refused, and one that the proxy asks is mentioned`() throws {
      try withSandbox { sandbox in
        let custom = """
          ---
          apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: ask, namespace: shop}
          spec: {action: CUSTOM, provider: {name: other}, rules: [{}]}

          """
        let refused = try export([], policies: Self.policies + custom, in: sandbox)
        #expect(refused.end == .exited(2))
        #expect(refused.output == "")
        #expect(refused.errors.contains("--custom-delegated"))
        let delegated = try export(["--custom-delegated", "other"], policies: Self.policies + custom, in: sandbox)
        #expect(delegated.end == .exited(0))
        #expect(delegated.output.contains("shop/ask"))
      }
    }

    @Test func `rules of CUSTOM that no provider can answer deny, before all others, and skipped ones do nothing`() throws {
      try withSandbox { sandbox in
        func custom(_ name: String, _ provider: String, annotations: String = "") -> String {
          """
          ---
          apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: \(name), namespace: shop, annotations: {\(annotations)}}
          spec: {action: CUSTOM, provider: {name: \(provider)}, rules: [{}]}

          """
        }
        let mesh = try sandbox.write(
          "extensionProviders: [{name: web, envoyExtAuthzHttp: {service: a.b.svc, port: 80}}]\n", to: "mesh.yaml")
        func rules(_ arguments: [String], _ policies: String) throws -> [Substring] {
          let result = try export(["--mesh-config", mesh] + arguments, policies: Self.policies + policies, in: sandbox)
          #expect(result.end == .exited(0), "\(result.errors)")
          return result.output.split(separator: "\n").filter { $0.contains(" action: ") || $0.contains("\"ns[") }
            .map { $0.drop { $0 == " " } }
        }
        // The other policies' DENY rules are in dry run.
        let front = ["action: DENY", "\"ns[shop]-policy[ask]-rule[0]\":", "action: DENY"]
        #expect(try rules([], custom("ask", "nobody")).prefix(3).map { String($0) } == front)
        let two = try rules(["--custom-delegated", "web"], custom("ask", "nobody") + custom("other", "web"))
        #expect(two.prefix(3).map { String($0) } == [front[0], front[1], "\"ns[shop]-policy[other]-rule[0]\":"])
        let none = try rules([], "")
        #expect(try rules(["--tcp"], custom("ask", "web")) == rules(["--tcp"], ""))
        #expect(try rules(["--custom-delegated", "web"], custom("ask", "web")) == none)
      }
    }

    @Test func `a waypoint's filters are those of its service, and compare the peer that its other listener keeps`() throws {
      try withSandbox { sandbox in
        let gateway = """
          ---
          apiVersion: gateway.networking.k8s.io/v1
          kind: Gateway
          metadata: {name: wp, namespace: infra}
          spec: {gatewayClassName: istio-waypoint}
          ---
          apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: web, namespace: shop}
          spec: {targetRefs: [{kind: Service, name: web}], rules: [{from: [{source: {principals: [a/b/c/d/e]}}]}]}

          """
        func export(_ workload: String, _ service: String) throws -> (end: ProcessEnd, output: String, errors: String) {
          let file = try sandbox.write(Self.policies + gateway, to: "policies.yaml")
          return try sandbox.run(
            Programs.portcullis(),
            ["export", "envoy-rbac", "--policies", file, "--profile", "waypoint", "--workload", workload, "--service", service])
        }
        let filter = "\"filter_state\": {\"key\": \"io.istio.peer_principal\", \"string_match\": {\"exact\": \"spiffe://a/b/c/d/e\"}}"
        for workload in ["infra/wp", "infra/Gateway/wp"] {
          let web = try export(workload, "shop/web")
          #expect(web.end == .exited(0), "\(web.errors)")
          #expect(web.output.contains(filter) && !web.output.contains("authenticated"))
          // No selector reaches a waypoint.
          #expect(!web.output.contains("policy[allow]"))
          for service in ["shop/db", "shop/serviceentry/web", "infra/web", "none"] {
            #expect(try export(workload, service).output.contains("No policy attaches"), "\(service)")
          }
        }
        // The pod of no Gateway is no waypoint.
        #expect(try export("shop/backend", "shop/web").errors.contains("no workload `shop/backend`"))
      }
    }

    @Test func `a workload that is not there is refused`() throws {
      try withSandbox { sandbox in
        let file = try sandbox.write(Self.policies, to: "policies.yaml")
        let result = try sandbox.run(
          Programs.portcullis(), ["export", "envoy-rbac", "--policies", file, "--workload", "shop/nobody"])
        #expect(result.end == .exited(2))
        #expect(result.errors.contains("no workload `shop/nobody`"))
      }
    }
  }
}
