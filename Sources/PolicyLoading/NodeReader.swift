// From nodes to Swift values, strictly. A node and the name of its field enter; a value leaves, or a problem at the exact place.
// All decoders read through this one door, so that a wrong type sounds the same everywhere. Recursion never happens here.

internal import PolicyModel

/// A key of a mapping and its value.
typealias Entry = (key: NodeIndex, value: NodeIndex)

/// Reads values of one object and collects what is wrong with them.
struct NodeReader {
  let document: Document
  let file: ExactText
  private var problems: BoundedProblems
  /// Whether what Istio lives with at run time is a warning.
  let isLenient: Bool
  /// Which object's fields are read, for what they mean at run time; nil while nothing may be guessed.
  var runTime: RunTimeContext?

  init(_ document: Document, file: ExactText, limit: Int = LoadingLimits().diagnostics, isLenient: Bool = false) {
    self.document = document
    self.file = file
    self.isLenient = isLenient
    problems = BoundedProblems(limit: limit)
  }

  var hasErrors: Bool { problems.hasErrors }
  /// Whether so much is wrong that looking for more is a waste: the object is broken, and nobody would be shown the rest. Who asks and
  /// hears yes stops.
  mutating func canStop() -> Bool {
    guard problems.isFull else { return false }
    problems.cut()
    return true
  }
  /// Whether the search for more problems was given up.
  var isCut: Bool { problems.isCut }
  /// How many problems, at least, nobody will be shown.
  var hidden: Int { problems.hidden }

  mutating func report(_ message: Message, at span: SourceSpan) {
    problems.add(Problem(message: isLenient ? message.tolerated(in: runTime) : message, span: span))
  }

  /// The problems so far; none are left.
  mutating func takeProblems() -> [Problem] { problems.take() }

  func isNull(_ node: NodeIndex) -> Bool { document.type(node) == .null }

  /// The value of `key`; nil when it is missing or null.
  func entry(_ mapping: NodeIndex?, _ key: StaticString) -> Entry? {
    guard let mapping, let entry = document.entry(mapping, key), !isNull(entry.value) else { return nil }
    return entry
  }

  /// Reports each field below `mapping` that is written and null: who writes `mtls:` or `from: null` means to say something, and "any"
  /// is rarely it. Entries of lists, labels and ports are their decoders' matter. `exempt` is a field of `mapping` itself. O(nodes).
  mutating func refuseNullFields(_ mapping: NodeIndex, exempt: StaticString = "") {
    var open = [mapping]
    while let node = open.popLast(), !canStop() {
      guard document[node].kind == .mapping else {
        if document[node].kind == .sequence { open += items(node) }
        continue
      }
      for entry in entries(node) {
        if isNull(entry.value) {
          if node == mapping, document.isScalar(entry.key, exempt) { continue }
          report(.fieldNull(document.string(entry.key)), at: document[entry.key].span)
        } else if document[entry.value].kind == .mapping,
          document.isScalar(entry.key, "matchLabels") || document.isScalar(entry.key, "portLevelMtls")
        {
          open += entries(entry.value).map(\.value)
        } else {
          open.append(entry.value)
        }
      }
    }
  }

  /// Where to point for a value: a scalar or flow collection itself, else the key that holds it.
  func span(_ entry: Entry) -> SourceSpan {
    let value = document[entry.value]
    switch value.kind {
    case .plain where value.count == 0: return document[entry.key].span
    case .plain, .quoted: return value.span
    case .sequence, .mapping: return value.isFlow ? value.span : document[entry.key].span
    }
  }

  /// The entries of a mapping in order.
  func entries(_ mapping: NodeIndex) -> [Entry] {
    var found: [Entry] = []
    var cursor = document[mapping].firstChild
    while cursor.exists {
      let value = document.next(cursor)
      guard value.exists else { break }
      found.append((cursor, value))
      cursor = document.next(value)
    }
    return found
  }

  /// The children of a sequence in order.
  func items(_ sequence: NodeIndex) -> [NodeIndex] {
    var found: [NodeIndex] = []
    var cursor = document[sequence].firstChild
    while cursor.exists {
      found.append(cursor)
      cursor = document.next(cursor)
    }
    return found
  }

  /// Reports each key of `mapping` that is not in `known`.
  mutating func refuseUnknownFields(_ mapping: NodeIndex, known: [StaticString], path: String) {
    for entry in entries(mapping) where !known.contains(where: { document.isScalar(entry.key, $0) }) {
      refuse(entry, known: known, path: path)
    }
  }

  /// Reports an unknown field.
  mutating func refuse(_ entry: Entry, known: [StaticString], path: String) {
    // Suggestions take time, and there may be as many unknown fields as bytes. Here they are warnings where they are tolerated.
    let isTolerated = isLenient && runTime != nil
    guard isTolerated ? problems.hasRoomForWarnings : !problems.isFull else { return problems.addHidden(1) }
    let name = document.string(entry.key)
    let words = known.map { "\($0)" }
    report(
      .fieldUnknown(
        name, in: path, suggestion: suggestion(for: name, among: words), known: words.map { "`\($0)`" }.joined(separator: ", ")),
      at: document[entry.key].span)
  }

  /// The value as a mapping, or a problem.
  mutating func mapping(_ entry: Entry, path: String) -> NodeIndex? {
    if document[entry.value].kind == .mapping { return entry.value }
    report(.wrongType(path, expected: "a mapping", found: name(of: entry.value), help: nil), at: span(entry))
    return nil
  }

  /// The value as a sequence, or a problem.
  mutating func sequence(_ entry: Entry, path: String) -> NodeIndex? {
    if document[entry.value].kind == .sequence { return entry.value }
    let kind = document[entry.value].kind
    let help = kind == .mapping ? "put a dash before the entry" : "write `[\(document.string(entry.value))]` for one entry"
    report(.wrongType(path, expected: "a list", found: name(of: entry.value), help: help), at: span(entry))
    return nil
  }

  /// The value as text, or a problem.
  mutating func string(_ entry: Entry, path: @autoclosure () -> String) -> Located<ExactText>? {
    string(entry.value, path: path(), span: span(entry))
  }

  /// The node as text, or a problem at `span`.
  mutating func string(_ node: NodeIndex, path: @autoclosure () -> String, span: SourceSpan) -> Located<ExactText>? {
    let type = document.type(node)
    if type == .string { return Located(ExactText(document.string(node)), span) }
    let isScalar = type != .mapping && type != .sequence && type != .null
    let help = isScalar ? "put the value in quotes: \"\(document.string(node))\"" : nil
    report(.wrongType(path(), expected: "a string", found: name(of: node), help: help), at: span)
    return nil
  }

  /// The value as a list of texts; problems for entries that are none.
  mutating func strings(_ entry: Entry, path: String) -> [Located<ExactText>] {
    guard let list = sequence(entry, path: path) else { return [] }
    var found: [Located<ExactText>] = []
    found.reserveCapacity(Int(document[list].count))
    var cursor = document[list].firstChild
    while cursor.exists {
      let span = document[cursor].span
      if canStop() { break }
      if isNull(cursor) {
        report(.entryNull(path), at: span)
      } else if let text = string(cursor, path: path, span: span) {
        found.append(text)
      }
      cursor = document.next(cursor)
    }
    return found
  }

  /// A mapping of text to text, such as labels; nil with a problem when it is none.
  mutating func texts(_ entry: Entry, path: String) -> [ExactText: Located<ExactText>]? {
    guard let mapping = mapping(entry, path: path) else { return nil }
    var found: [ExactText: Located<ExactText>] = [:]
    var isComplete = true
    for item in entries(mapping) {
      if canStop() { return nil }
      let key = ExactText(document.string(item.key))
      if let value = string(item.value, path: "\(path).\(key)", span: span(item)) {
        found[key] = value
      } else {
        isComplete = false
      }
    }
    return isComplete ? found : nil
  }

  /// What a node is, in words.
  func name(of node: NodeIndex) -> String {
    switch document.type(node) {
    case .null: "null"
    case .bool: "the boolean `\(document.string(node))`"
    case .int, .float: "the number `\(document.string(node))`"
    case .string: "text"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}
