// Where each rule stands in the policies, kept small: a name is put together when somebody asks for it.
// Enters: rules in the order in which they are numbered. Leaves: their names, piece by piece, and where they are written.
// Never here: an allocation for a name that a reply carries.

internal import PolicyModel

/// A policy that has rules.
private struct PolicyRecord: BitwiseCopyable {
  var name: Literal
  var file: UInt32
  var action: UInt8
}

/// One rule of it.
private struct RuleRecord: BitwiseCopyable {
  var policy: UInt32
  var index: UInt32
  var span: SourceSpan
}

/// The names while they are collected.
struct RuleNames {
  fileprivate var policies: [PolicyRecord] = []
  fileprivate var rules: [RuleRecord] = []
  fileprivate var files: [ExactText] = []
  private var fileNumbers: [ExactText: UInt32] = [:]
  private var lastPolicy: ExactText?

  /// Adds the next rule. Rules of one policy come one after the other.
  mutating func append(_ policy: AuthorizationPolicy, _ index: Int, _ span: SourceSpan, to pool: inout LiteralPool) {
    let key = policy.metadata.key
    if policies.isEmpty || lastPolicy != key.name {
      let file = policy.metadata.location.file
      let number = fileNumbers[file] ?? UInt32(truncatingIfNeeded: files.count)
      if fileNumbers.updateValue(number, forKey: file) == nil { files.append(file) }
      let action = AuthorizationPolicy.Action.allCases.firstIndex(of: policy.action) ?? 0
      policies.append(PolicyRecord(name: pool.intern(key.name.bytes), file: number, action: UInt8(truncatingIfNeeded: action)))
      lastPolicy = key.name
    }
    rules.append(
      RuleRecord(policy: UInt32(truncatingIfNeeded: policies.count - 1), index: UInt32(truncatingIfNeeded: index), span: span))
  }
}

/// The names of one namespace's rules.
struct SealedRuleNames: Sendable {
  private let namespace: ExactText
  private let namespaceBytes: FlatArray<UInt8>
  private let policies: FlatArray<PolicyRecord>
  private let rules: FlatArray<RuleRecord>
  private let files: [ExactText]

  /// How many rules there are.
  var count: Int { rules.count }

  init(_ names: RuleNames, namespace: ExactText, in storage: FlatStorage) {
    self.namespace = namespace
    namespaceBytes = storage.store(namespace.bytes)
    policies = storage.store(names.policies)
    rules = storage.store(names.rules)
    files = names.files
  }

  /// Where a rule is written; `nil` for a number that no rule has.
  func origin(_ number: Int, literals: FlatArray<UInt8>) -> RuleOrigin? {
    guard rules.indices.contains(number) else { return nil }
    let rule = rules[number]
    let policy = policies[Int(rule.policy)]
    var name: [UInt8] = []
    forEachPiece(of: number, literals: literals) { piece in for index in piece.indices { name.append(piece[index]) } }
    let actions = AuthorizationPolicy.Action.allCases
    return RuleOrigin(
      name: ExactText(String(decoding: name, as: UTF8.self)), location: SourceLocation(file: files[Int(policy.file)], span: rule.span),
      action: actions[Int(policy.action)])
  }

  /// Lends the pieces of `ns[N]-policy[P]-rule[i]`, one after the other; none for a number that no rule has.
  func forEachPiece(of number: Int, literals: FlatArray<UInt8>, _ body: (Span<UInt8>) -> Void) {
    guard rules.indices.contains(number) else { return }
    let rule = rules[number]
    let name = policies[Int(rule.policy)].name
    Self.lend("ns[", body)
    body(namespaceBytes.span)
    Self.lend("]-policy[", body)
    body(literals.span.extracting(Int(name.start)..<Int(name.start) + Int(name.count)))
    Self.lend("]-rule[", body)
    var digits = InlineArray<10, UInt8>(repeating: 0)
    var (rest, place) = (rule.index, 10)
    repeat {
      place -= 1
      digits[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    body(digits.span.extracting(place..<10))
    Self.lend("]", body)
  }

  private static func lend(_ text: StaticString, _ body: (Span<UInt8>) -> Void) {
    text.withUTF8Buffer { unsafe body($0.span) }
  }
}
