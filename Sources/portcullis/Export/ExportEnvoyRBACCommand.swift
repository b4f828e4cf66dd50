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
      The output is YAML with comments that say where each part goes: the filters as Istio would give them to a sidecar or gateway, and the \
      path normalization of the mesh. Policies that change later need a new export.
      """)

  @OptionGroup var policies: PolicyOptions

  @Option(help: ArgumentHelp("The workload behind the proxy.", valueName: "namespace/[kind/]name"), transform: WorkloadName.init)
  var workload: WorkloadName

  @Flag(help: "The proxy speaks TCP to the workload: write network filters.")
  var tcp = false

  @Option(help: "The kind of proxy.")
  var profile = CheckProfile.sidecar

  @Option(help: "Write one part alone, to be spliced into a template.")
  var only: ExportPart?

  func validate() throws {
    if profile == .ztunnel { throw ValidationError("`--profile ztunnel` does not go here: ztunnel has no Envoy filters") }
    guard let only else { return }
    if only == .cluster { throw ValidationError("`--only cluster` does not go here: native RBAC needs no cluster") }
    if tcp, only != .networkFilter { throw ValidationError("`--only \(only.rawValue)` does not go with `--tcp`") }
    if !tcp, only == .networkFilter { throw ValidationError("`--only network-filter` needs `--tcp`") }
  }

  func run() throws {
    var options = EnvoyRBACOptions(workload: workload)
    options.isTCP = tcp
    options.isGateway = profile == .gateway
    let mesh = try policies.meshSettings()
    options.pathNormalization = PathNormalization(mesh.pathNormalization)
    let loaded = try policies.load()
    do {
      let target = try workload.workload(in: loaded.policies)
      let rbac = try EnvoyRBAC(loaded.policies, mesh: mesh, workload: target, isTCP: tcp)
      print(only.flatMap { options.text(of: $0, rbac) } ?? options.document(rbac), terminator: "")
    } catch {
      StandardError.write("error: \(error)")
      throw ExitCode(Answer.unusable.rawValue)
    }
  }
}

extension WorkloadName {
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
