// How the configuration of an Envoy is written: names of fields in two spellings, messages that say their type, enumerations as names or
// numbers. Enters: a tree. Leaves: values of it. Never here: what a value means for policies.

internal import PolicyModel

extension TextNode {
  /// The first entry of this name, as protobuf or as its JSON writes it.
  func field(_ name: String) -> (span: SourceSpan, value: TextNode)? {
    if let found = entry(ExactText(name)) { return found }
    let words = name.split(separator: "_")
    guard let first = words.first, words.count > 1 else { return nil }
    let camel = words.dropFirst().reduce(String(first)) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    return entry(ExactText(camel))
  }

  /// A field that holds a message; an empty one is one.
  func message(_ name: String) -> TextNode? {
    guard let value = field(name)?.value, case .mapping = value.content else { return nil }
    return value
  }

  /// The items of a field that is a list.
  func list(_ name: String) -> [TextNode] { field(name)?.value.items ?? [] }

  /// The lists of filters that a connection manager has for upgrades, which run in place of its own. Empty ones do not.
  var upgradeFilters: [TextNode] {
    guard typeName == EnvoyType.connectionManager else { return [] }
    return list("upgrade_configs").compactMap { $0.field("filters")?.value }.filter { !$0.items.isEmpty }
  }

  /// All fields of this name in the node and below it, in the order of the text.
  func deepFields(_ name: String) -> [(span: SourceSpan, value: TextNode)] {
    (field(name).map { [$0] } ?? []) + (items + entries.map(\.value)).flatMap { $0.deepFields(name) }
  }

  /// The message that `@type` names.
  var typeName: ExactText? {
    guard let text = self["@type"]?.text else { return nil }
    guard let slash = text.bytes.lastIndex(of: UInt8(ascii: "/")) else { return text }
    return ExactText(String(decoding: text.bytes[(slash + 1)...], as: UTF8.self))
  }

  /// Whether this is a value of an enumeration, by its name or its number.
  func isOne(of names: [String: Int]) -> Bool {
    guard let text else { return false }
    return names.contains { text == ExactText($0.key) || text == ExactText(String($0.value)) }
  }

  /// The tree with each `TypedStruct`, in which a control plane hides messages that it does not know, as the message that it stands for.
  /// O(values); the reader has bounded the depth.
  var withoutTypedStructs: TextNode {
    switch content {
    case .list(let items): return TextNode(.list(items.map(\.withoutTypedStructs)), span)
    case .mapping(let entries):
      let plain = TextNode(.mapping(entries.map { ($0.key, $0.value.withoutTypedStructs) }), span)
      guard plain.typeName == "xds.type.v3.TypedStruct" || plain.typeName == "udpa.type.v1.TypedStruct", let url = plain.field("type_url")
      else { return plain }
      let type = (key: Located<ExactText>("@type", url.span), value: url.value)
      return TextNode(.mapping([type] + (plain["value"]?.entries ?? [])), span)
    default: return self
    }
  }
}

extension SourceSpan {
  /// The first character: a whole filter would mark many lines.
  var start: SourceSpan { SourceSpan(line: line, column: column, endLine: line, endColumn: column + 1) }
}
