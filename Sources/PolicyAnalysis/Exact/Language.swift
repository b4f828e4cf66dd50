// What one value of a policy matches, as a language over bytes.
// Enters: values of policies, field by field (Istio: "matching, field by field"). Leaves: for each a union of sequences, whose steps are one
// byte, one byte of a set, or a run of bytes of a set. Every value that Istio knows has this shape.
// Never here: a request, or a value that is approximated.

internal import PolicyModel

/// A set of bytes.
struct ByteSet: Hashable, Sendable {
  private var words = SIMD4<UInt64>(repeating: 0)

  init(_ contains: (UInt8) -> Bool) {
    for byte in UInt8.min ... .max where contains(byte) { words[Int(byte) / 64] |= 1 << UInt64(byte % 64) }
  }

  func contains(_ byte: UInt8) -> Bool { words[Int(byte) / 64] >> UInt64(byte % 64) & 1 == 1 }

  static let any = ByteSet { _ in true }
  static let notSlash = ByteSet { $0 != UInt8(ascii: "/") }
  /// What stands in front of a path's query.
  static let ofPath = ByteSet { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
  static let visible = ByteSet { $0 > 0x20 && $0 != 0x7f }
  static let lowerAlphanumeric = ByteSet { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }
  static let kubernetesLabel = ByteSet { ByteSet.lowerAlphanumeric.contains($0) || $0 == UInt8(ascii: "-") }
  static let kubernetesName = ByteSet { ByteSet.kubernetesLabel.contains($0) || $0 == UInt8(ascii: ".") }
  /// What one segment of a path template takes (Envoy 1.40: pchar).
  static let ofTemplate = ByteSet { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "-._~%!$&'()*+,;:@=".utf8.contains(byte)
    }
  }
  static let ofTemplateRun = ByteSet { ByteSet.ofTemplate.contains($0) || $0 == UInt8(ascii: "/") }
}

/// One step of a sequence.
enum Step: Hashable, Sendable {
  case byte(UInt8)
  case one(ByteSet)
  /// Any number of them, also none.
  case run(ByteSet)
}

/// A union of sequences.
struct Language: Hashable, Sendable {
  var sequences: [[Step]]
  var reading = Reading.plain

  /// What of the field's text is compared.
  enum Reading: Hashable, Sendable {
    /// All of it.
    case plain
    /// Without the query.
    case path
    /// Without regard to case; the sequences are in lower case.
    case folded
  }

  init(_ sequences: [[Step]], _ reading: Reading = .plain) {
    self.sequences = sequences
    self.reading = reading
  }

  /// The text itself, if it is the only one of the language.
  var literal: [UInt8]? {
    guard sequences.count == 1 else { return nil }
    var bytes: [UInt8] = []
    for step in sequences[0] {
      guard case .byte(let byte) = step else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}

/// The languages of values.
struct LanguageMaker: Sendable {
  /// What a run may hold; less than everything where the text is only the front of a longer one.
  var alphabet = ByteSet.any
  /// Whether dots in some values match any byte (older releases).
  var hasWildDots = false

  static let star = UInt8(ascii: "*")
  static let scheme = bytes("spiffe://")

  static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
  static func steps(_ text: [UInt8]) -> [Step] { text.map { .byte($0) } }

  private var run: Step { .run(alphabet) }
  private var some: [Step] { [.one(alphabet), .run(alphabet)] }

  /// Star alone, suffix, prefix, exact, tested in this order.
  func text(_ value: [UInt8], matchesEmpty: Bool) -> Language {
    if value == [Self.star] { return Language([matchesEmpty ? [run] : some]) }
    if value.first == Self.star { return Language([[run] + Self.steps(Array(value.dropFirst()))]) }
    if value.last == Self.star { return Language([Self.steps(Array(value.dropLast())) + [run]]) }
    return Language([Self.steps(value)])
  }

  /// A value of `paths`.
  func path(_ value: [UInt8]) -> Language {
    let (segment, rest) = (Self.bytes("{*}"), Self.bytes("{**}"))
    func contains(_ part: [UInt8]) -> Bool {
      value.count >= part.count && (0...value.count - part.count).contains { value[$0...].starts(with: part) }
    }
    guard contains(segment) || contains(rest) else { return text(value, matchesEmpty: false) }
    var steps: [Step] = []
    var left = value[...]
    while let byte = left.first {
      if left.starts(with: rest) {
        steps.append(.run(.ofTemplateRun))
        left = left.dropFirst(rest.count)
      } else if left.starts(with: segment) {
        steps += [.one(.ofTemplate), .run(.ofTemplate)]
        left = left.dropFirst(segment.count)
      } else {
        steps.append(.byte(byte))
        left = left.dropFirst()
      }
    }
    return Language([steps])
  }

  /// A value of `principals`, after its trust domain was expanded.
  func principal(_ value: [UInt8]) -> Language {
    let scheme = Self.steps(Self.scheme)
    if value == [Self.star] { return Language([some]) }
    if value.first == Self.star { return Language([scheme + [run] + loose(Array(value.dropFirst()))]) }
    if value.last == Self.star { return Language([scheme + Self.steps(Array(value.dropLast())) + [run]]) }
    return Language([scheme + Self.steps(value)])
  }

  /// A value of `namespaces`: anything, `/ns/`, the value, a slash, anything; stars are runs.
  func namespace(_ value: [UInt8]) -> Language {
    Language([[run] + Self.steps(Self.bytes("/ns/")) + value.flatMap { $0 == Self.star ? [run] : loose([$0]) } + [.byte(0x2f), run]])
  }

  /// A value of `serviceAccounts`; `own` is the policy's namespace.
  func serviceAccount(_ value: [UInt8], own: [UInt8]) -> Language {
    let parts = value.split(separator: 0x2f, omittingEmptySubsequences: false).map(Array.init)
    let (namespace, name) = parts.count == 2 ? (parts[0], parts[1]) : (own, value)
    let head = Self.steps(Self.scheme) + some + Self.steps(Self.bytes("/ns/")) + loose(namespace) + [.byte(0x2f)]
    let account = Self.steps(Self.bytes("sa/")) + loose(name)
    let between = some + [.byte(0x2f)]
    let behind = [.byte(0x2f)] + some
    return Language([head + account, head + between + account, head + account + behind, head + between + account + behind])
  }

  /// A value of `trustDomains`, after expansion; a star at an end is a run without slashes.
  func trustDomain(_ value: [UInt8]) -> Language {
    let scheme = Self.steps(Self.scheme)
    if value == [Self.star] { return Language([scheme + [run]]) }
    let end: [Step] = [.byte(0x2f), run]
    if value.first == Self.star { return Language([scheme + [.run(.notSlash)] + Self.steps(Array(value.dropFirst())) + end]) }
    if value.last == Self.star { return Language([scheme + Self.steps(Array(value.dropLast())) + [.run(.notSlash)] + end]) }
    return Language([scheme + Self.steps(value) + end])
  }

  /// Bytes in which a dot may stand for any byte.
  private func loose(_ bytes: [UInt8]) -> [Step] {
    bytes.map { hasWildDots && $0 == UInt8(ascii: ".") ? .one(alphabet) : .byte($0) }
  }

  // MARK: ztunnel

  /// `spiffe://TD/ns/N/sa/S`, any of TD, N and S possibly empty.
  static func ztunnelIdentity(
    domain: [Step] = [.run(.notSlash)], namespace: [Step] = [.run(.notSlash)], account: [Step] = [.run(.notSlash)]
  )
    -> Language
  {
    Language([steps(scheme) + domain + steps(bytes("/ns/")) + namespace + steps(bytes("/sa/")) + account])
  }

  /// Identities of which the namespace matches; nil when none can.
  static func ztunnelNamespace(_ value: [UInt8]) -> Language? {
    if value.contains(0x2f) { return nil }
    return ztunnelIdentity(namespace: LanguageMaker(alphabet: .notSlash).text(value, matchesEmpty: false).sequences[0])
  }

  /// Identities with this namespace and account, joined by a slash.
  static func ztunnelServiceAccount(_ value: [UInt8]) -> Language? {
    let parts = value.split(separator: 0x2f, omittingEmptySubsequences: false).map(Array.init)
    return parts.count == 2 ? ztunnelIdentity(namespace: steps(parts[0]), account: steps(parts[1])) : nil
  }

  /// Texts behind the scheme; only identities of the right form are compared.
  static func ztunnelPrincipal(_ value: [UInt8]) -> Language {
    let behind = LanguageMaker().text(value, matchesEmpty: false).sequences[0]
    return Language([steps(scheme) + behind])
  }

  /// Identities as a mesh issues them: its trust domain, and in both names letters, digits, hyphens and, in the account's, dots.
  static func issued(by domain: [UInt8]) -> Language {
    ztunnelIdentity(
      domain: steps(domain), namespace: [.one(.kubernetesLabel), .run(.kubernetesLabel)],
      account: [.one(.kubernetesName), .run(.kubernetesName)])
  }

  /// Any text, the same with this query appended: a language of paths as one of paths with their queries.
  static func withAnyQuery(_ language: Language) -> Language {
    Language(language.sequences.flatMap { [$0, $0 + [.byte(UInt8(ascii: "?")), .run(.any)]] })
  }

  /// The same language in which letters count in either case.
  static func withoutCase(_ language: Language) -> Language {
    Language(
      language.sequences.map { sequence in
        sequence.map { step in
          guard case .byte(let byte) = step, (0x61...0x7a).contains(byte) else { return step }
          return .one(ByteSet { $0 == byte || $0 == byte - 32 })
        }
      })
  }
}
