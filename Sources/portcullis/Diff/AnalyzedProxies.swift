// Which proxies the verbs about all requests ask: `diff`, `who-can`, `verify`.

internal import ArgumentParser
internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine

/// What stands in front of workloads of which the files do not say it.
struct AnalyzedProxies: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The kind of proxy of workloads of which the files do not say it. Of all others it is read from their labels, annotations and containers.",
      valueName: "sidecar|gateway|ztunnel"))
  var profile = CheckProfile.sidecar

  /// As the engine names it.
  var assumed: Profile { profile.profile }

  func validate() throws {
    if profile == .waypoint {
      throw ValidationError(
        "`--profile waypoint` cannot be assumed; waypoints are found by their Gateways and the label `istio.io/use-waypoint`")
    }
  }
}

/// How long somebody waits.
struct Patience: ParsableArguments {
  @Option(help: ArgumentHelp("Stop after this many seconds, and say that the answer is not complete.", valueName: "seconds"))
  var timeout: Double?

  func validate() throws {
    if let timeout, !(timeout > 0 && timeout <= 86_400) { throw ValidationError("`--timeout` is more than 0 and at most 86400 seconds") }
  }

  /// The limit, from now on.
  var workLimit: WorkLimit { WorkLimit(until: timeout.map { ContinuousClock.now + .milliseconds(Int64($0 * 1000)) }) }
}

extension AnalyzedDestinations {
  /// Those of a name.
  ///
  /// - Throws: `CommandProblem` when there is none.
  func named(_ name: String) throws -> [AnalyzedDestination] {
    let found = all.filter { $0.isNamed(name) }
    guard found.isEmpty else { return found }
    throw CommandProblem(
      "no workload `\(Printable.text(name))` that can be asked about",
      help: unasked.first { $0.destination.isNamed(name) }.map { Printable.text($0.why) }
        ?? "write `namespace/name` of a workload or service in the files")
  }
}
