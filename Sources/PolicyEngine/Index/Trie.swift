// Byte tries with compressed paths: one walk over a text finds every stored prefix (or, read from the end, every stored suffix).
//
//   nodes:  [root][children of root, sorted by first byte][children of …]
//   node:   label (a stretch of a stored text) | children stretch | postings stretch (empty: no text ends here)
//
// Enters: texts with postings, once. Leaves: postings, by a walk that costs the length of the text and never the number of texts.
// Never here: recursion, on paths that a stranger chooses or on policies that a user writes.

/// Where one trie stands among the nodes.
struct Trie: Sendable, BitwiseCopyable {
  /// The root, or `.max` when nothing is stored.
  fileprivate var root: UInt32 = .max
}

/// The nodes of all tries, while they are collected.
struct TrieNodes: Sendable {
  fileprivate struct Node: Sendable, BitwiseCopyable {
    /// In the literals. Of a reversed trie, where the byte stands that is read first; the others stand in front of it.
    var label = Literal()
    var children = Stretch()
    var postings = Stretch()
  }

  /// A text to be stored: its bytes in the order in which they are read, and as a literal, forwards.
  struct Text {
    var bytes: [UInt8]
    var literal: Literal
    var postings: Stretch
  }

  private var nodes: [Node] = []
  /// The first byte of each node's label, side by side, so that a search among children touches few cache lines.
  private var firstBytes: [UInt8] = []

  /// Stores texts, each once, sorted by bytes. O(total length).
  mutating func add(_ texts: [Text], isReversed: Bool) -> Trie {
    guard !texts.isEmpty else { return Trie() }
    let root = nodes.count
    append(Node(), first: 0)
    // Work: a node, its texts, and how many bytes of theirs the path to the node has used.
    var work: [(node: Int, texts: Range<Int>, depth: Int)] = [(root, 0..<texts.count, 0)]
    while let (node, range, depth) = work.popLast() {
      var start = range.lowerBound
      if texts[start].bytes.count == depth {
        nodes[node].postings = texts[start].postings
        start += 1
      }
      let firstChild = nodes.count
      var children: [(texts: Range<Int>, depth: Int)] = []
      while start < range.upperBound {
        let first = texts[start]
        var end = start + 1
        while end < range.upperBound, texts[end].bytes[depth] == first.bytes[depth] { end += 1 }
        // Sorted: what the first and the last share, all between share.
        let last = texts[end - 1].bytes
        var shared = depth + 1
        while shared < first.bytes.count, shared < last.count, first.bytes[shared] == last[shared] { shared += 1 }
        let offset = UInt32(truncatingIfNeeded: isReversed ? first.bytes.count - 1 - depth : depth)
        let label = Literal(start: first.literal.start + offset, count: UInt32(truncatingIfNeeded: shared - depth))
        append(Node(label: label), first: first.bytes[depth])
        children.append((start..<end, shared))
        start = end
      }
      nodes[node].children = Stretch(start: UInt32(truncatingIfNeeded: firstChild), count: UInt32(truncatingIfNeeded: children.count))
      for (offset, child) in children.enumerated() { work.append((firstChild + offset, child.texts, child.depth)) }
    }
    return Trie(root: UInt32(truncatingIfNeeded: root))
  }

  private mutating func append(_ node: Node, first: UInt8) {
    nodes.append(node)
    firstBytes.append(first)
  }

  /// The finished nodes.
  func sealed(in storage: FlatStorage) -> Tries { Tries(nodes: storage.store(nodes), firstBytes: storage.store(firstBytes)) }
}

/// The nodes of all tries, finished.
struct Tries: Sendable, BitwiseCopyable {
  fileprivate let nodes: FlatArray<TrieNodes.Node>
  fileprivate let firstBytes: FlatArray<UInt8>

  /// Goes on to the next stored text that starts (or, reversed, ends) `text`, shortest first; `nil` when there is none any more.
  @inline(__always)
  func next(_ walk: inout TrieWalk, of trie: Trie, in text: Span<UInt8>, _ literals: Span<UInt8>, isReversed: Bool) -> Stretch? {
    let count = text.count
    while true {
      if walk.node == .max {
        guard trie.root != .max else { return nil }
        walk.node = trie.root
      } else {
        let depth = Int(walk.depth)
        guard depth < count, let child = child(of: Int(walk.node), startingWith: text[isReversed ? count - 1 - depth : depth]) else {
          return nil
        }
        let label = nodes[child].label
        let length = Int(label.count)
        guard depth + length <= count else { return nil }
        if isReversed {
          let (at, from) = (count - depth - length, Int(label.start) + 1 - length)
          guard equal(text.extracting(at..<at + length), literals.extracting(from..<from + length)) else { return nil }
        } else {
          let from = Int(label.start)
          guard equal(text.extracting(depth..<depth + length), literals.extracting(from..<from + length)) else { return nil }
        }
        walk.depth += label.count
        walk.node = UInt32(truncatingIfNeeded: child)
      }
      let postings = nodes[Int(walk.node)].postings
      if !postings.isEmpty { return postings }
    }
  }

  @inline(__always)
  private func child(of node: Int, startingWith byte: UInt8) -> Int? {
    let children = nodes[node].children
    var low = Int(children.start)
    var high = low + Int(children.count)
    while low < high {
      let middle = (low + high) / 2
      let first = firstBytes[middle]
      if first == byte { return middle }
      if first < byte { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}

/// How far a walk through a trie has come.
struct TrieWalk: BitwiseCopyable {
  fileprivate var node: UInt32 = .max
  fileprivate var depth: UInt32 = 0
}
