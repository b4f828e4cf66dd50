// Writes protobuf fields into bytes: what enters are field numbers and values, what leaves is a message as a proxy would send it.
// It knows no message types (CheckRequestMessage does) and never reads anything.

/// A protobuf message that grows field by field. As proto3 does, it leaves out empty strings and zero numbers.
struct ProtobufWriter {
  /// The message so far.
  private(set) var bytes: [UInt8] = []

  /// A `string` field.
  mutating func string(_ field: UInt64, _ value: String) {
    if !value.isEmpty { delimited(field, Array(value.utf8)) }
  }

  /// A `bytes` field.
  mutating func data(_ field: UInt64, _ value: [UInt8]) {
    if !value.isEmpty { delimited(field, value) }
  }

  /// An unsigned number, or an enum, or a number that is never negative.
  mutating func number(_ field: UInt64, _ value: UInt64) {
    guard value != 0 else { return }
    varint(field << 3)
    varint(value)
  }

  /// A message inside this one; it is present even when it is empty.
  mutating func message(_ field: UInt64, _ fill: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    fill(&inner)
    delimited(field, inner.bytes)
  }

  /// One entry of a `map<string, string>` field.
  mutating func entry(_ field: UInt64, _ key: String, _ value: String) {
    message(field) { entry in
      entry.string(1, key)
      entry.string(2, value)
    }
  }

  private mutating func delimited(_ field: UInt64, _ value: [UInt8]) {
    varint(field << 3 | 2)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
