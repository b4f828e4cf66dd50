// A request of the corpus, in the one JSON shape of a request: absent means unknown, empty means empty, `principal: null` and
// `claims: null` mean that there is none, no `http` means TCP.

package import PolicyEngine
package import PolicyModel

/// A request of the corpus as the engine takes it.
package struct CorpusRequest {
  package var request = Request()
  package var namespace: ExactText = ""
  package var labels: [ExactText: ExactText] = [:]
  package var profile = Profile.sidecar
  /// What a waypoint is asked for; `nil` for a workload's own address.
  package var service: ServiceName?
  /// Whether everything that an identity-based rule needs is known.
  package var isPeerKnown = false

  package init(_ value: JSON, mesh: MeshSettings) throws {
    let root = try value.members(["source", "destination", "sni", "remote_ip", "http", "jwt"])
    if let source = root["source"] { try fillSource(source) }
    try fillDestination(root["destination"] ?? .null)
    if let sni = root["sni"] { request.setSNI(Array(try sni.text().utf8).span) }
    if let remote = root["remote_ip"] { request.setRemoteIP(try Self.address(remote)) }
    if let tokens = root["jwt"] {
      guard try tokens.text() == "request-authentication" else { throw CorpusError("unknown `jwt`") }
      request.honorsRequestAuthentication = true
    }
    // HBONE hands requests on to a listener inside the waypoint: no block contains its peer.
    if profile == .waypoint { request.setSourceIP(nil) }
    if let http = root["http"] { try fillHTTP(http, mesh) } else { request.isTCP = true }
  }

  private mutating func fillSource(_ value: JSON) throws {
    let source = try value.members(["principal", "identities", "address"])
    if let address = source["address"] { request.setSourceIP(try Self.address(address)) }
    isPeerKnown = source["principal"] != nil || source["identities"] != nil
    if case .null? = source["principal"] {
      request.setPeerKnown()
    } else if let principal = source["principal"] {
      request.addIdentity(Array(try principal.text().utf8).span)
    }
    guard let identities = try source["identities"]?.members(["uri", "dns", "subject"]) else { return }
    let names = try (identities["uri"]?.texts() ?? []) + (identities["dns"]?.texts() ?? []) + [identities["subject"]?.text() ?? ""]
    let uriCount = try identities["uri"]?.texts().count ?? 0
    for (index, name) in names.enumerated() { request.addIdentity(Array(name.utf8).span, kind: index < uriCount ? .uri : .dns) }
  }

  /// What is attached.
  package func target(in snapshot: Snapshot) throws -> Target {
    guard profile == .waypoint else { return snapshot.target(namespace: namespace, labels: labels) }
    guard let target = snapshot.target(waypointIn: namespace, labels: labels, service: service) else {
      throw CorpusError("a waypoint without the label of its Gateway")
    }
    return target
  }

  private mutating func fillDestination(_ value: JSON) throws {
    let destination = try value.members(["namespace", "labels", "profile", "service", "port", "address"])
    namespace = ExactText(try (destination["namespace"] ?? .null).text())
    guard case .object(let pairs)? = destination["labels"] else { throw CorpusError("no labels") }
    for (key, value) in pairs { labels[ExactText(key)] = ExactText(try value.text()) }
    if let address = destination["address"] { request.setDestinationIP(try Self.address(address)) }
    if let port = try destination["port"]?.integer() {
      guard let number = UInt16(exactly: port) else { throw CorpusError("\(port) is not a port") }
      request.setPort(number)
    }
    if let name = try destination["service"]?.text() {
      guard let known = ServiceName(name) else { throw CorpusError("\(name) is not a service") }
      service = known
    }
    if let name = try destination["profile"]?.text() {
      guard let known = Profile.allCases.first(where: { "\($0.name)" == name }) else { return }
      profile = known
    }
  }

  private mutating func fillHTTP(_ value: JSON, _ mesh: MeshSettings) throws {
    let http = try value.members(["method", "host", "path", "path_form", "headers", "claims", "metadata"])
    if let method = http["method"] { request.setMethod(Array(try method.text().utf8).span) }
    if let host = http["host"] { request.setHost(Array(try host.text().utf8).span) }
    if case .null? = http["path"] {
      request.setPathAbsent()
    } else if let path = http["path"] {
      if let normalized = mesh.normalize(Array(try path.text().utf8)) {
        request.setPath(normalized.span)
      } else {
        request.setPathUnknown(.pathNotNormalized)
      }
    }
    if let headers = http["headers"] {
      request.setHeadersKnown()
      for line in try headers.list() {
        let pair = try line.texts()
        guard pair.count == 2 else { throw CorpusError("a header is a name and a value") }
        request.addHeader(name: Array(pair[0].utf8).span, value: Array(pair[1].utf8).span)
      }
    }
    if let claims = http["claims"] {
      request.setClaimsKnown()
      if case .object = claims { request.setToken() }
      Self.walk(claims, path: []) { request.addClaim(path: $0.span, value: $1.span, isListElement: $2) }
    }
    if let metadata = http["metadata"] {
      request.setMetadataComplete()
      Self.walk(metadata, path: []) { request.addMetadata(path: $0.span, value: $1.span, isListElement: $2) }
    }
  }

  /// Every string and every string of a list, with the path of its names.
  private static func walk(_ value: JSON, path: [UInt8], _ add: ([UInt8], [UInt8], Bool) -> Void) {
    switch value {
    case .string(let text): add(path, Array(text.utf8), false)
    case .array(let list):
      for case .string(let text) in list { add(path, Array(text.utf8), true) }
    case .object(let members):
      for (name, member) in members {
        var longer = path
        Request.appendPathComponent(Array(name.utf8).span, to: &longer)
        walk(member, path: longer, add)
      }
    case .null, .bool, .number: break
    }
  }

  private static func address(_ value: JSON) throws -> IPAddress {
    guard let address = IPAddress(try value.text()) else { throw CorpusError("\(value) is not an address") }
    return address
  }
}
