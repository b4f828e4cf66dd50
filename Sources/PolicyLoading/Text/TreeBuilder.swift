// Events of one document become its tree. Limits are enforced as each event arrives: nesting, number of nodes, and how much the
// aliases would expand to. What is wrong but readable (duplicate keys, foreign tags, merge keys) is noted and reading goes on.

internal import PolicyModel

/// Builds the tree of one document at a time; its storage is reused.
struct TreeBuilder {
  private(set) var document = Document()
  private(set) var problems: [Problem] = []
  /// The document has more problems than are kept. It must end here: what is not noted could belong to any object behind.
  private(set) var isFull = false

  private struct Frame {
    let node: NodeIndex
    let isMapping: Bool
    var lastChild = NodeIndex.none
    let anchor: ExactText?
    /// `total` when the collection began.
    let startTotal: Int
    /// The levels of collections inside.
    var height = 0
  }
  private struct Anchor {
    let node: NodeIndex
    let size: Int
    let height: Int
  }

  private let limits: LoadingLimits
  private var frames: [Frame] = []
  private var anchors: [ExactText: Anchor] = [:]
  /// Nodes so far, with aliases followed, and long texts counted more than once.
  private var total = 0
  private var aliased = 0

  init(limits: LoadingLimits) { self.limits = limits }

  /// Forgets the previous document and begins another.
  mutating func begin(at span: SourceSpan) {
    document.removeAll()
    document.start = span
    document.endLine = span.line
    problems.removeAll()
    isFull = false
    frames.removeAll(keepingCapacity: true)
    anchors.removeAll()
    total = 0
    aliased = 0
  }

  /// The document ended properly.
  mutating func end(line: UInt32) {
    document.endLine = max(line, document.endLine)
  }

  /// The document cannot be read further.
  mutating func fail(_ message: Message, at span: SourceSpan? = nil) {
    document.isTruncated = true
    // Said once; the next document begins anew.
    isFull = false
    document.endLine = max(document.endLine, span?.line ?? 0)
    problems.append(Problem(message: message, span: span ?? document.start))
  }

  /// Appends a scalar; a message when the document must end here.
  mutating func scalar(
    _ bytes: UnsafeBufferPointer<UInt8>, kind: NodeKind, tag: ExactText?, anchor: ExactText?, span: SourceSpan
  ) -> Message? {
    var node = Node(kind: kind, span: span)
    node.tag = coreTag(tag, isCollection: false, span: span)
    node.textStart = UInt32(clamping: document.text.count)
    node.count = UInt32(clamping: bytes.count)
    unsafe document.text.append(contentsOf: bytes)
    let index: NodeIndex
    switch append(node) {
    case .success(let appended): index = appended
    case .failure(let failure): return failure.message
    }
    if let anchor { anchors[anchor] = Anchor(node: index, size: Self.weight(of: node), height: 0) }
    if isKey { normalizeKey(index) }
    return nil
  }

  /// Appends a collection and descends into it; a message when the document must end here.
  mutating func open(_ kind: NodeKind, isFlow: Bool, tag: ExactText?, anchor: ExactText?, span: SourceSpan) -> Message? {
    guard frames.count < limits.nesting else { return .nestingLimit(limits.nesting) }
    var node = Node(kind: kind, isClosed: false, isFlow: isFlow, span: span)
    node.tag = coreTag(tag, isCollection: true, span: span)
    let startTotal = total
    let index: NodeIndex
    switch append(node) {
    case .success(let appended): index = appended
    case .failure(let failure): return failure.message
    }
    if isKey { note(.keyNotScalar(), at: span) }
    if let anchor { anchors[anchor] = nil }
    frames.append(Frame(node: index, isMapping: kind == .mapping, anchor: anchor, startTotal: startTotal))
    return nil
  }

  /// Leaves the innermost collection.
  mutating func close(_ span: SourceSpan) {
    guard let frame = frames.popLast() else { return }
    document[frame.node].isClosed = true
    if document[frame.node].isFlow {
      document[frame.node].span.endLine = span.endLine
      document[frame.node].span.endColumn = span.endColumn
    } else if frame.lastChild.exists {
      // The end event of a block collection stands at the next token; its text ends with its last child.
      let last = document[frame.lastChild].span
      document[frame.node].span.endLine = last.endLine
      document[frame.node].span.endColumn = last.endColumn
    }
    document.endLine = max(document.endLine, document[frame.node].span.endLine)
    if let anchor = frame.anchor {
      anchors[anchor] = Anchor(node: frame.node, size: total - frame.startTotal, height: frame.height + 1)
    }
    raiseHeight(frame.height + 1)
    if frame.isMapping { reportDuplicateKeys(of: frame.node) }
    // The event that closed it is the one at which reading stops.
    if isFull { document[frame.node].isClosed = false }
  }

  /// Appends what the alias stands for; a message when the document must end here.
  mutating func alias(_ name: ExactText, span: SourceSpan) -> Message? {
    guard let anchor = anchors[name] else {
      return frames.contains { $0.anchor == name } ? .aliasInsideItself(name.string) : .aliasUnknown(name.string)
    }
    guard frames.count + anchor.height <= limits.nesting else { return .nestingLimit(limits.nesting) }
    aliased += anchor.size
    guard aliased <= limits.aliasedNodes else { return .aliasBudget(name.string, limits.aliasedNodes) }
    var node = document[anchor.node]
    node.span = span
    node.next = .none
    let index: NodeIndex
    switch append(node) {
    case .success(let appended): index = appended
    case .failure(let failure): return failure.message
    }
    total += anchor.size - Self.weight(of: node)
    raiseHeight(anchor.height)
    guard isKey else { return nil }
    if node.kind == .plain || node.kind == .quoted {
      normalizeKey(index)
    } else {
      note(.keyNotScalar(), at: span)
    }
    return nil
  }

  private mutating func note(_ message: Message, at span: SourceSpan) {
    guard problems.count < limits.diagnostics else {
      isFull = true
      return
    }
    problems.append(Problem(message: message, span: span))
  }

  /// Whether the node just appended is a mapping's key.
  private var isKey: Bool {
    guard let frame = frames.last, frame.isMapping else { return false }
    return document[frame.node].count % 2 == 1
  }

  private struct Failure: Error { let message: Message }

  private mutating func append(_ node: Node) -> Result<NodeIndex, Failure> {
    guard document.nodes.count < limits.nodes else { return .failure(Failure(message: .nodeLimit(limits.nodes))) }
    let index = NodeIndex(raw: UInt32(clamping: document.nodes.count))
    document.nodes.append(node)
    total += Self.weight(of: node)
    document.endLine = max(document.endLine, node.span.endLine)
    guard let top = frames.indices.last else {
      document.root = index
      return .success(index)
    }
    let parent = frames[top].node
    if frames[top].lastChild.exists {
      document[frames[top].lastChild].next = index
    } else {
      document[parent].firstChild = index
    }
    document[parent].count += 1
    frames[top].lastChild = index
    return .success(index)
  }

  /// What a node counts in `total`: a long text that many aliases stand for costs as much as many values.
  private static func weight(of node: Node) -> Int {
    node.kind == .plain || node.kind == .quoted ? 1 + Int(node.count) / 64 : 1
  }

  private mutating func raiseHeight(_ height: Int) {
    guard let top = frames.indices.last else { return }
    frames[top].height = max(frames[top].height, height)
  }

  private mutating func coreTag(_ tag: ExactText?, isCollection: Bool, span: SourceSpan) -> NodeTag {
    guard let tag else { return .none }
    switch (isCollection, tag) {
    case (false, "!"), (false, "tag:yaml.org,2002:str"): return .string
    case (true, "!"), (true, "tag:yaml.org,2002:map"), (true, "tag:yaml.org,2002:seq"): return .collection
    case (false, "tag:yaml.org,2002:null"): return .null
    case (false, "tag:yaml.org,2002:bool"): return .bool
    case (false, "tag:yaml.org,2002:int"): return .int
    case (false, "tag:yaml.org,2002:float"): return .float
    default:
      note(.tagUnsupported(tag.string), at: span)
      return .none
    }
  }

  /// Brings a key to the string that kubectl would make of it: `yes` is `true`, `0x10` is `16`.
  private mutating func normalizeKey(_ index: NodeIndex) {
    guard document[index].kind == .plain else { return }
    let text: String
    switch document.type(index) {
    case .string:
      if document.isScalar(index, "<<") { note(.mergeKey(), at: document[index].span) }
      return
    case .bool(let value): text = value ? "true" : "false"
    case .int(.some(let value)): text = String(value)
    case .int(.none): return
    case .null, .float, .sequence, .mapping:
      note(.keyNotString(document.string(index)), at: document[index].span)
      return
    }
    document[index].textStart = UInt32(clamping: document.text.count)
    document[index].count = UInt32(clamping: text.utf8.count)
    document.text.append(contentsOf: text.utf8)
  }

  /// Notes each key that its mapping already has. O(n²) for few keys, else O(n log n); nothing depends on a hash that input could defeat.
  private mutating func reportDuplicateKeys(of mapping: NodeIndex) {
    let count = Int(document[mapping].count) / 2
    guard count > 1 else { return }
    var keys: [NodeIndex] = []
    keys.reserveCapacity(count)
    var cursor = document[mapping].firstChild
    while cursor.exists {
      keys.append(cursor)
      let value = document.next(cursor)
      cursor = value.exists ? document.next(value) : .none
    }
    // Equal keys become neighbours, in the order of the text.
    let order: (NodeIndex, NodeIndex) -> Bool = { [document] left, right in
      let (first, second) = (document[left], document[right])
      if first.count != second.count { return first.count < second.count }
      let (one, two) = (document.bytes(left), document.bytes(right))
      if one.elementsEqual(two) { return left.raw < right.raw }
      return one.lexicographicallyPrecedes(two)
    }
    if count <= 12, !hasEqualPair(keys) { return }
    keys.sort(by: order)
    for (earlier, later) in zip(keys, keys.dropFirst()) where areEqualKeys(earlier, later) {
      if isFull { return }
      let line = document[earlier].span.line
      note(.duplicateKey(document.string(later), firstLine: line), at: document[later].span)
    }
  }

  private func hasEqualPair(_ keys: [NodeIndex]) -> Bool {
    for (position, key) in keys.enumerated() {
      for other in keys[..<position] where areEqualKeys(other, key) { return true }
    }
    return false
  }

  private func areEqualKeys(_ one: NodeIndex, _ two: NodeIndex) -> Bool {
    let (first, second) = (document[one], document[two])
    guard first.count == second.count, first.kind.rawValue <= NodeKind.quoted.rawValue, second.kind.rawValue <= NodeKind.quoted.rawValue
    else { return false }
    return document.bytes(one).elementsEqual(document.bytes(two))
  }
}
