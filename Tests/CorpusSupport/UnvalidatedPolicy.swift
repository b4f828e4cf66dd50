// Policies that Istio's webhook refuses, as its control plane would read them if they got past it: unknown fields are pruned, a dry-run
// text that is no boolean is false, and values are taken as they are.

internal import PolicyModel

extension AuthorizationPolicy {
  /// Reads a Kubernetes object without validation.
  init(unvalidated value: JSON) throws {
    guard case .object(let object) = value, case .object(let metadata)? = object["metadata"], case .object(let spec)? = object["spec"]
    else {
      throw CorpusError("\(value) is not an object with metadata and spec")
    }
    let name = ExactText(try (metadata["name"] ?? .null).text())
    let namespace = ExactText(try (metadata["namespace"] ?? .null).text())
    self.init(
      metadata: ObjectMetadata(
        key: ObjectKey(kind: "AuthorizationPolicy", namespace: namespace, name: name),
        location: SourceLocation(file: "unvalidated", span: .nowhere)))
    if case .object(let annotations)? = metadata["annotations"], let text = try annotations["istio.io/dry-run"]?.text() {
      isDryRun = goBoolean(ExactText(text)) ?? false
    }
    if let action = try spec["action"]?.text() {
      guard let known = Action(rawValue: action) else { throw CorpusError("unknown action \(action)") }
      self.action = known
    }
    if case .object(let provider)? = spec["provider"] { self.provider = try provider["name"].map { ExactText(try $0.text()) } }
    guard case .array(let rules)? = spec["rules"] else { return }
    self.rules = try rules.map { rule in
      guard case .object(let members) = rule else { return nil }
      return try Rule(
        sources: Self.clauses(members["from"], "source", Self.sourceFields),
        operations: Self.clauses(members["to"], "operation", Self.operationFields), conditions: Self.conditions(members["when"]))
    }
  }

  private static let sourceFields: [(String, Attribute)] = [
    ("principals", .sourcePrincipal), ("namespaces", .sourceNamespace), ("serviceAccounts", .sourceServiceAccount),
    ("trustDomains", .sourceTrustDomain), ("requestPrincipals", .requestPrincipal), ("ipBlocks", .sourceIP), ("remoteIpBlocks", .remoteIP),
  ]
  private static let operationFields: [(String, Attribute)] = [
    ("hosts", .host), ("methods", .method), ("paths", .path), ("ports", .destinationPort),
  ]

  private static func clauses(_ list: JSON?, _ member: String, _ fields: [(String, Attribute)]) throws -> [Clause] {
    try (list?.list() ?? []).map { entry in
      guard case .object(let members) = entry, case .object(let clause)? = members[member] else { return Clause([]) }
      return Clause(
        try fields.compactMap { name, attribute in
          try constraint(attribute, clause[name], clause["not" + name.prefix(1).uppercased() + name.dropFirst()])
        })
    }
  }

  private static func conditions(_ list: JSON?) throws -> [Constraint] {
    try (list?.list() ?? []).compactMap { entry in
      guard case .object(let members) = entry else { return nil }
      let key = ExactText(try (members["key"] ?? .null).text())
      return try constraint(Attribute(conditionKey: key), members["values"], members["notValues"])
    }
  }

  private static func constraint(_ attribute: Attribute, _ values: JSON?, _ notValues: JSON?) throws -> Constraint? {
    guard values != nil || notValues != nil else { return nil }
    return Constraint(
      attribute, values: try (values?.texts() ?? []).map { Located(ExactText($0)) },
      notValues: try (notValues?.texts() ?? []).map { Located(ExactText($0)) })
  }
}
