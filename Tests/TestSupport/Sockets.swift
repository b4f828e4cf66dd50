// TCP on loopback: free ports, client connections, listening sockets.
//
// Enters: ports and bytes. Leaves: bytes. Never happens here: an address other than 127.0.0.1, a read without an end, SIGPIPE.

internal import Foundation
internal import Glibc
internal import Synchronization

/// Ports for the programs of a test.
package enum Ports {
  private static let lastTried = Atomic<Int>(Int.random(in: 0..<12_000))

  /// A port on which nobody listens. Below the range from which the kernel takes ports for outgoing connections, so that none of those
  /// gets it before its user listens; and not handed out twice by this process.
  package static func free() throws -> UInt16 {
    for _ in 0..<1000 {
      let (_, tried) = lastTried.add(7, ordering: .relaxed)
      let port = UInt16(20_000 + tried % 12_000)
      do {
        _ = try ListeningSocket(port: port)
        return port
      } catch { continue }
    }
    throw TestFailure("no free port between 20000 and 32000")
  }
}

/// A connected TCP socket; closed when it is released. Used from one thread at a time.
package final class Connection {
  private let descriptor: Int32

  fileprivate init(descriptor: Int32) {
    self.descriptor = descriptor
    setOptions()
  }

  /// Connects to a port on loopback.
  ///
  /// - Throws: `TestFailure` when nobody listens there.
  package init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw TestFailure("socket: \(Errno())") }
    let result = unsafe withLoopback(port) { unsafe connect(descriptor, $0, $1) }
    // From here on `deinit` closes the descriptor, also when we throw.
    guard result == 0 else { throw TestFailure("cannot connect to port \(port): \(Errno())") }
    setOptions()
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Sends all bytes.
  package func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw TestFailure("send: \(Errno())") }
      sent += count
    }
  }

  /// Receives what is there, waiting at most some seconds for the first byte.
  ///
  /// - Returns: bytes; empty when the peer has closed the connection.
  /// - Throws: `TestFailure` on time-out or reset.
  package func receive() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0 else { throw TestFailure("receive: \(Errno())") }
    return Array(buffer.prefix(count))
  }

  /// Receives until the peer closes the connection (orderly or by reset).
  ///
  /// - Returns: everything that came.
  /// - Throws: `TestFailure` when it neither sends nor closes for some seconds.
  package func receiveUntilClosed() throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
      if count == 0 || (count < 0 && errno == ECONNRESET) { return all }
      guard count > 0 else { throw TestFailure("receive: \(Errno())") }
      all += buffer.prefix(count)
    }
  }

  /// Ends both directions, so that another thread that reads here wakes up.
  fileprivate func shutdown() { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

  private func setOptions() {
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var yes: Int32 = 1
    unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
  }
}

/// A socket that listens on loopback; closed when it is released.
package final class ListeningSocket {
  private let descriptor: Int32
  /// The port.
  package let port: UInt16

  /// - Throws: `TestFailure` when the port is taken.
  package init(port: UInt16) throws {
    self.port = port
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw TestFailure("socket: \(Errno())") }
    var yes: Int32 = 1
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    let isBound = unsafe withLoopback(port) { unsafe bind(descriptor, $0, $1) } == 0
    // From here on `deinit` closes the descriptor, also when we throw.
    guard isBound, listen(descriptor, 128) == 0 else { throw TestFailure("cannot listen on port \(port): \(Errno())") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Waits for the next client; nil after `shutdown()`.
  package func accept() -> Connection? {
    let client = Glibc.accept(descriptor, nil, nil)
    guard client >= 0 else { return nil }
    _ = fcntl(client, F_SETFD, FD_CLOEXEC)
    return Connection(descriptor: client)
  }

  /// Wakes `accept()` and refuses further clients.
  package func shutdown() { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// Lends the C address of a port on loopback.
private func withLoopback<Result>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  return unsafe withUnsafePointer(to: &address) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}
