// All requests that one chain of one kind of proxy can see, cut into classes.
// Enters: every formula that is to be compared. Leaves: dimensions, diagrams of formulas, and requests for their points.
// Never here: a decision.
//
// Fields with one value are one dimension. Repeated header lines and lists are sets: for each class of values a dimension of its own says
// whether some value of it is there, and all combinations exist.

internal import PolicyEngine
internal import PolicyModel

/// What the requests of a space have in common.
struct SpaceShape: Hashable, Sendable {
  var isTCP: Bool
  var profile: Profile
  var normalization: MeshSettings.PathNormalization
  var keepsDotParameters: Bool
  /// Whether repeated header lines reach rules as one.
  var joinsHeaderLines: Bool
  /// Trust domains whose identities the mesh issues.
  var domains: [ExactText]
}

/// The dimensions of an analysis.
struct Space {
  /// How a field lies in the dimensions.
  struct Place {
    /// The classes of its texts; nil for ports and addresses.
    var texts: TextClasses?
    /// The dimension of its one value. Class 0 means that there is none where `canBeAbsent`.
    var scalar: Int?
    var canBeAbsent = false
    /// The first of the dimensions of its list, one for each class of texts; class 1 means that an element is there.
    var elements: Int?

    /// Class of the scalar for a class of texts.
    func atom(_ text: Int32) -> Int32 { canBeAbsent ? text + 1 : text }
    func text(_ atom: Int32) -> Int32? { canBeAbsent ? (atom == 0 ? nil : atom - 1) : atom }
  }

  let shape: SpaceShape
  private(set) var fields: [Field] = []
  private(set) var places: [Field: Place] = [:]
  private(set) var counts: [Int32] = []
  private(set) var ports = PortClasses([])
  private(set) var addresses: [Field: AddressClasses] = [:]
  /// Which classes a point had better have.
  private(set) var preferred: [[Int32]] = []
  /// The words of languages, by field and number.
  private(set) var words: [Field: [String]] = [:]
  private var numbers: [Field: [Language: Int]] = [:]
  private var blockNumbers: [Field: [AddressBlock: Int]] = [:]
  private var usesTarget = false
  private var parts: [Field: Set<Part>] = [:]
  private var namedPorts: Set<UInt16> = []
  private let workLimit: WorkLimit

  init(_ shape: SpaceShape, _ formulas: [Formula], workLimit: WorkLimit = WorkLimit()) throws {
    self.shape = shape
    self.workLimit = workLimit
    _ = number(.identity, Language([[.run(.any)]]), "any identity")
    for domain in shape.domains { _ = number(.identity, LanguageMaker.issued(by: domain.bytes), "identity of the mesh") }
    if !shape.isTCP {
      for method in ["GET", "CONNECT"] { _ = number(.method, Language([LanguageMaker.steps(LanguageMaker.bytes(method))]), method) }
    }
    for formula in formulas { collect(formula) }
    try build()
  }

  /// Whether rules look at queries.
  var hasQuery: Bool { usesTarget }

  // MARK: Collecting

  private mutating func number(_ field: Field, _ language: Language, _ word: String) -> Int {
    if let known = numbers[field]?[language] { return known }
    let number = words[field]?.count ?? 0
    numbers[field, default: [:]][language] = number
    words[field, default: []].append(word)
    return number
  }

  private mutating func collect(_ formula: Formula) {
    switch formula {
    case .constant: break
    case .text(let field, let part, let language, let word):
      _ = number(field, language, word)
      parts[field, default: []].insert(part)
      if field == .path, language.reading == .plain { usesTarget = true }
    case .ports(let list): namedPorts.formUnion(list)
    case .block(let field, let block):
      if blockNumbers[field]?[block] == nil { blockNumbers[field, default: [:]][block] = blockNumbers[field]?.count ?? 0 }
    case .all(let list), .any(let list): for formula in list { collect(formula) }
    case .not(let formula): collect(formula)
    }
  }

  // MARK: Dimensions

  private mutating func addDimension(_ count: Int, preferred order: [Int32]) -> Int {
    counts.append(Int32(count))
    preferred.append(order)
    return counts.count - 1
  }

  private mutating func build() throws {
    ports = PortClasses(namedPorts)
    places[.port] = Place(scalar: addDimension(ports.witnesses.count, preferred: [0]))
    fields.append(.port)
    try addText(.identity, Universe(kind: .name), canBeAbsent: true)
    for field in [Field.sourceIP, .remoteIP, .destinationIP] {
      guard let blocks = blockNumbers[field] else { continue }
      let classes = AddressClasses(blocks.sorted { $0.value < $1.value }.map(\.key))
      addresses[field] = classes
      places[field] = Place(scalar: addDimension(classes.witnesses.count, preferred: [0]))
      fields.append(field)
    }
    if words[.sni] != nil { try addText(.sni, Universe(kind: .serverName)) }
    try addMetadata()
    if shape.isTCP { return }
    try addText(.method, Universe(kind: .token))
    if words[.host] != nil { try addText(.host, Universe(kind: .nameOrEmpty)) }
    let path = Universe.Kind.path(shape.normalization, keepsDotParameters: shape.keepsDotParameters, hasQuery: usesTarget)
    try addText(.path, Universe(kind: path), canBeAbsent: true)
    for field in sorted({ if case .header = $0 { true } else { false } }) {
      let universe = Universe(kind: .headerValue)
      if field == .header(LanguageMaker.bytes(":scheme")) {
        try addText(field, universe)
      } else if shape.joinsHeaderLines {
        try addText(field, universe, canBeAbsent: true)
      } else {
        try addList(field, universe)
      }
    }
    for field in sorted({ if case .claim = $0 { true } else { false } }) {
      if parts[field]?.contains(.scalar) ?? false { try addText(field, Universe(kind: .text), canBeAbsent: true) }
      if parts[field]?.contains(.either) ?? false { try addList(field, Universe(kind: .text)) }
    }
  }

  private mutating func addMetadata() throws {
    for field in sorted({ if case .metadata = $0 { true } else { false } }) {
      if parts[field]?.contains(.scalar) ?? false { try addText(field, Universe(kind: .text), canBeAbsent: true) }
      if parts[field]?.contains(.element) ?? false { try addList(field, Universe(kind: .text)) }
    }
  }

  private func sorted(_ isIncluded: (Field) -> Bool) -> [Field] {
    words.keys.filter(isIncluded).sorted { "\($0)" < "\($1)" }
  }

  private func languages(_ field: Field) -> [Language] {
    var list = Array(repeating: Language([]), count: words[field]?.count ?? 0)
    for (language, number) in numbers[field] ?? [:] { list[number] = asRead(language) }
    return list
  }

  /// The language of whole texts.
  private func asRead(_ language: Language) -> Language {
    switch language.reading {
    case .plain: return language
    case .folded: return LanguageMaker.withoutCase(language)
    case .path:
      // No path has these; at the front of a query such a value would match.
      let bare = Language(language.sequences.filter { !$0.contains(.byte(UInt8(ascii: "?"))) && !$0.contains(.byte(UInt8(ascii: "#"))) })
      return usesTarget ? LanguageMaker.withAnyQuery(bare) : bare
    }
  }

  private mutating func texts(_ field: Field, _ universe: Universe) throws -> TextClasses {
    if let known = places[field]?.texts { return known }
    return try TextClasses(languages(field), in: universe, workLimit: workLimit)
  }

  private mutating func addText(_ field: Field, _ universe: Universe, canBeAbsent: Bool = false) throws {
    let texts = try texts(field, universe)
    var place = Place(texts: texts, canBeAbsent: canBeAbsent)
    place.scalar = addDimension(texts.atoms.count + (canBeAbsent ? 1 : 0), preferred: order(field, texts).map(place.atom))
    places[field] = place
    fields.append(field)
  }

  private mutating func addList(_ field: Field, _ universe: Universe) throws {
    let texts = try texts(field, universe)
    var place = places[field] ?? Place(texts: texts)
    place.elements = counts.count
    for _ in texts.atoms { _ = addDimension(2, preferred: [0]) }
    if places[field] == nil { fields.append(field) }
    places[field] = place
  }

  /// Classes that people like to see first: identities of the mesh, texts that are not empty.
  private func order(_ field: Field, _ texts: TextClasses) -> [Int32] {
    let all = Array(texts.atoms.indices.map { Int32($0) })
    switch field {
    case .identity:
      let issued = Set(1...max(1, shape.domains.count))
      return all.filter { !issued.isDisjoint(with: texts.atoms[Int($0)].languages.map(Int.init)) }
    case .method: return all.filter { texts.atoms[Int($0)].witness == LanguageMaker.bytes("GET") }
    case .host: return all.filter { !texts.atoms[Int($0)].witness.isEmpty }
    case .path: return all
    default: return []
    }
  }

  // MARK: Diagrams

  func diagrams(limit: Int = 2_000_000) -> Diagrams { Diagrams(counts: counts, limit: limit, workLimit: workLimit) }

  func diagram(_ formula: Formula, _ diagrams: inout Diagrams) throws -> Diagram {
    switch formula {
    case .constant(let isTrue): return isTrue ? Diagrams.always : Diagrams.never
    case .not(let formula): return try diagrams.not(try diagram(formula, &diagrams))
    case .all(let list):
      var parts: [Diagram] = []
      for formula in list { parts.append(try diagram(formula, &diagrams)) }
      return try diagrams.all(parts)
    case .any(let list):
      // Tests of one field are one node.
      var extents: [FieldPart: Set<Int32>] = [:]
      var parts: [Diagram] = []
      for formula in list {
        if case .text(let field, let part, let language, _) = formula {
          extents[FieldPart(field: field, part: part), default: []].formUnion(extent(field, language))
        } else {
          parts.append(try diagram(formula, &diagrams))
        }
      }
      for (key, extent) in extents { parts.append(try test(key.field, key.part, extent.sorted(), &diagrams)) }
      return try diagrams.any(parts)
    case .text(let field, let part, let language, _): return try test(field, part, extent(field, language), &diagrams)
    case .ports(let list):
      guard let dimension = places[.port]?.scalar else { return Diagrams.never }
      return try diagrams.test(dimension, Set(list.compactMap { ports.named($0) }).sorted())
    case .block(let field, let block):
      guard let dimension = places[field]?.scalar, let classes = addresses[field], let number = blockNumbers[field]?[block] else {
        return Diagrams.never
      }
      return try diagrams.test(dimension, classes.extents[number])
    }
  }

  private struct FieldPart: Hashable {
    var field: Field
    var part: Part
  }

  private func extent(_ field: Field, _ language: Language) -> [Int32] {
    guard let number = numbers[field]?[language], let texts = places[field]?.texts else { return [] }
    return texts.extents[number]
  }

  private func test(_ field: Field, _ part: Part, _ texts: [Int32], _ diagrams: inout Diagrams) throws -> Diagram {
    guard let place = places[field] else { return Diagrams.never }
    var result = Diagrams.never
    if let elements = place.elements, part != .scalar {
      for text in texts.reversed() { result = try diagrams.or(try diagrams.test(elements + Int(text), [1]), result) }
    }
    // A header that is always one line, or whose lines are joined, has no list.
    if let scalar = place.scalar, part != .element || place.elements == nil {
      result = try diagrams.or(try diagrams.test(scalar, texts.map(place.atom)), result)
    }
    return result
  }

  // MARK: Points of requests

  /// The class of a field's text; nil outside the universe.
  mutating func textAtom(_ field: Field, _ text: [UInt8]) -> Int32? { places[field]?.texts?.atom(of: text) }
}
