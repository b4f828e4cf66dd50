// The memory of one worker thread. What enters: `source.certificate` as received, the current trust bundles, the current second. What
// leaves: the peer's identities, or why it is refused. A hit costs a hash and a comparison of all bytes, allocates nothing, and is good
// only for the same bundles and within the time for which the finding holds, whichever way the clock moves. Never here: a lock, sharing,
// growth without bound, a String on the way of a hit, and an anonymous peer.
//
//   buckets: hash & mask ─► slot index ─► slot.next ─► …        (-1 ends a chain)
//   slots:   [ key bytes | hash | finding | generation | id | next | recent ]   reused through `free`, evicted by a clock hand

internal import Glibc

/// One peer in a cache.
public struct CachedPeer: Sendable, Equatable {
  /// Never given again by this cache: the same number means the same certificate, found under the same bundles. A key for whatever is
  /// remembered per peer.
  public let id: UInt64
  let slot: Int
}

/// What a cache answers. There is no case for an anonymous peer: whoever sent a certificate, even an empty text, has an identity or is
/// refused.
public enum PeerResolution: Sendable, Equatable {
  /// The peer; its names are lent by `PeerCertificateCache.withPeer`.
  case identified(CachedPeer)
  /// Denied before any policy.
  case rejected(PeerRejection)
}

/// Certificates already resolved, for one thread.
public struct PeerCertificateCache: ~Copyable {
  /// One remembered certificate.
  private struct Slot {
    var key: [UInt8]
    var hash: UInt64
    var finding: PeerFinding
    var generation: UInt64
    var id: UInt64
    var next: Int
    var isRecent: Bool
    /// False while the slot waits in `free`.
    var isUsed: Bool

    /// What the slot weighs in `bytes`: its texts and a flat share for the rest.
    var weight: Int { PeerCertificateCache.weight(key: key.count, finding: finding) }
  }

  /// Slot number of the certificate that was too large to keep.
  private static let unkept = -1

  private let maximumEntries: Int
  private let maximumBytes: Int
  private let maximumKeyLength: Int
  private let hasher = CertificateHash()
  private var buckets: [Int]
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var hand = 0
  private var lastID: UInt64 = 0
  /// The one finding that is lent without being kept: of a certificate that is too large for the cache.
  private var unkeptPeer: (id: UInt64, peer: ResolvedPeer)?

  /// How many certificates are remembered.
  public private(set) var entryCount = 0
  /// About how many bytes they take.
  public private(set) var byteCount = 0
  /// How often the certificate had to be read anew; all other calls were hits.
  public private(set) var missCount: UInt64 = 0

  /// An empty cache.
  ///
  /// - Parameters:
  ///   - maximumEntries: at least 1 is kept; a mesh's callers of one workload are few.
  ///   - maximumBytes: of certificates and names together.
  ///   - maximumKeyLength: certificates with longer text are resolved but not kept.
  public init(maximumEntries: Int = 4_096, maximumBytes: Int = 16 << 20, maximumKeyLength: Int = 16_384) {
    self.maximumEntries = min(max(1, maximumEntries), 1 << 20)
    self.maximumBytes = max(0, maximumBytes)
    self.maximumKeyLength = maximumKeyLength
    var size = 16
    while size < self.maximumEntries * 2 { size *= 2 }
    buckets = [Int](repeating: -1, count: size)
  }

  /// Who sent this certificate.
  ///
  /// - Parameters:
  ///   - encoded: `source.certificate` as received. Call this whenever the field is present; a peer without the field is the caller's to
  ///     judge.
  ///   - bundles: the current set; a finding under another set does not count.
  ///   - now: Unix seconds.
  /// - Complexity: linear in the text on a hit, without allocation; a miss parses and verifies (tens to hundreds of microseconds).
  public mutating func resolve(_ encoded: Span<UInt8>, bundles: TrustBundles, now: Int64) -> PeerResolution {
    guard encoded.count <= maximumKeyLength else {
      missCount &+= 1
      return lendUnkept(bundles.resolve(encoded, at: now))
    }
    let hasher = self.hasher
    let hash = unsafe encoded.withUnsafeBytes { unsafe hasher.hash($0) }
    var stale: Int?
    if let index = slotIndex(of: encoded, hash: hash) {
      if slots[index].generation == bundles.generation && slots[index].finding.validFrom <= now && now < slots[index].finding.validUntil {
        slots[index].isRecent = true
        switch slots[index].finding.outcome {
        case .success: return .identified(CachedPeer(id: slots[index].id, slot: index))
        case .failure(let rejection): return .rejected(rejection)
        }
      }
      stale = index
    }
    missCount &+= 1
    if let stale { remove(stale) }
    return keep(bundles.resolve(encoded, at: now), of: encoded, hash: hash, generation: bundles.generation)
  }

  /// Lends the identities of a peer that the last call of `resolve` returned: for each of `ranges`, a span of `bytes` goes into the
  /// engine's request.
  ///
  /// - Returns: false, without calling `body`, if the cache no longer holds this peer. The caller must deny then; it cannot happen
  ///   between `resolve` and the next one.
  public func withPeer(_ peer: CachedPeer, _ body: (ResolvedPeer) -> Void) -> Bool {
    if peer.slot == PeerCertificateCache.unkept {
      guard let unkeptPeer, unkeptPeer.id == peer.id else { return false }
      body(unkeptPeer.peer)
      return true
    }
    guard slots.indices.contains(peer.slot), slots[peer.slot].isUsed, slots[peer.slot].id == peer.id,
      case .success(let resolved) = slots[peer.slot].finding.outcome
    else { return false }
    body(resolved)
    return true
  }

  /// The slot with exactly these bytes.
  private func slotIndex(of encoded: Span<UInt8>, hash: UInt64) -> Int? {
    var index = buckets[bucket(of: hash)]
    while index >= 0 {
      if slots[index].hash == hash && slots[index].key.count == encoded.count {
        let isEqual = unsafe slots[index].key.withUnsafeBytes { key in
          unsafe encoded.withUnsafeBytes { text in
            guard let keyStart = key.baseAddress, let textStart = text.baseAddress else { return key.count == text.count }
            return unsafe memcmp(keyStart, textStart, key.count) == 0
          }
        }
        if isEqual { return index }
      }
      index = slots[index].next
    }
    return nil
  }

  private func bucket(of hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash) & (buckets.count - 1)
  }

  private static func weight(key: Int, finding: PeerFinding) -> Int {
    guard case .success(let peer) = finding.outcome else { return key + 256 }
    return key + peer.bytes.count + 16 * peer.ranges.count + 256
  }

  private mutating func nextID() -> UInt64 {
    lastID &+= 1
    return lastID
  }

  private mutating func lendUnkept(_ finding: PeerFinding) -> PeerResolution {
    switch finding.outcome {
    case .failure(let rejection): return .rejected(rejection)
    case .success(let peer):
      let id = nextID()
      unkeptPeer = (id, peer)
      return .identified(CachedPeer(id: id, slot: PeerCertificateCache.unkept))
    }
  }

  /// Remembers a finding, after making room.
  private mutating func keep(_ finding: PeerFinding, of encoded: Span<UInt8>, hash: UInt64, generation: UInt64) -> PeerResolution {
    let weight = PeerCertificateCache.weight(key: encoded.count, finding: finding)
    guard weight <= maximumBytes else { return lendUnkept(finding) }
    while entryCount > 0 && (entryCount >= maximumEntries || byteCount + weight > maximumBytes) { evictOne() }
    let key = unsafe encoded.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    let bucket = bucket(of: hash)
    let id = nextID()
    let slot = Slot(
      key: key, hash: hash, finding: finding, generation: generation, id: id, next: buckets[bucket], isRecent: true, isUsed: true)
    let index: Int
    if let reused = free.popLast() {
      index = reused
      slots[index] = slot
    } else {
      index = slots.count
      slots.append(slot)
    }
    buckets[bucket] = index
    entryCount += 1
    byteCount += weight
    switch finding.outcome {
    case .success: return .identified(CachedPeer(id: id, slot: index))
    case .failure(let rejection): return .rejected(rejection)
    }
  }

  /// Forgets the next certificate that was not used since the hand last passed. Ends after two rounds at most; called only while an entry
  /// exists.
  private mutating func evictOne() {
    while entryCount > 0 {
      if hand >= slots.count { hand = 0 }
      let index = hand
      hand += 1
      guard slots[index].isUsed else { continue }
      if slots[index].isRecent {
        slots[index].isRecent = false
        continue
      }
      remove(index)
      return
    }
  }

  /// Takes one slot out of its chain and frees what it held.
  private mutating func remove(_ index: Int) {
    let bucket = bucket(of: slots[index].hash)
    if buckets[bucket] == index {
      buckets[bucket] = slots[index].next
    } else {
      var previous = buckets[bucket]
      while previous >= 0 && slots[previous].next != index { previous = slots[previous].next }
      if previous >= 0 { slots[previous].next = slots[index].next }
    }
    byteCount -= slots[index].weight
    entryCount -= 1
    slots[index] = Slot(
      key: [], hash: 0, finding: .always(.failure(PeerRejection(.malformed))), generation: 0, id: 0, next: -1, isRecent: false,
      isUsed: false)
    free.append(index)
  }

  /// The first broken invariant, or nil; tests ask after every change.
  package func brokenInvariant() -> String? {
    var reached = 0
    var bytes = 0
    for (bucketIndex, head) in buckets.enumerated() {
      var index = head
      while index >= 0 {
        reached += 1
        guard reached <= slots.count else { return "a chain is a ring" }
        let slot = slots[index]
        guard slot.isUsed, bucket(of: slot.hash) == bucketIndex else { return "slot \(index) is in the wrong chain" }
        bytes += slot.weight
        index = slot.next
      }
    }
    if reached != entryCount { return "\(reached) entries are reachable, \(entryCount) are counted" }
    if reached + free.count != slots.count { return "\(slots.count - reached - free.count) slots are lost" }
    if bytes != byteCount { return "\(bytes) bytes are held, \(byteCount) are counted" }
    if entryCount > maximumEntries || byteCount > maximumBytes { return "a bound is exceeded" }
    return nil
  }
}
