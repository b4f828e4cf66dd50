// Every reason for which a comparison can be "not complete", each alone: it is told in text and in JSON, and the answer is not "nothing changes".
// Never here: a pair of sets with two reasons.

internal import Foundation
internal import TestSupport
internal import Testing

/// Two sets with one reason.
struct Gap: Sendable, CustomTestStringConvertible {
  typealias Words = `A comparison that does not see everything says so`

  let name: String
  /// Part of the sentence.
  let reason: String
  var before = ""
  var after = ""
  var meshBefore: String?
  var meshAfter: String?
  var options: [String] = []
  /// 1 where something changes beside.
  var code: Int32 = 3
  var testDescription: String { name }

  static func token(_ rule: String = "") -> String {
    Words.policy("t", #"{jwtRules: [{issuer: "https://a", jwksUri: "https://a/k"\#(rule)}]}"#, kind: "RequestAuthentication")
  }

  static func custom(_ provider: String) -> String {
    Words.policy("c", "{action: CUSTOM, provider: {name: \(provider)}, rules: [{}]}")
  }

  static func mode(_ mode: String) -> String { Words.policy("m", "{mtls: {mode: \(mode)}}", kind: "PeerAuthentication") }

  static func rule(_ operation: String) -> String { Words.policy("r", "{rules: [{to: [{operation: {\(operation)}}]}]}") }

  static func targets(_ kind: String, _ name: String) -> String {
    let group = kind == "Service" ? "\"\"" : "gateway.networking.k8s.io"
    return Words.policy("w", "{targetRefs: [{kind: \(kind), group: \(group), name: \(name)}], action: DENY, rules: [{}]}")
  }

  /// Policies with so many labels that agree that not all combinations are compared.
  static let manyLabels = (0..<9).map { number in
    Words.policy("l\(number)", "{selector: {matchLabels: {l\(number): a}}, rules: [{}]}")
  }.joined()

  static let api = Words.workload("api")
  static let everyone = Words.allow

  static let sidecar: [Gap] = [
    Gap(name: "tokens", reason: "RequestAuthentications differ", before: api + everyone, after: api + everyone + token()),
    Gap(
      name: "tokens of another root", reason: "RequestAuthentications differ", before: api + everyone + token(),
      after: api + everyone + token(),
      meshBefore: "rootNamespace: shop", meshAfter: "rootNamespace: other"),
    Gap(
      name: "claims that are split", reason: "HTTP: a RequestAuthentication splits claims",
      before: api + everyone + token(", spaceDelimitedClaims: [x]"),
      after: api + Words.policy("r", "{rules: [{when: [{key: \"request.auth.claims[x]\", values: [a]}]}]}")
        + token(", spaceDelimitedClaims: [x]"),
      code: 1),
    Gap(
      name: "a policy for a service", reason: "is for gateways or waypoints that were not compared", before: api + everyone,
      after: api + everyone + targets("Service", "reviews")),
    Gap(
      name: "a policy for a Gateway", reason: "is for gateways or waypoints that were not compared", before: api + everyone,
      after: api + everyone + targets("Gateway", "gw")),
    Gap(
      name: "mutual TLS off", reason: "switches mutual TLS off on one side", before: api + everyone + mode("PERMISSIVE"),
      after: api + everyone + mode("DISABLE")),
    Gap(
      name: "mutual TLS off for others", reason: "switches mutual TLS off on one side", before: api + everyone + mode("DISABLE"),
      after: api + everyone + mode("DISABLE"), meshBefore: "rootNamespace: shop", meshAfter: "rootNamespace: other"),
    Gap(name: "another provider", reason: "other providers are asked", before: api + custom("a"), after: api + custom("b")),
    Gap(
      name: "a provider somewhere else", reason: "other providers are asked", before: api + custom("a"), after: api + custom("a"),
      meshBefore: "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: one.default, port: 80}}]",
      meshAfter: "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: two.default, port: 80}}]"),
    Gap(
      name: "a provider that the proxy asks itself", reason: "is for a provider that the proxy asks itself", before: api + custom("a"),
      after: api, options: ["--custom-delegated", "a"]),
    Gap(
      name: "such a provider somewhere else", reason: "is for a provider that the proxy asks itself", before: api + custom("a"),
      after: api + custom("a"), meshBefore: "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: one.default, port: 80}}]",
      meshAfter: "extensionProviders: [{name: a, envoyExtAuthzGrpc: {service: two.default, port: 80}}]",
      options: ["--custom-delegated", "a"]),
    Gap(
      name: "paths that are seen otherwise", reason: "HTTP: the mesh settings differ in what they do to paths",
      before: api + rule("paths: [/a]"), after: api + rule("paths: [/a]"), meshBefore: "pathNormalization: {normalization: NONE}",
      meshAfter: "pathNormalization: {normalization: BASE}"),
    Gap(
      name: "more regions than the limit", reason: "HTTP: only the first 1 regions from deny to allow",
      before: api + Words.policy("r", "{rules: [{to: [{operation: {methods: [PUT]}}]}]}"),
      after: api
        + Words.policy(
          "r",
          "{rules: [{to: [{operation: {methods: [PUT]}}, {operation: {methods: [GET], ports: [\"1\"]}}, {operation: {hosts: [a], ports: [\"2\"]}}]}]}"
        ),
      options: ["--limit", "1"], code: 1),
    Gap(
      name: "no time", reason: "the time was over", before: api + everyone, after: api, options: ["--timeout", "0.0001"]),
    Gap(
      name: "too many labels", reason: "compared for those with just the labels that", before: manyLabels,
      after: manyLabels + Words.policy("x", "{rules: [{}]}")),
    Gap(
      name: "a proxy that goes", reason: "has another kind of proxy on each side", before: api + everyone,
      after: api.replacingOccurrences(of: "metadata: {labels", with: "metadata: {annotations: {sidecar.istio.io/inject: \"false\"}, labels")
        + everyone),
  ]

  static let gateway: [Gap] = [
    Gap(name: "tokens", reason: "RequestAuthentications differ", before: everyone, after: everyone + token()),
    Gap(name: "another provider", reason: "other providers are asked", before: api + custom("a"), after: api + custom("b")),
    Gap(
      name: "a policy for a service", reason: "is for gateways or waypoints that were not compared", before: api + everyone,
      after: api + everyone + targets("Service", "reviews")),
    Gap(
      name: "paths that are seen otherwise", reason: "HTTP: the mesh settings differ in what they do to paths",
      before: api + rule("paths: [/a]"), after: api + rule("paths: [/a]"), meshBefore: "pathNormalization: {normalization: NONE}",
      meshAfter: "pathNormalization: {normalization: BASE}"),
  ].map { $0.with("gateway") }

  static let ztunnel: [Gap] = [
    Gap(
      name: "a policy for a service", reason: "is for gateways or waypoints that were not compared", before: api + everyone,
      after: api + everyone + targets("Service", "reviews")),
    Gap(
      name: "mutual TLS off", reason: "switches mutual TLS off on one side", before: api + everyone + mode("PERMISSIVE"),
      after: api + everyone + mode("DISABLE")),
    Gap(
      name: "too many labels", reason: "compared for those with just the labels that", before: manyLabels,
      after: manyLabels + Words.policy("x", "{rules: [{}]}")),
  ].map { $0.with("ztunnel") }

  private func with(_ profile: String) -> Gap {
    Gap(
      name: "\(name), \(profile)", reason: reason, before: before, after: after, meshBefore: meshBefore, meshAfter: meshAfter,
      options: options + ["--profile", profile], code: code)
  }
}

@Suite struct `Every reason for which a comparison is not complete` {
  @Test(arguments: Gap.sidecar + Gap.gateway + Gap.ztunnel)
  func `is told, and is no exit code 0`(_ gap: Gap) throws {
    try withSandbox { sandbox throws in
      var options = gap.options
      for (name, text) in [("before", gap.meshBefore), ("after", gap.meshAfter)] {
        if let text { options += ["--mesh-config-\(name)", try sandbox.write(text + "\n", to: "mesh-\(name).yaml")] }
      }
      let sides = [
        try sandbox.write(gap.before + "# end\n", to: "before/all.yaml"), try sandbox.write(gap.after + "# end\n", to: "after/all.yaml"),
      ]
      let text = try sandbox.portcullis(["diff"] + sides + options)
      #expect(text.code == gap.code, "\(text.output)\(text.errors)")
      let told = text.lines.filter { $0.hasPrefix("not complete: ") }
      #expect(!told.isEmpty && told.allSatisfy { $0.contains(gap.reason) }, "\(text.output)\(text.errors)")
      let json = try sandbox.portcullis(["diff"] + sides + options + ["--output", "json"])
      #expect(json.code == gap.code)
      let report = try json.json()
      #expect(report["complete"] as? Bool == false)
      let reasons = try #require(report["not_complete"] as? [String])
      #expect(!reasons.isEmpty && reasons.allSatisfy { $0.contains(gap.reason) }, "\(reasons)")
      let page = try sandbox.portcullis(["diff"] + sides + options + ["--output", "markdown"])
      #expect(page.code == gap.code && page.output.contains("not complete"))
    }
  }

  /// What of it is compared after all.
  @Test(arguments: [
    (
      "a policy of no workload", Gap.everyone, Gap.everyone + Gap.Words.policy("x", "{selector: {matchLabels: {app: other}}, rules: [{}]}"),
      0
    ),
    ("the last policy", Gap.Words.policy("x", "{selector: {matchLabels: {app: other}}, action: DENY, rules: [{}]}"), "", 1),
    ("server modes of no workload", Gap.everyone + Gap.mode("PERMISSIVE"), Gap.everyone + Gap.mode("STRICT"), 1),
    (
      "two policies that meet at one workload", Gap.Words.policy("d", "{selector: {matchLabels: {v: \"1\"}}, action: DENY, rules: [{}]}"),
      Gap.Words.policy("d", "{selector: {matchLabels: {v: \"1\"}}, action: DENY, rules: [{}]}")
        + Gap.Words.policy("a", "{selector: {matchLabels: {app: other}}, rules: [{}]}"), 0
    ),
  ])
  func `is not that the files hold no workload`(_ name: String, _ before: String, _ after: String, _ code: Int32) throws {
    try withSandbox { sandbox throws in
      let sides = [
        try sandbox.write(before + "# end\n", to: "before/all.yaml"), try sandbox.write(after + "# end\n", to: "after/all.yaml"),
      ]
      let run = try sandbox.portcullis("diff", sides[0], sides[1])
      #expect(run.code == code && !run.output.contains("not complete"), "\(run.output)\(run.errors)")
      #expect(run.output.contains("compared for every combination of labels that selectors ask for, as sidecar"), "\(run.output)")
    }
  }
}

@Suite struct `portcullis diff under two mesh settings` {
  @Test func `reads one file for each side, and options win over both`() throws {
    try withSandbox { sandbox throws in
      let (one, two) = (
        try sandbox.write("trustDomain: one\n", to: "one.yaml"), try sandbox.write("trustDomain: two\n", to: "two.yaml")
      )
      let run = try sandbox.portcullis("diff", Sandbox.shop, Sandbox.shop, "--mesh-config-before", one, "--mesh-config-after", two)
      #expect(run.code == 1 && run.output.contains("note: the mesh settings differ: `trustDomain` is `one` before and `two` after"))
      #expect(run.output.contains("principal two/ns/shop/sa/frontend-sa"))
      let both = try sandbox.portcullis(
        "diff", Sandbox.shop, Sandbox.shop, "--mesh-config", one, "--mesh-config-after", two, "--output", "json"
      ).json()
      #expect(both["notes"] as? [String] == ["the mesh settings differ: `trustDomain` is `one` before and `two` after"])
      let same = try sandbox.portcullis(
        "diff", Sandbox.shop, Sandbox.shop, "--mesh-config-before", one, "--mesh-config-after", two, "--trust-domain", "three")
      #expect(same.code == 0 && !same.output.contains("note:"), "\(same.output)")
      #expect(try sandbox.portcullis("diff", Sandbox.shop, Sandbox.shop, "--mesh-config", one).code == 0)
      let unused = try sandbox.portcullis(
        "diff", Sandbox.shop, Sandbox.shop, "--mesh-config", one, "--mesh-config-before", one, "--mesh-config-after", two)
      #expect(unused.code == 2 && unused.errors.contains("`--mesh-config` is used by no side"))
      let broken = try sandbox.write("trustDomian: x\n", to: "broken.yaml")
      let refused = try sandbox.portcullis("diff", Sandbox.shop, Sandbox.shop, "--mesh-config-after", broken)
      #expect(refused.code == 2 && refused.output.isEmpty && refused.errors.contains("unknown field `trustDomian`"))
      #expect(try sandbox.portcullis("diff", Sandbox.shop, Sandbox.shop, "--older", "nothing").code == 2)
      #expect(
        try sandbox.portcullis("diff", Sandbox.shop, Sandbox.shop, "--older", "unquoted-dots", "--several-custom-providers").code == 0)
    }
  }
}
