// A real Envoy, started with a configuration and asked for its counters.
//
// Enters: configuration text (everything but the admin interface). Leaves: a running proxy, its counters, its access log. Never happens
// here: an Envoy that is used before it is ready, or that shares memory with another.

internal import Foundation

/// A running Envoy. Stopped with its sandbox.
package final class Envoy {
  /// The process.
  package let process: ChildProcess
  private let adminPort: UInt16

  /// Starts Envoy and waits until it is ready (all clusters and secrets loaded).
  ///
  /// - Parameters:
  ///   - name: for files and messages; unique in the sandbox.
  ///   - configuration: YAML without the `admin` key.
  ///   - sandbox: where it runs.
  ///   - workers: how many threads serve; one is enough and quick.
  ///   - arguments: further arguments of the command.
  /// - Throws: `TestFailure` with Envoy's log when it does not become ready.
  package init(_ name: String, configuration: String, in sandbox: Sandbox, workers: Int = 1, arguments: [String] = []) throws {
    adminPort = try Ports.free()
    let admin = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: \(adminPort)}}}\n"
    let file = try sandbox.write("node: {id: \(name), cluster: test}\n" + admin + configuration, to: "\(name).yaml")
    // No hot restart means no shared memory; access logs reach their file at once.
    process = try sandbox.start(
      name, Programs.envoy(),
      ["-c", file, "--concurrency", "\(workers)", "--disable-hot-restart", "--file-flush-interval-msec", "50", "--log-level", "warning"]
        + arguments)
    try waitUntil("Envoy `\(name)` to be ready", seconds: 40, detail: { self.process.log }) {
      if let end = process.poll() { throw TestFailure("it ended: \(end)", isFinal: true) }
      return try HTTPClient(port: adminPort).request("/ready").status == 200
    }
  }

  /// Lets Envoy check a configuration without running it.
  ///
  /// - Returns: nil when Envoy accepts it, else its complaint.
  package static func complaint(about configuration: String, in sandbox: Sandbox) throws -> String? {
    let file = try sandbox.write(configuration, to: "validate.yaml")
    let result = try sandbox.run(Programs.envoy(), ["--mode", "validate", "-c", file, "--disable-hot-restart", "--log-level", "error"])
    return result.end == .exited(0) ? nil : result.output + result.errors
  }

  /// A counter or gauge; 0 when Envoy does not have it (yet).
  package func counter(_ name: String) throws -> Int {
    let response = try HTTPClient(port: adminPort).request("/stats?usedonly")
    for line in response.body.split(separator: "\n") {
      let parts = line.split(separator: ":")
      if parts.count == 2, parts[0].utf8.elementsEqual(name.utf8) { return Int(parts[1].trimmingCharacters(in: .whitespaces)) ?? 0 }
    }
    return 0
  }

  /// All counters under a prefix that are not zero, a line for each, for the message of a test that failed.
  package func counters(_ prefix: String) throws -> String {
    try HTTPClient(port: adminPort).request("/stats?usedonly").body.split(separator: "\n")
      .filter { $0.hasPrefix(prefix) && !$0.hasSuffix(": 0") }.joined(separator: "\n")
  }
}
