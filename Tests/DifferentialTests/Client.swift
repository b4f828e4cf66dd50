// The client's side: connections as a peer makes them, HTTP/1.1 requests byte for byte as the test means them.
//
// Enters: requests. Leaves: what the proxy answered. Never happens here: a header or a path that is rewritten, a retry that hides an answer.

internal import CTLSClient
internal import Foundation
internal import TestSupport

/// What one side said.
struct Verdict: Sendable, Equatable {
  /// The HTTP status; for TCP 200 for an answered connection and 403 for a closed one.
  var status: Int
  var body = ""
  /// The rule that denied, as this side names it; empty when it did not say.
  var policy = ""
  /// Envoy's details, or Portcullis's reason.
  var why = ""

  /// Whether Portcullis decided, rather than deny because it did not know something.
  var isDecided: Bool {
    isRefusedAtTheGate || ["denied-by-policy", "no-allow-matched", "allowed-by-policy", "allowed-by-default", "", "-"].contains(why)
  }
}

extension Verdict {
  /// What Envoy's side says about a peer that does not even get a connection; over HTTP Portcullis answers for the gate with 403.
  static let refused = Verdict(status: 403, body: "RBAC: access denied", policy: "none", why: "mtls-required")

  /// Whether the peer failed, and no policy.
  var isRefusedAtTheGate: Bool { why == "mtls-required" || why == "untrusted-domain" }
}

/// One open connection.
@safe final class ClientConnection {
  private let pointer: OpaquePointer
  private var pending: [UInt8] = []

  /// - Parameter preface: what goes before the handshake.
  init(
    _ identity: ClientIdentity, source: String, destination: String, port: UInt16, sni: String?, preface: String? = nil
  ) throws {
    guard let opened = unsafe tls_client_open(identity.pointer, source, destination, port, sni, preface) else {
      throw TestFailure("cannot connect from \(source) to \(destination):\(port)")
    }
    unsafe pointer = opened
  }

  deinit { unsafe tls_client_close(pointer) }

  func send(_ text: String) throws {
    let bytes = Array(text.utf8)
    guard unsafe tls_client_send(pointer, bytes, bytes.count) == 0 else { throw TestFailure("the connection is gone") }
  }

  /// Bytes; none when the peer closed.
  func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    let count = unsafe tls_client_receive(pointer, &buffer, buffer.count)
    guard count >= 0 else { throw TestFailure("nothing came in time") }
    return Array(buffer.prefix(count))
  }

  /// The head of an answer, and its body unless there is none.
  func response(hasBody: Bool) throws -> (lines: [Substring], body: String) {
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let range = pending.firstRange(of: end) {
        let head = String(decoding: pending[..<range.lowerBound], as: UTF8.self)
        let lines = head.split(separator: "\r\n")
        let length = lines.first { $0.lowercased().hasPrefix("content-length:") }.flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0
        let total = range.upperBound + (hasBody ? length : 0)
        if pending.count >= total {
          let body = String(decoding: pending[range.upperBound..<total], as: UTF8.self)
          pending.removeFirst(total)
          return (lines, body)
        }
      }
      let bytes = try receive()
      if bytes.isEmpty { throw TestFailure("the connection was closed within an answer: \(String(decoding: pending, as: UTF8.self))") }
      pending += bytes
    }
  }
}

/// One thread's client: keeps a connection for each peer.
final class Client {
  private let world: World
  private var connections: [TestPeer: ClientConnection] = [:]
  /// Whom the strict listener lets in, by identity.
  private var admitted: [Int: Bool] = [:]

  init(_ world: World) { self.world = world }

  /// Asks one side about a request for the workload of a set.
  func ask(_ side: Side, _ request: TestRequest, set index: Int) throws -> Verdict {
    let isTCP = world.sets[index].isTCP
    if side == .envoy, world.mesh.isStrict, try !isAdmitted(request.peer.identity) {
      return isTCP ? Verdict(status: 403) : .refused
    }
    return try isTCP ? connect(side, request, index) : send(side, request, index)
  }

  /// Whether a peer gets through mutual TLS as STRICT demands it.
  private func isAdmitted(_ identity: Int) throws -> Bool {
    if let known = admitted[identity] { return known }
    var isAdmitted = false
    do {
      let connection = try ClientConnection(
        world.credentials.clients[identity], source: "127.0.0.1", destination: "127.9.0.1", port: world.ports.strict, sni: nil)
      let text = "portcullis asks\n"
      try connection.send(text)
      // A plaintext client gets an alert of TLS, which is no echo.
      isAdmitted = try connection.receive() == Array(text.utf8)
    } catch is TestFailure {
      isAdmitted = false
    }
    admitted[identity] = isAdmitted
    return isAdmitted
  }

  private func send(_ side: Side, _ request: TestRequest, _ index: Int) throws -> Verdict {
    // The target of CONNECT is the host.
    let target = request.method == "CONNECT" ? request.host : request.path
    var text = "\(request.method) \(target) HTTP/1.1\r\nhost: \(request.host)\r\nx-set: \(side.rawValue)\(index)\r\n"
    for header in world.wireHeaders(of: request) { text += "\(header[0]): \(header[1])\r\n" }
    text += "\r\n"
    let connection =
      try connections[request.peer]
      ?? ClientConnection(
        world.credentials.clients[request.peer.identity], source: request.peer.source,
        destination: World.httpDestination(request.peer), port: world.ports.http[request.peer.port], sni: request.peer.sni)
    connections[request.peer] = nil
    try connection.send(text)
    let (lines, body) = try connection.response(hasBody: request.method != "HEAD")
    func header(_ name: String) -> String {
      lines.first { $0.lowercased().hasPrefix(name + ":") }.map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) } ?? ""
    }
    if header("connection").lowercased() != "close", request.method != "CONNECT" { connections[request.peer] = connection }
    var verdict = Verdict(status: Int(lines.first?.split(separator: " ").dropFirst().first ?? "") ?? 0, body: body)
    switch side {
    case .envoy:
      verdict.why = header("x-details")
      let marker = "matched_policy["
      if let range = verdict.why.firstRange(of: marker) { verdict.policy = String(verdict.why[range.upperBound...].dropLast()) }
    case .portcullis:
      verdict.why = header("x-reason")
      verdict.policy = header("x-policy")
      if verdict.why == "-" && verdict.status != 400 { verdict.why = "not asked: " + header("x-details") }
    }
    return verdict
  }

  private func connect(_ side: Side, _ request: TestRequest, _ index: Int) throws -> Verdict {
    let ports = side == .envoy ? world.ports.tcp : world.ports.tcpAsking
    let connection = try ClientConnection(
      world.credentials.clients[request.peer.identity], source: request.peer.source == "::1" ? "127.0.0.1" : request.peer.source,
      destination: World.tcpDestination(index),
      port: ports[request.peer.port], sni: request.peer.sni)
    // Long enough for the inspector to see at once that it is not TLS.
    try connection.send("portcullis asks\n")
    return Verdict(status: try connection.receive().isEmpty ? 403 : 200)
  }
}
