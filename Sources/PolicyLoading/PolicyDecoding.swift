// The spec of an AuthorizationPolicy: attachment, action, provider, rules. Nodes enter; the model's normal form leaves, or problems.
// Every rule of Istio's webhook that needs the written shape (null, empty, unknown) is checked here; the others are PolicyModel's.

internal import PolicyModel

extension NodeReader {
  private static let objectFields: [StaticString] = ["apiVersion", "kind", "metadata", "spec", "status"]
  private static let policyFields: [StaticString] = ["selector", "targetRef", "targetRefs", "action", "provider", "rules"]
  private static let actions: [(StaticString, AuthorizationPolicy.Action)] = [
    ("ALLOW", .allow), ("DENY", .deny), ("AUDIT", .audit), ("CUSTOM", .custom),
  ]

  /// Reads an AuthorizationPolicy; nil when it has an error.
  mutating func authorizationPolicy(_ object: NodeIndex, header: ObjectHeader) -> AuthorizationPolicy? {
    runTime = .authorizationPolicy(writtenAction(object))
    refuseUnknownFields(object, known: Self.objectFields, path: "AuthorizationPolicy")
    let decoded = metadata(object, header: header, isStrict: true)
    var policy = AuthorizationPolicy(metadata: decoded?.metadata ?? nowhere(header))
    var actionSpan = kindSpan(object)
    var providerSpan: SourceSpan?
    if let specEntry = entry(object, "spec"), let spec = mapping(specEntry, path: "spec") {
      // Without rules an ALLOW policy matches nothing; the actions for which that would be too little demand rules below.
      refuseNullFields(spec, exempt: "rules")
      refuseUnknownFields(spec, known: Self.policyFields, path: "spec")
      if let attachment = attachment(spec, namespace: header.namespace) { policy.attachment = attachment }
      if let entry = entry(spec, "action") {
        actionSpan = span(entry)
        if let action = action(entry) { policy.action = action }
      }
      if let entry = entry(spec, "provider") {
        providerSpan = document[entry.key].span
        policy.provider = provider(entry)
      }
      if let entry = entry(spec, "rules") { policy.rules = rules(entry) }
    }
    if let dryRun = decoded?.dryRun, let value = goBoolean(dryRun.value) {
      policy.isDryRun = value
      if policy.action == .audit || policy.action == .custom {
        let meaning = policy.action == .audit ? "at run time nothing changes by it" : "at run time what the rules match is denied"
        report(
          .dryRunRefused("action \(policy.action.rawValue)", atRunTime: value ? meaning : "at run time it means nothing"), at: dryRun.span)
      }
    }
    for (message, span) in policy.refusals(actionSpan: actionSpan, providerSpan: providerSpan) { report(message, at: span) }
    return hasErrors || decoded == nil ? nil : policy
  }

  /// The action that the object names, for messages about what stands before it; `ALLOW` when it names none.
  private func writtenAction(_ object: NodeIndex) -> AuthorizationPolicy.Action {
    guard let spec = entry(object, "spec"), let entry = entry(spec.value, "action") else { return .allow }
    return Self.actions.first { document.isScalar(entry.value, $0.0) }?.1 ?? .allow
  }

  /// Metadata for a policy that will not be delivered, so that the rest of it can still be checked.
  func nowhere(_ header: ObjectHeader) -> ObjectMetadata {
    ObjectMetadata(
      key: ObjectKey(kind: header.kind ?? "", namespace: header.namespace ?? "", name: header.name ?? ""),
      location: SourceLocation(file: file, span: header.span))
  }

  private mutating func action(_ entry: Entry) -> AuthorizationPolicy.Action? {
    guard let text = string(entry, path: "action") else { return nil }
    for (word, action) in Self.actions where document.isScalar(entry.value, word) { return action }
    let words = Self.actions.map { "\($0.0)" }
    report(
      .valueUnknown(
        "action", text.value.string, allowed: words.joined(separator: ", "), suggestion: suggestion(for: text.value.string, among: words)),
      at: text.span)
    return nil
  }

  private mutating func provider(_ entry: Entry) -> ExactText? {
    guard let provider = mapping(entry, path: "provider") else { return nil }
    refuseUnknownFields(provider, known: ["name"], path: "provider")
    return self.entry(provider, "name").flatMap { string($0, path: "provider.name")?.value }
  }

  // MARK: Attachment

  /// Reads `selector`, `targetRef` and `targetRefs` of a policy; nil when they say nothing certain.
  mutating func attachment(_ spec: NodeIndex, namespace: ExactText?) -> AuthorizationPolicy.Attachment? {
    let selectorEntry = entry(spec, "selector")
    let single = entry(spec, "targetRef")
    var several = entry(spec, "targetRefs")
    let written: [(String, Entry?)] = [("selector", selectorEntry), ("targetRef", single), ("targetRefs", several)]
    let present = written.compactMap { name, entry in entry.map { (name, $0) } }
    if let first = present.first, present.count > 1 {
      for (name, entry) in present.dropFirst() { report(.attachmentConflict(first.0, name), at: document[entry.key].span) }
    }
    if let list = several, document[list.value].kind == .sequence, document[list.value].count == 0 { several = nil }
    var targets: [AuthorizationPolicy.TargetReference] = []
    // Istio looks at the old field only without the new one.
    if let single, several == nil || !isLenient {
      target(single.value, at: span(single), path: "targetRef", own: namespace).map { targets.append($0) }
    }
    if let several, let list = sequence(several, path: "targetRefs") {
      let count = Int(document[list].count)
      if count > 16 { report(.tooManyEntries("targetRefs", count, limit: 16), at: document[several.key].span) }
      for item in items(list) where !canStop() {
        target(item, at: document[item].span, path: "targetRefs", own: namespace).map { targets.append($0) }
      }
    }
    let selector = selectorEntry.flatMap { self.selector($0, path: "spec.selector") }
    if single != nil || several != nil { return .targets(targets) }
    return .selector(selector ?? LabelSelector())
  }

  private mutating func target(
    _ node: NodeIndex, at span: SourceSpan, path: String, own: ExactText?
  ) -> AuthorizationPolicy.TargetReference? {
    guard document[node].kind == .mapping else {
      report(isNull(node) ? .entryNull(path) : .wrongType(path, expected: "a mapping", found: name(of: node), help: nil), at: span)
      return nil
    }
    refuseUnknownFields(node, known: ["group", "kind", "name", "namespace"], path: path)
    let group = entry(node, "group").flatMap { string($0, path: "\(path).group") }
    let kind = entry(node, "kind").flatMap { string($0, path: "\(path).kind") }
    let name = entry(node, "name").flatMap { string($0, path: "\(path).name") }
    let namespace = entry(node, "namespace").flatMap { string($0, path: "\(path).namespace") }
    let isElsewhere = namespace.map { !$0.value.isEmpty && $0.value != own } ?? false
    if let namespace, !namespace.value.isEmpty {
      report(
        .target(
          "a target in another namespace cannot be named", help: "remove `namespace` and put the policy where its target is",
          atRunTime: "at run time a gateway of another namespace is not found, and for all else the namespace is not looked at"),
        at: namespace.span)
    }
    let start = document[node].isFlow ? span : document[document[node].firstChild.exists ? document[node].firstChild : node].span
    guard let name, !name.value.isEmpty else {
      if name == nil, document.entry(node, "name") != nil { return nil }
      report(.target("`\(path)` has no `name`", help: "name the object that the policy is for"), at: name?.span ?? start)
      return nil
    }
    if name.value.string.utf8.count > 253 {
      report(.target("the target's name has more than 253 characters", help: "no object can have this name"), at: name.span)
    }
    let pair = [group?.value ?? "", kind?.value ?? ""]
    let allowed: [[ExactText]] = [
      ["", "Service"], ["core", "Service"], ["networking.istio.io", "ServiceEntry"], ["gateway.networking.k8s.io", "Gateway"],
      ["gateway.networking.k8s.io", "GatewayClass"],
    ]
    guard allowed.contains(pair) else {
      let shown = pair[0].isEmpty ? "core" : pair[0].string
      report(
        .target(
          "a policy cannot be attached to `\(shown)/\(pair[1])`",
          help: "use Service, networking.istio.io ServiceEntry, gateway.networking.k8s.io Gateway or GatewayClass"),
        at: kind?.span ?? group?.span ?? start)
      return nil
    }
    if isElsewhere, pair[1] == "Gateway" { return nil }
    return AuthorizationPolicy.TargetReference(group: pair[0], kind: pair[1], name: name.value)
  }

  /// The labels that Istio's injector adds to pods (Istio, manifests/charts/istio-control/istio-discovery/files).
  private static let injectedLabels: [StaticString] = [
    "security.istio.io/tlsMode", "service.istio.io/canonical-name", "service.istio.io/canonical-revision",
  ]

  /// Reads a workload selector and checks it as Istio's webhook does; nil when it is no mapping.
  mutating func selector(_ selectorEntry: Entry, path: String) -> LabelSelector? {
    guard let mapping = mapping(selectorEntry, path: path) else { return nil }
    refuseUnknownFields(mapping, known: ["matchLabels"], path: path)
    guard let labelsEntry = entry(mapping, "matchLabels") else {
      if document.entry(mapping, "matchLabels") != nil { return LabelSelector(form: .empty) }
      report(.selectorEmpty(), at: span(selectorEntry))
      return LabelSelector(form: .empty)
    }
    let labelsPath = path + ".matchLabels"
    guard let labels = texts(labelsEntry, path: labelsPath) else { return nil }
    if labels.isEmpty { report(.selectorEmpty(), at: span(selectorEntry)) }
    let count = Int(document[labelsEntry.value].count) / 2
    if count > 4096 { report(.tooManyEntries(labelsPath, count, limit: 4096), at: document[labelsEntry.key].span) }
    for item in entries(labelsEntry.value) where !canStop() {
      let (key, value) = (document.string(item.key), document.string(item.value))
      if key.isEmpty { report(.labelKeyEmpty(labelsPath), at: document[item.key].span) }
      if key.utf8.contains(UInt8(ascii: "*")) { report(.labelStar(key), at: document[item.key].span) }
      if value.utf8.contains(UInt8(ascii: "*")) { report(.labelStar(value), at: span(item)) }
      if value.utf8.count > 63 { report(.labelValueLong(value), at: span(item)) }
      if Self.injectedLabels.contains(where: { document.isScalar(item.key, $0) }) {
        report(.selectorInjectedLabel(key), at: document[item.key].span)
      }
    }
    return LabelSelector(matchLabels: labels.mapValues(\.value), form: .labels)
  }
}
