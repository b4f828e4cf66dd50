// All names of a peer's certificate, which only a network filter sees, handed to the HTTP filter of the same connection.
// Enters: names, when the handshake is done. Leaves: the same, by the number of the connection, until it is closed. Never here: a name of another
// connection: Envoy never gives a number twice.

internal import Synchronization

/// Who is at the other end, as the network filter saw it.
struct PeerNames: Sendable {
  /// Whether there was a certificate. Without one the peer is anonymous.
  var hasCertificate = false
  var uris: [[UInt8]] = []
  var dnsNames: [[UInt8]] = []
  var subject: [UInt8] = []
}

enum PeerNamesDesk {
  private static let desk = Mutex<[UInt64: PeerNames]>([:])

  static func put(_ names: PeerNames, _ connection: UInt64) { desk.withLock { $0[connection] = names } }

  static func remove(_ connection: UInt64) { desk.withLock { $0[connection] = nil } }

  static func names(_ connection: UInt64) -> PeerNames? { desk.withLock { $0[connection] } }
}
