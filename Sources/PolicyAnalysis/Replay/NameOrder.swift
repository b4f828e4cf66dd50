// The names of a log's records in the order in which proxies write them: the same in every line, so that few names need a look.
// Enters: the names of a line. Leaves: which field the next line's names are. Never here: a guess; every byte is compared.

/// The names of a record in their order, each with its quotes and all up to its value.
struct NameOrder {
  /// The names, end to end.
  private var bytes: [UInt8] = []
  private var entries: [(start: Int, count: Int, field: Int?)] = []
  /// Longer records are looked through without help.
  private static let limit = 256

  /// The field of a name that was found.
  func field(_ number: Int) -> Int? { entries[number].field }

  /// Where the value begins of the name that is expected at `position`; `nil` when another stands there.
  @inline(__always)
  func end(of number: Int, in line: Span<UInt8>, at position: Int) -> Int? {
    guard number < entries.count else { return nil }
    let (start, count) = (entries[number].start, entries[number].count)
    guard line.count - position >= count else { return nil }
    let (known, found) = unsafe (bytes.span.bytes, line.bytes)
    var offset = 0
    while offset + 8 <= count {
      guard Self.isSame(known, start + offset, found, position + offset) else { return nil }
      offset += 8
    }
    if offset == count { return position + count }
    // The last eight bytes once more, rather than what is left one by one.
    if count >= 8 { return Self.isSame(known, start + count - 8, found, position + count - 8) ? position + count : nil }
    while offset < count {
      guard bytes[start + offset] == line[position + offset] else { return nil }
      offset += 1
    }
    return position + count
  }

  @inline(__always)
  private static func isSame(_ one: RawSpan, _ oneOffset: Int, _ two: RawSpan, _ twoOffset: Int) -> Bool {
    unsafe one.unsafeLoadUnaligned(fromByteOffset: oneOffset, as: UInt64.self)
      == two.unsafeLoadUnaligned(fromByteOffset: twoOffset, as: UInt64.self)
  }

  /// Expects a name in this place of the next record; those behind it are forgotten.
  mutating func set(_ number: Int, _ name: Span<UInt8>, _ field: Int?) {
    guard number <= entries.count, number < Self.limit, name.count <= 256 else { return }
    if number < entries.count {
      bytes.removeLast(bytes.count - entries[number].start)
      entries.removeLast(entries.count - number)
    }
    entries.append((bytes.count, name.count, field))
    for index in name.indices { bytes.append(name[index]) }
  }
}
