// What no valid file can bring about: unusable policies, null rules, keys that Istio does not know, evaluators that disagree.
// Enters: policies built by hand. Leaves: the text and the JSON that `explain` would print. Never here: a file.

internal import DecisionText
internal import Foundation
internal import PolicyEngine
internal import PolicyModel
internal import Testing

@testable internal import portcullis

private let location = SourceLocation(file: "policies.yaml", span: SourceSpan(line: 3, column: 9, endLine: 3, endColumn: 12))

private func span(_ line: UInt32) -> SourceSpan { SourceSpan(line: line, column: 5, endLine: line, endColumn: 6) }

private func policy(
  _ name: ExactText, _ action: AuthorizationPolicy.Action, _ rules: [AuthorizationPolicy.Rule?], isDryRun: Bool = false
) -> AuthorizationPolicy {
  let key = ObjectKey(kind: "AuthorizationPolicy", namespace: "shop", name: name)
  return AuthorizationPolicy(metadata: ObjectMetadata(key: key, location: location), action: action, rules: rules, isDryRun: isDryRun)
}

/// The explanation of an anonymous request to a workload of the namespace `shop`; `decidedWith` gives the engine another set.
private func explain(_ policies: PolicySet, decidedWith other: PolicySet? = nil) -> ExplanationReport {
  var request = Request()
  request.setPeerKnown()
  request.setMethod(Array("GET".utf8).span)
  let mesh = MeshSettings()
  let snapshot = Snapshot(other ?? policies, mesh: mesh)
  let decision = snapshot.decide(&request, on: snapshot.target(namespace: "shop", labels: [:]))
  let explanation = ReferenceEvaluator(policies: policies, mesh: mesh).explain(request, namespace: "shop", labels: [:])
  return ExplanationReport(DecisionReport(decision, snapshot), explanation)
}

/// The text behind the decision's own lines.
private func findings(_ report: ExplanationReport) -> String {
  let text = report.text(question: "?", help: MissingOption.help)
  return text.range(of: "\n\n").map { String(text[$0.upperBound...]) } ?? text
}

@Suite struct `explain shows what files cannot bring about` {
  @Test func `null rules, unknown and malformed keys, and values that are none`() {
    var set = PolicySet()
    let unknown = Constraint(.unknownKey("destination.labels[v]"), values: [Located("1", span(6))], span: span(6))
    let malformed = Constraint(.malformedKey("request.headersX[a]"), values: [Located("1", span(7))], span: span(7))
    let noAddress = Constraint(.sourceIP, values: [Located("10.0.0.0/8", span(8)), Located("bad", span(8))], span: span(8))
    let rules: [AuthorizationPolicy.Rule?] = [
      nil, .init(conditions: [unknown], span: span(5)), .init(conditions: [malformed], span: span(7)),
      .init(conditions: [noAddress], span: span(8)),
    ]
    set.policies = [policy("refuse", .deny, rules), policy("admit", .allow, rules)]
    let report = explain(set)
    #expect(report.differences.isEmpty)
    let text = findings(report)
    #expect(
      text == """
        peer      anonymous
        mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

        DENY policies: a match denies
          shop/refuse  policies.yaml:3:9
            rule 0 is not there: it is null, so the proxy does not have it  policies.yaml:3:9
            rule 1 is not there: Istio does not know the key `destination.labels[v]` and drops the rule
                at policies.yaml:6:5
            rule 2 MATCHES, and decides  policies.yaml:7:5
              wider than written: the key `request.headersX[a]` cannot be used and is not tested
                  at policies.yaml:7:5
            rule 3 is undecided: the address of the connection's peer is not known  policies.yaml:8:5
              when[0] source.ip: unknown-source-ip  policies.yaml:8:5
              wider than written: `source.ip` cannot be `bad`, which is left out  policies.yaml:8:5

        ALLOW policies: where there are any that are enforced, one of their rules must match
          (the proxy never comes to these: a DENY rule matches)
          shop/admit  policies.yaml:3:9
            rule 0 is not there: it is null, so the proxy does not have it  policies.yaml:3:9
            rule 1 is not there: Istio does not know the key `destination.labels[v]` and drops the rule
                at policies.yaml:6:5
            rule 2 is not there: the key `request.headersX[a]` cannot be used, so Istio drops this ALLOW
                rule  policies.yaml:7:5
            rule 3 is not there: `source.ip` cannot be `bad`, so Istio drops this ALLOW rule
                at policies.yaml:8:5
        """, "\(text)")
    for cause in ["null-rule", "unknown-key", "malformed-key", "unusable-value"] {
      #expect(report.json().contains("\"cause\":\"\(cause)\""), "\(cause)")
    }
  }

  @Test func `an unusable policy denies, whatever the others say`() {
    var set = PolicySet()
    set.policies = [policy("admit", .allow, [.init(span: span(5))])]
    let key = ObjectKey(kind: "AuthorizationPolicy", namespace: "shop", name: "broken")
    set.unusable = [
      UnusablePolicy(key: key, location: location, reach: .namespace("shop", LabelSelector())),
      UnusablePolicy(key: key, location: location, reach: .namespace("elsewhere", LabelSelector())),
    ]
    let report = explain(set)
    #expect(report.differences.isEmpty && report.decision.answer == .no)
    let text = findings(report)
    #expect(
      text == """
        peer      anonymous
        mTLS      PERMISSIVE by default: the peer passes, no identity is demanded
        UNUSABLE  AuthorizationPolicy shop/broken: it cannot be read, so nobody knows what it denies, and
            everything is denied  policies.yaml:3:9

        ALLOW policies: where there are any that are enforced, one of their rules must match
          (the proxy never comes to these: a policy is unusable)
          shop/admit  policies.yaml:3:9
            rule 0 would match  policies.yaml:5:5
        """, "\(text)")
    let unusable = #""unusable":[{"at":{"column":9,"file":"policies.yaml","line":3},"kind":"AuthorizationPolicy","name":"broken","#
    #expect(report.json().contains(unusable), "\(report.json())")
  }

  @Test func `a difference between engine and reference is a defect, and is said in full`() {
    var (set, other) = (PolicySet(), PolicySet())
    set.policies = [policy("admit", .allow, [.init(span: span(5))]), policy("dry", .deny, [.init(span: span(6))], isDryRun: true)]
    other.policies = [policy("refuse", .deny, [.init(span: span(5))])]
    #expect(explain(set).defect == nil)
    let report = explain(set, decidedWith: other)
    #expect(
      report.differences == [
        "the decision is deny, the reference evaluator says allow",
        "the reason is denied-by-policy, the reference evaluator says allowed-by-policy",
        "the rule is ns[shop]-policy[refuse]-rule[0], the reference evaluator says ns[shop]-policy[admit]-rule[0]",
        "the outcome in dry run is none, the reference evaluator says deny",
        "the rule in dry run is none, the reference evaluator says ns[shop]-policy[dry]-rule[0]",
      ])
    #expect(report.defect?.problem.hasPrefix("the engine and the reference evaluator disagree: the decision is deny, ") == true)
    #expect(report.text(question: "?", help: MissingOption.help).contains("\n  checked   THE REFERENCE EVALUATOR SAYS OTHERWISE\n"))
    #expect(report.json().contains("\"agrees\":false"))
    #expect(
      report.json().contains(#""reference":{"decision":"allow","policy":"ns[shop]-policy[admit]-rule[0]","reason":"allowed-by-policy"}"#))
  }

  @Test func `foreign text stays on its line, and long text is shortened`() {
    var set = PolicySet()
    let long = ExactText(String(repeating: "x", count: 500))
    let constraint = Constraint(.method, values: [Located("A\nallow  root\u{1b}[2J", span(5)), Located(long, span(5))], span: span(5))
    set.policies = [policy("a\nallow  b", .allow, [.init(operations: [.init([constraint])], span: span(5))])]
    let text = findings(explain(set))
    #expect(text.contains(#"  shop/a\u{a}allow  b  policies.yaml:3:9"#), "\(text)")
    #expect(text.contains(#"wanted  `A\u{a}allow  root\u{1b}[2J`"#), "\(text)")
    #expect(text.contains("`\(String(repeating: "x", count: 400))`… (500 bytes)"), "\(text)")
    #expect(!text.contains("\u{1b}") && !text.contains("\nallow"))
  }
}
