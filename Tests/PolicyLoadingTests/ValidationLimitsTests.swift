// The limits and combinations of Istio's webhook and CRDs, each at its edge: the last value that passes and the first that does not, and
// every field of a family, because a table of examples would miss the one that was forgotten.

import PolicyLoading
import PolicyModel
import Testing

private func list(_ count: Int, _ item: (Int) -> String) -> String { (0..<count).map(item).joined(separator: ",") }
private func source(_ fields: String) -> String { "{rules: [{from: [{source: {\(fields)}}]}]}" }
private func operation(_ fields: String) -> String { "{rules: [{to: [{operation: {\(fields)}}]}]}" }
private func when(_ key: String, _ values: String) -> String { "{rules: [{when: [{key: \"\(key)\", values: [\(values)]}]}]}" }
private func target(_ name: String) -> String { "{targetRefs: [{kind: Service, name: \(name)}]}" }
private func codes(_ spec: String) -> [String] { load(policy(spec)).codes }
private func both(_ field: String) -> [String] { [field, "not" + field.prefix(1).uppercased() + field.dropFirst()] }

private let sources = ["principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains", "ipBlocks", "remoteIpBlocks"]
  .flatMap(
    both)
private let operations = ["hosts", "ports", "methods", "paths"].flatMap(both)
private let identityKeys = [
  "source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal", "request.auth.principal", "request.auth.audiences",
  "request.auth.presenter", "request.auth.claims[a]",
]

@Suite struct `Limits of AuthorizationPolicies` {
  @Test func `lists may be as long as the CRD says, and no longer`() {
    #expect(codes("{rules: [\(list(512) { _ in "{}" })]}") == [])
    #expect(codes("{rules: [\(list(513) { _ in "{}" })]}") == ["too-many-entries"])
    for (name, clause) in [("from", "source: {principals: [a]}"), ("to", "operation: {methods: [a]}")] {
      #expect(codes("{rules: [{\(name): [\(list(512) { _ in "{\(clause)}" })]}]}") == [])
      #expect(codes("{rules: [{\(name): [\(list(513) { _ in "{\(clause)}" })]}]}") == ["too-many-entries"], "\(name)")
    }
    for field in both("serviceAccounts") {
      #expect(codes(source("\(field): [\(list(16) { "a\($0)" })]")) == [])
      #expect(codes(source("\(field): [\(list(17) { "a\($0)" })]")) == ["too-many-entries"], "\(field)")
      let (last, first) = (String(repeating: "a", count: 320), String(repeating: "a", count: 321))
      #expect(codes(source("\(field): [\(last)]")) == [])
      #expect(codes(source("\(field): [\(first)]")) == ["service-account-invalid"], "\(field)")
    }
    #expect(codes("{targetRefs: [\(list(16) { "{kind: Service, name: a\($0)}" })]}") == [])
    #expect(codes("{targetRefs: [\(list(17) { "{kind: Service, name: a\($0)}" })]}") == ["too-many-entries"])
    #expect(codes(target(String(repeating: "a", count: 253))) == [])
    #expect(codes(target(String(repeating: "a", count: 254))) == ["target-invalid"])
    #expect(codes("{selector: {matchLabels: {\(list(4096) { "a\($0): b" })}}}") == [])
    #expect(codes("{selector: {matchLabels: {\(list(4097) { "a\($0): b" })}}}") == ["too-many-entries"])
    #expect(codes("{selector: {matchLabels: {a: \(String(repeating: "x", count: 63))}}}") == [])
    #expect(codes("{selector: {matchLabels: {a: \(String(repeating: "x", count: 64))}}}") == ["label-invalid"])
  }

  @Test func `no list has an empty text, and each family its own syntax`() {
    for field in sources {
      #expect(codes(source("\(field): [\"\"]")) == ["empty-string"], "\(field)")
      let isAddress = field.lowercased().contains("ipblocks")
      #expect(codes(source("\(field): [\"a b\"]")) == (isAddress ? ["ip-invalid"] : []), "\(field)")
      #expect(
        codes(source("\(field): [\"a*b\"]")).isEmpty == !(isAddress || field.contains("rviceAccounts") || field.contains("rustDomains")))
    }
    for field in operations {
      #expect(codes(operation("\(field): [\"\"]")) == ["empty-string"], "\(field)")
      #expect(codes(operation("\(field): [\"a b\"]")) == (field.lowercased().contains("ports") ? ["port-invalid"] : []), "\(field)")
      #expect(
        codes(operation("\(field): [\"/{a}\"]")).isEmpty == !["port", "path"].contains { field.lowercased().contains($0) }, "\(field)")
    }
    for key in Attribute.plainKeys.keys.map(\.string) + ["request.headers[a]", "request.auth.claims[a]", "experimental.envoy.filters.a[b]"]
    {
      #expect(codes(when(key, "\"\"")) == ["empty-string"], "\(key)")
      let bad = key.hasSuffix(".ip") ? ["ip-invalid"] : key == "destination.port" ? ["port-invalid"] : []
      #expect(codes(when(key, "a")) == bad, "\(key)")
    }
    #expect(codes(when("source.trustDomain", "\"*a*\"")) == ["trust-domain-invalid"])
    #expect(codes(when("source.serviceAccount", "a/b/c")) == ["service-account-invalid"])
    #expect(codes(when("source.serviceAccount", list(17) { "a\($0)" })) == ["too-many-entries"])
    for path in ["/{**}/{**}", "{*}x", "/a b/{*}", "/{*}?a", "/a}", "/{a}/{*}", "/{*}//b"] {
      #expect(codes(operation("paths: [\"\(path)\"]")) == ["path-template-invalid"], "\(path)")
    }
    for path in ["/a/{*}/", "//{*}", "{*}", "/{*}/-._~%!$&'()+,;:@=/{**}", "/a b", "/*/a", "a?b"] {
      #expect(codes(operation("paths: [\"\(path)\"]")) == [], "\(path)")
    }
  }

  @Test func `accounts stand alone in a source`() {
    for account in both("serviceAccounts") {
      for other in (["principals", "namespaces"].flatMap(both)) {
        #expect(codes(source("\(account): [a], \(other): [b]")) == ["service-account-conflict"], "\(account) \(other)")
      }
      for other in (["requestPrincipals", "trustDomains"].flatMap(both)) {
        #expect(codes(source("\(account): [a], \(other): [b]")) == [], "\(account) \(other)")
      }
    }
  }

  @Test func `CUSTOM rules test nothing that is not known yet`() {
    func custom(_ spec: String) -> String { spec.replacing("{rules:", with: "{action: CUSTOM, provider: {name: a}, rules:") }
    for field in sources {
      let isAddress = field.lowercased().contains("ipblocks")
      #expect(codes(custom(source("\(field): [10.0.0.1]"))) == (isAddress ? [] : ["custom-identity"]), "\(field)")
    }
    for field in operations { #expect(codes(custom(operation("\(field): [\"80\"]"))) == [], "\(field)") }
    for key in identityKeys { #expect(codes(custom(when(key, "a"))) == ["custom-identity"], "\(key)") }
    for key in ["request.headers[a]", "connection.sni", "experimental.envoy.filters.a[b]"] { #expect(codes(custom(when(key, "a"))) == []) }
    for key in ["source.ip", "remote.ip", "destination.ip"] { #expect(codes(custom(when(key, "10.0.0.1"))) == [], "\(key)") }
    #expect(codes(custom(when("destination.port", "\"80\""))) == [])
    // The key does not exist, and would be about a token if it did.
    #expect(codes(custom(when("request.auth.nothing", "a"))) == ["condition-key-unknown", "custom-identity"])
  }

  @Test func `only one attachment, even when one of them is an empty list`() {
    #expect(codes("{selector: {matchLabels: {a: b}}, targetRefs: []}") == ["attachment-conflict"])
    #expect(codes("{targetRef: {kind: Service, name: a}, targetRefs: []}") == ["attachment-conflict"])
    #expect(codes("{targetRefs: []}") == [])
    #expect(
      codes("{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: a}, targetRefs: [{kind: Service, name: a}]}")
        == ["attachment-conflict", "attachment-conflict"])
  }

  @Test func `a warning for DENY rules that deny all of TCP, and only for them`() {
    func deny(_ rule: String) -> [String] { codes("{action: DENY, rules: [{\(rule)}]}") }
    for field in sources {
      let isHTTP = field.lowercased().contains("requestprincipals")
      #expect(deny("from: [{source: {\(field): [10.0.0.1]}}]") == (isHTTP ? ["deny-whole-tcp"] : []), "\(field)")
    }
    for field in operations {
      let isPort = field.lowercased().contains("ports")
      #expect(deny("to: [{operation: {\(field): [\"80\"]}}]") == (isPort ? [] : ["deny-whole-tcp"]), "\(field)")
    }
    #expect(deny("") == [])
    #expect(deny("when: [{key: \"request.headers[a]\", values: [b]}]") == [])
    #expect(deny("from: [{source: {principals: [a]}}], to: [{operation: {methods: [b]}}]") == ["deny-whole-tcp"])
    #expect(deny("to: [{operation: {methods: [a]}}, {operation: {ports: [\"80\"]}}]") == [])
    #expect(codes("{action: AUDIT, rules: [{to: [{operation: {paths: [/a]}}]}]}") == [])
  }
}

@Suite struct `Metadata of every kind` {
  private static let internals = [
    "internal.istio.io/webhook-always-reject", "internal.istio.io/parents", "internal.istio.io/parent-namespace",
  ]

  @Test(arguments: [policy("{}"), peer("{}"), tokens("{}"), rule("{host: a}")])
  func `Istio's own annotations are refused, and a dry run of all but policies`(_ text: String) {
    func annotated(_ annotation: String) -> LoadedFile {
      load(
        text.replacing(", annotations: {}", with: "").replacing("namespace: shop", with: "namespace: shop, annotations: {\(annotation)}"))
    }
    for name in Self.internals { #expect(annotated("\(name): \"\"").codes == ["annotation-invalid"], "\(name)") }
    #expect(annotated("example.com/x: \"\"").codes == [])
    for value in ["true", "false"] {
      let isPolicy = text.contains("kind: AuthorizationPolicy")
      #expect(annotated("istio.io/dry-run: \"\(value)\"").codes == (isPolicy ? [] : ["annotation-invalid"]), "\(text)")
    }
  }

  @Test func `a dry run goes with ALLOW and DENY, in Go's spellings`() {
    for action in ["ALLOW", "DENY", "AUDIT", "CUSTOM"] {
      let spec = action == "CUSTOM" ? "{action: CUSTOM, provider: {name: a}, rules: [{}]}" : "{action: \(action), rules: [{}]}"
      let isFine = action == "ALLOW" || action == "DENY"
      #expect(load(policy(spec, annotations: "{istio.io/dry-run: \"false\"}")).codes == (isFine ? [] : ["annotation-invalid"]), "\(action)")
    }
    for word in ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"] {
      #expect(load(policy("{}", annotations: "{istio.io/dry-run: \"\(word)\"}")).codes == [], "\(word)")
    }
    for word in ["", "yes", "on", "tRUE", " true", "2"] {
      #expect(load(policy("{}", annotations: "{istio.io/dry-run: \"\(word)\"}")).codes == ["annotation-invalid"], "\(word)")
    }
  }
}
