// What Services and ServiceEntries say about who answers, and what manifests say about proxies. Nodes enter; the model leaves.
// Never here: a problem. Decisions do not depend on any of it, so that a slip here must not stop a server; what has a wrong type is as if
// it were not written.

internal import PolicyModel

extension NodeReader {
  /// Reads what a Service says.
  func service(_ object: NodeIndex) -> ServiceDetail {
    let spec = self.object(object, "spec")
    let ports = objects(spec, "ports").compactMap { port($0, number: "port", protocol: "appProtocol") }
    let selector = plainLabels(spec, "selector")
    let type = text(spec, "type")?.value
    let isHeadless = text(spec, "clusterIP")?.value == "None"
    return ServiceDetail(
      ports: ports, selector: selector.isEmpty ? nil : LabelSelector(matchLabels: selector), isHeadless: isHeadless,
      externalName: type == "ExternalName" ? filledText(spec, "externalName")?.value : nil)
  }

  /// Reads what a ServiceEntry says. Without `location` it is outside the mesh (Istio: the zero value).
  func serviceEntry(_ object: NodeIndex) -> ServiceDetail {
    let spec = self.object(object, "spec")
    let selector = self.object(spec, "workloadSelector").map { plainLabels($0, "labels") } ?? [:]
    let endpoints = objects(spec, "endpoints").map { node in
      ServiceDetail.Endpoint(
        address: text(node, "address")?.value ?? "", labels: plainLabels(node, "labels"),
        serviceAccount: filledText(node, "serviceAccount")?.value)
    }
    let resolution = text(spec, "resolution")?.value ?? "NONE"
    return ServiceDetail(
      hosts: textList(spec, "hosts").map(\.value), location: text(spec, "location")?.value == "MESH_INTERNAL" ? .mesh : .external,
      ports: objects(spec, "ports").compactMap { port($0, number: "number", protocol: "protocol") },
      selector: selector.isEmpty ? nil : LabelSelector(matchLabels: selector), endpoints: endpoints, isHeadless: resolution == "NONE")
  }

  /// Reads how a workload runs.
  func runtime(_ object: NodeIndex, kind: ObjectKind, addresses: [IPAddress]) -> WorkloadRuntime {
    var runtime = WorkloadRuntime()
    let spec = self.object(object, "spec")
    let (metadata, pod): (NodeIndex?, NodeIndex?) =
      switch kind {
      case .pod: (self.object(object, "metadata"), spec)
      case .cronJob:
        template(self.object(self.object(spec, "jobTemplate"), "spec"))
      case .workloadEntry: (self.object(object, "metadata"), nil)
      case .workloadGroup: (self.object(spec, "metadata"), nil)
      default: template(spec)
      }
    let annotations = self.object(metadata, "annotations")
    runtime.injectAnnotation = scalar(annotations, "sidecar.istio.io/inject")
    runtime.templatesAnnotation = scalar(annotations, "inject.istio.io/templates")
    runtime.includedInboundPorts = scalar(annotations, "traffic.sidecar.istio.io/includeInboundPorts")
    runtime.excludedInboundPorts = scalar(annotations, "traffic.sidecar.istio.io/excludeInboundPorts")
    runtime.redirectionAnnotation = text(annotations, "ambient.istio.io/redirection")?.value
    runtime.isObserved = !addresses.isEmpty || entry(annotations, "sidecar.istio.io/status") != nil
    let account = self.object(spec, "template") ?? spec
    switch kind {
    case .workloadEntry: runtime.namesServiceAccount = filledText(spec, "serviceAccount") != nil
    case .workloadGroup: runtime.namesServiceAccount = filledText(account, "serviceAccount") != nil
    default: runtime.namesServiceAccount = filledText(pod, "serviceAccountName") != nil || filledText(pod, "serviceAccount") != nil
    }
    let containers = objects(pod, "containers") + objects(pod, "initContainers")
    runtime.hasProxyContainer = containers.contains { text($0, "name")?.value == "istio-proxy" }
    if let network = entry(pod, "hostNetwork"), case .bool(true) = document.type(network.value) { runtime.usesHostNetwork = true }
    for container in containers {
      for port in objects(container, "ports") {
        guard let number = whole(port, "containerPort").flatMap({ UInt16(exactly: $0.value) }) else { continue }
        let isUDP = text(port, "protocol")?.value == "UDP"
        if !isUDP { runtime.containerPorts.append(number) }
        guard let name = filledText(port, "name") else { continue }
        runtime.namedPorts.append(WorkloadRuntime.NamedPort(name: name.value, number: number))
      }
    }
    return runtime
  }

  private func template(_ spec: NodeIndex?) -> (metadata: NodeIndex?, pod: NodeIndex?) {
    let template = object(spec, "template")
    return (object(template, "metadata"), object(template, "spec"))
  }

  private func port(_ node: NodeIndex, number key: StaticString, protocol appProtocol: StaticString) -> ServiceDetail.Port? {
    guard let number = whole(node, key), let value = UInt32(exactly: number.value) else { return nil }
    var target: ServiceDetail.Port.Target?
    if let number = whole(node, "targetPort") {
      target = UInt16(exactly: number.value).map { .number($0) }
    } else if let name = filledText(node, "targetPort") {
      target = UInt16(name.value.string).map { .number($0) } ?? .name(name.value)
    }
    return ServiceDetail.Port(
      name: text(node, "name")?.value ?? "", number: value, appProtocol: filledText(node, appProtocol)?.value,
      target: target, span: document[node].span)
  }

  private func plainLabels(_ node: NodeIndex?, _ key: StaticString) -> [ExactText: ExactText] {
    guard let labels = object(node, key) else { return [:] }
    var found: [ExactText: ExactText] = [:]
    for item in entries(labels) where document.type(item.value) == .string {
      found[ExactText(document.string(item.key))] = ExactText(document.string(item.value))
    }
    return found
  }

  /// A text, or what stands there without quotes, such as `true`.
  private func scalar(_ node: NodeIndex?, _ key: StaticString) -> ExactText? {
    guard let entry = entry(node, key) else { return nil }
    switch document.type(entry.value) {
    case .string, .bool: return ExactText(document.string(entry.value))
    default: return nil
    }
  }
}
