// One test against one request: the fast path's inner loop.
// Enters: a test, a request. Leaves: yes, no, or unknown with its reason.
// Never here: allocation, `String`, recursion, or a trap: every range was checked when it was built.

internal import PolicyModel

/// A truth value in one byte: 0 no, 1 yes, otherwise unknown for the reason with the raw value minus 2.
struct Outcome: Sendable, Equatable {
  let raw: UInt8

  static let no = Outcome(raw: 0)
  static let yes = Outcome(raw: 1)

  static func unknown(_ reason: Reason) -> Outcome { Outcome(raw: reason.rawValue + 2) }

  init(raw: UInt8) { self.raw = raw }
  init(_ isTrue: Bool) { raw = isTrue ? 1 : 0 }

  var isUnknown: Bool { raw > 1 }
  var reason: Reason { Reason(rawValue: raw > 1 ? raw - 2 : 0) ?? .internalError }
  var negated: Outcome { raw > 1 ? self : Outcome(raw: raw ^ 1) }
}

extension CompiledPolicies {
  /// Whether the test holds.
  func evaluate(_ test: Test, _ request: borrowing Request) -> Outcome {
    let outcome = positive(test, request)
    return test.isNegated ? outcome.negated : outcome
  }

  private func positive(_ test: Test, _ request: borrowing Request) -> Outcome {
    switch test.subject {
    case .principal, .namespace, .serviceAccount, .trustDomain:
      guard request.isPeerKnown else { return .unknown(.unknownPeer) }
      for identity in request.identities where request.isTested(identity) && matches(test, identity, request) { return .yes }
      return .no
    case .ztunnelPrincipal, .ztunnelNamespace, .ztunnelServiceAccount: return ztunnelPeer(test, request)
    case .sourceIP: return address(test, request.sourceIP)
    case .remoteIP: return address(test, request.remoteIP)
    case .destinationIP: return address(test, request.destinationIP)
    case .port: return port(test, request)
    case .host:
      guard request.host.knowledge == .present else { return text(test, request.host, request) }
      return Outcome(matchesAny(test, request.bytes(request.foldedHost)))
    case .authority: return text(test, request.host, request)
    case .method: return text(test, request.method, request)
    case .path: return text(test, request.path, request)
    case .target: return text(test, request.target, request)
    case .sni: return text(test, request.sni, request)
    case .header: return header(test, request)
    case .claim: return claim(test, request)
    case .requestPrincipal: return requestPrincipal(test, request)
    case .metadata: return metadata(test, request)
    }
  }

  /// The bytes of a text.
  @inline(__always)
  @_lifetime(borrow self)
  func literal(_ literal: Literal) -> Span<UInt8> {
    literals.span.extracting(Int(literal.start)..<Int(literal.start) + Int(literal.count))
  }

  private func text(_ test: Test, _ field: Request.TextField, _ request: borrowing Request) -> Outcome {
    switch field.knowledge {
    case .unknown: .unknown(field.reason)
    case .absent: .no
    case .present: Outcome(matchesAny(test, request.bytes(field.slice)))
    }
  }

  private func address(_ test: Test, _ field: Request.AddressField) -> Outcome {
    switch field.knowledge {
    case .unknown: return .unknown(field.reason)
    case .absent: return .no
    case .present: break
    }
    if test.lookup != .max { return Outcome(search.hasMatch(lookups[Int(test.lookup)], field.address)) }
    for index in test.patterns.range where blocks[Int(patterns[index].number)].contains(field.address) { return .yes }
    return .no
  }

  private func port(_ test: Test, _ request: borrowing Request) -> Outcome {
    guard request.isPortKnown else { return .unknown(.unknownPort) }
    if test.lookup != .max { return Outcome(search.hasMatch(lookups[Int(test.lookup)], UInt64(request.port))) }
    for index in test.patterns.range where patterns[index].number == UInt32(request.port) { return .yes }
    return .no
  }

  private func header(_ test: Test, _ request: borrowing Request) -> Outcome {
    guard request.areHeadersKnown else { return .unknown(.unknownHeaders) }
    var isAmbiguous = false
    var isThere = false
    for index in request.headers.indices {
      let line = request.headers[index]
      guard equal(request.bytes(line.name), literal(test.name)) else { continue }
      if line.isAmbiguous {
        if test.patterns.range.contains(where: { patterns[$0].kind == .present }) { return .yes }
        isAmbiguous = true
      } else if matchesAny(test, request.bytes(line.value)) {
        return .yes
      }
      isThere = true
    }
    // Every HTTP request has a scheme; a proxy that did not send it withheld it.
    if !isThere, test.name == names.schemeHeader { return .unknown(.unknownHeaders) }
    return isAmbiguous ? .unknown(.ambiguousHeader) : .no
  }

  private func claim(_ test: Test, _ request: borrowing Request) -> Outcome {
    guard request.areClaimsKnown, !request.areClaimsHidden else { return .unknown(.unknownClaims) }
    for index in request.claims.indices {
      let entry = request.claims[index]
      if equal(request.bytes(entry.path), literal(test.name)), matchesAny(test, request.bytes(entry.value)) { return .yes }
    }
    return .no
  }

  private func requestPrincipal(_ test: Test, _ request: borrowing Request) -> Outcome {
    guard request.areClaimsKnown, !request.areClaimsHidden else { return .unknown(.unknownClaims) }
    for index in test.patterns.range {
      let number = Int(patterns[index].number)
      if hasClaim(names.issuerPath, patterns[number], request), hasClaim(names.subjectPath, patterns[number + 1], request) { return .yes }
    }
    return .no
  }

  private func hasClaim(_ path: Literal, _ pattern: Pattern, _ request: borrowing Request) -> Bool {
    for index in request.claims.indices {
      let entry = request.claims[index]
      if !entry.isListElement, equal(request.bytes(entry.path), literal(path)), matches(pattern, request.bytes(entry.value)) { return true }
    }
    return false
  }

  private func metadata(_ test: Test, _ request: borrowing Request) -> Outcome {
    guard request.isMetadataComplete || isFilterKnown(test.name, request) else { return .unknown(.unknownMetadata) }
    for position in request.metadata.indices {
      let entry = request.metadata[position]
      guard equal(request.bytes(entry.path), literal(test.name)) else { continue }
      for index in test.patterns.range {
        let pattern = patterns[index]
        let isElement = pattern.kind == .element
        guard isElement == entry.isListElement else { continue }
        if matches(isElement ? patterns[Int(pattern.number)] : pattern, request.bytes(entry.value)) { return .yes }
      }
    }
    return .no
  }

  /// Whether the proxy sent the metadata of the filter, the first component of the encoded path.
  private func isFilterKnown(_ path: Literal, _ request: borrowing Request) -> Bool {
    let path = literal(path)
    for index in request.metadataFilters.indices {
      let filter = request.bytes(request.metadataFilters[index])
      if path.count >= 4 + filter.count, Request.componentLength(path) == filter.count,
        equal(path.extracting(4..<4 + filter.count), filter)
      {
        return true
      }
    }
    return false
  }
}

extension Request {
  /// The bytes of a slice.
  @inline(__always)
  @_lifetime(borrow self)
  func bytes(_ slice: Slice) -> Span<UInt8> {
    storage.span.extracting(Int(slice.start)..<Int(slice.start) + Int(slice.count))
  }

  /// The length of the first component of an encoded path of at least four bytes.
  static func componentLength(_ path: Span<UInt8>) -> Int {
    Int(path[0]) | Int(path[1]) << 8 | Int(path[2]) << 16 | Int(path[3]) << 24
  }
}
