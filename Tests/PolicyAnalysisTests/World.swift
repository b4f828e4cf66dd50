// A mesh in YAML, as the tests of this room write it, and short questions to it.
// Enters: manifests. Leaves: analyses. Never here: a manifest with a problem; that is a failure of the test.

import PolicyAnalysis
import PolicyEngine
import PolicyLoading
import PolicyModel
import Testing

/// A set of the objects of a text.
func policySet(_ text: String) -> PolicySet {
  let file = loadPolicies(text: Array(text.utf8), file: "mesh.yaml")
  let errors = file.diagnostics.filter { $0.severity == .error }
  #expect(errors.isEmpty, "\(errors.map(\.description).joined(separator: "\n"))")
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
  return set
}

/// Objects in flow style, one a line.
enum Manifest {
  static func namespace(_ name: String, _ labels: String = "{istio-injection: enabled}") -> String {
    "{apiVersion: v1, kind: Namespace, metadata: {name: \(name), labels: \(labels)}}"
  }

  static func deployment(_ name: String, in namespace: String = "shop", labels: String = "", pod: String = "") -> String {
    """
    {apiVersion: apps/v1, kind: Deployment, metadata: {name: \(name), namespace: \(namespace)}, spec: {template: {metadata: {labels: \
    {app: \(name)\(labels.isEmpty ? "" : ", " + labels)}}, spec: {\(pod)}}}}
    """
  }

  static func service(
    _ name: String, in namespace: String = "shop", ports: String = "[{port: 80, name: http, targetPort: 8080}]", more: String = ""
  )
    -> String
  {
    """
    {apiVersion: v1, kind: Service, metadata: {name: \(name), namespace: \(namespace)}, spec: {selector: {app: \(name)}, \
    ports: \(ports)\(more.isEmpty ? "" : ", " + more)}}
    """
  }

  static func peer(_ name: String, in namespace: String = "shop", _ spec: String) -> String {
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: \(name), namespace: \(namespace)}, spec: {\(spec)}}"
  }

  static func rule(_ name: String, in namespace: String = "shop", _ spec: String) -> String {
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: \(name), namespace: \(namespace)}, spec: {\(spec)}}"
  }

  static func entry(_ name: String, in namespace: String = "shop", _ spec: String) -> String {
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: \(name), namespace: \(namespace)}, spec: {\(spec)}}"
  }

  static func set(_ objects: [String]) -> PolicySet { policySet(objects.joined(separator: "\n---\n")) }
}

extension TLSAnalysis {
  init(_ objects: [String], mesh: MeshSettings = MeshSettings(), assumed: ProxyKind = .sidecar) {
    var defaults = Defaults()
    defaults.proxy = assumed
    self.init(Manifest.set(objects), mesh: mesh, defaults: defaults)
  }

  /// The client of a workload's name.
  func client(_ name: String) -> TLSClient {
    policies.workloads.firstIndex { $0.metadata.key.name == ExactText(name) }.map { .workload($0) } ?? .outside
  }

  /// The connections of a client to a host.
  func connect(
    _ source: String, _ host: ExactText = "back.shop.svc.cluster.local", port: UInt32? = nil, subset: ExactText? = nil,
    sends: ApplicationSends = .plaintext
  ) -> [TLSConnection] {
    var question = Question()
    (question.port, question.subset, question.sends) = (port, subset, sends)
    return services.named(host).flatMap { connections(from: client(source), to: $0, question) }
  }

  /// The one connection of a client to a host, as `outcome verdict reason`.
  func outcome(
    _ source: String, _ host: ExactText = "back.shop.svc.cluster.local", port: UInt32? = nil, subset: ExactText? = nil,
    sends: ApplicationSends = .plaintext
  ) -> String {
    let found = connect(source, host, port: port, subset: subset, sends: sends)
    #expect(found.count == 1, "\(found.count) connections")
    return found.map { "\($0.outcome.security.rawValue) \($0.outcome.verdict.rawValue) \($0.outcome.reason.rawValue)" }.joined(
      separator: "; ")
  }
}
