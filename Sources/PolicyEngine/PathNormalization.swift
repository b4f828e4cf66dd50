// What a proxy does to a path before policies see it (Istio: path normalization; Envoy 1.40).
// Enters: a path as a client sent it, and the mesh's mode. Leaves: the path as the proxy matches and forwards it, or nil where the proxy
// answers 400. A path that this function changes was not normalized.
// Never here: the query, which is kept as it is; a fragment is dropped in every mode.

public import PolicyModel

/// Memory for normalizing one path after the other.
public struct PathScratch: Sendable {
  fileprivate var result: [UInt8] = []
  fileprivate var decoded: [UInt8] = []

  /// No memory yet.
  public init() {}

  /// Gives memory back that is more than this, in bytes.
  public mutating func trim(to most: Int) {
    if result.capacity > most { result = [] }
    if decoded.capacity > most { decoded = [] }
  }
}

extension MeshSettings {
  /// Whether the mesh's proxies would leave the path as it is. No allocation for ordinary paths.
  public func isNormalized(_ path: Span<UInt8>) -> Bool {
    var scratch = PathScratch()
    return isNormalized(path, using: &scratch)
  }

  /// The same without allocation for any path that is no longer than those before.
  public func isNormalized(_ path: Span<UInt8>, using scratch: inout PathScratch) -> Bool {
    pathNormalization.isFixedPoint(path, keepsDotParameters: olderBehaviors.contains(.literalDotParameters), using: &scratch)
  }

  /// The path as policies see it, with its query; `nil` where the proxies refuse the request, or would never forward such a path.
  public func normalize(_ path: [UInt8]) -> [UInt8]? {
    pathNormalization.normalize(path, keepsDotParameters: olderBehaviors.contains(.literalDotParameters))
  }
}

extension MeshSettings.PathNormalization {
  /// Whether the proxy would leave the path as it is. No allocation beyond that of the scratch memory.
  /// A path that begins with anything but a slash is none that a proxy forwards, but for the star of `OPTIONS *`.
  func isFixedPoint(_ path: Span<UInt8>, keepsDotParameters: Bool = false, using scratch: inout PathScratch) -> Bool {
    guard path.count > 0, path[0] == UInt8(ascii: "/") || (path[0] == UInt8(ascii: "*") && path.count == 1) else { return false }
    if Self.isPlain(path, mergesSlashes: self != .none && self != .base, rewrites: self != .none) { return true }
    guard normalize(path, keepsDotParameters, into: &scratch.result, &scratch.decoded) else { return false }
    return equal(scratch.result.span, path)
  }

  /// The path as policies see it, with its query; `nil` where the proxy refuses the request, or would never forward such a path.
  func normalize(_ target: [UInt8], keepsDotParameters: Bool = false) -> [UInt8]? {
    var (result, decoded): ([UInt8], [UInt8]) = ([], [])
    return normalize(target.span, keepsDotParameters, into: &result, &decoded) ? result : nil
  }

  /// The same into `result`, and by way of `decoded`, which are used again; false for `nil`.
  private func normalize(_ target: Span<UInt8>, _ keepsDotParameters: Bool, into result: inout [UInt8], _ decoded: inout [UInt8]) -> Bool {
    result.removeAll(keepingCapacity: true)
    guard target.count > 0, target[0] == UInt8(ascii: "/") else {
      guard target.count == 1, target[0] == UInt8(ascii: "*") else { return false }
      result.append(target[0])
      return true
    }
    var end = 0
    while end < target.count, target[end] != UInt8(ascii: "#") { end += 1 }
    var query = 0
    while query < end, target[query] != UInt8(ascii: "?") { query += 1 }
    if self == .none {
      Self.append(target, 0..<end, to: &result)
      return true
    }
    let path = target.extracting(0..<query)
    if self == .decodeAndMergeSlashes {
      Self.decodeSlashes(path, into: &decoded)
      guard Self.canonicalize(decoded.span, keepsDotParameters, into: &result) else { return false }
    } else {
      guard Self.canonicalize(path, keepsDotParameters, into: &result) else { return false }
    }
    if self != .base { Self.mergeSlashes(&result) }
    Self.append(target, query..<end, to: &result)
    return true
  }

  private static func append(_ text: Span<UInt8>, _ range: Range<Int>, to output: inout [UInt8]) {
    for index in range { output.append(text[index]) }
  }

  /// Whether nothing in the path can be rewritten; false says only that a closer look is needed.
  private static func isPlain(_ path: Span<UInt8>, mergesSlashes: Bool, rewrites: Bool) -> Bool {
    var previous: UInt8 = 0
    for index in path.indices {
      let byte = path[index]
      if byte == UInt8(ascii: "?") { return !contains(path, from: index, UInt8(ascii: "#")) }
      if byte == UInt8(ascii: "#") { return false }
      if rewrites {
        if isEscaped(byte) || byte == UInt8(ascii: "%") || byte == UInt8(ascii: "\\") { return false }
        if previous == UInt8(ascii: "/"), byte == UInt8(ascii: ".") || (mergesSlashes && byte == UInt8(ascii: "/")) { return false }
      }
      previous = byte
    }
    return true
  }

  private static func contains(_ path: Span<UInt8>, from start: Int, _ byte: UInt8) -> Bool {
    for index in start..<path.count where path[index] == byte { return true }
    return false
  }

  /// Bytes that are percent-encoded.
  private static func isEscaped(_ byte: UInt8) -> Bool {
    switch byte {
    case 0...0x20, 0x22, 0x3c, 0x3e, 0x5e, 0x60, 0x7b, 0x7c, 0x7d, 0x7f...0xff: true
    default: false
    }
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: true
    default: false
    }
  }

  /// `%2F` and `%5C` become the characters they stand for.
  private static func decodeSlashes(_ path: Span<UInt8>, into result: inout [UInt8]) {
    result.removeAll(keepingCapacity: true)
    var index = 0
    while index < path.count {
      if let byte = escape(path, at: index), byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") {
        result.append(byte)
        index += 3
      } else {
        result.append(path[index])
        index += 1
      }
    }
  }

  /// Unreserved escapes decoded, what needs it encoded, backslashes turned, dot segments resolved; false where the proxy refuses the path.
  private static func canonicalize(_ path: Span<UInt8>, _ keepsDotParameters: Bool, into output: inout [UInt8]) -> Bool {
    var index = 0
    while index < path.count {
      let byte = path[index]
      if byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") {
        index += 1
        output.append(UInt8(ascii: "/"))
        while let length = dotSegment(path, at: index, keepsDotParameters) {
          // Two dots take the segment before away; both forms leave the slash behind which they stand.
          if length.dots == 2 { removeLastSegment(&output) }
          index += length.bytes
          guard index < path.count else { return true }
          guard path[index] == UInt8(ascii: "/") || path[index] == UInt8(ascii: "\\") else { break }
          index += 1
        }
        continue
      }
      if byte == UInt8(ascii: "%") {
        guard let decoded = escape(path, at: index) else {
          output.append(byte)
          index += 1
          continue
        }
        if decoded == 0 { return false }
        if isUnreserved(decoded) { output.append(decoded) } else { append(path, index..<index + 3, to: &output) }
        index += 3
        continue
      }
      if isEscaped(byte) {
        output.append(UInt8(ascii: "%"))
        output.append(digit(byte >> 4))
        output.append(digit(byte & 15))
      } else {
        output.append(byte)
      }
      index += 1
    }
    return true
  }

  /// A segment of one or two dots (plain or escaped) at `index`, which ends at a slash, the end, or `;` with its parameters.
  private static func dotSegment(_ path: Span<UInt8>, at index: Int, _ keepsParameters: Bool) -> (dots: Int, bytes: Int)? {
    var at = index
    var dots = 0
    while at < path.count, dots < 3 {
      if path[at] == UInt8(ascii: ".") {
        at += 1
      } else if escape(path, at: at) == UInt8(ascii: ".") {
        at += 3
      } else {
        break
      }
      dots += 1
    }
    guard dots == 1 || dots == 2 else { return nil }
    if !keepsParameters, at < path.count, path[at] == UInt8(ascii: ";"), at == index + dots {
      while at < path.count, path[at] != UInt8(ascii: "/"), path[at] != UInt8(ascii: "\\") { at += 1 }
    }
    guard at == path.count || path[at] == UInt8(ascii: "/") || path[at] == UInt8(ascii: "\\") else { return nil }
    return (dots, at - index)
  }

  /// `/a/b/` becomes `/a/`; the root stays.
  private static func removeLastSegment(_ path: inout [UInt8]) {
    guard path.count > 1 else { return }
    path.removeLast()
    while let last = path.last, last != UInt8(ascii: "/") { path.removeLast() }
    if path.isEmpty { path.append(UInt8(ascii: "/")) }
  }

  private static func mergeSlashes(_ path: inout [UInt8]) {
    var count = 0
    for index in path.indices where path[index] != UInt8(ascii: "/") || count == 0 || path[count - 1] != UInt8(ascii: "/") {
      path[count] = path[index]
      count += 1
    }
    path.removeLast(path.count - count)
  }

  private static func escape(_ path: Span<UInt8>, at index: Int) -> UInt8? {
    guard index + 2 < path.count, path[index] == UInt8(ascii: "%"), let high = hexadecimal(path[index + 1]),
      let low = hexadecimal(path[index + 2])
    else { return nil }
    return high << 4 | low
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
}
