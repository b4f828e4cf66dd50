// Many languages as one automaton, made deterministic only where somebody walks.
// Enters: sequences of steps with the number of the language that each belongs to. Leaves: states, steps, and which languages a state accepts.
// Never here: the texts of a dimension (`TextClasses.swift`) or a language that is approximated.
//
// Sequences share their beginnings in a tree, so a thousand prefixes or a thousand suffixes are one tree, and a state is a small set of its
// nodes. A run is a node that loops.

/// The automaton of a list of languages.
struct TextAutomaton {
  private struct Node {
    var loop: ByteSet?
    var byByte: [(byte: UInt8, node: Int32)] = []
    var bySet: [(set: ByteSet, node: Int32)] = []
    var byRun: [(set: ByteSet, node: Int32)] = []
    var accepts: [Int32] = []
  }

  /// One deterministic state.
  private struct State {
    var nodes: [Int32]
    /// Bytes that single steps ask for, ascending.
    var explicit: [UInt8]
    /// Number of the languages that hold the text that ends here.
    var signature: Int32
    /// Where explicit bytes lead, and by group all others; -1 where nobody went yet.
    var next: [Int32]
    var nextOfGroup: [Int32]
  }

  private struct Edge: Hashable {
    var from: Int32
    var byte: UInt8
  }

  private var nodes = [Node()]
  private var children: [Edge: Int32] = [:]
  private var states: [State] = []
  private var numbers: [[Int32]: Int32] = [:]
  private var marks: [Int32] = []
  private var mark: Int32 = 0
  private var signatureNumbers: [[Int32]: Int32] = [:]
  /// The combinations of languages that states accept, each ascending.
  private(set) var signatures: [[Int32]] = []
  /// Bytes that no set tells apart, those that people read first.
  let groups: [[UInt8]]
  private var groupOf = [Int](repeating: 0, count: 256)

  /// - Parameter others: sets of bytes that are told apart elsewhere.
  init(_ languages: [(number: Int32, language: Language)], others: [ByteSet]) {
    var sets = Set(others)
    for (_, language) in languages {
      for case .one(let set) in language.sequences.joined() { sets.insert(set) }
      for case .run(let set) in language.sequences.joined() { sets.insert(set) }
    }
    groups = Self.groups(sets)
    for (number, group) in groups.enumerated() {
      for byte in group { groupOf[Int(byte)] = number }
    }
    for (number, language) in languages {
      for sequence in language.sequences { add(sequence, number) }
    }
    marks = Array(repeating: 0, count: nodes.count)
    _ = state(closed([0]))
  }

  private mutating func add(_ sequence: [Step], _ number: Int32) {
    var at: Int32 = 0
    for step in sequence { at = child(at, step) }
    if !nodes[Int(at)].accepts.contains(number) { nodes[Int(at)].accepts.append(number) }
  }

  private mutating func child(_ at: Int32, _ step: Step) -> Int32 {
    let next = Int32(truncatingIfNeeded: nodes.count)
    switch step {
    case .byte(let byte):
      if let known = children[Edge(from: at, byte: byte)] { return known }
      children[Edge(from: at, byte: byte)] = next
      nodes[Int(at)].byByte.append((byte, next))
      nodes.append(Node())
    case .one(let set):
      if let known = nodes[Int(at)].bySet.first(where: { $0.set == set }) { return known.node }
      nodes[Int(at)].bySet.append((set, next))
      nodes.append(Node())
    case .run(let set):
      if let known = nodes[Int(at)].byRun.first(where: { $0.set == set }) { return known.node }
      nodes[Int(at)].byRun.append((set, next))
      nodes.append(Node(loop: set))
    }
    return next
  }

  /// The nodes, and those that are reached by runs of no bytes; ascending, each once.
  private mutating func closed(_ start: [Int32]) -> [Int32] {
    mark += 1
    var found: [Int32] = []
    for node in start where marks[Int(node)] != mark {
      marks[Int(node)] = mark
      found.append(node)
    }
    var at = 0
    while at < found.count {
      for run in nodes[Int(found[at])].byRun where marks[Int(run.node)] != mark {
        marks[Int(run.node)] = mark
        found.append(run.node)
      }
      at += 1
    }
    return found.sorted()
  }

  private mutating func state(_ set: [Int32]) -> Int32 {
    if let known = numbers[set] { return known }
    let number = Int32(truncatingIfNeeded: states.count)
    numbers[set] = number
    var explicit: [UInt8] = []
    var accepts: [Int32] = []
    for node in set {
      for edge in nodes[Int(node)].byByte { explicit.append(edge.byte) }
      accepts += nodes[Int(node)].accepts
    }
    explicit = Self.distinct(explicit)
    accepts = Self.distinct(accepts)
    let signature = signatureNumbers[accepts] ?? Int32(truncatingIfNeeded: signatures.count)
    if Int(signature) == signatures.count {
      signatureNumbers[accepts] = signature
      signatures.append(accepts)
    }
    states.append(
      State(
        nodes: set, explicit: explicit, signature: signature, next: Array(repeating: -1, count: explicit.count),
        nextOfGroup: Array(repeating: -1, count: groups.count)))
    return number
  }

  private static func distinct<Value: Comparable>(_ values: [Value]) -> [Value] {
    if values.count < 2 { return values }
    var result: [Value] = []
    for value in values.sorted() where result.last != value { result.append(value) }
    return result
  }

  /// Where every text begins.
  var start: Int32 { 0 }

  /// The state after one more byte.
  mutating func step(_ at: Int32, _ byte: UInt8) -> Int32 {
    let place = states[Int(at)].explicit.firstIndex(of: byte)
    let known = place.map { states[Int(at)].next[$0] } ?? states[Int(at)].nextOfGroup[groupOf[Int(byte)]]
    if known >= 0 { return known }
    var next: [Int32] = []
    for number in states[Int(at)].nodes {
      let node = nodes[Int(number)]
      if let loop = node.loop, loop.contains(byte) { next.append(number) }
      if place != nil { for edge in node.byByte where edge.byte == byte { next.append(edge.node) } }
      for edge in node.bySet where edge.set.contains(byte) { next.append(edge.node) }
    }
    let found = state(closed(next))
    if let place { states[Int(at)].next[place] = found } else { states[Int(at)].nextOfGroup[groupOf[Int(byte)]] = found }
    return found
  }

  /// Bytes that single steps of the state ask for, ascending.
  func explicit(_ at: Int32) -> [UInt8] { states[Int(at)].explicit }

  /// Number of the combination of languages that hold the text that ends here.
  func signature(_ at: Int32) -> Int32 { states[Int(at)].signature }

  /// The languages that hold a text, ascending. O(length × live nodes).
  mutating func accepted(_ text: [UInt8]) -> [Int32] {
    var at = start
    for byte in text { at = step(at, byte) }
    return signatures[Int(signature(at))]
  }

  /// The bytes in groups that no set tells apart, those that people read first.
  private static func groups(_ sets: Set<ByteSet>) -> [[UInt8]] {
    let sets = Array(sets)
    var groups: [[Bool]: [UInt8]] = [:]
    let readable: [UInt8] = Array("xyzwabcdefghijklmnopqrstuv0123456789XYZABCDEFGHIJKLMNOPQRSTUVW-_~".utf8)
    let rest = (UInt8(0x21)...0x7e).filter { !readable.contains($0) } + [0x20] + Array(0x80...0xff) + Array(0...0x1f) + [0x7f]
    var order: [[Bool]] = []
    for byte in readable + rest {
      let key = sets.map { $0.contains(byte) }
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(byte)
    }
    return order.compactMap { groups[$0] }
  }
}
