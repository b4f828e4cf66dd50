// The clients that a service may have, as far as DestinationRules tell them apart: one for each rule that some client would use, instead of
// all workloads of a mesh.
// Enters: an analysis. Leaves: the clients' sides of connections. Never here: clients without an Envoy, which read no DestinationRules.

internal import PolicyModel

/// Clients of a service that send the same.
struct ClientClass {
  /// Their side. Its client is `outside`, because it stands for many; its proxy is theirs.
  var side: TLSAnalysis.ClientSide
  /// A namespace where they are.
  var namespace: ExactText
  /// Whether a workload of theirs is loaded; the others are those for whom somebody wrote a rule.
  var isLoaded: Bool
}

/// Finds the classes.
struct ClientClasses {
  private let analysis: TLSAnalysis
  private let root: ExactText
  /// The places of the rules for a host, and of those for all hosts that end so.
  private var exact: [ExactText: [Int]] = [:]
  private var wildcards: [(suffix: Substring, place: Int)] = []
  /// The namespaces of the loaded workloads with an Envoy, and whether one of them has a sidecar, and one a gateway.
  private var envoys: [ExactText: (hasSidecar: Bool, hasGateway: Bool)] = [:]
  private let envoyNamespaces: [ExactText]
  private let namespaces: Set<ExactText>
  private let isAmbientOnly: Bool

  /// Looks at the workloads and the rules, each once.
  init(_ analysis: TLSAnalysis, root: ExactText) {
    self.analysis = analysis
    self.root = root
    for (place, rule) in analysis.policies.destinationRules.enumerated() {
      let host = ClientRules.host(of: rule, clusterDomain: analysis.clusterDomain)
      if host.string.hasPrefix("*") {
        wildcards.append((host.string.dropFirst(), place))
      } else {
        exact[host, default: []].append(place)
      }
    }
    var namespaces: Set<ExactText> = []
    for (workload, proxy) in zip(analysis.policies.workloads, analysis.proxies) {
      let namespace = workload.metadata.key.namespace
      namespaces.insert(namespace)
      guard proxy.kind.readsDestinationRules else { continue }
      if proxy.kind == .sidecar {
        envoys[namespace, default: (false, false)].hasSidecar = true
      } else {
        envoys[namespace, default: (false, false)].hasGateway = true
      }
    }
    self.namespaces = namespaces
    envoyNamespaces = envoys.keys.sorted()
    isAmbientOnly = envoys.isEmpty && analysis.proxies.contains { $0.kind == .ambient }
  }

  /// The classes of a service's clients, in the order of their namespaces. O(rules for its host, wildcards).
  func classes(of service: MeshService) -> [ClientClass] {
    if isAmbientOnly { return [] }
    let places = (exact[service.host] ?? []) + wildcards.filter { hasSuffix(service.host, $0.suffix) }.map(\.place)
    // All others see the same rules.
    var special: Set<ExactText> = []
    for place in places {
      let rule = analysis.policies.destinationRules[place]
      special.insert(rule.metadata.key.namespace)
      special.formUnion(rule.exportTo.filter { $0 != "." && $0 != "*" })
    }
    // In the root namespace rules for everybody come last.
    if special.contains(root) || !places.isEmpty, envoys[root] != nil { special.insert(root) }
    let other = envoyNamespaces.first { !special.contains($0) }
    var found: [ClientClass] = []
    for namespace in special.union(other.map { [$0] } ?? []).sorted() where mayHaveClients(namespace) {
      let candidates = analysis.rules.candidates(client: namespace, host: service.host, serviceNamespace: service.key.namespace)
      let selecting: [MergedRule?] = candidates.filter { $0.rule.workloadSelector != nil }
      for rule in selecting + [candidates.last { $0.rule.workloadSelector == nil }] {
        for kind in kinds(namespace) { add(rule, kind, namespace, to: &found) }
      }
    }
    return found
  }

  /// Whether a client with an Envoy is there, or may be: nobody of the namespace is loaded.
  private func mayHaveClients(_ namespace: ExactText) -> Bool {
    envoys.isEmpty || envoys[namespace] != nil || !namespaces.contains(namespace)
  }

  private func kinds(_ namespace: ExactText) -> [ProxyKind] {
    guard let found = envoys[namespace] else { return [.sidecar] }
    return (found.hasSidecar ? [.sidecar] : []) + (found.hasGateway ? [.gateway] : [])
  }

  private func add(_ rule: MergedRule?, _ kind: ProxyKind, _ namespace: ExactText, to found: inout [ClientClass]) {
    let isLoaded = envoys[namespace] != nil
    // Of a client that is only thought of, nothing is known but the rule that was written for it.
    if rule == nil, !isLoaded { return }
    let objects = rule?.objects.map(\.key)
    let same = found.firstIndex { $0.side.proxy.kind == kind && $0.side.rule?.objects.map(\.key) == objects }
    if let same {
      found[same].isLoaded = found[same].isLoaded || isLoaded
      return
    }
    let proxy = ProxyFinding(kind: kind, because: "", isAssumed: false, advertisesMutualTLS: true, takesHBONE: nil)
    found.append(
      ClientClass(
        side: TLSAnalysis.ClientSide(client: .outside, proxy: proxy, rule: rule, question: TLSAnalysis.Question()), namespace: namespace,
        isLoaded: isLoaded))
  }
}
