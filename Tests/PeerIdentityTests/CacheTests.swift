// The cache gives what resolving anew would give. What enters: certificates, changing bundles, and a clock that moves both ways. What
// leaves: names, reasons and counts. Never here: a measurement.

internal import PeerIdentity
internal import TestSupport
internal import Testing

@Suite struct `The cache of peers` {
  private let name = "spiffe://td/ns/shop/sa/frontend"

  @Test func `answers the second time without reading the certificate again`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    let leaf = try makeLeaf(name, by: root).urlEncodedPEM
    let box = CacheBox()
    let first = box.resolve(leaf, bundles)
    #expect(box.resolve(leaf, bundles) == first)
    #expect(box.seen(leaf, bundles) == .names([name, ""]))
    #expect(box.cache.missCount == 1 && box.cache.entryCount == 1)
    #expect(box.seen("garbage", bundles) == .rejected(.malformed))
    #expect(box.seen("garbage", bundles) == .rejected(.malformed))
    #expect(box.cache.missCount == 2)
  }

  @Test func `a certificate that expires while cached is rejected, and accepted again when the clock goes back`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    let leaf = try makeLeaf(name, by: root) {
      $0.notBefore = noon
      $0.notAfter = noon + 10
    }.urlEncodedPEM
    let box = CacheBox()
    let steps: [(Int64, Seen)] = [
      (5, .names([name, ""])), (9, .names([name, ""])), (10, .rejected(.expired)), (1_000, .rejected(.expired)),
      (9, .names([name, ""])), (0, .names([name, ""])), (-1, .rejected(.notYetValid)), (-1_000, .rejected(.notYetValid)),
      (0, .names([name, ""])), (10, .rejected(.expired)), (-1, .rejected(.notYetValid)),
    ]
    for (offset, expected) in steps {
      #expect(box.seen(leaf, bundles, at: noon + offset) == expected, "at \(offset)")
      #expect(box.cache.brokenInvariant() == nil)
    }
    #expect(box.cache.entryCount == 1)
  }

  @Test func `an authority that expires, or becomes valid, while its leaf is cached changes the answer`() throws {
    let root = try makeAuthority("root") {
      $0.notBefore = noon
      $0.notAfter = noon + 10
    }
    let bundles = try makeBundles(("td", [root]))
    let leaf = try makeLeaf(name, by: root).urlEncodedPEM
    let box = CacheBox()
    for (offset, expected) in [
      (-1, Seen.rejected(.notYetValid)), (0, .names([name, ""])), (9, .names([name, ""])), (10, .rejected(.expired)),
    ] {
      #expect(box.seen(leaf, bundles, at: noon + Int64(offset)) == expected, "at \(offset)")
    }
  }

  @Test func `a bundle that is swapped while a certificate is cached decides at once, both ways`() throws {
    let old = try makeAuthority("old")
    let new = try makeAuthority("new")
    let leaf = try makeLeaf(name, by: old).urlEncodedPEM
    let before = try makeBundles(("td", [old]))
    let after = try makeBundles(("td", [new]))
    let box = CacheBox()
    for _ in 0..<2 {
      #expect(box.seen(leaf, before) == .names([name, ""]))
      #expect(box.seen(leaf, after) == .rejected(.untrusted))
    }
    #expect(box.seen(leaf, .unverified) == .names([name, ""]))
    #expect(box.seen(leaf, after) == .rejected(.untrusted))
  }

  @Test func `a hit compares all bytes`() throws {
    // The same certificate in texts that differ in one byte at a time: each must be its own entry. The cache is small, so
    // that many of them meet in one bucket.
    let leaf = try makeLeaf(name, by: nil).urlEncodedPEM
    let box = CacheBox(maximumEntries: 8)
    let good = Array(leaf.utf8)
    #expect(box.seen(leaf, .unverified) == .names([name, ""]))
    for index in stride(from: 0, to: good.count, by: 3) {
      var changed = good
      changed[index] = changed[index] == UInt8(ascii: "!") ? UInt8(ascii: "?") : UInt8(ascii: "!")
      let text = String(decoding: changed, as: UTF8.self)
      #expect(box.seen(text, .unverified) == .rejected(.malformed), "byte \(index)")
      #expect(box.seen(leaf, .unverified) == .names([name, ""]), "byte \(index)")
    }
    #expect(box.seen(leaf, .unverified) == .names([name, ""]))
    #expect(box.seen(leaf + "\0", .unverified) == .rejected(.malformed))
    #expect(box.seen(String(leaf.dropLast(3)), .unverified) == .names([name, ""]))
  }

  @Test func `stays within its number of entries and forgets what was not used`() throws {
    let box = CacheBox(maximumEntries: 8)
    let loved = try makeLeaf(name, by: nil).urlEncodedPEM
    for index in 0..<500 {
      #expect(box.seen(loved, .unverified) == .names([name, ""]))
      #expect(box.seen("garbage \(index)", .unverified) == .rejected(.malformed))
      #expect(box.cache.entryCount <= 8)
      #expect(box.cache.brokenInvariant() == nil)
    }
    // One miss for each piece of garbage, and few for the certificate that was used all the time.
    #expect(box.cache.missCount <= 510)
  }

  @Test func `stays within its number of bytes`() throws {
    let leaf = try makeLeaf(name, by: nil).urlEncodedPEM
    let box = CacheBox(maximumEntries: 1_000, maximumBytes: 20_000)
    for index in 0..<300 {
      #expect(box.seen(String(repeating: "x", count: index * 10), .unverified) == .rejected(.malformed))
      #expect(box.cache.byteCount <= 20_000 && box.cache.brokenInvariant() == nil)
    }
    #expect(box.seen(leaf, .unverified) == .names([name, ""]))
    #expect(box.cache.entryCount > 3)
  }

  @Test func `resolves what is too large to keep, keeps nothing of it, and lends it until the next one`() throws {
    let root = try makeAuthority("root")
    let bundles = try makeBundles(("td", [root]))
    let one = try makeLeaf(name, by: root).urlEncodedPEM
    let two = try makeLeaf("spiffe://td/two", by: root).urlEncodedPEM
    for box in [CacheBox(maximumKeyLength: 100), CacheBox(maximumBytes: 0)] {
      let first = box.resolve(one, bundles)
      #expect(box.seen(one, bundles) == .names([name, ""]))
      #expect(box.seen(two, bundles) == .names(["spiffe://td/two", ""]))
      #expect(box.seen(one, bundles, at: 0) == .rejected(.notYetValid))
      #expect(box.cache.entryCount == 0 && box.cache.byteCount == 0)
      guard case .identified(let peer) = first else {
        Issue.record("rejected")
        continue
      }
      #expect(!box.cache.withPeer(peer) { _ in Issue.record("lent the wrong peer") })
    }
  }

  @Test func `never lends one peer under the number of another`() throws {
    let box = CacheBox(maximumEntries: 1)
    let one = try makeLeaf("spiffe://td/one", by: nil).urlEncodedPEM
    let two = try makeLeaf("spiffe://td/two", by: nil).urlEncodedPEM
    guard case .identified(let first) = box.resolve(one, .unverified), case .identified(let second) = box.resolve(two, .unverified) else {
      Issue.record("rejected")
      return
    }
    #expect(first.id != second.id)
    #expect(!box.cache.withPeer(first) { _ in Issue.record("lent the wrong peer") })
    var name: [UInt8] = []
    let lent = box.cache.withPeer(second) { name = $0.name(0) }
    #expect(lent && name == Array("spiffe://td/two".utf8))
  }

  @Test func `empty text and a megabyte are rejected, also the second time`() throws {
    let box = CacheBox()
    let bundles = try makeBundles(("td", [try makeAuthority("root")]))
    let megabyte = String(repeating: "A", count: 1 << 20)
    for set in [TrustBundles.unverified, bundles, .unverified] {
      for _ in 0..<2 {
        #expect(box.seen("", set) == .rejected(.malformed))
        #expect(box.seen(megabyte, set) == .rejected(.tooLarge))
      }
    }
    #expect(box.cache.byteCount < 1_000)
  }

  @Test func `agrees with resolving anew, whatever the order of certificates, bundles and times`() throws {
    let seed = UInt64.random(in: .min ... .max)
    print("seed of the peer cache test: \(seed)")
    var random = SplitMix(state: seed)
    func second() -> Int64 { noon + Int64.random(in: -20...20, using: &random) }
    func stretch(_ order: inout CertificateOrder) {
      let ends = [second(), second()].sorted()
      order.notBefore = Bool.random(using: &random) ? 0 : ends[0]
      order.notAfter = Bool.random(using: &random) ? 4_000_000_000 : ends[1] + 1
    }
    var authorities: [IssuedCertificate] = []
    for index in 0..<6 { authorities.append(try makeAuthority("authority \(index % 3)") { stretch(&$0) }) }
    var texts = ["", "garbage", "%zz"]
    for index in 0..<40 {
      let issuer = authorities.randomElement(using: &random)
      let domain = ["a", "b", "c"].randomElement(using: &random) ?? "a"
      texts.append(try makeLeaf("spiffe://\(domain)/\(index)", by: issuer) { stretch(&$0) }.urlEncodedPEM)
    }
    var sets = [TrustBundles.unverified]
    for _ in 0..<4 {
      sets.append(try makeBundles(("a", [authorities[0], authorities[3]]), ("b", Array(authorities.shuffled(using: &random).prefix(3)))))
    }
    let box = CacheBox(maximumEntries: 12, maximumBytes: 16_000)
    var set = sets[0]
    var now = noon
    var accepted = 0
    for step in 0..<6_000 {
      if Int.random(in: 0..<20, using: &random) == 0 { set = sets.randomElement(using: &random) ?? set }
      if Int.random(in: 0..<5, using: &random) == 0 { now = second() }
      let text = texts[Int.random(in: 0..<(step % 3 == 0 ? texts.count : 10), using: &random)]
      let expected = set.seen(text, at: now)
      if case .names = expected { accepted += 1 }
      let got = box.seen(text, set, at: now)
      #expect(got == expected, "seed \(seed), step \(step)")
      if got != expected { return }
      if step % 50 == 0 { #expect(box.cache.brokenInvariant() == nil, "seed \(seed), step \(step)") }
    }
    // The world must be one in which both answers are common and the cache is of use.
    #expect(accepted > 500 && accepted < 5_500, "seed \(seed)")
    #expect(box.cache.missCount < 5_000, "seed \(seed)")
  }
}

/// A seedable generator (SplitMix64, public domain).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
