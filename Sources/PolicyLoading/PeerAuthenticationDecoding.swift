// The spec of a PeerAuthentication: selector, mode, modes of ports. Nodes enter; the model leaves, or problems.
// Which of several objects wins is not decided here.

internal import PolicyModel

extension NodeReader {
  private static let modes: [(StaticString, PeerAuthentication.Mode?)] = [
    ("UNSET", nil), ("DISABLE", .disable), ("PERMISSIVE", .permissive), ("STRICT", .strict),
  ]

  /// Reads a PeerAuthentication; nil when it has an error.
  mutating func peerAuthentication(_ object: NodeIndex, header: ObjectHeader) -> PeerAuthentication? {
    runTime = .peerAuthentication
    refuseUnknownFields(object, known: ["apiVersion", "kind", "metadata", "spec", "status"], path: "PeerAuthentication")
    let decoded = metadata(object, header: header, isStrict: true)
    var policy = PeerAuthentication(metadata: decoded?.metadata ?? nowhere(header))
    if let specEntry = document.entry(object, "spec"), isNull(specEntry.value) {
      report(.fieldNull("spec"), at: document[specEntry.key].span)
    } else if let specEntry = entry(object, "spec"), let spec = mapping(specEntry, path: "spec") {
      refuseNullFields(spec)
      refuseUnknownFields(spec, known: ["selector", "mtls", "portLevelMtls"], path: "spec")
      var selector: LabelSelector?
      if let entry = entry(spec, "selector") { selector = self.selector(entry, path: "spec.selector") }
      policy.selector = selector ?? LabelSelector()
      if let entry = entry(spec, "mtls") { policy.mode = mode(entry.value, at: span(entry), path: "mtls") }
      if let entry = entry(spec, "portLevelMtls"), let ports = mapping(entry, path: "portLevelMtls") {
        if document[ports].count == 0 {
          report(.portLevelEmpty(), at: span(entry))
        } else if policy.selector.isEmpty {
          report(.portLevelWithoutSelector(), at: document[entry.key].span)
        }
        portModes(ports, into: &policy)
      }
    }
    return hasErrors || decoded == nil ? nil : policy
  }

  private mutating func portModes(_ ports: NodeIndex, into policy: inout PeerAuthentication) {
    for entry in entries(ports) where !canStop() {
      let text = ExactText(document.string(entry.key))
      let mode: PeerAuthentication.Mode?
      if isNull(entry.value) {
        report(.entryNull("portLevelMtls", atRunTime: "at run time the port has the mode of the workload"), at: span(entry))
        mode = nil
      } else {
        mode = self.mode(entry.value, at: span(entry), path: "portLevelMtls.\(text)")
      }
      guard let port = portNumber(text), port > 0 else {
        report(.portKeyInvalid(text.string), at: document[entry.key].span)
        continue
      }
      policy.portModes[port] = .some(mode)
    }
  }

  private mutating func mode(_ node: NodeIndex, at span: SourceSpan, path: String) -> PeerAuthentication.Mode? {
    guard document[node].kind == .mapping else {
      report(.wrongType(path, expected: "a mapping", found: name(of: node), help: "write `\(path): {mode: STRICT}`"), at: span)
      return nil
    }
    refuseUnknownFields(node, known: ["mode"], path: path)
    guard let entry = entry(node, "mode"), let text = string(entry, path: "\(path).mode") else { return nil }
    for (word, mode) in Self.modes where document.isScalar(entry.value, word) { return mode }
    let words = Self.modes.map { "\($0.0)" }
    report(
      .valueUnknown(
        "\(path).mode", text.value.string, allowed: words.joined(separator: ", "),
        suggestion: suggestion(for: text.value.string, among: words)),
      at: text.span)
    return nil
  }
}
