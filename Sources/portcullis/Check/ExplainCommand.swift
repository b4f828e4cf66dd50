// `portcullis explain`: the same question as `check`, and every attached rule with what became of it.
// Enters: policies and a request. Leaves: the decision, the rules in order, and the first constraint that failed in each that did not match.

internal import ArgumentParser
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Decide one request, and say what became of every rule that applies.",
    discussion: "Takes the same request as `check`, with the same exit codes.")

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var arguments: RequestArguments

  func validate() throws {
    if arguments.to == nil { throw ValidationError("`--to` is needed: `namespace/name` of the workload") }
  }

  func run() throws {
    do {
      let loaded = try policies.load()
      let mesh = try policies.meshSettings()
      let profile = arguments.profile?.profile ?? .sidecar
      let snapshot = Snapshot(loaded.policies, mesh: mesh, dataPlane: profile.dataPlane)
      let question = try arguments.question(for: snapshot)
      let workload = try arguments.workload(in: loaded.policies)
      let report = DecisionReport(snapshot.decide(question.request, on: question.target, profile: question.profile), snapshot)
      let explanation = ReferenceEvaluator(policies: loaded.policies, mesh: mesh).explain(
        question.request, namespace: workload.metadata.key.namespace, labels: workload.labels, profile: question.profile)
      print(report.text(question: question.title))
      print(ExplanationText(explanation).text)
      if !report.agrees(with: explanation.finding) {
        throw CommandProblem(
          "the engine and the reference evaluator disagree (\(explanation.finding.verdict.name)): this is a defect, please report it")
      }
      if report.answer != .yes { throw ExitCode(report.answer.rawValue) }
    } catch let problem as CommandProblem {
      StandardError.write("error: \(problem)")
      throw ExitCode(Answer.unusable.rawValue)
    }
  }
}

/// An explanation as text.
private struct ExplanationText {
  let explanation: Explanation

  init(_ explanation: Explanation) { self.explanation = explanation }

  var text: String {
    var lines = ["", "server mode: \(explanation.serverMode)"]
    if explanation.policies.isEmpty { lines.append("no policy applies to this workload (\(explanation.unattachedCount) apply elsewhere)") }
    for policy in explanation.policies {
      var notes = policy.isDryRun ? " (dry run: not enforced)" : ""
      if policy.isDelegated { notes += " (delegated: adds nothing here)" }
      lines.append("\(policy.action.rawValue) \(policy.key.namespace)/\(policy.key.name)\(notes)  \(policy.location.description)")
      if policy.rules.isEmpty { lines.append("  no rules: never matches") }
      for (index, rule) in policy.rules.enumerated() { lines += self.lines(rule, index) }
    }
    for policy in explanation.withheld {
      lines.append("not enforced: \(policy.key.namespace)/\(policy.key.name): \(policy.reason)  \(policy.location.description)")
    }
    if !explanation.policies.isEmpty, explanation.unattachedCount > 0 {
      lines.append(
        "\(explanation.unattachedCount) more \(explanation.unattachedCount == 1 ? "policy applies" : "policies apply") elsewhere")
    }
    return lines.joined(separator: "\n")
  }

  private func lines(_ rule: Explanation.Rule, _ index: Int) -> [String] {
    outcome(rule, index) + rule.notes.map { "    note: \($0)" }
  }

  private func outcome(_ rule: Explanation.Rule, _ index: Int) -> [String] {
    switch rule.outcome {
    case .matches: return ["  rule \(index) MATCHES  \(rule.location.description)"]
    case .unknown(let reason): return ["  rule \(index) depends on what is not known: \(reason.explanation)"]
    case .dropped(let why): return ["  rule \(index) is not there: \(why)"]
    case .fails(let failures):
      return ["  rule \(index) does not match  \(rule.location.description)"]
        + failures.map { "    \($0.clause): \($0.attribute) is \($0.actual), must be \($0.demand)  \($0.location.description)" }
    }
  }
}
