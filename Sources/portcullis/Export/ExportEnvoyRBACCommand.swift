// `portcullis export envoy-rbac`: the policies of one workload as native Envoy RBAC filters, on standard output.
//
// Enters: policies and a workload. Leaves: YAML, or what cannot be exported and why (exit code 2). Never happens here: matching.

internal import ArgumentParser
internal import PolicyFiles
internal import PolicyModel

/// `portcullis export envoy-rbac`.
struct ExportEnvoyRBAC: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "envoy-rbac",
    abstract: "Write a workload's policies as native Envoy RBAC filters.",
    discussion: """
      The output is YAML with comments that say where each part goes: the filters as Istio would give them to a sidecar, gateway or waypoint, \
      and the path normalization of the mesh. Policies that change later need a new export.

      EXAMPLES:
        portcullis export envoy-rbac --policies examples/shop --workload shop/db
        portcullis export envoy-rbac --policies policies/ --workload shop/db > db.yaml
      """)

  @OptionGroup var policies: PolicyOptions

  @Option(help: ArgumentHelp("The workload behind the proxy.", valueName: "namespace/[kind/]name"), transform: WorkloadName.init)
  var workload: WorkloadName

  @Flag(help: "The proxy speaks TCP to the workload: write network filters.")
  var tcp = false

  @Option(help: "The kind of proxy.")
  var profile = CheckProfile.sidecar

  @Option(
    help: ArgumentHelp(
      "What traffic through this listener of a waypoint is addressed to; `none` for a workload's own address.",
      valueName: "namespace/[kind/]name|none"), transform: AddressedService.init)
  var service: AddressedService?

  @Option(help: "Write one part alone, to be spliced into a template.")
  var only: ExportPart?

  func validate() throws {
    try ExportEnvoyExtAuthz.validate(profile, service)
    guard let only else { return }
    if only == .cluster { throw ValidationError("`--only cluster` does not go here: native RBAC needs no cluster") }
    if tcp, only != .networkFilter { throw ValidationError("`--only \(only.rawValue)` does not go with `--tcp`") }
    if !tcp, only == .networkFilter { throw ValidationError("`--only network-filter` needs `--tcp`") }
  }

  func run() throws {
    var options = EnvoyRBACOptions(workload: workload)
    options.isTCP = tcp
    options.isGateway = profile == .gateway
    options.service = service
    let mesh = try policies.meshSettings()
    options.pathNormalization = PathNormalization(mesh.pathNormalization)
    let loaded = try policies.load()
    guard mesh.olderBehaviors.isEmpty else {
      throw CommandProblem(
        "the filters are for a current Envoy, which does nothing as older releases did", help: "leave `--older` out")
    }
    do {
      let target = try service == nil ? workload.workload(in: loaded.policies) : workload.waypoint(in: loaded.policies)
      let rbac = try EnvoyRBAC(loaded.policies, mesh: mesh, workload: target, isTCP: tcp, waypointOf: service)
      print(only.flatMap { options.text(of: $0, rbac) } ?? options.document(rbac), terminator: "")
    } catch {
      StandardError.write("error: \(error)")
      throw ExitCode(Answer.unusable.rawValue)
    }
  }
}

extension WorkloadName {
  /// The waypoint of this name: a pod with the label of its Gateway, or else the Gateway, whose pods Istio gives that label. No other label
  /// matters at a waypoint.
  fileprivate func waypoint(in set: PolicySet) throws(ExportProblem) -> Workload {
    let label: ExactText = "gateway.networking.k8s.io/gateway-name"
    var pods = PolicySet()
    for workload in set.workloads {
      if let gateway = workload.labels[label] { pods.workloads.append(Workload(metadata: workload.metadata, labels: [label: gateway])) }
    }
    for object in set.inventory where object.metadata.key.kind == "Gateway.gateway.networking.k8s.io" {
      var metadata = object.metadata
      metadata.key.kind = "Gateway"
      pods.workloads.append(Workload(metadata: metadata, labels: [label: metadata.key.name]))
    }
    return try workload(in: pods)
  }

  /// The one workload of this name. A name that several kinds have must say which, unless their labels are the same.
  fileprivate func workload(in set: PolicySet) throws(ExportProblem) -> Workload {
    let parts = text.split(separator: "/").map { ExactText(String($0)) }
    let kind = parts.count == 3 ? ExactText(parts[1].string.lowercased()) : nil
    let found = set.workloads.filter {
      let key = $0.metadata.key
      return key.namespace == parts.first && key.name == parts.last && (kind == nil || ExactText(key.kind.string.lowercased()) == kind)
    }
    guard let first = found.first else {
      throw ExportProblem("no workload `\(text)` among the policies' files: add its manifest (Pod, Deployment, …), which has its labels")
    }
    guard found.allSatisfy({ $0.labels == first.labels }) else {
      let kinds = found.map { "`\(parts[0])/\($0.metadata.key.kind.string.lowercased())/\($0.metadata.key.name)`" }.joined(separator: ", ")
      throw ExportProblem("several workloads are called `\(text)`: write one of \(kinds)")
    }
    return first
  }
}
