// The arguments of `portcullis serve`, checked before anything starts.
// Enters: words. Leaves: what the server believes and where it listens. A combination that would open a door by accident is refused.

internal import ArgumentParser
internal import ExtAuthzServer
internal import PeerIdentity
internal import PolicyModel

struct ServeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where to listen; repeatable (default: 127.0.0.1:9191).", valueName: "host:port|unix:path"))
  var listen: [String] = []

  @Option(
    name: .customLong("tls-cert"), help: ArgumentHelp("Our certificate chain (PEM); picked up anew when it changes.", valueName: "file"))
  var tlsCert: String?

  @Option(name: .customLong("tls-key"), help: ArgumentHelp("The key of that certificate (PEM).", valueName: "file"))
  var tlsKey: String?

  @Option(
    name: .customLong("client-ca"), help: ArgumentHelp("The authorities that proxies' certificates must chain to (PEM).", valueName: "file")
  )
  var clientCA: String?

  @Flag(help: "Listen where another server listens already, as its successor; without this such an address is refused.")
  var takeOver = false

  @Flag(help: "Listen without TLS on addresses that are not loopback.")
  var insecureListen = false

  @Option(help: ArgumentHelp("The only workload that requests may be about.", valueName: "namespace/[kind/]name"))
  var workload: String?

  @Flag(help: "Infer the workload from the destination's principal or address when the proxy does not say.")
  var inferWorkload = false

  @Option(
    help: ArgumentHelp("Who the peer is: the certificate if there is one, or always the certificate.", valueName: "auto|certificate"),
    transform: { try Self.choice($0, Belief.PeerIdentity(rawValue: $0), "`auto` or `certificate`") })
  var peerIdentity = Belief.PeerIdentity.auto

  @Option(
    help: ArgumentHelp("Verify peers of this trust domain with these certificates (PEM); repeatable, watched.", valueName: "domain=file"))
  var trustBundle: [String] = []

  @Option(
    name: .customLong("remote-ip"),
    help: ArgumentHelp("Where the client's address is.", valueName: "sidecar|direct|header:NAME|xff:N"),
    transform: { try Self.choice($0, Belief.RemoteIP(argument: $0), "`sidecar`, `direct`, `header:NAME` or `xff:N`") })
  var remoteIP = Belief.RemoteIP.sidecar

  @Option(
    help: ArgumentHelp(
      "Which tokens count: those in the proxy's metadata, of these only what a RequestAuthentication accepts, or nobody knows.",
      valueName: "trust-proxy|request-authentication|unavailable"),
    transform: { try Self.choice($0, Belief.Tokens(rawValue: $0), "`trust-proxy`, `request-authentication` or `unavailable`") })
  var jwt = Belief.Tokens.trustProxy

  @Option(help: "What a comma in a joined header means to rules that test it.")
  var joinedHeaders = JoinedHeaders.deny

  @Option(help: "Whether to look if the proxy normalized the path.")
  var proxyNormalizes = ProxyNormalizes.check

  @Option(help: ArgumentHelp("The HTTP status of denials, 400 to 599.", valueName: "status"))
  var denyStatus: UInt32 = 403

  @Option(help: ArgumentHelp("The largest question in bytes.", valueName: "bytes"))
  var maxMessageSize: UInt32 = 4 << 20

  @Option(help: ArgumentHelp("Threads that decide (default: one for each processor).", valueName: "count"))
  var workers: UInt32 = 0

  @Option(help: ArgumentHelp("How long a stop waits for answers under way, in seconds.", valueName: "seconds"))
  var drainTimeout: UInt32 = 30

  @Option(help: ArgumentHelp("Write the state of policies and counters to this file, as JSON, every second.", valueName: "file"))
  var statusFile: String?

  @Flag(help: "Compare files again and again instead of asking the kernel for changes.")
  var poll = false

  func validate() throws {
    if workers > 256 { throw ValidationError("`--workers` is at most 256") }
    if !(400...599).contains(denyStatus) { throw ValidationError("`--deny-status` is 400 to 599, so that a denial is one") }
    if maxMessageSize < 1024 || maxMessageSize > 256 << 20 { throw ValidationError("`--max-message-size` is 1024 to 268435456 bytes") }
    if drainTimeout > 3600 { throw ValidationError("`--drain-timeout` is at most 3600 seconds") }
    for address in addresses { if let problem = ListeningAddress.problem(address) { throw ValidationError(problem) } }
    if Set(addresses.map { ExactText($0) }).count < addresses.count { throw ValidationError("`--listen` names an address twice") }
    let files = [tlsCert, tlsKey, clientCA].compactMap { $0 }
    if !files.isEmpty, files.count < 3 { throw ValidationError("`--tls-cert`, `--tls-key` and `--client-ca` go together") }
    for address in addresses where files.isEmpty && !insecureListen && !Self.isPrivate(address) {
      throw ValidationError(
        "`\(address)` is not loopback: give `--tls-cert`, `--tls-key` and `--client-ca`, or `--insecure-listen` if the network is trusted")
    }
    for argument in trustBundle where TrustBundleSource(argument: argument) == nil {
      throw ValidationError("`--trust-bundle \(argument)` is not a trust domain and a file: write `cluster.local=ca.pem`")
    }
    if let workload {
      do { _ = try WorkloadName(workload) } catch { throw ValidationError("\(error)") }
    }
    if let statusFile, statusFile.isEmpty { throw ValidationError("`--status-file` is empty") }
  }

  /// What the server believes.
  var belief: Belief {
    var belief = Belief()
    belief.peerIdentity = peerIdentity
    belief.remoteIP = remoteIP
    belief.tokens = jwt
    belief.trustsNormalization = proxyNormalizes == .trusted
    belief.acceptsJoinedHeaders = joinedHeaders == .accept
    belief.infersWorkload = inferWorkload
    belief.workload = workload
    belief.denialStatus = denyStatus
    return belief
  }

  /// Where it listens; with TLS files, every TCP listener uses TLS.
  var listenOptions: ListenOptions {
    var options = ListenOptions()
    options.addresses = addresses.map { ($0, tlsCert != nil && !$0.hasPrefix("unix:")) }
    if let tlsCert, let tlsKey, let clientCA { options.tls = (tlsCert, tlsKey, clientCA) }
    options.takesOver = takeOver
    options.workers = workers
    options.maximumMessageBytes = maxMessageSize
    return options
  }

  /// The trust bundles' files.
  var bundleSources: [TrustBundleSource] { trustBundle.compactMap { TrustBundleSource(argument: $0) } }

  private var addresses: [String] { listen.isEmpty ? ["127.0.0.1:9191"] : listen }

  private static func choice<Value>(_ text: String, _ value: Value?, _ known: String) throws -> Value {
    guard let value else { throw ValidationError("`\(text)` is not known here: write \(known)") }
    return value
  }

  /// Unix sockets and loopback addresses; a name such as `localhost` may resolve to anything.
  private static func isPrivate(_ address: String) -> Bool {
    if address.hasPrefix("unix:") || address.hasPrefix("[::1]:") { return true }
    let parts = address.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return false }
    let octets = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    return octets.count == 4 && octets[0] == "127" && octets.allSatisfy { UInt8($0) != nil }
  }
}

/// What a comma in a joined header means.
enum JoinedHeaders: String, ExpressibleByArgument, CaseIterable {
  case deny, accept
}

/// Whether the proxy is believed to normalize paths.
enum ProxyNormalizes: String, ExpressibleByArgument, CaseIterable {
  case check, trusted
}
