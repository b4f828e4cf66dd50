// `portcullis serve`: loads, listens, watches, and stops so that nobody loses an answer.
// Enters: arguments and signals. Leaves: answers over the wire, a log on standard error, `ready` on standard output.
// Never here: a server that answers before the policies are there, or that starts with a file it could not read.

internal import ArgumentParser
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
      """)

  @OptionGroup var policies: PolicyOptions
  @OptionGroup var options: ServeOptions

  func run() async throws {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    let logger = Logger(label: "portcullis")
    do {
      try await serve(logger)
    } catch let problem as CommandProblem {
      StandardError.write("error: \(problem)")
      throw ExitCode(Answer.unusable.rawValue)
    }
  }

  private func serve(_ logger: Logger) async throws {
    var sourceOptions = PolicySourceOptions()
    sourceOptions.isPolling = options.poll
    let loaded = try policies.load(options: sourceOptions)
    let mesh = try policies.meshSettings()
    let first = Snapshot(loaded.policies, mesh: mesh)
    try checkPin(first)
    let snapshots = Latest(first)
    let bundles = Latest(try initialBundles())
    let server: ExtAuthzServer
    do {
      server = try ExtAuthzServer(
        options.listenOptions, belief: options.belief, snapshots: snapshots, bundles: bundles,
        processorCount: ProcessInfo.processInfo.activeProcessorCount)
    } catch {
      throw CommandProblem(error.description, help: "name a free address with `--listen`")
    }
    let board = StatusBoard(loaded.status)
    logger.info("loaded", metadata: PolicyLog.metadata(loaded.status, first))
    let policyService = PolicyService(loaded: loaded, mesh: mesh, snapshots: snapshots, board: board, logger: logger)
    let listening = zip(options.listenOptions.addresses, server.ports).map { ListeningAddress.text($0.text, port: $1) }
    var services: [any Service] = [policyService]
    if !options.bundleSources.isEmpty { services.append(BundleService(sources: options.bundleSources, bundles: bundles, logger: logger)) }
    if let path = options.statusFile {
      services.append(StatusFileService(path: path, board: board, snapshots: snapshots, server: server, logger: logger))
    }
    services.append(
      ServerService(server: server, listening: listening, graceSeconds: options.drainTimeout, logger: logger))
    let group = ServiceGroup(
      configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }

  /// A pin that names nothing denies everything; better to say so now.
  private func checkPin(_ snapshot: Snapshot) throws {
    if let workload = options.workload { _ = try WorkloadName.target(workload, in: snapshot) }
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

/// How a listener is shown.
enum ListeningAddress {
  /// The address with the port that it really has.
  static func text(_ address: String, port: UInt16) -> String {
    guard !address.hasPrefix("unix:"), let colon = address.lastIndex(of: ":") else { return address }
    return "\(address[..<colon]):\(port)"
  }
}
