// The two sides of a comparison: paths, or what a revision of git holds.
// Enters: `PATH` or `git:REV:PATH`. Leaves: a policy set, and how its files are shown. What does not load ends the command with its findings.
// Never here: how a revision is read (`GitTree.swift`).

internal import ArgumentParser
internal import DecisionText
internal import Foundation
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

/// The settings of both sides.
struct DiffSettings: ParsableArguments {
  @Option(help: ArgumentHelp("The mesh's settings: a MeshConfig, or Istio's ConfigMap that holds it.", valueName: "file"))
  var meshConfig: String?

  @Option(help: ArgumentHelp("The settings before the change, in place of `--mesh-config`.", valueName: "file"))
  var meshConfigBefore: String?

  @Option(help: ArgumentHelp("The settings after the change, in place of `--mesh-config`.", valueName: "file"))
  var meshConfigAfter: String?

  @Option(help: ArgumentHelp("The mesh's trust domain, on both sides. (default: cluster.local)", valueName: "domain"))
  var trustDomain: String?

  @Option(help: ArgumentHelp("A further name of the trust domain; repeatable.", valueName: "domain"))
  var trustDomainAlias: [String] = []

  @Option(help: ArgumentHelp("A further trust domain whose peers mutual TLS takes; repeatable.", valueName: "domain"))
  var acceptedTrustDomain: [String] = []

  @Option(help: ArgumentHelp("The namespace whose policies apply to all. (default: istio-system)", valueName: "namespace"))
  var rootNamespace: String?

  @Option(help: "What the proxies do to paths before policies see them. (default: base)")
  var pathNormalization: PathNormalization?

  @Option(help: ArgumentHelp("A provider of CUSTOM rules that the proxy asks itself; repeatable.", valueName: "name"))
  var customDelegated: [String] = []

  @Flag(
    name: .customLong("several-custom-providers"),
    help: "The control plane lets the CUSTOM policies of one workload name several providers; otherwise all their rules deny.")
  var allowsSeveralCustomProviders = false

  @Option(
    name: .customLong("older"),
    help: ArgumentHelp(
      "What the mesh's proxies do as older releases did (docs/istio.md); repeatable.",
      valueName: MeshSettings.OlderBehavior.allCases.map(\.rawValue).joined(separator: "|")))
  var olderBehaviors: [String] = []

  @Flag(help: "Decide objects that Istio's webhook would refuse as Istio does at run time on a cluster without it.")
  var lenient = false

  /// The settings of each side, read as every other verb reads them. What an option says holds for both, and wins over the files.
  func meshes() throws -> (before: MeshSettings, after: MeshSettings) {
    let files = (meshConfigBefore ?? meshConfig, meshConfigAfter ?? meshConfig)
    if meshConfig != nil, meshConfigBefore != nil, meshConfigAfter != nil {
      throw CommandProblem(
        "`--mesh-config` is used by no side", help: "leave it out, or one of `--mesh-config-before` and `--mesh-config-after`")
    }
    let before = try mesh(files.0)
    return (before, files.0 == files.1 ? before : try mesh(files.1))
  }

  private func mesh(_ file: String?) throws -> MeshSettings {
    var words = ["--policies", "."]
    func add(_ name: String, _ values: [String]) { for value in values { words += ["\(name)=\(value)"] } }
    add("--mesh-config", [file].compactMap { $0 })
    add("--trust-domain", [trustDomain].compactMap { $0 })
    add("--trust-domain-alias", trustDomainAlias)
    add("--accepted-trust-domain", acceptedTrustDomain)
    add("--root-namespace", [rootNamespace].compactMap { $0 })
    add("--path-normalization", [pathNormalization?.rawValue].compactMap { $0 })
    add("--custom-delegated", customDelegated)
    add("--older", olderBehaviors)
    if allowsSeveralCustomProviders { words.append("--several-custom-providers") }
    return try PolicyOptions.parse(words).meshSettings()
  }
}

/// One side as it was named.
struct DiffSide {
  /// As it was written.
  let name: String
  let policies: PolicySet
  /// What stands in front of files that were taken out of git, and what is shown instead.
  private let extracted: String?
  private let shown: String

  /// Reads a side; prints what is wrong with it, and ends with exit code 2 when something is.
  init(_ name: String, isLenient: Bool, mesh: MeshSettings) throws {
    self.name = name
    var options = PolicySourceOptions()
    // A side without policies is one on which everything is allowed; the comparison then says so.
    options.allowEmpty = true
    options.isLenient = isLenient
    guard name.hasPrefix("git:") else {
      (extracted, shown) = (nil, "")
      policies = try Self.load(name, options, mesh) { $0 }
      return
    }
    let tree = try GitTree(name)
    defer { tree.remove() }
    let prefix = "git:\(tree.revision):"
    (extracted, shown) = (tree.directory + "/", prefix)
    policies = try Self.load(tree.path, options, mesh) {
      $0.replacingOccurrences(of: tree.directory + "/", with: prefix).replacingOccurrences(of: tree.directory, with: prefix)
    }
  }

  private static func load(
    _ path: String, _ options: PolicySourceOptions, _ mesh: MeshSettings, _ show: (String) -> String
  ) throws -> PolicySet {
    let loaded = PolicySources(paths: [path], options: options).load()
    let diagnostics = loaded.diagnostics + loaded.policies.undecidablePolicies(mesh).map { $0.diagnostic(readsFile: true) }
    for diagnostic in diagnostics { StandardError.write(show(diagnostic.description)) }
    let errors = diagnostics.count { $0.severity == .error }
    if errors > 0 {
      StandardError.write("\(errors) error\(errors == 1 ? "" : "s") in the input; nothing is compared")
      throw ExitCode(Answer.unusable.rawValue)
    }
    return loaded.policies
  }

  /// A place in one of its files.
  func shown(_ location: SourceLocation?) -> String? {
    location.map { place in
      guard let extracted, place.description.hasPrefix(extracted) else { return place.description }
      return shown + place.description.dropFirst(extracted.count)
    }
  }
}
