// The spec of a DestinationRule: host, subsets, visibility, selector, and the TLS of its traffic policies. Nodes enter; the model leaves,
// or problems. Types and unknown fields are the schema's matter; which rule a client uses is not decided here.

internal import PolicyModel

extension NodeReader {
  /// Reads a DestinationRule; nil when it has an error.
  mutating func destinationRule(_ object: NodeIndex, header: ObjectHeader) -> DestinationRule? {
    runTime = .destinationRule
    refuseUnknownFields(object, known: ["apiVersion", "kind", "metadata", "spec", "status"], path: "DestinationRule")
    let decoded = metadata(object, header: header, isStrict: true)
    var rule = DestinationRule(metadata: decoded?.metadata ?? nowhere(header), host: Located("", header.span))
    let hostHelp = "name the service that the rule is for"
    if let specEntry = entry(object, "spec"), let spec = mapping(specEntry, path: "spec") {
      check(spec, .destinationRule, path: "spec")
      if let host = text(spec, "host") {
        rule.host = host
        if let why = hostRefusal(host.value, allowsWildcard: true) {
          report(.hostInvalid("host", host.value.string, why: why), at: host.span)
        }
      } else if entry(spec, "host") == nil {
        report(.fieldRequired("host", in: "spec", help: hostHelp), at: document[specEntry.key].span)
      }
      rule.trafficPolicy = trafficPolicy(spec, path: "trafficPolicy", namespace: header.namespace)
      rule.subsets = subsets(spec, namespace: header.namespace)
      let exports = textList(spec, "exportTo")
      rule.exportTo = exports.map(\.value)
      let selectorEntry = entry(spec, "workloadSelector")
      checkExports(exports, namespace: header.namespace, hasSelector: selectorEntry != nil)
      if let selectorEntry { rule.workloadSelector = selector(selectorEntry, path: "workloadSelector") }
    } else if entry(object, "spec") == nil {
      report(.fieldRequired("spec.host", in: "DestinationRule", help: hostHelp), at: kindSpan(object))
    }
    return hasErrors || decoded == nil ? nil : rule
  }

  private mutating func subsets(_ spec: NodeIndex, namespace: ExactText?) -> [DestinationRule.Subset] {
    var names = Set<ExactText>()
    return objects(spec, "subsets").map { node in
      let name = text(node, "name")
      if let name {
        if !isDNSLabel(name.value.bytes) { report(.nameInvalid("subsets.name", name.value.string), at: name.span) }
        if !names.insert(name.value).inserted { report(.nameDuplicate(name.value.string, path: "subsets"), at: name.span) }
      } else if entry(node, "name") == nil {
        report(.fieldRequired("name", in: "an entry of `subsets`", help: "give the subset a name, as routes use it"), at: start(node))
      }
      return DestinationRule.Subset(
        name: name?.value ?? "", labels: labels(node),
        trafficPolicy: trafficPolicy(node, path: "subsets.trafficPolicy", namespace: namespace),
        span: start(node))
    }
  }

  private mutating func labels(_ subset: NodeIndex) -> [ExactText: ExactText] {
    guard let labels = object(subset, "labels") else { return [:] }
    var found: [ExactText: ExactText] = [:]
    for item in entries(labels) {
      let key = ExactText(document.string(item.key))
      if !isLabelKey(key) { report(.labelInvalid(key.string, path: "subsets.labels"), at: document[item.key].span) }
      guard document.type(item.value) == .string else { continue }
      let value = ExactText(document.string(item.value))
      if !isLabelValue(value) { report(.labelInvalid(value.string, path: "subsets.labels"), at: span(item)) }
      found[key] = value
    }
    return found
  }

  /// What Istio demands of `exportTo`; what needs the rule's own namespace is left out while nobody knows that.
  private mutating func checkExports(_ exports: [Located<ExactText>], namespace: ExactText?, hasSelector: Bool) {
    var seen = Set<ExactText>()
    for export in exports {
      func refuse(_ why: String) { report(.exportTo(export.value.string, why: why), at: export.span) }
      let key = export.value == "." ? namespace ?? "." : export.value
      if seen.contains(key) {
        refuse(export.value == "." || key == namespace ? "stands twice; `.` is the own namespace" : "stands twice")
        continue
      }
      guard key == "*" || key == "." || isDNSLabel(key.bytes) else {
        refuse(key == "~" ? "is not for DestinationRules" : "is no namespace")
        continue
      }
      seen.insert(key)
      if export.value == "*", exports.count > 1 { refuse("takes in all other entries") }
      if hasSelector, let namespace, key != namespace {
        refuse("reaches beyond the own namespace, and a rule with `workloadSelector` does not")
      }
    }
  }

  // MARK: Traffic policy

  private mutating func trafficPolicy(_ holder: NodeIndex, path: String, namespace: ExactText?) -> DestinationRule.TrafficPolicy? {
    guard let entry = entry(holder, "trafficPolicy"), let policy = object(holder, "trafficPolicy") else { return nil }
    checkTrafficPolicy(policy, at: span(entry), path: path)
    checkSettings(policy, path: path)
    var found = DestinationRule.TrafficPolicy(span: document[entry.key].span)
    found.tls = tls(policy, path: path, namespace: namespace)
    found.portLevelSettings = objects(policy, "portLevelSettings").compactMap {
      portLevelSettings($0, path: "\(path).portLevelSettings", namespace: namespace)
    }
    let count = objects(policy, "portLevelSettings").count
    if count > 4096, let span = keySpan(policy, "portLevelSettings") {
      report(.tooManyEntries("\(path).portLevelSettings", count, limit: 4096), at: span)
    }
    return found
  }

  private mutating func portLevelSettings(
    _ node: NodeIndex, path: String, namespace: ExactText?
  ) -> DestinationRule.PortLevelSettings? {
    let settings: [StaticString] = ["loadBalancer", "connectionPool", "outlierDetection", "tls"]
    if !settings.contains(where: { entry(node, $0) != nil }) {
      report(.settingsEmpty(path, need: settings.map { "`\($0)`" }.joined(separator: ", ")), at: start(node))
    }
    checkSettings(node, path: path)
    let tls = tls(node, path: path, namespace: namespace)
    guard entry(node, "port") != nil else {
      report(
        .fieldRequired("port", in: "an entry of `\(path)`", help: "write `port: {number: …}` with the service's port"), at: start(node))
      return nil
    }
    let number = whole(object(node, "port"), "number")?.value ?? 0
    return DestinationRule.PortLevelSettings(port: UInt32(clamping: number), tls: tls, span: start(node))
  }

  // MARK: TLS

  private mutating func tls(_ policy: NodeIndex, path: String, namespace: ExactText?) -> DestinationRule.ClientTLS? {
    guard let entry = entry(policy, "tls"), let node = object(policy, "tls") else { return nil }
    var tls = DestinationRule.ClientTLS(span: document[entry.key].span)
    if let mode = text(node, "mode").flatMap({ DestinationRule.ClientTLS.Mode(rawValue: $0.value.string) }) { tls.mode = mode }
    tls.credentialName = filledText(node, "credentialName")?.value
    tls.clientCertificate = filledText(node, "clientCertificate")?.value
    tls.privateKey = filledText(node, "privateKey")?.value
    tls.caCertificates = filledText(node, "caCertificates")?.value
    tls.caCRL = filledText(node, "caCrl")?.value
    tls.sni = filledText(node, "sni")?.value
    tls.subjectAltNames = textList(node, "subjectAltNames").map(\.value)
    tls.skipsVerification = flag(node, "insecureSkipVerify")
    checkCredential(node, path: path, namespace: namespace)
    checkModes(tls, node, at: document[entry.key].span)
    return tls
  }

  private mutating func checkCredential(_ node: NodeIndex, path: String, namespace: ExactText?) {
    let scheme = Array("configmap://".utf8)
    guard let credential = filledText(node, "credentialName"), credential.value.bytes.starts(with: scheme) else { return }
    let parts = credential.value.bytes.dropFirst(scheme.count).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    func refuse(_ why: String) { report(.credentialName(credential.value.string, why: why), at: credential.span) }
    if parts.count > 2 || parts.contains(where: \.isEmpty) { return refuse("names no ConfigMap") }
    if parts.count == 2, let namespace, !parts[0].elementsEqual(namespace.bytes) { return refuse("names another namespace") }
  }

  /// What each mode allows. `ISTIO_MUTUAL` and `DISABLE` ignore all other fields (Istio).
  private mutating func checkModes(_ tls: DestinationRule.ClientTLS, _ node: NodeIndex, at span: SourceSpan) {
    guard tls.mode == .simple || tls.mode == .mutual else { return }
    let mode = tls.mode.rawValue
    var refused: [(field: StaticString, why: String)] = []
    if tls.skipsVerification {
      refused.append(("caCertificates", " and `insecureSkipVerify`"))
      if tls.mode == .simple { refused.append(("credentialName", " and `insecureSkipVerify`")) }
      if keySpan(node, "subjectAltNames") != nil { refused.append(("subjectAltNames", " and `insecureSkipVerify`")) }
    }
    if tls.credentialName != nil {
      for field in ["clientCertificate", "privateKey", "caCertificates", "caCrl"] as [StaticString] {
        refused.append((field, " and `credentialName`"))
      }
    } else if tls.mode == .mutual {
      for (field, value) in [("clientCertificate", tls.clientCertificate), ("privateKey", tls.privateKey)] where value == nil {
        report(
          .fieldRequired(field, in: "`tls` with mode MUTUAL", help: "name the file, or write `credentialName`, or use mode ISTIO_MUTUAL"),
          at: span)
      }
    }
    var reported: [SourceSpan] = []
    for (field, why) in refused {
      guard let entry = entry(node, field), document[entry.value].kind == .sequence || filledText(node, field) != nil else { continue }
      let place = document[entry.key].span
      if !reported.contains(place) { report(.fieldNotForMode("\(field)", mode: mode, why: why), at: place) }
      reported.append(place)
    }
  }
}
