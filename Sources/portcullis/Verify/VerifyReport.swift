// What became of invariants, for people and for programs.
// Enters: results. Leaves: text and JSON (docs/schemas/verify.json); each counterexample with the explanation that `explain` gives of it.
// Never here: a counterexample that the two evaluators do not decide alike.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct VerifyReport {
  private let results: [InvariantResult]
  /// Of each result's counterexamples.
  private let explanations: [[String]]

  init(_ results: [InvariantResult], _ policies: PolicySet, mesh: MeshSettings) throws {
    self.results = results
    let explainer = Explainer(policies, mesh: mesh, .text)
    var snapshots = Snapshots(policies, mesh: mesh)
    explanations = try results.map { result in
      try result.broken.map { destination, example in
        // Through the door that users have, so that what is shown can be repeated.
        let line = Array(WitnessJSON.text(example.witness, destination).text.utf8)
        let (question, snapshot) = try Question.read(line, at: "the counterexample", &snapshots, .trustProxy)
        let report = try explainer.report(question, snapshot)
        if let defect = report.defect { throw defect }
        return report.text(question: question.title, help: MissingOption.help)
      }
    }
  }

  /// Broken before not complete before fine.
  var answer: Answer {
    let answers = results.map(\.answer)
    return answers.contains(.no) ? .no : answers.contains(.undecided) ? .undecided : .yes
  }

  var text: String {
    var lines: [String] = []
    for (result, explanations) in zip(results, explanations) {
      let word = ["holds", "broken", "not complete"][result.answer == .yes ? 0 : result.answer == .no ? 1 : 2]
      let place = result.place.map { "  \($0)" } ?? ""
      lines.append("\(word)  \(Printable.text(result.name + place))  \(result.count) workload\(result.count == 1 ? "" : "s")")
      for name in result.uncovered { lines.append("  \(Printable.text(name))  no ALLOW policy applies") }
      for ((destination, example), explanation) in zip(result.broken, explanations) {
        lines.append("  \(Printable.text(destination.name))  \(example.isTCP ? "TCP" : "HTTP")")
        if example.words.isEmpty { lines.append("    any \(example.isTCP ? "connection" : "request")") }
        for word in example.words { lines.append("    \(Printable.text(word.field))  \(Printable.text(word.text))") }
        lines.append("    such as  \(WitnessJSON.text(example.witness, destination).text)")
        lines += explanation.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "      \($0)" }
      }
    }
    let gaps = results.flatMap(\.gaps)
    return (lines + Array(Set(gaps)).sorted().map { "not complete: \(Printable.text($0))" }).joined(separator: "\n")
  }

  var json: JSONValue {
    [
      "complete": .bool(results.allSatisfy(\.gaps.isEmpty)),
      "not_complete": .list(Array(Set(results.flatMap(\.gaps))).sorted().map { .text($0) }),
      "invariants": .list(
        zip(results, explanations).map { result, explanations in
          [
            "name": .text(result.name), "at": .optional(result.place.map { .text($0) }),
            "answer": .text(result.answer == .yes ? "holds" : result.answer == .no ? "broken" : "not complete"),
            "workloads": .count(result.count), "uncovered": .list(result.uncovered.map { .text($0) }),
            "counterexamples": .list(zip(result.broken, explanations).map { json($0.0.destination, $0.0.example, $0.1) }),
          ]
        }),
    ]
  }

  private func json(_ destination: AnalyzedDestination, _ example: Counterexample, _ explanation: String) -> JSONValue {
    [
      "workload": .text(destination.name), "chain": .text(example.isTCP ? "tcp" : "http"),
      "fields": .list(
        example.words.map { words in
          [
            "field": .text(words.field), "any": .list(words.any.map { .text($0) }), "except": .list(words.except.map { .text($0) }),
          ]
        }),
      "decision": .text("\(example.finding.verdict.name)"), "reason": .text("\(example.finding.reason.code)"),
      "policy": .text(example.finding.rule?.string ?? "none"),
      "at": .optional(example.finding.location.map { .text($0.description) }), "witness": WitnessJSON.text(example.witness, destination),
      "explanation": .text(explanation),
    ]
  }
}
