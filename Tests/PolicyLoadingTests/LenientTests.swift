// Lenient loading: what Istio's webhook refuses and its proxies live with is kept, as a warning that says what it means at run time.
// Each case says what the strict loader finds, and the constraints that are left; a case without them stays an error.

import PolicyLoading
import PolicyModel
import Testing

private func lenient(_ text: String) -> LoadedFile { loadPolicies(text: Array(text.utf8), file: "test.yaml", isLenient: true) }

extension AuthorizationPolicy {
  /// The policy's rules in short: what is in each source, operation and condition; `any` for a clause that constrains nothing.
  fileprivate var short: String {
    rules.map { rule in
      guard let rule else { return "null" }
      let clauses = { (clauses: [Clause]) in clauses.map { $0.constraints.isEmpty ? "any" : $0.constraints.short }.joined(separator: " or ")
      }
      return "from(\(clauses(rule.sources))) to(\(clauses(rule.operations))) when(\(rule.conditions.short))"
    }.joined(separator: "; ")
  }
}

extension [Constraint] {
  fileprivate var short: String {
    map { one in
      let key =
        switch one.attribute {
        case .unknownKey(let key): "unknown:\(key)"
        case .malformedKey(let key): "malformed:\(key)"
        default: one.attribute.description
        }
      return key + one.values.map { " \($0.value)" }.joined() + one.notValues.map { " !\($0.value)" }.joined()
    }.joined(separator: " & ")
  }
}

private let rules513 = Array(repeating: "{}", count: 513).joined(separator: ",")
private let long = String(repeating: "a", count: 321)

/// A spec, the codes, and the rules that are decided.
private let kept: [(String, [String], String)] = [
  ("{action: DENY}", ["deny-never-triggered"], ""),
  ("{action: DENY, rules: []}", ["deny-never-triggered"], ""),
  ("{action: CUSTOM, provider: {name: a}}", ["custom-never-triggered"], ""),
  ("{ruels: [{}]}", ["field-unknown"], ""),
  ("{rules: [null]}", ["null-entry"], "null"),
  ("{action: DENY, rules: [null, {}]}", ["null-entry"], "null; from() to() when()"),
  ("{rules: [{from: [], to: []}]}", ["empty-list", "empty-list"], "from() to() when()"),
  ("{rules: [{from: null, to: null, when: null}]}", ["field-null", "field-null", "field-null"], "from() to() when()"),
  ("{rules: [{from: [{}]}]}", ["field-required"], "from(any) to() when()"),
  ("{rules: [{from: [{}, {source: {principals: [a]}}]}]}", ["field-required"], "from(any or source.principal a) to() when()"),
  ("{rules: [{from: [{source: null}, {source: {principals: [a]}}]}]}", ["field-null"], "from(any or source.principal a) to() when()"),
  (
    "{rules: [{from: [{sorce: {}}, {source: {principals: [a]}}]}]}", ["field-required", "field-unknown"],
    "from(any or source.principal a) to() when()"
  ),
  ("{rules: [{to: [{operation: {}}]}]}", ["empty-clause"], "from() to(any) when()"),
  ("{rules: [{from: [{source: {principal: [a]}}]}]}", ["field-unknown"], "from(any) to() when()"),
  ("{rules: [{to: [{operation: {paths: [/a], notPathes: [/b]}}]}]}", ["field-unknown"], "from() to(paths /a) when()"),
  ("{rules: [{from: [{source: {principals: [a], namespaces: null}}]}]}", ["field-null"], "from(source.principal a) to() when()"),
  (
    "{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8, bad, \"\"]}}]}]}", ["ip-invalid", "empty-string"],
    "from(source.ip 10.0.0.0/8 bad ) to() when()"
  ),
  ("{rules: [{to: [{operation: {notPorts: [\"80\", abc]}}]}]}", ["port-invalid"], "from() to(destination.port !80 !abc) when()"),
  ("{rules: [{from: [{source: {principals: [\"\"]}}]}]}", ["empty-string"], "from(source.principal ) to() when()"),
  ("{rules: [{to: [{operation: {paths: [\"/{id}\"]}}]}]}", ["path-template-invalid"], "from() to(paths /{id}) when()"),
  (
    "{rules: [{from: [{source: {serviceAccounts: [a], principals: [b]}}]}]}", ["service-account-conflict"],
    "from(source.serviceAccount a & source.principal b) to() when()"
  ),
  ("{rules: [{from: [{source: {serviceAccounts: [\"a*\"]}}]}]}", ["service-account-invalid"], "from(source.serviceAccount a*) to() when()"),
  (
    "{rules: [{from: [{source: {serviceAccounts: [\(long)]}}]}]}", ["service-account-invalid"],
    "from(source.serviceAccount \(long)) to() when()"
  ),
  ("{rules: [{from: [{source: {trustDomains: [a/b]}}]}]}", ["trust-domain-invalid"], "from(source.trustDomain a/b) to() when()"),
  // Conditions: an unknown key drops the rule; one without values demands nothing of Envoy, but ztunnel must see it.
  ("{rules: [{when: [{key: source.principle, values: [a]}]}]}", ["condition-key-unknown"], "from() to() when(unknown:source.principle a)"),
  (
    "{rules: [{when: [{key: source.principle, values: []}]}]}", ["condition-key-unknown", "condition-empty"],
    "from() to() when(unknown:source.principle)"
  ),
  ("{rules: [{when: [{values: [a]}]}]}", ["condition-key-invalid"], "from() to() when(unknown:)"),
  ("{rules: [{when: [{key: null, values: [a]}]}]}", ["field-null"], "from() to() when(unknown:)"),
  ("{rules: [{when: [{key: \"\", values: [a]}]}]}", ["condition-key-invalid"], "from() to() when(unknown:)"),
  ("{rules: [{when: [{key: source.ip}]}]}", ["condition-empty"], "from() to() when(source.ip)"),
  (
    "{rules: [{when: [{key: source.ip, values: []}, {key: remote.ip, values: [1.2.3.4]}]}]}", ["condition-empty"],
    "from() to() when(source.ip & remote.ip 1.2.3.4)"
  ),
  ("{rules: [{when: [{key: source.ip, values: null}]}]}", ["field-null"], "from() to() when(source.ip)"),
  ("{rules: [{when: [{key: request.headers, values: [a]}]}]}", ["condition-key-invalid"], "from() to() when(malformed:request.headers a)"),
  (
    "{rules: [{when: [{key: \"request.auth.claims[a\", values: [a]}]}]}", ["condition-key-invalid"],
    "from() to() when(malformed:request.auth.claims[a a)"
  ),
  (
    "{rules: [{when: [{key: experimental.envoy.filters.a, values: [a]}]}]}", ["condition-key-invalid"],
    "from() to() when(malformed:experimental.envoy.filters.a a)"
  ),
  (
    "{rules: [{when: [{key: request.headers, values: []}]}]}", ["condition-key-invalid", "condition-empty"],
    "from() to() when(malformed:request.headers)"
  ),
  // CUSTOM: the peer is known when its rules run.
  ("{action: CUSTOM, rules: [{}]}", ["provider-missing"], "from() to() when()"),
  (
    "{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {notPrincipals: [a]}}]}]}", ["custom-identity"],
    "from(source.principal !a) to() when()"
  ),
  ("{provider: {name: a}, rules: [{}]}", ["provider-unexpected"], "from() to() when()"),
  ("{rules: [\(rules513)]}", ["too-many-entries"], Array(repeating: "from() to() when()", count: 513).joined(separator: "; ")),
]

/// Specs that stay errors: nobody can decode them, Envoy refuses its configuration because of them, or what the proxies would do is not known.
private let refused: [(String, String)] = [
  ("[]", "wrong-type"), ("{rules: {}}", "wrong-type"), ("{action: ALOW, rules: [{}]}", "value-unknown"),
  ("{rules: [{to: [{operation: {ports: [8080]}}]}]}", "wrong-type"),
  ("{rules: [{from: [null]}]}", "null-entry"), ("{rules: [{when: [null]}]}", "null-entry"),
  ("{rules: [{from: [{source: {principals: [null]}}]}]}", "null-entry"),
  ("{rules: [{to: [{operation: {paths: [\"/a{*}\"]}}]}]}", "path-template-invalid"),
  ("{rules: [{to: [{operation: {notPaths: [\"/{**}/{*}\"]}}]}]}", "path-template-invalid"),
  ("{rules: [{to: [{operation: {paths: [\"/*/{*}\"]}}]}]}", "path-template-invalid"),
  ("{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}", "service-account-invalid"),
  ("{rules: [{from: [{source: {serviceAccounts: [/b]}}]}]}", "service-account-invalid"),
  ("{rules: [{from: [{source: {serviceAccounts: [\"\"]}}]}]}", "empty-string"),
  ("{rules: [{from: [{source: {trustDomains: [\"a*b\"]}}]}]}", "trust-domain-invalid"),
  ("{rules: [{when: [{key: \"request.headers[]\", values: [a]}]}]}", "condition-key-invalid"),
  // Newer releases of Istio make something of them.
  ("{action: DENY, rules: [{when: [{key: \"request.experimental.inline.headers[X]\", values: [a]}]}]}", "condition-key-unknown"),
  ("{rules: [{when: [{key: request.experimental.other, values: [a]}]}]}", "condition-key-unknown"),
  ("{rules: [{when: [{key: \"request.auth.claims[]\", values: [a]}]}]}", "condition-key-invalid"),
  ("{rules: [{when: [{key: request.auth.claims, values: [a]}]}]}", "condition-key-invalid"),
  ("{rules: [{when: [{key: \"experimental.envoy.filters.a[b\", values: [a]}]}]}", "condition-key-invalid"),
  // What a proxy has not read yet when it runs CUSTOM rules is missing there, and known to whoever decides later.
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {notRequestPrincipals: [\"*\"]}}]}]}", "custom-identity"),
  ("{action: CUSTOM, provider: {name: a}, rules: [{when: [{key: \"request.auth.claims[x]\", values: [a]}]}]}", "custom-identity"),
]

@Suite struct `Lenient loading` {
  @Test(arguments: kept) func `what Istio lives with is kept as it means at run time, and warned of`(
    _ spec: String, _ codes: [String], _ rules: String
  ) throws {
    let strict = load(policy(spec))
    #expect(strict.broken.count == 1 && strict.hasErrors, "\(strict.messages)")
    let file = lenient(policy(spec))
    #expect(file.broken.isEmpty && !file.hasErrors, "\(file.messages)")
    let tolerated = file.diagnostics.filter { $0.code != "deny-whole-tcp" }
    #expect(tolerated.map(\.code) == codes, "\(file.messages)")
    #expect(strict.diagnostics.map(\.location.description) == file.diagnostics.map(\.location.description))
    #expect(tolerated.allSatisfy { $0.help?.hasPrefix("at run time ") == true }, "\(file.messages)")
    #expect(try #require(file.policies.first).short == rules)
  }

  @Test(arguments: refused) func `what nobody can decide stays an error`(_ spec: String, _ code: String) {
    let file = lenient(policy(spec))
    #expect(file.broken.count == 1 && file.objects.isEmpty)
    #expect(file.diagnostics.filter { $0.severity == .error }.map(\.code).contains(code), "\(file.messages)")
  }

  @Test func `the help says what the proxies do, and what to write`() {
    let file = lenient(policy("{action: DENY, rules: [{from: [{source: {ipBlocks: [bad]}}]}]}"))
    #expect(
      file.messages == """
        test.yaml:4:59: warning: `bad` is neither an IP address nor a CIDR block [ip-invalid]
          spec: {action: DENY, rules: [{from: [{source: {ipBlocks: [bad]}}]}]}
                                                                    ^^^
          = help: at run time the value is left out; when none is left, its list demands nothing, and the rule covers MORE than it reads; \
        write for example "10.1.2.3", "10.0.0.0/8" or "2001:db8::/32"
        """, "\(file.messages)")
    let allow = lenient(policy("{rules: [{from: [{source: {ipBlocks: [bad]}}]}]}"))
    #expect(allow.diagnostics.first?.help?.hasPrefix("at run time the whole rule is dropped and allows nothing; ") == true)
    let typo = lenient(policy("{action: DENY, rules: [{to: [{operation: {pathes: [/a]}}]}]}"))
    #expect(typo.messages.contains("covers MORE than it reads; did you mean `paths`?"), "\(typo.messages)")
  }

  @Test(arguments: [
    ("ALLOW", "\"yes\"", false), ("DENY", "\" true\"", false), ("AUDIT", "\"true\"", true), ("CUSTOM", "\"true\"", true),
    ("CUSTOM", "\"no\"", false),
  ])
  func `a dry run that is none is enforced`(_ action: String, _ text: String, _ isDryRun: Bool) throws {
    let file = lenient(policy("{action: \(action), provider: {name: x}, rules: [{}]}", annotations: "{istio.io/dry-run: \(text)}"))
    #expect(file.broken.isEmpty && file.codes.contains("annotation-invalid"), "\(file.messages)")
    #expect(try #require(file.policies.first).isDryRun == isDryRun)
  }

  @Test func `targets win over a selector, and the list over the single one`() throws {
    func targets(_ spec: String) throws -> AuthorizationPolicy.Attachment {
      let file = lenient(policy(spec))
      #expect(load(policy(spec)).broken.count == 1 && file.broken.isEmpty, "\(file.messages)")
      return try #require(file.policies.first).attachment
    }
    func gateway(_ name: ExactText) -> AuthorizationPolicy.TargetReference {
      .init(group: "gateway.networking.k8s.io", kind: "Gateway", name: name)
    }
    let (a, b) = (
      "{group: gateway.networking.k8s.io, kind: Gateway, name: a}", "{group: gateway.networking.k8s.io, kind: Gateway, name: b}"
    )
    #expect(try targets("{selector: {matchLabels: {x: z}}, targetRef: \(a)}") == .targets([gateway("a")]))
    #expect(try targets("{targetRef: \(a), targetRefs: [\(b)]}") == .targets([gateway("b")]))
    #expect(try targets("{targetRef: \(a), targetRefs: []}") == .targets([gateway("a")]))
    #expect(try targets("{selector: {matchLabels: {x: z}}, targetRefs: []}") == .selector(LabelSelector(matchLabels: ["x": "z"])))
    #expect(try targets("{targetRefs: [{kind: Deployment, name: a}]}") == .targets([]))
    #expect(try targets("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a, namespace: elsewhere}]}") == .targets([]))
    #expect(
      try targets("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a, namespace: shop}]}") == .targets([gateway("a")])
    )
    #expect(try targets("{selector: {matchLabels: {a: \"b*\"}}}") == .selector(LabelSelector(matchLabels: ["a": "b*"])))
    // For ztunnel a selector without labels is another thing than none.
    #expect(try targets("{selector: {matchExpressions: []}}") == .selector(LabelSelector(form: .empty)))
    #expect(try targets("{selector: {matchLabels: null}}") == .selector(LabelSelector(form: .empty)))
  }

  @Test func `a mode that is not written is unset, one that is unknown stays an error`() throws {
    let misspelt = lenient(peer("{mtls: {mod: STRICT}}"))
    #expect(misspelt.codes == ["field-unknown"] && misspelt.diagnostics[0].help?.contains("WEAKER") == true, "\(misspelt.messages)")
    #expect(try #require(misspelt.peerAuthentications.first).mode == nil)
    let ports = lenient(peer("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: null, 70000: {mode: STRICT}, 81: {mode: STRICT}}}"))
    #expect(ports.broken.isEmpty, "\(ports.messages)")
    #expect(try #require(ports.peerAuthentications.first).portModes == [80: nil, 81: .strict])
    #expect(lenient(peer("{portLevelMtls: {80: {mode: STRICT}}}")).codes == ["port-level-without-selector"])
    #expect(lenient(peer("{mtls: {mode: strict}}")).broken.count == 1)
    #expect(lenient(peer("{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: STRICT}}}")).broken.count == 1)
    #expect(lenient(peer("{mtls: STRICT}")).broken.count == 1)
    for key in ["+80", "-0", "4294967296"] {
      #expect(lenient(peer("{selector: {matchLabels: {a: b}}, portLevelMtls: {\"\(key)\": {mode: STRICT}}}")).broken.count == 1, "\(key)")
    }
  }

  @Test func `token and traffic objects are kept unless nobody can decode them`() {
    for text in [
      tokens("{jwtRules: [{issuer: a, timeout: 0s}]}"), tokens("{jwtRules: [{issuer: a, audience: [b]}]}"), tokens("{jwtRule: []}"),
      tokens("null"), rule("{}"), rule("{host: a, trafficPolicy: {}}"), rule("{host: \"a*b\"}"),
      rule("{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}"), rule("{host: a, exprtTo: []}"),
    ] {
      #expect(load(text).broken.count == 1, "\(text)")
      let file = lenient(text)
      #expect(file.broken.isEmpty && file.objects.count == 1 && !file.codes.isEmpty, "\(file.messages)")
    }
    for text in [
      tokens("{jwtRules: {}}"), tokens("{jwtRules: [{issuer: \"\"}]}"), tokens("{jwtRules: [{}]}"),
      tokens("{jwtRules: [{isuer: a}]}"), tokens("{jwtRules: [{issuer: a, jwks: none}]}"), tokens("{jwtRules: [{issuer: a, jwksUri: a}]}"),
      tokens("{jwtRules: [{issuer: a, fromHeaders: [{}]}]}"), tokens("{jwtRules: [{issuer: a, audiences: [\"\"]}]}"),
      tokens("{jwtRules: [{issuer: a, presence: MAYBE}]}"), rule("{host: 1}"),
      rule("{host: a, trafficPolicy: {tls: {mode: NONE}}}"), rule("{host: a, subsets: [null]}"),
      rule("{host: a, trafficPolicy: {outlierDetection: {consecutive5xxErrors: -1}}}"),
    ] {
      #expect(lenient(text).broken.count == 1, "\(text)")
    }
  }

  @Test func `who an object is, and what is no policy, is read strictly`() {
    let good = policy("{rules: [{from: [{source: {}}]}]}")
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {podIP: bad}\n"
    for (text, code) in [
      (good.replacing("namespace: shop", with: "namespce: shop"), "field-unknown"),
      (good.replacing("name: p,", with: ""), "field-required"), (good + "---\n" + pod, "ip-invalid"),
      (good + "---\n" + good, "duplicate-object"), (good.replacing("spec:", with: "spec: {}\nspec:"), "duplicate-key"),
      (good.replacing("kind: AuthorizationPolicy\n", with: ""), "field-required"),
    ] {
      let file = lenient(text)
      #expect(file.diagnostics.contains { $0.severity == .error && $0.code == code }, "\(file.messages)")
      #expect(file.broken.count == 1, "\(file.messages)")
    }
    // In a list one reader reads all of them.
    let items = [good, pod, "kind: Pod\nmetadata: {name: b}\n"].map { one in
      "- " + one.split(separator: "\n").joined(separator: "\n  ") + "\n"
    }.joined()
    let list = lenient("apiVersion: v1\nkind: List\nitems:\n" + items)
    #expect(list.objects.count == 1 && list.broken.count == 2, "\(list.messages)")
  }
}
