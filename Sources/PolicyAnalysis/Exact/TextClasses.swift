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

  init(_ languages: [Language], in universe: Universe, workLimit: WorkLimit = WorkLimit()) throws {
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
    automaton = TextAutomaton(wide, others: universe.sets)
    extents = Array(repeating: [], count: languages.count)
    let found = try Self.walk(&automaton, wide, universe, avoiding: Set(literals.keys), workLimit)
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

  private typealias Found = [(signature: [Int32], witness: [UInt8])]

  /// A shortest text for every combination of languages that the universe holds beside the single texts.
  private static func walk(
    _ automaton: inout TextAutomaton, _ wide: [(number: Int32, language: Language)], _ universe: Universe, avoiding literals: Set<[UInt8]>,
    _ workLimit: WorkLimit
  ) throws -> Found {
    var (found, hit) = try walk(&automaton, universe, avoiding: literals, workLimit)
    // Where only single texts were met, they take part themselves; first those that were met, then all of them.
    var blocked: Set<[UInt8]> = []
    var round = 0
    while !hit.isEmpty {
      blocked = round < 3 ? blocked.union(hit) : literals
      round += 1
      let single = blocked.map { (number: Int32.max, language: Language([LanguageMaker.steps($0)])) }
      var own = TextAutomaton(wide + single, others: universe.sets)
      (found, hit) = try walk(&own, universe, avoiding: literals, workLimit)
    }
    return found
  }

  /// The combinations that have a text beside the single ones, and single texts that alone were met in a combination. A combination with the
  /// mark `Int32.max` is that of a single text.
  private static func walk(
    _ automaton: inout TextAutomaton, _ universe: Universe, avoiding literals: Set<[UInt8]>, _ workLimit: WorkLimit
  ) throws -> (found: Found, hit: [[UInt8]]) {
    struct Place: Hashable {
      var own: Int32
      var universe: Int32
    }
    var order = [Place(own: automaton.start, universe: universe.start)]
    var before: [(from: Int32, byte: UInt8)] = [(-1, 0)]
    var seen: Set<Place> = [order[0]]
    /// By signature: a text that is no single one; or else a single one.
    var witnesses: [Int32: [UInt8]] = [:]
    var hits: [Int32: [UInt8]] = [:]
    var met: [Int32] = []
    func text(_ place: Int) -> [UInt8] {
      var text: [UInt8] = []
      var at = place
      while before[at].from >= 0 {
        text.append(before[at].byte)
        at = Int(before[at].from)
      }
      return text.reversed()
    }
    func meet(_ signature: Int32, _ word: @autoclosure () -> [UInt8]) {
      if witnesses[signature] != nil { return }
      let word = word()
      if hits[signature] == nil { met.append(signature) }
      if literals.contains(word) {
        hits[signature] = hits[signature] ?? word
      } else {
        (witnesses[signature], hits[signature]) = (word, word)
      }
    }
    if universe.accepts(universe.start) { meet(automaton.signature(automaton.start), []) }
    var at = 0
    while at < order.count {
      let place = order[at]
      let own = automaton.explicit(place.own)
      var explicit = own
      for byte in universe.explicit(place.universe) where !own.contains(byte) { explicit.append(byte) }
      // Others first: they read better in a witness.
      let others = automaton.groups.compactMap { group in group.first { !explicit.contains($0) } }
      for byte in others + explicit {
        let next = universe.step(place.universe, byte)
        guard next != Universe.dead else { continue }
        let target = Place(own: automaton.step(place.own, byte), universe: next)
        if universe.accepts(next) { meet(automaton.signature(target.own), text(at) + [byte]) }
        guard seen.insert(target).inserted else { continue }
        order.append(target)
        before.append((Int32(at), byte))
      }
      at += 1
      if at % 1024 == 0 { try workLimit.check() }
      if order.count > stateLimit { throw LimitReached(what: "texts of one dimension that rules tell apart") }
    }
    let signatures = automaton.signatures
    let found = met.filter { signatures[Int($0)].last != Int32.max }.compactMap { signature in
      witnesses[signature].map { (signature: signatures[Int(signature)], witness: $0) }
    }
    let left = met.filter { signatures[Int($0)].last != Int32.max && witnesses[$0] == nil }.compactMap { hits[$0] }
    return (found, left)
  }
}
