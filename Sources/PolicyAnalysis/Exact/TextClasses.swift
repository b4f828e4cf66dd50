// The texts of one dimension, cut into the classes that no rule tells apart.
// Enters: the languages that rules of either side name, and the dimension's universe. Leaves: classes, each with a shortest text that lies in
// it, and for each language the classes that make it up.
// Never here: a class without a text, a text of the universe in no class, or a text in two.
//
// A language of one text is a class of its own and never enters the automaton: a hundred thousand principals cost a table. All others are
// walked together with the universe; two texts are in one class when the same languages hold both.

/// A limit was reached: the answer would not be complete.
struct LimitReached: Error {
  /// What there is too much of.
  let what: String
}

/// The classes of one dimension of texts.
struct TextClasses {
  /// One class.
  struct Atom {
    /// A shortest text in it.
    var witness: [UInt8]
    /// The languages that hold its texts, ascending; of single texts those of more than one text.
    var languages: [Int32]
    /// Whether the class is the witness alone.
    var isSingle: Bool
  }

  let universe: Universe
  let languages: [Language]
  private(set) var atoms: [Atom] = []
  /// For each language its classes, ascending.
  private(set) var extents: [[Int32]]
  private var automaton: TextAutomaton
  private var singles: [[UInt8]: Int32] = [:]
  private var classes: [[Int32]: Int32] = [:]

  /// More states than this are not walked.
  static let stateLimit = 400_000

  init(_ languages: [Language], in universe: Universe) throws {
    self.universe = universe
    self.languages = languages
    var literals: [[UInt8]: [Int32]] = [:]
    var wide: [(number: Int32, language: Language)] = []
    for (number, language) in languages.enumerated() {
      if let text = language.literal {
        if universe.contains(text) { literals[text, default: []].append(Int32(number)) }
      } else {
        wide.append((Int32(number), language))
      }
    }
    automaton = TextAutomaton(wide)
    extents = Array(repeating: [], count: languages.count)
    let found = try Self.walk(&automaton, wide, universe, avoiding: Set(literals.keys))
    for (signature, witness) in found { add(Atom(witness: witness, languages: signature, isSingle: false)) }
    for text in literals.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      add(Atom(witness: text, languages: automaton.accepted(text), isSingle: true), also: literals[text] ?? [])
    }
  }

  private mutating func add(_ atom: Atom, also own: [Int32] = []) {
    let number = Int32(atoms.count)
    if atom.isSingle { singles[atom.witness] = number } else { classes[atom.languages] = number }
    for language in atom.languages + own { extents[Int(language)].append(number) }
    atoms.append(atom)
  }

  /// The class of a text; nil for one outside the universe. O(length).
  mutating func atom(of text: [UInt8]) -> Int32? {
    guard universe.contains(text) else { return nil }
    return singles[text] ?? classes[automaton.accepted(text)]
  }

  // MARK: The walk

  /// A shortest text for every combination of languages that the universe holds beside the single texts.
  private static func walk(
    _ automaton: inout TextAutomaton, _ wide: [(number: Int32, language: Language)], _ universe: Universe, avoiding literals: Set<[UInt8]>
  ) throws -> [(signature: [Int32], witness: [UInt8])] {
    // Single texts take part only where they are in the way: few of them ever are.
    var blocked: [[UInt8]] = []
    for round in 0... {
      let mark = Int32.max
      let single = blocked.map { (number: mark, language: Language([LanguageMaker.steps($0)])) }
      var own = TextAutomaton(wide + single)
      let found = try walk(&own, universe, isBlocked: { $0.last == mark })
      let hit = found.map(\.witness).filter { literals.contains($0) }
      if hit.isEmpty { return found }
      // One at a time does not end soon where a class is finite; then all of them take part.
      blocked = round < 3 ? blocked + hit : Array(literals)
    }
    return []
  }

  private static func walk(
    _ automaton: inout TextAutomaton, _ universe: Universe, isBlocked: ([Int32]) -> Bool
  ) throws -> [(signature: [Int32], witness: [UInt8])] {
    struct Place: Hashable {
      var own: Int32
      var universe: Int32
    }
    let groups = Self.groups(automaton.sets.union(universe.sets))
    var order = [Place(own: automaton.start, universe: universe.start)]
    var before: [(from: Int32, byte: UInt8)] = [(-1, 0)]
    var seen: Set<Place> = [order[0]]
    var found: [(signature: [Int32], witness: [UInt8])] = []
    var signatures: Set<[Int32]> = []
    var at = 0
    while at < order.count {
      let place = order[at]
      if universe.accepts(place.universe) {
        let signature = automaton.accepted(place.own)
        if !isBlocked(signature), signatures.insert(signature).inserted {
          var text: [UInt8] = []
          var step = at
          while before[step].from >= 0 {
            text.append(before[step].byte)
            step = Int(before[step].from)
          }
          found.append((signature, text.reversed()))
        }
      }
      let explicit = automaton.explicit(place.own).union(universe.explicit(place.universe))
      let others = groups.compactMap { group in group.first { !explicit.contains($0) } }
      for byte in others + explicit.sorted() {
        let next = universe.step(place.universe, byte)
        guard next != Universe.dead else { continue }
        let target = Place(own: automaton.step(place.own, byte), universe: next)
        guard seen.insert(target).inserted else { continue }
        order.append(target)
        before.append((Int32(at), byte))
      }
      at += 1
      if order.count > stateLimit { throw LimitReached(what: "texts of one dimension that rules tell apart") }
    }
    return found
  }

  /// The bytes in groups that no set tells apart, those that people read first.
  private static func groups(_ sets: Set<ByteSet>) -> [[UInt8]] {
    let sets = Array(sets)
    var groups: [[Bool]: [UInt8]] = [:]
    let readable: [UInt8] = Array("xyzwabcdefghijklmnopqrstuv0123456789XYZABCDEFGHIJKLMNOPQRSTUVW-_~".utf8)
    let rest = (UInt8(0x21)...0x7e).filter { !readable.contains($0) } + [0x20] + (0x80...0xff) + (0...0x1f) + [0x7f]
    var order: [[Bool]] = []
    for byte in readable + rest {
      let key = sets.map { $0.contains(byte) }
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(byte)
    }
    return order.compactMap { groups[$0] }
  }
}
