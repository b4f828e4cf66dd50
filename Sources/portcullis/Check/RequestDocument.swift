// The one JSON shape of a request (docs/request-json.md).
// Enters: one JSON object. Leaves: a request. Absent means unknown, empty means empty, unknown keys are refused.
// Never here: a default for what is not written, a value of another type than the shape names.

internal import DecisionText
internal import Foundation
internal import PolicyEngine
internal import PolicyModel

/// Why a document is not a request.
struct RequestDocumentError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// One object of the document.
private struct Members {
  private let all: [(name: ExactText, value: JSONValue)]

  init(_ value: JSONValue, _ name: String, _ known: [ExactText]) throws {
    guard case .object(let members) = value else { throw RequestDocumentError("`\(name)` is not an object") }
    if let unknown = members.first(where: { !known.contains($0.name) }) {
      let names = known.map(\.string).joined(separator: ", ")
      throw RequestDocumentError("`\(name)` has an unknown key `\(Printable.text(unknown.name.string))`; known are \(names)")
    }
    all = members
  }

  subscript(_ name: ExactText) -> JSONValue? { all.first { $0.name == name }?.value }
}

struct RequestDocument {
  private let root: Members

  /// - Throws: `JSONError` or `RequestDocumentError`.
  init(line: [UInt8]) throws { try self.init(JSONReader.value(of: line)) }

  /// - Throws: `RequestDocumentError`.
  init(_ value: JSONValue) throws {
    root = try Members(value, "the request", ["source", "destination", "sni", "remote_ip", "http", "metadata"])
  }

  private static let destinationKeys: [ExactText] = ["workload", "namespace", "labels", "profile", "service", "port", "address"]

  /// The workload, where the document does not say which kind of proxy is asked; nil where it does, or names none.
  var workloadOfAnyProxy: String? {
    guard let value = root["destination"], case .object(let members) = value, !members.contains(where: { $0.name == "profile" }),
      case .string(let name)? = members.first(where: { $0.name == "workload" })?.value
    else { return nil }
    return String(decoding: name, as: UTF8.self)
  }

  /// The kind of proxy that is asked about; it says which snapshot can answer.
  ///
  /// - Throws: `RequestDocumentError`.
  var profile: Profile {
    get throws {
      guard let value = root["destination"] else { throw RequestDocumentError("`destination` is missing") }
      guard let value = try Members(value, "destination", Self.destinationKeys)["profile"] else { return .sidecar }
      guard case .string(let name) = value, let known = CheckProfile(rawValue: String(decoding: name, as: UTF8.self)) else {
        let names = CheckProfile.allCases.map { "`\($0.rawValue)`" }
        throw RequestDocumentError("`destination.profile` is not \(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")")
      }
      return known.profile
    }
  }

  /// The request and what is attached to its workload.
  ///
  /// - Throws: `RequestDocumentError`, or `CommandProblem` when the workload is not there.
  func question(for snapshot: Snapshot, _ tokens: TokenTrust) throws -> Question {
    var request = Request()
    let source = try root["source"].map { try Members($0, "source", ["principal", "identities", "address"]) }
    let from = try source.map { try fillSource($0, into: &request) } ?? "?"
    guard let destination = root["destination"] else { throw RequestDocumentError("`destination` is missing") }
    let (to, profile, workload) = try fillDestination(destination, snapshot, into: &request)
    RequestFilling.enterProxy(profile, in: &request)
    request.honorsRequestAuthentication = tokens == .requestAuthentication
    if let sni = root["sni"] { RequestFilling.setSNI(try Self.bytes(sni, "sni"), in: &request) }
    if let http = root["http"] {
      guard root["metadata"] == nil else {
        throw RequestDocumentError("`metadata` stands beside `http`; the metadata of an HTTP request is written as `http.metadata`")
      }
      try fillHTTP(http, snapshot.mesh, into: &request)
    } else {
      request.isTCP = true
      if let metadata = root["metadata"] { try fillMetadata(metadata, "metadata", into: &request) }
    }
    if let remote = root["remote_ip"] {
      request.setRemoteIP(try Self.address(remote, "remote_ip"))
    } else if request.isTCP, let peer = source?["address"] {
      request.setRemoteIP(try Self.address(peer, "source.address"))
    }
    return Question(
      title: Printable.text("\(from) -> \(to)"), request: request, target: try workload.target(in: snapshot), profile: profile,
      destination: workload)
  }

  private func fillSource(_ source: Members, into request: inout Request) throws -> String {
    if let address = source["address"] { request.setSourceIP(try Self.address(address, "source.address")) }
    guard source["principal"] == nil || source["identities"] == nil else {
      throw RequestDocumentError("`source` has both `principal` and `identities`")
    }
    if let principal = source["principal"] {
      if case .null = principal {
        request.setPeerKnown()
        return "anonymous"
      }
      let bytes = try Self.bytes(principal, "source.principal")
      guard !bytes.isEmpty else { throw RequestDocumentError("`source.principal` is empty; write `null` for an anonymous peer") }
      do { try RequestFilling.addPeer(bytes, "source.principal", in: &request) } catch {
        throw RequestDocumentError("\(error.problem); write `spiffe://…`, or other names of a certificate as `source.identities`")
      }
      return String(decoding: bytes, as: UTF8.self)
    }
    guard let value = source["identities"] else { return "?" }
    let identities = try Members(value, "source.identities", ["uri", "dns", "subject"])
    var names: [(kind: Request.NameKind, text: [UInt8])] = []
    for (key, kind, list) in [("uri", Request.NameKind.uri, identities["uri"]), ("dns", .dns, identities["dns"])] {
      for name in try Self.list(list ?? .list([]), "source.identities.\(key)") {
        names.append((kind, try Self.bytes(name, "source.identities.\(key)")))
      }
    }
    names.append((.subject, try Self.bytes(identities["subject"] ?? .string([]), "source.identities.subject")))
    for name in names { request.addIdentity(name.text.span, kind: name.kind) }
    return names.map(\.text).first { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) } ?? "a peer without names"
  }

  private func fillDestination(
    _ value: JSONValue, _ snapshot: Snapshot, into request: inout Request
  ) throws -> (String, Profile, Question.Destination) {
    let destination = try Members(value, "destination", Self.destinationKeys)
    if let address = destination["address"] { request.setDestinationIP(try Self.address(address, "destination.address")) }
    if let value = destination["port"] {
      guard case .number(let digits) = value, let port = UInt16(digits), port > 0 else {
        throw RequestDocumentError("`destination.port` is not a whole number from 1 to 65535")
      }
      request.setPort(port)
    }
    let profile = try self.profile
    if let value = destination["workload"] {
      guard destination["labels"] == nil, destination["namespace"] == nil else {
        throw RequestDocumentError("`destination` has both `workload` and `labels` or `namespace`")
      }
      let name = String(decoding: try Self.bytes(value, "destination.workload"), as: UTF8.self)
      let service = try self.service(destination)
      return (name, profile, try Question.Destination(workload: name, profile: profile, service: service, in: snapshot))
    }
    guard let namespace = destination["namespace"], let value = destination["labels"] else {
      throw RequestDocumentError("`destination` needs `workload`, or `namespace` and `labels`")
    }
    guard case .object(let pairs) = value else { throw RequestDocumentError("`destination.labels` is not an object") }
    var labels: [ExactText: ExactText] = [:]
    for (key, value) in pairs { labels[key] = try Self.text(value, "destination.labels.\(Printable.text(key.string))") }
    let name = try Self.text(namespace, "destination.namespace")
    guard !name.isEmpty else { throw RequestDocumentError("`destination.namespace` is empty") }
    // Where no policy is, everything is allowed: a slip in the name must not look like that.
    guard snapshot.knows(namespace: name.bytes.span) else {
      throw CommandProblem(
        "no object in the given files is in the namespace `\(Printable.text(name.string))`",
        help: "correct the name, or add a manifest of the Namespace to `--policies`")
    }
    let service = try self.service(destination)
    return (
      name.string, profile, try Question.Destination(namespace: name, labels: labels, profile: profile, service: service, in: snapshot)
    )
  }

  /// What a waypoint is asked for; `none` where that is null.
  private func service(_ destination: Members) throws -> String? {
    switch destination["service"] {
    case nil: nil
    case .null: "none"
    case let value?: String(decoding: try Self.bytes(value, "destination.service"), as: UTF8.self)
    }
  }

  private func fillHTTP(_ value: JSONValue, _ mesh: MeshSettings, into request: inout Request) throws {
    let http = try Members(value, "http", ["method", "host", "path", "path_form", "headers", "claims", "metadata"])
    let method = try http["method"].map { try Self.bytes($0, "http.method") }
    if let method { try RequestFilling.setMethod(method, "http.method", in: &request) }
    if let host = http["host"] { try RequestFilling.setHost(Self.bytes(host, "http.host"), "http.host", in: &request) }
    let form = try http["path_form"].map { try Self.text($0, "http.path_form") } ?? "raw"
    guard form == "raw" || form == "normalized" else { throw RequestDocumentError("`http.path_form` is not `raw` or `normalized`") }
    switch http["path"] {
    case nil: break
    case .null:
      // To rules about paths a request without one is not the same as one whose path nobody knows.
      guard method == Array("CONNECT".utf8) else {
        throw RequestDocumentError("`http.path` is null, and only `CONNECT` has no path; leave `path` out when it is not known")
      }
      request.setPathAbsent()
    case .some(let path):
      let bytes = try Self.bytes(path, "http.path")
      try RequestFilling.setPath(bytes, "http.path", isNormalized: form == "normalized", mesh, in: &request)
    }
    if let headers = http["headers"] { try fillHeaders(headers, into: &request) }
    if let claims = http["claims"] {
      request.setClaimsKnown()
      if case .null = claims {
      } else {
        request.setToken()
        try fill(claims, "http.claims", into: &request) { $0.addClaim(path: $1.span, value: $2.span, isListElement: $3) }
      }
    }
    if let metadata = http["metadata"] { try fillMetadata(metadata, "http.metadata", into: &request) }
  }

  private func fillMetadata(_ value: JSONValue, _ name: String, into request: inout Request) throws {
    request.setMetadataComplete()
    try fill(value, name, into: &request) { $0.addMetadata(path: $1.span, value: $2.span, isListElement: $3) }
  }

  private func fillHeaders(_ value: JSONValue, into request: inout Request) throws {
    request.setHeadersKnown()
    for line in try Self.list(value, "http.headers") {
      guard case .list(let pair) = line, pair.count == 2 else {
        throw RequestDocumentError("`http.headers` is not a list of `[name, value]`")
      }
      let name = try Self.bytes(pair[0], "http.headers")
      let value = try Self.bytes(pair[1], "http.headers")
      if let other = RequestFilling.attribute(ofHeader: name) {
        throw RequestDocumentError("the header `\(Printable.text(name))` is the request's \(other): write it as `http.\(other)`")
      }
      try RequestFilling.addHeader(name, value, in: &request)
    }
  }

  /// Every string and every string of a list, with its path of names; other values are never matched by a rule.
  private func fill(
    _ value: JSONValue, _ name: String, into request: inout Request, _ add: (inout Request, [UInt8], [UInt8], Bool) -> Void
  ) throws {
    guard case .object(let members) = value else { throw RequestDocumentError("`\(name)` is not an object") }
    fill(members, under: [], into: &request, add)
  }

  private func fill(
    _ members: [(name: ExactText, value: JSONValue)], under parent: [UInt8], into request: inout Request,
    _ add: (inout Request, [UInt8], [UInt8], Bool) -> Void
  ) {
    for (name, value) in members {
      var path = parent
      Request.appendPathComponent(name.bytes.span, to: &path)
      switch value {
      case .string(let bytes): add(&request, path, bytes, false)
      case .list(let elements):
        for case .string(let bytes) in elements { add(&request, path, bytes, true) }
      case .object(let children): fill(children, under: path, into: &request, add)
      case .null, .bool, .number: break
      }
    }
  }

  // MARK: Values

  private static func list(_ value: JSONValue, _ name: String) throws -> [JSONValue] {
    guard case .list(let list) = value else { throw RequestDocumentError("`\(name)` is not a list") }
    return list
  }

  /// A string, or `{"base64": "…"}` for bytes that are not UTF-8.
  private static func bytes(_ value: JSONValue, _ name: String) throws -> [UInt8] {
    switch value {
    case .string(let bytes): return bytes
    case .object(let members) where members.count == 1 && members[0].name == "base64":
      guard case .string(let text) = members[0].value, let data = Data(base64Encoded: String(decoding: text, as: UTF8.self)) else {
        throw RequestDocumentError("`\(name)` has a `base64` that is none")
      }
      return Array(data)
    default: throw RequestDocumentError("`\(name)` is neither a string nor `{\"base64\": \"…\"}`")
    }
  }

  /// A string that names something of Kubernetes, which is always text.
  private static func text(_ value: JSONValue, _ name: String) throws -> ExactText {
    guard case .string(let bytes) = value else { throw RequestDocumentError("`\(name)` is not a string") }
    return ExactText(String(decoding: bytes, as: UTF8.self))
  }

  private static func address(_ value: JSONValue, _ name: String) throws -> IPAddress {
    let text = try text(value, name)
    guard let address = IPAddress(text.string) else {
      throw RequestDocumentError("`\(name)` is not an address such as `10.0.0.1` or `fd00::1`")
    }
    return address
  }
}
