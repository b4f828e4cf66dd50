// The traffic and the policies of the replay benchmark. What enters are numbers; what leaves are files, and how many records the policies
// deny, which is known from how the records are made and never asked from the engine.
internal import Foundation

/// A mesh of workloads that ten callers each may call below `/api/`, and a log of it in the format of docs/replay.md.
struct ReplayLog {
  let workloads: Int
  let records: Int
  /// Whether the records have what Istio's default format has, and nothing else.
  let isDefaultFormat: Bool

  private static let callers = 10

  /// Writes the policies and the inventory.
  func writePolicies(to directory: URL) throws {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    var text = ""
    for number in 0..<workloads {
      let principals = (0..<Self.callers).map { "cluster.local/ns/mesh/sa/caller-\(number)-\($0)" }.joined(separator: ", ")
      text += """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: service-\(number), namespace: mesh, labels: {app: service-\(number)}}
        status: {podIP: \(address(number)), podIPs: [{ip: \(address(number))}]}
        ---
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: service-\(number), namespace: mesh}
        spec:
          selector: {matchLabels: {app: service-\(number)}}
          action: ALLOW
          rules:
          - from: [{source: {principals: [\(principals)]}}]
            to: [{operation: {methods: [GET, POST], paths: [/api/*]}}]

        """
    }
    try text.write(to: directory.appendingPathComponent("mesh.yaml"), atomically: false, encoding: .utf8)
  }

  /// Writes the log, about 900 bytes a record.
  ///
  /// - Returns: how many records the policies deny: a tenth has a path that none allows, and another tenth a caller.
  func write(to file: URL) throws -> Int {
    guard FileManager.default.createFile(atPath: file.path, contents: nil) else { throw BenchError("\(file.path) cannot be written") }
    let handle = try FileHandle(forWritingTo: file)
    var random = SplitMix(seed: 7)
    var denied = 0
    var text: [UInt8] = []
    for number in 0..<records {
      let workload = Int.random(in: 0..<workloads, using: &random)
      let kind = Int.random(in: 0..<10, using: &random)
      let caller = kind == 1 ? Self.callers : Int.random(in: 0..<Self.callers, using: &random)
      if kind < 2 { denied += 1 }
      append(number, workload, caller: caller, path: kind == 0 ? "/admin/users/\(number)" : "/api/v1/orders/\(number)?page=2", to: &text)
      if text.count > 1 << 20 {
        try handle.write(contentsOf: Data(text))
        text.removeAll(keepingCapacity: true)
      }
    }
    try handle.write(contentsOf: Data(text))
    try handle.close()
    return denied
  }

  private func append(_ number: Int, _ workload: Int, caller: Int, path: String, to text: inout [UInt8]) {
    let own =
      isDefaultFormat
      ? ""
      : #","downstream_peer_uri_san":"spiffe://cluster.local/ns/mesh/sa/caller-\#(workload)-\#(caller)","downstream_tls_version":"TLSv1.3""#
        + #","downstream_direct_remote_address":"10.200.0.\#(caller):40000","workload":"mesh/service-\#(workload)""#
    text += Array(
      (#"{"start_time":"2026-01-01T12:00:00.123Z","route_name":"default","method":"GET","path":"\#(path)","protocol":"HTTP/2","#
        + #""response_code":200,"response_flags":"-","response_code_details":"via_upstream","connection_termination_details":null,"#
        + #""bytes_received":0,"bytes_sent":178,"duration":3,"upstream_service_time":"2","x_forwarded_for":null,"#
        + #""user_agent":"Go-http-client/2.0","request_id":"fd52545e-b5b2-99e1-a4ef-\#(100_000_000_000 + number)","#
        + #""authority":"service-\#(workload).mesh:8080","upstream_host":"\#(address(workload)):8080","#
        + #""upstream_cluster":"inbound|8080||","upstream_local_address":"127.0.0.6:42729","#
        + #""downstream_local_address":"\#(address(workload)):8080","downstream_remote_address":"10.200.0.\#(caller):40000","#
        + #""requested_server_name":"outbound_.8080_._.service-\#(workload).mesh.svc.cluster.local","#
        + #""upstream_transport_failure_reason":null\#(own)}"# + "\n").utf8)
  }

  private func address(_ workload: Int) -> String { "10.\(100 + workload / 65_536).\(workload / 256 % 256).\(workload % 256)" }
}
