// The one JSON shape of a request (docs/request-json.md).
// Enters: one JSON object. Leaves: a request. Absent means unknown, empty means empty, unknown keys are refused.

internal import Foundation
internal import PolicyEngine
internal import PolicyModel

/// Why a document is not a request.
struct RequestDocumentError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

struct RequestDocument {
  private let root: [String: Any]

  init(line: Data) throws {
    let value: Any
    do {
      value = try JSONSerialization.jsonObject(with: line)
    } catch {
      throw RequestDocumentError("not JSON")
    }
    root = try Self.object(value, "the request", ["source", "destination", "sni", "remote_ip", "http"])
  }

  /// The request and what is attached to its workload.
  func question(for snapshot: Snapshot) throws -> Question {
    var request = Request()
    var from = "?"
    if let source = root["source"] { from = try fillSource(source, into: &request) }
    guard let destination = root["destination"] else { throw RequestDocumentError("`destination` is missing") }
    let (to, target, profile) = try fillDestination(destination, snapshot, into: &request)
    if let sni = root["sni"] {
      let bytes = try Self.bytes(sni, "sni")
      request.setSNI(bytes.span)
    }
    if let http = root["http"] {
      try fillHTTP(http, snapshot.mesh, into: &request)
    } else {
      request.isTCP = true
    }
    if let remote = root["remote_ip"] {
      request.setRemoteIP(try Self.address(remote, "remote_ip"))
    } else if request.isTCP, let source = root["source"] as? [String: Any], let peer = source["address"] {
      request.setRemoteIP(try Self.address(peer, "source.address"))
    }
    return Question(title: "\(from) -> \(to)", request: request, target: target, profile: profile)
  }

  private func fillSource(_ value: Any, into request: inout Request) throws -> String {
    let source = try Self.object(value, "source", ["principal", "identities", "address"])
    if let address = source["address"] { request.setSourceIP(try Self.address(address, "source.address")) }
    guard source["principal"] == nil || source["identities"] == nil else {
      throw RequestDocumentError("`source` has both `principal` and `identities`")
    }
    if let principal = source["principal"] {
      if principal is NSNull {
        request.setPeerKnown()
        return "anonymous"
      }
      let bytes = try Self.bytes(principal, "source.principal")
      request.addIdentity(bytes.span)
      return String(decoding: bytes, as: UTF8.self)
    }
    guard let value = source["identities"] else { return "?" }
    let identities = try Self.object(value, "source.identities", ["uri", "dns", "subject"])
    var names: [[UInt8]] = []
    for key in ["uri", "dns"] {
      for name in try Self.list(identities[key] ?? [Any](), "source.identities.\(key)") { names.append(try Self.bytes(name, key)) }
    }
    names.append(try Self.bytes(identities["subject"] ?? "", "source.identities.subject"))
    for name in names { request.addIdentity(name.span) }
    return names.first { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) } ?? "a peer without names"
  }

  private func fillDestination(_ value: Any, _ snapshot: Snapshot, into request: inout Request) throws -> (String, Target, Profile) {
    let destination = try Self.object(value, "destination", ["workload", "namespace", "labels", "profile", "port", "address"])
    if let address = destination["address"] { request.setDestinationIP(try Self.address(address, "destination.address")) }
    if let value = destination["port"] {
      guard let number = value as? Int, let port = UInt16(exactly: number), port > 0 else {
        throw RequestDocumentError("`destination.port` is not a number from 1 to 65535")
      }
      request.setPort(port)
    }
    var profile = Profile.sidecar
    if let value = destination["profile"] {
      guard let name = value as? String, let known = CheckProfile(rawValue: name) else {
        throw RequestDocumentError("`destination.profile` is not `sidecar` or `gateway`")
      }
      profile = known.profile
    }
    if let value = destination["workload"] {
      guard destination["labels"] == nil, destination["namespace"] == nil else {
        throw RequestDocumentError("`destination` has both `workload` and `labels` or `namespace`")
      }
      let name = String(decoding: try Self.bytes(value, "destination.workload"), as: UTF8.self)
      return (name, try WorkloadName.target(name, in: snapshot), profile)
    }
    guard let namespace = destination["namespace"], let pairs = destination["labels"] as? [String: Any] else {
      throw RequestDocumentError("`destination` needs `workload`, or `namespace` and `labels`")
    }
    var labels: [ExactText: ExactText] = [:]
    for (key, value) in pairs { labels[ExactText(key)] = ExactText(String(decoding: try Self.bytes(value, key), as: UTF8.self)) }
    let name = String(decoding: try Self.bytes(namespace, "destination.namespace"), as: UTF8.self)
    return (name, snapshot.target(namespace: ExactText(name), labels: labels), profile)
  }

  private func fillHTTP(_ value: Any, _ mesh: MeshSettings, into request: inout Request) throws {
    let http = try Self.object(value, "http", ["method", "host", "path", "path_form", "headers", "claims", "metadata"])
    if let method = http["method"] {
      let bytes = try Self.bytes(method, "http.method")
      request.setMethod(bytes.span)
    }
    if let host = http["host"] {
      let bytes = try Self.bytes(host, "http.host")
      request.setHost(bytes.span)
    }
    let form = http["path_form"] ?? "raw"
    guard let form = form as? String, form == "raw" || form == "normalized" else {
      throw RequestDocumentError("`http.path_form` is not `raw` or `normalized`")
    }
    if let path = http["path"] {
      if path is NSNull {
        request.setPathAbsent()
      } else {
        RequestFilling.setPath(try Self.bytes(path, "http.path"), isNormalized: form == "normalized", mesh, in: &request)
      }
    }
    if let headers = http["headers"] {
      request.setHeadersKnown()
      for line in try Self.list(headers, "http.headers") {
        let pair = try Self.list(line, "http.headers")
        guard pair.count == 2 else { throw RequestDocumentError("`http.headers` is not a list of `[name, value]`") }
        let name = try Self.bytes(pair[0], "http.headers")
        let value = try Self.bytes(pair[1], "http.headers")
        request.addHeader(name: name.span, value: value.span)
      }
    }
    if let claims = http["claims"] {
      request.setClaimsKnown()
      if !(claims is NSNull) {
        try fill(claims, path: [], "http.claims", into: &request) { $0.addClaim(path: $1.span, value: $2.span, isListElement: $3) }
      }
    }
    if let metadata = http["metadata"] {
      request.setMetadataComplete()
      try fill(metadata, path: [], "http.metadata", into: &request) { $0.addMetadata(path: $1.span, value: $2.span, isListElement: $3) }
    }
  }

  /// Every string and every string of a list, with its path of names.
  private func fill(
    _ value: Any, path: [UInt8], _ name: String, into request: inout Request, _ add: (inout Request, [UInt8], [UInt8], Bool) -> Void
  ) throws {
    if let list = value as? [Any] {
      for element in list where element is String { add(&request, path, try Self.bytes(element, name), true) }
    } else if let object = value as? [String: Any] {
      for (key, child) in object {
        var childPath = path
        Request.appendPathComponent(Array(key.utf8).span, to: &childPath)
        try fill(child, path: childPath, name, into: &request, add)
      }
    } else if value is String {
      add(&request, path, try Self.bytes(value, name), false)
    }
    if path.isEmpty, !(value is [String: Any]) { throw RequestDocumentError("`\(name)` is not an object") }
  }

  // MARK: JSON

  private static func object(_ value: Any, _ name: String, _ keys: Set<String>) throws -> [String: Any] {
    guard let object = value as? [String: Any] else { throw RequestDocumentError("`\(name)` is not an object") }
    if let unknown = object.keys.sorted().first(where: { !keys.contains($0) }) {
      throw RequestDocumentError("`\(name)` has an unknown key `\(unknown)`; known are \(keys.sorted().joined(separator: ", "))")
    }
    return object
  }

  private static func list(_ value: Any, _ name: String) throws -> [Any] {
    guard let list = value as? [Any] else { throw RequestDocumentError("`\(name)` is not a list") }
    return list
  }

  /// A string, or `{"base64": "…"}` for bytes that are not UTF-8.
  private static func bytes(_ value: Any, _ name: String) throws -> [UInt8] {
    if let text = value as? String { return Array(text.utf8) }
    if let object = value as? [String: Any], object.count == 1, let text = object["base64"] as? String, let data = Data(base64Encoded: text)
    {
      return Array(data)
    }
    throw RequestDocumentError("`\(name)` is neither a string nor {\"base64\": …}")
  }

  private static func address(_ value: Any, _ name: String) throws -> IPAddress {
    guard let text = value as? String, let address = IPAddress(text) else { throw RequestDocumentError("`\(name)` is not an address") }
    return address
  }
}
