// What becomes of a request before its rules are tried.
// Enters: a request as a door filled it. Leaves: the same as this kind of proxy, in this mesh, would see it.
// Never here: a request that is admitted twice and changed twice: every step leaves what it has already done alone.

internal import PolicyModel

/// What stands in front of the policies.
enum Gate: Equatable, BitwiseCopyable {
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
    guard headers.count > 1 || headers.contains(where: \.isAmbiguous) else { return }
    /// The lines of each name, in the order in which the names first came.
    var order: [[UInt8]: Int] = [:]
    var groups: [[HeaderLine]] = []
    for line in headers {
      let name = copy(line.name)
      if let group = order[name] {
        groups[group].append(line)
      } else {
        order[name] = groups.count
        groups.append([line])
      }
    }
    headers = groups.map { joined($0) }
  }

  /// One line of several; its value is written once.
  private mutating func joined(_ lines: [HeaderLine]) -> HeaderLine {
    var line = lines[0]
    line.isAmbiguous = false
    guard lines.count > 1 else { return line }
    let start = storage.count
    for (index, part) in lines.enumerated() {
      if index > 0 { storage.append(UInt8(ascii: ",")) }
      for at in Int(part.value.start)..<Int(part.value.start) + Int(part.value.count) { storage.append(storage[at]) }
    }
    line.value = Slice(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: storage.count - start))
    return line
  }
}
