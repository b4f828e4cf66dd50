// The rules of an AuthorizationPolicy. Nodes enter; sources, operations and conditions leave in one normal form, attribute by attribute.
// Null entries and empty clauses are refused, because what they mean at run time ("any") is rarely what their writer meant; fields that are
// null were refused before (`refuseNullFields`), and are not reported a second time here.

internal import PolicyModel

/// A field of a source or an operation.
private struct ClauseField {
  let name: StaticString
  let attribute: Attribute
  let isNot: Bool
  init(_ name: StaticString, _ attribute: Attribute, isNot: Bool = false) {
    self.name = name
    self.attribute = attribute
    self.isNot = isNot
  }
}

private let sourceFields = [
  ClauseField("principals", .sourcePrincipal), ClauseField("notPrincipals", .sourcePrincipal, isNot: true),
  ClauseField("requestPrincipals", .requestPrincipal), ClauseField("notRequestPrincipals", .requestPrincipal, isNot: true),
  ClauseField("namespaces", .sourceNamespace), ClauseField("notNamespaces", .sourceNamespace, isNot: true),
  ClauseField("serviceAccounts", .sourceServiceAccount), ClauseField("notServiceAccounts", .sourceServiceAccount, isNot: true),
  ClauseField("trustDomains", .sourceTrustDomain), ClauseField("notTrustDomains", .sourceTrustDomain, isNot: true),
  ClauseField("ipBlocks", .sourceIP), ClauseField("notIpBlocks", .sourceIP, isNot: true),
  ClauseField("remoteIpBlocks", .remoteIP), ClauseField("notRemoteIpBlocks", .remoteIP, isNot: true),
]
private let operationFields = [
  ClauseField("hosts", .host), ClauseField("notHosts", .host, isNot: true),
  ClauseField("ports", .destinationPort), ClauseField("notPorts", .destinationPort, isNot: true),
  ClauseField("methods", .method), ClauseField("notMethods", .method, isNot: true),
  ClauseField("paths", .path), ClauseField("notPaths", .path, isNot: true),
]

extension NodeReader {
  /// Reads `spec.rules`. A null rule keeps its index.
  mutating func rules(_ rulesEntry: Entry) -> [AuthorizationPolicy.Rule?] {
    guard let list = sequence(rulesEntry, path: "rules") else { return [] }
    let count = Int(document[list].count)
    if count > 512 { report(.tooManyEntries("rules", count, limit: 512), at: document[rulesEntry.key].span) }
    var found: [AuthorizationPolicy.Rule?] = []
    found.reserveCapacity(count)
    for item in items(list) where !canStop() { found.append(rule(item)) }
    return found
  }

  private mutating func rule(_ node: NodeIndex) -> AuthorizationPolicy.Rule? {
    guard isEntryMapping(node, path: "rules", nullAtRunTime: "at run time the rule is dropped, as if not there") else { return nil }
    refuseUnknownFields(node, known: ["from", "to", "when"], path: "rules")
    return parts(of: node)
  }

  /// Reads `from`, `to` and `when` of a mapping.
  mutating func parts(of node: NodeIndex) -> AuthorizationPolicy.Rule {
    var rule = AuthorizationPolicy.Rule(span: start(node))
    if let entry = entry(node, "from") { rule.sources = clauses(entry, "from", "source", sourceFields) }
    if let entry = entry(node, "to") { rule.operations = clauses(entry, "to", "operation", operationFields) }
    if let entry = entry(node, "when"), let list = sequence(entry, path: "when") {
      for item in items(list) where !canStop() {
        if let condition = condition(item) { rule.conditions.append(condition) }
      }
    }
    return rule
  }

  /// Where a mapping in a list begins: its first key, or all of it in braces.
  func start(_ node: NodeIndex) -> SourceSpan {
    guard !document[node].isFlow, document[node].firstChild.exists else { return document[node].span }
    return document[document[node].firstChild].span
  }

  private mutating func isEntryMapping(_ node: NodeIndex, path: String, nullAtRunTime: String? = nil) -> Bool {
    if document[node].kind == .mapping { return true }
    let message: Message =
      isNull(node)
      ? .entryNull(path, atRunTime: nullAtRunTime)
      : .wrongType(path, expected: "a list of mappings", found: "a list with \(name(of: node))", help: nil)
    report(message, at: document[node].span)
    return false
  }

  private mutating func clauses(
    _ listEntry: Entry, _ listName: StaticString, _ clauseName: StaticString, _ fields: [ClauseField]
  ) -> [AuthorizationPolicy.Clause] {
    let path = "\(listName)"
    guard let list = sequence(listEntry, path: path) else { return [] }
    let count = Int(document[list].count)
    if count == 0 { report(.listEmpty(path), at: span(listEntry)) }
    if count > 512 { report(.tooManyEntries(path, count, limit: 512), at: document[listEntry.key].span) }
    var found: [AuthorizationPolicy.Clause] = []
    found.reserveCapacity(count)
    for item in items(list) where !canStop() {
      guard isEntryMapping(item, path: path) else { continue }
      refuseUnknownFields(item, known: [clauseName], path: path)
      guard let entry = entry(item, clauseName) else {
        if document.entry(item, clauseName) == nil {
          report(
            .fieldRequired("\(clauseName)", in: "the entry of `\(path)`", help: "write `- \(clauseName):` and its fields"), at: start(item))
        }
        // What constrains nothing is one of the alternatives all the same.
        found.append(AuthorizationPolicy.Clause([], span: start(item)))
        continue
      }
      guard let clause = mapping(entry, path: "\(clauseName)") else { continue }
      found.append(self.clause(clause, entry, listName: path, path: "\(clauseName)", fields))
    }
    return found
  }

  private mutating func clause(
    _ node: NodeIndex, _ holder: Entry, listName: String, path: String, _ fields: [ClauseField]
  ) -> AuthorizationPolicy.Clause {
    var constraints: [Constraint] = []
    var isReported = false
    for entry in entries(node) {
      guard let field = fields.first(where: { document.isScalar(entry.key, $0.name) }) else {
        refuse(entry, known: fields.map(\.name), path: path)
        isReported = true
        continue
      }
      if isNull(entry.value) {
        isReported = true
        continue
      }
      let values = strings(entry, path: "\(field.name)")
      check(values, for: field.attribute, path: "\(field.name)", isField: true)
      // A list that is present and empty is as good as absent (Istio).
      guard document[entry.value].count > 0 else { continue }
      let index = constraints.firstIndex { $0.attribute == field.attribute }
      let place = index ?? constraints.count
      if index == nil { constraints.append(Constraint(field.attribute, span: document[entry.key].span)) }
      if field.isNot { constraints[place].notValues += values } else { constraints[place].values += values }
    }
    if constraints.isEmpty, !isReported { report(.clauseEmpty(listName, path: path), at: span(holder)) }
    return AuthorizationPolicy.Clause(constraints, span: document[holder.key].span)
  }

  private mutating func check(_ values: [Located<ExactText>], for attribute: Attribute, path: String, isField: Bool) {
    if attribute == .sourceServiceAccount, values.count > 16, let extra = values.dropFirst(16).first {
      report(.tooManyEntries(path, values.count, limit: 16), at: extra.span)
    }
    for value in values where !canStop() {
      if let message = attribute.refusal(of: value.value, path: path, isField: isField) { report(message, at: value.span) }
    }
  }

  private mutating func condition(_ node: NodeIndex) -> Constraint? {
    guard isEntryMapping(node, path: "when") else { return nil }
    refuseUnknownFields(node, known: ["key", "values", "notValues"], path: "when")
    let keyEntry = entry(node, "key")
    var key = Located<ExactText>("", start(node))
    if let keyEntry {
      guard let text = string(keyEntry, path: "key") else { return nil }
      key = text
    }
    if key.value.isEmpty {
      // Null was reported before.
      if keyEntry != nil || document.entry(node, "key") == nil {
        report(.conditionKeyEmpty(), at: keyEntry.map { document[$0.key].span } ?? key.span)
      }
      return Constraint(.unknownKey(""), span: key.span)
    }
    let attribute = Attribute(conditionKey: key.value)
    var constraint = Constraint(attribute, span: key.span)
    switch attribute {
    case .unknownKey where key.value.string.utf8.starts(with: "request.experimental.".utf8):
      report(.conditionKeyNewer(key.value.string), at: key.span)
    case .unknownKey:
      let known = Attribute.plainKeys.keys.sorted().map(\.string) + ["request.headers[]", "request.auth.claims[]"]
      report(.conditionKeyUnknown(key.value.string, suggestion: suggestion(for: key.value.string, among: known)), at: key.span)
    case .malformedKey where !hasBracketShape(key.value):
      report(.conditionKeyShape(key.value.string, isDropped: failsGeneration(key.value)), at: key.span)
    default: break
    }
    if let entry = entry(node, "values") { constraint.values = strings(entry, path: "values") }
    if let entry = entry(node, "notValues") { constraint.notValues = strings(entry, path: "notValues") }
    check(constraint.values, for: attribute, path: "values", isField: false)
    check(constraint.notValues, for: attribute, path: "notValues", isField: false)
    let written = [document.entry(node, "values"), document.entry(node, "notValues")].compactMap { $0?.value }
    let isEmpty = written.allSatisfy { !isNull($0) && document[$0].count == 0 }
    if isEmpty { report(.conditionWithoutValues(key.value.string), at: key.span) }
    // One without values stays: Envoy never hears of it, but ztunnel does, and a key that Istio does not know drops the rule even so.
    return constraint
  }
}
