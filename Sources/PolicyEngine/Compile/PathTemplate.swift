// Path templates: `{*}` is one segment, `{**}` any run of segments (Istio 1.22; Envoy's uri_template).
// Enters: a value with operators. Leaves: pieces in the tables, and a matcher of them over bytes, anchored at both ends.
// Never here: recursion, or more work than the path's length times the template's.

/// A template as written. At most one operator crosses slashes, and it is the last operator, so matching needs no backtracking.
struct PathTemplate {
  private enum Piece {
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

  /// The longest whole segment that every path which fits has: one between two slashes, or behind the last at the end.
  var longestSegment: [UInt8]? {
    let slash = UInt8(ascii: "/")
    var best: ArraySlice<UInt8> = []
    for (number, piece) in pieces.enumerated() {
      guard case .literal(let text) = piece else { continue }
      let parts = text.split(separator: slash, omittingEmptySubsequences: false)
      // What stands before the first slash, or behind the last of a piece that is not the last, may go on in an operator.
      let whole = number == pieces.count - 1 ? parts.dropFirst() : parts.dropFirst().dropLast()
      for part in whole where part.count > best.count { best = part }
    }
    return best.isEmpty ? nil : Array(best)
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

  /// Stores the pieces; the number of the template.
  func append(to tables: inout TableDraft) -> UInt32 {
    let start = tables.templatePieces.count
    for piece in pieces {
      switch piece {
      case .literal(let text): tables.templatePieces.append(TemplatePiece(kind: .literal, literal: tables.pool.intern(text)))
      case .segment: tables.templatePieces.append(TemplatePiece(kind: .segment))
      case .rest: tables.templatePieces.append(TemplatePiece(kind: .rest))
      }
    }
    tables.templates.append(Stretch(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: pieces.count)))
    return UInt32(truncatingIfNeeded: tables.templates.count - 1)
  }
}

/// A piece of a compiled template.
struct TemplatePiece: BitwiseCopyable {
  enum Kind: UInt8 { case literal, segment, rest }

  var kind: Kind
  var literal = Literal()
}

extension CompiledPolicies {
  /// Whether the whole path fits the template.
  func matchesTemplate(_ number: UInt32, _ path: Span<UInt8>) -> Bool {
    let pieces = templates[Int(number)]
    var at = 0
    for index in pieces.range {
      let piece = templatePieces[index]
      switch piece.kind {
      case .literal:
        let count = Int(piece.literal.count)
        guard path.count - at >= count, equal(path.extracting(at..<at + count), literal(piece.literal)) else { return false }
        at += count
      case .segment:
        // A literal behind it starts with a slash (validation: operators are whole segments), so the longest run is the only one.
        let start = at
        while at < path.count, Self.isTemplateCharacter(path[at]) { at += 1 }
        guard at > start else { return false }
      case .rest:
        return matchesRest(path, from: at, suffix: index + 1, of: pieces)
      }
    }
    return at == path.count
  }

  /// `{**}` takes all but the literal that follows it.
  private func matchesRest(_ path: Span<UInt8>, from start: Int, suffix index: Int, of pieces: Stretch) -> Bool {
    var end = path.count
    if index < pieces.range.upperBound {
      let piece = templatePieces[index]
      let count = Int(piece.literal.count)
      guard piece.kind == .literal, index == pieces.range.upperBound - 1, path.count - start >= count else { return false }
      end = path.count - count
      guard equal(path.extracting(end..<path.count), literal(piece.literal)) else { return false }
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
