// What is read of Services, ServiceEntries and proxies, and that nothing in them is an error: decisions do not depend on it.
// Enters: manifests, broken ones too. Leaves: the model.

import PolicyLoading
import PolicyModel
import Testing

@Suite struct `services are read as far as they can be` {
  private static func service(_ spec: String, kind: String = "Service", version: String = "v1") -> ServiceDetail? {
    let file = load("{apiVersion: \(version), kind: \(kind), metadata: {name: s, namespace: shop}, spec: \(spec)}")
    #expect(file.diagnostics.isEmpty, "\(file.messages)")
    for case .inventory(let object) in file.objects { return object.service }
    return nil
  }

  @Test func `ports, targets, selectors`() {
    let read = Self.service(
      "{selector: {app: a}, clusterIP: None, ports: [{name: http, port: 80, targetPort: web}, {port: 81, targetPort: 8081, appProtocol: grpc}, {port: 82}]}"
    )
    #expect(read?.selector == LabelSelector(matchLabels: ["app": "a"]) && read?.isHeadless == true && read?.location == .mesh)
    #expect(read?.ports.map(\.number) == [80, 81, 82])
    #expect(read?.ports.map(\.target) == [.name("web"), .number(8081), nil])
    #expect(read?.ports[1].appProtocol == "grpc")
    let external = Self.service("{type: ExternalName, externalName: a.example}")
    #expect(external?.externalName == "a.example" && external?.selector == nil)
  }

  @Test func `entries`() {
    let read = Self.service(
      "{hosts: [a.b, c.d], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: t, protocol: TCP}], workloadSelector: {labels: {a: b}}, "
        + "endpoints: [{address: 10.0.0.1, labels: {c: d}, serviceAccount: vm}, {address: x}]}",
      kind: "ServiceEntry", version: "networking.istio.io/v1")
    #expect(read?.hosts == ["a.b", "c.d"] && read?.location == .mesh && read?.isHeadless == false)
    #expect(read?.endpoints.map(\.serviceAccount) == ["vm", nil] && read?.endpoints.first?.labels == ["c": "d"])
    #expect(read?.selector == LabelSelector(matchLabels: ["a": "b"]))
    #expect(Self.service("{hosts: [a.b]}", kind: "ServiceEntry", version: "networking.istio.io/v1")?.location == .external)
  }

  @Test(arguments: [
    "null", "text", "[]", "{ports: 1, selector: [a]}", "{ports: [1, null, {port: x}, {port: -1}, {port: 99999999999}, {}]}",
    "{selector: {app: 1}, ports: [{port: 80, targetPort: {}}]}", "{selector: null, clusterIP: 1, type: [], externalName: {}}",
    "{hosts: a, endpoints: {}, workloadSelector: []}",
  ])
  func `what has a wrong type is as if it were not written`(_ spec: String) {
    for (kind, version) in [("Service", "v1"), ("ServiceEntry", "networking.istio.io/v1")] {
      let read = Self.service(spec, kind: kind, version: version)
      #expect(read != nil && read?.selector == nil && read?.hosts.isEmpty == true && (read?.ports.count ?? 2) < 2)
    }
    let pod = load(
      "{apiVersion: v1, kind: Pod, metadata: {name: s, namespace: shop}, spec: {containers: \(spec.hasPrefix("{") ? "[\(spec)]" : spec)}}")
    #expect(pod.diagnostics.isEmpty && pod.workloads.first?.runtime.namedPorts.isEmpty == true, "\(pod.messages)")
  }
}
