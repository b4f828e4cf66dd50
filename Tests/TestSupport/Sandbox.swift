// The world of one test: a directory of its own, and every process that it starts. All of it is gone when the test ends, also when it throws.
//
// Enters: the test's body. Leaves: what the body returns. Never happens here: a file outside the directory, a process that stays.

internal import Foundation
internal import Glibc

/// A temporary directory and the processes started in it.
package final class Sandbox {
  /// The absolute path of the directory. Short, because the path of a unix socket may hold 107 bytes only.
  package let directory: String
  private var children: [ChildProcess] = []

  fileprivate init() throws {
    directory = "/tmp/portcullis-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  }

  /// Starts a program; it is stopped with the sandbox at the latest.
  ///
  /// - Parameters:
  ///   - name: for messages and for the files of its output; unique in the sandbox.
  ///   - executable: path of the program.
  ///   - arguments: without the program's own name.
  ///   - isLog: whether output and errors go to one file.
  package func start(_ name: String, _ executable: String, _ arguments: [String], isLog: Bool = true) throws
    -> ChildProcess
  {
    let child = try ChildProcess(
      name: name, executable: executable, arguments: arguments, standardOutput: path("\(name).out"),
      standardError: path(isLog ? "\(name).out" : "\(name).err"))
    children.append(child)
    return child
  }

  /// Runs a program to its end.
  ///
  /// - Returns: how it ended, what it wrote, and what it complained about.
  package func run(_ executable: String, _ arguments: [String], seconds: Double = 60) throws
    -> (end: ProcessEnd, output: String, errors: String)
  {
    let name = "run-\(children.count)-\(URL(fileURLWithPath: executable).lastPathComponent)"
    let child = try start(name, executable, arguments, isLog: false)
    let end = try child.waitForEnd(seconds: seconds)
    return (end, child.output, child.errors)
  }

  /// The absolute path of a name in the sandbox.
  package func path(_ name: String) -> String { directory + "/" + name }

  /// Writes a file as careful programs do: complete under another name, then renamed over the old one.
  ///
  /// - Returns: its absolute path.
  @discardableResult
  package func write(_ text: String, to name: String) throws -> String {
    let target = path(name)
    let folder = URL(fileURLWithPath: target).deletingLastPathComponent().path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // The new name starts with a dot, so that a watcher of `*.yaml` never takes it for a policy.
    let fresh = folder + "/.new-\(UInt32.random(in: 0...UInt32.max))"
    try Data(text.utf8).write(to: URL(fileURLWithPath: fresh))
    guard unsafe rename(fresh, target) == 0 else { throw TestFailure("cannot rename \(fresh) to \(target): \(Errno())") }
    return target
  }

  /// Points a symbolic link somewhere else in one step, as Kubernetes does with the files of a ConfigMap.
  package func swapLink(_ name: String, to destination: String) throws {
    let fresh = path(".link-\(UInt32.random(in: 0...UInt32.max))")
    guard unsafe symlink(destination, fresh) == 0, unsafe rename(fresh, path(name)) == 0 else {
      throw TestFailure("cannot point \(name) to \(destination): \(Errno())")
    }
  }

  /// The ends of all logs, for the message of a test that failed.
  package var logs: String { children.map(\.log).joined(separator: "\n") }

  fileprivate func close() {
    for child in children.reversed() { child.stop() }
    do { try FileManager.default.removeItem(atPath: directory) } catch { print("cannot remove \(directory): \(error)") }
  }
}

/// Gives `body` a sandbox, and takes everything down when it returns or throws.
package func withSandbox<Result>(_ body: (Sandbox) throws -> Result) throws -> Result {
  let sandbox = try Sandbox()
  defer { sandbox.close() }
  do {
    return try body(sandbox)
  } catch {
    print("a test failed (\(error)); what its programs said:\n\(sandbox.logs)")
    throw error
  }
}
