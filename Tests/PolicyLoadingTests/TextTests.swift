// The text layer through the front door: limits, encodings, aliases, recovery after errors.

import PolicyLoading
import PolicyModel
import Testing

@Suite struct `Reading text` {
  @Test func `a syntax error breaks its document and not the ones around it`() {
    let file = load(
      policy("{}") + "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: broken\n  namespace: shop\n"
        + "spec:\n  rules: [\n---\n" + policy("{}").replacing("name: p", with: "name: q") + "---\na: b: c\n---\n"
        + policy("{}").replacing("name: p", with: "name: r"))
    #expect(file.keys == ["AuthorizationPolicy shop/p", "AuthorizationPolicy shop/q", "AuthorizationPolicy shop/r"])
    #expect(file.codes == ["yaml-syntax", "yaml-syntax"])
    #expect(file.broken.map(\.key?.description) == ["AuthorizationPolicy shop/broken", nil])
    #expect(file.broken.map(\.couldDecide) == [true, true])
    #expect(file.broken.first?.selector == nil)
  }

  @Test func `a namespace that was not reached is not guessed`() {
    let file = load("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\n  labels: [\n")
    #expect(file.broken.first?.name == "p")
    #expect(file.broken.first?.namespace == nil)
  }

  @Test func `100,000 brackets stop at the nesting limit`() {
    for text in [
      String(repeating: "[", count: 100_000), String(repeating: "- ", count: 100_000), String(repeating: "{a: ", count: 100_000),
    ] {
      let file = load(text)
      #expect(file.codes == ["nesting-limit"], "\(file.messages.prefix(300))")
    }
    #expect(
      load("a: " + String(repeating: "[", count: 98) + String(repeating: "]", count: 98)).codes == ["field-required", "field-required"])
  }

  @Test func `alias bombs stop at their budget and name the alias`() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
    }
    let file = load(text)
    #expect(file.codes == ["alias-budget"])
    #expect(file.messages.contains("alias `*a"))
  }

  @Test func `nesting is counted through aliases`() {
    var text = "a0: &a0 [x]\n"
    for level in 1...120 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(load(text).codes == ["nesting-limit"])
  }

  @Test func `an alias stands for its value`() {
    let file = load(policy("{rules: [{from: [{source: &s {principals: [a]}}, {source: *s}]}]}"))
    #expect(file.policies.first?.rules.first??.sources.count == 2)
    #expect(file.policies.first?.rules.first??.sources.last?.constraints.first?.values.first?.value == "a")
    #expect(load(policy("{rules: *none}")).codes == ["alias-invalid"])
    #expect(load("a: &a [*a]").codes == ["alias-invalid"])
  }

  @Test func `merge keys, foreign tags and odd keys are refused`() {
    #expect(
      load(policy("{<<: {}}")).codes == ["field-unknown", "merge-key"] || load(policy("{<<: {}}")).codes == ["merge-key", "field-unknown"])
    #expect(load(policy("{action: !!binary QQ==}")).codes.contains("tag-unsupported"))
    #expect(load(policy("{action: !!str DENY, rules: [{}]}")).codes == [])
    #expect(load(policy("{rules: [{? [a] : b}]}")).codes.contains("key-invalid"))
  }

  @Test func `duplicate keys are refused at the second one, by bytes`() {
    let file = load(policy("{action: ALLOW, action: DENY}"))
    #expect(file.codes == ["duplicate-key"])
    #expect(file.diagnostics.first?.location.span.column == 23)
    #expect(load(policy("{selector: {matchLabels: {\u{e9}: a, e\u{301}: b}}}")).codes == [])
    let many = (0..<50).map { "k\($0): v" }.joined(separator: ", ")
    #expect(load(policy("{selector: {matchLabels: {\(many), k7: w}}}")).codes == ["duplicate-key"])
  }

  @Test func `plain scalars have the types of kubectl's reader`() {
    for text in [
      "yes", "Off", "n", "true", "1", "0x1F", "0b1", "0o7", "017", "1_000", "-5", "1.5", ".5", "1e3", ".inf", "99999999999999999999",
    ] {
      #expect(load(policy("{provider: {name: \(text)}}")).codes.contains("wrong-type"), "\(text)")
    }
    for text in ["yess", "2001-01-01", "1:20", "1.2.3", "0x", "a1", "1-2", "\"1\"", "'yes'", "-", "+", "."] where text != "-" {
      #expect(load(policy("{provider: {name: \(text)}}")).codes == ["provider-unexpected"], "\(text)")
    }
  }

  @Test func `UTF-16, broken UTF-8 and control characters are named`() {
    #expect(loadPolicies(text: [0xFE, 0xFF, 0, 0x61], file: "f").codes == ["encoding-invalid"])
    #expect(loadPolicies(text: [0xFF, 0xFE, 0x61, 0], file: "f").codes == ["encoding-invalid"])
    var bytes = Array(policy("{}").utf8) + Array("---\n".utf8) + Array(policy("{}").replacing("name: p", with: "name: q").utf8)
    let place = bytes.count - 3
    bytes.insert(contentsOf: [0x23, 0xC3, 0x28, 0x00], at: place)
    let file = loadPolicies(text: bytes, file: "f")
    #expect(file.keys == ["AuthorizationPolicy shop/p"])
    #expect(file.codes.first == "encoding-invalid")
    #expect(file.codes.filter { $0 == "encoding-invalid" }.count == 2)
    #expect(loadPolicies(text: [0xEF, 0xBB, 0xBF] + Array(policy("{}").utf8), file: "f").keys.count == 1)
  }

  @Test func `bad bytes behind the last document are not lost`() {
    let file = load(policy("{}") + "...\n# \u{0}\n")
    #expect(file.keys == ["AuthorizationPolicy shop/p"])
    #expect(file.codes == ["encoding-invalid"])
    #expect(file.broken.count == 1)
    #expect(file.broken.first?.key == nil)
  }

  @Test func `a kind that is written twice is not called missing`() {
    let file = load("apiVersion: v1\nkind: Pod\nkind: Service\nmetadata: {name: a}\n")
    #expect(file.codes == ["duplicate-key"])
    #expect(file.broken.first?.kind == nil)
  }

  @Test func `limits of size hold`() {
    var limits = LoadingLimits(fileBytes: 100)
    #expect(load(String(repeating: "#", count: 101), limits: limits).codes == ["file-too-large"])
    limits = LoadingLimits(nodes: 10)
    #expect(load("[" + String(repeating: "a,", count: 100) + "]", limits: limits).codes == ["node-limit"])
    limits = LoadingLimits(diagnostics: 5)
    let file = load(String(repeating: "---\n[\n", count: 1000), limits: limits)
    #expect(file.diagnostics.count == 6)
    #expect(file.codes.last == "too-many-problems")
    #expect(file.broken.count == 5)
  }

  private static let hostile: [(String, String)] = [
    ("duplicate keys", "spec: {" + String(repeating: "a: , ", count: 100_000) + "}"),
    ("unknown fields", "spec: {" + (0..<100_000).map { "a\($0): 1, " }.joined() + "}"),
    ("keys that are lists", "spec: {" + String(repeating: "[]: , ", count: 100_000) + "}"),
    ("keys that are null", "spec: {" + String(repeating: "~: , ", count: 100_000) + "}"),
    ("tags", "spec: [" + String(repeating: "!x a, ", count: 100_000) + "]"),
    ("null rules", "spec: {rules: [" + String(repeating: "~, ", count: 100_000) + "]}"),
    ("empty texts", "spec: {rules: [{from: [{source: {principals: [" + String(repeating: "'', ", count: 100_000) + "]}}]}]}"),
    ("bad addresses", "spec: {rules: [{from: [{source: {ipBlocks: [" + String(repeating: "a, ", count: 100_000) + "]}}]}]}"),
    ("labels", "spec: {selector: {matchLabels: {" + (0..<100_000).map { "a\($0): 1, " }.joined() + "}}}"),
  ]

  @Test(arguments: hostile) func `a hundred thousand problems are few diagnostics and one broken object`(what: String, spec: String) {
    let file = load(policy("{}").replacing("spec: {}", with: spec), limits: LoadingLimits(diagnostics: 10))
    #expect(file.diagnostics.count == 11, "\(what)")
    #expect(file.codes.last == "too-many-problems")
    #expect(file.keys == [])
    #expect(file.broken.map(\.key?.description) == ["AuthorizationPolicy shop/p"])
  }

  @Test func `what stands behind too many problems of a text is broken, not believed`() {
    let noise = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {" + String(repeating: "a: 1, ", count: 11) + "}}\n"
    let good = "- {apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a, namespace: b}, spec: {}}\n"
    let twice = good.replacing("spec: {}", with: "spec: {}, spec: {action: DENY, rules: [{}]}")
    let list = "apiVersion: v1\nkind: List\nitems:\n"
    let file = load(list + good.replacing("name: a", with: "name: z") + noise + twice + good, limits: LoadingLimits(diagnostics: 10))
    #expect(file.keys == ["AuthorizationPolicy b/z"])
    #expect(file.hasErrors)
    #expect(file.broken.contains { $0.key == nil && $0.couldDecide })
    #expect(file.messages.contains("more than 10 problems"))
    let next = load(list + noise + noise + "---\n" + policy("{}"), limits: LoadingLimits(diagnostics: 10))
    #expect(next.keys == ["AuthorizationPolicy shop/p"], "\(next.messages)")
  }

  @Test func `warnings never hide an error`() {
    let warnings = (0..<20).map { policy("{selector: {}}").replacing("name: p", with: "name: w\($0)") + "---\n" }.joined()
    let file = load(warnings + policy("{action: never}"), limits: LoadingLimits(diagnostics: 5))
    #expect(file.hasErrors)
    #expect(file.codes.contains("value-unknown"))
    #expect(file.diagnostics.count == 6)
    #expect(file.messages.contains("at least 16 more problems"))
    let rule = "{to: [{operation: {paths: [/a]}}]}, "
    let one = load(
      policy("{action: DENY, rules: [" + String(repeating: rule, count: 20) + "]}", annotations: "{internal.istio.io/parents: \"\"}")
        + "---\n"
        + policy("{selector: {}, action: DENY, rules: [" + String(repeating: rule, count: 20) + "{ruel: 1}]}").replacing("p,", with: "q,"),
      limits: LoadingLimits(diagnostics: 5))
    #expect(one.broken.compactMap(\.name) == ["p", "q"])
    #expect(one.codes.filter { $0 != "deny-whole-tcp" && $0 != "too-many-problems" }.count >= 2, "\(one.messages)")
  }

  @Test func `a long text that aliases repeat is an alias bomb`() {
    let long = String(repeating: "a", count: 100_000)
    let file = load(policy("{rules: [{from: [{source: {principals: [&a \(long)" + String(repeating: ", *a", count: 1000) + "]}}]}]}"))
    #expect(file.codes.contains("alias-budget"))
    let short = load(
      policy("{rules: [{from: [{source: {principals: [&a cluster.local/ns/a/sa/b" + String(repeating: ", *a", count: 1000) + "]}}]}]}"))
    #expect(short.codes == [])
  }

  @Test func `behind too many broken documents nothing is read, and that is an error`() {
    let text = String(repeating: "---\n[\n", count: 5) + "---\n" + policy("{}")
    let file = load(text, limits: LoadingLimits(brokenDocuments: 3))
    #expect(file.keys == [])
    #expect(file.codes == ["yaml-syntax", "yaml-syntax", "yaml-syntax", "yaml-syntax"])
    #expect(file.messages.contains("test.yaml:7:1: error: 3 documents"))
    #expect(file.broken.last?.key == nil)
    #expect(load(text).keys.count == 1)
  }

  @Test func `a huge scalar is one value`() {
    let name = String(repeating: "a", count: 4_000_000)
    let file = load(policy("{action: \(name)}"))
    #expect(file.codes == ["value-unknown"])
    #expect(file.diagnostics.first?.message.utf8.count ?? .max < 300)
  }

  @Test func `JSON is read by the same parser`() {
    let file = load(
      #"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"p"},"spec":{"rules":[{"to":[{"operation":{"paths":["\/a\u00e9"],"ports":["80"]}}]}]}}"#
    )
    #expect(file.keys == ["AuthorizationPolicy default/p"], "\(file.messages)")
    #expect(file.codes == ["namespace-missing"])
    #expect(file.policies.first?.rules.first??.operations.first?.constraints.first?.values.first?.value == "/a\u{e9}")
    let pair = load(#"{"apiVersion":"v1","kind":"\ud83d\ude00"}"#)
    #expect(pair.codes == ["yaml-syntax"])
    #expect(pair.messages.contains("surrogate"))
  }
}
