// The sentences about policy tests and invariants, sorted. The tone is that of `Messages.swift`. What went wrong enters; words leave; nothing is decided
// here.

extension Message {
  package static func invariantAccountShort(_ name: String) -> Message {
    Message(
      .invariantInvalid, "\(quoted(name)) is a service account without a namespace, which an invariant has not",
      help: "write `namespace/name`")
  }
  package static func invariantMissing() -> Message {
    Message(
      .documentInvalid, "the file holds no invariant", help: "write an object with `apiVersion: portcullis.dev/v1` and `kind: Invariant`")
  }
  package static func invariantName(_ name: String, help: String) -> Message {
    Message(.invariantInvalid, "\(quoted(name)) names nothing", help: help)
  }
  package static func invariantNeedsHTTP() -> Message {
    Message(
      .fieldConflict, "this field is about HTTP requests, and `chain` is `tcp`", help: "remove `chain: tcp`, or what asks for a request")
  }
  package static func testCaseInvalid(_ problem: String, help: String?) -> Message { Message(.testCaseInvalid, problem, help: help) }
  package static func testCaseNameTwice(_ name: String, firstLine: UInt32) -> Message {
    Message(
      .nameDuplicate, "a second case is named \(quoted(name)), the first on line \(firstLine)",
      help: "give each case a name of its own, so that a report can tell them apart")
  }
  package static func testMissing() -> Message {
    Message(
      .documentInvalid, "the file holds no test", help: "write an object with `apiVersion: portcullis.dev/v1` and `kind: PolicyTest`")
  }
  package static func testWithoutCases() -> Message {
    Message(.emptyList, "`cases` is an empty list", help: "add a case; a test without one would always pass")
  }
}
