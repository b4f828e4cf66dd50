// Policies and workloads as the Kubernetes YAML that a person would write. What enters are the words that differ; what leaves is text. Nothing is
// decided here.

/// One rule: each source and operation is the list of its lines, each condition one line.
struct RuleText {
  var sources: [[String]] = []
  var operations: [[String]] = []
  /// Keys with the values, or not-values, as lists in brackets.
  var conditions: [(key: String, values: String)] = []
}

/// Makes documents.
enum PolicyYAML {
  /// One AuthorizationPolicy.
  ///
  /// - Parameter labels: what it selects; none makes it reach every workload of its namespace
  static func policy(
    _ name: String, in namespace: String = "shop", labels: [(String, String)] = [("app", "backend")], action: String = "ALLOW",
    rules: [RuleText]
  ) -> String {
    var text = """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata:
        name: \(name)
        namespace: \(namespace)
      spec:

      """
    if !labels.isEmpty {
      text += "  selector:\n    matchLabels:\n"
      for (key, value) in labels { text += "      \(key): \(value)\n" }
    }
    text += "  action: \(action)\n  rules:\n"
    for rule in rules { append(rule, to: &text) }
    return text
  }

  private static func append(_ rule: RuleText, to text: inout String) {
    var mark = "  - "
    for (part, item, clauses) in [("from", "source", rule.sources), ("to", "operation", rule.operations)] where !clauses.isEmpty {
      text += "\(mark)\(part):\n"
      for lines in clauses {
        text += "    - \(item):\n"
        for line in lines { text += "        \(line)\n" }
      }
      mark = "    "
    }
    if !rule.conditions.isEmpty {
      text += "\(mark)when:\n"
      for (key, values) in rule.conditions { text += "    - key: \(key)\n      values: \(values)\n" }
      mark = "    "
    }
    // A rule without anything matches every request.
    if mark == "  - " { text += "  - {}\n" }
  }

  /// One Deployment with these labels beside `app`.
  static func deployment(_ name: String, in namespace: String = "shop", labels: [(String, String)] = []) -> String {
    var text = """
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: \(name)
        namespace: \(namespace)
      spec:
        selector:
          matchLabels:
            app: \(name)
        template:
          metadata:
            labels:
              app: \(name)

      """
    for (key, value) in labels { text += "        \(key): \(value)\n" }
    return text + """
          spec:
            serviceAccountName: \(name)-sa
            containers:
            - name: \(name)
              image: registry.example/\(namespace)/\(name):1

      """
  }
}
