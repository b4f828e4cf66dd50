// What becomes of a request before its rules are tried.
// Enters: a request as a door filled it. Leaves: the same as this kind of proxy, in this mesh, would see it.
// Never here: a request that is admitted twice and changed twice: every step leaves what it has already done alone.

internal import PolicyModel

/// What stands in front of the policies.
enum Gate: Equatable {
  case open
  /// The request is denied for this reason.
  case closed(Reason)
  /// Whether it is open depends on something that is not known.
  case unknown(Reason)
}

extension Request {
  /// Joins repeated header lines by commas, as proxies did before each line was matched alone (Envoy before CVE-2026-26308). A value that
  /// the proxy has joined is then what policies see.
  mutating func joinHeaderLines() {
    var joined: [HeaderLine] = []
    for index in headers.indices {
      var line = headers[index]
      line.isAmbiguous = false
      guard let first = joined.firstIndex(where: { equal(bytes($0.name), bytes(line.name)) }) else {
        joined.append(line)
        continue
      }
      let start = storage.count
      copyToEnd(joined[first].value)
      storage.append(UInt8(ascii: ","))
      copyToEnd(line.value)
      joined[first].value = Slice(
        start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: storage.count - start))
    }
    headers = joined
  }

  private mutating func copyToEnd(_ slice: Slice) {
    for index in Int(slice.start)..<Int(slice.start) + Int(slice.count) { storage.append(storage[index]) }
  }
}
