// Applications behind the proxies: an HTTP server that says its name, and a TCP server that sends back what it gets.
//
// Enters: connections on loopback. Leaves: answers, and a count of requests, so that a test can prove that a denied request never arrived.
// Never happens here: a decision. A thread for each connection; they end when the client goes or the server is stopped.

internal import Foundation
internal import Synchronization

/// A server on loopback that hands each connection to a thread of its own.
package final class Upstream: Sendable {
  /// The port it listens on.
  package let port: UInt16
  private let listener: UncheckedListener
  private let answered = Atomic<Int>(0)

  /// How many requests (HTTP) or pieces (TCP) were answered so far.
  package var answeredCount: Int { answered.load(ordering: .sequentiallyConsistent) }

  private init(serve: @escaping @Sendable (Connection, borrowing Atomic<Int>) throws -> Void) throws {
    let socket = try ListeningSocket(port: Ports.free())
    port = socket.port
    listener = UncheckedListener(socket: socket)
    let listener = listener
    Thread { [self] in
      while let connection = listener.socket.accept() {
        let client = UncheckedConnection(connection: connection)
        Thread { [self] in
          // A client that goes away ends its thread; there is nothing to report.
          do { try serve(client.connection, self.answered) } catch {}
        }.start()
      }
    }.start()
  }

  /// An HTTP/1.1 server that answers every request with 200 and `hello from NAME`.
  package static func http(_ name: String) throws -> Upstream {
    try Upstream { connection, answered in
      var pending: [UInt8] = []
      let end = Array("\r\n\r\n".utf8)
      while true {
        while let head = pending.firstRange(of: end) {
          pending.removeSubrange(..<head.upperBound)
          answered.add(1, ordering: .sequentiallyConsistent)
          let body = "hello from \(name)\n"
          try connection.send(
            Array("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)".utf8))
        }
        let bytes = try connection.receive()
        if bytes.isEmpty { return }
        pending += bytes
      }
    }
  }

  /// A TCP server that sends back whatever it gets.
  package static func echo() throws -> Upstream {
    try Upstream { connection, answered in
      while true {
        let bytes = try connection.receive()
        if bytes.isEmpty { return }
        answered.add(1, ordering: .sequentiallyConsistent)
        try connection.send(bytes)
      }
    }
  }

  /// Takes no further clients. Connections that exist end with their clients.
  package func stop() { listener.socket.shutdown() }
}

/// Lets the accepting thread and the stopper share the socket: `accept` and `shutdown` are system calls on one descriptor that stays
/// open as long as this value lives, and may run at the same time.
private final class UncheckedListener: @unchecked Sendable {
  let socket: ListeningSocket
  init(socket: ListeningSocket) { self.socket = socket }
}

/// Hands a connection to exactly one thread; nobody else keeps it.
private final class UncheckedConnection: @unchecked Sendable {
  let connection: Connection
  init(connection: Connection) { self.connection = connection }
}
