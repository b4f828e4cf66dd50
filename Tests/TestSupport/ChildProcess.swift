// A program that a test runs: the command, an Envoy, curl.
//
// Enters: a path, arguments. Leaves: a process whose output goes to a file, and how it ended. Never happens here: a process that
// outlives its owner (`Sandbox` stops every one), a signal to a process that was already collected, a wait without an end.

internal import Foundation
internal import Glibc

/// How a process ended.
package enum ProcessEnd: Equatable, Sendable {
  /// It returned this exit code.
  case exited(Int32)
  /// This signal ended it.
  case signalled(Int32)
}

/// One running (or ended) program. Used from one thread at a time.
package final class ChildProcess {
  /// The name in error messages.
  package let name: String
  /// The process id; stays reserved until the end was collected, so a signal never hits a stranger.
  package let pid: Int32
  private let standardOutput: String
  private let standardError: String
  private var end: ProcessEnd?

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - name: for error messages.
  ///   - executable: path of the program.
  ///   - arguments: without the program's own name.
  ///   - standardOutput: file that receives the output (made anew).
  ///   - standardError: file that receives the errors (made anew); may be the same file.
  /// - Throws: `TestFailure` when it cannot be started.
  init(name: String, executable: String, arguments: [String], standardOutput: String, standardError: String) throws {
    self.name = name
    self.standardOutput = standardOutput
    self.standardError = standardError

    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, standardOutput, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
    if standardOutput.utf8.elementsEqual(standardError.utf8) {
      unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 2, standardError, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
    }

    // The child gets a clean slate of signals, whatever the test runner blocks or ignores.
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var words = unsafe ([executable] + arguments).map { unsafe strdup($0) } + [nil]
    defer { unsafe words.forEach { unsafe free($0) } }
    var child: pid_t = 0
    let failure = unsafe posix_spawn(&child, executable, &actions, &attributes, &words, environ)
    guard failure == 0 else { throw TestFailure("cannot start \(name) (\(executable)): \(Errno(failure))") }
    pid = child
  }

  /// What the program has written to its standard output so far.
  package var output: String { Self.text(of: standardOutput) }

  /// What the program has written to its standard error so far.
  package var errors: String { Self.text(of: standardError) }

  /// How it ended, or nil while it runs.
  package func poll() -> ProcessEnd? {
    if let end { return end }
    var status: Int32 = 0
    guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return nil }
    let signal = status & 0x7F
    end = signal == 0 ? .exited((status >> 8) & 0xFF) : .signalled(signal)
    return end
  }

  /// Whether it still runs.
  package var isRunning: Bool { poll() == nil }

  /// Sends a signal, unless it has ended.
  package func send(signal: Int32) {
    if isRunning { kill(pid, signal) }
  }

  /// Waits for the end.
  ///
  /// - Parameter seconds: the longest wait.
  /// - Returns: how it ended.
  /// - Throws: `TestFailure` with its output when it does not end in time.
  @discardableResult
  package func waitForEnd(seconds: Double = 30) throws -> ProcessEnd {
    try waitUntil("the end of \(name)", seconds: seconds, detail: { self.log }) { self.poll() != nil }
    return end ?? .exited(-1)
  }

  /// Asks it to stop (TERM), and ends it (KILL) if it does not within some seconds. Always collects it.
  package func stop() {
    send(signal: SIGTERM)
    do { try waitForEnd(seconds: 10) } catch {
      send(signal: SIGKILL)
      var status: Int32 = 0
      if end == nil, unsafe waitpid(pid, &status, 0) == pid { end = .signalled(SIGKILL) }
    }
  }

  /// The last lines of everything that it wrote, for error messages.
  package var log: String {
    let text = standardOutput.utf8.elementsEqual(standardError.utf8) ? output : output + errors
    return "--- \(name) ---\n" + text.split(separator: "\n", omittingEmptySubsequences: false).suffix(40).joined(separator: "\n")
  }

  private static func text(of path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
}

/// The text of an `errno`.
package struct Errno: CustomStringConvertible {
  /// The number.
  package let code: Int32

  /// - Parameter code: the number, `errno` of the last call unless given.
  package init(_ code: Int32 = errno) { self.code = code }

  /// What `strerror` says; glibc's is safe among threads for the codes that it knows.
  package var description: String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }
}
