// Who an object is: group, version, kind, namespace, name, and the metadata that matters. A node enters; an identity leaves, as far as
// it can be read; what is uncertain (written twice, cut off) stays nil, because a wrong name would keep the wrong object alive.

internal import PolicyModel

/// The type and the name of an object as written.
struct ObjectHeader {
  var group: ExactText?
  var version: ExactText?
  var kind: ExactText?
  /// `default` when the metadata was read and has none; in a policy a misspelt field might be the namespace, so that it stays nil.
  var namespace: ExactText?
  var name: ExactText?
  /// Where the name, else the object, is written.
  var span: SourceSpan

  /// Reads what is certain.
  init(_ reader: NodeReader, _ node: NodeIndex) {
    let document = reader.document
    span = document[node].span
    if let version = Self.unique(reader, node, "apiVersion") {
      let text = ExactText(document.string(version.value)).bytes
      let slash = text.firstIndex(of: UInt8(ascii: "/"))
      group = slash.map { ExactText(String(decoding: text[..<$0], as: UTF8.self)) } ?? ""
      self.version = ExactText(String(decoding: text[(slash.map { $0 + 1 } ?? 0)...], as: UTF8.self))
    }
    if let kind = Self.unique(reader, node, "kind") { self.kind = ExactText(document.string(kind.value)) }
    guard let metadata = document.entry(node, "metadata"), document[metadata.value].kind == .mapping,
      Self.count(reader, node, "metadata") == 1
    else { return }
    if let name = Self.unique(reader, metadata.value, "name") {
      self.name = ExactText(document.string(name.value))
      span = document[name.value].span
    }
    if let namespace = Self.unique(reader, metadata.value, "namespace") {
      let text = ExactText(document.string(namespace.value))
      self.namespace = text.isEmpty ? "default" : text
    } else if document[metadata.value].isClosed, Self.isAbsent(reader, metadata.value, "namespace"),
      group != ObjectKind.securityGroup || reader.hasOnlyKnownMetadata(metadata.value)
    {
      namespace = "default"
    }
    if kind == "Namespace", group == "" { namespace = "" }
  }

  /// The kind as object keys have it. Istio and the Gateway API both have a `Gateway`, and two of one name are two objects.
  var keyKind: ExactText? {
    guard let kind, group == ObjectKind.gatewayGroup else { return kind }
    return ExactText("\(kind).\(ObjectKind.gatewayGroup)")
  }

  /// The entry of a text field that is written exactly once and is text.
  private static func unique(_ reader: NodeReader, _ mapping: NodeIndex, _ key: StaticString) -> Entry? {
    guard let entry = reader.entry(mapping, key), count(reader, mapping, key) == 1, reader.document.type(entry.value) == .string,
      !reader.document.bytes(entry.value).isEmpty
    else { return nil }
    return entry
  }

  private static func isAbsent(_ reader: NodeReader, _ mapping: NodeIndex, _ key: StaticString) -> Bool {
    guard let entry = reader.document.entry(mapping, key) else { return true }
    let isEmpty = reader.document.type(entry.value) == .string && reader.document.bytes(entry.value).isEmpty
    return count(reader, mapping, key) == 1 && (isEmpty || reader.isNull(entry.value))
  }

  private static func count(_ reader: NodeReader, _ mapping: NodeIndex, _ key: StaticString) -> Int {
    var number = 0
    var cursor = reader.document[mapping].firstChild
    while cursor.exists {
      if reader.document.isScalar(cursor, key) { number += 1 }
      let value = reader.document.next(cursor)
      cursor = value.exists ? reader.document.next(value) : .none
    }
    return number
  }
}

extension NodeReader {
  /// The selector of a policy whose other parts are broken; nil when it cannot be trusted. Reports nothing.
  func certainSelector(_ object: NodeIndex) -> LabelSelector? {
    guard document[object].isClosed, let spec = document.entry(object, "spec"), document[spec.value].kind == .mapping,
      entry(spec.value, "targetRef") == nil, entry(spec.value, "targetRefs") == nil
    else { return nil }
    let known: [StaticString] = ["selector", "mtls", "portLevelMtls", "action", "provider", "rules", "jwtRules"]
    guard let selector = entry(spec.value, "selector") else {
      // A misspelt field might be the selector.
      let isCertain = entries(spec.value).allSatisfy { entry in known.contains { document.isScalar(entry.key, $0) } }
      return isCertain ? LabelSelector() : nil
    }
    var quiet = NodeReader(document, file: file)
    guard let read = quiet.selector(selector, path: "spec.selector"), !quiet.hasErrors else { return nil }
    return read
  }
}
