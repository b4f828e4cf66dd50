// One document as a tree, laid out flat. Nodes and scalar bytes stand in two arrays that are reused from document to document:
//
//   nodes:  [ mapping | key | value | key | sequence | item | item ]   in the order of the text
//              first -> key -> (next) value -> (next) key -> ...        a mapping's children alternate key and value
//   text:   [ bytes of all scalars, one after the other ]
//
// An alias is a shallow copy of its node: it shares the children. Depth and total size with all aliases followed are bounded by the
// reader, so that every walk ends. Nothing here knows about policies.

internal import PolicyModel

/// The position of a node in its document.
struct NodeIndex: Equatable {
  let raw: UInt32
  static let none = NodeIndex(raw: .max)
  var exists: Bool { raw != .max }
}

/// What the text says a node is, before plain scalars are resolved to types.
enum NodeKind: UInt8 {
  case plain
  case quoted
  case sequence
  case mapping
}

/// A tag that the text writes out.
enum NodeTag: UInt8 {
  case none, string, null, bool, int, float, collection
}

/// A scalar or a collection and where it stands.
struct Node {
  var kind: NodeKind
  var tag: NodeTag = .none
  /// False for a collection that was still open when reading stopped.
  var isClosed = true
  /// Written with brackets or braces.
  var isFlow = false
  /// Scalars: where their bytes are. Collections: the number of children.
  var textStart: UInt32 = 0
  var count: UInt32 = 0
  var firstChild = NodeIndex.none
  var next = NodeIndex.none
  var span: SourceSpan
}

/// One document of a file.
struct Document {
  var nodes: [Node] = []
  var text: [UInt8] = []
  /// `none` for an empty document, or when reading stopped before the first node.
  var root = NodeIndex.none
  /// Reading stopped inside this document; the tree ends there.
  var isTruncated = false
  /// Where the document begins: its first node, or its marker.
  var start = SourceSpan(line: 1, column: 1, endLine: 1, endColumn: 1)
  /// The last line that belongs to the document.
  var endLine: UInt32 = 1

  mutating func removeAll() {
    nodes.removeAll(keepingCapacity: true)
    text.removeAll(keepingCapacity: true)
    root = .none
    isTruncated = false
  }

  subscript(_ index: NodeIndex) -> Node {
    get { nodes[Int(index.raw)] }
    _modify { yield &nodes[Int(index.raw)] }
  }

  func next(_ index: NodeIndex) -> NodeIndex { nodes[Int(index.raw)].next }

  /// The bytes of a scalar; empty for a collection.
  func bytes(_ index: NodeIndex) -> ArraySlice<UInt8> {
    let node = self[index]
    guard node.kind == .plain || node.kind == .quoted else { return [] }
    return text[Int(node.textStart)..<(Int(node.textStart) + Int(node.count))]
  }

  /// The bytes of a scalar as text, for messages.
  func string(_ index: NodeIndex) -> String { String(decoding: bytes(index), as: UTF8.self) }

  /// Whether the scalar consists of exactly these bytes.
  func isScalar(_ index: NodeIndex, _ expected: StaticString) -> Bool {
    let node = self[index]
    guard node.kind == .plain || node.kind == .quoted, Int(node.count) == expected.utf8CodeUnitCount else { return false }
    return unsafe text.withUnsafeBufferPointer { buffer in
      let start = Int(node.textStart)
      for offset in 0..<expected.utf8CodeUnitCount where unsafe buffer[start + offset] != expected.utf8Start[offset] { return false }
      return true
    }
  }

  /// The type of a node's value.
  func type(_ index: NodeIndex) -> ValueType {
    let node = self[index]
    switch node.kind {
    case .mapping: return .mapping
    case .sequence: return .sequence
    case .quoted: return node.tag == .none || node.tag == .string ? .string : ValueType(plain: bytes(index), tag: node.tag)
    case .plain: return ValueType(plain: bytes(index), tag: node.tag)
    }
  }

  /// The value of the first entry of a mapping whose key is `key`, and the key's node. O(entries).
  func entry(_ mapping: NodeIndex, _ key: StaticString) -> (key: NodeIndex, value: NodeIndex)? {
    guard mapping.exists, self[mapping].kind == .mapping else { return nil }
    var cursor = self[mapping].firstChild
    while cursor.exists {
      let value = next(cursor)
      guard value.exists else { return nil }
      if isScalar(cursor, key) { return (cursor, value) }
      cursor = next(value)
    }
    return nil
  }
}
