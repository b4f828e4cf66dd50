// A decision on its way to the host.
// Enters: the host's memory, a decision and the names of its rules. Leaves: a filled struct. The memory says deny before anything is decided.
// Never here: a byte beyond the size that the host said, or one that stays as it was.

internal import CPortcullis
internal import Glibc
internal import PolicyEngine

extension Reason {
  /// The number in the header. The engine may order its table anew; the interface does not.
  var number: Int32 {
    switch self {
    case .internalError: 0
    case .badHint: 1
    case .wrongWorkload: 2
    case .unknownWorkload: 3
    case .ambiguousWorkload: 4
    case .unsupportedProfile: 5
    case .peerCertificateRejected: 6
    case .peerCertificateMissing: 7
    case .peerIdentityTooLong: 8
    case .policyUnusable: 9
    case .unknownService: 10
    case .mtlsRequired: 11
    case .untrustedDomain: 12
    case .tokenRequired: 13
    case .tokenRejected: 14
    case .customProviderUnusable: 15
    case .deniedByPolicy: 16
    case .noAllowMatched: 17
    case .allowedByPolicy: 18
    case .allowedByDefault: 19
    case .customProvider: 20
    case .unknownPeer: 21
    case .unknownPort: 22
    case .unknownSourceIP: 23
    case .unknownRemoteIP: 24
    case .unknownDestinationIP: 25
    case .unknownSNI: 26
    case .unknownMethod: 27
    case .unknownHost: 28
    case .unknownPath: 29
    case .pathNotNormalized: 30
    case .unknownHeaders: 31
    case .ambiguousHeader: 32
    case .unknownClaims: 33
    case .unknownMetadata: 34
    }
  }
}

extension Verdict {
  /// The number in the header.
  var number: Int32 {
    switch self {
    case .deny: Int32(PORTCULLIS_DENY)
    case .allow: Int32(PORTCULLIS_ALLOW)
    case .undecided: Int32(PORTCULLIS_UNDECIDED)
    }
  }
}

/// Where the host wants its decision.
@safe struct DecisionOut {
  private let start: UnsafeMutableRawPointer
  private let size: Int

  /// Believes the host's memory, and makes a denial of it; `refuse` or `answer` fills the rest.
  ///
  /// - Throws: for memory that can hold no decision; of a wrong size that is at least 8 the outcome is set all the same.
  init(_ decision: UnsafeMutablePointer<portcullis_decision>?) throws(Refusal) {
    guard let decision = unsafe decision,
      unsafe UInt(bitPattern: decision) % UInt(MemoryLayout<portcullis_decision>.alignment) == 0
    else { throw Refusal("decision: null or not aligned") }
    let size = unsafe Int(truncatingIfNeeded: decision.pointee.struct_size)
    let full = unsafe MemoryLayout<portcullis_decision>.size
    guard size == full || size == Self.basicSize else {
      if size >= 8 { unsafe decision.pointee.outcome = Int32(PORTCULLIS_DENY) }
      throw Refusal(.badStructSize)
    }
    unsafe start = UnsafeMutableRawPointer(decision)
    self.size = size
    unsafe decision.pointee.outcome = Int32(PORTCULLIS_DENY)
  }

  /// The smallest size that hosts may have.
  static let basicSize = unsafe MemoryLayout<portcullis_decision>.offset(of: \.policy) ?? MemoryLayout<portcullis_decision>.size

  /// A denial for which there is no reason yet.
  private var empty: portcullis_decision {
    var value = unsafe portcullis_decision()
    unsafe value.struct_size = UInt32(truncatingIfNeeded: size)
    unsafe value.reason_code = Reason.internalError.code.cString
    let none = unsafe portcullis_bytes(data: ("" as StaticString).cString, size: 0)
    unsafe value.policy = none
    unsafe value.dry_run_policy = none
    unsafe value.audit_policy = none
    return unsafe value
  }

  private func write(_ value: portcullis_decision) {
    unsafe withUnsafeBytes(of: value) { bytes in
      if let from = bytes.baseAddress { unsafe memcpy(start, from, min(size, bytes.count)) }
    }
  }

  /// Says that the call was refused.
  func refuse(_ refusal: Refusal) {
    var value = unsafe empty
    unsafe value.error = refusal.text.cString
    unsafe write(value)
  }

  /// Says what was decided. `names` keeps the rules' names.
  func answer(_ decision: Decision, _ snapshot: Snapshot, _ names: inout RuleNames) {
    var value = unsafe empty
    unsafe value.outcome = decision.verdict.number
    unsafe value.reason = decision.reason.number
    unsafe value.reason_code = decision.reason.code.cString
    if let verdict = decision.dryRun.verdict { unsafe value.dry_run = verdict.number + 1 }
    let hash = snapshot.contentHashBytes
    unsafe withUnsafeMutableBytes(of: &value.snapshot) { bytes in
      // The last byte stays a NUL.
      for index in 0..<min(hash.count, bytes.count - 1) { unsafe bytes[index] = hash[index] }
    }
    if size > Self.basicSize { unsafe names.lend(decision, snapshot, to: &value) }
    unsafe write(value)
  }
}

/// The names of rules that were lent last: copies, so that they outlive the snapshot they come from.
struct RuleNames: ~Copyable {
  private var policy = RuleName()
  private var dryRun = RuleName()
  private var audit = RuleName()

  /// Keeps the names of a decision's rules and puts them into `value`.
  mutating func lend(_ decision: Decision, _ snapshot: Snapshot, to value: inout portcullis_decision) {
    if let name = unsafe policy.keep(decision.rule, snapshot) { unsafe value.policy = name }
    if let name = unsafe dryRun.keep(decision.dryRun.rule, snapshot) { unsafe value.dry_run_policy = name }
    if let name = unsafe audit.keep(decision.audit, snapshot) { unsafe value.audit_policy = name }
  }
}

/// Memory for one name.
@safe private struct RuleName: ~Copyable {
  private var memory: UnsafeMutablePointer<CChar>
  private var capacity = 512

  init() { unsafe memory = .allocate(capacity: capacity) }

  deinit { unsafe memory.deallocate() }

  /// Keeps the name of a rule, with a NUL behind it; `nil` for no rule. Makes room only for longer names than ever.
  mutating func keep(_ rule: RuleReference, _ snapshot: Snapshot) -> portcullis_bytes? {
    guard rule != .none else { return nil }
    let name = snapshot.nameBytes(of: rule)
    if name.count >= capacity {
      unsafe memory.deallocate()
      capacity = name.count + 1
      unsafe memory = .allocate(capacity: capacity)
    }
    for index in name.indices { unsafe memory[index] = CChar(bitPattern: name[index]) }
    unsafe memory[name.count] = 0
    return unsafe portcullis_bytes(data: memory, size: name.count)
  }
}
