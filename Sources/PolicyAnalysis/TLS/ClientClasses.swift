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
  /// The one workload that they are, by its place; nil when they are several.
  var only: Int?

  /// Whether a loaded workload that is not the server itself is one of them.
  func isLoaded(besides server: Int?) -> Bool { isLoaded && (only == nil || only != server) }
}

/// Finds the classes.
struct ClientClasses {
  private let analysis: TLSAnalysis
  private let root: ExactText
  /// The places of the rules for a host, and of those for all hosts that end so.
  private var exact: [ExactText: [Int]] = [:]
  private var wildcards: [(suffix: Substring, place: Int)] = []
  /// The namespaces of the loaded workloads with an Envoy.
  private var envoys: [ExactText: Envoys] = [:]
  private let envoyNamespaces: [ExactText]
  private let namespaces: Set<ExactText>
  private let isAmbientOnly: Bool

  /// Of one namespace.
  private struct Envoys {
    var hasSidecar = false
    var hasGateway = false
    /// How many, and the place of the first.
    var count = 0
    var first: Int
  }

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
    for (place, proxy) in analysis.proxies.enumerated() {
      let namespace = analysis.policies.workloads[place].metadata.key.namespace
      namespaces.insert(namespace)
      // A waypoint calls its own services alone.
      guard proxy.kind == .sidecar || proxy.kind == .gateway else { continue }
      envoys[namespace, default: Envoys(first: place)].count += 1
      if proxy.kind == .sidecar {
        envoys[namespace]?.hasSidecar = true
      } else {
        envoys[namespace]?.hasGateway = true
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
    let others = envoyNamespaces.lazy.filter { !special.contains($0) }.prefix(2)
    let other = others.first
    var found: [ClientClass] = []
    for namespace in special.union(other.map { [$0] } ?? []).sorted() where mayHaveClients(namespace) {
      let candidates = analysis.rules.candidates(client: namespace, host: service.host, serviceNamespace: service.key.namespace)
      let selecting: [MergedRule?] = candidates.filter { $0.rule.workloadSelector != nil }
      for rule in selecting + [candidates.last { $0.rule.workloadSelector == nil }] {
        let only = envoys[namespace].flatMap { $0.count == 1 && (namespace != other || others.count == 1) ? $0.first : nil }
        for kind in kinds(namespace) { add(rule, kind, namespace, only, to: &found) }
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

  private func add(_ rule: MergedRule?, _ kind: ProxyKind, _ namespace: ExactText, _ only: Int?, to found: inout [ClientClass]) {
    let isLoaded = envoys[namespace] != nil
    // Of a client that is only thought of, nothing is known but the rule that was written for it.
    if rule == nil, !isLoaded { return }
    let objects = rule?.objects.map(\.key)
    let same = found.firstIndex { $0.side.proxy.kind == kind && $0.side.rule?.objects.map(\.key) == objects }
    if let same {
      if isLoaded, found[same].isLoaded { found[same].only = nil }
      if isLoaded, !found[same].isLoaded { (found[same].isLoaded, found[same].only) = (true, only) }
      return
    }
    let proxy = ProxyFinding(kind: kind, because: "", isAssumed: false, advertisesMutualTLS: true, takesHBONE: nil)
    found.append(
      ClientClass(
        side: TLSAnalysis.ClientSide(client: .outside, proxy: proxy, rule: rule, question: TLSAnalysis.Question()), namespace: namespace,
        isLoaded: isLoaded, only: only))
  }
}
