// Text to DER. What enters: PEM, possibly percent-encoded as Envoy sends it. What leaves: the DER bytes of its certificates. Strict,
// because the text comes from outside and what is refused here is denied: no repair, no guess, nothing skipped inside a block, and
// for a peer exactly one block. Never here: OpenSSL, whose own PEM reader accepts leading garbage and other kinds of block.

/// Reads certificates in PEM (RFC 7468).
public enum PEM {
  private static let begin = Array("-----BEGIN CERTIFICATE-----".utf8)
  private static let end = Array("-----END CERTIFICATE-----".utf8)
  private static let anyBegin = Array("-----BEGIN".utf8)
  private static let anyEnd = Array("-----END".utf8)

  /// The DER bytes of every certificate in a file, in order; text around the blocks is allowed, as tools print it there.
  ///
  /// - Parameter text: the file.
  /// - Returns: at least one certificate.
  /// - Throws: `CertificateError` if there is no block, a damaged one, or one of another kind (a private key in a bundle is a mistake
  ///   that its owner wants to hear of).
  /// - Complexity: linear.
  public static func certificates(in text: [UInt8]) throws(CertificateError) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var position = 0
    while true {
      let nextBegin = offset(of: anyBegin, in: text, from: position)
      if let stray = offset(of: anyEnd, in: text, from: position), stray < (nextBegin ?? Int.max) {
        throw CertificateError(.notPEM)
      }
      guard let start = nextBegin else { break }
      guard text[start...].starts(with: begin) else { throw CertificateError(.otherBlock) }
      let block = try decodedBlock(of: text, at: start)
      found.append(block.der)
      position = block.end
    }
    guard !found.isEmpty else { throw CertificateError(.notPEM) }
    return found
  }

  /// The DER bytes of the only certificate in `text`, with nothing before it and only line ends after it.
  ///
  /// - Complexity: linear.
  static func onlyCertificate(in text: [UInt8]) throws(CertificateError) -> [UInt8] {
    guard text.starts(with: begin) else { throw CertificateError(.notPEM) }
    let block = try decodedBlock(of: text, at: 0)
    guard text[block.end...].allSatisfy(isLineEnd) else { throw CertificateError(.severalBlocks) }
    return block.der
  }

  /// Undoes percent-encoding (RFC 3986, 2.1). A plus is a plus: Envoy writes `%2B`, and form encoding is not in play.
  ///
  /// - Returns: nil if a `%` is not followed by two hexadecimal digits.
  static func percentDecoded(_ text: Span<UInt8>) -> [UInt8]? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte != UInt8(ascii: "%") {
        decoded.append(byte)
        index += 1
        continue
      }
      guard text.count - index > 2, let high = hexadecimal(text[index + 1]), let low = hexadecimal(text[index + 2]) else { return nil }
      decoded.append(high &<< 4 | low)
      index += 3
    }
    return decoded
  }

  /// Decodes the block whose begin line stands at `start`.
  private static func decodedBlock(of text: [UInt8], at start: Int) throws(CertificateError) -> (der: [UInt8], end: Int) {
    let bodyStart = start + begin.count
    guard bodyStart < text.count, isLineEnd(text[bodyStart]), let bodyEnd = offset(of: end, in: text, from: bodyStart) else {
      throw CertificateError(.notPEM)
    }
    // The end label must begin a line, as the begin label does.
    guard isLineEnd(text[bodyEnd - 1]) else { throw CertificateError(.notPEM) }
    guard let der = base64Decoded(text[bodyStart..<bodyEnd]) else { throw CertificateError(.malformedBase64) }
    return (der, bodyEnd + end.count)
  }

  /// Canonical base64 with line ends anywhere; nil for any other byte, wrong padding, or bits that the padding should have cleared.
  private static func base64Decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(text.count / 4 * 3)
    var word: UInt32 = 0
    var symbols = 0
    var padding = 0
    for byte in text where !isLineEnd(byte) {
      if byte == UInt8(ascii: "=") {
        padding += 1
        continue
      }
      guard padding == 0, let value = base64Value(byte) else { return nil }
      word = word &<< 6 | value
      symbols += 1
      if symbols & 3 == 0 {
        decoded.append(UInt8(truncatingIfNeeded: word &>> 16))
        decoded.append(UInt8(truncatingIfNeeded: word &>> 8))
        decoded.append(UInt8(truncatingIfNeeded: word))
      }
    }
    switch (symbols & 3, padding) {
    case (0, 0): break
    case (2, 2) where word & 0xF == 0:
      decoded.append(UInt8(truncatingIfNeeded: word &>> 4))
    case (3, 1) where word & 0x3 == 0:
      decoded.append(UInt8(truncatingIfNeeded: word &>> 10))
      decoded.append(UInt8(truncatingIfNeeded: word &>> 2))
    default: return nil
    }
    return decoded
  }

  private static func base64Value(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte &- UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte &- UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte &- UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
    default: nil
    }
  }

  private static func isLineEnd(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }

  /// Where `needle` (never empty) next begins at or after `start`.
  private static func offset(of needle: [UInt8], in text: [UInt8], from start: Int) -> Int? {
    var index = start
    while text.count - index >= needle.count {
      if text[index] == needle[0], text[index...].starts(with: needle) { return index }
      index += 1
    }
    return nil
  }
}
