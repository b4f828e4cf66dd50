// Which headers of a request a decision can depend on.
// Enters: compiled rules. Leaves: yes or no for a name, so that a door need not copy the other headers.
// Never here: a no for a header that any rule tests, or that decides whether a request is a CORS preflight.

/// The names of headers that decisions read, in lower case.
struct HeaderInterest: Sendable {
  /// The names, end to end.
  private var bytes: [UInt8] = []
  /// Where each name ends.
  private var ends: [Int] = []
  /// A bit for each length that a name has; 63 stands for all longer ones.
  private var lengths: UInt64 = 0
  /// Names are compared one by one, so beyond this many every header counts.
  private static let limit = 32
  private var countsAll = false

  /// The names that these rules test, and those that the token's filter looks at (Envoy: `bypass_cors_preflight`).
  init(_ namespaces: [CompiledNamespace]) {
    for name in Request.preflightHeaders { add(name.span) }
    for name in namespaces.reduce(into: Set<[UInt8]>(), { $0.formUnion($1.headers) }).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      add(name.span)
    }
  }

  private mutating func add(_ name: Span<UInt8>) {
    if contains(name) { return }
    guard ends.count < Self.limit else {
      countsAll = true
      return
    }
    for index in name.indices { bytes.append(name[index]) }
    ends.append(bytes.count)
    lengths |= Self.bit(of: name.count)
  }

  /// Whether a name, in any case, is among them. Without allocation; O(length of the name) for most names.
  func contains(_ name: Span<UInt8>) -> Bool {
    if countsAll { return true }
    guard lengths & Self.bit(of: name.count) != 0 else { return false }
    var start = 0
    for index in ends.indices {
      let end = ends[index]
      if end - start == name.count, isEqual(name, at: start) { return true }
      start = end
    }
    return false
  }

  private func isEqual(_ name: Span<UInt8>, at start: Int) -> Bool {
    for index in name.indices where Request.lowercased(name[index]) != bytes[start + index] { return false }
    return true
  }

  private static func bit(of length: Int) -> UInt64 { 1 << UInt64(min(length, 63)) }
}

extension Snapshot {
  /// Whether a decision by this snapshot can depend on the header lines of this name, in any case. A door may leave out the lines of all
  /// other names, and must still say that headers are known. O(length of the name) for most names, without allocation.
  public func testsHeader(_ name: Span<UInt8>) -> Bool { headerInterest.contains(name) }
}
