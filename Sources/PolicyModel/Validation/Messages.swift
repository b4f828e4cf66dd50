// Every sentence that a broken input can cause, sorted, in this file and in `TrafficMessages.swift`, so that the tone stays one:
// lower-case start, no final period, the user's text in backticks, and help that says what to write. What went wrong enters; words leave;
// nothing is decided here.

/// The words for one problem, without its place.
package struct Message: Sendable {
  /// What kind of problem it is.
  package let code: DiagnosticCode
  /// What is wrong.
  package let text: String
  /// What to write instead, if that is known.
  package let help: String?

  init(_ code: DiagnosticCode, _ text: String, help: String? = nil) {
    self.code = code
    self.text = text
    self.help = help
  }

  /// User text in backticks, shortened when it is long, so that a message fits a screen.
  package static func quoted(_ text: String) -> String {
    let limit = 120
    let scalars = text.unicodeScalars
    guard scalars.count > limit else { return "`\(text)`" }
    return "`\(String(scalars.prefix(limit)))…`"
  }
}

extension Message {
  package static func aliasBudget(_ name: String, _ limit: Int) -> Message {
    Message(
      .aliasBudget, "alias `*\(name)` makes the document expand to more than \(limit) values by aliases",
      help: "write the values out instead of nesting aliases")
  }
  package static func aliasInsideItself(_ name: String) -> Message {
    Message(.aliasInvalid, "alias `*\(name)` stands inside the value that it names", help: "write the value out")
  }
  package static func aliasUnknown(_ name: String) -> Message {
    Message(
      .aliasInvalid, "alias `*\(name)` has no anchor `&\(name)` before it in this document",
      help: "add the anchor, or put the value in quotes if it begins with a star: \"*\(name)\"")
  }
  package static func annotationRefused(_ name: String) -> Message {
    Message(.annotationInvalid, "annotation `\(name)` is internal to Istio and refused", help: "remove the annotation")
  }
  package static func attachmentConflict(_ first: String, _ second: String) -> Message {
    Message(
      .attachmentConflict, "`\(second)` cannot be used together with `\(first)`",
      help: "keep one of `selector`, `targetRef` and `targetRefs`")
  }
  package static func clauseEmpty(_ what: String, path: String) -> Message {
    Message(
      .emptyClause, "`\(path)` has no field with a value",
      help: "name at least one field, or leave `\(what)` out to mean any")
  }
  package static func conditionKeyEmpty() -> Message {
    Message(.conditionKeyInvalid, "the `key` of a condition is missing or empty", help: "write for example `key: source.ip`")
  }
  package static func conditionKeyShape(_ key: String) -> Message {
    let family = key.prefix { $0 != "[" }
    return Message(
      .conditionKeyInvalid, "condition key \(quoted(key)) has no name in brackets",
      help: "write the name in square brackets, for example `\(family)[name]`")
  }
  package static func conditionKeyUnknown(_ key: String, suggestion: String?) -> Message {
    Message(
      .conditionKeyUnknown, "unknown condition key \(quoted(key))",
      help: suggestion.map { "did you mean `\($0)`?" } ?? "Istio's reference lists the keys under \"Authorization Policy Conditions\"")
  }
  package static func conditionWithoutValues(_ key: String) -> Message {
    Message(
      .conditionEmpty, "condition \(quoted(key)) has neither `values` nor `notValues`", help: "add at least one value to compare with")
  }
  package static func controlCharacter(_ value: UInt32) -> Message {
    let digits = String(value, radix: 16, uppercase: true)
    let code = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    return Message(
      .encodingInvalid, "control character U+\(code) is not allowed", help: "remove it; in a double-quoted string an escape may stand")
  }
  package static func customIdentity(_ name: String) -> Message {
    Message(
      .customIdentity, "`\(name)` cannot be used with action CUSTOM",
      help: "CUSTOM rules run before the peer's identity and tokens are checked; use ipBlocks, headers or operations, or a DENY policy")
  }
  package static func customNeverTriggered() -> Message {
    Message(
      .customNeverTriggered, "a CUSTOM policy without `rules` never asks its provider",
      help: "add `rules: [{}]` to ask for every request")
  }
  package static func denyNeverTriggered() -> Message {
    Message(
      .denyNeverTriggered, "a DENY policy without `rules` never denies", help: "add `rules: [{}]` to deny every request")
  }
  package static func denyWholeTCP() -> Message {
    Message(
      .denyWholeTCP, "on TCP ports this DENY rule denies all traffic, because what it tests exists only in HTTP",
      help: "add `ports` to its operations, to say which ports it is for")
  }
  package static func documentNotObject(_ found: String) -> Message {
    Message(
      .documentInvalid, "the document is \(found), not a Kubernetes object",
      help: "a document begins with `apiVersion:` and `kind:`")
  }
  package static func dryRunInvalid(_ value: String) -> Message {
    Message(
      .annotationInvalid, "annotation `istio.io/dry-run` is \(quoted(value)), which is neither true nor false",
      help: "write \"true\" or \"false\"")
  }
  package static func dryRunRefused(_ what: String) -> Message {
    Message(
      .annotationInvalid, "annotation `istio.io/dry-run` does not work with \(what)",
      help: "only AuthorizationPolicies with action ALLOW or DENY have a dry run; remove the annotation")
  }
  package static func duplicateKey(_ key: String, firstLine: UInt32) -> Message {
    Message(
      .duplicateKey, "duplicate key \(quoted(key)), first on line \(firstLine)", help: "keep one of the two, or join their values")
  }
  package static func duplicateObject(_ key: String, first: String) -> Message {
    Message(
      .duplicateObject, "\(key) is defined a second time, first at \(first)", help: "keep one of the two, or give one another name")
  }
  package static func emptyString(_ path: String) -> Message {
    Message(.emptyString, "empty text in `\(path)`", help: "remove the entry, or write a value")
  }
  package static func entryNull(_ path: String) -> Message {
    Message(.nullEntry, "null entry in `\(path)`", help: "remove the dash, or write a value behind it")
  }
  package static func fieldNull(_ field: String) -> Message {
    Message(.fieldNull, "\(quoted(field)) is null", help: "write the value, or remove the field")
  }
  package static func fieldRequired(_ field: String, in place: String, help: String) -> Message {
    Message(.fieldRequired, "\(place) has no `\(field)`", help: help)
  }
  package static func fieldUnknown(_ field: String, in path: String, suggestion: String?, known: String) -> Message {
    Message(
      .fieldUnknown, "unknown field \(quoted(field)) in `\(path)`",
      help: suggestion.map { "did you mean `\($0)`?" } ?? "the fields here are \(known)")
  }
  package static func fileTooLarge(_ size: Int, limit: Int) -> Message {
    Message(
      .fileTooLarge, "the file has \(size) bytes, more than the limit of \(limit)", help: "split it into several files")
  }
  package static func groupUnknown(_ group: String, kind: String, suggestion: String, kindSuggestion: String? = nil) -> Message {
    let place = group.isEmpty ? "the core API group" : "the API group \(quoted(group))"
    let other = kindSuggestion.map { " and `kind: \($0)`" } ?? ""
    return Message(.kindUnknown, "\(kind) is not a kind of \(place)", help: "did you mean `apiVersion: \(suggestion)/v1`\(other)?")
  }
  package static func invalidUTF8(_ hex: String) -> Message {
    Message(.encodingInvalid, "bytes \(hex) are not valid UTF-8", help: "save the file as UTF-8")
  }
  package static func ipInvalid(_ value: String) -> Message {
    Message(
      .ipInvalid, "\(quoted(value)) is neither an IP address nor a CIDR block",
      help: "write for example \"10.1.2.3\", \"10.0.0.0/8\" or \"2001:db8::/32\"")
  }
  package static func keyNotScalar() -> Message {
    Message(.keyInvalid, "a key must be text, not a list or a mapping", help: "put the key in quotes if it begins with a bracket or brace")
  }
  package static func keyNotString(_ key: String) -> Message {
    Message(.keyInvalid, "key \(quoted(key)) is not text", help: "put the key in quotes: \"\(key)\"")
  }
  package static func kindUnknown(_ kind: String, group: String, suggestion: String?) -> Message {
    Message(
      .kindUnknown, "unknown kind \(quoted(kind)) in `\(group)`",
      help: suggestion.map { "did you mean `\($0)`?" } ?? "check the spelling, or move the object to another directory")
  }
  package static func labelKeyEmpty(_ path: String) -> Message {
    Message(.labelInvalid, "empty label key in `\(path)`", help: "write a label, for example `app: backend`")
  }
  package static func labelStar(_ text: String) -> Message {
    Message(
      .labelInvalid, "label text \(quoted(text)) contains a star, which selectors do not understand",
      help: "name the label exactly; leave `selector` out to select all workloads")
  }
  package static func labelValueLong(_ value: String) -> Message {
    Message(
      .labelInvalid, "label value \(quoted(value)) has \(value.utf8.count) characters, more than the 63 that Kubernetes allows",
      help: "no workload can carry this label; shorten it")
  }
  package static func listEmpty(_ field: String) -> Message {
    Message(.emptyList, "`\(field)` is an empty list", help: "add an entry, or leave `\(field)` out to mean any")
  }
  package static func listWithoutItems(_ kind: String) -> Message {
    Message(
      .fieldRequired, "\(quoted(kind)) has no list `items`",
      help: "write `items:` and below it the objects, each behind a dash, or `items: []`")
  }
  package static func mergeKey() -> Message {
    Message(.mergeKey, "the merge key `<<` is not supported", help: "write the merged fields out, or use \"<<\" in quotes for the text")
  }
  package static func namespaceMissing(kind: String) -> Message {
    Message(
      .namespaceMissing, "\(kind) has no `metadata.namespace`; it counts as one of namespace `default`",
      help: "name the namespace; kubectl would use its current one")
  }
  package static func nestingLimit(_ limit: Int) -> Message {
    Message(.nestingLimit, "the document nests deeper than \(limit) levels", help: "no Kubernetes object needs that; check the brackets")
  }
  package static func nodeLimit(_ limit: Int) -> Message {
    Message(.nodeLimit, "the document has more than \(limit) values", help: "split it into several documents")
  }
  package static func outOfMemory() -> Message {
    Message(.outOfMemory, "not enough memory to read the document")
  }
  package static func pathTemplate(_ value: String, why: String) -> Message {
    Message(
      .pathTemplateInvalid, "path \(quoted(value)): \(why)",
      help: "`{*}` stands for one whole segment, `{**}` for the rest, as in \"/shop/{*}/items/{**}\"")
  }
  package static func portInvalid(_ value: String) -> Message {
    Message(.portInvalid, "port \(quoted(value)) is not a number from 0 to 65535", help: "write one port as text, for example \"8080\"")
  }
  package static func portKeyInvalid(_ value: String) -> Message {
    Message(.portInvalid, "port \(quoted(value)) is not a number from 1 to 65535", help: "write the container's port, for example `8080:`")
  }
  package static func portLevelEmpty() -> Message {
    Message(.portLevelEmpty, "`portLevelMtls` has no port", help: "name a port, or leave `portLevelMtls` out")
  }
  package static func portLevelWithoutSelector() -> Message {
    Message(
      .portLevelWithoutSelector, "`portLevelMtls` needs a `selector` with labels", help: "add `selector: {matchLabels: {app: …}}`")
  }
  package static func providerMissing() -> Message {
    Message(
      .providerMissing, "action CUSTOM needs `provider.name`", help: "add `provider: {name: …}` with an extension provider of the mesh")
  }
  package static func providerUnexpected(_ action: String) -> Message {
    Message(
      .providerUnexpected, "`provider` cannot be used with action \(action)", help: "remove `provider`, or write `action: CUSTOM`")
  }
  package static func selectorEmpty() -> Message {
    Message(
      .selectorEmpty, "the selector has no labels and selects every workload of its scope",
      help: "add `matchLabels`, or leave `selector` out to say the same clearly")
  }
  package static func serviceAccountConflict() -> Message {
    Message(
      .serviceAccountConflict, "`serviceAccounts` cannot be used together with `principals` or `namespaces` in one source",
      help: "make two sources, or write the account as a principal")
  }
  package static func serviceAccountInvalid(_ value: String, why: String) -> Message {
    Message(
      .serviceAccountInvalid, "service account \(quoted(value)) \(why)", help: "write \"name\" or \"namespace/name\", without wildcards")
  }
  package static func syntax(_ problem: String, context: String?, contextLine: UInt32) -> Message {
    let place = context.map { " (\($0), line \(contextLine))" } ?? ""
    let help: String? =
      switch problem {
      case "found character that cannot start any token":
        "indent with spaces, and put text that begins with @, `, % or a tab in quotes"
      case "found invalid Unicode character escape code":
        "write the character itself; halves of a surrogate pair such as \\ud83d are not read"
      case "mapping values are not allowed in this context":
        "put text that contains a colon and a space in quotes, and check the indentation"
      case "did not find expected key": "check the indentation of this line against the lines above"
      case "could not find expected ':'": "write `key: value`"
      case "did not find expected ',' or ']'", "did not find expected ',' or '}'": "close the bracket"
      case "found unexpected end of stream", "found unexpected document indicator": "close the quotes"
      default: nil
      }
    return Message(.yamlSyntax, "\(problem)\(place)", help: help)
  }
  package static func tagUnsupported(_ tag: String) -> Message {
    Message(.tagUnsupported, "tag \(quoted(tag)) is not supported", help: "remove the tag")
  }
  package static func target(_ why: String, help: String) -> Message {
    Message(.targetInvalid, why, help: help)
  }
  package static func tooManyBrokenDocuments(_ limit: Int) -> Message {
    Message(
      .yamlSyntax, "\(limit) documents before this one have syntax errors; the rest of the file is not read",
      help: "check that the file is YAML")
  }
  package static func tooManyEntries(_ path: String, _ count: Int, limit: Int) -> Message {
    Message(
      .tooManyEntries, "`\(path)` has \(count) entries, more than the \(limit) that Istio allows", help: "split it over several objects")
  }
  package static func tooManyProblems(_ hidden: Int) -> Message {
    let what =
      hidden > 0
      ? "at least \(hidden) more problems of this file are not shown"
      : "so many problems were found that the rest was not checked"
    return Message(.tooManyProblems, what, help: "correct the ones above first")
  }
  package static func tooManyTextProblems(_ limit: Int) -> Message {
    Message(
      .documentInvalid, "the document has more than \(limit) problems; the rest of it is not read", help: "correct the ones above first")
  }
  package static func trustDomainInvalid(_ value: String, why: String) -> Message {
    Message(
      .trustDomainInvalid, "trust domain \(quoted(value)) \(why)",
      help: "write \"cluster.local\", or one star at the start or the end as in \"*.example.com\"")
  }
  package static func valueUnknown(_ path: String, _ value: String, allowed: String, suggestion: String?) -> Message {
    Message(
      .valueUnknown, "`\(path)` is \(quoted(value)), not one of \(allowed)",
      help: suggestion.map { "did you mean `\($0)`?" } ?? "write one of \(allowed)")
  }
  package static func versionUnknown(_ version: String, kind: String, known: String) -> Message {
    Message(.versionUnknown, "unknown version \(quoted(version)) of \(kind)", help: "write `apiVersion: \(known)`")
  }
  package static func wideEncoding() -> Message {
    Message(.encodingInvalid, "the file is UTF-16 or UTF-32", help: "save the file as UTF-8")
  }
  package static func wrongType(_ path: String, expected: String, found: String, help: String?) -> Message {
    Message(.wrongType, "`\(path)` must be \(expected), not \(found)", help: help)
  }
}
