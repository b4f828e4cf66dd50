// From a decision to the reply that the bridge encodes.
// Enters: a decision, the snapshot that made it. Leaves: borrowed texts in the worker's own buffer, valid until the worker's next request.
// Never here: an allow that is not a decision's verdict `allow`; undecided is a denial with its reason.

internal import CExtAuthz
internal import PolicyEngine
internal import PolicyModel

/// One worker's writer. Not shared; it owns its buffer.
@safe struct ReplyWriter: ~Copyable {
  private let denialStatus: UInt32
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  private static let capacity = 8192
  /// Names that Kubernetes accepts are at most about 550 bytes; the end of a longer one is cut, so that three of them (policy, dry run,
  /// audit) leave room for the rest of the reply.
  private static let longestName = 2048
  private var used = idLength
  /// The buffer begins with the last decision's number: 16 hexadecimal digits for this process, 4 for this worker, 12 that count.
  private static let idLength = 32
  private static let countedDigits = 12

  init(_ belief: Belief, worker: UInt32, processID: UInt64) {
    denialStatus = belief.denialStatus
    unsafe buffer = .allocate(capacity: Self.capacity)
    unsafe buffer.initialize(repeating: 0)
    for place in 0..<Self.idLength {
      let (number, digit) = place < 16 ? (processID, 15 - place) : place < 20 ? (UInt64(worker), 19 - place) : (0, 0)
      let value = UInt8(truncatingIfNeeded: number >> UInt64(digit * 4) & 15)
      unsafe buffer[place] = value < 10 ? 0x30 + value : 0x57 + value
    }
  }

  deinit {
    unsafe buffer.deallocate()
  }

  /// Writes the reply.
  mutating func write(_ decision: Decision, _ snapshot: Snapshot, isTCP: Bool, to reply: UnsafeMutablePointer<extauthz_reply>) {
    used = Self.idLength
    let isAllowed = decision.verdict == .allow
    unsafe reply.pointee.outcome = isAllowed ? Int32(EXTAUTHZ_ALLOW) : Int32(EXTAUTHZ_DENY)
    unsafe reply.pointee.is_tcp = isTCP
    if !isAllowed {
      unsafe reply.pointee.http_status = denialStatus
      unsafe reply.pointee.message = text(decision.reason.code)
    }
    let pairs = unsafe MetadataWriter(reply: reply)
    unsafe pairs.add("decision", text(isAllowed ? "allow" : "deny"))
    unsafe pairs.add("policy", ruleName(decision.rule, snapshot))
    unsafe pairs.add("reason", text(decision.reason.code))
    unsafe pairs.add("snapshot", copy(snapshot.contentHashBytes))
    unsafe pairs.add("decision_id", nextID())
    if let verdict = decision.dryRun.verdict { unsafe pairs.add("dry_run", dryRun(verdict, decision.dryRun.rule, snapshot)) }
    if decision.audit != .none { unsafe pairs.add("audit", ruleName(decision.audit, snapshot)) }
  }

  private func text(_ text: StaticString) -> extauthz_bytes {
    unsafe extauthz_bytes(data: text.utf8Start, size: text.utf8CodeUnitCount)
  }

  /// Copies bytes behind what is there, at most up to `end`.
  private mutating func append(_ bytes: Span<UInt8>, before end: Int) {
    let count = min(bytes.count, end - used)
    guard let target = unsafe buffer.baseAddress, count > 0 else { return }
    unsafe bytes.withUnsafeBufferPointer { source in
      if let first = source.baseAddress { unsafe (target + used).update(from: first, count: count) }
    }
    used += count
  }

  /// What was written since `start`.
  private func written(since start: Int) -> extauthz_bytes {
    unsafe extauthz_bytes(data: UnsafePointer(buffer.baseAddress.map { unsafe $0 + start }), size: used - start)
  }

  private mutating func appendName(_ rule: RuleReference, _ snapshot: Snapshot) {
    let end = min(used + Self.longestName, Self.capacity)
    snapshot.forEachNamePiece(of: rule) { append($0, before: end) }
  }

  private mutating func copy(_ bytes: [UInt8]) -> extauthz_bytes {
    let start = used
    append(bytes.span, before: Self.capacity)
    return unsafe written(since: start)
  }

  private mutating func ruleName(_ rule: RuleReference, _ snapshot: Snapshot) -> extauthz_bytes {
    guard rule != .none else { return unsafe text("none") }
    let start = used
    appendName(rule, snapshot)
    return unsafe written(since: start)
  }

  /// `deny ns[..]-policy[..]-rule[..]`, or the verdict alone.
  private mutating func dryRun(_ verdict: Verdict, _ rule: RuleReference, _ snapshot: Snapshot) -> extauthz_bytes {
    guard rule != .none else { return unsafe text(verdict.name) }
    let start = used
    for index in 0..<verdict.name.utf8CodeUnitCount where used < Self.capacity {
      unsafe buffer[used] = verdict.name.utf8Start[index]
      used += 1
    }
    if used < Self.capacity {
      unsafe buffer[used] = UInt8(ascii: " ")
      used += 1
    }
    appendName(rule, snapshot)
    return unsafe written(since: start)
  }

  /// The number of the next decision.
  private mutating func nextID() -> extauthz_bytes {
    var place = Self.idLength - 1
    while place >= Self.idLength - Self.countedDigits {
      let digit = unsafe buffer[place]
      if digit != UInt8(ascii: "f") {
        unsafe buffer[place] = digit == UInt8(ascii: "9") ? UInt8(ascii: "a") : digit &+ 1
        break
      }
      unsafe buffer[place] = UInt8(ascii: "0")
      place -= 1
    }
    return unsafe extauthz_bytes(data: UnsafePointer(buffer.baseAddress), size: Self.idLength)
  }
}

/// Adds pairs to the reply's dynamic metadata; beyond the limit they are left out.
@safe private struct MetadataWriter {
  let reply: UnsafeMutablePointer<extauthz_reply>

  func add(_ key: StaticString, _ value: extauthz_bytes) {
    let index = unsafe Int(reply.pointee.metadata_count)
    let pair = unsafe extauthz_pair(key: extauthz_bytes(data: key.utf8Start, size: key.utf8CodeUnitCount), value: value)
    unsafe withUnsafeMutablePointer(to: &reply.pointee.metadata) { tuple in
      unsafe tuple.withMemoryRebound(to: extauthz_pair.self, capacity: Int(EXTAUTHZ_REPLY_METADATA_LIMIT)) { pairs in
        if index < Int(EXTAUTHZ_REPLY_METADATA_LIMIT) {
          unsafe pairs[index] = pair
          unsafe reply.pointee.metadata_count += 1
        }
      }
    }
  }
}
