// Every sentence that a broken input can cause, sorted, in this file, `PolicyMessages.swift` and `TrafficMessages.swift`, so that the tone
// stays one: lower-case start, no final period, the user's text in backticks, and help that says what to write. What went wrong enters;
// words leave; nothing is decided here.

/// The words for one problem, without its place.
package struct Message: Sendable {
  /// What kind of problem it is.
  package let code: DiagnosticCode
  /// What is wrong.
  package let text: String
  /// What to write instead, if that is known.
  package let help: String?
  /// How bad it is: as the code says, or a warning where it was tolerated.
  package let severity: Severity
  /// Whether an object with it can be decided at all.
  let tolerance: Tolerance

  init(
    _ code: DiagnosticCode, _ text: String, help: String? = nil, severity: Severity? = nil, tolerance: Tolerance = .byCode
  ) {
    self.code = code
    self.text = text
    self.help = help
    self.severity = severity ?? code.severity
    self.tolerance = tolerance
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
  package static func controlCharacter(_ value: UInt32) -> Message {
    let digits = String(value, radix: 16, uppercase: true)
    let code = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    return Message(
      .encodingInvalid, "control character U+\(code) is not allowed", help: "remove it; in a double-quoted string an escape may stand")
  }
  package static func documentNotObject(_ found: String) -> Message {
    Message(
      .documentInvalid, "the document is \(found), not a Kubernetes object",
      help: "a document begins with `apiVersion:` and `kind:`")
  }
  package static func duplicateKey(_ key: String, firstLine: UInt32) -> Message {
    Message(
      .duplicateKey, "duplicate key \(quoted(key)), first on line \(firstLine)", help: "keep one of the two, or join their values")
  }
  package static func duplicateObject(_ key: String, first: String) -> Message {
    Message(
      .duplicateObject, "\(key) is defined a second time, first at \(first)", help: "keep one of the two, or give one another name")
  }
  package static func emptyString(_ path: String, _ tolerance: Tolerance = .byCode) -> Message {
    Message(.emptyString, "empty text in `\(path)`", help: "remove the entry, or write a value", tolerance: tolerance)
  }
  /// `atRunTime` says what Istio does with it, where it reads on.
  package static func entryNull(_ path: String, atRunTime: String? = nil) -> Message {
    Message(
      .nullEntry, "null entry in `\(path)`", help: "remove the dash, or write a value behind it",
      tolerance: atRunTime.map { .always($0) } ?? .never)
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
