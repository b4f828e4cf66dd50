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
    var byByte: [UInt8: Int32] = [:]
    var bySet: [(set: ByteSet, node: Int32)] = []
    var byRun: [(set: ByteSet, node: Int32)] = []
    var accepts: [Int32] = []
  }

  private var nodes = [Node()]
  private var states: [[Int32]] = []
  private var numbers: [[Int32]: Int32] = [:]
  private var memo: [UInt64: Int32] = [:]
  private var accepted: [[Int32]?] = []
  /// All sets that steps mention.
  private(set) var sets: Set<ByteSet> = []

  init(_ languages: [(number: Int32, language: Language)]) {
    for (number, language) in languages {
      for sequence in language.sequences { add(sequence, number) }
    }
    _ = state(closure([0]))
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
      if let known = nodes[Int(at)].byByte[byte] { return known }
      nodes[Int(at)].byByte[byte] = next
      nodes.append(Node())
    case .one(let set):
      if let known = nodes[Int(at)].bySet.first(where: { $0.set == set }) { return known.node }
      nodes[Int(at)].bySet.append((set, next))
      sets.insert(set)
      nodes.append(Node())
    case .run(let set):
      if let known = nodes[Int(at)].byRun.first(where: { $0.set == set }) { return known.node }
      nodes[Int(at)].byRun.append((set, next))
      sets.insert(set)
      nodes.append(Node(loop: set))
    }
    return next
  }

  /// The nodes, and those that are reached by runs of no bytes; ascending.
  private func closure(_ start: Set<Int32>) -> [Int32] {
    var found = start
    var left = Array(start)
    while let node = left.popLast() {
      for run in nodes[Int(node)].byRun where found.insert(run.node).inserted { left.append(run.node) }
    }
    return found.sorted()
  }

  private mutating func state(_ set: [Int32]) -> Int32 {
    if let known = numbers[set] { return known }
    let number = Int32(truncatingIfNeeded: states.count)
    states.append(set)
    accepted.append(nil)
    numbers[set] = number
    return number
  }

  /// Where every text begins.
  var start: Int32 { 0 }

  /// The state after one more byte.
  mutating func step(_ at: Int32, _ byte: UInt8) -> Int32 {
    let key = UInt64(UInt32(bitPattern: at)) << 8 | UInt64(byte)
    if let known = memo[key] { return known }
    var next: Set<Int32> = []
    for number in states[Int(at)] {
      let node = nodes[Int(number)]
      if let loop = node.loop, loop.contains(byte) { next.insert(number) }
      if let child = node.byByte[byte] { next.insert(child) }
      for edge in node.bySet where edge.set.contains(byte) { next.insert(edge.node) }
    }
    let found = state(closure(next))
    memo[key] = found
    return found
  }

  /// Bytes that single steps of the state ask for.
  func explicit(_ at: Int32) -> Set<UInt8> {
    var bytes: Set<UInt8> = []
    for number in states[Int(at)] { bytes.formUnion(nodes[Int(number)].byByte.keys) }
    return bytes
  }

  /// The languages that hold the text that ends here, ascending.
  mutating func accepted(_ at: Int32) -> [Int32] {
    if let known = accepted[Int(at)] { return known }
    let found = Set(states[Int(at)].flatMap { nodes[Int($0)].accepts }).sorted()
    accepted[Int(at)] = found
    return found
  }

  /// The languages that hold a text, ascending. O(length × live nodes).
  mutating func accepted(_ text: [UInt8]) -> [Int32] {
    var at = start
    for byte in text { at = step(at, byte) }
    return accepted(at)
  }
}
