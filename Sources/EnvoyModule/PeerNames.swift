// Who is at the other end and whom it asked for, which only a network filter sees in full, handed to the HTTP filter of the same connection.
// Enters: what was seen, when the handshake is done. Leaves: the same, by the number of the connection, until it is closed. Never here: a name of
// another connection: Envoy never gives a number twice.

internal import CPortcullis
internal import Synchronization

/// All names of a certificate.
struct PeerNames: Sendable {
  var uris: [[UInt8]] = []
  var dnsNames: [[UInt8]] = []
  var subject: [UInt8] = []

  var isEmpty: Bool { uris.isEmpty && dnsNames.isEmpty && subject.isEmpty }
}

/// Who is at the other end, as a network filter saw it.
enum SeenPeer: Sendable {
  /// It cannot be said; that somebody was asked is no reason to ask anybody who sees less.
  case unknown
  /// Plaintext, or TLS without a certificate.
  case anonymous
  case certificate(PeerNames)

  fileprivate func with<Result>(_ facts: inout portcullis_connection_facts, _ body: (inout portcullis_connection_facts) -> Result) -> Result
  {
    switch self {
    case .unknown: return unsafe body(&facts)
    case .anonymous:
      unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS)
      return unsafe body(&facts)
    case .certificate(let names):
      // A certificate without any name is nobody that we know, and not nobody.
      return unsafe names.isEmpty ? body(&facts) : names.with(&facts, body)
    }
  }
}

extension PeerNames {
  fileprivate func with<Result>(
    _ facts: inout portcullis_connection_facts, _ body: (inout portcullis_connection_facts) -> Result
  ) -> Result {
    let texts = HeldTexts()
    let uriList = unsafe uris.map { unsafe texts.hold($0) }
    let dnsList = unsafe dnsNames.map { unsafe texts.hold($0) }
    unsafe facts.subject = texts.hold(subject)
    unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_NAMES)
    return unsafe uriList.withUnsafeBufferPointer { uris in
      unsafe dnsList.withUnsafeBufferPointer { dnsNames in
        unsafe facts.uris = uris.baseAddress
        unsafe facts.uri_count = uris.count
        unsafe facts.dns_names = dnsNames.baseAddress
        unsafe facts.dns_name_count = dnsNames.count
        return withExtendedLifetime(texts) { unsafe body(&facts) }
      }
    }
  }
}

/// What a network filter saw of a connection.
struct SeenConnection: Sendable {
  var peer: SeenPeer
  /// The server name of the TLS handshake; empty where there is none.
  var serverName: [UInt8]

  /// Lends the facts with what was seen.
  func with<Result>(_ facts: inout portcullis_connection_facts, _ body: (inout portcullis_connection_facts) -> Result) -> Result {
    let texts = HeldTexts()
    unsafe facts.sni = texts.hold(serverName)
    return withExtendedLifetime(texts) { unsafe peer.with(&facts, body) }
  }
}

/// The connections that a network filter has seen, of all workers.
enum SeenConnections {
  private static let desk = Mutex<[UInt64: SeenConnection]>([:])

  static func put(_ seen: SeenConnection, _ number: UInt64) { desk.withLock { $0[number] = seen } }

  static func remove(_ number: UInt64) { desk.withLock { $0[number] = nil } }

  static func connection(_ number: UInt64) -> SeenConnection? { desk.withLock { $0[number] } }
}
