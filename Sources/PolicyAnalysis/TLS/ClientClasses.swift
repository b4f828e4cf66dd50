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

  /// Whether a rule of theirs stands in their own namespace, so that whoever wrote it means them although they are not loaded.
  var hasOwnRule: Bool { side.rule?.objects.contains { $0.key.namespace == namespace } ?? false }

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
    var places: [Int] = []

    mutating func add(_ place: Int, _ kind: ProxyKind) {
      places.append(place)
      if kind == .sidecar { hasSidecar = true } else { hasGateway = true }
    }

    var kinds: [ProxyKind] { (hasSidecar ? [.sidecar] : []) + (hasGateway ? [.gateway] : []) }
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
      envoys[namespace, default: Envoys()].add(place, proxy.kind)
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
        let clients = clients(in: namespace, of: rule, beside: selecting)
        // Those of the namespace are loaded, and none of them uses the rule.
        if let clients, clients.places.isEmpty { continue }
        let isOnly = clients?.places.count == 1 && (namespace != other || others.count == 1)
        for kind in clients?.kinds ?? [.sidecar] {
          add(rule, kind, namespace, isLoaded: clients != nil, only: isOnly ? clients?.places.first : nil, to: &found)
        }
      }
    }
    return found
  }

  /// Whether a client with an Envoy is there, or may be: nobody of the namespace is loaded.
  private func mayHaveClients(_ namespace: ExactText) -> Bool {
    envoys.isEmpty || envoys[namespace] != nil || !namespaces.contains(namespace)
  }

  /// The loaded clients of a namespace that use a rule, when `selecting` are those that choose their clients; nil where nobody is loaded.
  private func clients(in namespace: ExactText, of rule: MergedRule?, beside selecting: [MergedRule?]) -> Envoys? {
    guard let all = envoys[namespace], !selecting.isEmpty else { return envoys[namespace] }
    var found = Envoys()
    for place in all.places {
      let labels = analysis.policies.workloads[place].labels
      let chosen = selecting.first { $0?.rule.workloadSelector?.selects(labels) ?? false } ?? nil
      guard chosen?.objects.map(\.key) == (rule?.rule.workloadSelector == nil ? nil : rule?.objects.map(\.key)) else { continue }
      found.add(place, analysis.proxies[place].kind)
    }
    return found
  }

  private func add(
    _ rule: MergedRule?, _ kind: ProxyKind, _ namespace: ExactText, isLoaded: Bool, only: Int?, to found: inout [ClientClass]
  ) {
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
