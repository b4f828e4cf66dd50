// What became of each case, and which rules the cases decided.
// Enters: prepared cases. Leaves: results. The engine decides; of a case that fails the reference evaluator says why.

internal import DecisionText
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel

/// One `kind: PolicyTest` with its cases.
struct TestSuite {
  let file: String
  let name: String
  var cases: [PreparedCase] = []
}

/// What became of a case.
struct TestResult {
  let suite: (file: String, name: String)
  let name: String
  /// Who calls whom.
  let title: String
  let span: SourceSpan
  let expected: PolicyTestCase.Expectation
  let expectedBy: String?
  let report: DecisionReport
  /// What is wrong; `nil` when the case got its answer.
  let problem: String?
  /// Why, in the words of `explain`; empty when the case got its answer.
  let explanation: String

  var place: String { SourceLocation(file: ExactText(suite.file), span: span).description }
}

extension PreparedCase {
  /// Asks.
  ///
  /// - Throws: `CommandProblem` when the two evaluators differ about a case that failed.
  func result(in suite: TestSuite, _ explainer: Explainer, _ coverage: inout RuleCoverage) throws -> TestResult {
    let report = DecisionReport(question.decision(in: snapshot), snapshot)
    coverage.count(report)
    let problem = problem(report)
    var explanation = ""
    if problem != nil {
      let explained = try explainer.report(question, snapshot)
      if let defect = explained.defect { throw defect }
      explanation = explained.text(question: question.title, help: RequestField.help)
    }
    return TestResult(
      suite: (suite.file, suite.name), name: name ?? question.title, title: question.title, span: span, expected: expectation,
      expectedBy: by?.text.string, report: report, problem: problem, explanation: explanation)
  }

  private func problem(_ report: DecisionReport) -> String? {
    let got = "\(report.decision.verdict.name)"
    guard got.utf8.elementsEqual(expectation.rawValue.utf8) else { return "expected \(expectation.rawValue), got \(got)" }
    guard let by else { return nil }
    let rule = report.snapshot.name(of: report.decision.rule)
    let isRight =
      switch by.meaning {
      case .none: rule == "none"
      case .rule(let name): rule == name
      case .policy(let policy): rule.string.hasPrefix(Self.rulePrefix(of: policy))
      }
    return isRight ? nil : "expected \(got) by \(by.text), got it by \(rule)"
  }

  /// What the names of all rules of a policy begin with; names of Kubernetes hold no bracket.
  private static func rulePrefix(of policy: ExactText) -> String {
    let parts = policy.string.split(separator: "/")
    return "ns[\(parts[0])]-policy[\(parts[1])]-rule["
  }
}

/// Which field of a case makes an attribute known.
enum RequestField {
  /// The help for a reason; `nil` when no field helps.
  static func help(for reason: Reason) -> String? { name(for: reason).map { "give \($0) in the case; nothing is assumed" } }

  private static func name(for reason: Reason) -> String? {
    switch reason {
    case .unknownPeer: "`from`"
    case .unknownPort: "`request.destination.port`"
    case .unknownSourceIP: "`request.source.address`"
    case .unknownRemoteIP: "`request.remote_ip`"
    case .unknownDestinationIP: "`request.destination.address`"
    case .unknownSNI: "`request.sni`"
    case .unknownMethod: "`request.http.method`"
    case .unknownHost: "`request.http.host`"
    case .unknownPath: "`request.http.path`"
    case .unknownHeaders: "`request.http.headers`"
    case .unknownClaims: "`request.http.claims`"
    case .unknownMetadata: "`request.http.metadata` (TCP: `request.metadata`)"
    default: nil
    }
  }
}

/// The rules of all policies, and those that decided a case.
struct RuleCoverage {
  /// A rule of a policy.
  struct Rule {
    let name: ExactText
    let action: AuthorizationPolicy.Action
    let location: SourceLocation
  }

  /// In the order of files.
  let rules: [Rule]
  private var decided: Set<ExactText> = []

  init(_ policies: PolicySet) {
    var rules: [Rule] = []
    for policy in policies.policies {
      let metadata = policy.metadata
      for (index, rule) in policy.rules.enumerated() {
        let name = ExactText("ns[\(metadata.key.namespace)]-policy[\(metadata.key.name)]-rule[\(index)]")
        let span = rule?.span ?? metadata.location.span
        rules.append(Rule(name: name, action: policy.action, location: SourceLocation(file: metadata.location.file, span: span)))
      }
    }
    self.rules = rules.sorted {
      ($0.location.file, $0.location.span.line, $0.location.span.column) < (
        $1.location.file, $1.location.span.line, $1.location.span.column
      )
    }
  }

  /// Counts the rules that made a decision, the one of a dry run, and the one that marked the request. A rule that is only named as what an
  /// undecided request depends on decided nothing.
  mutating func count(_ report: DecisionReport) {
    let decision = report.decision
    if decision.verdict != .undecided || decision.reason == .customProvider { decided.insert(report.snapshot.name(of: decision.rule)) }
    if decision.dryRun.verdict != .undecided { decided.insert(report.snapshot.name(of: decision.dryRun.rule)) }
    decided.insert(report.snapshot.name(of: decision.audit))
  }

  /// The rules that no case decided.
  var missing: [Rule] { rules.filter { !decided.contains($0.name) } }
}
