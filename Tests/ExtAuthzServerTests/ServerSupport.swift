// The whole server in this process, asked over a real gRPC connection. What enters: policies as YAML, what is believed, messages.
// What leaves: answers, each of which was held to what is true of every answer. Never here: a way around the wire.

internal import ExtAuthzServer
internal import Foundation
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel
internal import TestSupport
internal import Testing

/// What the proxy was told.
struct Answer: Equatable, CustomStringConvertible {
  var isAllowed: Bool
  var reason: String
  var policy: String
  var snapshot: String
  var id: String
  var dryRun: String?
  var audit: String?
  /// Status of the denial that the proxy's client gets; nil for TCP and when allowed.
  var status: UInt64?

  var description: String { "\(isAllowed ? "allow" : "deny") \(reason) \(policy)" }

  /// Reads a reply and demands what every reply must be.
  init(_ result: RawClient.Result, isTCP: Bool) throws {
    #expect(result.status == 0, "\(result.message)")
    let bytes = try #require(result.reply)
    #expect(!bytes.isEmpty)
    let reply = try DecodedReply.read(bytes)
    var values: [String: String] = [:]
    for pair in reply.metadata {
      let key = String(decoding: pair.key, as: UTF8.self)
      #expect(values.updateValue(String(decoding: pair.value, as: UTF8.self), forKey: key) == nil, "\(key) comes twice")
    }
    isAllowed = reply.code == 0
    reason = try #require(values["reason"])
    policy = try #require(values["policy"])
    snapshot = try #require(values["snapshot"])
    id = try #require(values["decision_id"])
    dryRun = values["dry_run"]
    audit = values["audit"]
    status = reply.deniedStatus
    #expect(values["decision"] == (isAllowed ? "allow" : "deny"))
    #expect(Set(values.keys).subtracting(["decision", "reason", "policy", "snapshot", "decision_id", "dry_run", "audit"]).isEmpty)
    #expect(Reason.allCases.contains { "\($0.code)" == reason }, "\(reason)")
    #expect(isAllowed == (reason == "allowed-by-policy" || reason == "allowed-by-default"))
    #expect(snapshot.utf8.count == 16 && id.utf8.count == 32)
    #expect(reply.code == (isAllowed ? 0 : 7))
    if isAllowed || isTCP {
      #expect(reply.deniedStatus == nil && reply.deniedBody == nil)
    } else {
      #expect(reply.deniedBody == Array("RBAC: access denied".utf8))
      #expect((400...599).contains(try #require(reply.deniedStatus)))
      #expect(reply.message == Array(reason.utf8))
    }
  }
}

/// A server and one connection to it.
final class TestServer: Sendable {
  let server: ExtAuthzServer
  let snapshots: Latest<Snapshot>
  let bundles: Latest<TrustBundles>
  /// What clients connect to.
  let target: String
  // A gRPC channel may be used from any thread.
  nonisolated(unsafe) private let client: RawClient

  init(
    _ snapshot: Snapshot, _ belief: Belief = Belief(), bundles: TrustBundles = .unverified, address: String = "127.0.0.1:0",
    workers: UInt32 = 2, takesOver: Bool = false
  ) throws {
    snapshots = Latest(snapshot)
    self.bundles = Latest(bundles)
    var options = ListenOptions()
    options.addresses = [(address, false)]
    options.workers = workers
    options.takesOver = takesOver
    server = try ExtAuthzServer(options, belief: belief, snapshots: snapshots, bundles: self.bundles, processorCount: 2)
    target = address.hasPrefix("unix:") ? address : "127.0.0.1:\(server.ports[0])"
    unsafe client = try RawClient(target)
  }

  convenience init(
    _ yaml: String, mesh: MeshSettings = MeshSettings(), bundles: TrustBundles = .unverified, workers: UInt32 = 2,
    believing change: (inout Belief) -> Void = { _ in }
  ) throws {
    var belief = Belief()
    change(&belief)
    try self.init(snapshot(yaml, mesh: mesh), belief, bundles: bundles, workers: workers)
  }

  func call(_ bytes: [UInt8], metadata: [(String, String)] = []) -> RawClient.Result { unsafe client.call(bytes, metadata: metadata) }

  func ask(_ message: CheckMessage, metadata: [(String, String)] = []) throws -> Answer {
    try Answer(call(message.encoded, metadata: metadata), isTCP: message.http == nil)
  }

  /// The reason alone; a denial and an allow never share one.
  func reason(_ message: CheckMessage, metadata: [(String, String)] = []) throws -> String {
    try ask(message, metadata: metadata).reason
  }
}

/// What a YAML text holds; anything wrong with it fails the test.
func policies(_ yaml: String) throws -> PolicySet {
  let file = loadPolicies(text: Array(yaml.utf8), file: "test.yaml")
  #expect(!file.diagnostics.contains { $0.severity == .error }, "\(file.diagnostics)")
  #expect(file.broken.isEmpty)
  var set = PolicySet()
  for object in file.objects {
    switch object {
    case .policy(let policy): set.policies.append(policy)
    case .peerAuthentication(let policy): set.peerAuthentications.append(policy)
    case .requestAuthentication(let policy): set.requestAuthentications.append(policy)
    case .destinationRule(let rule): set.destinationRules.append(rule)
    case .workload(let workload): set.workloads.append(workload)
    case .inventory(let object): set.inventory.append(object)
    }
  }
  try #require(!set.policies.isEmpty || !set.peerAuthentications.isEmpty || !set.workloads.isEmpty)
  return set
}

/// A text's policies, compiled.
func snapshot(_ yaml: String, mesh: MeshSettings = MeshSettings()) throws -> Snapshot { Snapshot(try policies(yaml), mesh: mesh) }

/// A Deployment with a label `app` of its own name.
func deployment(_ namespace: String, _ name: String, account: String = "", kind: String = "Deployment") -> String {
  """
  apiVersion: apps/v1
  kind: \(kind)
  metadata: {name: \(name), namespace: \(namespace)}
  spec: {template: {metadata: {labels: {app: \(name)}}, spec: {serviceAccountName: "\(account.isEmpty ? name : account)"}}}
  ---

  """
}

/// A pod with a label `app` of its own name.
func pod(_ namespace: String, _ name: String, account: String, address: String) -> String {
  """
  apiVersion: v1
  kind: Pod
  metadata: {name: \(name), namespace: \(namespace), labels: {app: \(name)}}
  spec: {serviceAccountName: "\(account)"}
  status: {podIP: "\(address)"}
  ---

  """
}

/// An AuthorizationPolicy; `app` empty selects the whole namespace, `spec` is the rest of the spec in flow style.
func authorization(_ name: String, app: String = "backend", _ spec: String, namespace: String = "shop", annotations: String = "") -> String
{
  let selector = app.isEmpty ? "" : "selector: {matchLabels: {app: \(app)}}, "
  return """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: \(name), namespace: \(namespace), annotations: {\(annotations)}}
    spec: {\(selector)\(spec)}
    ---

    """
}

/// A PeerAuthentication of a namespace.
func strict(_ namespace: String) -> String {
  """
  apiVersion: security.istio.io/v1
  kind: PeerAuthentication
  metadata: {name: default, namespace: \(namespace)}
  spec: {mtls: {mode: STRICT}}
  ---

  """
}

/// The name under which a rule is reported.
func rule(_ policy: String, namespace: String = "shop", _ index: Int = 0) -> String {
  "ns[\(namespace)]-policy[\(policy)]-rule[\(index)]"
}

/// A SPIFFE name in the default trust domain.
func spiffe(_ namespace: String, _ account: String) -> String { "spiffe://cluster.local/ns/\(namespace)/sa/\(account)" }
