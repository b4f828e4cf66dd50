// Policies as the test makes, shrinks and shows them.
//
// Enters: choices. Leaves: YAML. Never happens here: the product's own policy types, so that loading is part of what is tested.

/// One field of a source or an operation (`name` with `notName`), or one condition (`key`, `values`, `notValues`).
struct TestField: Sendable, Equatable {
  var name: String
  var values: [String] = []
  var notValues: [String] = []
}

/// One rule.
struct TestRule: Sendable, Equatable {
  var from: [[TestField]] = []
  var to: [[TestField]] = []
  var when: [TestField] = []
}

/// One AuthorizationPolicy.
struct TestPolicy: Sendable, Equatable {
  var namespace: String
  var name: String
  var action: String
  var isDryRun = false
  /// Labels of the selector; `nil` for none.
  var selector: [String: String]?
  /// A Gateway that it is for, instead of a selector.
  var gateway: String?
  var rules: [TestRule] = []
}

/// The policies that are meant for one workload, and the workload.
struct TestSet: Sendable, Equatable {
  var namespace: String
  var gateway: String?
  var isTCP: Bool
  var policies: [TestPolicy]
}

extension TestSet {
  /// The name of the workload when the set is number `index` of its world.
  static func workload(_ index: Int) -> String { "w\(index)" }

  /// The workload and its policies as Kubernetes YAML. `$W` in texts is the workload's name: two sets never touch each other.
  func yaml(index: Int) -> String {
    let workload = Self.workload(index)
    var labels = ["app: \(workload)"]
    if let gateway { labels.append("gateway.networking.k8s.io/gateway-name: \(gateway)") }
    let pod = """
      ---
      apiVersion: v1
      kind: Pod
      metadata: {name: \(workload), namespace: \(namespace.resolved(workload)), labels: {\(labels.joined(separator: ", "))}}

      """
    return (pod + policies.map(\.yaml).joined()).resolved(workload)
  }
}

extension String {
  fileprivate func resolved(_ workload: String) -> String { replacing("$W", with: workload) }

  /// A double-quoted scalar.
  var quoted: String { "\"" + replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
}

extension TestPolicy {
  var yaml: String {
    var text = """
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata:
        name: \(name)
        namespace: \(namespace)
      \(isDryRun ? "  annotations: {istio.io/dry-run: \"true\"}\n" : "")spec:
        action: \(action)

      """
    if action == "CUSTOM" { text += "  provider: {name: elsewhere}\n" }
    if let selector {
      text +=
        "  selector: {matchLabels: {\(selector.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))}}\n"
    }
    if let gateway { text += "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: \(gateway)}]\n" }
    if !rules.isEmpty { text += "  rules:\n" + rules.map(\.yaml).joined() }
    return text
  }
}

extension TestRule {
  var yaml: String {
    var lines: [String] = []
    if !from.isEmpty { lines += ["from:"] + from.map { "- source: {\(Self.fields($0))}" } }
    if !to.isEmpty { lines += ["to:"] + to.map { "- operation: {\(Self.fields($0))}" } }
    if !when.isEmpty {
      lines += ["when:"] + when.map { "- {key: \($0.name.quoted)\(Self.list("values", $0.values))\(Self.list("notValues", $0.notValues))}" }
    }
    if lines.isEmpty { return "  - {}\n" }
    return lines.enumerated().map { ($0 == 0 ? "  - " : "    ") + $1 + "\n" }.joined()
  }

  private static func fields(_ fields: [TestField]) -> String {
    fields.map { field in
      let opposite = "not" + field.name.prefix(1).uppercased() + field.name.dropFirst()
      return String((list(field.name, field.values) + list(opposite, field.notValues)).dropFirst(2))
    }.joined(separator: ", ")
  }

  private static func list(_ name: String, _ values: [String]) -> String {
    values.isEmpty ? "" : ", \(name): [\(values.map(\.quoted).joined(separator: ", "))]"
  }
}
