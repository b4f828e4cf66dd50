// Durations, host names, labels and localities as Istio judges them, without any text around them.

import PolicyModel
import Testing

@Suite struct `Values of traffic policies` {
  @Test(arguments: [
    ("0", 0), ("1s", 1_000_000_000), ("1h30m", 5_400_000_000_000), ("1.5h", 5_400_000_000_000), ("250ms", 250_000_000), ("1us", 1000),
    ("1\u{b5}s", 1000), ("1\u{3bc}s", 1000), ("1ns", 1), ("-1s", -1_000_000_000), ("+2m", 120_000_000_000), (".5s", 500_000_000),
    ("1.s", 1_000_000_000), ("0.001s", 1_000_000), ("1.0000000005s", 1_000_000_000), ("9223372036s", 9_223_372_036_000_000_000),
  ])
  func `durations are Go's`(text: String, nanoseconds: Int64) {
    #expect(goDuration(ExactText(text)) == nanoseconds)
  }

  @Test(arguments: [
    "", "1", "s", ".s", "1d", "1 s", "1s ", "-", "1s-1s", "9223372037s", "99999999999999999999s", "9223372036s999999999999s", "1S",
  ])
  func `other text is no duration`(text: String) {
    #expect(goDuration(ExactText(text)) == nil)
  }

  @Test func `a DNS label has up to 63 letters, digits and inner hyphens`() {
    for text in ["a", "A-1", "0", String(repeating: "a", count: 63)] { #expect(isDNSLabel(text.utf8)) }
    for text in ["", "-a", "a-", "a.b", "a_b", "\u{e4}", String(repeating: "a", count: 64)] { #expect(!isDNSLabel(text.utf8)) }
  }

  @Test(arguments: [
    ("a", true, true), ("*.a", false, true), ("*", false, true), ("1", false, true), ("a.1", false, false), ("a.b.", true, true),
  ])
  func `a host may begin with a star where that is allowed`(host: String, isName: Bool, isWildcard: Bool) {
    #expect((hostRefusal(ExactText(host), allowsWildcard: false) == nil) == isName)
    #expect((hostRefusal(ExactText(host), allowsWildcard: true) == nil) == isWildcard)
  }

  @Test func `localities overlap when one could stand for the other`() {
    #expect(localityRefusal(["a/b/c", "a/b/d", "a/c", "b"]) == nil)
    for pair in [
      ["a", "a/b"], ["a/b", "a/*"], ["a/b/c", "a/b"], ["a/b/c", "a/b/*"], ["a/b", "a/b/c"], ["*", "a"], ["a", "*"], ["a", "a"],
    ] {
      #expect(localityRefusal(pair.map { ExactText($0) })?.index == 1, "\(pair)")
    }
    #expect(localityRefusal(["a/b/c/d"]) == nil)
    for text in ["", "a/", "/a", "a//b", "*a", "a*b", "*/*"] as [ExactText] { #expect(localityRefusal([text])?.index == 0, "\(text)") }
  }
}
