// `portcullis verify`: whether what is demanded of every workload holds for all requests.
// Enters: policies, workloads, names of invariants. Leaves: for each that it holds, or counterexamples that the engine decided.
// Never here: "holds" for a workload that was not looked at to the end.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

/// The names of invariants on the command line.
enum InvariantName: String, ExpressibleByArgument, CaseIterable {
  case noAnonymousAccess = "no-anonymous-access"
  case noCrossNamespaceAccess = "no-cross-namespace-access"
  case everyWorkloadCovered = "every-workload-covered"

  var invariant: BuiltInInvariant {
    switch self {
    case .noAnonymousAccess: .noAnonymousAccess
    case .noCrossNamespaceAccess: .noCrossNamespaceAccess
    case .everyWorkloadCovered: .everyWorkloadCovered
    }
  }
}

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove that an invariant holds for every request, or show one that breaks it.",
    discussion: """
      Checks every workload of the files (docs/what-if.md says what is covered).

      EXAMPLES:
        portcullis verify --policies examples/shop --invariant no-anonymous-access
        portcullis verify --policies examples/shop --invariant no-cross-namespace-access --namespace-allowed web

      Exit code 0: all hold. 1: one is broken. 2: bad input. 3: none is broken, and the answer is not complete.
      """)

  @OptionGroup var policies: PolicyOptions

  @Option(
    help: ArgumentHelp("What must hold; repeatable.", valueName: InvariantName.allCases.map(\.rawValue).joined(separator: "|")))
  var invariant: [InvariantName] = []

  @Option(help: ArgumentHelp("A namespace from which others may be called; repeatable.", valueName: "namespace"))
  var namespaceAllowed: [String] = []

  @Option(help: "The kind of proxy that enforces: sidecar, gateway or ztunnel.")
  var profile = CheckProfile.sidecar

  func validate() throws {
    if invariant.isEmpty { throw ValidationError("`--invariant` is needed") }
    if profile == .waypoint { throw ValidationError("`--profile waypoint` cannot be verified yet; there are sidecar, gateway and ztunnel") }
    // A star would be a pattern of namespaces, and allow more than one.
    for name in namespaceAllowed where name.isEmpty || name.contains("*") || name.contains("/") {
      throw ValidationError("`\(name)` is not the name of a namespace")
    }
  }

  func run() throws {
    let mesh = try policies.meshSettings()
    let loaded = try policies.load().policies
    let side = AnalysisSide(loaded, mesh: mesh, dataPlanes: [profile.profile.dataPlane])
    var gaps: [String] = []
    let destinations = ChangeAnalysis(before: side, after: side, profile: profile.profile).destinations(&gaps)
    if destinations.isEmpty {
      throw CommandProblem(
        "no workload in the given files that can be asked about, so that nothing would be verified",
        help: gaps.first ?? "add manifests to `--policies`")
    }
    var lines: [String] = []
    var isBroken = false
    do {
      for wanted in invariant {
        var found: [Counterexample] = []
        for destination in destinations {
          found += try side.counterexamples(
            to: wanted.invariant, of: destination, namespaces: namespaceAllowed, profile: profile.profile, gaps: &gaps)
        }
        let answer = found.isEmpty ? (gaps.isEmpty ? "holds" : "not complete") : "broken"
        lines.append("\(answer)  \(wanted.rawValue)  \(destinations.count) workload\(destinations.count == 1 ? "" : "s")")
        isBroken = isBroken || !found.isEmpty
        lines += found.flatMap(Self.lines)
      }
    } catch let defect as AnalysisDefect {
      throw CommandProblem(
        "the analysis and the engine disagree, so that neither is to be believed: \(Printable.text(defect.description))",
        help: "this is a defect of portcullis; please report it with the policies")
    }
    print((lines + Array(Set(gaps)).sorted().map { "not complete: \(Printable.text($0))" }).joined(separator: "\n"))
    if isBroken { throw ExitCode(Answer.no.rawValue) }
    if !gaps.isEmpty { throw ExitCode(Answer.undecided.rawValue) }
  }

  private static func lines(_ example: Counterexample) -> [String] {
    var lines = ["  \(Printable.text(example.workload))  \(example.isTCP ? "TCP" : "HTTP")"]
    for word in example.words { lines.append("    \(Printable.text(word.field))  \(Printable.text(word.text))") }
    if let finding = example.finding, let witness = example.witness {
      let peer = witness.identity.map { String(decoding: $0, as: UTF8.self) } ?? "anonymous"
      lines.append("    such as  \(Printable.text(peer)), port \(witness.port)")
      let place = finding.location.map { "  \($0.description)" } ?? ""
      lines.append(
        "    by  \(finding.verdict.name)  \(finding.reason.code)\(Printable.text((finding.rule.map { "  \($0)" } ?? "") + place))")
    }
    return lines
  }
}
