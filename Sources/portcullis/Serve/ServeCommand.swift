// `portcullis serve`: loads, listens, watches, and stops so that nobody loses an answer.
// Enters: arguments and signals. Leaves: answers over the wire, a log on standard error, `ready` on standard output.
// Never here: a server that answers before the policies are there, or that starts with a file it could not read.

internal import ArgumentParser
internal import DecisionText
internal import ExtAuthzServer
internal import Foundation
internal import Logging
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel
internal import ServiceLifecycle
internal import UnixSignals

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Answer Envoy's ext_authz questions; watch the policies.",
    discussion: """
      Prints `ready` when it answers. SIGTERM and SIGINT stop it: health becomes NOT_SERVING, connections are told to go elsewhere, answers \
      under way are given, exit code 0.

      EXAMPLES:
        portcullis serve --policies examples/shop --listen 127.0.0.1:9191
        portcullis serve --policies policies/ --listen unix:/run/portcullis.sock
        portcullis serve --policies policies/ --mesh-config mesh.yaml --workers 2
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var options: ServeOptions

  func run() async throws {
    // A reader of the log that goes away must not take the server with it, nor a terminal that closes.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGHUP, SIG_IGN)
    let queue = LogQueue()
    LoggingSystem.bootstrap { _ in QueuedLogHandler(queue: queue) }
    defer { queue.flush() }
    try await serve(Logger(label: "portcullis"))
  }

  private func serve(_ logger: Logger) async throws {
    var sourceOptions = PolicySourceOptions()
    sourceOptions.isPolling = options.poll
    sourceOptions.givesMemoryBack = true
    let loaded = try policies.load(options: sourceOptions)
    let meshConfig = try policies.loadMeshConfig()
    let publisher = SnapshotPublisher(loaded.policies, mesh: policies.settings(over: meshConfig))
    let snapshots = publisher.snapshots
    let first = snapshots.value
    try checkPin(first)
    let bundles = Latest(try initialBundles())
    let server: ExtAuthzServer
    do {
      server = try ExtAuthzServer(
        options.listenOptions, belief: options.belief, snapshots: snapshots, bundles: bundles,
        processorCount: ProcessInfo.processInfo.activeProcessorCount)
    } catch {
      throw CommandProblem(
        error.description, help: "name a free address with `--listen`; a successor of a running server needs `--take-over`")
    }
    let board = StatusBoard(loaded.status)
    logger.info("loaded", metadata: PolicyLog.metadata(loaded.status, first))
    let policyService = PolicyService(loaded: loaded, options: policies, publisher: publisher, board: board, logger: logger)
    let listening = zip(options.listenOptions.addresses, server.ports).map { ListeningAddress.text($0.text, port: $1) }
    var services: [any Service] = [policyService]
    // Standard input is read once.
    if let path = policies.meshConfig, let meshConfig, !path.utf8.elementsEqual("-".utf8) {
      let file = MeshConfigFile(path: ExactText(path), settings: meshConfig, limits: PolicyOptions.meshConfigLimits)
      services.append(MeshConfigService(file: file, options: policies, publisher: publisher, board: board, logger: logger))
    }
    if !options.bundleSources.isEmpty { services.append(BundleService(sources: options.bundleSources, bundles: bundles, logger: logger)) }
    if let path = options.statusFile {
      let status = StatusFileService(
        path: path, board: board, meshConfig: policies.meshConfig, snapshots: snapshots, server: server, logger: logger)
      // Better no server than one whose state nobody sees.
      try status.write()
      services.append(status)
    }
    services.append(
      ServerService(server: server, listening: listening, graceSeconds: options.drainTimeout, logger: logger))
    // Names of our own: the group would else make one of all that a service holds, which takes 15 s for 100,000 policies.
    let named = services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0, serviceName: "\(type(of: $0))") }
    let group = ServiceGroup(
      configuration: .init(services: named, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }

  /// A pin that names nothing denies everything; better to say so now. A waypoint may be known by its Gateway alone.
  private func checkPin(_ snapshot: Snapshot) throws {
    guard let workload = options.workload else { return }
    let name = Array(workload.utf8)
    if case .unknown = snapshot.target(workload: name.span), snapshot.waypoint(named: name.span) != nil { return }
    _ = try WorkloadName.target(workload, in: snapshot)
  }

  private func initialBundles() throws -> TrustBundles {
    guard !options.bundleSources.isEmpty else { return .unverified }
    do {
      return try TrustBundles(reading: options.bundleSources)
    } catch {
      throw CommandProblem("\(error)", help: "`--trust-bundle DOMAIN=FILE` wants a PEM file of certificate authorities")
    }
  }
}

/// Addresses to listen on, as text.
enum ListeningAddress {
  /// What is wrong with an address; `nil` if nothing is.
  static func problem(_ address: String) -> String? {
    if address.hasPrefix("unix:") { return address.utf8.count > 5 ? nil : "`unix:` names no path" }
    let parts = address.split(separator: ":", omittingEmptySubsequences: false)
    let isBracketed = address.hasPrefix("[") && address.contains("]:")
    guard parts.count == 2 || isBracketed, !parts[0].isEmpty, let port = parts.last, UInt16(port) != nil, !port.hasPrefix("+") else {
      return "`\(Printable.text(address))` is not an address and a port: write `127.0.0.1:9191`, `[::1]:9191` or `unix:/path`"
    }
    return nil
  }

  /// The address with the port that it really has.
  static func text(_ address: String, port: UInt16) -> String {
    guard !address.hasPrefix("unix:"), let colon = address.lastIndex(of: ":") else { return address }
    return "\(address[..<colon]):\(port)"
  }
}
