// What the files say of the proxies of workloads, held against questions that do not say which proxy is asked.
// Enters: a policy set; the name of a workload. Leaves: why a sidecar is not what decides there. Never here: a decision.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct StatedProxies {
  private let destinations: AnalyzedDestinations

  init(_ policies: PolicySet) { destinations = AnalyzedDestinations(policies) }

  /// Why a question that is put to a sidecar is not about what happens at this workload; nil when it is, or when the files do not say it.
  func objection(to name: String) -> (problem: String, help: String)? {
    if let bare = destinations.unasked.first(where: { !$0.isEnforced && $0.destination.isItself(name) }) {
      return (bare.why, "there is no decision to ask for; to ask what a sidecar would decide, say that the profile is `sidecar`")
    }
    let other = destinations.all.first { destination in
      destination.isItself(name) && (destination.profile == .gateway || destination.profile == .ztunnel)
    }
    guard let other else { return nil }
    let words = other.profile == .gateway ? "is a gateway" : "is in ambient mode"
    return (
      "\(other.name) \(words), by what the files say, and a sidecar was asked",
      "say that the profile is `\(other.profile.name)`, or `sidecar` to ask what a sidecar would decide"
    )
  }

  /// Says it on standard error.
  func warn(about name: String) {
    guard let (problem, help) = objection(to: name) else { return }
    StandardError.write("warning: \(Printable.text(problem))\n  = help: \(help)")
  }
}
