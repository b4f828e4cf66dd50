// What an object is attached to: nothing, something that nobody enforces, or a waypoint that does not look at selectors.
// Enters: the loaded mesh. Leaves: findings at the object's name. Never here: what its rules say.

internal import PolicyEngine
internal import PolicyModel

let checkSelection: LintCheck = { world, report in
  for policy in world.policies {
    let object = policy.policy.metadata
    switch policy.policy.attachment {
    case .selector(let selector):
      checkSelector(selector, object, isMatched: !policy.isStandIn, world, &report)
      checkWaypoints(selector, object, world, &report)
      let outside = policy.workloads.filter { $0.proxy == .outside }
      if !outside.isEmpty, outside.count == policy.workloads.count || !selector.isEmpty {
        report.add(
          .policyWithoutProxy, at: object.location,
          "\(object.key.description) selects \(LintWorld.list(outside)), which has no proxy that would enforce it")
      }
    case .targets(let targets): checkTargets(targets, object, world, &report)
    }
  }
  for object in world.set.peerAuthentications where object.metadata.key.namespace != world.mesh.rootNamespace {
    checkSelector(object.selector, object.metadata, isMatched: nil, world, &report)
  }
  for object in world.set.requestAuthentications {
    switch object.attachment {
    case .selector(let selector):
      checkSelector(selector, object.metadata, isMatched: nil, world, &report)
      checkWaypoints(selector, object.metadata, world, &report)
    case .targets(let targets): checkTargets(targets, object.metadata, world, &report)
    }
  }
  for rule in world.set.destinationRules {
    if let selector = rule.workloadSelector { checkSelector(selector, rule.metadata, isMatched: nil, world, &report) }
  }
}

private func checkSelector(
  _ selector: LabelSelector, _ object: ObjectMetadata, isMatched: Bool?, _ world: LintWorld, _ report: inout LintReport
) {
  guard !world.workloads.isEmpty else { return }
  if selector.isEmpty { return checkNamespace(object, world, &report) }
  let isRoot = object.key.namespace == world.mesh.rootNamespace
  let candidates = isRoot ? world.workloads : world.workloads.filter { $0.namespace == object.key.namespace }
  // A waypoint that it selects is told below.
  if isMatched == true || candidates.contains(where: { selector.selects($0.labels) }) { return }
  let wanted = selector.matchLabels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
  report.add(
    .selectorMatchesNothing, at: object.location,
    "\(object.key.description) selects \(Message.quoted(wanted)), which no loaded workload\(isRoot ? "" : " of namespace `\(object.key.namespace)`") has",
    help: selectorHelp(selector, candidates, world))
}

/// An object for all workloads of a namespace of which nothing is loaded.
private func checkNamespace(_ object: ObjectMetadata, _ world: LintWorld, _ report: inout LintReport) {
  let namespace = object.key.namespace
  if namespace == world.mesh.rootNamespace || world.namespaces.contains(namespace) { return }
  report.add(
    .selectorMatchesNothing, at: object.location,
    "\(object.key.description) is for all workloads of namespace `\(namespace)`, and nothing that is loaded is in it",
    help: nearName(namespace, among: world.namespaces).map { "did you mean `\($0)`?" } ?? "correct the namespace, or add its manifests")
}

/// What was probably meant: the same labels elsewhere, or a label that is nearly the same.
private func selectorHelp(_ selector: LabelSelector, _ candidates: [LintWorkload], _ world: LintWorld) -> String? {
  for pair in selector.matchLabels {
    if candidates.contains(where: { $0.labels[pair.key] == pair.value }) { continue }
    if let near = nearName(pair.value, among: candidates.compactMap { $0.labels[pair.key] }) {
      return "did you mean `\(pair.key): \(near)`?"
    }
    if let near = nearName(pair.key, among: candidates.filter { $0.labels.values.contains(pair.value) }.flatMap(\.labels.keys)) {
      return "did you mean `\(near): \(pair.value)`?"
    }
  }
  let elsewhere = world.workloads.filter { selector.selects($0.labels) }.map(\.namespace).min()
  return elsewhere.map { "workloads of namespace `\($0)` have these labels; a policy selects only in its own namespace" }
}

private func checkWaypoints(_ selector: LabelSelector, _ object: ObjectMetadata, _ world: LintWorld, _ report: inout LintReport) {
  guard !selector.isEmpty else { return }
  let isRoot = object.key.namespace == world.mesh.rootNamespace
  let selected = world.workloads.filter {
    $0.proxy == .waypoint && (isRoot || $0.namespace == object.key.namespace) && selector.selects($0.labels)
  }
  guard let first = selected.first, let gateway = first.labels[gatewayNameLabel] else { return }
  report.add(
    .selectorIgnoredByWaypoint, at: object.location,
    "\(object.key.description) selects the waypoint \(LintWorld.list(selected)), which ignores selectors",
    help: "write `targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: \(gateway)}]`")
}

private func checkTargets(
  _ targets: [AuthorizationPolicy.TargetReference], _ object: ObjectMetadata, _ world: LintWorld, _ report: inout LintReport
) {
  for target in targets {
    let kind: ExactText
    switch (target.group, target.kind) {
    case ("gateway.networking.k8s.io", "Gateway"): kind = "Gateway.gateway.networking.k8s.io"
    case ("", "Service"), ("core", "Service"): kind = "Service"
    case ("networking.istio.io", "ServiceEntry"): kind = "ServiceEntry"
    default: continue
    }
    let known = world.set.inventory.filter { $0.metadata.key.kind == kind }
    let own = known.first { $0.metadata.key.namespace == object.key.namespace && $0.metadata.key.name == target.name }
    if let own {
      if kind != "Gateway.gateway.networking.k8s.io" { checkWaypoint(of: own, object, world, &report) }
      continue
    }
    let isPod =
      kind == "Gateway.gateway.networking.k8s.io"
      && world.workloads.contains { $0.namespace == object.key.namespace && $0.labels[gatewayNameLabel] == target.name }
    if isPod || world.workloads.isEmpty && known.isEmpty { continue }
    let names = known.filter { $0.metadata.key.namespace == object.key.namespace }.map(\.metadata.key.name)
    let elsewhere = known.first { $0.metadata.key.name == target.name }?.metadata.key.namespace
    report.add(
      .targetUnknown, at: object.location,
      "\(object.key.description) is attached to \(target.kind) `\(target.name)`, which is not loaded in namespace `\(object.key.namespace)`",
      help: nearName(target.name, among: names).map { "did you mean `\($0)`?" }
        ?? elsewhere.map { "there is one in namespace `\($0)`; a policy must be in the namespace of its target" })
  }
}

/// A Service's policies are its waypoint's. Only where the loaded objects tell which services have one.
private func checkWaypoint(of service: InventoryObject, _ object: ObjectMetadata, _ world: LintWorld, _ report: inout LintReport) {
  let label: ExactText = "istio.io/use-waypoint"
  let namespace = world.set.inventory.first {
    $0.metadata.key.kind == "Namespace" && $0.metadata.key.name == service.metadata.key.namespace
  }
  guard let namespace else { return }
  let named = service.metadata.labels[label] ?? namespace.metadata.labels[label]
  if let named, named != "none" { return }
  report.add(
    .targetWithoutWaypoint, at: object.location,
    "\(object.key.description) is attached to \(service.metadata.key.description), which has no waypoint to enforce it")
}
