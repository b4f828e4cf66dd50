// The requests of one connection: what does not change is set once, and each request adds the rest.
// Enters: a request that holds what its connection knows. Leaves: the same, again and again, without what single requests added.
// Never here: a decision. Whatever can be decided for the connection alone belongs behind this line.

extension Request {
  /// How far the connection's own attributes go.
  struct ConnectionPart: Sendable {
    var storage = 0
    var identities = 0
    var remoteIP = AddressField(reason: .unknownRemoteIP)
  }

  /// Says that all that is set now is the connection's: peer, addresses, port, server name. `forgetRequest` goes back to it.
  public mutating func keepConnection() {
    connectionPart = ConnectionPart(storage: storage.count, identities: identities.count, remoteIP: remoteIP)
  }

  /// Forgets what was set since `keepConnection` and keeps the memory, unless it has grown beyond 256 KiB. O(1), but for large requests.
  public mutating func forgetRequest() {
    let (bytes, names) = (min(connectionPart.storage, storage.count), min(connectionPart.identities, identities.count))
    if storage.capacity > max(256 * 1024, bytes * 2) {
      storage = Array(storage[..<bytes])
    } else {
      storage.removeLast(storage.count - bytes)
    }
    identities.removeLast(identities.count - names)
    nameView = .each
    isTCP = false
    method = TextField(reason: .unknownMethod)
    host = TextField(reason: .unknownHost)
    target = TextField(reason: .unknownPath)
    path = TextField(reason: .unknownPath)
    remoteIP = connectionPart.remoteIP
    areHeadersKnown = false
    headers.removeAll(keepingCapacity: headers.capacity <= 1024)
    areClaimsKnown = false
    areClaimsHidden = false
    givenToken = nil
    hasToken = false
    claims.removeAll(keepingCapacity: claims.capacity <= 1024)
    isMetadataComplete = false
    metadataFilters.removeAll(keepingCapacity: metadataFilters.capacity <= 1024)
    metadata.removeAll(keepingCapacity: metadata.capacity <= 1024)
  }
}
