// What is said about a decision: response details, dynamic metadata, a number for the log.
// Enters: decisions. Leaves: bytes in room of fixed size, which a worker owns. Never here: memory that grows with a request.

internal import CEnvoyModule
internal import CPortcullis
internal import Glibc

/// A text of limited length; what does not fit is cut off. Used by one worker.
@safe final class ShortText {
  private static let capacity = 1_024
  private let room: UnsafeMutablePointer<CChar>
  private var count = 0

  init() {
    unsafe room = .allocate(capacity: Self.capacity)
    unsafe room.initialize(repeating: 0, count: Self.capacity)
  }

  deinit { unsafe room.deallocate() }

  /// The text, lent until it changes.
  var bytes: portcullis_bytes { unsafe portcullis_bytes(data: room, size: count) }

  func begin() { count = 0 }

  func add(_ bytes: portcullis_bytes) {
    guard let start = unsafe bytes.data else { return }
    let added = unsafe max(0, min(bytes.size, Self.capacity &- count))
    unsafe memcpy(room + count, start, added)
    count &+= added
  }

  func add(_ text: StaticString) { unsafe add(portcullis_bytes(text)) }

  func add(character: CChar) {
    guard count < Self.capacity else { return }
    unsafe room[count] = character
    count &+= 1
  }

  /// Adds one to the hexadecimal number that the last `digits` characters are.
  func advance(digits: Int) {
    var place = count &- 1
    while place >= 0, place >= count &- digits {
      let digit = unsafe room[place]
      if digit != 0x66 {
        unsafe room[place] = digit == 0x39 ? 0x61 : digit &+ 1
        return
      }
      unsafe room[place] = 0x30
      place &-= 1
    }
  }
}

extension portcullis_decision {
  var isAllowed: Bool { unsafe outcome == Int32(PORTCULLIS_ALLOW) }
  var reasonText: portcullis_bytes { unsafe portcullis_text(reason_code) }
}

/// One worker's words about decisions. Used by its worker only.
@safe final class DecisionReport {
  private static let mostPairs = 7
  private static let process = UInt64.random(in: .min ... .max)
  private let details = ShortText()
  private let dryRun = ShortText()
  /// As the server writes it: 16 digits of the process, 4 of the worker, 12 that count.
  private let id = ShortText()
  private let pairs: UnsafeMutablePointer<envoy_pair>
  private var count = 0

  init(_ worker: UInt32) {
    unsafe pairs = .allocate(capacity: Self.mostPairs)
    unsafe pairs.initialize(repeating: envoy_pair(), count: Self.mostPairs)
    for place in 0..<32 {
      let (number, digit) = place < 16 ? (Self.process, 15 - place) : place < 20 ? (UInt64(worker), 19 - place) : (0, 0)
      let value = CChar(truncatingIfNeeded: number >> UInt64(digit * 4) & 15)
      id.add(character: value < 10 ? 0x30 + value : 0x57 + value)
    }
  }

  deinit { unsafe pairs.deallocate() }

  /// `rbac_access_denied_matched_policy[NAME]`, as Envoy's own filter says it; `rbac_access_denied_undecided[REASON]` where no policy matched
  /// because something is not known; `rbac_access_denied_failed` after an error.
  func denialDetails(_ decision: borrowing portcullis_decision, isChecked: Bool) -> portcullis_bytes {
    guard isChecked else { return unsafe portcullis_bytes("rbac_access_denied_failed") }
    details.begin()
    if unsafe decision.outcome == Int32(PORTCULLIS_UNDECIDED) {
      details.add("rbac_access_denied_undecided[")
      unsafe details.add(decision.reasonText)
    } else {
      details.add("rbac_access_denied_matched_policy[")
      unsafe details.add(decision.policy.size > 0 ? decision.policy : portcullis_bytes("none"))
    }
    details.add("]")
    return unsafe details.bytes
  }

  /// The pairs of dynamic metadata, as the server's: `decision`, `policy`, `reason`, `snapshot`, `decision_id`, and where there is something to say
  /// `dry_run` and `audit`. Lent until the next decision, as long as `decision` stays where it is.
  func metadata(_ decision: UnsafeMutablePointer<portcullis_decision>) -> UnsafeBufferPointer<envoy_pair> {
    count = 0
    id.advance(digits: 12)
    unsafe add("decision", portcullis_bytes(decision.pointee.isAllowed ? "allow" : "deny"))
    unsafe add("policy", decision.pointee.policy.size > 0 ? decision.pointee.policy : portcullis_bytes("none"))
    unsafe add("reason", decision.pointee.reasonText)
    if let offset = unsafe MemoryLayout<portcullis_decision>.offset(of: \.snapshot) {
      let text = unsafe UnsafeRawPointer(decision).advanced(by: offset).assumingMemoryBound(to: CChar.self)
      unsafe add("snapshot", portcullis_bytes(data: text, size: strnlen(text, MemoryLayout.size(ofValue: decision.pointee.snapshot))))
    }
    unsafe add("decision_id", id.bytes)
    if unsafe decision.pointee.dry_run != Int32(PORTCULLIS_DRY_RUN_NONE) {
      dryRun.begin()
      dryRun.add(unsafe Self.name(dryRun: decision.pointee.dry_run))
      if unsafe decision.pointee.dry_run_policy.size > 0 {
        dryRun.add(" ")
        unsafe dryRun.add(decision.pointee.dry_run_policy)
      }
      unsafe add("dry_run", dryRun.bytes)
    }
    if unsafe decision.pointee.audit_policy.size > 0 { unsafe add("audit", decision.pointee.audit_policy) }
    return unsafe UnsafeBufferPointer(start: pairs, count: count)
  }

  private static func name(dryRun: Int32) -> StaticString {
    switch Int(dryRun) {
    case PORTCULLIS_DRY_RUN_ALLOW: "allow"
    case PORTCULLIS_DRY_RUN_DENY: "deny"
    default: "undecided"
    }
  }

  private func add(_ key: StaticString, _ value: portcullis_bytes) {
    guard count < Self.mostPairs else { return }
    unsafe pairs[count] = envoy_pair(name: portcullis_bytes(key), value: value)
    count &+= 1
  }
}
