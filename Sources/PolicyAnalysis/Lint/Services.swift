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
    /// Whether it is declared to speak no HTTP.
    let isTCP: Bool
    /// Whether it is UDP, which no proxy sees.
    let isUDP: Bool
  }

  /// The name with all its parts.
  let host: ExactText
}

extension LintWorld {
  /// The loaded Services.
  func services() -> [LintService] {
    set.inventory.compactMap { object in
      guard object.metadata.key.kind == "Service", let detail = object.service, detail.externalName == nil else { return nil }
      let behind = detail.selector.map { selector in
        workloads.filter { $0.namespace == object.metadata.key.namespace && selector.selects($0.labels) }
      }
      let key = object.metadata.key
      return LintService(
        metadata: object.metadata, ports: detail.ports.map { port($0, behind ?? []) }, workloads: behind ?? [],
        host: ExactText("\(key.name).\(key.namespace).svc.\(clusterDomain)"))
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
    let family = PortFamily(port)
    return LintService.Port(number: port.number, target: target, name: port.name, isTCP: family == .tcp, isUDP: family == .udp)
  }
}
