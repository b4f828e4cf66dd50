// The one place where memory of the host becomes values: structs that say their size, bytes, lists.
// Enters: pointers that the host lends for the length of one call. Leaves: copies of structs, spans that cannot outlive what they come from,
// or why they are refused. Never here: a size that is believed before it is checked, or memory that is kept.

internal import CPortcullis
internal import Glibc

/// What one request may hold, so that it cannot make us read or keep without end.
struct Budget {
  static let mostText = 1 << 20
  static let mostElements = 65_536
  private var remaining = 16 << 20

  /// Takes a text; refuses it when it or all of them are too long.
  mutating func take(_ bytes: portcullis_bytes, _ refusal: StaticString) throws(Refusal) {
    let size = unsafe bytes.size
    guard size >= 0, size <= Self.mostText, size <= remaining, unsafe bytes.data != nil || size == 0 else { throw Refusal(refusal) }
    remaining -= size
  }
}

extension portcullis_bytes {
  /// The bytes, once a budget has taken them; none when nothing was given.
  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      guard let start = unsafe data, unsafe size > 0 else { return Span() }
      let bytes = unsafe UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self)
      return unsafe _overrideLifetime(Span(_unsafeStart: bytes, count: size), borrowing: self)
    }
  }

  /// Whether the host said anything, be it an empty text.
  var isKnown: Bool { unsafe data != nil }

  /// Whether a NUL is among the bytes.
  var hasNUL: Bool {
    guard let start = unsafe data, unsafe size > 0 else { return false }
    return unsafe memchr(start, 0, size) != nil
  }

  /// Whether the bytes are these.
  func equals(_ text: StaticString) -> Bool {
    guard let start = unsafe data, unsafe size == text.utf8CodeUnitCount else { return false }
    return unsafe memcmp(start, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  /// A copy.
  var copy: [UInt8] {
    let bytes = unsafe span
    return unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
  }

  /// A copy of text; `nil` when it is not UTF-8.
  var text: String? { unsafe String(validating: copy, as: UTF8.self) }
}

/// A struct of the host that says its size in its first four bytes.
enum SizedStruct {
  /// Copies the host's struct over `value`, which is all zero and stays so where that one ends.
  ///
  /// - Parameter sizes: what is known; none is greater than the struct.
  @inline(__always)
  static func read<Value: BitwiseCopyable>(
    _ pointer: UnsafeRawPointer?, into value: inout Value, sizes: (Int, Int), _ null: StaticString
  ) throws(Refusal) {
    guard let pointer = unsafe pointer, UInt(bitPattern: pointer) % UInt(MemoryLayout<Value>.alignment) == 0 else { throw Refusal(null) }
    let size = unsafe Int(truncatingIfNeeded: pointer.load(as: UInt32.self))
    guard size == sizes.0 || size == sizes.1 else { throw Refusal(.badStructSize) }
    unsafe withUnsafeMutableBytes(of: &value) { bytes in
      if let start = bytes.baseAddress { unsafe memcpy(start, pointer, min(size, bytes.count)) }
    }
  }
}

/// A list of the host.
@safe struct BorrowedList<Element> {
  private let start: UnsafePointer<Element>?
  let count: Int

  /// - Throws: when it is longer than `limit`, or null and not empty.
  init(_ start: UnsafePointer<Element>?, _ count: Int, limit: Int = Budget.mostElements, _ refusal: StaticString) throws(Refusal) {
    guard count >= 0, count <= limit, unsafe start != nil || count == 0,
      UInt(bitPattern: start) % UInt(MemoryLayout<Element>.alignment) == 0
    else { throw Refusal(refusal) }
    unsafe self.start = start
    self.count = count
  }

  /// The element at an index below `count`; `nil` beyond it.
  @inline(__always)
  subscript(_ index: Int) -> Element? {
    guard let start = unsafe start, index >= 0, index < count else { return nil }
    return unsafe start[index]
  }
}
