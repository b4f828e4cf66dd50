// What a question is about: a workload, any workload with certain labels, or a waypoint and the service behind it.
// Enters: names as they were written. Leaves: what is attached there, and for explanations the namespace and labels.
// Never here: a guess at which service a waypoint is asked for.

internal import DecisionText
internal import PolicyEngine
internal import PolicyModel

extension Question {
  /// The workload that is called.
  enum Destination {
    /// `namespace/[kind/]name`.
    case workload(String)
    /// Any workload with these labels.
    case labels(ExactText, [ExactText: ExactText])
    /// A waypoint of this namespace with these labels, for a service, or for a workload's own address.
    case waypoint(ExactText, [ExactText: ExactText], ServiceName?)

    /// A workload of the inventory; at a waypoint also a Gateway.
    init(workload name: String, profile: Profile, service: String?, in snapshot: Snapshot) throws {
      let service = try Self.service(service, profile, in: snapshot)
      guard profile == .waypoint else {
        self = .workload(name)
        return
      }
      guard let pods = snapshot.waypoint(named: Array(name.utf8).span) else {
        throw CommandProblem(
          "no waypoint `\(Printable.text(name))` in the given files",
          help: "add its Gateway to `--policies`, or its pods with the label `gateway.networking.k8s.io/gateway-name`")
      }
      self = .waypoint(pods.namespace, pods.labels, service)
    }

    /// Any workload with these labels.
    init(namespace: ExactText, labels: [ExactText: ExactText], profile: Profile, service: String?, in snapshot: Snapshot) throws {
      let service = try Self.service(service, profile, in: snapshot)
      self = profile == .waypoint ? .waypoint(namespace, labels, service) : .labels(namespace, labels)
    }

    private static func service(_ text: String?, _ profile: Profile, in snapshot: Snapshot) throws -> ServiceName? {
      guard profile == .waypoint else {
        if text == nil { return nil }
        throw CommandProblem("only a waypoint is asked for a service", help: "leave `service` out, or say that the profile is `waypoint`")
      }
      guard let text else {
        throw CommandProblem(
          "which service is the waypoint asked for?",
          help: "give `service`: `namespace/name`, `namespace/serviceentry/name`, or `none` for a workload's own address")
      }
      if ExactText(text) == "none" { return nil }
      guard let name = ServiceName(text) else {
        throw CommandProblem(
          "`\(Printable.text(text))` is not a service", help: "write `namespace/name`, `namespace/serviceentry/name`, or `none`")
      }
      // Where no policy is attached, everything is allowed: a slip in the name must not look like that.
      guard snapshot.knows(service: name) else {
        throw CommandProblem(
          "no service `\(Printable.text(text))` in the given files",
          help: "correct the name, or add the manifest of the Service or ServiceEntry to `--policies`")
      }
      return name
    }

    private static func target(
      waypointIn namespace: ExactText, _ labels: [ExactText: ExactText], _ service: ServiceName?, _ snapshot: Snapshot
    ) throws -> Target {
      guard let target = snapshot.target(waypointIn: namespace, labels: labels, service: service) else {
        throw CommandProblem(
          "pods without the label `gateway.networking.k8s.io/gateway-name` are no waypoints", help: "add the label, with the Gateway's name"
        )
      }
      return target
    }

    /// What is attached.
    func target(in snapshot: Snapshot) throws -> Target {
      switch self {
      case .workload(let name): try WorkloadName.target(name, in: snapshot)
      case .labels(let namespace, let labels): snapshot.target(namespace: namespace, labels: labels)
      case .waypoint(let namespace, let labels, let service):
        try Self.target(waypointIn: namespace, labels, service, snapshot)
      }
    }
  }

  /// The engine's decision.
  func decision(in snapshot: Snapshot) -> Decision {
    var request = request
    return snapshot.decide(&request, on: target, profile: profile)
  }

  /// Namespace, labels and service of the workload that is called; of several with the same policies the first.
  func workload(in policies: PolicySet) throws -> (namespace: ExactText, labels: [ExactText: ExactText], service: ServiceName?) {
    switch destination {
    case .labels(let namespace, let labels): return (namespace, labels, nil)
    case .waypoint(let namespace, let labels, let service): return (namespace, labels, service)
    case .workload(let name):
      let parts = name.split(separator: "/").map { ExactText(String($0)) }
      let found = policies.workloads.first { workload in
        let key = workload.metadata.key
        let isKind = parts.count < 3 || ExactText(key.kind.string.lowercased()) == ExactText(parts[1].string.lowercased())
        return parts.count >= 2 && key.namespace == parts[0] && key.name == parts[parts.count - 1] && isKind
      }
      guard let found else { throw CommandProblem("no workload `\(Printable.text(name))` in the given files") }
      return (found.metadata.key.namespace, found.labels, nil)
    }
  }
}
