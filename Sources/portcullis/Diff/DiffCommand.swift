// `portcullis diff`: what a change of policies changes, for every request there can be.
// Enters: two sets. Leaves: the regions of requests whose outcome differs, newly allowed first, each with a request that the engine decided
// on both sides. What was left out is said, with the words "not complete".
// Never here: a sample. A region that the engine does not confirm is a defect of this program, and said so (exit code 2).

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Say exactly what a change of policies changes.",
    discussion: """
      Compares two sets for every request there can be, not for samples, and lists the regions of requests whose outcome differs, newly \
      allowed first (docs/what-if.md says what is covered). BEFORE and AFTER are files or directories, or `git:REV:PATH`, \
      where PATH is as git reads it: from the top of the repository, or from where one stands when it begins with `./`.

      EXAMPLES:
        portcullis diff policies/ policies-new/
        portcullis diff git:main:policies policies --output markdown
        portcullis diff git:main:policies policies --to shop/backend --fail-on newly-allowed
        portcullis diff policies policies --mesh-config-before mesh.yaml --mesh-config-after mesh-new.yaml

      Exit code 0: nothing changes. 1: something does. 2: bad input. 3: nothing was found, and the answer is not complete.
      """)

  @Argument(help: "The policies and workloads as they are: a path, or `git:REV:PATH`.")
  var before: String

  @Argument(help: "The policies and workloads as they will be.")
  var after: String

  @OptionGroup var settings: DiffSettings

  @Option(help: ArgumentHelp("Compare only this workload.", valueName: "namespace/[kind/]name"))
  var to: String?

  @Option(help: "The kind of proxy that enforces: sidecar, gateway or ztunnel.")
  var profile = CheckProfile.sidecar

  @Option(help: "Text for people, JSON for programs, Markdown for a pull request.")
  var output = DiffFormat.text

  @Option(help: "What makes the exit code 1: any change, or only what is newly allowed.")
  var failOn = FailOn.anything

  @Option(help: "The most regions of one direction for workloads of the same policies.")
  var limit = 50

  @Option(help: ArgumentHelp("Stop after this many seconds, and say that the answer is not complete.", valueName: "seconds"))
  var timeout: Double?

  enum DiffFormat: String, ExpressibleByArgument, CaseIterable { case text, json, markdown }
  enum FailOn: String, ExpressibleByArgument, CaseIterable {
    case anything
    case newlyAllowed = "newly-allowed"
  }

  func validate() throws {
    if profile == .waypoint { throw ValidationError("`--profile waypoint` cannot be compared yet; there are sidecar, gateway and ztunnel") }
    if limit < 1 { throw ValidationError("`--limit` is at least 1") }
    if let timeout, !(timeout > 0 && timeout <= 86_400) { throw ValidationError("`--timeout` is more than 0 and at most 86400 seconds") }
  }

  func run() throws {
    let meshes = try settings.meshes()
    let deadline = timeout.map { ContinuousClock.now + .milliseconds(Int64($0 * 1000)) }
    let sides = try [(before, meshes.before), (after, meshes.after)].map { try DiffSide($0, isLenient: settings.lenient, mesh: $1) }
    let planes: Set<DataPlane> = [profile.profile.dataPlane]
    let old = AnalysisSide(sides[0].policies, mesh: meshes.before, dataPlanes: planes)
    let new = AnalysisSide(sides[1].policies, mesh: meshes.after, dataPlanes: planes)
    var analysis = ChangeAnalysis(before: old, after: new, profile: profile.profile)
    analysis.limit = limit
    analysis.deadline = deadline
    var gaps: [String] = []
    var destinations = analysis.destinations(&gaps)
    if let to {
      destinations = destinations.filter { $0.isNamed(to) }
      if destinations.isEmpty {
        throw CommandProblem(
          "no workload `\(Printable.text(to))` on either side that can be compared",
          help: gaps.first ?? "write `namespace/name` of a workload in the files")
      }
      gaps.removeAll()
    }
    let report: ChangeReport
    do {
      report = try analysis.report(destinations, onlyThese: to != nil, gaps: gaps)
    } catch let defect as AnalysisDefect {
      throw CommandProblem(
        "the analysis and the engine disagree, so that neither is to be believed: \(Printable.text(defect.description))",
        help: "this is a defect of portcullis; please report it with both sets")
    }
    let text = DiffText(report: report, before: sides[0], after: sides[1], profile: profile)
    switch output {
    case .text: print(text.text)
    case .json: print(text.json.text)
    case .markdown: print(text.markdown)
    }
    let failing = failOn == .anything ? report.changes : report.changes.filter(\.isNewlyAllowed)
    if !failing.isEmpty { throw ExitCode(Answer.no.rawValue) }
    if !report.gaps.isEmpty { throw ExitCode(Answer.undecided.rawValue) }
  }
}

extension AnalyzedDestination {
  /// Whether `namespace/name` or `namespace/kind/name` means it.
  func isNamed(_ text: String) -> Bool {
    let (own, other) = (name.split(separator: "/"), text.split(separator: "/"))
    guard own.count == 3 else { return false }
    let kind = other.count == 3 ? other[1].lowercased() : String(own[1])
    return [2, 3].contains(other.count) && ExactText(String(own[0])) == ExactText(String(other[0]))
      && ExactText(String(own[2])) == ExactText(String(other[other.count - 1])) && ExactText(kind) == ExactText(String(own[1]))
  }
}

extension WorkloadChange {
  /// Whether requests pass, or may pass, that did not.
  var isNewlyAllowed: Bool { to == .allow || (from == .deny && to == .undecided) }

  /// In words.
  var headline: String {
    switch (from, to) {
    case (.deny, .allow): "newly allowed"
    case (.undecided, .allow): "newly allowed without asking a provider"
    case (.deny, .undecided): "newly allowed if a provider says so"
    case (.allow, .undecided): "allowed only if a provider says so"
    case (.undecided, .deny): "denied without asking a provider"
    default: "newly denied"
    }
  }
}
