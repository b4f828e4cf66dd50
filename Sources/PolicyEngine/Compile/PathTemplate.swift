// Path templates: `{*}` is one segment, `{**}` any run of segments (Istio 1.22; Envoy's uri_template).
// Enters: a value with operators. Leaves: a matcher over bytes, anchored at both ends.
// Never here: recursion, or more work than the path's length times the template's.

/// A compiled template. At most one operator crosses slashes, and it is the last operator, so matching needs no backtracking.
struct PathTemplate: Sendable {
  enum Piece: Sendable {
    case literal([UInt8])
    /// One or more template characters, no slash.
    case segment
    /// Zero or more template characters and slashes.
    case rest
  }

  private let pieces: [Piece]

  /// The text before the first operator.
  var literalPrefix: [UInt8] {
    if case .literal(let text) = pieces.first { text } else { [] }
  }

  /// `nil` when the value has no operator: then it is an ordinary value.
  init?(_ value: [UInt8]) {
    var pieces: [Piece] = []
    var literal: [UInt8] = []
    var hasOperator = false
    var rest = value[...]
    while !rest.isEmpty {
      let piece: (Piece, Int)? = rest.starts(with: "{**}".utf8) ? (.rest, 4) : rest.starts(with: "{*}".utf8) ? (.segment, 3) : nil
      if let (piece, length) = piece {
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        literal = []
        pieces.append(piece)
        rest = rest.dropFirst(length)
        hasOperator = true
      } else {
        literal.append(rest.removeFirst())
      }
    }
    guard hasOperator else { return nil }
    if !literal.isEmpty { pieces.append(.literal(literal)) }
    self.pieces = pieces
  }

  /// Whether the whole path fits.
  func matches(_ path: Span<UInt8>) -> Bool {
    var at = 0
    for index in pieces.indices {
      switch pieces[index] {
      case .literal(let text):
        guard path.count - at >= text.count, equal(path.extracting(at..<at + text.count), text.span) else { return false }
        at += text.count
      case .segment:
        // A literal behind it starts with a slash (validation: operators are whole segments), so the longest run is the only one.
        let start = at
        while at < path.count, Self.isTemplateCharacter(path[at]) { at += 1 }
        guard at > start else { return false }
      case .rest:
        return matchesRest(path, from: at, suffix: index + 1)
      }
    }
    return at == path.count
  }

  /// `{**}` takes all but the literal that follows it.
  private func matchesRest(_ path: Span<UInt8>, from start: Int, suffix index: Int) -> Bool {
    var end = path.count
    if index < pieces.count {
      guard case .literal(let text) = pieces[index], index == pieces.count - 1, path.count - start >= text.count else { return false }
      end = path.count - text.count
      guard equal(path.extracting(end..<path.count), text.span) else { return false }
    }
    var at = start
    while at < end {
      guard Self.isTemplateCharacter(path[at]) || path[at] == UInt8(ascii: "/") else { return false }
      at += 1
    }
    return true
  }

  /// Envoy 1.40: letters, digits, `-._~%!$&'()+,;:@=` and the star.
  private static func isTemplateCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x21, 0x24...0x2e, 0x3a, 0x3b, 0x3d, 0x40, 0x5f, 0x7e: true
    default: false
    }
  }
}
