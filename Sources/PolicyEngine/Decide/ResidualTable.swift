// What one thread remembers of connections: for each, what is left of the rules once all that does not change on it is known.
// Enters: requests with their targets, one after the other. Leaves: residuals.
// A residual is found by everything that it was made from: the target, the peer's names, and those of port, addresses and server name that
// attached rules (or the server's mode) ask for. All bytes are compared, not only a hash.
// Where few rules are left to walk, comparing the key costs more than asking the index again, and nothing is remembered.
// Never here: memory that grows with the number of peers, an allocation after the start, or a residual made of something unknown. A peer
// that is seen once leaves a hash behind and nothing else, so that a million of them drive nobody out at the price of building a residual each.

internal import PolicyModel

/// The residuals that one thread remembers. Not shared; pass it with each decision.
public struct ResidualTable: ~Copyable {
  private var slots: [Slot]
  private var keys: [UInt8]
  private var steps: [ResidualStep]
  private let hash: ByteHash
  /// Whether it is one connection's own.
  private let isOfOneConnection: Bool
  /// How many residuals were built; for tests and counters.
  public private(set) var builtCount: UInt64 = 0

  /// Longer keys are not remembered.
  private static let keyCapacity = 320
  /// Connections for which more than this is left are decided as if nobody knew them.
  static let stepCapacity = 24

  struct Slot: BitwiseCopyable {
    /// The target's, or 0 when nothing but a hash is here.
    var target: UInt64 = 0
    var hash: UInt64 = 0
    var facts = ConnectionFacts()
    var keyCount: UInt16 = 0
    var residual = Residual()
  }

  /// A table for about `capacity` connections, which is rounded up to a power of two; it takes about 1.2 KiB for each, at once.
  public init(capacity: Int = 1024) { self.init(capacity: capacity, isOfOneConnection: false) }

  /// A table for the requests of one connection: whoever holds it says with `connectionChanged` when the peer, an address, the port or the
  /// server name is another, so that nothing has to be compared. Its first request already builds the residual.
  public static func ofOneConnection() -> ResidualTable { ResidualTable(capacity: 1, isOfOneConnection: true) }

  private init(capacity: Int, isOfOneConnection: Bool) {
    self.isOfOneConnection = isOfOneConnection
    var count = 1
    while count < min(max(capacity, 1), 1 << 20) { count *= 2 }
    slots = [Slot](repeating: Slot(), count: count)
    keys = [UInt8](repeating: 0, count: count * Self.keyCapacity)
    let nothing = ResidualStep(tables: EmptyTables.value, base: 0, number: 0, effect: .deny, kind: .rule)
    steps = [ResidualStep](repeating: nothing, count: count * Self.stepCapacity)
    hash = ByteHash(seed: UInt64.random(in: .min ... .max))
  }

  /// Forgets everything. To be called when anything that is constant on a connection has changed.
  public mutating func connectionChanged() {
    for place in slots.indices { slots[place] = Slot() }
  }

  /// The place of the residual of the request's connection; `nil` when there is none: something that it would rest on is not
  /// known, it would be too large, or the connection was not seen before.
  mutating func residual(
    of request: borrowing Request, on target: Target, profile: Profile, gate: borrowing PeerGate
  ) -> Int? {
    if isOfOneConnection { return own(request, target, profile, gate) }
    guard target.rewardsMemory || request.hasIrregularIdentity, let facts = ConnectionFacts(request, target, profile) else { return nil }
    let (hash, count) = hashed(request, facts, target.serial)
    guard count <= Self.keyCapacity else { return nil }
    // Not the lowest bit, which is always set.
    let place = Int(truncatingIfNeeded: hash >> 8) & (slots.count - 1)
    let key = place * Self.keyCapacity
    if slots[place].target == target.serial, slots[place].hash == hash, slots[place].facts == facts, Int(slots[place].keyCount) == count,
      hasKey(request, facts, at: key)
    {
      if slots[place].residual.isChallenged { slots[place].residual.isChallenged = false }
      guard slots[place].residual.isUsable else { return nil }
      return place
    }
    guard slots[place].hash == hash else {
      // Whoever is remembered gives way when two newcomers came since it was seen last.
      if slots[place].target == 0 || slots[place].residual.isChallenged {
        slots[place].target = 0
        slots[place].hash = hash
      } else {
        slots[place].residual.isChallenged = true
      }
      return nil
    }
    writeKey(request, facts, at: key)
    build(at: place, request, target, profile, gate)
    (slots[place].hash, slots[place].facts, slots[place].keyCount) = (hash, facts, UInt16(truncatingIfNeeded: count))
    return slots[place].residual.isUsable ? place : nil
  }

  /// The residual of the one connection, for this target, profile and kind of traffic.
  private mutating func own(
    _ request: borrowing Request, _ target: Target, _ profile: Profile, _ gate: borrowing PeerGate
  ) -> Int? {
    let kind = ConnectionFacts.kind(profile, isTCP: request.isTCP)
    if slots[0].target != target.serial || slots[0].facts.flags != kind {
      // Known facts stay known on a connection; what is not known yet may be known at the next request.
      guard ConnectionFacts(request, target, profile) != nil else { return nil }
      build(at: 0, request, target, profile, gate)
      slots[0].facts.flags = kind
    }
    return slots[0].residual.isUsable ? 0 : nil
  }

  private mutating func build(
    at place: Int, _ request: borrowing Request, _ target: Target, _ profile: Profile, _ gate: borrowing PeerGate
  ) {
    builtCount &+= 1
    var built = Residual(gate: gate(request, target, profile))
    built.isUsable = built.fill(from: target, request, &steps, at: place * Self.stepCapacity)
    slots[place] = Slot(target: target.serial, residual: built)
  }

  /// How much memory it holds. It never changes.
  var byteCount: Int {
    slots.capacity * MemoryLayout<Slot>.stride + keys.capacity + steps.capacity * MemoryLayout<ResidualStep>.stride
  }

  /// The residual at a place.
  @inline(__always)
  func residual(at place: Int) -> Residual { slots[place].residual }

  /// Where its steps begin.
  @inline(__always)
  static func firstStep(of place: Int) -> Int { place * stepCapacity }

  /// A step of a residual.
  @inline(__always)
  func step(_ index: Int) -> ResidualStep { steps[index] }

  // MARK: Keys: kind, length in two bytes, bytes; for each name, and for the server name

  private func hashed(_ request: borrowing Request, _ facts: ConnectionFacts, _ target: UInt64) -> (UInt64, Int) {
    var state = hash(target, UInt64(facts.port) << 8 | UInt64(facts.flags), facts.source.high)
    state = hash(state, facts.source.low, hash(facts.destination.high, facts.destination.low, 0))
    var count = 0
    for index in request.identities.indices {
      let slice = request.identities[index].slice
      state = hash(state, hash(request.bytes(slice)), UInt64(request.identities[index].kind.rawValue))
      count += 3 + Int(slice.count)
    }
    if facts.hasSNI {
      state = hash(state, hash(request.bytes(request.sni.slice)), 255)
      count += 3 + Int(request.sni.slice.count)
    }
    return (state | 1, count)
  }

  private func hasKey(_ request: borrowing Request, _ facts: ConnectionFacts, at start: Int) -> Bool {
    var at = start
    func has(_ kind: UInt8, _ slice: Request.Slice) -> Bool {
      let count = Int(slice.count)
      guard keys[at] == kind, keys[at + 1] == UInt8(truncatingIfNeeded: count), keys[at + 2] == UInt8(truncatingIfNeeded: count >> 8),
        equal(keys.span.extracting(at + 3..<at + 3 + count), request.bytes(slice))
      else { return false }
      at += 3 + count
      return true
    }
    for index in request.identities.indices {
      guard has(request.identities[index].kind.rawValue, request.identities[index].slice) else { return false }
    }
    return !facts.hasSNI || has(255, request.sni.slice)
  }

  private mutating func writeKey(_ request: borrowing Request, _ facts: ConnectionFacts, at start: Int) {
    var at = start
    func write(_ kind: UInt8, _ slice: Request.Slice, to keys: inout [UInt8]) {
      let bytes = request.bytes(slice)
      keys[at] = kind
      keys[at + 1] = UInt8(truncatingIfNeeded: bytes.count)
      keys[at + 2] = UInt8(truncatingIfNeeded: bytes.count >> 8)
      for index in bytes.indices { keys[at + 3 + index] = bytes[index] }
      at += 3 + bytes.count
    }
    for index in request.identities.indices {
      write(request.identities[index].kind.rawValue, request.identities[index].slice, to: &keys)
    }
    if facts.hasSNI { write(255, request.sni.slice, to: &keys) }
  }
}

extension Request {
  /// Whether a name of the peer can stand in many places of an index, so that looking it up once is worth remembering.
  fileprivate var hasIrregularIdentity: Bool {
    for index in identities.indices where identities[index].form == .irregular { return true }
    return false
  }
}

/// What of a connection, beside texts, attached rules ask for; the rest is zero.
struct ConnectionFacts: BitwiseCopyable, Equatable {
  var source = IPAddress(isIPv4: true, high: 0, low: 0)
  var destination = IPAddress(isIPv4: true, high: 0, low: 0)
  var port: UInt16 = 0
  /// The profile, whether it is TCP, and which addresses there are.
  var flags: UInt8 = 0
  /// Whether rules ask for the server name, and there is one.
  var hasSNI = false

  init() {}

  /// What `flags` says whatever rules ask for.
  static func kind(_ profile: Profile, isTCP: Bool) -> UInt8 { profile.rawValue << 4 | (isTCP ? 1 : 0) }

  /// `nil` when anything that is asked for is not known.
  init?(_ request: borrowing Request, _ target: Target, _ profile: Profile) {
    guard request.isPeerKnown, profile != .ztunnel else { return nil }
    let interest = target.interest
    flags = Self.kind(profile, isTCP: request.isTCP)
    if interest.contains(.port) || !target.strictExceptions.isEmpty {
      guard request.isPortKnown else { return nil }
      port = request.port
    }
    if interest.contains(.sourceIP) {
      guard request.sourceIP.knowledge != .unknown else { return nil }
      if request.sourceIP.knowledge == .present { (source, flags) = (request.sourceIP.address, flags | 2) }
    }
    if interest.contains(.destinationIP) {
      guard request.destinationIP.knowledge != .unknown else { return nil }
      if request.destinationIP.knowledge == .present { (destination, flags) = (request.destinationIP.address, flags | 4) }
    }
    if interest.contains(.sni) {
      guard request.sni.knowledge != .unknown else { return nil }
      hasSNI = request.sni.knowledge == .present
    }
  }
}
