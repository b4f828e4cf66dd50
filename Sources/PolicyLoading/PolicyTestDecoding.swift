// A PolicyTest from its nodes. Nodes enter; a test leaves, or problems, each at its exact place.
// Which values a request may have is the matter of the one reader of requests; here only the names of its fields are checked, because
// that reader does not know lines and columns.

internal import PolicyModel

extension NodeReader {
  private static let source = Schema([
    ("principal", .other),
    ("identities", .object(Schema([("uri", .other), ("dns", .other), ("subject", .other)]))),
    ("address", .text),
  ])
  private static let destination = Schema([
    ("workload", .other), ("namespace", .other), ("labels", .textMap), ("profile", .choice(["sidecar", "gateway", "waypoint", "ztunnel"])),
    ("service", .other), ("port", .whole(1...65_535)), ("address", .text),
  ])
  private static let http = Schema([
    ("method", .other), ("host", .other), ("path", .other), ("path_form", .choice(["raw", "normalized"])), ("headers", .other),
    ("claims", .other), ("metadata", .other),
  ])
  private static let request = Schema([
    ("source", .object(source)), ("destination", .object(destination)), ("sni", .other), ("remote_ip", .text), ("http", .object(http)),
    ("metadata", .other),
  ])

  /// Reads a PolicyTest; nil when it has an error.
  mutating func policyTest(_ object: NodeIndex) -> PolicyTest? {
    refuseUnknownFields(object, known: ["apiVersion", "kind", "metadata", "spec"], path: "PolicyTest")
    let place = document[object].span
    let name = ownName(object, of: "the PolicyTest")
    var cases: [PolicyTestCase] = []
    if let spec = requiredMapping(object, "spec", of: "the PolicyTest", at: place) {
      refuseUnknownFields(spec, known: ["cases"], path: "spec")
      if let list = entry(spec, "cases") {
        cases = self.cases(list)
      } else {
        report(.fieldRequired("spec.cases", in: "the PolicyTest", help: "add a case; a test without one would always pass"), at: place)
      }
    }
    guard !hasErrors, let name else { return nil }
    return PolicyTest(name: name.value, cases: cases, location: SourceLocation(file: file, span: name.span))
  }

  /// `metadata.name` of an object of ours.
  mutating func ownName(_ object: NodeIndex, of owner: String) -> Located<ExactText>? {
    let place = document[object].span
    guard let metadata = requiredMapping(object, "metadata", of: owner, at: place) else { return nil }
    refuseUnknownFields(metadata, known: ["name", "labels", "annotations"], path: "metadata")
    let name = entry(metadata, "name").flatMap { string($0, path: "metadata.name") }
    if entry(metadata, "name") == nil || name?.value.isEmpty == true {
      report(.fieldRequired("metadata.name", in: owner, help: "reports show the name"), at: place)
    }
    return name
  }

  private mutating func requiredMapping(_ object: NodeIndex, _ key: StaticString, of owner: String, at place: SourceSpan) -> NodeIndex? {
    guard let entry = entry(object, key) else {
      report(.fieldRequired("\(key)", in: owner, help: "docs/testing.md and docs/what-if.md show an example"), at: place)
      return nil
    }
    return mapping(entry, path: "\(key)")
  }

  private mutating func cases(_ entry: Entry) -> [PolicyTestCase] {
    guard let list = sequence(entry, path: "cases") else { return [] }
    if document[list].count == 0 { report(.testWithoutCases(), at: span(entry)) }
    var found: [PolicyTestCase] = []
    var names: [ExactText: SourceSpan] = [:]
    for item in items(list) {
      if canStop() { break }
      guard document[item].kind == .mapping else {
        let wrong = Message.wrongType("cases", expected: "a list of mappings", found: name(of: item), help: nil)
        report(isNull(item) ? .entryNull("cases") : wrong, at: document[item].span)
        continue
      }
      guard let one = testCase(item) else { continue }
      if let name = one.name {
        if let first = names[name.value] { report(.testCaseNameTwice(name.value.string, firstLine: first.line), at: name.span) }
        names[name.value] = names[name.value] ?? name.span
      }
      found.append(one)
    }
    return found
  }

  private mutating func testCase(_ node: NodeIndex) -> PolicyTestCase? {
    refuseUnknownFields(node, known: ["name", "from", "to", "request", "expect", "by"], path: "cases")
    for entry in entries(node) where isNull(entry.value) {
      report(.fieldNull(document.string(entry.key)), at: document[entry.key].span)
    }
    let place = document[node].span
    let name = filled(node, "name")
    let from = filled(node, "from")
    let to = filled(node, "to")
    let by = filled(node, "by")
    var request: Located<PlainValue>?
    if let entry = entry(node, "request"), let mapping = mapping(entry, path: "request") {
      check(mapping, Self.request, path: "request")
      request = Located(plainValue(mapping), span(entry))
      let (source, destination) = (object(mapping, "source"), object(mapping, "destination"))
      let isPeerGiven = source.map { document.entry($0, "principal") != nil || document.entry($0, "identities") != nil } ?? false
      if let from, isPeerGiven { report(.fieldConflict("from", with: "request.source", in: "cases"), at: from.span) }
      let isGoalGiven = (["workload", "namespace", "labels"] as [StaticString]).contains { key in
        destination.map { document.entry($0, key) != nil } ?? false
      }
      if let to, isGoalGiven { report(.fieldConflict("to", with: "request.destination", in: "cases"), at: to.span) }
      if document.entry(node, "to") == nil, !isGoalGiven { reportNoWorkload(at: place) }
    } else if document.entry(node, "to") == nil {
      reportNoWorkload(at: place)
    }
    guard let entry = entry(node, "expect") else {
      if document.entry(node, "expect") == nil {
        report(.fieldRequired("expect", in: "the case", help: "write `expect: allow`, `deny` or `undecided`"), at: place)
      }
      return nil
    }
    check(entry, .choice(["allow", "deny", "undecided"]), path: "expect")
    guard let expectation = PolicyTestCase.Expectation(rawValue: document.string(entry.value)) else { return nil }
    return PolicyTestCase(
      name: name, from: from, to: to, request: request, expectation: Located(expectation, span(entry)), by: by, span: place)
  }

  private mutating func reportNoWorkload(at place: SourceSpan) {
    report(.fieldRequired("to", in: "the case", help: "write `to: namespace/name`, or `destination` in `request`"), at: place)
  }

  /// A text that is not empty, or a problem; nil when the field is missing or null.
  private mutating func filled(_ node: NodeIndex, _ key: StaticString) -> Located<ExactText>? {
    guard let entry = entry(node, key), let text = string(entry, path: "\(key)") else { return nil }
    if text.value.isEmpty { report(.emptyString("\(key)"), at: text.span) }
    return text
  }

  /// A node with all below it. As deep as the document, which the reader of the text has bounded.
  private func plainValue(_ node: NodeIndex) -> PlainValue {
    switch document.type(node) {
    case .null: .null
    case .bool(let value): .bool(value)
    case .int, .float: .number(ExactText(document.string(node)))
    case .string: .text(ExactText(document.string(node)))
    case .sequence: .list(items(node).map { Located(plainValue($0), document[$0].span) })
    case .mapping:
      .mapping(
        entries(node).map { entry in
          (Located(ExactText(document.string(entry.key)), document[entry.key].span), Located(plainValue(entry.value), span(entry)))
        })
    }
  }
}
