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

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
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
  private var connections: [TestPeer: Session] = [:]

  /// A connection in its protocol.
  private enum Session {
    case one(ClientConnection)
    case two(HTTP2Client)
  }

  /// An answer; none when the proxy refused the request without one.
  private struct Answer {
    var status = 0
    var headers: [[String]] = []
    var body = ""
  }

  /// Whom the strict listener lets in, by identity.
  private var admitted: [Int: Bool] = [:]

  init(_ world: World) { self.world = world }

  /// Asks one side about a request for the workload of a set.
  func ask(_ side: Side, _ request: TestRequest, set index: Int) throws -> Verdict {
    let isTCP = world.sets[index].isTCP
    if side == .envoy, world.mesh.isStrict || Identities.all[request.peer.identity].hasSPIFFEName, try !isAdmitted(request.peer.identity) {
      return isTCP ? Verdict(status: 403) : .refused
    }
    return try isTCP ? connect(side, request, index) : send(side, request, index)
  }

  /// Whether a peer gets through mutual TLS as STRICT demands it of all, and the other modes of those with a SPIFFE name.
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
    let headers = [["x-set", "\(side.rawValue)\(index)"]] + world.wireHeaders(of: request)
    let answer =
      switch try session(request.peer) {
      case .one(let connection): try ask(connection, request, headers)
      case .two(let client): ask(client, request, headers)
      }
    func header(_ name: String) -> String { answer.headers.first { $0[0] == name }?[1] ?? "" }
    var verdict = Verdict(status: answer.status, body: answer.body)
    switch side {
    case .envoy:
      verdict.why = header("x-details")
      let marker = "matched_policy["
      if let range = verdict.why.firstRange(of: marker) { verdict.policy = String(verdict.why[range.upperBound...].dropLast()) }
    case .portcullis, .module:
      let prefix = side == .module ? "x-module" : "x"
      verdict.why = header("\(prefix)-reason")
      verdict.policy = header("\(prefix)-policy")
      if verdict.why == "-" && verdict.status != 400 { verdict.why = "not asked: " + header("x-details") }
    }
    return verdict
  }

  private func session(_ peer: TestPeer) throws -> Session {
    if let open = connections[peer] { return open }
    let connection = try ClientConnection(
      world.credentials.clients[peer.identity], source: peer.source, destination: World.httpDestination(peer),
      port: world.ports.http[peer.port], sni: peer.sni)
    let session = peer.isHTTP2 ? Session.two(try HTTP2Client(connection)) : .one(connection)
    connections[peer] = session
    return session
  }

  private func ask(_ connection: ClientConnection, _ request: TestRequest, _ headers: [[String]]) throws -> Answer {
    // The target of CONNECT is the host.
    let target = request.method == "CONNECT" ? request.host : request.path
    let lines = ["\(request.method) \(target) HTTP/1.1", "host: \(request.host)"] + headers.map { "\($0[0]): \($0[1])" }
    connections[request.peer] = nil
    try connection.send(lines.joined(separator: "\r\n") + "\r\n\r\n")
    let (answer, body) = try connection.response(hasBody: request.method != "HEAD")
    let pairs = answer.dropFirst().map { line in
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      return [parts[0].lowercased(), parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""]
    }
    let isLast = pairs.contains { $0[0] == "connection" && $0[1].lowercased() == "close" }
    if !isLast, request.method != "CONNECT" { connections[request.peer] = .one(connection) }
    return Answer(status: Int(answer.first?.split(separator: " ").dropFirst().first ?? "") ?? 0, headers: pairs, body: body)
  }

  private func ask(_ client: HTTP2Client, _ request: TestRequest, _ headers: [[String]]) -> Answer {
    var list = [[":method", request.method], [":authority", request.host]]
    if request.method != "CONNECT" { list += [[":scheme", request.scheme], [":path", request.path]] }
    do {
      let response = try client.request(list + headers.map { [$0[0].lowercased(), $0[1]] })
      return Answer(
        status: Int(response.headers.first { $0[0] == ":status" }?[1] ?? "") ?? 0, headers: response.headers,
        body: String(decoding: response.body, as: UTF8.self))
    } catch {
      // The proxy may end the connection over a request that is none; the next one makes a new connection.
      connections[request.peer] = nil
      return Answer()
    }
  }

  private func connect(_ side: Side, _ request: TestRequest, _ index: Int) throws -> Verdict {
    let ports =
      switch side {
      case .envoy: world.ports.tcp
      case .portcullis: world.ports.tcpAsking
      case .module: world.ports.tcpModule
      }
    let connection = try ClientConnection(
      world.credentials.clients[request.peer.identity], source: request.peer.source == "::1" ? "127.0.0.1" : request.peer.source,
      destination: World.tcpDestination(index),
      port: ports[request.peer.port], sni: request.peer.sni)
    // Long enough for the inspector to see at once that it is not TLS.
    try connection.send("portcullis asks\n")
    return Verdict(status: try connection.receive().isEmpty ? 403 : 200)
  }
}
