// The shop of `examples/shop`, alive: an engine, a server sidecar before backend and db, a client sidecar for everyone who calls them.
//
// Enters: a sandbox and what is special about the test. Leaves: ports to call. Never happens here: a stand-in; the engine is the built
// command, the proxies are Envoy, the applications are servers on loopback that count what reaches them.

internal import Foundation
internal import TestSupport

/// Somebody who calls, and whom.
enum Call: String, CaseIterable {
  case frontendToBackend = "frontend-to-backend"
  case frontendToDB = "frontend-to-db"
  case backendToDB = "backend-to-db"
  /// A client without a certificate.
  case anonymousToBackend = "anonymous-to-backend"
  /// A client whose certificate has the frontend's name, but another CA.
  case foreignToBackend = "foreign-to-backend"
  case frontendToDBOverTCP = "frontend-to-db-over-tcp"
  case backendToDBOverTCP = "backend-to-db-over-tcp"
  case anonymousToDBOverTCP = "anonymous-to-db-over-tcp"

  var account: String? {
    switch self {
    case .frontendToBackend, .frontendToDB, .frontendToDBOverTCP, .foreignToBackend: "frontend-sa"
    case .backendToDB, .backendToDBOverTCP: "backend-sa"
    case .anonymousToBackend, .anonymousToDBOverTCP: nil
    }
  }

  var isTCP: Bool { rawValue.hasSuffix("-over-tcp") }

  var server: String {
    switch self {
    case .frontendToBackend, .anonymousToBackend, .foreignToBackend: "backend"
    case .frontendToDB, .backendToDB: "db"
    case .frontendToDBOverTCP, .backendToDBOverTCP, .anonymousToDBOverTCP: "db-tcp"
    }
  }
}

/// How the proxies speak to the engine.
enum EngineConnection {
  case plaintext
  /// TLS, each side with a certificate that the other trusts.
  case tls
  /// TLS, the proxy with a certificate of another CA.
  case foreignClient
}

/// One line of the server sidecar's access log.
struct LogLine {
  var status: Int
  var details: String
  var peer: String
  var portcullis: [String: String]
}

/// The running shop.
final class Shop {
  let sandbox: Sandbox
  /// Where the engine listens, as `--listen` and `--engine` name it.
  let engineAddress: String
  /// The directory or file with policies.
  let policies: String
  let backend: Upstream
  let db: Upstream
  let echo: Upstream
  /// The port of a listener before the backend that has no TLS at all.
  let plaintextPort: UInt16
  private(set) var engine: ChildProcess
  private(set) var server: Envoy
  private(set) var client: Envoy
  private var ports: [Call: UInt16] = [:]
  private let serverPorts: [String: UInt16]
  private var engineCount = 0
  private let engineArguments: [String]
  private let accessLog: String

  /// Starts everything and waits until the first allowed request went through.
  ///
  /// - Parameters:
  ///   - sandbox: where it runs.
  ///   - engineAddress: a free port on loopback unless given.
  ///   - policies: a directory with the example's policies unless given.
  ///   - engineTLS: how the proxies speak to the engine.
  ///   - serve: further arguments for `portcullis serve`.
  ///   - export: further arguments for `portcullis export envoy-ext-authz`.
  init(
    in sandbox: Sandbox, engineAddress: String? = nil, policies: String? = nil, engineTLS: EngineConnection = .plaintext,
    serve: [String] = [], export: [String] = []
  ) throws {
    self.sandbox = sandbox
    let address = try engineAddress ?? "127.0.0.1:\(Ports.free())"
    self.engineAddress = address
    self.policies = try policies ?? Shop.copyOfExample(in: sandbox)
    let files = try ShopCertificates(in: sandbox)
    let authority = files.authority
    var serve = serve
    var export = export
    if engineTLS != .plaintext {
      serve += ["--tls-cert", files.engine.chain, "--tls-key", files.engine.key, "--client-ca", authority]
      let own = engineTLS == .foreignClient ? files.foreign : files["backend-sa"]
      export += [
        "--engine-tls-ca", authority, "--engine-tls-cert", own.chain, "--engine-tls-key", own.key, "--engine-tls-name", "engine.test",
      ]
    }
    engineArguments = serve
    accessLog = sandbox.path("access.log")
    backend = try Upstream.http("backend")
    db = try Upstream.http("db")
    echo = try Upstream.echo()
    engine = try Shop.startEngine(in: sandbox, 0, self.policies, address, serve)

    let moreExport = export
    // A busy machine must not look like an engine that does not answer, unless a test says how long to wait.
    let patience = export.contains("--timeout") ? [] : ["--timeout", "5s"]
    func exported(_ workload: String, _ arguments: String...) throws -> String {
      try Shop.export(in: sandbox, ["--workload", workload, "--engine", address] + patience + moreExport + arguments)
    }
    plaintextPort = try Ports.free()
    serverPorts = try ["backend": Ports.free(), "db": Ports.free(), "db-tcp": Ports.free()]
    func inbound(_ name: String, _ workload: String, _ security: Inbound.Security, _ application: Upstream, port: UInt16) throws -> Inbound
    {
      try Inbound(
        name: name, port: port, security: security, applicationPort: application.port,
        filter: exported(workload, "--only", "http-filter"), connectionManager: exported(workload, "--only", "hcm"))
    }
    let backendTLS = Inbound.Security.tls(files["backend-sa"], authority: authority)
    let dbTLS = Inbound.Security.tls(files["db-sa"], authority: authority)
    let inbounds = try [
      inbound("backend", "shop/backend", backendTLS, backend, port: serverPorts["backend", default: 0]),
      inbound("backend-plaintext", "shop/backend", .plaintext, backend, port: plaintextPort),
      inbound("db", "shop/db", dbTLS, db, port: serverPorts["db", default: 0]),
      Inbound(
        name: "db-tcp", port: serverPorts["db-tcp", default: 0], security: dbTLS, applicationPort: echo.port,
        filter: exported("shop/db", "--tcp", "--only", "network-filter")),
    ]
    server = try Envoy(
      "server",
      configuration: SidecarConfiguration.server(
        inbounds, engineClusters: exported("shop/backend", "--only", "cluster"), accessLog: accessLog),
      in: sandbox)

    var outbounds: [Outbound] = []
    for call in Call.allCases {
      let port = try Ports.free()
      ports[call] = port
      outbounds.append(
        Outbound(
          name: call.rawValue, port: port, peerPort: serverPorts[call.server, default: 0], isTCP: call.isTCP,
          certificate: call == .foreignToBackend ? files.foreign : call.account.map { files[$0] }, authority: authority,
          peer: "spiffe://cluster.local/ns/shop/sa/\(call.server == "backend" ? "backend" : "db")-sa"))
    }
    client = try Envoy("client", configuration: SidecarConfiguration.client(outbounds), in: sandbox)
    if engineTLS != .foreignClient { try waitForFirstAllowed() }
  }

  /// The port of the client sidecar for a call.
  func port(_ call: Call) -> UInt16 { ports[call, default: 0] }

  /// The port of a listener of the server sidecar: `backend`, `db` or `db-tcp`.
  func serverPort(_ name: String) -> UInt16 { serverPorts[name, default: 0] }

  /// One request on a connection of its own.
  func get(_ call: Call, _ path: String = "/") throws -> HTTPResponse { try HTTPClient(port: port(call)).request(path) }

  /// Waits until the engine answers: the frontend may call the backend.
  func waitForFirstAllowed() throws {
    try waitUntil("an allowed request to pass", detail: { self.sandbox.logs }) { try get(.frontendToBackend, "/first").status == 200 }
  }

  /// Starts one more engine on the same address; the shop's `engine` is this one from now on.
  ///
  /// - Returns: when it says that it serves.
  func startNextEngine() throws {
    engineCount += 1
    engine = try Shop.startEngine(in: sandbox, engineCount, policies, engineAddress, engineArguments + ["--take-over"])
  }

  /// The lines of the server sidecar's access log for a path and, if one is given, a status, once there are some: Envoy answers before it
  /// writes its log.
  func logLines(path: String, status: Int? = nil) throws -> [LogLine] {
    var found: [LogLine] = []
    try waitUntil("a line in the access log for \(path)") {
      found = try self.allLogLines().filter { $0.path.utf8.elementsEqual(path.utf8) }.map(\.line)
      if let status { found.removeAll { $0.status != status } }
      return !found.isEmpty
    }
    return found
  }

  private func allLogLines() throws -> [(path: String, line: LogLine)] {
    guard let data = FileManager.default.contents(atPath: accessLog) else { return [] }
    return try data.split(separator: UInt8(ascii: "\n")).map { bytes in
      guard let object = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else { throw TestFailure("not a log line") }
      let metadata = (object["portcullis"] as? [String: Any] ?? [:]).mapValues { "\($0)" }
      let status = object["status"] as? Int ?? 0
      let line = LogLine(
        status: status, details: object["details"] as? String ?? "", peer: object["peer"] as? String ?? "", portcullis: metadata)
      return (object["path"] as? String ?? "", line)
    }
  }

  private static func startEngine(
    in sandbox: Sandbox, _ number: Int, _ policies: String, _ address: String, _ arguments: [String]
  ) throws -> ChildProcess {
    let engine = try sandbox.start(
      "engine-\(number)", Programs.portcullis(), ["serve", "--policies", policies, "--listen", address] + arguments)
    try waitUntil("the engine to serve", detail: { engine.log }) {
      if let end = engine.poll() { throw TestFailure("it ended: \(end)", isFinal: true) }
      return engine.output.contains("ready")
    }
    return engine
  }

  /// What `portcullis export envoy-ext-authz` writes.
  static func export(in sandbox: Sandbox, _ arguments: [String]) throws -> String {
    let result = try sandbox.run(Programs.portcullis(), ["export", "envoy-ext-authz"] + arguments)
    guard result.end == .exited(0) else { throw TestFailure("export: \(result.end) \(result.errors)") }
    return result.output
  }

  /// The example's policies and workloads in a directory of the sandbox.
  static func copyOfExample(in sandbox: Sandbox) throws -> String {
    try sandbox.write(examplePolicies(), to: "policies/policies.yaml")
    try sandbox.write(exampleWorkloads(), to: "policies/workloads.yaml")
    return sandbox.path("policies")
  }

  static func examplePolicies() throws -> String {
    try String(contentsOfFile: Programs.project() + "/examples/shop/policies.yaml", encoding: .utf8)
  }

  static func exampleWorkloads() throws -> String {
    try String(contentsOfFile: Programs.project() + "/examples/shop/workloads.yaml", encoding: .utf8)
  }

  /// The example's policies and one more, that closes `/admin` of the backend to everyone.
  static func policiesThatCloseAdmin() throws -> String {
    try examplePolicies() + """
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata:
        name: close-admin
        namespace: shop
      spec:
        selector:
          matchLabels:
            app: backend
        action: DENY
        rules:
        - to:
          - operation:
              paths: ["/admin"]

      """
  }
}
