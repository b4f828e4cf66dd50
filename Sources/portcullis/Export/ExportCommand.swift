// `portcullis export …`: configuration for other programs, on standard output.
//
// Enters: command-line arguments. Leaves: text on standard output, or a usage error (exit code 2 by the root command's rule). Never
// happens here: opening sockets; reading policies (but for the native filters, in their own file).

internal import ArgumentParser

/// `portcullis export`: the family of exports.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write configuration for a proxy.",
    subcommands: [ExportEnvoyExtAuthz.self, ExportEnvoyRBAC.self])
}

/// `portcullis export envoy-ext-authz`: the Envoy configuration that asks Portcullis.
struct ExportEnvoyExtAuthz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "envoy-ext-authz",
    abstract: "Write the Envoy configuration that asks Portcullis about a workload.",
    discussion: """
      The output is YAML with comments that say where each part goes: a cluster, a filter with the workload's hint, and for HTTP the path \
      normalization of the mesh. It fails closed.

      EXAMPLES:
        portcullis export envoy-ext-authz --workload shop/backend
        portcullis export envoy-ext-authz --workload shop/backend > ext-authz.yaml
      """)

  @Option(help: ArgumentHelp("The workload behind the proxy.", valueName: "namespace/[kind/]name"), transform: WorkloadName.init)
  var workload: WorkloadName

  @Flag(help: "The proxy speaks TCP to the workload: write the network filter.")
  var tcp = false

  @Option(
    help: ArgumentHelp("Where the engine listens, seen from the proxy (default: 127.0.0.1:9191).", valueName: "host:port|unix:path"),
    transform: EngineAddress.init)
  var engine = EngineAddress.tcp(host: "127.0.0.1", port: 9191)

  @Option(help: "The kind of proxy.")
  var profile = CheckProfile.sidecar

  @Option(
    help: ArgumentHelp(
      "What traffic through this listener of a waypoint is addressed to; `none` for a workload's own address.",
      valueName: "namespace/[kind/]name|none"), transform: AddressedService.init)
  var service: AddressedService?

  @Flag(name: .customLong("proxy-protocol"), help: "The listener reads the PROXY protocol.")
  var proxyProtocol = false

  @Option(help: ArgumentHelp("The port that policies mean, where the proxy listens on another.", valueName: "port"))
  var port: UInt16?

  @Option(help: "The mesh's path normalization.")
  var pathNormalization = PathNormalization.base

  @Option(help: ArgumentHelp("How long the proxy waits for a decision, such as 250ms or 1s.", valueName: "duration"))
  var timeout = WaitingTime(milliseconds: 250)

  @Option(
    name: .customLong("remote-ip-header"),
    help: ArgumentHelp("Tell the client's address, as the proxy trusts it, in this header.", valueName: "name"))
  var remoteIPHeader: HeaderName?

  @Option(
    name: .customLong("engine-tls-ca"),
    help: ArgumentHelp("The CA that the engine's certificate must chain to (PEM, on the proxy's disk).", valueName: "file"))
  var engineTLSCA: String?

  @Option(
    name: .customLong("engine-tls-cert"), help: ArgumentHelp("The proxy's certificate chain for the engine (PEM).", valueName: "file"))
  var engineTLSCert: String?

  @Option(name: .customLong("engine-tls-key"), help: ArgumentHelp("The key of that certificate (PEM).", valueName: "file"))
  var engineTLSKey: String?

  @Option(
    name: .customLong("engine-tls-name"),
    help: ArgumentHelp("The DNS name in the engine's certificate (default: the host of --engine).", valueName: "name"))
  var engineTLSName: String?

  @Option(help: "Write one part alone, to be spliced into a template.")
  var only: ExportPart?

  func validate() throws {
    if let port, port == 0 { throw ValidationError("`--port` is 1 to 65535") }
    try Self.validate(profile, service)
    if let only {
      if tcp, only == .httpFilter || only == .hcm { throw ValidationError("`--only \(only.rawValue)` does not go with `--tcp`") }
      if !tcp, only == .networkFilter { throw ValidationError("`--only network-filter` needs `--tcp`") }
    }
    if tcp, remoteIPHeader != nil { throw ValidationError("`--remote-ip-header` does not go with `--tcp`: a connection has no headers") }
    _ = try engineTLS()
  }

  func run() throws {
    var options = EnvoyExtAuthzOptions(workload: workload)
    options.isTCP = tcp
    options.engine = engine
    options.engineTLS = try engineTLS()
    options.profile = profile
    options.service = service
    options.readsProxyProtocol = proxyProtocol
    options.port = port
    options.pathNormalization = pathNormalization
    options.timeoutMilliseconds = timeout.milliseconds
    options.remoteIPHeader = remoteIPHeader?.text
    print(only.map(options.text(of:)) ?? options.document(), terminator: "")
  }

  /// A waypoint says what its listener is for, and nobody else does.
  static func validate(_ profile: CheckProfile, _ service: AddressedService?) throws {
    if profile == .ztunnel { throw ValidationError("`--profile ztunnel` does not go here: ztunnel has no Envoy filters and asks nobody") }
    if profile == .waypoint, service == nil {
      throw ValidationError("`--profile waypoint` needs `--service`: a service, or `none` for traffic to a workload's own address")
    }
    if profile != .waypoint, service != nil { throw ValidationError("`--service` goes with `--profile waypoint` only") }
  }

  /// The TLS files: all three or none.
  private func engineTLS() throws -> EngineTLS? {
    guard engineTLSCA != nil || engineTLSCert != nil || engineTLSKey != nil || engineTLSName != nil else { return nil }
    guard let engineTLSCA, let engineTLSCert, let engineTLSKey else {
      throw ValidationError("`--engine-tls-ca`, `--engine-tls-cert` and `--engine-tls-key` go together")
    }
    var name = engineTLSName
    if name == nil, case .tcp(let host, _) = engine, engine.needsResolving { name = host }
    guard let name else {
      throw ValidationError("`--engine-tls-name` is needed: `--engine` has no DNS name to compare the certificate with")
    }
    for word in [engineTLSCA, engineTLSCert, engineTLSKey, name]
    where word.isEmpty || word.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      throw ValidationError("a file or name of `--engine-tls-…` is empty or holds a control character")
    }
    return EngineTLS(authority: engineTLSCA, certificate: engineTLSCert, key: engineTLSKey, serverName: name)
  }
}

/// A duration on the command line: `250ms`, `2s`; 1 ms to 60 s.
struct WaitingTime: Equatable, Sendable {
  /// The duration in milliseconds, 1 to 60,000.
  let milliseconds: UInt32
}

/// The name of a header: letters, digits and `-`, at most 100 bytes, written in lower case.
struct HeaderName: Equatable, Sendable {
  /// The name in lower case.
  let text: String
}

extension WaitingTime: ExpressibleByArgument {
  init?(argument: String) {
    let unit: UInt32
    let digits: Substring
    if argument.hasSuffix("ms") {
      (unit, digits) = (1, argument.dropLast(2))
    } else if argument.hasSuffix("s") {
      (unit, digits) = (1000, argument.dropLast(1))
    } else {
      return nil
    }
    guard let count = UInt32(digits) else { return nil }
    let (milliseconds, overflow) = count.multipliedReportingOverflow(by: unit)
    guard !overflow, (1...60_000).contains(milliseconds) else { return nil }
    self.milliseconds = milliseconds
  }

  var defaultValueDescription: String { "\(milliseconds)ms" }
}

extension HeaderName: ExpressibleByArgument {
  init?(argument: String) {
    let lowered = argument.lowercased()
    let isName = lowered.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || $0 == UInt8(ascii: "-")
    }
    guard isName, !lowered.isEmpty, lowered.utf8.count <= 100 else { return nil }
    text = lowered
  }
}

extension PathNormalization: ExpressibleByArgument {}
extension ExportPart: ExpressibleByArgument {}
