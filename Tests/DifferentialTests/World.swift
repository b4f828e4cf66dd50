// Many policy sets at once, in one Envoy and one Portcullis: each set is a workload of its own. For every set the Envoy has three ways in: one
// where its own RBAC filters decide, as exported, one where it asks Portcullis, as exported, and one where Portcullis' module decides.
//
// Over HTTP all ways share listeners, so that everything that policies see is the same; the header `x-set` picks the route. Over TCP the
// destination address picks the set, and the ways of Portcullis listen on ports of their own, with the port that policies mean.
// Enters: sets and mesh settings. Leaves: a running world. Never happens here: a filter that is not the export's.

internal import Foundation
internal import PolicyFiles
internal import PolicyModel
internal import TestSupport

@testable internal import portcullis

/// Who decides.
enum Side: String, Sendable, CaseIterable {
  case envoy = "rbac"
  case portcullis = "ask"
  case module = "mod"
}

/// The mesh's settings.
struct TestMesh: Sendable {
  var trustDomain = "cluster.local"
  var aliases: [String] = []
  /// Further trust domains that the peers may be of.
  var accepted: [String] = []
  var normalization = PathNormalization.base
  /// For a proxy at the edge: how many proxies before it are trusted to say whom they speak for. `nil`: a sidecar.
  var trustedHops: Int?
  /// PeerAuthentication STRICT for the whole mesh.
  var isStrict = false
  /// Listeners for both families of addresses.
  var isDualStack = false

  /// The header in which a proxy at the edge tells its client's address.
  static let clientHeader = "x-portcullis-client"

  var arguments: [String] {
    ["--trust-domain", trustDomain, "--path-normalization", normalization.rawValue, "--custom-delegated", "elsewhere", "--allow-empty"]
      + aliases.flatMap { ["--trust-domain-alias", $0] } + accepted.flatMap { ["--accepted-trust-domain", $0] }
      + (trustedHops == nil ? [] : ["--remote-ip", "header:\(Self.clientHeader)"])
  }

  /// The same for the module, as members of its JSON.
  func members(policies: String) -> String {
    func list(_ texts: [String]) -> String { "[\(texts.map(EnvoyValue.quoted).joined(separator: ", "))]" }
    return [
      "policies: [\(EnvoyValue.quoted(policies))]", "trust_domain: \(EnvoyValue.quoted(trustDomain))",
      "trust_domain_aliases: \(list(aliases))", "accepted_trust_domains: \(list(accepted))",
      "path_normalization: \(normalization.setting.rawValue)",
      "delegated_providers: [elsewhere]", "allow_empty: true",
    ].joined(separator: ", ")
  }

  /// PeerAuthentications.
  var yaml: String {
    guard isStrict else { return "" }
    return """
      ---
      apiVersion: security.istio.io/v1
      kind: PeerAuthentication
      metadata: {name: default, namespace: istio-system}
      spec: {mtls: {mode: STRICT}}

      """
  }

  var settings: MeshSettings {
    MeshSettings(
      trustDomain: ExactText(trustDomain), trustDomainAliases: aliases.map { ExactText($0) },
      acceptedTrustDomains: accepted.map { ExactText($0) }, pathNormalization: normalization.setting,
      delegatedProviders: ["elsewhere"])
  }
}

/// The ports of a run.
struct TestPorts: Sendable {
  let http: [UInt16]
  let tcp: [UInt16]
  /// Where the TCP listeners are that ask Portcullis.
  let tcpAsking: [UInt16]
  /// Where those are in which its module decides.
  let tcpModule: [UInt16]
  /// Where the listener is that demands a certificate of an accepted trust domain.
  let strict: UInt16

  /// New ports.
  init() throws {
    http = try [Ports.free(), Ports.free()]
    tcp = try [Ports.free(), Ports.free()]
    tcpAsking = try [Ports.free(), Ports.free()]
    tcpModule = try [Ports.free(), Ports.free()]
    strict = try Ports.free()
  }
}

/// A running world. Shared by client threads, which only read it.
final class World: Sendable {
  let sets: [TestSet]
  let mesh: TestMesh
  let credentials: Credentials
  let ports: TestPorts
  private let running: Running
  /// How many sets fit: each has a TCP destination of its own.
  static let capacity = 250

  /// Starts the world and waits until it answers; both programs end with the sandbox.
  init(_ sets: [TestSet], mesh: TestMesh, credentials: Credentials, ports: TestPorts, name: String, in sandbox: Sandbox) throws {
    self.sets = sets
    self.mesh = mesh
    self.credentials = credentials
    self.ports = ports
    let policies = try sandbox.write(sets.enumerated().map { $1.yaml(index: $0) }.joined() + mesh.yaml, to: "\(name)/policies.yaml")
    let engineAddress = try "127.0.0.1:\(Ports.free())"
    let engine = try sandbox.start(
      "\(name)-engine", Programs.portcullis(),
      ["serve", "--policies", policies, "--listen", engineAddress, "--workers", "2"] + mesh.arguments)
    try waitUntil("the engine to serve", detail: { engine.log }) {
      if let end = engine.poll() { throw TestFailure("it ended: \(end)", isFinal: true) }
      return engine.output.contains("ready")
    }
    let loaded = PolicySources(paths: [policies], options: PolicySourceOptions()).load().policies
    let configuration = try WorldConfiguration(
      sets: sets, policies: loaded, mesh: mesh, credentials: credentials, ports: ports, engine: EngineAddress(engineAddress),
      module: EnvoyModule.path(in: sandbox), file: policies)
    let proxy = try Envoy("\(name)-envoy", configuration: configuration.text(), in: sandbox)
    running = Running(engine: engine, proxy: proxy.process)
  }

  /// Ends both programs.
  func stop() { running.stop() }

  /// The two processes. `@unchecked Sendable`: only the thread that made the world stops them.
  private final class Running: @unchecked Sendable {
    private let engine: ChildProcess
    private let proxy: ChildProcess

    init(engine: ChildProcess, proxy: ChildProcess) {
      self.engine = engine
      self.proxy = proxy
    }

    func stop() {
      proxy.stop()
      engine.stop()
    }
  }

  /// Whether this machine has a loopback address of IPv6.
  static let hasIPv6: Bool = {
    let file = FileManager.default.contents(atPath: "/proc/net/if_inet6") ?? Data()
    return String(decoding: file, as: UTF8.self).split(separator: "\n").contains { $0.hasPrefix("00000000000000000000000000000001 ") }
  }()

  /// Where an HTTP client finds its workload.
  static func httpDestination(_ peer: TestPeer) -> String { peer.source == "::1" ? "::1" : "127.9.0.\(peer.destination)" }

  /// Where a TCP client finds the workload of a set.
  static func tcpDestination(_ index: Int) -> String { "127.9.\(index + 1).1" }

  /// The request's headers as they are sent.
  func wireHeaders(of request: TestRequest) -> [[String]] {
    var headers = request.headers.map { $0[0] == "x-meta-list" ? [$0[0], Self.encodedList($0[1])] : $0 }
    if let token = request.token { headers.append(["authorization", "Bearer " + credentials.tokens[token]]) }
    return headers
  }

  /// A `google.protobuf.Value` that is a list, in base64, for the filter that makes metadata of it.
  private static func encodedList(_ kind: String) -> String {
    func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
    func string(_ text: String) -> [UInt8] { field(1, field(3, Array(text.utf8))) }
    let five: [UInt8] = field(1, [0x11, 0, 0, 0, 0, 0, 0, 0x14, 0x40])
    let items: [UInt8] =
      switch kind {
      case "list": string("admin") + string("a b")
      case "mixed": five + string("x") + field(1, field(6, string("dev")))
      default: []
      }
    return Data(field(6, items)).base64EncodedString()
  }
}
