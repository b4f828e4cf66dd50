// The fields of an access log's record that a decision can depend on, by the names that Istio's default format gives them (docs/replay.md).
// Enters: a name. Leaves: which field it is. Never here: a value.

/// A field of a record.
enum LogField: Int, CaseIterable {
  case workload
  case peerURI
  case peerDNS
  case peerSubject
  case tlsVersion
  case sni
  case localAddress
  case directRemoteAddress
  case remoteAddress
  case `protocol`
  case method
  case authority
  case path
  case upstreamCluster
  case codeDetails
  case terminationDetails

  /// The name in a record.
  var name: StaticString {
    switch self {
    case .workload: "workload"
    case .peerURI: "downstream_peer_uri_san"
    case .peerDNS: "downstream_peer_dns_san"
    case .peerSubject: "downstream_peer_subject"
    case .tlsVersion: "downstream_tls_version"
    case .sni: "requested_server_name"
    case .localAddress: "downstream_local_address"
    case .directRemoteAddress: "downstream_direct_remote_address"
    case .remoteAddress: "downstream_remote_address"
    case .protocol: "protocol"
    case .method: "method"
    case .authority: "authority"
    case .path: "path"
    case .upstreamCluster: "upstream_cluster"
    case .codeDetails: "response_code_details"
    case .terminationDetails: "connection_termination_details"
    }
  }
}

/// Finds the field that a name means.
struct LogFieldNames {
  private let names: [[UInt8]] = LogField.allCases.map { field in Array("\(field.name)".utf8) }
  /// For each length the fields whose names have it; 63 is longer than any.
  private let byLength: [[Int]] = {
    var lists = [[Int]](repeating: [], count: 64)
    for field in LogField.allCases { lists[field.name.utf8CodeUnitCount].append(field.rawValue) }
    return lists
  }()

  /// The number of the field; `nil` for a name that means nothing here. O(length of the name), without allocation.
  func find(_ name: Span<UInt8>) -> Int? {
    guard name.count < 64 else { return nil }
    for candidate in byLength[name.count] where isEqual(names[candidate], name) { return candidate }
    return nil
  }

  /// Two names of one length.
  private func isEqual(_ known: [UInt8], _ name: Span<UInt8>) -> Bool {
    for index in known.indices where known[index] != name[index] { return false }
    return true
  }
}
