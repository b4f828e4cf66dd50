// The set of the loading benchmark: many small policies in one file or in many, and the two changes of it. What enters is a number and a
// directory; what leaves are files, and the request that a change concerns. It measures nothing.
internal import CProcess
internal import Foundation

/// Many policies: each lets one caller call one path of one workload; ten stand in a file, of one namespace.
struct ManyPolicies {
  let count: Int
  var files: Int { count / 10 }
  var namespaces: Int { count / 200 }

  func writeOneFile(to directory: URL) throws {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let text = (0..<count).map { policy($0) }.joined() + meshWide(denies: false)
    try text.write(to: directory.appendingPathComponent("all.yaml"), atomically: false, encoding: .utf8)
  }

  func writeManyFiles(to directory: URL) throws {
    for part in 0..<100 {
      let folder = directory.appendingPathComponent("part-\(part)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      for file in stride(from: part, to: files, by: 100) {
        try text(of: file, denies: false).write(
          to: folder.appendingPathComponent("file-\(file).yaml"), atomically: false, encoding: .utf8)
      }
    }
    try meshWide(denies: false).write(to: directory.appendingPathComponent("mesh.yaml"), atomically: false, encoding: .utf8)
  }

  /// Replaces a file by one rename, so that the request of policy 0 is denied or allowed; the time of the rename in nanoseconds.
  func change(in directory: URL, isMeshWide: Bool, denies: Bool) throws -> UInt64 {
    let (old, text) =
      isMeshWide
      ? (directory.appendingPathComponent("mesh.yaml"), meshWide(denies: denies))
      : (directory.appendingPathComponent("part-0/file-0.yaml"), self.text(of: 0, denies: denies))
    let new = directory.deletingLastPathComponent().appendingPathComponent("next.yaml")
    try text.write(to: new, atomically: false, encoding: .utf8)
    let begin = bench_now()
    guard unsafe rename(new.path, old.path) == 0 else { throw BenchError("\(old.path) cannot be replaced") }
    return begin
  }

  /// A request that policy `number` and no other allows, and the hints of the proxy.
  func check(of number: Int) -> (message: CheckRequestMessage, hints: [(String, String)]) {
    let message = CheckRequestMessage(
      source: SocketAddress(host: "10.0.0.1", port: 40_000), sourcePrincipal: "spiffe://cluster.local/ns/client/sa/caller-\(number)",
      destination: SocketAddress(host: "10.0.0.2", port: 8_080), time: 1_700_000_000, streamID: 1, method: "GET", host: "service",
      path: "/api/v\(number)/things/1", headers: [])
    return (
      message, [("x-portcullis-namespace", namespace(of: number)), ("x-portcullis-labels", "app=\(app(of: number))")]
    )
  }

  private func namespace(of number: Int) -> String { "ns-\(number / 10 % namespaces)" }
  private func app(of number: Int) -> String { "app-\(number / 10 / namespaces)" }

  private func text(of file: Int, denies: Bool) -> String {
    (file * 10..<file * 10 + 10).map { policy($0, caller: denies && $0 == 0 ? "nobody" : nil) }.joined()
  }

  private func policy(_ number: Int, caller: String? = nil) -> String {
    """
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata:
      name: policy-\(number)
      namespace: \(namespace(of: number))
    spec:
      selector:
        matchLabels:
          app: \(app(of: number))
      action: ALLOW
      rules:
      - from:
        - source:
            principals: ["cluster.local/ns/client/sa/\(caller ?? "caller-\(number)")"]
        to:
        - operation:
            methods: ["GET", "POST"]
            paths: ["/api/v\(number)/things/*"]

    """
  }

  private func meshWide(denies: Bool) -> String {
    """
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata:
      name: mesh-wide
      namespace: istio-system
    spec:
      action: DENY
      rules:
      - to:
        - operation:
            paths: ["\(denies ? "/api/v0/*" : "/nowhere")"]

    """
  }
}
