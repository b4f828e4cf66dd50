// A filter for the cache. What enters: the bytes of a certificate as received. What leaves: 64 bits that differ for different bytes in
// all but very few cases. Never here: a promise of equality; the cache compares all bytes. The key is random for each cache, so nobody
// outside can choose certificates that fall together.

/// A keyed hash that takes 32 bytes a step in two independent lanes, each folding a 64 by 64 bit product.
struct CertificateHash {
  private let first: UInt64
  private let second: UInt64
  private let third: UInt64

  init() {
    var generator = SystemRandomNumberGenerator()
    first = generator.next() | 1
    second = generator.next() | 1
    third = generator.next() | 1
  }

  @inline(__always)
  private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
  }

  /// The hash of `bytes`. No allocation; every load lies within the buffer.
  func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let count = bytes.count
    var left = first ^ UInt64(truncatingIfNeeded: count)
    var right = second
    var offset = 0
    while count - offset >= 32 {
      let a = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let b = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
      let c = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ 16, as: UInt64.self)
      let d = unsafe bytes.loadUnaligned(fromByteOffset: offset &+ 24, as: UInt64.self)
      left = CertificateHash.fold(a ^ second, b ^ left)
      right = CertificateHash.fold(c ^ third, d ^ right)
      offset &+= 32
    }
    while count - offset >= 8 {
      left = CertificateHash.fold(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ second, left ^ third)
      offset &+= 8
    }
    var tail: UInt64 = 0
    while offset < count {
      tail = tail &<< 8 | UInt64(unsafe bytes[offset])
      offset &+= 1
    }
    return CertificateHash.fold(left ^ third, CertificateHash.fold(tail ^ first, right ^ second))
  }
}
