// A workload behind an Envoy that decides inside itself: the module as users get it, linked from the archive of this build.
//
// Enters: policies, and what each listener's filter is told. Leaves: ports to call, with mutual TLS, without a certificate, and in plaintext.
// Never happens here: an engine outside of the proxy; a library that differs from the one that is installed.

internal import Foundation
internal import TestSupport

/// Who calls.
enum Caller: String, CaseIterable {
  case frontend
  case backend
  /// A certificate with two names: the frontend's, and behind it one that policies refuse.
  case twoNames = "two-names"
  /// The frontend's name, and a DNS name that reads like one of a namespace that policies refuse.
  case dnsToo = "dns-too"
  /// A name of no mesh, and behind it one of a foreign trust domain.
  case foreign
  /// A certificate that carries no name at all.
  case nameless
  /// TLS without a certificate.
  case anonymous
  /// The same, asking for `backend.test`.
  case naming
  /// The frontend's name in a certificate that nobody but its bearer has signed.
  case stranger
}

/// A listener of the server.
struct ModuleListener {
  var name: String
  /// The JSON of `filter_config`, without its braces and without `policies`.
  var settings: String
  var isTCP = false
  var isPlaintext = false
  /// A context of validation that verifies nothing, `@` for the CA's file; `nil` for the right one.
  var careless: String?
  /// Configuration of filters on a route of its own, by its path.
  var perRoute: [String: String] = [:]
  /// Whether Envoy reads the server name that TLS clients ask for.
  var inspectsTLS = false
  /// Network filters of the module before the connection manager: `peer`, or one that decides, in shadow mode.
  var leading: [String] = []
}

/// The running site.
final class ModuleSite {
  let sandbox: Sandbox
  let application: Upstream
  let echo: Upstream
  let server: Envoy
  private let client: Envoy?
  private var ports: [String: UInt16] = [:]
  private var serverPorts: [String: UInt16] = [:]
  private let accessLog: String

  static let workload = #""workload": "shop/backend""#

  /// Starts everything; the policies are in `policies/policies.yaml` of the sandbox.
  init(in sandbox: Sandbox, policies: String, _ listeners: [ModuleListener], callers: [Caller] = [], workers: Int = 1) throws {
    self.sandbox = sandbox
    application = try Upstream.http("backend")
    echo = try Upstream.echo()
    accessLog = sandbox.path("access.log")
    try sandbox.write(policies, to: "policies/policies.yaml")
    let module = try EnvoyModule.path(in: sandbox)
    let root = try IssuedCertificate(.authority("shop"))
    let authority = try sandbox.write(root.pem, to: "certificates/ca.pem")
    func files(_ name: String, _ order: CertificateOrder, signer: IssuedCertificate?) throws -> CertificateFiles {
      let certificate = try IssuedCertificate(order, signedBy: signer)
      return try CertificateFiles(
        chain: sandbox.write(certificate.pem, to: "certificates/\(name).pem"),
        key: sandbox.write(certificate.keyPEM, to: "certificates/\(name).key"))
    }
    let own = try files("server", .leaf(Self.name("backend")), signer: root)
    var inbounds: [Inbound] = []
    for listener in listeners {
      let port = try Ports.free()
      serverPorts[listener.name] = port
      let settings = "\"policies\": [\"\(sandbox.path("policies"))\"], \(listener.settings)"
      inbounds.append(
        Inbound(
          name: listener.name, port: port, security: Self.security(listener, own, authority),
          applicationPort: listener.isTCP ? echo.port : application.port,
          filter: EnvoyModule.filter(listener.isTCP ? "Network" : "HTTP", module, settings: settings),
          connectionManager: listener.isTCP ? nil : "normalize_path: true\nuse_remote_address: true\nxff_num_trusted_hops: 1",
          leading: listener.leading.map {
            EnvoyModule.filter("Network", module, name: $0, settings: $0 == "peer" ? nil : settings + ", \"shadow\": true")
          }.joined(separator: "\n"),
          perRoute: listener.perRoute, inspectsTLS: listener.inspectsTLS,
          metadata: "portcullis"))
    }
    server = try Envoy(
      "server", configuration: SidecarConfiguration.server(inbounds, engineClusters: "", accessLog: accessLog), in: sandbox,
      workers: workers, arguments: ["--component-log-level", "dynamic_modules:info"])
    guard !callers.isEmpty else {
      client = nil
      return
    }
    var outbounds: [Outbound] = []
    for listener in listeners where !listener.isPlaintext {
      for caller in callers {
        let port = try Ports.free()
        ports["\(listener.name) \(caller)"] = port
        let certificate =
          switch caller {
          case .anonymous, .naming: nil as CertificateFiles?
          case .nameless: try files("nameless", CertificateOrder(), signer: root)
          case .twoNames: try files("two-names", .leaf(Self.name("frontend"), Self.name("evil")), signer: root)
          case .stranger: try files("stranger", .leaf(Self.name("frontend")), signer: nil)
          case .dnsToo: try files("dns-too", .leaf(Self.name("frontend"), dns: ["x/ns/evil/sa/y"]), signer: root)
          case .foreign:
            try files("foreign", .leaf("https://shop.example/frontend", "spiffe://foreign.test/ns/shop/sa/frontend-sa"), signer: root)
          case .frontend, .backend: try files("client-\(caller)", .leaf(Self.name(caller.rawValue)), signer: root)
          }
        outbounds.append(
          Outbound(
            name: "\(listener.name)-\(caller.rawValue)", port: port, peerPort: serverPorts[listener.name, default: 0],
            isTCP: listener.isTCP, certificate: certificate, authority: authority, peer: Self.name("backend"),
            serverName: caller == .naming ? "backend.test" : nil))
      }
    }
    client = try Envoy("client", configuration: SidecarConfiguration.client(outbounds), in: sandbox)
  }

  private static func security(_ listener: ModuleListener, _ own: CertificateFiles, _ authority: String) -> Inbound.Security {
    if listener.isPlaintext { return .plaintext }
    return listener.careless.map { .careless(own, validation: $0.replacing("@", with: authority)) } ?? .tls(own, authority: authority)
  }

  private static func name(_ account: String) -> String { "spiffe://cluster.local/ns/shop/sa/\(account)-sa" }

  /// The port of the client's sidecar for a listener.
  func port(_ listener: String, _ caller: Caller) -> UInt16 { ports["\(listener) \(caller)", default: 0] }

  /// The listener's own port.
  func port(_ listener: String) -> UInt16 { serverPorts[listener, default: 0] }

  /// The status of one request on a connection of its own.
  func status(_ listener: String, _ caller: Caller, _ path: String, _ headers: [(String, String)] = []) throws -> Int {
    try HTTPClient(port: port(listener, caller)).request(path, headers: headers).status
  }

  /// The same in plaintext.
  func status(_ listener: String, _ path: String, _ headers: [(String, String)] = []) throws -> Int {
    try HTTPClient(port: port(listener)).request(path, headers: headers).status
  }

  /// A counter of the module.
  func counter(_ name: String) throws -> Int { try server.counter("portcullis.\(name)") }

  /// The lines of the access log of a listener, once there are so many.
  func logLines(_ listener: String, count: Int = 1) throws -> [[String: Any]] {
    var found: [[String: Any]] = []
    try waitUntil("\(count) lines in the access log for \(listener)", detail: { self.server.process.log }) {
      let data = FileManager.default.contents(atPath: self.accessLog) ?? Data()
      found = try data.split(separator: UInt8(ascii: "\n")).compactMap {
        try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]
      }
      found.removeAll { $0["listener"] as? String != listener }
      return found.count >= count
    }
    return found
  }
}
