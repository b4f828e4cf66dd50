// Bytes between us and Envoy, and its log.
// Enters: static texts, texts, lent bytes. Leaves: lent bytes, lines in Envoy's log. Never here: memory of a request that is kept.

internal import CEnvoyModule
internal import CPortcullis
internal import Glibc

extension portcullis_bytes {
  /// A static text.
  init(_ text: StaticString) {
    unsafe self.init(data: UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self), size: text.utf8CodeUnitCount)
  }

  /// An empty text, which is known, other than no text.
  static var empty: portcullis_bytes { unsafe portcullis_bytes("") }

  /// The byte at an index below `size`.
  @inline(__always)
  func byte(_ index: Int) -> UInt8? {
    guard let start = unsafe data, index >= 0, unsafe index < size else { return nil }
    return unsafe UInt8(bitPattern: start[index])
  }

  /// The bytes from `start` to before `end`; empty beyond them.
  func slice(_ start: Int, _ end: Int) -> portcullis_bytes {
    guard let first = unsafe data, start >= 0, start <= end, unsafe end <= size else { return unsafe .empty }
    return unsafe portcullis_bytes(data: first + start, size: end - start)
  }

  @inline(__always)
  func equals(_ text: StaticString) -> Bool {
    guard let start = unsafe data, unsafe size == text.utf8CodeUnitCount else { return false }
    return unsafe memcmp(start, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  func equals(_ bytes: [UInt8]) -> Bool {
    guard let start = unsafe data, unsafe size == bytes.count else { return false }
    return unsafe bytes.withUnsafeBytes { other in
      guard let second = other.baseAddress else { return true }
      return unsafe memcmp(start, second, other.count) == 0
    }
  }

  func hasPrefix(_ text: StaticString) -> Bool {
    guard let start = unsafe data, unsafe size >= text.utf8CodeUnitCount else { return false }
    return unsafe memcmp(start, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  /// A copy.
  var copy: [UInt8] {
    guard let start = unsafe data, unsafe size > 0 else { return [] }
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: size))
  }
}

/// Texts that live as long as this object, for C. Read only once they are made, hence `@unchecked Sendable`.
@safe final class HeldTexts: @unchecked Sendable {
  private var blocks: [UnsafeMutableRawPointer] = unsafe []

  /// A copy of bytes; an empty text is known, and memory that is not given makes it unknown.
  func hold(_ bytes: [UInt8]) -> portcullis_bytes {
    guard let block = unsafe malloc(bytes.count + 1) else { return unsafe portcullis_bytes() }
    unsafe blocks.append(block)
    unsafe bytes.withUnsafeBytes { source in
      if let first = source.baseAddress { unsafe memcpy(block, first, source.count) }
    }
    unsafe block.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
    return unsafe portcullis_bytes(data: block.assumingMemoryBound(to: CChar.self), size: bytes.count)
  }

  /// A text with a NUL behind it; null for no text.
  func hold(_ text: String?) -> UnsafePointer<CChar>? {
    guard let text else { return nil }
    return unsafe hold(Array(text.utf8)).data
  }

  /// A list of such texts.
  func hold(_ texts: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? {
    guard !texts.isEmpty, let block = unsafe malloc(texts.count * MemoryLayout<UnsafePointer<CChar>?>.stride) else { return nil }
    unsafe blocks.append(block)
    let list = unsafe block.bindMemory(to: UnsafePointer<CChar>?.self, capacity: texts.count)
    for (index, text) in texts.enumerated() { unsafe (list + index).initialize(to: hold(text)) }
    return unsafe UnsafePointer(list)
  }

  deinit {
    unsafe blocks.forEach { unsafe free($0) }
  }
}

enum EnvoyLog {
  /// Writes each line of a text into Envoy's log, under our name.
  static func write(_ level: Int, _ text: String) {
    for line in text.split(separator: "\n") {
      let bytes = Array("portcullis: \(line)".utf8)
      unsafe bytes.withUnsafeBytes { raw in
        let start = unsafe raw.baseAddress?.assumingMemoryBound(to: CChar.self)
        unsafe envoy_dynamic_module_callback_log(
          Int32(truncatingIfNeeded: level), portcullis_bytes(data: start, size: raw.count))
      }
    }
  }

  static func error(_ text: String) { write(ENVOY_LOG_ERROR, text) }
  static func warning(_ text: String) { write(ENVOY_LOG_WARN, text) }
  static func information(_ text: String) { write(ENVOY_LOG_INFO, text) }
}

/// A text that the library gave, taken over and freed.
func takeText(_ text: UnsafeMutablePointer<CChar>?) -> String {
  guard let text = unsafe text else { return "" }
  defer { unsafe portcullis_text_free(text) }
  return unsafe String(cString: text)
}

/// Room of a worker for one address that a header says. Used by that worker only.
@safe final class AddressRoom {
  /// The longest text of an IPv6 address.
  fileprivate static let mostText = 45
  fileprivate let text = UnsafeMutablePointer<CChar>.allocate(capacity: mostText + 1)
  fileprivate let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: 16)

  init() {}

  deinit {
    unsafe text.deallocate()
    unsafe bytes.deallocate()
  }
}

/// What Envoy writes as an address, taken apart.
enum EnvoyAddress {
  /// Envoy's own words: `10.0.0.1:80`, `[fd00::1]:80` or an address alone; whatever is no IP address is said to be none. Empty is unknown.
  static func read(_ text: portcullis_bytes) -> portcullis_address {
    var address = unsafe portcullis_address()
    guard let first = unsafe text.byte(0) else { return unsafe address }
    if unsafe first == UInt8(ascii: "/") || first == UInt8(ascii: "@") || text.hasPrefix("envoy://") {
      unsafe address.kind = Int32(PORTCULLIS_ADDRESS_NOT_IP)
      return unsafe address
    }
    var end = unsafe text.size
    var begin = 0
    var colons = 0
    var lastColon = end
    for index in 0..<end where unsafe text.byte(index) == UInt8(ascii: ":") {
      colons &+= 1
      lastColon = index
    }
    if first == UInt8(ascii: "[") {
      begin = 1
      // The zone behind `%` is no part of the address that policies mean.
      end = (1..<end).first { unsafe text.byte($0) == UInt8(ascii: "]") || text.byte($0) == UInt8(ascii: "%") } ?? end
      unsafe address.port = port(text, from: lastColon)
    } else if colons == 1 {
      end = lastColon
      unsafe address.port = port(text, from: lastColon)
    }
    unsafe address.kind = Int32(PORTCULLIS_ADDRESS_TEXT)
    unsafe address.bytes = text.slice(begin, end)
    return unsafe address
  }

  /// The IP address that a header's value is, blanks around it aside, as the server reads it. Everything else is unknown: also what Envoy writes
  /// for a unix socket, because nobody vouches that the proxy wrote it. Lent until the next one in the same room.
  static func header(_ value: portcullis_bytes, _ room: AddressRoom) -> portcullis_address {
    var address = unsafe portcullis_address()
    var begin = 0
    var end = unsafe value.size
    while begin < end, unsafe isBlank(value.byte(begin)) { begin &+= 1 }
    while begin < end, unsafe isBlank(value.byte(end &- 1)) { end &-= 1 }
    let count = end &- begin
    guard let start = unsafe value.data, count > 0, count <= AddressRoom.mostText else { return unsafe address }
    unsafe memcpy(room.text, start + begin, count)
    unsafe room.text[count] = 0
    // A NUL ends the text for `inet_pton`, and not for us.
    guard unsafe strlen(room.text) == count else { return unsafe address }
    let size =
      if unsafe inet_pton(AF_INET, room.text, room.bytes) == 1 { 4 } else if unsafe inet_pton(AF_INET6, room.text, room.bytes) == 1 {
        16
      } else { 0 }
    guard size > 0 else { return unsafe address }
    unsafe address.kind = Int32(PORTCULLIS_ADDRESS_BINARY)
    unsafe address.bytes = portcullis_bytes(data: room.bytes, size: size)
    return unsafe address
  }

  private static func isBlank(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  private static func port(_ text: portcullis_bytes, from colon: Int) -> UInt32 {
    var port: UInt32 = 0
    var index = colon &+ 1
    while let byte = unsafe text.byte(index), byte >= 0x30, byte <= 0x39, port <= 65_535 {
      port = port &* 10 &+ UInt32(byte &- 0x30)
      index &+= 1
    }
    return port <= 65_535 ? port : 0
  }
}
