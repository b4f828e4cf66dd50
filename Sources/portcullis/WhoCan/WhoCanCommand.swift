// `portcullis who-can`: who can reach a workload, or what a workload can reach, for every request there can be.
// Enters: policies and workloads. Leaves: regions of requests in the policies' own words, each confirmed by the engine.
// Never here: a sample, or an answer that is called complete and is not.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

struct WhoCanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "who-can",
    abstract: "Say exactly who can reach a workload, and with which requests.",
    discussion: """
      Lists the regions of requests that are allowed, in the policies' own words, with the workloads of the files that are among the callers \
      (docs/what-if.md says what is covered).

      EXAMPLES:
        portcullis who-can --policies examples/shop --to shop/backend
        portcullis who-can --policies examples/shop --from shop/frontend
        portcullis who-can --policies examples/shop --all

      Exit code 0: somebody can. 1: nobody can. 2: bad input. 3: the answer is not complete.
      """)

  @OptionGroup var policies: PolicyOptions

  @Option(help: ArgumentHelp("The workload that is called.", valueName: "namespace/[kind/]name"))
  var to: String?

  @Option(help: ArgumentHelp("The workload of the files that calls, or its identity.", valueName: "namespace/[kind/]name|spiffe://…"))
  var from: String?

  @Flag(help: "Every workload that is called.")
  var all = false

  @OptionGroup var proxies: AnalyzedProxies

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  @Option(help: "The most regions for one workload.")
  var limit = 50

  @OptionGroup var patience: Patience

  func validate() throws {
    if to == nil, from == nil, !all { throw ValidationError("`--to`, `--from` or `--all` is needed") }
    if all, to != nil || from != nil { throw ValidationError("`--all` goes without `--to` and `--from`") }
    if limit < 1 { throw ValidationError("`--limit` is at least 1") }
  }

  func run() throws {
    let mesh = try policies.meshSettings()
    let loaded = try policies.load().policies
    let destinations = AnalyzedDestinations(loaded, assumed: proxies.assumed, trustDomain: mesh.trustDomain)
    let side = AnalysisSide(loaded, mesh: mesh, dataPlanes: destinations.dataPlanes)
    let asked = try to.map { try destinations.named($0) } ?? destinations.all
    var gaps = destinations.unasked.filter { unasked in to.map { unasked.destination.isNamed($0) } ?? true }.map(\.why)
    let caller = try from.map { try self.caller($0, loaded, side) }
    var found: [(String, [WorkloadReach])] = []
    do {
      let workLimit = patience.workLimit
      var bar = ProgressBar()
      for (place, destination) in asked.enumerated() {
        bar.show(percent: place * 100 / asked.count, "workloads")
        let reaches = try side.reach(to: destination, from: caller, limit: limit, workLimit: workLimit, gaps: &gaps)
        found.append((destination.name, reaches))
      }
      bar.end()
    } catch let defect as AnalysisDefect {
      throw CommandProblem(
        "the analysis and the engine disagree, so that neither is to be believed: \(Printable.text(defect.description))",
        help: "this is a defect of portcullis; please report it with the policies")
    }
    print(output == .json ? json(found, gaps).text : text(found, gaps))
    if !gaps.isEmpty { throw ExitCode(Answer.undecided.rawValue) }
    if !found.contains(where: { !$0.1.isEmpty }) { throw ExitCode(Answer.no.rawValue) }
  }

  /// Who calls: what a workload's certificate says, nothing where it has none.
  private func caller(_ name: String, _ policies: PolicySet, _ side: AnalysisSide) throws -> Caller {
    if name.hasPrefix("spiffe://") {
      var request = Request()
      do { try RequestFilling.addPeer(Array(name.utf8), "--from", in: &request) } catch {
        throw CommandProblem(Printable.text(error.problem), help: "write `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`")
      }
      return .identity(Array(name.utf8))
    }
    let found = side.callers.filter { caller in
      let (own, other) = (caller.name.split(separator: "/"), name.split(separator: "/"))
      return [2, 3].contains(other.count) && ExactText(String(own[0])) == ExactText(String(other[0]))
        && ExactText(String(own[2])) == ExactText(String(other[other.count - 1]))
        && (other.count == 2 || ExactText(String(own[1])) == ExactText(other[1].lowercased()))
    }
    guard let first = found.first else { throw CommandProblem("no workload `\(Printable.text(name))` in the given files") }
    guard found.allSatisfy({ $0.identity == first.identity }) else {
      throw CommandProblem("several workloads are named `\(Printable.text(name))`", help: "write `namespace/kind/name`")
    }
    return first.identity.map { .identity($0) } ?? .anonymous
  }

  private func text(_ found: [(String, [WorkloadReach])], _ gaps: [String]) -> String {
    var lines: [String] = []
    for (name, reaches) in found {
      if reaches.isEmpty, to != nil || all {
        let isUnfinished = gaps.contains { $0.hasPrefix("\(name), ") || $0.hasPrefix("the time was over") }
        lines.append("\(isUnfinished ? "not complete" : "nobody can reach")  \(Printable.text(name))")
      }
      for reach in reaches {
        lines.append(
          "\(reach.verdict == .allow ? "allowed" : "if a provider says so")  \(Printable.text(name))  \(reach.isTCP ? "TCP" : "HTTP")")
        for region in reach.regions {
          let words = region.words.filter { from == nil || $0.field != "source" }
          if words.isEmpty { lines.append("  any         \(reach.isTCP ? "connection" : "request")") }
          for word in words {
            let field = Printable.text(word.field)
            lines.append("  \(field)\(String(repeating: " ", count: max(2, 12 - field.count)))\(Printable.text(word.text))")
          }
          if from == nil, !region.callers.isEmpty {
            lines.append("    among them  \(Printable.text(region.callers.joined(separator: ", ")))")
          }
          let rule = region.finding.rule.map { "  \($0)" } ?? ""
          let place = region.finding.location.map { "  \($0.description)" } ?? ""
          lines.append("    by          \(region.finding.reason.code)\(Printable.text(rule + place))")
        }
      }
    }
    if !found.contains(where: { !$0.1.isEmpty }), from != nil, gaps.isEmpty { lines.append("nothing can be reached") }
    return (lines + gaps.map { "not complete: \(Printable.text($0))" }).joined(separator: "\n")
  }

  private func json(_ found: [(String, [WorkloadReach])], _ gaps: [String]) -> JSONValue {
    [
      "complete": .bool(gaps.isEmpty), "not_complete": .list(gaps.map { .text($0) }),
      "workloads": .list(
        found.map { name, reaches in
          [
            "workload": .text(name),
            "reach": .list(
              reaches.map { reach in
                [
                  "chain": .text(reach.isTCP ? "tcp" : "http"), "decision": .text("\(reach.verdict.name)"),
                  "regions": .list(
                    reach.regions.map { region in
                      [
                        "fields": .list(
                          region.words.map { words in
                            [
                              "field": .text(words.field), "any": .list(words.any.map { .text($0) }),
                              "except": .list(words.except.map { .text($0) }),
                            ]
                          }), "callers": .list(region.callers.map { .text($0) }), "reason": .text("\(region.finding.reason.code)"),
                        "policy": .text(region.finding.rule?.string ?? "none"),
                        "at": .optional(region.finding.location.map { .text($0.description) }),
                      ]
                    }),
                ]
              }),
          ]
        }),
    ]
  }
}
