// The mesh's settings and the policy files, as every verb that decides takes them.

internal import ArgumentParser
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyLoading
internal import PolicyModel

/// Which policies, under which settings.
struct PolicyOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A file or directory with Kubernetes YAML or JSON; repeatable.", valueName: "path"))
  var policies: [String] = []

  @Option(
    help: ArgumentHelp(
      "The mesh's settings: a MeshConfig, or Istio's ConfigMap that holds it. Each option below wins over what the file says.",
      valueName: "file"))
  var meshConfig: String?

  @Option(help: ArgumentHelp("The mesh's trust domain. (default: cluster.local)", valueName: "domain"))
  var trustDomain: String?

  @Option(help: ArgumentHelp("A further name of the trust domain; repeatable.", valueName: "domain"))
  var trustDomainAlias: [String] = []

  @Option(
    help: ArgumentHelp(
      "A further trust domain whose peers mutual TLS takes, and that no policy means by the mesh's own; repeatable.", valueName: "domain"))
  var acceptedTrustDomain: [String] = []

  @Option(help: ArgumentHelp("The namespace whose policies apply to all. (default: istio-system)", valueName: "namespace"))
  var rootNamespace: String?

  @Option(help: "What the proxies do to paths before policies see them. (default: base)")
  var pathNormalization: PathNormalization?

  @Option(help: ArgumentHelp("A provider of CUSTOM rules that the proxy asks itself; repeatable.", valueName: "name"))
  var customDelegated: [String] = []

  @Option(help: ArgumentHelp("The provider of CUSTOM rules that this server is.", valueName: "name"))
  var providerName: String?

  @Flag(
    name: .customLong("several-custom-providers"),
    help: "The control plane lets the CUSTOM policies of one workload name several providers; otherwise all their rules deny.")
  var allowsSeveralCustomProviders = false

  @Option(
    name: .customLong("older"),
    help: ArgumentHelp(
      "What the mesh's proxies do as older releases did (docs/istio.md); repeatable.",
      valueName: MeshSettings.OlderBehavior.allCases.map(\.rawValue).joined(separator: "|")),
    transform: PolicyOptions.olderBehavior)
  var olderBehaviors: [MeshSettings.OlderBehavior] = []

  @Flag(
    help:
      "Decide objects that Istio's webhook would refuse as Istio does at run time on a cluster without it; each is a warning, not an error."
  )
  var lenient = false

  @Flag(help: "Accept a set without any AuthorizationPolicy, which allows everything.")
  var allowEmpty = false

  /// How much of that file is read.
  static let meshConfigLimits = LoadingLimits(fileBytes: 16 << 20)

  private static func olderBehavior(_ name: String) throws -> MeshSettings.OlderBehavior {
    guard let behavior = MeshSettings.OlderBehavior(rawValue: name) else {
      let known = MeshSettings.OlderBehavior.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
      throw ValidationError("`\(name)` is no older behaviour; there are \(known)")
    }
    return behavior
  }

  func validate() throws {
    if let rootNamespace, rootNamespace.isEmpty {
      throw ValidationError("`--root-namespace` is empty: policies for the whole mesh would apply nowhere")
    }
    for domain in [trustDomain].compactMap({ $0 }) + trustDomainAlias where domain.isEmpty || domain.contains("/") {
      throw ValidationError("`\(domain)` is not a trust domain: write it without `spiffe://` and slashes, such as `cluster.local`")
    }
    for domain in acceptedTrustDomain {
      if let why = peerTrustDomainRefusal(ExactText(domain)) {
        throw ValidationError("`\(domain)` \(why): write it without `spiffe://` and slashes, such as `cluster.local`")
      }
    }
  }

  /// The settings: what an option says, else what the file says, else Istio's default. Reads the file and prints what is wrong with it;
  /// ends with exit code 2 when that is an error.
  func meshSettings() throws -> MeshSettings { settings(over: try loadMeshConfig()) }

  /// The settings: what an option says, else what `file` says, else Istio's default.
  func settings(over file: LoadedMeshConfig?) -> MeshSettings {
    var settings = MeshSettings()
    settings.trustDomain = trustDomain.map { spiffeTrustDomain(ExactText($0)) } ?? file?.trustDomain ?? settings.trustDomain
    settings.trustDomainAliases = trustDomainAlias.isEmpty ? file?.trustDomainAliases ?? [] : trustDomainAlias.map { ExactText($0) }
    settings.acceptedTrustDomains =
      acceptedTrustDomain.isEmpty ? file?.acceptedTrustDomains ?? [] : acceptedTrustDomain.map { ExactText($0) }
    settings.rootNamespace = rootNamespace.map { ExactText($0) } ?? file?.rootNamespace ?? settings.rootNamespace
    settings.pathNormalization = pathNormalization?.setting ?? file?.pathNormalization ?? settings.pathNormalization
    settings.delegatedProviders = Set((customDelegated + [providerName].compactMap { $0 }).map { ExactText($0) })
    settings.extensionProviders = file?.extensionProviders
    settings.enablesAutoMTLS = file?.enablesAutoMTLS ?? settings.enablesAutoMTLS
    settings.destinationRuleExport = file?.destinationRuleExport ?? settings.destinationRuleExport
    settings.allowsSeveralCustomProviders = allowsSeveralCustomProviders
    settings.olderBehaviors = Set(olderBehaviors)
    return settings
  }

  /// Reads the file with the settings, when one is named, and prints what is wrong with it; ends with exit code 2 when that is an error.
  func loadMeshConfig() throws -> LoadedMeshConfig? {
    guard let path = meshConfig else { return nil }
    let text = try InputFile.bytes(of: path, limit: Self.meshConfigLimits.fileBytes)
    let (settings, diagnostics) = PolicyLoading.loadMeshConfig(text: text, file: ExactText(path), limits: Self.meshConfigLimits)
    for diagnostic in diagnostics { StandardError.write(diagnostic.description) }
    guard let settings else { throw stop(diagnostics) }
    return settings
  }

  /// Reads all files once; prints what is wrong with them, and ends with exit code 2 when something is. `needsPolicies`: whether a set
  /// without any AuthorizationPolicy is something wrong, unless an option says otherwise.
  func load(options: PolicySourceOptions = PolicySourceOptions(), needsPolicies: Bool = true) throws -> LoadedPolicies {
    // Not demanded by the parser, because one verb goes without (`lint --envoy`).
    guard !policies.isEmpty else {
      throw CommandProblem(
        "missing expected argument `--policies <path> ...`", help: "name a file or directory with Kubernetes YAML or JSON")
    }
    var options = options
    options.allowEmpty = allowEmpty || !needsPolicies
    options.isLenient = lenient
    let loaded = PolicySources(paths: policies, options: options).load()
    let diagnostics = loaded.diagnostics + undecidable(in: loaded.policies).map { $0.diagnostic(readsFile: true) }
    for diagnostic in diagnostics { StandardError.write(diagnostic.description) }
    if diagnostics.contains(where: { $0.severity == .error }) { throw stop(diagnostics) }
    return loaded
  }

  /// The policies that `--older` makes undecidable.
  func undecidable(in policies: PolicySet) -> [UndecidablePolicy] {
    policies.undecidablePolicies(MeshSettings(olderBehaviors: Set(olderBehaviors)))
  }

  private func stop(_ diagnostics: [Diagnostic]) -> ExitCode {
    let errors = diagnostics.count { $0.severity == .error }
    StandardError.write("\(errors) error\(errors == 1 ? "" : "s") in the input; nothing is decided by it")
    return ExitCode(Answer.unusable.rawValue)
  }
}

extension PathNormalization {
  /// The name of a mesh setting.
  init(_ setting: MeshSettings.PathNormalization) {
    self =
      switch setting {
      case .none: .none
      case .base: .base
      case .mergeSlashes: .merge
      case .decodeAndMergeSlashes: .decode
      }
  }

  /// The mesh setting of this name.
  var setting: MeshSettings.PathNormalization {
    switch self {
    case .none: .none
    case .base: .base
    case .merge: .mergeSlashes
    case .decode: .decodeAndMergeSlashes
    }
  }
}

/// The form of an answer.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json
}
