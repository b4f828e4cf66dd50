// DestinationRules for hosts and subsets that are not there. Enters: the loaded mesh. Leaves: findings at the host or the subset.
// Never here: TLS; `TLS.swift` compares it.

internal import PolicyModel

let checkDestinations: LintCheck = { world, report in
  let services = world.services()
  var first: [HostKey: DestinationRule] = [:]
  var subsets: [HostKey: [ExactText: DestinationRule]] = [:]
  // Istio merges the oldest first.
  let rules = world.set.destinationRules.sorted {
    ($0.metadata.creationTime, $0.metadata.key.name) < ($1.metadata.creationTime, $1.metadata.key.name)
  }
  for rule in rules {
    let host = ServiceHost(rule, clusterDomain: world.clusterDomain)
    let place = SourceLocation(
      file: rule.metadata.location.file, span: rule.host.span.line == 0 ? rule.metadata.location.span : rule.host.span)
    let behind = services.filter { host.covers($0) }
    if behind.isEmpty { checkHost(host, services, at: place, world, &report) }
    checkExport(rule, world, &report)
    let key = HostKey(namespace: rule.metadata.key.namespace, host: host.full, selector: rule.workloadSelector)
    for subset in rule.subsets {
      checkSubset(subset, behind, rule, &report)
      guard let other = subsets[key, default: [:]].updateIfAbsent(subset.name, rule) else { continue }
      report.add(
        .destinationRuleDuplicate,
        at: SourceLocation(file: rule.metadata.location.file, span: subset.span.line == 0 ? place.span : subset.span),
        "subset `\(subset.name)` of \(rule.metadata.key.description) has no effect: \(other.metadata.key.description) has one of this name for the same host"
      )
    }
    guard rule.trafficPolicy != nil else { continue }
    guard let other = first[key] else {
      first[key] = rule
      continue
    }
    report.add(
      .destinationRuleDuplicate, at: place,
      "the traffic policy of \(rule.metadata.key.description) has no effect: \(other.metadata.key.description) sets one for the same host")
  }
}

extension Dictionary {
  /// The value that was there; if there was none, the new one is kept.
  fileprivate mutating func updateIfAbsent(_ key: Key, _ value: Value) -> Value? {
    if let old = self[key] { return old }
    self[key] = value
    return nil
  }
}

/// Namespaces that a rule is visible in, and that are not there.
private func checkExport(_ rule: DestinationRule, _ world: LintWorld, _ report: inout LintReport) {
  guard !world.workloads.isEmpty else { return }
  for namespace in rule.exportTo
  where namespace != "." && namespace != "*" && namespace != rule.metadata.key.namespace && !world.namespaces.contains(namespace) {
    report.add(
      .namespaceUnknown, at: rule.metadata.location,
      "\(rule.metadata.key.description) is exported to namespace \(Message.quoted(namespace.string)), and nothing that is loaded is in it",
      help: nearName(namespace, among: world.namespaces).map { "did you mean `\($0)`?" })
  }
}

private struct HostKey: Hashable {
  let namespace: ExactText
  let host: ExactText
  let selector: LabelSelector?
}

private func checkHost(
  _ host: ServiceHost, _ services: [LintService], at place: SourceLocation, _ world: LintWorld, _ report: inout LintReport
) {
  let bytes = host.full.bytes
  let dot = UInt8(ascii: ".")
  guard !services.isEmpty, bytes.first != UInt8(ascii: "*") else { return }
  let labels = bytes.split(separator: dot, omittingEmptySubsequences: false).map { ExactText(String(decoding: $0, as: UTF8.self)) }
  // `reviews.shop` and `reviews.shop.svc` look complete, and are taken as they are.
  let isShort = labels.count == 2 || (labels.count == 3 && labels[2] == "svc")
  if isShort, let meant = services.first(where: { $0.metadata.key.name == labels[0] && $0.metadata.key.namespace == labels[1] }) {
    return report.add(
      .destinationHostShort, at: place,
      "host \(Message.quoted(host.written.string)) matches no service: only a name without any dot is completed",
      help: "write `\(meant.host)`")
  }
  let suffix = Array(".svc.\(world.clusterDomain)".utf8)
  let isService = bytes.count > suffix.count && bytes.suffix(suffix.count).elementsEqual(suffix)
  guard isService, bytes.dropLast(suffix.count).count(where: { $0 == dot }) == 1 else { return }
  let names = services.filter { $0.metadata.key.namespace == labels[1] }.map(\.metadata.key.name)
  let near = nearName(labels[0], among: names).map { "did you mean `\($0)`?" }
  let elsewhere = services.filter { $0.metadata.key.name == labels[0] }.map(\.host).min().map { "did you mean `\($0)`?" }
  report.add(
    .destinationHostUnknown, at: place, "no loaded Service is \(Message.quoted(host.full.string))", help: near ?? elsewhere)
}

private func checkSubset(
  _ subset: DestinationRule.Subset, _ services: [LintService], _ rule: DestinationRule, _ report: inout LintReport
) {
  let place = SourceLocation(file: rule.metadata.location.file, span: subset.span.line == 0 ? rule.metadata.location.span : subset.span)
  guard !subset.labels.isEmpty else {
    return report.add(.subsetWithoutLabels, at: place, "subset `\(subset.name)` has no labels, so it is the whole service")
  }
  let workloads = services.flatMap(\.workloads)
  guard !workloads.isEmpty, !workloads.contains(where: { LabelSelector(matchLabels: subset.labels).selects($0.labels) }) else { return }
  let wanted = subset.labels.sorted { $0.key < $1.key }
  let near = wanted.lazy.compactMap { pair in
    nearName(pair.value, among: workloads.compactMap { $0.labels[pair.key] }).map { "did you mean `\(pair.key): \($0)`?" }
  }.first
  report.add(
    .subsetSelectsNothing, at: place,
    "subset `\(subset.name)` selects `\(wanted.map { "\($0.key)=\($0.value)" }.joined(separator: ","))`, which no workload of the service has",
    help: near)
}
