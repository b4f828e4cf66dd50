// Text of any shape as a tree: what lint reads of files that are no policies, such as Services and the configuration of an Envoy.
// Enters: what a reader found in YAML or JSON. Leaves: values by name, each with its place. Never here: what a field means.

/// A value of a YAML or JSON document.
package struct TextNode: Sendable {
  /// What the value is.
  package enum Content: Sendable {
    case null
    case bool(Bool)
    /// A text or a number, as written.
    case scalar(ExactText)
    case list([TextNode])
    /// In the order of the text.
    case mapping([(key: Located<ExactText>, value: TextNode)])
  }

  /// What the value is.
  package let content: Content
  /// Where it is written.
  package let span: SourceSpan

  /// Makes a node.
  package init(_ content: Content, _ span: SourceSpan) {
    self.content = content
    self.span = span
  }

  /// The value of the first entry with this key; nil where there is none, or the node is no mapping. O(entries).
  package subscript(_ key: ExactText) -> TextNode? { entry(key)?.value }

  /// The first entry with this key: where the key is written, and the value.
  package func entry(_ key: ExactText) -> (span: SourceSpan, value: TextNode)? {
    guard case .mapping(let entries) = content else { return nil }
    return entries.first { $0.key.value == key }.map { ($0.key.span, $0.value) }
  }

  /// The entries of a mapping; none for anything else.
  package var entries: [(key: Located<ExactText>, value: TextNode)] {
    if case .mapping(let entries) = content { entries } else { [] }
  }

  /// The items of a list; none for anything else.
  package var items: [TextNode] {
    if case .list(let items) = content { items } else { [] }
  }

  /// The text of a scalar, numbers as written; nil for anything else.
  package var text: ExactText? {
    if case .scalar(let text) = content { text } else { nil }
  }

  /// The truth value, also one that is written as text; nil for anything else.
  package var bool: Bool? {
    switch content {
    case .bool(let value): value
    case .scalar("true"): true
    case .scalar("false"): false
    default: nil
    }
  }

  /// The number of a scalar, if it is a whole one.
  package var number: Int? { text.flatMap { Int($0.string) } }
}
