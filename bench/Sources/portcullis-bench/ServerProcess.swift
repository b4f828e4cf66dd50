// A server under measurement: started on its own core or cores, stopped with this object. What enters is a command line with an address to
// listen on; what leaves is a process that the load can ask and whose processor time can be read. Readiness is the load's
// matter: it waits until it is connected.
internal import CProcess
internal import Foundation

/// A running server. It ends when `stop()` is called or the object goes away.
final class ServerProcess {
  /// What the tables call it.
  let name: String
  /// `127.0.0.1:PORT`.
  let address: String
  /// Whether it decides nothing, so that every reply must be an allow.
  let decidesNothing: Bool
  /// The cores that its threads are bound to, at least one.
  let cores: [Int]
  /// Its process.
  let pid: Int32
  private let log: URL
  private var isStopped = false  // the pid is only used while this is false: afterwards it may be another process's

  /// Starts a server.
  ///
  /// - Parameters:
  ///   - name: what the tables call it
  ///   - cores: the cores that its threads are bound to; at least one, each below 64
  ///   - log: where its output goes
  ///   - arguments: given the address to listen on, the executable's path and its arguments
  init(name: String, decidesNothing: Bool, cores: [Int], log: URL, arguments: (_ address: String) -> [String]) throws {
    let port = bench_free_port()
    guard port > 0 else { throw BenchError("no free port on 127.0.0.1: error \(-port)") }
    let address = "127.0.0.1:\(port)"
    let words = arguments(address)
    var pointers = unsafe words.map { unsafe UnsafePointer<CChar>(strdup($0)) }
    unsafe pointers.append(nil)
    let pid = unsafe bench_start(pointers, cores.reduce(0) { $0 | 1 << UInt64($1) }, log.path)
    unsafe pointers.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
    guard pid > 0 else { throw BenchError("`\(words[0])` could not be started: error \(-pid)") }
    self.name = name
    self.decidesNothing = decidesNothing
    self.address = address
    self.cores = cores
    self.pid = pid
    self.log = log
  }

  /// Whether the process still runs.
  var isRunning: Bool {
    if !isStopped, bench_is_running(pid) == 0 { isStopped = true }
    return !isStopped
  }

  /// Throws, with the server's last words, if it has ended.
  func mustStillRun() throws {
    guard !isRunning else { return }
    let words = try String(contentsOf: log, encoding: .utf8)
    throw BenchError("\(name) has ended:\n\(words.suffix(2_000))")
  }

  /// Asks the server to stop, and waits until it has.
  func stop() {
    guard !isStopped else { return }
    isStopped = true
    _ = bench_stop(pid, 5_000)
  }

  deinit { stop() }
}
