// A byte trie with compressed paths: one walk over a text finds every stored prefix (or, read from the end, every stored suffix).
//
//   nodes:  [root][children of root, sorted by first byte][children of …]      labels: one array of bytes
//   node:   label stretch | children stretch | postings stretch (empty: no text ends here)
//
// Enters: texts with postings, once. Leaves: postings, by a walk that costs the length of the text and never the number of texts.
// Never here: recursion, on paths that a stranger chooses or on policies that a user writes.

struct Trie: Sendable {
  private struct Node: Sendable {
    var label: Stretch
    var children: Stretch
    var postings: Stretch
  }

  private var nodes: [Node] = []
  private var labels: [UInt8] = []
  private let isReversed: Bool

  /// Whether nothing is stored.
  var isEmpty: Bool { nodes.isEmpty }

  /// Stores texts, each once, sorted by bytes. With `isReversed`, texts are given reversed and walked from the end. O(total length).
  init(sorted entries: [(text: [UInt8], postings: Stretch)], isReversed: Bool) {
    self.isReversed = isReversed
    guard !entries.isEmpty else { return }
    nodes.append(Node(label: Stretch(), children: Stretch(), postings: Stretch()))
    // Work: a node, its entries, and how many bytes of theirs the path to the node has used.
    var work: [(node: Int, entries: Range<Int>, depth: Int)] = [(0, 0..<entries.count, 0)]
    while let (node, range, depth) = work.popLast() {
      var start = range.lowerBound
      if entries[start].text.count == depth {
        nodes[node].postings = entries[start].postings
        start += 1
      }
      let firstChild = nodes.count
      var children: [(entries: Range<Int>, depth: Int)] = []
      while start < range.upperBound {
        let first = entries[start].text
        var end = start + 1
        while end < range.upperBound, entries[end].text[depth] == first[depth] { end += 1 }
        // Sorted: what the first and the last share, all between share.
        let last = entries[end - 1].text
        var shared = depth + 1
        while shared < first.count, shared < last.count, first[shared] == last[shared] { shared += 1 }
        let label = Stretch(start: UInt32(truncatingIfNeeded: labels.count), count: UInt32(truncatingIfNeeded: shared - depth))
        labels.append(contentsOf: first[depth..<shared])
        nodes.append(Node(label: label, children: Stretch(), postings: Stretch()))
        children.append((start..<end, shared))
        start = end
      }
      nodes[node].children = Stretch(start: UInt32(truncatingIfNeeded: firstChild), count: UInt32(truncatingIfNeeded: children.count))
      for (offset, child) in children.enumerated() { work.append((firstChild + offset, child.entries, child.depth)) }
    }
  }

  /// Calls `visit` for every stored text that starts (or, reversed, ends) `text`, shortest first; stops when it returns false.
  @inline(__always)
  func forEachMatch(in text: Span<UInt8>, _ visit: (Stretch) -> Bool) -> Bool {
    guard !nodes.isEmpty else { return true }
    let count = text.count
    var index = 0
    var depth = 0
    while true {
      let node = nodes[index]
      if !node.postings.isEmpty, !visit(node.postings) { return false }
      guard depth < count, let child = child(of: node, startingWith: text[isReversed ? count - 1 - depth : depth]) else { return true }
      let label = nodes[child].label
      let length = Int(label.count)
      guard depth + length <= count else { return true }
      var offset = 1
      while offset < length {
        let at = depth + offset
        guard labels[Int(label.start) + offset] == text[isReversed ? count - 1 - at : at] else { return true }
        offset += 1
      }
      depth += length
      index = child
    }
  }

  @inline(__always)
  private func child(of node: Node, startingWith byte: UInt8) -> Int? {
    var low = Int(node.children.start)
    var high = low + Int(node.children.count)
    while low < high {
      let middle = (low + high) / 2
      let first = labels[Int(nodes[middle].label.start)]
      if first == byte { return middle }
      if first < byte { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
