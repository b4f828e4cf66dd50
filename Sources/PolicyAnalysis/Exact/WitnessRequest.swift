// From a point of a space to a request that the engine can decide, and to one that people can read.
// Enters: a point. Leaves: every attribute of one request, all of them known.
// Never here: an attribute that rules ask for and the request leaves open.

public import PolicyEngine
public import PolicyModel

/// One request, written out.
public struct WitnessRequest: Sendable, Hashable {
  /// Whether it is a connection without HTTP.
  public var isTCP = false
  /// The peer's one name; nil for an anonymous peer.
  public var identity: [UInt8]?
  /// The port.
  public var port: UInt16 = 8080
  /// The connection's peer; nil at a waypoint, where rules see none.
  public var sourceIP: IPAddress? = IPAddress(isIPv4: true, high: 0x0a00_0001 << 32, low: 0)
  /// The derived client.
  public var remoteIP = IPAddress(isIPv4: true, high: 0x0a00_0001 << 32, low: 0)
  /// The connection's local address.
  public var destinationIP = IPAddress(isIPv4: true, high: 0x0a00_0002 << 32, low: 0)
  /// The server name of the TLS handshake.
  public var sni: [UInt8] = []
  /// The method.
  public var method: [UInt8] = Array("GET".utf8)
  /// The authority.
  public var host: [UInt8] = Array("x".utf8)
  /// The path with its query; nil only for CONNECT.
  public var path: [UInt8]? = Array("/".utf8)
  /// Header lines.
  public var headers: [Header] = []
  /// The token's claims.
  public var claims: [Entry] = []
  /// Metadata of the proxy's filters, by filter and key.
  public var metadata: [Entry] = []

  /// One header line.
  public struct Header: Sendable, Hashable {
    /// In lower case.
    public var name: [UInt8]
    /// Without blanks around it.
    public var value: [UInt8]
  }

  /// A text, or one element of a list.
  public struct Entry: Sendable, Hashable {
    /// The names that lead to it.
    public var path: [ExactText]
    /// The text.
    public var value: [UInt8]
    /// Whether it is an element of a list.
    public var isListElement: Bool
  }

  /// A plain request.
  public init() {}

  /// The same for the engine.
  public var request: Request {
    var request = Request()
    request.isTCP = isTCP
    request.setPeerKnown()
    if let identity { request.addIdentity(identity.span) }
    request.setPort(port)
    request.setSourceIP(sourceIP)
    request.setRemoteIP(remoteIP)
    request.setDestinationIP(destinationIP)
    request.setSNI(sni.span)
    request.setMetadataComplete()
    for entry in metadata {
      request.addMetadata(path: Self.encoded(entry.path).span, value: entry.value.span, isListElement: entry.isListElement)
    }
    if isTCP { return request }
    request.setMethod(method.span)
    request.setHost(host.span)
    if let path { request.setPath(path.span) } else { request.setPathAbsent() }
    request.setHeadersKnown()
    for header in headers { request.addHeader(name: header.name.span, value: header.value.span) }
    request.setClaimsKnown()
    for entry in claims {
      request.addClaim(path: Self.encoded(entry.path).span, value: entry.value.span, isListElement: entry.isListElement)
    }
    return request
  }

  private static func encoded(_ path: [ExactText]) -> [UInt8] {
    var bytes: [UInt8] = []
    for name in path { Request.appendPathComponent(name.bytes.span, to: &bytes) }
    return bytes
  }
}

extension Space {
  /// The request of a point. `known` gives, by class of the identity, a name that somebody in the inventory has.
  func request(at point: [Int32], known: [Int32: [UInt8]] = [:]) -> WitnessRequest {
    var request = WitnessRequest()
    request.isTCP = shape.isTCP
    if shape.profile == .waypoint { request.sourceIP = nil }
    for field in fields {
      guard let place = places[field] else { continue }
      let atom = place.scalar.map { point[$0] }
      let index = atom.flatMap { place.texts == nil ? nil : place.text($0) }
      var text = index.flatMap { place.texts?.atoms[Int($0)].witness }
      let elements = place.elements.map { first in
        (place.texts?.atoms ?? []).indices.filter { point[first + $0] == 1 }.compactMap { place.texts?.atoms[$0].witness }
      }
      func address() -> IPAddress? { atom.flatMap { number in addresses[field]?.witnesses[Int(number)] } }
      switch field {
      case .port: request.port = atom.map { ports.witnesses[Int($0)] } ?? request.port
      case .identity:
        if let index, let own = known[index] { text = own }
        request.identity = text
      case .sourceIP: request.sourceIP = address()
      case .remoteIP: request.remoteIP = address() ?? request.remoteIP
      case .destinationIP: request.destinationIP = address() ?? request.destinationIP
      case .sni: request.sni = text ?? []
      case .method: request.method = text ?? []
      case .host: request.host = text ?? []
      case .path: request.path = text
      case .header(let name):
        for value in (elements ?? []) + [text].compactMap({ $0 }) { request.headers.append(.init(name: name, value: value)) }
      case .claim(let path):
        if let text { request.claims.append(.init(path: path, value: text, isListElement: false)) }
        for value in elements ?? [] { request.claims.append(.init(path: path, value: value, isListElement: true)) }
      case .metadata(let filter, let key):
        if let text { request.metadata.append(.init(path: [filter, key], value: text, isListElement: false)) }
        for value in elements ?? [] { request.metadata.append(.init(path: [filter, key], value: value, isListElement: true)) }
      }
    }
    return request
  }

  /// The point of a request; nil when it lies outside the space (a text that no proxy lets through, a peer of another shape).
  mutating func point(of request: WitnessRequest) -> [Int32]? {
    var point = Array(repeating: Int32(0), count: counts.count)
    for field in fields {
      guard let place = places[field] else { continue }
      var scalar: [UInt8]?
      var list: [[UInt8]] = []
      switch field {
      case .port:
        guard let atom = ports.atom(of: request.port), let dimension = place.scalar else { return nil }
        point[dimension] = atom
        continue
      case .sourceIP, .remoteIP, .destinationIP:
        let address: IPAddress? =
          switch field {
          case .sourceIP: request.sourceIP
          case .remoteIP: request.remoteIP
          default: request.destinationIP
          }
        guard let dimension = place.scalar, let atom = address.flatMap({ addresses[field]?.atom(of: $0) }) else { return nil }
        point[dimension] = atom
        continue
      case .identity: scalar = request.identity
      case .sni: scalar = request.sni
      case .method: scalar = request.method
      case .host: scalar = request.host
      case .path:
        scalar = request.path
        if let path = scalar, !path.isEmpty, !hasQuery {
          scalar = Array(path.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        }
      case .header(let name):
        let values = request.headers.filter { FormulaMaker.lower($0.name) == name }.map(\.value)
        if place.elements != nil {
          list = values
        } else if !values.isEmpty {
          scalar = Array(values.joined(separator: [UInt8(ascii: ",")]))
        }
      case .claim(let path): (scalar, list) = Self.split(request.claims.filter { $0.path == path }, place)
      case .metadata(let filter, let key): (scalar, list) = Self.split(request.metadata.filter { $0.path == [filter, key] }, place)
      }
      if let dimension = place.scalar {
        if let scalar {
          guard let atom = textAtom(field, scalar) else { return nil }
          point[dimension] = place.atom(atom)
        } else if !place.canBeAbsent {
          return nil
        }
      }
      if let elements = place.elements {
        for value in list {
          guard let atom = textAtom(field, value) else { return nil }
          point[elements + Int(atom)] = 1
        }
      }
    }
    return point
  }

  private static func split(_ entries: [WitnessRequest.Entry], _ place: Place) -> (scalar: [UInt8]?, list: [[UInt8]]) {
    let scalar = entries.first { !$0.isListElement }?.value
    let list = entries.filter(\.isListElement).map(\.value)
    // Where no rule looks at the text alone, a text is a list of one.
    if place.scalar == nil, let scalar { return (nil, list + [scalar]) }
    return (scalar, list)
  }
}
