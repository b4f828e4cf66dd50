// A small HTTP/1.1 client with a kept connection, for requests that are exactly what a test means: nothing is added, nothing rewritten.
//
// Enters: method, target and headers as given. Leaves: status, headers, body. Never happens here: redirects, retries, TLS (the client's own
// sidecar does that).

internal import Foundation

/// What a server answered.
package struct HTTPResponse: Sendable, Equatable {
  /// The status code.
  package let status: Int
  /// Header names in lower case, in order.
  package let headers: [[String]]
  /// The body as text.
  package let body: String

  /// The first value of a header, by its lower-case name.
  package func header(_ name: String) -> String? { headers.first { $0[0].utf8.elementsEqual(name.utf8) }?[1] }
}

/// One kept connection to an HTTP/1.1 server on loopback. Used from one thread at a time.
package final class HTTPClient {
  private let port: UInt16
  private var connection: Connection?
  private var pending: [UInt8] = []

  /// - Parameter port: the server's port; the connection is made with the first request.
  package init(port: UInt16) { self.port = port }

  /// Sends a request and reads its answer.
  ///
  /// - Parameters:
  ///   - target: the request target, sent as it is.
  ///   - method: the method, sent as it is.
  ///   - headers: names and values, sent as they are behind `host: test`.
  /// - Throws: `TestFailure` when the connection fails or the answer is not HTTP; the next request makes a new connection.
  package func request(_ target: String = "/", method: String = "GET", headers: [(String, String)] = []) throws -> HTTPResponse {
    do {
      let open = try connection ?? Connection(port: port)
      connection = open
      let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
      try open.send(Array("\(method) \(target) HTTP/1.1\r\nhost: test\r\n\(lines)\r\n".utf8))
      let response = try readResponse(open)
      if response.header("connection")?.lowercased() == "close" { reset() }
      return response
    } catch {
      reset()
      throw error
    }
  }

  private func reset() {
    connection = nil
    pending = []
  }

  private func readResponse(_ connection: Connection) throws -> HTTPResponse {
    let head = String(decoding: try take(through: Array("\r\n\r\n".utf8), connection), as: UTF8.self)
    let lines = head.split(separator: "\r\n")
    guard let statusLine = lines.first, let status = Int(statusLine.split(separator: " ").dropFirst().first ?? "") else {
      throw TestFailure("not an HTTP answer: \(head)")
    }
    let headers = lines.dropFirst().map { line in
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      return [parts[0].lowercased(), parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""]
    }
    let shell = HTTPResponse(status: status, headers: headers, body: "")
    var body: [UInt8] = []
    if let length = shell.header("content-length").flatMap({ Int($0) }) {
      body = try take(length, connection)
    } else if shell.header("transfer-encoding")?.lowercased() == "chunked" {
      while true {
        let line = String(decoding: try take(through: Array("\r\n".utf8), connection).dropLast(2), as: UTF8.self)
        guard let size = Int(line, radix: 16) else { throw TestFailure("not a chunk: \(line)") }
        body += try take(size, connection)
        _ = try take(2, connection)
        if size == 0 { break }
      }
    }
    return HTTPResponse(status: status, headers: headers, body: String(decoding: body, as: UTF8.self))
  }

  private func take(_ count: Int, _ connection: Connection) throws -> [UInt8] {
    while pending.count < count { try more(connection) }
    defer { pending.removeFirst(count) }
    return Array(pending.prefix(count))
  }

  private func take(through end: [UInt8], _ connection: Connection) throws -> [UInt8] {
    while true {
      if let range = pending.firstRange(of: end) {
        defer { pending.removeSubrange(..<range.upperBound) }
        return Array(pending[..<range.upperBound])
      }
      try more(connection)
    }
  }

  private func more(_ connection: Connection) throws {
    let bytes = try connection.receive()
    guard !bytes.isEmpty else { throw TestFailure("the connection was closed") }
    pending += bytes
  }
}
