// Which texts there can be in a dimension at all.
// Enters: a dimension's name and the mesh's path normalization. Leaves: a deterministic automaton: a start, a step, which states accept.
// Never here: policies. A text that no proxy would let through is none that a finding may rest on.

internal import PolicyModel

/// A deterministic automaton over bytes. All bytes of one of its classes that are not explicit in a state lead to the same state.
struct Universe: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    /// Bytes above the blank, at least one.
    case name
    /// The same, or nothing.
    case nameOrEmpty
    /// Any bytes but upper-case letters and 0.
    case serverName
    /// A token (RFC 9110).
    case token
    /// A header's value: no blanks around it.
    case headerValue
    /// Any text.
    case text
    /// A path, with or without query, as the proxy forwards it.
    case path(MeshSettings.PathNormalization, keepsDotParameters: Bool, hasQuery: Bool)
  }

  let kind: Kind
  static let dead: Int32 = -1

  /// Sets of bytes that it tells apart.
  var sets: [ByteSet] {
    switch kind {
    case .name, .nameOrEmpty: [.visible]
    case .serverName: [Self.serverName]
    case .token: [Self.token]
    case .headerValue: [.visible, Self.blank]
    case .text: []
    case .path: [Self.plainPath, Self.plainQuery]
    }
  }

  private static let serverName = ByteSet { $0 != 0 && !(0x41...0x5a).contains($0) }
  private static let blank = ByteSet { $0 == 0x20 || $0 == 0x09 }
  private static let token = ByteSet { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
  private static let plainPath = ByteSet { byte in
    byte > 0x20 && byte < 0x7f && !"\"<>^`{|}\\#".utf8.contains(byte)
  }
  private static let plainQuery = ByteSet { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }

  /// Bytes that are not like the others of their sets in this state.
  func explicit(_ state: Int32) -> [UInt8] {
    guard case .path(let mode, _, _) = kind else { return [] }
    switch state {
    case 0: return [UInt8(ascii: "/"), UInt8(ascii: "*")]
    case 1, 2: return []
    default:
      guard mode != .none else { return [UInt8(ascii: "?")] }
      let marks: [UInt8] = Array("/.;?%".utf8)
      return PathState(state).escape == 0 ? marks : marks + Self.hexadecimalDigits
    }
  }

  private static let hexadecimalDigits = Array("0123456789abcdefABCDEF".utf8)

  var start: Int32 { 0 }

  func accepts(_ state: Int32) -> Bool {
    switch kind {
    case .name, .token: return state == 1
    case .nameOrEmpty, .serverName, .text: return true
    case .headerValue: return state != 2
    case .path:
      if state < Int32(PathState.first) { return state == 1 || state == 2 }
      return !PathState(state).isDots
    }
  }

  func step(_ state: Int32, _ byte: UInt8) -> Int32 {
    switch kind {
    case .name, .nameOrEmpty: return ByteSet.visible.contains(byte) ? 1 : Self.dead
    case .serverName: return Self.serverName.contains(byte) ? 1 : Self.dead
    case .token: return Self.token.contains(byte) ? 1 : Self.dead
    case .text: return 0
    case .headerValue:
      if ByteSet.visible.contains(byte) { return 1 }
      return Self.blank.contains(byte) && state != 0 ? 2 : Self.dead
    case .path(let mode, let keepsDotParameters, let hasQuery):
      return Self.path(state, byte, mode, keepsDotParameters, hasQuery)
    }
  }

  /// Where in a path one stands: what its segment is so far, and of an escape the first digit.
  private struct PathState {
    /// 0 at its start, 1 and 2 after one and two dots, 3 anything else.
    var segment = 0
    /// 0 none, 1 behind `%`, 2 + n behind `%` and the digit n.
    var escape = 0
    static let first = 3

    init() {}
    init(_ state: Int32) { (segment, escape) = ((Int(state) - Self.first) % 4, (Int(state) - Self.first) / 4) }
    var state: Int32 { Int32(Self.first + escape * 4 + segment) }
    var isDots: Bool { segment == 1 || segment == 2 }
  }

  /// States: 0 nothing yet, 1 the star of `OPTIONS *`, 2 the query, from 3 on the path.
  private static func path(
    _ state: Int32, _ byte: UInt8, _ mode: MeshSettings.PathNormalization, _ keepsDotParameters: Bool, _ hasQuery: Bool
  ) -> Int32 {
    if state == 0 { return byte == UInt8(ascii: "/") ? PathState().state : byte == UInt8(ascii: "*") ? 1 : dead }
    if state == 1 { return dead }
    if state == 2 { return plainQuery.contains(byte) ? 2 : dead }
    var place = PathState(state)
    if byte == UInt8(ascii: "?") { return hasQuery && !place.isDots ? 2 : dead }
    guard mode != .none else { return plainQuery.contains(byte) ? PathState().state : dead }
    guard plainPath.contains(byte) else { return dead }
    if place.escape > 1, let low = hexadecimal(byte) {
      let value = UInt8(place.escape - 2) << 4 | low
      switch value {
      // Refused, or decoded.
      case 0, 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: return dead
      case 0x2f, 0x5c: if mode == .decodeAndMergeSlashes { return dead }
      default: break
      }
      place.escape = 0
      return place.state
    }
    let isBehindPercent = place.escape == 1
    place.escape = 0
    if isBehindPercent, let high = hexadecimal(byte) {
      // Digits that no rule tells apart share a state.
      place.escape = 2 + Int([0, 2, 3, 4, 5, 6, 7].contains(high) ? high : 8)
      return place.state
    }
    switch byte {
    case UInt8(ascii: "/"):
      if place.isDots || (place.segment == 0 && mode != .base) { return dead }
      place.segment = 0
    case UInt8(ascii: "."): place.segment = place.segment < 2 ? place.segment + 1 : 3
    case UInt8(ascii: ";"):
      if place.isDots, !keepsDotParameters { return dead }
      place.segment = 3
    case UInt8(ascii: "%"): (place.segment, place.escape) = (3, 1)
    default: place.segment = 3
    }
    return place.state
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  /// Whether a text lies in it.
  func contains(_ text: [UInt8]) -> Bool {
    var state = start
    for byte in text {
      state = step(state, byte)
      if state == Self.dead { return false }
    }
    return accepts(state)
  }
}
