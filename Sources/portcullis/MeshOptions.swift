// The mesh's settings and the policy files, as every verb that decides takes them.

internal import ArgumentParser
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

/// Which policies, under which settings.
struct PolicyOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A file or directory with Kubernetes YAML or JSON; repeatable.", valueName: "path"))
  var policies: [String]

  @Option(help: ArgumentHelp("The mesh's trust domain.", valueName: "domain"))
  var trustDomain = "cluster.local"

  @Option(help: ArgumentHelp("A further name of the trust domain; repeatable.", valueName: "domain"))
  var trustDomainAlias: [String] = []

  @Option(help: ArgumentHelp("The namespace whose policies apply to all.", valueName: "namespace"))
  var rootNamespace = "istio-system"

  @Option(help: "What the proxies do to paths before policies see them.")
  var pathNormalization = PathNormalization.base

  @Option(help: ArgumentHelp("A provider of CUSTOM rules that the proxy asks itself; repeatable.", valueName: "name"))
  var customDelegated: [String] = []

  @Option(help: ArgumentHelp("The provider of CUSTOM rules that this server is.", valueName: "name"))
  var providerName: String?

  @Flag(help: "Accept a set without any AuthorizationPolicy, which allows everything.")
  var allowEmpty = false

  func validate() throws {
    if policies.isEmpty { throw ValidationError("`--policies` is needed: name a file or directory") }
    if rootNamespace.isEmpty { throw ValidationError("`--root-namespace` is empty: policies for the whole mesh would apply nowhere") }
    for domain in [trustDomain] + trustDomainAlias where domain.isEmpty || domain.contains("/") {
      throw ValidationError("`\(domain)` is not a trust domain: write it without `spiffe://` and slashes, such as `cluster.local`")
    }
  }

  /// The settings.
  var mesh: MeshSettings {
    MeshSettings(
      trustDomain: ExactText(trustDomain), trustDomainAliases: trustDomainAlias.map { ExactText($0) },
      rootNamespace: ExactText(rootNamespace), pathNormalization: pathNormalization.setting,
      delegatedProviders: Set((customDelegated + [providerName].compactMap { $0 }).map { ExactText($0) }))
  }

  /// Reads all files once; prints what is wrong with them, and ends with exit code 2 when something is.
  func load(options: PolicySourceOptions = PolicySourceOptions()) throws -> LoadedPolicies {
    var options = options
    options.allowEmpty = allowEmpty
    let loaded = PolicySources(paths: policies, options: options).load()
    for diagnostic in loaded.diagnostics { StandardError.write(diagnostic.description) }
    if loaded.hasErrors {
      let errors = loaded.diagnostics.count { $0.severity == .error }
      StandardError.write("\(errors) error\(errors == 1 ? "" : "s") in the policies; nothing is decided by them")
      throw ExitCode(Answer.unusable.rawValue)
    }
    return loaded
  }
}

extension PathNormalization {
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
