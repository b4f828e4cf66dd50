// `portcullis tls-check`: what it prints, its exit codes, and what it refuses.
// Enters: manifests that the tests write. Leaves: text, tables and JSON as a person or a program sees them. Never here: the matrices, which
// the tests of the analysis hold.

internal import Foundation
internal import TestSupport
internal import Testing

private let mesh = """
  apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {istio-injection: enabled}}
  ---
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, namespace: shop}
  spec: {template: {metadata: {labels: {app: web}}}}
  ---
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: cart, namespace: shop}
  spec: {template: {metadata: {labels: {app: cart}}}}
  ---
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: old, namespace: shop}
  spec: {template: {metadata: {labels: {app: old, sidecar.istio.io/inject: "false"}}}}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: cart, namespace: shop}
  spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}, {name: grpc, port: 81}]}
  ---
  apiVersion: security.istio.io/v1
  kind: PeerAuthentication
  metadata: {name: strict, namespace: shop}
  spec: {mtls: {mode: STRICT}}
  ---
  apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: cart, namespace: shop}
  spec: {host: cart, trafficPolicy: {portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]}, subsets: [{name: v1}]}
  ---
  apiVersion: networking.istio.io/v1
  kind: ServiceEntry
  metadata: {name: pay, namespace: shop}
  spec: {hosts: [pay.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}

  """

extension Sandbox {
  fileprivate func tlsCheck(_ text: String = mesh, _ arguments: String...) throws -> Run {
    try portcullis(["tls-check", "--policies", try write(text, to: "mesh.yaml")] + arguments)
  }
}

@Suite struct `tls-check says what a connection becomes` {
  @Test(arguments: [
    (["shop/web", "shop/cart:80"], 0, "mTLS: shop/web -> cart.shop.svc.cluster.local:80, answered by shop/cart\n"),
    (["shop/web", "shop/cart:81"], 1, "failure: shop/web -> cart.shop.svc.cluster.local:81, answered by shop/cart\n"),
    (["shop/web", "shop/service/cart:80"], 0, "mTLS: shop/web -> cart.shop.svc.cluster.local:80"),
    (["shop/web", "cart.shop:80"], 0, "mTLS: shop/web -> cart.shop.svc.cluster.local:80"),
    (["shop/web", "cart.shop.svc.cluster.local:80"], 0, "mTLS: shop/web -> "),
    (["shop/web", "shop/cart:80", "--subset", "v1"], 0, "mTLS: shop/web -> "),
    (["shop/deployment/old", "shop/cart:80"], 1, "failure: shop/old -> "), (["outside", "shop/cart:80"], 1, "failure: outside -> "),
    (["shop/web", "shop/old"], 0, "plaintext: shop/web -> old.shop.svc.cluster.local, answered by shop/old\n"),
    (["shop/web", "pay.example.com:443"], 0, "plaintext: shop/web -> pay.example.com:443, outside the mesh\n"),
    (["shop/web", "shop/pay"], 0, "plaintext: shop/web -> pay.example.com:443, outside the mesh\n"),
    (["shop/web", "other.example.com"], 3, "plaintext (depends): shop/web -> other.example.com, outside the mesh\n"),
    (["shop/old", "shop/cart:80", "--app-sends", "tls"], 1, "failure: shop/old -> "),
  ])
  func `one question`(_ words: [String], _ code: Int32, _ start: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(["tls-check", "--policies", try sandbox.write(mesh, to: "mesh.yaml")] + words)
      #expect(run.code == code && run.errors.isEmpty, "\(run.errors)")
      #expect(run.output.hasPrefix(start), "\(run.output)")
      let json = try sandbox.portcullis(["tls-check", "--policies", sandbox.path("mesh.yaml"), "--output", "json"] + words)
      #expect(json.code == code && json.lines.count == 1)
      #expect(try sandbox.schemaComplaints("tls-check", json.output).isEmpty)
    }
  }

  @Test func `the chain names every object with its place`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.tlsCheck(mesh, "shop/web", "shop/cart:81")
      let file = sandbox.path("mesh.yaml")
      #expect(
        run.output == """
          failure: shop/web -> cart.shop.svc.cluster.local:81, answered by shop/cart
            client-proxy  a sidecar: its namespace has the label `istio-injection: enabled`
            service       cart.shop.svc.cluster.local is a service of the mesh
                          Service shop/cart, \(file):22:18
            client-rule   the client uses this DestinationRule
                          DestinationRule shop/cart, \(file):32:18
            client-mode   trafficPolicy.portLevelSettings is DISABLE
                          DestinationRule shop/cart, \(file):33:77
            server-proxy  a sidecar: its namespace has the label `istio-injection: enabled`
            server-mode   the server's side is STRICT on port 81
                          PeerAuthentication shop/strict, \(file):27:18
            outcome       the server's proxy takes nothing but mutual TLS and resets plaintext (clients see 503 or a reset connection)

          1 connection: 1 failure

          """)
    }
  }

  @Test func `the table of all pairs`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.tlsCheck(mesh, "--all")
      #expect(run.code == 1 && run.errors.isEmpty)
      #expect(
        run.output == """
          SOURCE     HOST:PORT                       DESTINATION      STATUS    SERVER    CLIENT   AUTHN POLICY  DESTINATION RULE  OUTCOME
          shop/web   cart.shop.svc.cluster.local:80  shop/cart        OK        STRICT    AUTO     shop/strict   shop/cart         mTLS
          shop/web   cart.shop.svc.cluster.local:81  shop/cart        CONFLICT  STRICT    DISABLE  shop/strict   shop/cart         failure
          shop/web   pay.example.com:443             pay.example.com  OK        external  -        -             -                 plaintext
          shop/web   old.shop.svc.cluster.local      shop/old         OK        no proxy  AUTO     -             -                 plaintext
          shop/cart  pay.example.com:443             pay.example.com  OK        external  -        -             -                 plaintext
          shop/cart  web.shop.svc.cluster.local      shop/web         OK        STRICT    AUTO     shop/strict   -                 mTLS
          shop/cart  old.shop.svc.cluster.local      shop/old         OK        no proxy  AUTO     -             -                 plaintext
          shop/old   cart.shop.svc.cluster.local:80  shop/cart        CONFLICT  STRICT    -        shop/strict   -                 failure
          shop/old   cart.shop.svc.cluster.local:81  shop/cart        CONFLICT  STRICT    -        shop/strict   -                 failure
          shop/old   pay.example.com:443             pay.example.com  OK        external  -        -             -                 plaintext
          shop/old   web.shop.svc.cluster.local      shop/web         CONFLICT  STRICT    -        shop/strict   -                 failure

          11 connections: 2 mTLS, 5 plaintext, 4 failure

          """)
      let conflicts = try sandbox.tlsCheck(mesh, "--all", "--conflicts")
      #expect(conflicts.code == 1 && conflicts.lines.count == 6)
      let json = try sandbox.tlsCheck(mesh, "--all", "--output", "json")
      #expect(try sandbox.schemaComplaints("tls-check", json.output).isEmpty)
      let summary = try json.json()["summary"] as? [String: Any]
      #expect(summary?["connections"] as? Int == 11)
    }
  }

  @Test func `the mesh's settings count`() throws {
    try withSandbox { sandbox in
      let settings = try sandbox.write("enableAutoMtls: false\n", to: "settings.yaml")
      let run = try sandbox.tlsCheck(mesh, "shop/web", "shop/cart:80", "--mesh-config", settings)
      #expect(run.code == 1 && run.output.contains("automatic mTLS is off"), "\(run.output)\(run.errors)")
      let other = try sandbox.tlsCheck(mesh, "shop/web", "cart.shop.svc.example:80", "--cluster-domain", "example")
      #expect(other.code == 0, "\(other.output)\(other.errors)")
    }
  }

  @Test func `what is assumed is said`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("tls-check", "--policies", Sandbox.shop, "shop/frontend", "shop/backend")
      #expect(
        run.code == 0 && run.output.contains("\n  assumed: the client has a sidecar: nothing in the given files says"), "\(run.output)")
      let bare = try sandbox.portcullis(
        "tls-check", "--policies", Sandbox.shop, "shop/frontend", "shop/backend", "--assume-proxy", "none")
      #expect(bare.code == 0 && bare.output.hasPrefix("plaintext: "), "\(bare.output)")
    }
  }

  @Test(arguments: [
    (["shop/web", "shop/nobody"], "error: no workload and no service `shop/nobody` in the given files"),
    (["shop/nobody", "shop/cart"], "error: no workload `shop/nobody` in the given files"),
    (["shop/web", "cart"], "error: `cart` is neither a workload nor a host"),
    (["shop/web", "shop/cart:82"], "error: `shop/cart:82` has no such port\n  = help: the service's ports are 80, 81"),
    (["shop/web", "shop/cart:0"], "error: `shop/cart:0` does not end with a port"),
    (["shop/web", "shop/cart:80", "--subset", "v9"], "error: no DestinationRule that this client uses has a subset `v9`"),
    (["shop/web"], "error: a source and a destination are needed"), (["--all", "shop/web"], "error: `--all` goes without a source"),
    (["--all", "--subset", "v1"], "error: `--all` goes without `--subset`"),
    (["shop/web", "shop/cart", "--cluster-domain", ""], "error: `--cluster-domain` is a domain"),
  ])
  func `what cannot be answered is refused`(_ words: [String], _ message: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(["tls-check", "--policies", try sandbox.write(mesh, to: "mesh.yaml")] + words)
      #expect(run.code == 2 && run.output.isEmpty && run.errors.hasPrefix(message) && run.errors.contains("\n  = help: "), "\(run.errors)")
    }
  }

  @Test func `names from manifests cannot command a terminal`() throws {
    try withSandbox { sandbox in
      let hostile = mesh.replacing("{name: old, namespace: shop}", with: "{name: \"old\\e[2J\\n\\\"<b>\", namespace: shop}")
      let run = try sandbox.tlsCheck(hostile, "--all")
      #expect(run.output.contains("old\\u{1b}[2J\\u{a}\"<b>") && !run.output.contains("\u{1b}"), "\(run.output)")
      let json = try sandbox.tlsCheck(hostile, "--all", "--output", "json")
      #expect(try sandbox.schemaComplaints("tls-check", json.output).isEmpty)
    }
  }
}
