// Workloads and other objects that policies are attached to. Nodes enter; labels, service account and addresses leave.
// Fields that are not needed are not looked at; a needed field of a wrong type is an error.

internal import PolicyModel

extension NodeReader {
  /// Reads a workload; nil when it has an error.
  mutating func workload(_ object: NodeIndex, kind: ObjectKind, header: ObjectHeader) -> Workload? {
    guard let metadata = metadata(object, header: header, isStrict: false)?.metadata else { return nil }
    var workload = Workload(metadata: metadata, labels: metadata.labels)
    let spec = child(object, "spec")
    switch kind {
    case .pod:
      workload.serviceAccount = podServiceAccount(spec)
      workload.addresses = podAddresses(object)
    case .cronJob: template(child(child(spec, "jobTemplate"), "spec"), into: &workload)
    case .workloadEntry:
      workload.labels.merge(labels(spec, "spec.labels")) { _, own in own }
      workload.serviceAccount = text(spec, "serviceAccount") ?? "default"
      // An entry's address may also be a host name or a socket, which no policy compares with.
      workload.addresses = text(spec, "address").flatMap { IPAddress($0.string) }.map { [$0] } ?? []
    case .workloadGroup:
      let template = child(spec, "template")
      workload.labels = labels(template, "spec.template.labels")
      workload.labels.merge(labels(child(spec, "metadata"), "spec.metadata.labels")) { _, group in group }
      workload.serviceAccount = text(template, "serviceAccount") ?? "default"
    default: template(spec, into: &workload)
    }
    workload.runtime = runtime(object, kind: kind, addresses: workload.addresses)
    return hasErrors ? nil : workload
  }

  /// Reads an object of which only the metadata counts, of services who answers, and of Gateways the class; nil when it has an error.
  mutating func inventoryObject(_ object: NodeIndex, header: ObjectHeader) -> InventoryObject? {
    guard let metadata = metadata(object, header: header, isStrict: false)?.metadata, !hasErrors else { return nil }
    let service: ServiceDetail? =
      switch (header.group, header.kind) {
      case ("", "Service"): self.service(object)
      case (ObjectKind.networkingGroup, "ServiceEntry"): serviceEntry(object)
      default: nil
      }
    let isGateway = (header.group, header.kind) == (ObjectKind.gatewayGroup, "Gateway")
    let gatewayClass: ExactText? = isGateway ? text(child(object, "spec"), "gatewayClassName") : nil
    return InventoryObject(metadata: metadata, service: service, gatewayClass: gatewayClass)
  }

  /// A controller's workload is what its pod template makes.
  private mutating func template(_ spec: NodeIndex?, into workload: inout Workload) {
    let template = child(spec, "template")
    workload.labels = labels(child(template, "metadata"), "template.metadata.labels")
    workload.serviceAccount = podServiceAccount(child(template, "spec"))
  }

  private mutating func podServiceAccount(_ spec: NodeIndex?) -> ExactText {
    text(spec, "serviceAccountName") ?? text(spec, "serviceAccount") ?? "default"
  }

  private mutating func podAddresses(_ object: NodeIndex) -> [IPAddress] {
    guard let status = child(object, "status") else { return [] }
    var found: [IPAddress] = []
    if let entry = entry(status, "podIP") { address(entry, into: &found) }
    if let entry = entry(status, "podIPs"), let list = sequence(entry, path: "status.podIPs") {
      for item in items(list) {
        if let entry = self.entry(item, "ip") { address(entry, into: &found) }
      }
    }
    return found
  }

  private mutating func address(_ entry: Entry, into found: inout [IPAddress]) {
    guard let text = string(entry, path: "ip"), !text.value.isEmpty else { return }
    guard let address = IPAddress(text.value.string) else {
      report(.ipInvalid(text.value.string), at: text.span)
      return
    }
    if !found.contains(address) { found.append(address) }
  }

  private mutating func child(_ node: NodeIndex?, _ key: StaticString) -> NodeIndex? {
    entry(node, key).flatMap { mapping($0, path: "\(key)") }
  }

  private mutating func text(_ node: NodeIndex?, _ key: StaticString) -> ExactText? {
    guard let entry = entry(node, key), let text = string(entry, path: "\(key)"), !text.value.isEmpty else { return nil }
    return text.value
  }

  private mutating func labels(_ node: NodeIndex?, _ path: String) -> [ExactText: ExactText] {
    guard let entry = entry(node, "labels") else { return [:] }
    return texts(entry, path: path)?.mapValues(\.value) ?? [:]
  }
}
