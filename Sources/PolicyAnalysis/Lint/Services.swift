// Services as clients and rules mean them: who is behind one, and where a connection to its port arrives.
// Enters: the loaded mesh. Leaves: hosts, workloads, container ports. Never here: a finding.

internal import PolicyModel

/// One loaded Service.
struct LintService {
  let metadata: ObjectMetadata
  let ports: [Port]
  /// The workloads behind it; none when it selects none.
  let workloads: [LintWorkload]

  /// One port.
  struct Port {
    let number: UInt32
    /// The container port; nil where it is a name that no workload behind it has.
    let target: UInt16?
    let name: ExactText
    let isTCP: Bool
    /// Whether the proxy finds out which protocol is spoken.
    let isDetected: Bool
  }

  /// The name with all its parts.
  var host: ExactText { ExactText("\(metadata.key.name).\(metadata.key.namespace).svc.cluster.local") }
}

extension LintWorld {
  /// The loaded Services.
  func services() -> [LintService] {
    set.inventory.compactMap { object in
      guard object.metadata.key.kind == "Service", let detail = object.service, detail.externalName == nil else { return nil }
      let behind = detail.selector.map { selector in
        workloads.filter { $0.namespace == object.metadata.key.namespace && selector.selects($0.labels) }
      }
      return LintService(metadata: object.metadata, ports: detail.ports.map { port($0, behind ?? []) }, workloads: behind ?? [])
    }
  }

  private func port(_ port: ServiceDetail.Port, _ behind: [LintWorkload]) -> LintService.Port {
    let target: UInt16? =
      switch port.target {
      case nil: UInt16(exactly: port.number)
      case .number(let number): number
      case .name(let name):
        behind.lazy.compactMap { $0.index }.flatMap { set.workloads[$0].runtime.namedPorts }.first { $0.name == name }?.number
      }
    let family = Self.family(port)
    return LintService.Port(number: port.number, target: target, name: port.name, isTCP: family == .tcp, isDetected: family == .detected)
  }

  private enum Family { case http, tcp, detected }

  /// The protocol of a service port (Istio, pkg/config/kube/conversion.go): `appProtocol`, else what the name begins with, else detection.
  private static func family(_ port: ServiceDetail.Port) -> Family {
    var word = (port.appProtocol ?? port.name).string.lowercased()
    switch word {
    case "kubernetes.io/h2c", "kubernetes.io/ws": return .http
    case "kubernetes.io/wss": return .tcp
    default: break
    }
    if !word.hasPrefix("grpc-web") { word = String(word.prefix { $0 != "-" }) }
    switch word {
    case "http", "http2", "grpc", "http_proxy": return .http
    case _ where word.hasPrefix("grpc-web"): return .http
    case "tcp", "https", "tls", "mongo", "redis", "mysql": return .tcp
    default: return [25, 53, 3306, 27017].contains(port.number) ? .tcp : .detected
    }
  }
}
