// One text or identity against the patterns of one test.
// Enters: bytes. Leaves: yes or no. Never here: anything that is not known; whoever calls has settled that.

internal import PolicyModel

extension CompiledPolicies {
  /// Whether one of the test's patterns matches the text.
  func matchesAny(_ test: Test, _ text: Span<UInt8>) -> Bool {
    if test.lookup != .max, isFound(test.lookup, text) { return true }
    let end = Int(test.patterns.start) + Int(test.lookup == .max ? test.patterns.count : test.uncovered)
    for index in Int(test.patterns.start)..<end where matches(patterns[index], text) { return true }
    return false
  }

  /// Whether the text satisfies any pattern of a lookup.
  private func isFound(_ lookup: UInt32, _ text: Span<UInt8>) -> Bool {
    search.hasMatch(lookups[Int(lookup)], text, in: literals.span)
  }

  /// Whether one of the test's patterns matches an identity.
  func matches(_ test: Test, _ identity: Request.Identity, _ request: borrowing Request) -> Bool {
    let text = request.bytes(identity.slice)
    let readsWorkloadPath = test.subject == .namespace || test.subject == .serviceAccount
    if readsWorkloadPath, identity.form == .plain { return false }
    var count = test.patterns.count
    if test.lookup != .max {
      if !readsWorkloadPath {
        if isFound(test.lookup, text) { return true }
        count = test.uncovered
      } else if identity.form == .istio {
        if isFound(test.lookup, request.bytes(identity.workloadPath)) { return true }
        count = test.uncovered
      }
    }
    for index in Int(test.patterns.start)..<Int(test.patterns.start) + Int(count) where matches(patterns[index], text) { return true }
    return false
  }

  /// Whether the pattern matches the text.
  func matches(_ pattern: Pattern, _ text: Span<UInt8>) -> Bool {
    switch pattern.kind {
    case .exact: equal(text, literal(pattern.first))
    case .prefix: hasPrefix(text, literal(pattern.first))
    case .suffix: hasSuffix(text, literal(pattern.first))
    case .nonEmpty: text.count > 0
    case .present: true
    case .between:
      text.count >= Int(pattern.first.count) + Int(pattern.second.count) && hasPrefix(text, literal(pattern.first))
        && hasSuffix(text, literal(pattern.second))
    case .glob: matchesGlob(literal(pattern.first), text, isWild: false)
    case .wildGlob: matchesGlob(literal(pattern.first), text, isWild: true)
    case .serviceAccount: matchesServiceAccount(pattern, text, isWild: false)
    case .wildServiceAccount: matchesServiceAccount(pattern, text, isWild: true)
    case .domainPrefix: hasPrefix(text, literal(pattern.first)) && firstSlash(text, from: Int(pattern.first.count)) != nil
    case .domainSuffix: matchesDomainSuffix(literal(pattern.first), text)
    case .template: matchesTemplate(pattern.number, text)
    case .issuerAndSubject, .block, .port, .element: false
    }
  }

  /// Stars are any run of bytes; the classic two-pointer walk that returns to the last star. Wild: dots are any byte.
  private func matchesGlob(_ pattern: Span<UInt8>, _ text: Span<UInt8>, isWild: Bool) -> Bool {
    let star = UInt8(ascii: "*")
    let dot = UInt8(ascii: ".")
    var at = 0
    var textAt = 0
    var lastStar = -1
    var resumeAt = 0
    while textAt < text.count {
      if at < pattern.count, pattern[at] == star {
        lastStar = at
        resumeAt = textAt
        at += 1
      } else if at < pattern.count, pattern[at] == text[textAt] || (isWild && pattern[at] == dot) {
        at += 1
        textAt += 1
      } else if lastStar >= 0 {
        at = lastStar + 1
        resumeAt += 1
        textAt = resumeAt
      } else {
        return false
      }
    }
    while at < pattern.count, pattern[at] == star { at += 1 }
    return at == pattern.count
  }

  /// `spiffe://`, something, `/ns/NAMESPACE/`, optional segments, `sa/ACCOUNT`, then the end or a slash and more (Istio: serviceAccounts).
  /// Whatever fits behind a later `/ns/NAMESPACE/` also fits behind the first, so one pass is enough. O(n).
  private func matchesServiceAccount(_ pattern: Pattern, _ text: Span<UInt8>, isWild: Bool) -> Bool {
    let slash = UInt8(ascii: "/")
    let account = literal(pattern.second)
    guard hasPrefix(text, literal(names.scheme)), let tail = endOfNamespace(literal(pattern.first), text, isWild) else { return false }
    var at = tail
    while at + 3 + account.count <= text.count {
      let end = at + 3 + account.count
      let mayStart = at == tail || (at >= tail + 2 && text[at - 1] == slash)
      if mayStart, hasPrefix(text.extracting(at..<end), literal(names.account)), same(text.extracting(at + 3..<end), account, isWild),
        end == text.count || (text[end] == slash && end + 1 < text.count)
      {
        return true
      }
      at += 1
    }
    return false
  }

  /// Where the text goes on behind the first `/ns/NAMESPACE/` that has at least one byte between the scheme and itself.
  private func endOfNamespace(_ namespace: Span<UInt8>, _ text: Span<UInt8>, _ isWild: Bool) -> Int? {
    let slash = UInt8(ascii: "/")
    var start = 10
    while start + 5 + namespace.count <= text.count {
      let tail = start + 5 + namespace.count
      if text[start] == slash, text[tail - 1] == slash, hasPrefix(text.extracting(start..<tail), literal(names.namespace)),
        same(text.extracting(start + 4..<tail - 1), namespace, isWild)
      {
        return tail
      }
      start += 1
    }
    return nil
  }

  /// Whether a text is the wanted one, in which, if wild, dots are any byte.
  private func same(_ text: Span<UInt8>, _ wanted: Span<UInt8>, _ isWild: Bool) -> Bool {
    guard isWild else { return equal(text, wanted) }
    guard text.count == wanted.count else { return false }
    for index in text.indices where text[index] != wanted[index] && wanted[index] != UInt8(ascii: ".") { return false }
    return true
  }

  /// The text's first slash behind the scheme is the pattern's first slash.
  private func matchesDomainSuffix(_ suffix: Span<UInt8>, _ text: Span<UInt8>) -> Bool {
    let scheme = literal(names.scheme)
    guard hasPrefix(text, scheme), let own = firstSlash(suffix, from: 0), let end = firstSlash(text, from: scheme.count) else {
      return false
    }
    let start = end - own
    return start >= scheme.count && hasPrefix(text.extracting(start..<text.count), suffix)
  }

  private func firstSlash(_ text: Span<UInt8>, from start: Int) -> Int? {
    var index = start
    while index < text.count {
      if text[index] == UInt8(ascii: "/") { return index }
      index += 1
    }
    return nil
  }
}
