// Ports of the server that are not what the workload is: one that nobody knows, and one that goes around the sidecar.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `A connection` {
  private static let workloads = ["web", "api"].map { name in
    """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: \(name), namespace: shop}
    spec: {selector: {matchLabels: {app: \(name)}}, template: {metadata: {labels: {app: \(name)}}, spec: {containers: [{name: a, image: b}]}}}
    ---

    """
  }.joined()

  private static func modes(_ port: String) -> String {
    """
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {istio-injection: enabled}}
    ---
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: api, namespace: shop}
    spec: {selector: {matchLabels: {app: api}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: \(port)}}}

    """
  }

  @Test func `to a port that nobody knows is not said to be mutual TLS where one of the ports is open`() throws {
    try withSandbox { sandbox throws in
      let open = try sandbox.write(Self.workloads + Self.modes("DISABLE"), to: "open/all.yaml")
      let inside = try sandbox.portcullis("tls-check", "--policies", open, "--allow-empty", "shop/web", "shop/api")
      #expect(inside.code == 3 && inside.output.contains("nothing says at which port"), "\(inside.output)\(inside.errors)")
      let outside = try sandbox.portcullis("tls-check", "--policies", open, "--allow-empty", "outside", "shop/api")
      #expect(outside.code == 3 && outside.output.contains("plaintext"), "\(outside.output)\(outside.errors)")
      let same = try sandbox.write(Self.workloads + Self.modes("STRICT"), to: "same/all.yaml")
      let strict = try sandbox.portcullis("tls-check", "--policies", same, "--allow-empty", "shop/web", "shop/api")
      #expect(strict.code == 0 && strict.output.hasPrefix("mTLS"), "\(strict.output)\(strict.errors)")
    }
  }

  @Test(arguments: [
    ("excludeInboundPorts: \"7000, 9000\"", true), ("includeInboundPorts: \"8080\"", true), ("excludeInboundPorts: \"900\"", false),
  ])
  func `is not said to be protected where the port goes around the sidecar`(_ annotation: String, _ bypasses: Bool) throws {
    try withSandbox { sandbox throws in
      let path = try sandbox.write(
        Self.modes("STRICT") + """
          ---
          apiVersion: v1
          kind: Service
          metadata: {name: api, namespace: shop}
          spec: {selector: {app: api}, ports: [{name: tcp, port: 9000}]}
          ---
          apiVersion: v1
          kind: Pod
          metadata: {name: api, namespace: shop, labels: {app: api}, annotations: {traffic.sidecar.istio.io/\(annotation)}}
          spec: {containers: [{name: a, image: b}]}

          """, to: "one/all.yaml")
      let run = try sandbox.portcullis("tls-check", "--policies", path, "--allow-empty", "outside", "shop/api:9000")
      #expect(run.output.hasPrefix(bypasses ? "plaintext" : "failure"), "\(run.output)\(run.errors)")
    }
  }
}
