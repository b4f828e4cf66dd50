// Single values as Istio's webhook judges them, without any text around them.

import PolicyModel
import Testing

@Suite struct `Validation of values` {
  @Test(arguments: ["0", "80", "080", "65535"])
  func `a port is decimal digits up to 65535`(text: String) {
    #expect(portNumber(ExactText(text)) == UInt16(text))
  }

  @Test(arguments: ["", "-1", "+1", "65536", "99999999999999999999", "1 ", "0x1", "\u{661}", "http"])
  func `other text is no port`(text: String) {
    #expect(portNumber(ExactText(text)) == nil)
  }

  @Test(arguments: [
    ("request.headers[a]", true), ("x[a]", true), ("x[[a]]", true), ("[a]", false), ("x[]", false), ("x[a", false), ("xa]", false),
    ("", false),
  ])
  func `a key of a bracketed family has something before and inside its brackets`(key: String, isShaped: Bool) {
    #expect(hasBracketShape(ExactText(key)) == isShaped)
  }

  @Test func `Go's booleans are exactly twelve spellings`() {
    for text in ["1", "t", "T", "TRUE", "true", "True"] as [ExactText] { #expect(goBoolean(text) == true) }
    for text in ["0", "f", "F", "FALSE", "false", "False"] as [ExactText] { #expect(goBoolean(text) == false) }
    for text in ["", "yes", "tRUE", "on", " true"] as [ExactText] { #expect(goBoolean(text) == nil) }
  }

  @Test func `service accounts are counted in bytes`() {
    func refusal(_ text: String) -> DiagnosticCode? {
      Attribute.sourceServiceAccount.refusal(of: ExactText(text), path: "serviceAccounts", isField: true)?.code
    }
    #expect(refusal(String(repeating: "a", count: 320)) == nil)
    #expect(refusal(String(repeating: "a", count: 321)) == .serviceAccountInvalid)
    #expect(refusal("") == .emptyString)
  }

  @Test func `a suggestion is near or absent`() {
    #expect(suggestion(for: "principal", among: ["namespaces", "principals"]) == "principals")
    #expect(suggestion(for: "AuthorizationPolcy", among: ["PeerAuthentication", "AuthorizationPolicy"]) == "AuthorizationPolicy")
    #expect(suggestion(for: "allow", among: ["ALLOW", "DENY"]) == "ALLOW")
    #expect(suggestion(for: "zebra", among: ["ALLOW", "DENY"]) == nil)
    #expect(suggestion(for: String(repeating: "a", count: 1_000_000), among: ["ALLOW"]) == nil)
  }

  @Test func `long user text is shortened in messages`() {
    let message = Attribute.destinationPort.refusal(of: ExactText(String(repeating: "9", count: 10_000)), path: "ports", isField: true)
    #expect(message?.text.utf8.count ?? .max < 300)
  }
}
