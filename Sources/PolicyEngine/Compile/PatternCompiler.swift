// From values as written to patterns (Istio: matching, field by field; the regex forms without a regex engine).
// Enters: one constraint of a valid policy. Leaves: tests in flat arrays, and for each pattern the forms under which it can be indexed.
// Never here: a value that widens when it cannot be read. `nil` says that the value cannot be expressed; the rule compiler decides (an ALLOW
// rule is dropped, another loses the value), as Istio does.

internal import PolicyModel

/// A text (or number) of a request that rules are registered under.
struct Dimension: Hashable, Sendable {
  enum Text: UInt8, Sendable {
    /// The whole identity.
    case identity
    /// What follows `/ns/` in an identity of Istio's five parts: `NAMESPACE/sa/ACCOUNT`.
    case workloadPath
    /// `NAMESPACE` of it, and `NAMESPACE/sa`: what stands before a slash.
    case workloadNamespace
    /// Each segment of the path.
    case pathSegment
    case host, method, path, sni, target, authority, header, claim, metadata
    case sourceIP, remoteIP, destinationIP, port
    /// Which of many names the request has: leads to the dimensions of these names.
    case headerNames, claimNames, metadataNames
  }

  var text: Text
  /// The header's name, the claim's path, the metadata's path; else empty.
  var name: Literal
}

/// A pattern in a dimension: if a request does not satisfy it there, it does not satisfy the value it was made from.
struct IndexKey: Hashable, Sendable {
  var dimension: Dimension
  var pattern: IndexPattern
}

struct PatternCompiler {
  let mesh: MeshSettings
  var tables: TableDraft

  private static let dot = UInt8(ascii: ".")

  /// One value, compiled: consecutive patterns, any of which satisfies it, and its index keys.
  struct Value {
    var patterns: [Pattern]
    var keys: [IndexKey]
    /// Others that find it as well.
    var otherKeys: [IndexKey]?
    /// Whether meeting one of the keys is the same as satisfying the value, for identities in Istio's form.
    var isExactKey: Bool
  }

  init(mesh: MeshSettings, tables: TableDraft) {
    self.mesh = mesh
    self.tables = tables
  }

  /// Compiles one value of a test on `subject`.
  mutating func compile(_ value: ExactText, subject: Subject, name: Literal, policyNamespace: ExactText) -> Value? {
    let text = value.bytes
    switch subject {
    case .principal: return principal(value)
    case .namespace: return namespace(text)
    case .serviceAccount: return serviceAccount(text, policyNamespace: policyNamespace)
    case .trustDomain: return trustDomain(value)
    case .ztunnelPrincipal, .ztunnelNamespace, .ztunnelServiceAccount:
      return ztunnelValue(text, subject: subject, policyNamespace: policyNamespace)
    case .sourceIP: return block(value, .sourceIP)
    case .remoteIP: return block(value, .remoteIP)
    case .destinationIP: return block(value, .destinationIP)
    case .port:
      guard let port = Self.port(text) else { return nil }
      let key = IndexKey(dimension: Dimension(text: .port, name: Literal()), pattern: .number(UInt64(port)))
      return Value(patterns: [Pattern(kind: .port, number: UInt32(port))], keys: [key], isExactKey: true)
    case .host: return string(text.map(Request.lowercased), star: .present, .host)
    case .authority: return string(text, star: .present, .authority)
    case .method: return string(text, star: .present, .method)
    case .target: return string(text, star: .present, .target)
    case .header: return string(text, star: .present, .header, name: name)
    case .sni: return string(text, star: .nonEmpty, .sni)
    case .path:
      guard let template = PathTemplate(text) else { return string(text, star: .nonEmpty, .path) }
      let key = IndexKey(dimension: Dimension(text: .path, name: Literal()), pattern: .prefix(template.literalPrefix))
      let pattern = Pattern(kind: .template, number: template.append(to: &tables))
      let other = template.longestSegment.map { IndexKey(dimension: Dimension(text: .pathSegment, name: Literal()), pattern: .exact($0)) }
      return Value(patterns: [pattern], keys: [key], otherKeys: other.map { [$0] }, isExactKey: false)
    case .claim: return string(text, star: .nonEmpty, .claim, name: name)
    case .requestPrincipal: return requestPrincipal(text)
    case .metadata: return metadata(text, name: name)
    }
  }

  // MARK: Strings

  /// Star alone, suffix, prefix, exact, tested in this order.
  private mutating func string(_ text: [UInt8], star: Pattern.Kind, _ dimension: Dimension.Text, name: Literal = Literal()) -> Value {
    let (pattern, index) = stringPattern(text, star: star)
    return Value(
      patterns: [pattern], keys: [IndexKey(dimension: Dimension(text: dimension, name: name), pattern: index)],
      isExactKey: star == .present || index != .always)
  }

  mutating func stringPattern(_ text: [UInt8], star: Pattern.Kind) -> (Pattern, IndexPattern) {
    let asterisk = UInt8(ascii: "*")
    if text == [asterisk] { return (Pattern(kind: star), .always) }
    if text.first == asterisk {
      let suffix = Array(text.dropFirst())
      return (Pattern(kind: .suffix, first: tables.pool.intern(suffix)), .suffix(suffix))
    }
    if text.last == asterisk {
      let prefix = Array(text.dropLast())
      return (Pattern(kind: .prefix, first: tables.pool.intern(prefix)), .prefix(prefix))
    }
    return (Pattern(kind: .exact, first: tables.pool.intern(text)), .exact(text))
  }

  // MARK: Identity

  private mutating func principal(_ value: ExactText) -> Value {
    let scheme = Array("spiffe://".utf8)
    var patterns: [Pattern] = []
    var keys: [IndexKey] = []
    for text in mesh.expandingPrincipal(value).map(\.bytes) {
      let index: IndexPattern
      if text == [UInt8(ascii: "*")] {
        patterns.append(Pattern(kind: .nonEmpty))
        index = .always
      } else if text.first == UInt8(ascii: "*") {
        let suffix = Array(text.dropFirst())
        if mesh.hasWildDots {
          patterns.append(Pattern(kind: .wildGlob, first: tables.pool.intern(scheme + text)))
          index = .suffix(Array(suffix.split(separator: Self.dot, omittingEmptySubsequences: false).last ?? []))
        } else {
          patterns.append(Pattern(kind: .between, first: tables.pool.intern(scheme), second: tables.pool.intern(suffix)))
          index = .suffix(suffix)
        }
      } else if text.last == UInt8(ascii: "*") {
        let prefix = scheme + text.dropLast()
        patterns.append(Pattern(kind: .prefix, first: tables.pool.intern(prefix)))
        index = .prefix(prefix)
      } else {
        patterns.append(Pattern(kind: .exact, first: tables.pool.intern(scheme + text)))
        index = .exact(scheme + text)
      }
      keys.append(identityKey(index))
    }
    let isExact = keys.allSatisfy { key in
      switch key.pattern {
      case .exact, .prefix: true
      default: false
      }
    }
    return Value(patterns: patterns, keys: keys, isExactKey: isExact)
  }

  func identityKey(_ pattern: IndexPattern) -> IndexKey {
    IndexKey(dimension: Dimension(text: .identity, name: Literal()), pattern: pattern)
  }

  func workloadKey(_ pattern: IndexPattern) -> IndexKey {
    IndexKey(dimension: Dimension(text: .workloadPath, name: Literal()), pattern: pattern)
  }

  /// Anything, `/ns/`, the value with its stars as runs, `/`, anything.
  private mutating func namespace(_ text: [UInt8]) -> Value {
    let pattern = Pattern(
      kind: mesh.hasWildDots ? .wildGlob : .glob, first: tables.pool.intern(Array("*/ns/".utf8) + text + Array("/*".utf8)))
    let slash = UInt8(ascii: "/")
    if mesh.hasWildDots, text.contains(Self.dot) {
      let head = text.prefix { $0 != Self.dot && $0 != UInt8(ascii: "*") }
      return Value(patterns: [pattern], keys: [workloadKey(head.isEmpty ? .always : .prefix(Array(head)))], isExactKey: false)
    }
    let star = text.firstIndex(of: UInt8(ascii: "*"))
    let head = Array(text[..<(star ?? text.count)])
    if star == nil { return Value(patterns: [pattern], keys: [workloadKey(.prefix(head + [slash]))], isExactKey: !head.contains(slash)) }
    if star == 0, !text.dropFirst().isEmpty, !text.dropFirst().contains(UInt8(ascii: "*")) {
      let key = IndexKey(dimension: Dimension(text: .workloadNamespace, name: Literal()), pattern: .suffix(Array(text.dropFirst())))
      return Value(patterns: [pattern], keys: [key], isExactKey: false)
    }
    if head.isEmpty { return Value(patterns: [pattern], keys: [workloadKey(.always)], isExactKey: false) }
    let isPlainPrefix = star == text.count - 1 && !head.contains(slash)
    return Value(patterns: [pattern], keys: [workloadKey(.prefix(head))], isExactKey: isPlainPrefix)
  }

  private mutating func serviceAccount(_ text: [UInt8], policyNamespace: ExactText) -> Value? {
    let parts = text.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
    let (namespace, name) = parts.count == 2 ? (parts[0], parts[1]) : (policyNamespace.bytes, text)
    guard parts.count <= 2, !namespace.isEmpty, !name.isEmpty else { return nil }
    if mesh.hasWildDots, (namespace + name).contains(Self.dot) {
      let pattern = Pattern(kind: .wildServiceAccount, first: tables.pool.intern(namespace), second: tables.pool.intern(name))
      return Value(patterns: [pattern], keys: [workloadKey(.always)], isExactKey: false)
    }
    let pattern = Pattern(kind: .serviceAccount, first: tables.pool.intern(namespace), second: tables.pool.intern(name))
    return Value(patterns: [pattern], keys: [workloadKey(.exact(namespace + Array("/sa/".utf8) + name))], isExactKey: true)
  }

  /// `spiffe://`, the value, a slash; a star is a run without slashes. A condition's value may hold slashes of its own (Istio: validation
  /// refuses them in the field only).
  private mutating func trustDomain(_ value: ExactText) -> Value {
    let scheme = Array("spiffe://".utf8)
    let slash = UInt8(ascii: "/")
    var result = Value(patterns: [], keys: [], isExactKey: false)
    for text in mesh.expandingTrustDomain(value).map(\.bytes) {
      if text == [UInt8(ascii: "*")] {
        result.patterns.append(Pattern(kind: .prefix, first: tables.pool.intern(scheme)))
        result.keys.append(identityKey(.prefix(scheme)))
      } else if text.first == UInt8(ascii: "*") {
        result.patterns.append(Pattern(kind: .domainSuffix, first: tables.pool.intern(text.dropFirst() + [slash])))
        result.keys.append(identityKey(.prefix(scheme)))
      } else if text.last == UInt8(ascii: "*") {
        result.patterns.append(Pattern(kind: .domainPrefix, first: tables.pool.intern(scheme + text.dropLast())))
        result.keys.append(identityKey(.prefix(scheme + text.dropLast())))
      } else {
        let prefix = scheme + text + [slash]
        result.patterns.append(Pattern(kind: .prefix, first: tables.pool.intern(prefix)))
        result.keys.append(identityKey(.prefix(prefix)))
      }
    }
    return result
  }

  // MARK: Numbers

  private mutating func block(_ value: ExactText, _ dimension: Dimension.Text) -> Value? {
    guard let block = AddressBlock(value.string) else { return nil }
    tables.blocks.append(block)
    let pattern = Pattern(kind: .block, number: UInt32(truncatingIfNeeded: tables.blocks.count - 1))
    return Value(
      patterns: [pattern], keys: [IndexKey(dimension: Dimension(text: dimension, name: Literal()), pattern: .block(block))],
      isExactKey: true)
  }

  /// An unsigned decimal of at most 65535; `080` is 80 (Istio).
  private static func port(_ text: [UInt8]) -> UInt16? {
    guard !text.isEmpty, text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt16(String(decoding: text, as: UTF8.self))
  }

  // MARK: Tokens and metadata

  /// Issuer and subject, split at the last slash (Istio: requestPrincipals).
  private mutating func requestPrincipal(_ text: [UInt8]) -> Value {
    let star = UInt8(ascii: "*")
    let slash = text.lastIndex(of: UInt8(ascii: "/"))
    let left = slash.map { Array(text[..<$0]) } ?? text
    let right = slash.map { Array(text[($0 + 1)...]) } ?? []
    let issuer: IndexPattern
    let subject: IndexPattern
    if text == [star] {
      (issuer, subject) = (.always, .always)
    } else if text.first == star {
      issuer = slash == nil || left == [star] ? .always : .suffix(Array(left.dropFirst()))
      subject = slash == nil ? .suffix(Array(text.dropFirst())) : .exact(right)
    } else if text.last == star {
      issuer = slash == nil ? .prefix(Array(text.dropLast())) : .exact(left)
      subject = slash == nil || right == [star] ? .always : .prefix(Array(right.dropLast()))
    } else {
      (issuer, subject) = (.exact(left), .exact(right))
    }
    let number = UInt32(truncatingIfNeeded: tables.patterns.count)
    let (issuerPattern, subjectPattern) = (pattern(issuer), pattern(subject))
    tables.patterns.append(issuerPattern)
    tables.patterns.append(subjectPattern)
    let (claim, index): ([ExactText], IndexPattern) = subject == .always ? (["iss"], issuer) : (["sub"], subject)
    let key = IndexKey(dimension: Dimension(text: .claim, name: claimPath(claim)), pattern: index)
    return Value(patterns: [Pattern(kind: .issuerAndSubject, number: number)], keys: [key], isExactKey: false)
  }

  /// A pattern on a claim, where *always* means not empty.
  private mutating func pattern(_ index: IndexPattern) -> Pattern {
    switch index {
    case .exact(let text): Pattern(kind: .exact, first: tables.pool.intern(text))
    case .prefix(let text): Pattern(kind: .prefix, first: tables.pool.intern(text))
    case .suffix(let text): Pattern(kind: .suffix, first: tables.pool.intern(text))
    case .always, .block, .number: Pattern(kind: .nonEmpty)
    }
  }

  /// The encoded path of claim names, interned.
  mutating func claimPath(_ names: [ExactText]) -> Literal {
    var path: [UInt8] = []
    for name in names { Request.appendPathComponent(name.bytes.span, to: &path) }
    return tables.pool.intern(path)
  }

  /// `[v]` is a list with an element that matches `v`, all outer brackets trimmed; anything else is a string.
  private mutating func metadata(_ text: [UInt8], name: Literal) -> Value {
    let brackets: Set<UInt8> = [UInt8(ascii: "["), UInt8(ascii: "]")]
    let dimension = Dimension(text: .metadata, name: name)
    guard text.first == UInt8(ascii: "["), text.last == UInt8(ascii: "]") else {
      let (pattern, index) = stringPattern(text, star: .nonEmpty)
      return Value(patterns: [pattern], keys: [IndexKey(dimension: dimension, pattern: index)], isExactKey: false)
    }
    var inner = text[...]
    while let first = inner.first, brackets.contains(first) { inner.removeFirst() }
    while let last = inner.last, brackets.contains(last) { inner.removeLast() }
    let (pattern, index) = stringPattern(Array(inner), star: .nonEmpty)
    let number = UInt32(truncatingIfNeeded: tables.patterns.count)
    tables.patterns.append(pattern)
    return Value(
      patterns: [Pattern(kind: .element, number: number)], keys: [IndexKey(dimension: dimension, pattern: index)], isExactKey: false)
  }
}
