// In what the mesh settings of two sides differ, and what of that a comparison cannot follow.
// Enters: the settings of both sides, and their policies. Leaves: sentences with the names and both values; reasons why a report is not
// complete. Never here: a setting that is left out because nobody thinks that it matters.

internal import PolicyEngine
internal import PolicyModel

extension MeshSettings {
  /// One sentence for each setting in which `after` is another, by the names of MeshConfig and of the options.
  func differences(_ after: MeshSettings) -> [String] {
    func list(_ names: some Sequence<ExactText>) -> String {
      let words = names.map { "`\($0)`" }
      return words.isEmpty ? "none" : words.joined(separator: ", ")
    }
    let olders = [self, after].map { mesh in list(mesh.olderBehaviors.map { ExactText($0.rawValue) }.sorted()) }
    let values: [(name: String, before: String, after: String, addition: String)] = [
      ("trustDomain", "`\(trustDomain)`", "`\(after.trustDomain)`", ""),
      ("trustDomainAliases", list(trustDomainAliases), list(after.trustDomainAliases), ""),
      ("caCertificates.trustDomains", list(acceptedTrustDomains), list(after.acceptedTrustDomains), ""),
      ("rootNamespace", "`\(rootNamespace)`", "`\(after.rootNamespace)`", ""),
      ("pathNormalization", "`\(pathNormalization.rawValue)`", "`\(after.pathNormalization.rawValue)`", ""),
      ("--custom-delegated", list(delegatedProviders.sorted()), list(after.delegatedProviders.sorted()), ""),
      ("--several-custom-providers", "\(allowsSeveralCustomProviders)", "\(after.allowsSeveralCustomProviders)", ""),
      ("--older", olders[0], olders[1], ""),
      ("enableAutoMtls", "\(enablesAutoMTLS)", "\(after.enablesAutoMTLS)", "; no decision depends on it"),
      (
        "defaultDestinationRuleExportTo", list(destinationRuleExport), list(after.destinationRuleExport), "; no decision depends on it"
      ),
    ]
    return (values + providerDifferences(after)).filter { $0.before != $0.after }.map { value in
      "the mesh settings differ: `\(value.name)` is \(value.before) before and \(value.after) after\(value.addition)"
    }
  }

  private func providerDifferences(_ after: MeshSettings) -> [(name: String, before: String, after: String, addition: String)] {
    guard let own = extensionProviders, let other = after.extensionProviders else {
      func known(_ mesh: MeshSettings) -> String {
        guard let providers = mesh.extensionProviders else { return "not known" }
        return providers.isEmpty ? "none" : providers.keys.sorted().map { "`\($0)`" }.joined(separator: ", ")
      }
      return [("extensionProviders", known(self), known(after), "")]
    }
    return Set(own.keys).union(other.keys).sorted().map { name in
      ("extensionProviders[\(name)]", own[name]?.words ?? "missing", other[name]?.words ?? "missing", "")
    }
  }
}

extension ExtensionProvider {
  /// All of it in words; two that differ have other words.
  fileprivate var words: String {
    let name =
      switch kind {
      case .extAuthzHTTP: "`envoyExtAuthzHttp`"
      case .extAuthzGRPC: "`envoyExtAuthzGrpc`"
      case .other(let name): name.isEmpty ? "of no kind" : "`\(name)`"
      }
    var parts = [name]
    if !service.isEmpty { parts.append("`\(service)\(port.map { ":\($0)" } ?? "")`") }
    if failsOpen { parts.append("`failOpen`") }
    if let statusOnError { parts.append("`statusOnError` \(statusOnError)") }
    if let timeoutMilliseconds { parts.append("`timeout` \(timeoutMilliseconds) ms") }
    if !isUsable { parts.append("which Istio cannot use") }
    return parts.joined(separator: " ")
  }
}

extension ChangeAnalysis {
  /// Whether both sides have the same settings.
  var isSameMesh: Bool { before.mesh == after.mesh }

  /// The root namespaces of both sides.
  var roots: Set<ExactText> { [before.mesh.rootNamespace, after.mesh.rootNamespace] }

  /// The policies that may mean something else on the other side: those that differ; under other settings all of them.
  func concerned(_ difference: SetDifference) -> [AuthorizationPolicy] {
    isSameMesh ? difference.policies : before.policies.policies + after.policies.policies
  }

  /// The same of PeerAuthentications.
  func concerned(_ difference: SetDifference) -> [PeerAuthentication] {
    isSameMesh ? difference.peerAuthentications : before.policies.peerAuthentications + after.policies.peerAuthentications
  }

  /// Whether other RequestAuthentications count for some workload.
  func hasOtherTokens(_ difference: SetDifference) -> Bool {
    let objects = before.policies.requestAuthentications + after.policies.requestAuthentications
    return difference.hasOtherRequestAuthentications || (roots.count > 1 && objects.contains { roots.contains($0.metadata.key.namespace) })
  }

  /// The PeerAuthentications that hold for other workloads on the other side, or say something else there.
  func movedModes(_ difference: SetDifference) -> [PeerAuthentication] {
    if roots.count == 1 { return difference.peerAuthentications }
    let objects = before.policies.peerAuthentications + after.policies.peerAuthentications
    return difference.peerAuthentications + objects.filter { roots.contains($0.metadata.key.namespace) }
  }

  /// Changes of rules whose provider the proxy asks itself: no decision here holds them.
  func delegatedChanges(_ difference: SetDifference) -> [String] {
    func isDelegated(_ policy: AuthorizationPolicy, _ side: AnalysisSide) -> Bool {
      policy.action == .custom && policy.provider.map { side.mesh.delegatedProviders.contains($0) } ?? false
    }
    func isAskedOtherwise(_ policy: AuthorizationPolicy) -> Bool {
      guard let name = policy.provider else { return false }
      return Self.definition(name, before) != Self.definition(name, after)
    }
    let changed = difference.policies.filter { isDelegated($0, before) || isDelegated($0, after) }
    let redefined =
      isSameMesh ? [] : concerned(difference).filter { isDelegated($0, before) && isDelegated($0, after) && isAskedOtherwise($0) }
    return (changed + redefined).map {
      "\($0.metadata.key.description) is for a provider that the proxy asks itself; what it answers is not known here"
    }
  }

  /// Who is asked by rules of CUSTOM policies, and how.
  static func providers(_ program: AttachedProgram, _ side: AnalysisSide) -> Set<AskedProvider> {
    Set(
      program.rules.filter { $0.effect == .custom }.compactMap(\.policy.provider).map {
        AskedProvider(name: $0, definition: definition($0, side))
      })
  }

  /// Where several providers are asked, which of them is asked about what.
  static func isAskedAlike(_ one: AttachedProgram, _ two: AttachedProgram) -> Bool {
    struct Question: Hashable {
      var provider: ExactText?
      var groups: [[[AttachedProgram.Demand]]]
    }
    func questions(_ program: AttachedProgram) -> Set<Question> {
      Set(program.rules.filter { $0.effect == .custom }.map { Question(provider: $0.policy.provider, groups: $0.groups) })
    }
    let (old, new) = (questions(one), questions(two))
    return Set((old.union(new)).map(\.provider)).count < 2 || old == new
  }

  private static func definition(_ name: ExactText, _ side: AnalysisSide) -> ExtensionProvider? { side.mesh.extensionProviders?[name] }

  /// A provider by name, with what the mesh's settings say of it.
  struct AskedProvider: Hashable {
    var name: ExactText
    var definition: ExtensionProvider?
  }

  /// Whether the files say the same of the proxies of all workloads that both sides have.
  static func areSameProxies(_ one: PolicySet, _ two: PolicySet) -> Bool {
    let finders = (ProxyFinder(one, assumed: .sidecar), ProxyFinder(two, assumed: .sidecar))
    let old = Dictionary(one.workloads.map { ($0.metadata.key, $0) }) { first, _ in first }
    return two.workloads.allSatisfy { workload in
      old[workload.metadata.key].map { finders.0.proxy(of: $0).kind == finders.1.proxy(of: workload).kind } ?? true
    }
  }
}
