// Which key finds which rule.
// Enters: the rules of one set (or the clauses of one rule) with the keys that could find them. Leaves: an index in which each stands under the keys of its most
// selective constraint: the one whose fullest key holds the fewest rules of the set.
// Never here: an answer. A key only nominates; every nominated rule is tested in full.

internal import PolicyModel

struct IndexBuilder {
  /// Sets of at most this many rules are walked.
  static let threshold = 4
  /// At most this many names of headers (claims, metadata) are asked one after the other.
  private static let nameThreshold = 16

  private var always: [UInt32] = []
  private var chosen: [IndexKey: [UInt32]] = [:]

  /// Chooses keys; on TCP chains some rules do not exist, and keys of HTTP texts cannot be used.
  init(_ rules: [(number: UInt32, keys: RuleKeys)], isTCP: Bool, tables: TableDraft) {
    let there = isTCP ? rules.filter { !tables.rules[Int($0.number)].isAbsentOnTCP } : rules
    self.init(isTCP ? there.map { ($0.number, Self.withoutHTTP($0.keys)) } : there)
  }

  /// Chooses keys.
  init(_ usable: [(number: UInt32, keys: RuleKeys)]) {
    var occurrences: [IndexKey: Int] = [:]
    func count(_ options: [[IndexKey]]) {
      // Most often there is one key: a set of it would cost more than it saves.
      if options.count == 1, options[0].count == 1 {
        occurrences[options[0][0], default: 0] += 1
      } else if !options.isEmpty {
        for key in Set(options.joined()) { occurrences[key, default: 0] += 1 }
      }
    }
    for (_, keys) in usable {
      for options in keys.sources { count(options) }
      for options in keys.operations { count(options) }
      count(keys.conditions)
    }
    for (number, keys) in usable {
      guard let cover = Self.bestCover(keys, occurrences, worst: usable.count) else {
        always.append(number)
        continue
      }
      if cover.count == 1 {
        chosen[cover[0], default: []].append(number)
      } else {
        for key in Set(cover) { chosen[key, default: []].append(number) }
      }
    }
  }

  /// Appends the index to the tables and returns its number.
  consuming func build(into tables: inout TableDraft) -> UInt32 {
    var byDimension: [Dimension: [IndexPattern: [UInt32]]] = [:]
    for (key, numbers) in chosen { byDimension[key.dimension, default: [:]][key.pattern] = numbers }
    var dimensions: [IndexDimension] = []
    for (dimension, patterns) in byDimension {
      var all: Set<UInt32> = []
      var stretches: [IndexPattern: Stretch] = [:]
      for (pattern, numbers) in patterns {
        all.formUnion(numbers)
        stretches[pattern] = Self.append(numbers.sorted(), to: &tables)
      }
      let lookup = tables.appendLookup(stretches)
      dimensions.append(IndexDimension(dimension: dimension, lookup: lookup, rules: Self.append(all.sorted(), to: &tables)))
    }
    // The same policies must give the same walk in every replica.
    dimensions.sort {
      ($0.dimension.text.rawValue, $0.dimension.name.start) < ($1.dimension.text.rawValue, $1.dimension.name.start)
    }
    for (text, names) in [(Dimension.Text.header, Dimension.Text.headerNames), (.claim, .claimNames), (.metadata, .metadataNames)] {
      Self.gather(text, as: names, &dimensions, &tables)
    }
    let stretch = Stretch(
      start: UInt32(truncatingIfNeeded: tables.dimensions.count), count: UInt32(truncatingIfNeeded: dimensions.count))
    tables.dimensions.append(contentsOf: dimensions)
    tables.indexes.append(RuleIndex(dimensions: stretch, always: Self.append(always.sorted(), to: &tables)))
    return UInt32(truncatingIfNeeded: tables.indexes.count - 1)
  }

  /// Puts many dimensions that differ in the name only behind one, which is asked with the names that the request has. `:scheme` stays: it
  /// is asked also when the request does not have it.
  private static func gather(
    _ text: Dimension.Text, as names: Dimension.Text, _ dimensions: inout [IndexDimension], _ tables: inout TableDraft
  ) {
    func isNamed(_ dimension: IndexDimension) -> Bool {
      dimension.dimension.text == text && tables.pool.text(dimension.dimension.name) != Array(":scheme".utf8)
    }
    let named = dimensions.filter(isNamed)
    guard named.count > nameThreshold else { return }
    dimensions.removeAll(where: isNamed)
    var places: [IndexPattern: Stretch] = [:]
    var all: Set<UInt32> = []
    for dimension in named {
      places[.exact(tables.pool.text(dimension.dimension.name))] = Stretch(
        start: UInt32(truncatingIfNeeded: tables.dimensions.count), count: 1)
      tables.dimensions.append(dimension)
      for place in dimension.rules.range { all.insert(tables.postings[place]) }
    }
    let lookup = tables.appendLookup(places)
    dimensions.append(
      IndexDimension(dimension: Dimension(text: names, name: Literal()), lookup: lookup, rules: append(all.sorted(), to: &tables)))
  }

  /// Stores numbers in the postings.
  static func append(_ numbers: [UInt32], to tables: inout TableDraft) -> Stretch {
    let stretch = Stretch(start: UInt32(truncatingIfNeeded: tables.postings.count), count: UInt32(truncatingIfNeeded: numbers.count))
    tables.postings.append(contentsOf: numbers)
    return stretch
  }

  /// The keys of one condition, or of one test for every source, or for every operation.
  private static func bestCover(_ keys: RuleKeys, _ occurrences: [IndexKey: Int], worst: Int) -> [IndexKey]? {
    var best: (cost: Int, keys: [IndexKey])?
    func consider(_ cost: Int, _ keys: [IndexKey]) {
      if cost < best?.cost ?? .max { best = (cost, keys) }
    }
    func cost(_ option: [IndexKey]) -> Int {
      option.reduce(0) { max($0, $1.pattern == .always ? worst : occurrences[$1] ?? worst) }
    }
    for option in keys.conditions { consider(cost(option), option) }
    for clauses in [keys.sources, keys.operations] where !clauses.isEmpty {
      var total = 0
      var union: [IndexKey] = []
      var isCovered = true
      for options in clauses {
        guard let option = options.min(by: { cost($0) < cost($1) }) else {
          isCovered = false
          break
        }
        total = max(total, cost(option))
        union += option
      }
      if isCovered { consider(total, union) }
    }
    return best?.keys
  }

  private static func withoutHTTP(_ keys: RuleKeys) -> RuleKeys {
    func usable(_ options: [[IndexKey]]) -> [[IndexKey]] {
      options.filter { $0.allSatisfy { !$0.dimension.text.isHTTP } }
    }
    return RuleKeys(
      sources: keys.sources.map(usable), operations: keys.operations.map(usable), conditions: usable(keys.conditions))
  }
}

extension Dimension.Text {
  /// Whether only HTTP requests have it.
  var isHTTP: Bool {
    switch self {
    case .host, .method, .path, .pathSegment, .target, .authority, .header, .headerNames, .claim, .claimNames: true
    default: false
    }
  }
}
