// A request of the corpus as facts with names, for the doors that are asked by somebody: a proxy, a client of a proxy.
// Enters: the JSON shape of a request. Leaves: texts, each of which may be unknown. Never here: normalization, matching, the engine's types.

/// What is known of one request.
package struct CorpusFacts: Sendable {
  /// Who calls.
  package enum Peer: Sendable {
    case unknown
    /// Nobody: plaintext, or TLS without a certificate.
    case anonymous
    /// One name and nothing else.
    case named(String)
    /// The names of a certificate; the subject as RFC 2253 writes it.
    case certificate(uris: [String], dns: [String], subject: String)
  }

  /// A request's path.
  package enum Path: Sendable {
    case unknown
    /// There is none (CONNECT).
    case absent
    /// As the client sent it.
    case text(String)
  }

  /// What only HTTP has; `nil` is unknown.
  package struct HTTP: Sendable {
    package var method: String?
    package var host: String?
    package var path = Path.unknown
    /// Lines, each a name and a value.
    package var headers: [[String]]?
    /// `.null`: no token.
    package var claims: JSON?
    /// By filter.
    package var metadata: [String: JSON]?
  }

  package var peer = Peer.unknown
  package var sourceAddress: String?
  package var namespace = ""
  package var labels: [String: String] = [:]
  package var profile = "sidecar"
  /// What a waypoint is asked for; `nil` for a workload's own address.
  package var service: String?
  /// Whether only tokens count that a RequestAuthentication accepts.
  package var honorsRequestAuthentication = false
  package var port: UInt16?
  package var destinationAddress: String?
  package var sni: String?
  package var remoteIP: String?
  /// `nil`: a TCP connection.
  package var http: HTTP?

  /// Reads a request.
  package init(_ value: JSON) throws {
    let root = try value.members(["source", "destination", "sni", "remote_ip", "http", "jwt"])
    if let source = root["source"] { try readSource(source) }
    try readDestination(root["destination"] ?? .null)
    sni = try root["sni"]?.text()
    remoteIP = try root["remote_ip"]?.text()
    honorsRequestAuthentication = root["jwt"] != nil
    if let value = root["http"] { http = try HTTP(value) }
  }

  private mutating func readSource(_ value: JSON) throws {
    let source = try value.members(["principal", "identities", "address"])
    sourceAddress = try source["address"]?.text()
    if let identities = try source["identities"]?.members(["uri", "dns", "subject"]) {
      peer = try .certificate(
        uris: identities["uri"]?.texts() ?? [], dns: identities["dns"]?.texts() ?? [], subject: identities["subject"]?.text() ?? "")
    } else if case .null? = source["principal"] {
      peer = .anonymous
    } else if let principal = source["principal"] {
      peer = .named(try principal.text())
    }
  }

  private mutating func readDestination(_ value: JSON) throws {
    let destination = try value.members(["namespace", "labels", "profile", "service", "port", "address"])
    namespace = try (destination["namespace"] ?? .null).text()
    guard case .object(let pairs)? = destination["labels"] else { throw CorpusError("no labels") }
    labels = try pairs.mapValues { try $0.text() }
    destinationAddress = try destination["address"]?.text()
    port = try destination["port"].map { UInt16(try $0.integer()) }
    service = try destination["service"]?.text()
    profile = try destination["profile"]?.text() ?? profile
  }
}

extension CorpusFacts.HTTP {
  fileprivate init(_ value: JSON) throws {
    let http = try value.members(["method", "host", "path", "path_form", "headers", "claims", "metadata"])
    method = try http["method"]?.text()
    host = try http["host"]?.text()
    if case .null? = http["path"] { path = .absent } else if let text = http["path"] { path = .text(try text.text()) }
    headers = try http["headers"]?.list().map { try $0.texts() }
    claims = http["claims"]
    guard let filters = http["metadata"] else { return }
    guard case .object(let members) = filters else { throw CorpusError("\(filters) is no metadata") }
    metadata = members
  }
}
