// An Envoy with the module whose plaintext listeners come from a file and change while it runs.
//
// Enters: policies, listeners. Leaves: whether Envoy took them, ports to call. Never happens here: a restart.

internal import Foundation
internal import TestSupport

/// The running proxy.
final class ModuleDiscovery {
  let server: Envoy
  private let sandbox: Sandbox
  private let application: Upstream
  private let plan: Plan

  /// What does not change.
  private struct Plan {
    let module: String
    let policies: String
    let applicationPort: UInt16
    let ports: [String: UInt16]
    let accessLog: String

    func inbound(_ listener: ModuleListener) -> Inbound {
      let settings = "\"policies\": [\"\(policies)\"], \(listener.settings)"
      return Inbound(
        name: listener.name, port: ports[listener.name, default: 0], security: .plaintext, applicationPort: applicationPort,
        filter: EnvoyModule.filter("HTTP", module, settings: settings), connectionManager: "normalize_path: true",
        leading: listener.leading.map { EnvoyModule.filter("Network", module, name: $0, settings: nil) }.joined(separator: "\n"),
        metadata: "portcullis")
    }

    func text(_ listeners: [ModuleListener]) -> String { SidecarConfiguration.discovered(listeners.map(inbound), accessLog: accessLog) }
  }

  /// - Parameter names: of all listeners that there may ever be.
  init(in sandbox: Sandbox, policies: String, names: [String], _ listeners: [ModuleListener], workers: Int = 1) throws {
    self.sandbox = sandbox
    application = try Upstream.http("backend")
    try sandbox.write(policies, to: "policies/policies.yaml")
    let plan = try Plan(
      module: EnvoyModule.path(in: sandbox), policies: sandbox.path("policies"), applicationPort: application.port,
      ports: Dictionary(uniqueKeysWithValues: names.map { ($0, try Ports.free()) }), accessLog: sandbox.path("access.log"))
    self.plan = plan
    let file = try sandbox.write(plan.text(listeners), to: "discovery/listeners.yaml")
    let every = names.map { plan.inbound(ModuleListener(name: $0, settings: "")) }
    server = try Envoy(
      "server", configuration: SidecarConfiguration.server(discovering: file, every), in: sandbox, workers: workers,
      arguments: ["--component-log-level", "dynamic_modules:info", "--drain-time-s", "1", "--drain-strategy", "immediate"])
  }

  /// Replaces the listeners.
  ///
  /// - Returns: whether Envoy took all of them.
  func replace(_ listeners: [ModuleListener]) throws -> Bool {
    func count(_ name: String) throws -> Int { try server.counter("listener_manager.lds.update_\(name)") }
    let (taken, refused) = try (count("success"), count("rejected"))
    try sandbox.write(plan.text(listeners), to: "discovery/listeners.yaml")
    try waitUntil("the new listeners", detail: { self.server.process.log }) {
      try count("success") + count("rejected") > taken + refused
    }
    return try count("rejected") == refused
  }

  func port(_ name: String) -> UInt16 { plan.ports[name, default: 0] }

  /// The status of one request on a connection of its own.
  func status(_ name: String, _ path: String) throws -> Int { try HTTPClient(port: port(name)).request(path).status }

  /// How many threads the proxy has: its own, and those of engines.
  func threadCount() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server.process.pid)/task").count
  }

  /// A counter of the module.
  func counter(_ name: String) throws -> Int { try server.counter("portcullis.\(name)") }
}
