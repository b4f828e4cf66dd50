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

  @OptionGroup var proxies: AnalyzedProxies

  @Option(help: "Text for people, JSON for programs, Markdown for a pull request.")
  var output = DiffFormat.text

  @Option(help: "What makes the exit code 1: any change, or only what is newly allowed.")
  var failOn = FailOn.anything

  @Option(help: "The most regions of one direction for workloads of the same policies.")
  var limit = 50

  @OptionGroup var patience: Patience

  enum DiffFormat: String, ExpressibleByArgument, CaseIterable { case text, json, markdown }
  enum FailOn: String, ExpressibleByArgument, CaseIterable {
    case anything
    case newlyAllowed = "newly-allowed"
  }

  func validate() throws {
    if limit < 1 { throw ValidationError("`--limit` is at least 1") }
  }

  func run() throws {
    let meshes = try settings.meshes()
    let workLimit = patience.workLimit
    let sides = try [(before, meshes.before), (after, meshes.after)].map { try DiffSide($0, isLenient: settings.lenient, mesh: $1) }
    let destinations = AnalyzedDestinations(
      before: sides[0].policies, after: sides[1].policies, assumed: proxies.assumed,
      trustDomain: meshes.after.trustDomain)
    if let to { _ = try destinations.named(to) }
    let planes = destinations.dataPlanes
    let old = AnalysisSide(sides[0].policies, mesh: meshes.before, dataPlanes: planes)
    let new = AnalysisSide(sides[1].policies, mesh: meshes.after, dataPlanes: planes)
    var analysis = ChangeAnalysis(before: old, after: new)
    analysis.limit = limit
    analysis.workLimit = workLimit
    var bar = ProgressBar()
    analysis.progress = { done, all in bar.show(percent: done * 100 / max(all, 1), "workloads") }
    let report: ChangeReport
    do {
      report = try analysis.report(destinations, only: to)
    } catch let defect as AnalysisDefect {
      throw CommandProblem(
        "the analysis and the engine disagree, so that neither is to be believed: \(Printable.text(defect.description))",
        help: "this is a defect of portcullis; please report it with both sets")
    }
    bar.end()
    let text = DiffText(report: report, before: sides[0], after: sides[1])
    switch output {
    case .text: print(text.text)
    case .json: print(text.json.text)
    case .markdown: print(text.markdown)
    }
    let failing = failOn == .anything ? report.changes : report.changes.filter(\.isNewlyAllowed)
    if !failing.isEmpty { throw ExitCode(Answer.no.rawValue) }
    if !report.incompleteness.isEmpty { throw ExitCode(Answer.undecided.rawValue) }
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
