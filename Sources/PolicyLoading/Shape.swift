// The shape of an object's fields as a table, and the check of nodes against it. A mapping and its schema enter; problems leave: unknown
// fields, wrong types, numbers that their type cannot hold, unknown words. What values mean together is the decoders' matter.
// The check recurses as deep as the schema, which is fixed, and never as deep as the text.

internal import PolicyModel

/// What a field may hold.
indirect enum Shape: Sendable {
  case text
  case boolean
  /// A whole number in the range of its type.
  case whole(ClosedRange<Int64>)
  case number
  case duration(Length)
  /// A list of texts; `filled` refuses empty ones.
  case texts(filled: Bool)
  case textMap
  case wholeMap(ClosedRange<Int64>)
  /// One of these words.
  case choice([StaticString])
  case object(Schema)
  case objects(Schema)
  /// Checked by a reader of its own, or not at all.
  case other

  /// How long a duration may be.
  enum Length: Sendable {
    case any
    /// At least a millisecond, and a whole number of them.
    case milliseconds
    /// As `milliseconds`, or zero.
    case zeroOrMilliseconds
  }

  static let int32 = Shape.whole(Int64(Int32.min)...Int64(Int32.max))
  static let uint32 = Shape.whole(0...Int64(UInt32.max))
  static let uint64 = Shape.whole(0...Int64.max)
}

/// The fields of a mapping.
struct Schema: Sendable {
  let fields: [(key: StaticString, shape: Shape)]

  init(_ fields: [(key: StaticString, shape: Shape)]) { self.fields = fields }

  var keys: [StaticString] { fields.map(\.key) }
}

extension NodeReader {
  /// Checks all fields of a mapping. `path` names the mapping in messages.
  mutating func check(_ mapping: NodeIndex, _ schema: Schema, path: String) {
    for entry in entries(mapping) {
      guard let field = schema.fields.first(where: { document.isScalar(entry.key, $0.key) }) else {
        refuse(entry, known: schema.keys, path: path)
        continue
      }
      if !isNull(entry.value) { check(entry, field.shape, path: Self.path(path, "\(field.key)")) }
    }
  }

  /// The name of a field in messages; `spec` itself is left out.
  static func path(_ parent: String, _ key: String) -> String {
    parent.utf8.elementsEqual("spec".utf8) || parent.utf8.isEmpty ? key : "\(parent).\(key)"
  }

  /// Checks one field.
  mutating func check(_ entry: Entry, _ shape: Shape, path: String) {
    switch shape {
    case .text: _ = string(entry, path: path)
    case .boolean: boolean(entry, path: path)
    case .whole(let range): whole(entry, range, path: path)
    case .number: number(entry, path: path)
    case .duration(let length): duration(entry, length, path: path)
    case .texts(let filled):
      for text in strings(entry, path: path) where filled && text.value.isEmpty { report(.emptyString(path), at: text.span) }
    case .textMap: _ = texts(entry, path: path)
    case .wholeMap(let range):
      guard let mapping = mapping(entry, path: path) else { return }
      for item in entries(mapping) { whole(item, range, path: "\(path).\(document.string(item.key))") }
    case .choice(let words): choice(entry, words, path: path)
    case .object(let schema): if let mapping = mapping(entry, path: path) { check(mapping, schema, path: path) }
    case .objects(let schema):
      guard let list = sequence(entry, path: path) else { return }
      for item in items(list) {
        let span = document[item].span
        if document[item].kind == .mapping {
          check(item, schema, path: path)
        } else {
          report(
            isNull(item) ? .entryNull(path) : .wrongType(path, expected: "a list of mappings", found: name(of: item), help: nil), at: span)
        }
      }
    case .other: break
    }
  }

  private mutating func boolean(_ entry: Entry, path: String) {
    if case .bool = document.type(entry.value) { return }
    let isQuoted = document[entry.value].kind == .quoted
    report(
      .wrongType(path, expected: "true or false", found: name(of: entry.value), help: isQuoted ? "write it without quotes" : nil),
      at: span(entry))
  }

  private mutating func whole(_ entry: Entry, _ range: ClosedRange<Int64>, path: String) {
    guard case .int(let value) = document.type(entry.value) else {
      let help = document[entry.value].kind == .quoted ? "write it without quotes" : nil
      report(.wrongType(path, expected: "a whole number", found: name(of: entry.value), help: help), at: span(entry))
      return
    }
    if let value, range.contains(value) { return }
    let allowed = range.lowerBound == 0 ? "a number from 0 to \(range.upperBound)" : "a number up to \(range.upperBound)"
    report(.numberOutOfRange(path, document.string(entry.value), allowed: allowed, .never), at: span(entry))
  }

  private mutating func number(_ entry: Entry, path: String) {
    if real(entry.value) != nil { return }
    let help = document[entry.value].kind == .quoted ? "write it without quotes" : nil
    report(.wrongType(path, expected: "a number", found: name(of: entry.value), help: help), at: span(entry))
  }

  private mutating func duration(_ entry: Entry, _ length: Shape.Length, path: String) {
    guard let text = string(entry, path: path) else { return }
    func refuse(_ why: String) { report(.durationInvalid(path, text.value.string, why: why), at: text.span) }
    guard let nanoseconds = goDuration(text.value) else { return refuse("which is not a duration") }
    switch length {
    case .any: return
    case .zeroOrMilliseconds where nanoseconds == 0: return
    case .milliseconds, .zeroOrMilliseconds:
      if nanoseconds < 1_000_000 { return refuse("which is less than 1 ms") }
      if !nanoseconds.isMultiple(of: 1_000_000) { return refuse("which is no whole number of milliseconds") }
    }
  }

  private mutating func choice(_ entry: Entry, _ words: [StaticString], path: String) {
    guard let text = string(entry, path: path), !words.contains(where: { document.isScalar(entry.value, $0) }) else { return }
    let known = words.map { "\($0)" }
    report(
      .valueUnknown(
        path, text.value.string, allowed: known.joined(separator: ", "), suggestion: suggestion(for: text.value.string, among: known)),
      at: text.span)
  }
}

// MARK: Reading what was checked

// Nothing below reports: a value of a wrong type has been reported by the check, and counts as missing.
extension NodeReader {
  /// The mapping below a key.
  func object(_ mapping: NodeIndex?, _ key: StaticString) -> NodeIndex? {
    entry(mapping, key).flatMap { document[$0.value].kind == .mapping ? $0.value : nil }
  }

  /// The mappings in the list below a key.
  func objects(_ mapping: NodeIndex?, _ key: StaticString) -> [NodeIndex] {
    guard let entry = entry(mapping, key), document[entry.value].kind == .sequence else { return [] }
    return items(entry.value).filter { document[$0].kind == .mapping }
  }

  /// The text below a key and where to point for it; empty text is text.
  func text(_ mapping: NodeIndex?, _ key: StaticString) -> Located<ExactText>? {
    guard let entry = entry(mapping, key), document.type(entry.value) == .string else { return nil }
    return Located(ExactText(document.string(entry.value)), span(entry))
  }

  /// The text below a key, if it has bytes.
  func filledText(_ mapping: NodeIndex?, _ key: StaticString) -> Located<ExactText>? {
    text(mapping, key).flatMap { $0.value.isEmpty ? nil : $0 }
  }

  /// The texts in the list below a key.
  func textList(_ mapping: NodeIndex?, _ key: StaticString) -> [Located<ExactText>] {
    guard let entry = entry(mapping, key), document[entry.value].kind == .sequence else { return [] }
    return items(entry.value).filter { document.type($0) == .string }.map {
      Located(ExactText(document.string($0)), document[$0].span)
    }
  }

  /// The whole number below a key.
  func whole(_ mapping: NodeIndex?, _ key: StaticString) -> Located<Int64>? {
    guard let entry = entry(mapping, key), case .int(let value?) = document.type(entry.value) else { return nil }
    return Located(value, span(entry))
  }

  /// The number below a key.
  func real(_ mapping: NodeIndex?, _ key: StaticString) -> Located<Double>? {
    guard let entry = entry(mapping, key), let value = real(entry.value) else { return nil }
    return Located(value, span(entry))
  }

  /// Whether a flag is set.
  func flag(_ mapping: NodeIndex?, _ key: StaticString) -> Bool {
    entry(mapping, key).map { document.type($0.value) == .bool(true) } ?? false
  }

  /// The duration below a key in milliseconds.
  func milliseconds(_ mapping: NodeIndex?, _ key: StaticString) -> Int64? {
    text(mapping, key).flatMap { goDuration($0.value) }.map { $0 / 1_000_000 }
  }

  /// Where a key with a value is written.
  func keySpan(_ mapping: NodeIndex?, _ key: StaticString) -> SourceSpan? {
    entry(mapping, key).map { document[$0.key].span }
  }

  /// A finite number that is not quoted.
  private func real(_ node: NodeIndex) -> Double? {
    switch document.type(node) {
    case .int, .float:
      guard let value = Double(document.string(node)), value.isFinite else { return nil }
      return value
    default: return nil
    }
  }
}
