// Every check of Istio's webhook, both ways: a spec that it accepts and one that it refuses.

import PolicyLoading
import PolicyModel
import Testing

private let labels65 = String(repeating: "x", count: 64)
private let accounts17 = (1...17).map { "\"a\($0)\"" }.joined(separator: ",")
private let long321 = String(repeating: "a", count: 321)

/// A spec and the codes that it must give; none means that the policy is delivered.
private let authorizationCases: [(String, [String])] = [
  // Shape.
  ("{}", []),
  ("{rules: [{}]}", []),
  ("{rules: null}", []),
  ("{rules: []}", []),
  ("{rules: [null]}", ["null-entry"]),
  ("{rules: {}}", ["wrong-type"]),
  ("{ruels: [{}]}", ["field-unknown"]),
  ("[]", ["wrong-type"]),
  ("{rules: [{from: []}]}", ["empty-list"]),
  ("{rules: [{to: []}]}", ["empty-list"]),
  ("{rules: [{from: [null]}]}", ["null-entry"]),
  ("{rules: [{to: [null]}]}", ["null-entry"]),
  ("{rules: [{from: [{}]}]}", ["field-required"]),
  ("{rules: [{from: [{source: null}]}]}", ["field-null"]),
  ("{rules: [{to: [{}]}]}", ["field-required"]),
  ("{rules: [{from: [{source: {}}]}]}", ["empty-clause"]),
  ("{rules: [{to: [{operation: {}}]}]}", ["empty-clause"]),
  ("{rules: [{from: [{source: {principals: []}}]}]}", ["empty-clause"]),
  ("{rules: [{from: [{source: {principal: [a]}}]}]}", ["field-unknown"]),
  ("{rules: [{from: [{source: {principals: a}}]}]}", ["wrong-type"]),
  ("{rules: [{from: [{source: {principals: [a], namespaces: []}}]}]}", []),
  ("{rules: [{from: [{source: {principals: [\"\"]}}]}]}", ["empty-string"]),
  ("{rules: [{from: [{source: {principals: [null]}}]}]}", ["null-entry"]),
  ("{rules: [{to: [{operation: {hosts: [\"\"]}}]}]}", ["empty-string"]),
  ("{rules: [{to: [{operation: {methods: [get, FOO], hosts: [\"a*b\"]}}]}]}", []),
  ("{rules: [{to: [{operation: {methods: [ON]}}]}]}", ["wrong-type"]),
  // Null is not "any".
  ("null", []),
  ("{action: null}", ["field-null"]),
  ("{action: DENY, rules: null}", ["deny-never-triggered"]),
  ("{selector: null}", ["field-null"]),
  ("{selector: {matchLabels: null}}", ["field-null"]),
  ("{targetRef: null}", ["field-null"]),
  ("{targetRefs: null}", ["field-null"]),
  ("{targetRefs: [null]}", ["null-entry"]),
  ("{targetRefs: [{kind: Service, name: null}]}", ["field-null"]),
  ("{targetRefs: [{kind: Service, name: a, group: null}]}", ["field-null"]),
  ("{provider: null}", ["field-null"]),
  ("{rules: [{from: null}]}", ["field-null"]),
  ("{rules: [{to: null}]}", ["field-null"]),
  ("{rules: [{when: null}]}", ["field-null"]),
  ("{rules: [{to: [{operation: null}]}]}", ["field-null"]),
  ("{rules: [{from: [{source: {principals: null}}]}]}", ["field-null"]),
  ("{rules: [{from: [{source: {principals: null, namespaces: [x]}}]}]}", ["field-null"]),
  ("{rules: [{to: [{operation: {notPaths: , ports: [\"80\"]}}]}]}", ["field-null"]),
  ("{rules: [{when: [{key: null, values: [a]}]}]}", ["field-null"]),
  ("{rules: [{when: [{key: source.ip, values: null}]}]}", ["field-null"]),
  ("{rules: [{when: [{key: source.ip, values: [1.2.3.4], notValues: null}]}]}", ["field-null"]),
  // Attachment.
  ("{selector: {matchLabels: {app: a}}}", []),
  ("{selector: {}}", ["selector-empty"]),
  ("{selector: {matchLabels: {}}}", ["selector-empty"]),
  ("{selector: {matchExpressions: []}}", ["selector-empty", "field-unknown"]),
  ("{selector: {matchLabels: {\"\": a}}}", ["label-invalid"]),
  ("{selector: {matchLabels: {\"a*\": a}}}", ["label-invalid"]),
  ("{selector: {matchLabels: {a: \"b*\"}}}", ["label-invalid"]),
  ("{selector: {matchLabels: {a: \(labels65)}}}", ["label-invalid"]),
  ("{selector: {matchLabels: {a: 1}}}", ["wrong-type"]),
  ("{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: a}}", ["attachment-conflict"]),
  ("{targetRef: {kind: Service, name: a}, targetRefs: [{kind: Service, name: a}]}", ["attachment-conflict"]),
  ("{targetRefs: [{kind: Service, name: a}]}", []),
  ("{targetRefs: [{group: core, kind: Service, name: a}]}", []),
  ("{targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: a}]}", []),
  ("{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}]}", []),
  ("{targetRef: {group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}}", []),
  ("{targetRefs: [{kind: Deployment, name: a}]}", ["target-invalid"]),
  ("{targetRefs: [{kind: Service}]}", ["target-invalid"]),
  ("{targetRefs: [{kind: Service, name: \"\"}]}", ["target-invalid"]),
  ("{targetRefs: [{kind: Service, name: a, namespace: b}]}", ["target-invalid"]),
  ("{targetRefs: [{kind: Service, name: a, namespace: \"\"}]}", []),
  ("{targetRefs: [\(Array(repeating: "{kind: Service, name: a}", count: 17).joined(separator: ","))]}", ["too-many-entries"]),
  // Action and provider.
  ("{action: DENY, rules: [{}]}", []),
  ("{action: AUDIT}", []),
  ("{action: deny, rules: [{}]}", ["value-unknown"]),
  ("{action: 1}", ["wrong-type"]),
  ("{action: DENY}", ["deny-never-triggered"]),
  ("{action: DENY, rules: []}", ["deny-never-triggered"]),
  ("{action: CUSTOM, provider: {name: a}}", ["custom-never-triggered"]),
  ("{action: CUSTOM, rules: [{}]}", ["provider-missing"]),
  ("{action: CUSTOM, provider: {name: \"\"}, rules: [{}]}", ["provider-missing"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{}]}", []),
  ("{action: ALLOW, provider: {name: a}, rules: [{}]}", ["provider-unexpected"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {principals: [a]}}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {notNamespaces: [a]}}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {serviceAccounts: [a]}}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {trustDomains: [a]}}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {requestPrincipals: [a]}}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{when: [{key: source.namespace, values: [a]}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{when: [{key: \"request.auth.claims[x]\", values: [a]}]}]}", ["custom-identity"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{when: [null]}]}", ["null-entry"]),
  ("{action: CUSTOM, provider: {name: a}, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}", []),
  ("{action: CUSTOM, provider: {name: a}, rules: [{when: [{key: \"request.headers[x]\", values: [a]}]}]}", []),
  // Values.
  ("{rules: [{from: [{source: {serviceAccounts: [a], principals: [b]}}]}]}", ["service-account-conflict"]),
  ("{rules: [{from: [{source: {notServiceAccounts: [a], notNamespaces: [b]}}]}]}", ["service-account-conflict"]),
  ("{rules: [{from: [{source: {serviceAccounts: [a, b/c]}}]}]}", []),
  ("{rules: [{from: [{source: {serviceAccounts: [\(accounts17)]}}]}]}", ["too-many-entries"]),
  ("{rules: [{from: [{source: {serviceAccounts: [\"a*\"]}}]}]}", ["service-account-invalid"]),
  ("{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}", ["service-account-invalid"]),
  ("{rules: [{from: [{source: {serviceAccounts: [/b]}}]}]}", ["service-account-invalid"]),
  ("{rules: [{from: [{source: {serviceAccounts: [a/]}}]}]}", ["service-account-invalid"]),
  ("{rules: [{from: [{source: {serviceAccounts: [\(long321)]}}]}]}", ["service-account-invalid"]),
  ("{rules: [{from: [{source: {trustDomains: [\"*\", \"*.a\", \"a*\", b]}}]}]}", []),
  ("{rules: [{from: [{source: {trustDomains: [\"*a*\"]}}]}]}", ["trust-domain-invalid"]),
  ("{rules: [{from: [{source: {notTrustDomains: [\"a*b\"]}}]}]}", ["trust-domain-invalid"]),
  ("{rules: [{from: [{source: {trustDomains: [a/b]}}]}]}", ["trust-domain-invalid"]),
  ("{rules: [{when: [{key: source.trustDomain, values: [a/b]}]}]}", []),
  ("{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8, \"::1\", 1.2.3.4]}}]}]}", []),
  ("{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}", ["ip-invalid"]),
  ("{rules: [{from: [{source: {notRemoteIpBlocks: [a]}}]}]}", ["ip-invalid"]),
  ("{rules: [{from: [{source: {ipBlocks: [\"fe80::1%eth0\"]}}]}]}", []),
  (
    "{rules: [{from: [{source: {ipBlocks: [\"fe80::1%eth0/128\", \"fe80::1%\", \"10.0.0.1%eth0\"]}}]}]}",
    ["ip-invalid", "ip-invalid", "ip-invalid"]
  ),
  ("{rules: [{to: [{operation: {ports: [\"8080\", \"080\", \"0\"]}}]}]}", []),
  ("{rules: [{to: [{operation: {ports: [8080]}}]}]}", ["wrong-type"]),
  ("{rules: [{to: [{operation: {ports: [\"65536\"]}}]}]}", ["port-invalid"]),
  ("{rules: [{to: [{operation: {notPorts: [\"http\"]}}]}]}", ["port-invalid"]),
  ("{rules: [{to: [{operation: {ports: [\"-1\"]}}]}]}", ["port-invalid"]),
  ("{rules: [{to: [{operation: {paths: [\"/a/{*}/b/{**}\", \"/a*\", \"a?b\", \"/{**}/cart\", \"//a\"]}}]}]}", []),
  ("{rules: [{to: [{operation: {paths: [\"/{**}/{*}\"]}}]}]}", ["path-template-invalid"]),
  ("{rules: [{to: [{operation: {paths: [\"/a{*}\"]}}]}]}", ["path-template-invalid"]),
  ("{rules: [{to: [{operation: {notPaths: [\"/{a}\"]}}]}]}", ["path-template-invalid"]),
  ("{rules: [{to: [{operation: {paths: [\"/a//{*}\"]}}]}]}", ["path-template-invalid"]),
  ("{rules: [{to: [{operation: {paths: [\"/*/{*}\"]}}]}]}", ["path-template-invalid"]),
  // Conditions.
  ("{rules: [{when: [{key: source.ip, values: [1.2.3.4]}]}]}", []),
  ("{rules: [{when: [{key: source.ip, notValues: [x]}]}]}", ["ip-invalid"]),
  ("{rules: [{when: [{key: destination.ip, values: [x]}]}]}", ["ip-invalid"]),
  ("{rules: [{when: [{key: destination.port, values: [\"99999\"]}]}]}", ["port-invalid"]),
  ("{rules: [{when: [{key: source.serviceAccount, values: [\"*\"]}]}]}", ["service-account-invalid"]),
  ("{rules: [{when: [{values: [a]}]}]}", ["condition-key-invalid"]),
  ("{rules: [{when: [{key: \"\", values: [a]}]}]}", ["condition-key-invalid"]),
  ("{rules: [{when: [null]}]}", ["null-entry"]),
  ("{rules: [{when: [{key: source.ip}]}]}", ["condition-empty"]),
  ("{rules: [{when: [{key: source.ip, values: []}]}]}", ["condition-empty"]),
  ("{rules: [{when: [{key: source.ip, values: [\"\"]}]}]}", ["empty-string"]),
  ("{rules: [{when: [{key: source.principle, values: [a]}]}]}", ["condition-key-unknown"]),
  ("{rules: [{when: [{key: \"destination.labels[app]\", values: [a]}]}]}", ["condition-key-unknown"]),
  ("{rules: [{when: [{key: destination.namespace, values: [a]}]}]}", ["condition-key-unknown"]),
  ("{rules: [{when: [{key: destination.user, values: [a]}]}]}", ["condition-key-unknown"]),
  ("{rules: [{when: [{key: destination.name, values: [a]}]}]}", ["condition-key-unknown"]),
  ("{rules: [{when: [{key: \"request.headers[]\", values: [a]}]}]}", ["condition-key-invalid"]),
  ("{rules: [{when: [{key: request.headers, values: [a]}]}]}", ["condition-key-invalid"]),
  ("{rules: [{when: [{key: \"request.headersX[a]\", values: [a]}]}]}", []),
  ("{rules: [{when: [{key: \"request.auth.claims[a][b]\", values: [a]}]}]}", []),
  ("{rules: [{when: [{key: \"experimental.envoy.filters.a.b[c]\", values: [a]}]}]}", []),
  ("{rules: [{when: [{key: experimental.envoy.filters.a, values: [a]}]}]}", ["condition-key-invalid"]),
  ("{rules: [{when: [{key: \"experimental.envoy.filters.[c]\", values: [a]}]}]}", []),
  ("{rules: [{when: [{key: \"request.experimental.inline.headers[x]\", values: [a]}]}]}", ["condition-key-unknown"]),
  // Labels that manifests do not have.
  ("{selector: {matchLabels: {service.istio.io/canonical-name: a, app: b}}}", ["selector-injected-label"]),
  (
    "{selector: {matchLabels: {service.istio.io/canonical-revision: a, security.istio.io/tlsMode: istio}}}",
    ["selector-injected-label", "selector-injected-label"]
  ),
  // DENY on TCP.
  ("{action: DENY, rules: [{from: [{source: {requestPrincipals: [a]}}]}]}", ["deny-whole-tcp"]),
  ("{action: DENY, rules: [{from: [{source: {requestPrincipals: [a], namespaces: [b]}}]}]}", []),
  ("{action: DENY, rules: [{to: [{operation: {paths: [/a]}}]}]}", ["deny-whole-tcp"]),
  ("{action: DENY, rules: [{to: [{operation: {paths: [/a], ports: [\"80\"]}}]}]}", []),
  ("{action: ALLOW, rules: [{to: [{operation: {paths: [/a]}}]}]}", []),
]

private let peerCases: [(String, [String])] = [
  ("{}", []),
  ("{mtls: {mode: STRICT}}", []),
  ("{mtls: {mode: UNSET}}", []),
  ("{mtls: {}}", []),
  ("{mtls: {mode: strict}}", ["value-unknown"]),
  ("null", ["field-null"]),
  ("{mtls: null}", ["field-null"]),
  ("{mtls: {mode: }}", ["field-null"]),
  ("{selector: null}", ["field-null"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: null}", ["field-null"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: null}}}", ["field-null"]),
  ("{mtls: STRICT}", ["wrong-type"]),
  ("{mTLS: {mode: STRICT}}", ["field-unknown"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: {8080: {mode: DISABLE}, \"81\": {}}}", []),
  ("{portLevelMtls: {8080: {mode: DISABLE}}}", ["port-level-without-selector"]),
  ("{selector: {}, portLevelMtls: {8080: {mode: DISABLE}}}", ["selector-empty", "port-level-without-selector"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: {}}", ["port-level-empty"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: STRICT}}}", ["port-invalid"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: {65536: {mode: STRICT}}}", ["port-invalid"]),
  ("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: null}}", ["null-entry"]),
  ("{selector: {matchLabels: {a: \"*\"}}}", ["label-invalid"]),
]

@Suite struct `Istio's checks` {
  @Test(arguments: authorizationCases)
  func `an AuthorizationPolicy gives exactly these problems`(spec: String, codes: [String]) {
    let file = load(policy(spec))
    #expect(file.codes == codes, "\(spec)\n\(file.messages)")
    #expect(file.policies.count == (file.hasErrors ? 0 : 1))
    #expect(file.broken.count == (file.hasErrors ? 1 : 0))
  }

  @Test(arguments: peerCases)
  func `a PeerAuthentication gives exactly these problems`(spec: String, codes: [String]) {
    let file = load(peer(spec))
    #expect(file.codes == codes, "\(spec)\n\(file.messages)")
    #expect(file.peerAuthentications.count == (file.hasErrors ? 0 : 1))
  }

  @Test(arguments: [
    ("{istio.io/dry-run: \"true\"}", "{}", []), ("{istio.io/dry-run: \"F\"}", "{}", []),
    ("{istio.io/dry-run: \"yes\"}", "{}", ["annotation-invalid"]), ("{istio.io/dry-run: true}", "{}", ["wrong-type"]),
    ("{istio.io/dry-run: \"true\"}", "{action: AUDIT}", ["annotation-invalid"]),
    ("{internal.istio.io/webhook-always-reject: \"\"}", "{}", ["annotation-invalid"]),
    ("{internal.istio.io/parents: \"\"}", "{}", ["annotation-invalid"]), ("{other: \"\"}", "{}", []),
  ])
  func `annotations give exactly these problems`(annotations: String, spec: String, codes: [String]) {
    let file = load(policy(spec, annotations: annotations))
    #expect(file.codes == codes, "\(file.messages)")
  }

  @Test func `a dry run belongs to AuthorizationPolicies only`() {
    let text = peer("{}").replacing("name: p,", with: "name: p, annotations: {istio.io/dry-run: \"true\"},")
    #expect(load(text).codes == ["annotation-invalid"])
    #expect(load(policy("{}", annotations: "{istio.io/dry-run: \"true\"}")).policies.first?.isDryRun == true)
  }
}
