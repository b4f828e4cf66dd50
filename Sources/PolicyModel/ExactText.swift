// Text that is compared as Envoy compares it: byte by byte.
// Enters: any string of a policy, a workload or a command line. Leaves: the same string, hashable and ordered by its UTF-8 bytes.
// Never here: canonical equivalence. Swift's `String ==` calls differently encoded names equal; Envoy and Kubernetes do not.

/// A text whose equality, hash and order are those of its UTF-8 bytes.
public struct ExactText: Sendable {
  /// The text itself. Do not compare it; compare the `ExactText`.
  public let string: String

  /// Wraps `string` unchanged.
  @inlinable
  public init(_ string: String) {
    self.string = string
  }

  /// The UTF-8 bytes. O(n).
  public var bytes: [UInt8] { Array(string.utf8) }

  /// Whether the text has no bytes.
  public var isEmpty: Bool { string.utf8.isEmpty }
}

extension ExactText: Hashable {
  /// Whether both have the same bytes.
  public static func == (left: ExactText, right: ExactText) -> Bool {
    left.string.utf8.elementsEqual(right.string.utf8)
  }

  /// Hashes the bytes, and an end mark that no UTF-8 text holds.
  public func hash(into hasher: inout Hasher) {
    for byte in string.utf8 { hasher.combine(byte) }
    hasher.combine(0xff as UInt8)
  }
}

extension ExactText: Comparable {
  /// The order of the bytes.
  public static func < (left: ExactText, right: ExactText) -> Bool {
    left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
  }
}

extension ExactText: ExpressibleByStringLiteral, CustomStringConvertible {
  /// A text of the program itself.
  public init(stringLiteral value: String) { self.init(value) }
  /// The text.
  public var description: String { string }
}
