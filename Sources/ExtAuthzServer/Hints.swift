// What the proxy's configuration says about its workload.
// Enters: `context_extensions` of the request and the metadata of the gRPC call. Leaves: hints, or that they cannot be believed.
// Never here: a hint that is skipped. One that is malformed, unknown, or contradicts another denies the request (`bad-hint`).

internal import CExtAuthz
internal import PolicyEngine
internal import PolicyModel

/// What traffic through a waypoint is addressed to.
enum ServiceHint: Equatable {
  /// A workload's own address.
  case none
  case named(ServiceName)
}

/// The hints of one request.
@safe struct Hints {
  var workload = unsafe extauthz_bytes()
  var namespace = unsafe extauthz_bytes()
  var labels = unsafe extauthz_bytes()
  var port: UInt16?
  var profile: Profile?
  /// What a waypoint is asked for; `nil` when the hint is not there.
  var service: ServiceHint?
  var remoteIP: IPAddress?
  /// The connection's peer, where `source.address` is somebody else; `.some(nil)` for one that has no IP address.
  var sourceIP: IPAddress??
  /// The peer's names as a waypoint keeps them: its own connection has none, because HBONE ends at another listener of the proxy.
  var peer = unsafe extauthz_bytes()

  /// Reads all hints; `nil` when one of them cannot be believed.
  init?(_ request: UnsafePointer<extauthz_request>) {
    if let extensions = unsafe request.pointee.context_extensions {
      for index in unsafe 0..<request.pointee.context_extension_count {
        let pair = unsafe extensions[index]
        // Our names in capital letters are a mistake in the proxy's configuration, and not somebody else's extension.
        guard unsafe pair.key.hasPrefixIgnoringCase("portcullis.") else { continue }
        guard unsafe pair.key.hasPrefix("portcullis."), unsafe read(pair, keyOffset: 11) else { return nil }
      }
    }
    if let metadata = unsafe request.pointee.call_metadata {
      for index in unsafe 0..<request.pointee.call_metadata_count {
        let pair = unsafe metadata[index]
        guard unsafe pair.key.hasPrefix("x-portcullis-") else { continue }
        guard unsafe read(pair, keyOffset: 13) else { return nil }
      }
    }
    // A namespace names a workload only together with labels; only waypoints stand before services.
    guard unsafe namespace.isEmpty == labels.isEmpty else { return nil }
    if profile != .waypoint, unsafe service != nil || !peer.isEmpty { return nil }
  }

  private mutating func read(_ pair: extauthz_pair, keyOffset: Int) -> Bool {
    guard unsafe !pair.value.isEmpty, unsafe pair.value.size <= 4096 else { return false }
    let key = unsafe extauthz_bytes(data: pair.key.data.map { unsafe $0 + keyOffset }, size: pair.key.size - keyOffset)
    if unsafe key.equals("workload") { return unsafe Self.set(&workload, pair.value) }
    if unsafe key.equals("namespace") { return unsafe WorkloadText.isNamespace(pair.value.span) && Self.set(&namespace, pair.value) }
    if unsafe key.equals("labels") { return unsafe Self.set(&labels, pair.value) }
    if unsafe key.equals("port") {
      guard let value = unsafe Self.port(pair.value), port == nil || port == value else { return false }
      port = value
      return true
    }
    if unsafe key.equals("profile") { return unsafe setProfile(pair.value) }
    if unsafe key.equals("peer") { return unsafe Self.set(&peer, pair.value) }
    if unsafe key.equals("service") { return unsafe setService(pair.value) }
    if unsafe key.equals("remote-ip") {
      guard let address = unsafe IPAddress(pair.value.span), remoteIP == nil || remoteIP == address else { return false }
      remoteIP = address
      return true
    }
    if unsafe key.equals("source-ip") { return unsafe setSourceIP(pair.value) }
    return false
  }

  private mutating func setProfile(_ value: extauthz_bytes) -> Bool {
    // A ztunnel asks nobody.
    for candidate in [Profile.sidecar, .gateway, .waypoint] where unsafe value.equals(candidate.name) {
      guard profile == nil || profile == candidate else { return false }
      profile = candidate
      return true
    }
    return false
  }

  /// `namespace/name`, `namespace/kind/name`, or `none` for traffic to a workload's own address.
  private mutating func setService(_ value: extauthz_bytes) -> Bool {
    let hint: ServiceHint
    if unsafe value.equals("none") {
      hint = .none
    } else {
      guard let name = unsafe ServiceName(String(decoding: value.copy, as: UTF8.self)) else { return false }
      hint = .named(name)
    }
    guard service == nil || service == hint else { return false }
    service = hint
    return true
  }

  /// An address, or what Envoy says of a connection from one of its own listeners (`envoy://…`) or over a unix socket (its path, or `@` and
  /// its name): no block contains those.
  private mutating func setSourceIP(_ value: extauthz_bytes) -> Bool {
    let address = unsafe IPAddress(value.span)
    let isElsewhere = unsafe value.hasPrefix("envoy://") || value.hasPrefix("/") || value.hasPrefix("@")
    guard address != nil || isElsewhere, sourceIP == nil || sourceIP == .some(address) else { return false }
    sourceIP = .some(address)
    return true
  }

  private static func set(_ hint: inout extauthz_bytes, _ value: extauthz_bytes) -> Bool {
    guard unsafe hint.isEmpty || hint.equals(value) else { return false }
    unsafe hint = value
    return true
  }

  /// A decimal number from 1 to 65535.
  private static func port(_ text: extauthz_bytes) -> UInt16? {
    let bytes = unsafe text.span
    guard bytes.count <= 5 else { return nil }
    var value: UInt32 = 0
    for index in bytes.indices {
      guard bytes[index] >= 0x30, bytes[index] <= 0x39 else { return nil }
      value = value * 10 + UInt32(bytes[index] - 0x30)
    }
    return value == 0 ? nil : UInt16(exactly: value)
  }
}
