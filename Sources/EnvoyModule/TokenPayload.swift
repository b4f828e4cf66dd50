// The claims of a verified token, from the header in which Envoy's JWT filter forwards its payload.
// Enters: the header's value, base64url of JSON. Leaves: entries for the library. Never here: a token that is verified: the JWT filter does that,
// and removes the header from what clients send.

internal import CEnvoyModule
internal import CPortcullis

enum TokenPayload {
  /// Calls `body` with the request and its token: none without the header, unknown when the header cannot be read or is there twice.
  ///
  /// - Returns: what `body` returns; `nil` without memory.
  static func with<Result>(
    _ name: [UInt8], _ request: inout portcullis_request, _ body: (inout portcullis_request) -> Result
  ) -> Result? {
    guard unsafe request.hasHeader(name) else {
      unsafe request.token = Int32(PORTCULLIS_TOKEN_NONE)
      return unsafe body(&request)
    }
    guard let value = unsafe request.onlyValue(name), let text = unsafe base64(value), case .object(let claims) = read(text) else {
      return unsafe body(&request)
    }
    let texts = HeldTexts()
    var list = ClaimList(texts)
    for (name, value) in claims { list.add(value, [name]) }
    return unsafe list.lend { entries in
      unsafe request.token = Int32(PORTCULLIS_TOKEN_VERIFIED)
      unsafe request.claims = entries.baseAddress
      unsafe request.claim_count = entries.count
      return withExtendedLifetime(texts) { unsafe body(&request) }
    }
  }

  private static func read(_ text: [UInt8]) -> JSONValue {
    do throws(JSONProblem) { return try JSONReader.read(text) } catch { return .null }
  }

  /// The bytes of base64 in either alphabet, padded or not; `nil` for anything else.
  static func base64(_ value: portcullis_bytes) -> [UInt8]? {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    var end = unsafe value.size
    while end > 0, unsafe value.byte(end - 1) == UInt8(ascii: "=") { end -= 1 }
    bytes.reserveCapacity(end / 4 &* 3 &+ 3)
    for index in 0..<max(0, end) {
      guard let byte = unsafe value.byte(index) else { return nil }
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = byte &- 65
      case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = byte &- 71
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &+ 4
      case UInt8(ascii: "-"), UInt8(ascii: "+"): digit = 62
      case UInt8(ascii: "_"), UInt8(ascii: "/"): digit = 63
      default: return nil
      }
      bits = bits << 6 | UInt32(digit)
      count &+= 6
      if count >= 8 {
        count &-= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }
}

extension portcullis_request {
  func hasHeader(_ name: [UInt8]) -> Bool {
    guard let headers = unsafe headers else { return false }
    for index in unsafe 0..<max(0, header_count) where unsafe headers[index].name.equals(name) { return true }
    return false
  }
}

/// Entries for strings and lists of strings, with the names that lead to them.
@safe private struct ClaimList {
  private let texts: HeldTexts
  private var paths: [[portcullis_bytes]] = unsafe []
  private var values: [(value: portcullis_bytes, isListElement: Bool)] = unsafe []

  init(_ texts: HeldTexts) { self.texts = texts }

  mutating func add(_ value: JSONValue, _ path: [String]) {
    switch value {
    case .string(let text): add(text, path, isListElement: false)
    case .array(let elements):
      for case .string(let text) in elements { add(text, path, isListElement: true) }
    case .object(let members):
      // The library takes 16 names at most; no rule names more.
      if path.count < 16 { for (name, member) in members { add(member, path + [name]) } }
    case .null, .bool, .number: break
    }
  }

  private mutating func add(_ text: String, _ path: [String], isListElement: Bool) {
    unsafe paths.append(path.map { unsafe texts.hold(Array($0.utf8)) })
    unsafe values.append((texts.hold(Array(text.utf8)), isListElement))
  }

  func lend<Result>(_ body: (UnsafeBufferPointer<portcullis_entry>) -> Result) -> Result {
    let names = unsafe paths.flatMap { unsafe $0 }
    return unsafe names.withUnsafeBufferPointer { names in
      var start = 0
      var entries: [portcullis_entry] = unsafe []
      for index in unsafe values.indices {
        let count = unsafe paths[index].count
        unsafe entries.append(
          portcullis_entry(
            path: names.baseAddress.map { unsafe $0 + start }, path_count: count, value: values[index].value,
            is_list_element: values[index].isListElement ? 1 : 0, reserved: 0))
        start &+= count
      }
      return unsafe entries.withUnsafeBufferPointer { unsafe body($0) }
    }
  }
}
