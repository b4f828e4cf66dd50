// The policies of the workloads behind Envoy's module.
// Enters: names, rules. Leaves: YAML: a Pod, and policies that select it. Never happens here: a path that two rules are about.

/// What the tests of Envoy's module load.
enum ModulePolicies {
  /// A policy of the workload.
  struct Policy {
    var name: String
    var action: String
    var isDryRun = false
    /// A line each.
    var rules: [String]
  }

  /// A Pod in `shop`, labelled `app` with its name, and its policies.
  static func text(_ workload: String, _ policies: [Policy]) -> String {
    let pod = """
      apiVersion: v1
      kind: Pod
      metadata: {name: \(workload), namespace: shop, labels: {app: \(workload)}}

      """
    return pod
      + policies.map { policy in
        let annotations = policy.isDryRun ? #", annotations: {"istio.io/dry-run": "true"}"# : ""
        return """
          ---
          apiVersion: security.istio.io/v1
          kind: AuthorizationPolicy
          metadata: {name: \(policy.name), namespace: shop\(annotations)}
          spec:
            selector: {matchLabels: {app: \(workload)}}
            action: \(policy.action)
            rules:
          \(policy.rules.joined(separator: "\n").indented(2))

          """
      }.joined()
  }

  /// The backend with a policy that only opens paths.
  static func open(_ paths: String...) -> String {
    let list = paths.map { "\"\($0)\"" }.joined(separator: ", ")
    return text("backend", [Policy(name: "open", action: "ALLOW", rules: ["- to: [{operation: {paths: [\(list)]}}]"])])
  }

  /// The backend: who may call which path.
  static func backend(_ more: [Policy] = []) -> String {
    let frontend = #"from: [{source: {principals: ["cluster.local/ns/shop/sa/frontend-sa"]}}]"#
    let refuse = Policy(
      name: "refuse", action: "DENY",
      rules: [
        #"- from: [{source: {principals: ["cluster.local/ns/shop/sa/evil-sa"]}}]"#, #"- from: [{source: {namespaces: ["evil"]}}]"#,
      ])
    let open = Policy(
      name: "open", action: "ALLOW",
      rules: [
        #"- {\#(frontend), to: [{operation: {paths: ["/open*", "/first"]}}]}"#,
        #"- {\#(frontend), to: [{operation: {paths: ["/team"]}}], when: [{key: "request.headers[x-team]", values: ["blue"]}]}"#,
        #"- {from: [{source: {notPrincipals: ["cluster.local/ns/shop/sa/backend-sa"]}}], to: [{operation: {paths: ["/not-backend"]}}]}"#,
        #"- {from: [{source: {ipBlocks: ["127.0.0.1"]}}], to: [{operation: {paths: ["/near"]}}]}"#,
        #"- {from: [{source: {remoteIpBlocks: ["10.9.0.0/16"]}}], to: [{operation: {paths: ["/client"]}}]}"#,
        #"- {from: [{source: {notRemoteIpBlocks: ["10.8.0.0/16"]}}], to: [{operation: {paths: ["/not-client"]}}]}"#,
        #"- {to: [{operation: {paths: ["/claims"]}}], when: [{key: "request.auth.claims[groups]", values: ["staff"]}]}"#,
        #"- to: [{operation: {paths: ["/post"], methods: ["POST"]}}]"#,
        #"- {to: [{operation: {paths: ["/named"]}}], when: [{key: connection.sni, values: ["backend.test"]}]}"#,
        #"- {to: [{operation: {paths: ["/nameless"]}}], when: [{key: connection.sni, notValues: ["backend.test"]}]}"#,
      ])
    return text("backend", [refuse, open] + more)
  }
}
