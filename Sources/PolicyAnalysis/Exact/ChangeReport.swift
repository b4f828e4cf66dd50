// What a comparison of two policy sets found. Never here: how it was found (`ChangeAnalysis.swift`), words for people.

public import PolicyEngine
public import PolicyModel

/// A region whose outcome changes.
public struct ChangedRegion: Sendable {
  /// What of a request matters, field by field; empty for every request.
  public var words: [FieldWords]
  /// A request in it.
  public var witness: WitnessRequest
  /// What the engine decides about that before the change.
  public var before: SideFinding
  /// And after it.
  public var after: SideFinding
}

/// All regions of one direction for the workloads that share both programs.
public struct WorkloadChange: Sendable {
  /// The workloads, by name.
  public var workloads: [String]
  /// One of them, as it is after the change.
  public var destination: AnalyzedDestination
  /// TCP connections, or HTTP requests.
  public var isTCP: Bool
  /// From which outcome.
  public var from: Verdict
  /// To which.
  public var to: Verdict
  /// Where.
  public var regions: [ChangedRegion]
}

/// What was found.
public struct ChangeReport: Sendable {
  /// Newly allowed first, then what is no longer denied for certain, then the rest.
  public var changes: [WorkloadChange] = []
  /// What was not looked at, or not to its end.
  public var gaps: [String] = []
  /// Of what more was found than is shown.
  public var cut: [String] = []
  /// Why the report is not complete; empty when it is.
  public var incompleteness: [String] { gaps + cut }
  /// How many workloads were compared.
  public var workloadCount = 0
  /// For how many of them anything changes.
  public var differingCount = 0
  /// How many stand-ins for workloads that the files do not hold were compared.
  public var standInCount = 0
  /// For how many of them anything changes.
  public var differingStandInCount = 0
  /// What else there is to know: settings that differ, policies in dry run, for what stand-ins were compared.
  public var notes: [String] = []
  /// Changed policies that no workload of either side has; compared for stand-ins.
  public var unattached: [ObjectKey] = []
}
