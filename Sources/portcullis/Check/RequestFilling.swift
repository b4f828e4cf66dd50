// What arguments and JSON documents fill in the same way, and refuse in the same way.
// Enters: the bytes of one attribute and how its writer names it. Leaves: an attribute of the request, or a problem.
// Never here: an attribute that no proxy would ever let through. A rule looks in vain for it, and where a DENY rule does, the answer would be
// an allow that no real request gets.

internal import DecisionText
internal import PolicyEngine
internal import PolicyModel

enum RequestFilling {
  // MARK: Filling

  /// HBONE hands requests on to a listener inside the waypoint, so that policies see no address of the connection's peer: no block contains
  /// it, whatever was given (measured in Envoy 1.40).
  static func enterProxy(_ profile: Profile, in request: inout Request) {
    if profile == .waypoint { request.setSourceIP(nil) }
  }

  /// The method, one token (RFC 9110).
  static func setMethod(_ method: [UInt8], _ name: String, in request: inout Request) throws(CommandProblem) {
    guard isToken(method) else {
      throw CommandProblem("`\(name)` \(shown(method)) is no HTTP method", help: "write one word, such as `GET`, or leave it out")
    }
    request.setMethod(method.span)
  }

  /// The authority, as the client writes it.
  static func setHost(_ host: [UInt8], _ name: String, in request: inout Request) throws(CommandProblem) {
    guard host.allSatisfy(isVisible) else {
      throw CommandProblem("`\(name)` \(shown(host)) has a blank or a control character", help: "write it as in `backend.shop:8080`")
    }
    request.setHost(host.span)
  }

  /// A raw path is normalized as the mesh's proxies would; one that is said to be normalized and is not stays unknown.
  static func setPath(
    _ path: [UInt8], _ name: String, isNormalized: Bool, _ mesh: MeshSettings, in request: inout Request
  ) throws(CommandProblem) {
    guard let normalized = mesh.normalize(path) else {
      throw CommandProblem(
        "the proxies answer 400 to the path \(shown(path)), so that no policy decides about it",
        help: "write `\(name)` as clients send it: it begins with `/`, and does not hold `%00`")
    }
    guard !isNormalized || normalized == path else { return request.setPathUnknown(.pathNotNormalized) }
    request.setPath(normalized.span)
  }

  /// A header line. Values are written as proxies pass them on, without blanks around them.
  static func addHeader(_ header: [UInt8], _ value: [UInt8], in request: inout Request) throws(CommandProblem) {
    // HTTP/2 has names that begin with a colon.
    guard isToken(header.first == UInt8(ascii: ":") ? header.dropFirst() : header[...]) else {
      throw CommandProblem(
        "\(shown(header)) is not the name of a header",
        help: "use letters, digits and hyphens, without blanks and without a colon behind it")
    }
    guard value.allSatisfy({ isVisible($0) || isBlank($0) }) else {
      throw CommandProblem("the value of the header \(shown(header)) has a control character", help: "no proxy lets it through; remove it")
    }
    guard !(value.first.map(isBlank) ?? false), !(value.last.map(isBlank) ?? false) else {
      throw CommandProblem(
        "the value \(shown(value)) of the header \(shown(header)) has blanks around it", help: "proxies remove them; write it without")
    }
    request.addHeader(name: header.span, value: value.span)
  }

  /// A peer that proved to be `uri`.
  static func addPeer(_ uri: [UInt8], _ name: String, in request: inout Request) throws(CommandProblem) {
    let scheme = Array("spiffe://".utf8)
    // Any other text would be a peer whom no rule names, and a DENY rule would let it pass.
    guard uri.starts(with: scheme), uri.count > scheme.count, uri.allSatisfy(isVisible) else {
      throw CommandProblem(
        "`\(name)` \(shown(uri)) is no SPIFFE URI", help: "write it without blanks, as in `spiffe://cluster.local/ns/shop/sa/frontend-sa`")
    }
    request.addIdentity(uri.span)
  }

  /// The server name as Envoy keeps it: in lower case (ASCII).
  static func setSNI(_ name: [UInt8], in request: inout Request) {
    let folded = name.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    request.setSNI(folded.span)
  }

  /// The attribute that a header of this name is: rules about it look there, so as a header it would be overlooked.
  static func attribute(ofHeader name: [UInt8]) -> String? {
    switch ExactText(String(decoding: name, as: UTF8.self).lowercased()) {
    case ":method": "method"
    case ":path": "path"
    case ":authority", "host": "host"
    default: nil
    }
  }

  // MARK: Bytes

  private static func shown(_ bytes: [UInt8]) -> String { "`\(Printable.text(bytes))`" }

  /// At least one byte, and each a letter, a digit or one of ``!#$%&'*+-.^_`|~`` (RFC 9110).
  private static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  /// Neither a blank nor a control character; bytes beyond ASCII are not looked at.
  private static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte != 0x7f }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
