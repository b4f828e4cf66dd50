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
