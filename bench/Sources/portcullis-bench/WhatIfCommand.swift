// `portcullis-bench what-if`: how long the exact comparison of two sets takes. What enters are generated sets and changes of one policy; what leaves is a
// table: milliseconds after loading and compiling, beside how many regions differ, which must be what the change was made to do.
internal import ArgumentParser
internal import CProcess
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel

/// Measures `diff` without reading files.
struct WhatIfCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "what-if", abstract: "The exact comparison of two sets, by size and kind of the change.")

  @Option(help: "Rounds; each makes every comparison once.")
  var rounds = 5

  /// A pair of texts, and how many regions (of HTTP and TCP together) must differ.
  private struct Change {
    var name: String
    var before: String
    var after: String
    var differs: Bool
  }

  func run() throws {
    guard rounds > 0 else { throw ValidationError("at least one round") }
    var table = Table(["policies", "change", "ms", "regions"])
    for size in [10_000, 100_000] {
      var random = SplitMix(seed: 1)
      let text = MeshSet.set(size: size, count: 1, random: &random).text
      try measure(size, changes(of: text, size: size), &table)
    }
    try measure(1_000, redundant(1_000), &table)
    try measure(10_000, [principals(10_000)], &table)
    print("After loading and compiling both sides; \(rounds) rounds, median (minimum–maximum).\n\n\(table.text)")
  }

  /// Policies of the forms that `DecisionKind.mixed` makes, each changed once.
  private func changes(of text: String, size: Int) -> [Change] {
    let number = size / 2 / 8 * 8
    func changed(_ name: String, _ old: String, _ new: String) -> Change {
      Change(name: name, before: text, after: text.replacing(old, with: new), differs: true)
    }
    return [
      Change(name: "none", before: text, after: text, differs: false),
      changed("an exact principal", "sa/caller-\(number + 1)\"", "sa/changed-\(number + 1)\""),
      changed("a prefix of principals", "ns/prefix-\(number + 5)/", "ns/changed-\(number + 5)/"),
      changed("a prefix of paths", "/open/\(number + 2)/", "/changed/\(number + 2)/"),
      changed("a denied path", "/internal/\(number)/", "/changed/\(number)/"),
    ]
  }

  /// One workload with many callers by name, and one more.
  private func principals(_ count: Int) -> Change {
    func text(_ count: Int) -> String {
      let policies = stride(from: 0, to: count, by: 500).map { start in
        let names = (start..<min(start + 500, count)).map { "\"cluster.local/ns/calling/sa/caller-\($0)\"" }
        return PolicyYAML.policy(
          "part-\(start)", rules: [RuleText(sources: [["principals: [\(names.joined(separator: ", "))]"]])])
      }
      return ([PolicyYAML.deployment("backend")] + policies).joined(separator: "---\n")
    }
    return Change(name: "one more of the callers of one workload", before: text(count), after: text(count + 1), differs: true)
  }

  /// Rules that say the same, in one order and in the other.
  private func redundant(_ count: Int) -> [Change] {
    let rules = (0..<count).map { RuleText(operations: [["paths: [\"/api/\($0)/*\"]"]]) }
    func text(_ rules: [RuleText]) -> String {
      // Istio takes 512 rules in a policy.
      let policies = stride(from: 0, to: rules.count, by: 500).map { start in
        PolicyYAML.policy("part-\(start)", rules: Array(rules[start..<min(start + 500, rules.count)]))
      }
      return ([PolicyYAML.deployment("backend")] + policies).joined(separator: "---\n")
    }
    return [
      Change(name: "1,000 rules twice", before: text(rules), after: text(rules + rules), differs: false),
      Change(name: "1,000 rules in reverse", before: text(rules), after: text(rules.reversed()), differs: false),
    ]
  }

  private func measure(_ size: Int, _ changes: [Change], _ table: inout Table) throws {
    guard let first = changes.first else { return }
    let before = AnalysisSide(try Self.load(first.before), mesh: MeshSettings())
    for change in changes {
      let after = AnalysisSide(try Self.load(change.after), mesh: MeshSettings())
      var times: [Double] = []
      var regions = 0
      for _ in 0..<rounds {
        let begin = bench_now()
        let analysis = ChangeAnalysis(before: before, after: after)
        let report = try analysis.report(AnalyzedDestinations(before: before.policies, after: after.policies))
        times.append(Double(bench_now() - begin) / 1e6)
        guard report.incompleteness.isEmpty else { throw BenchError("\(change.name): not complete: \(report.incompleteness[0])") }
        regions = report.changes.reduce(0) { $0 + $1.regions.count }
        guard change.differs == (regions > 0) else { throw BenchError("\(change.name): \(regions) regions differ") }
      }
      table.add(["\(size)", change.name, Spread(times).text { $0.digits(0) }, "\(regions)"])
    }
  }

  private static func load(_ text: String) throws -> PolicySet {
    let file = loadPolicies(text: Array(text.utf8), file: "bench.yaml", limits: LoadingLimits())
    if let problem = file.diagnostics.first(where: { $0.severity == .error }) {
      throw BenchError("the benchmark's own policies: \(problem)")
    }
    var set = PolicySet()
    for object in file.objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .workload(let workload): set.workloads.append(workload)
      default: throw BenchError("the benchmark's own policies hold something else")
      }
    }
    return set
  }
}
