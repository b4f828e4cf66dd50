// `portcullis lint` as a person and a pipeline use it: whole outputs, exit codes, and the forms for programs.
// Enters: the examples, and files that a test writes. Leaves: text, JSON, SARIF, annotations. Never here: single pitfalls;
// PolicyAnalysis's tests hold each of them.

internal import Foundation
internal import TestSupport
internal import Testing

/// A policy of the shop with an error that nothing else depends on.
private let upperCase = """
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: sni, namespace: shop}
  spec:
    selector: {matchLabels: {app: frontend}}
    rules:
    - when:
      - key: connection.sni
        values: [Shop.example]

  """

@Suite struct `lint shows what is wrong` {
  @Test func `the whole of the broken mesh`() throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.portcullis("lint", "--policies", "examples/broken")
      let expected = try String(contentsOfFile: Programs.project() + "/examples/broken/lint.txt", encoding: .utf8)
      #expect(
        run.output == expected,
        "write it anew with `portcullis lint --policies examples/broken > examples/broken/lint.txt`, and read the difference")
      #expect(run.code == 1 && run.errors.isEmpty)
    }
  }

  @Test func `a comment accepts a finding, a string with its words does not`() throws {
    try withSandbox { sandbox throws in
      let text = """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: a, namespace: b}
        spec:
          action: DENY
          rules:
          - from: [{source: {namespaces: ["x # portcullis:ignore deny-evaded-by-plaintext why", shop]}}]

        """
      let run = try sandbox.portcullis("lint", "--policies", try sandbox.write(text, to: "string.yaml"))
      #expect(run.code == 1 && run.output.contains("[deny-evaded-by-plaintext]") && !run.output.contains("[ignore-"), "\(run.output)")
      let comment = text.replacing("shop]}}]", with: "shop]}}] # portcullis:ignore deny-evaded-by-plaintext why")
      let accepted = try sandbox.portcullis("lint", "--policies", try sandbox.write(comment, to: "comment.yaml"))
      #expect(accepted.code == 0 && !accepted.output.contains("[deny-evaded-by-plaintext]"), "\(accepted.output)")
    }
  }

  @Test func `the suffix of service names can be told`() throws {
    try withSandbox { sandbox throws in
      let text = """
        apiVersion: v1
        kind: Service
        metadata: {name: api, namespace: shop}
        spec: {selector: {app: api}, ports: [{name: http, port: 80}]}
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: d, namespace: shop}
        spec: {host: ap.shop.svc.example.corp, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}

        """
      let file = try sandbox.write(text, to: "mesh.yaml")
      let told = try sandbox.portcullis("lint", "--policies", file, "--cluster-domain", "example.corp")
      #expect(told.output.contains("[destination-host-unknown]"), "\(told.output)\(told.errors)")
      let other = try sandbox.portcullis("lint", "--policies", file)
      #expect(!other.output.contains("[destination-host-unknown]"), "\(other.output)")
      #expect(try sandbox.portcullis("lint", "--policies", file, "--cluster-domain", ".example").errors.contains("is a domain such as"))
    }
  }

  @Test func `the whole of the broken Envoy`() throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.portcullis(
        "lint", "--policies", "examples/broken-envoy/policies", "--envoy", "examples/broken-envoy/envoy.yaml")
      let expected = try String(contentsOfFile: Programs.project() + "/examples/broken-envoy/lint.txt", encoding: .utf8)
      #expect(run.output == expected)
      #expect(run.code == 1 && run.errors.isEmpty)
    }
  }

  @Test func `an Envoy without policies is judged as if a rule tested every header`() throws {
    try withSandbox { sandbox throws in
      let run = try sandbox.portcullis("lint", "--envoy", "examples/broken-envoy/envoy.yaml")
      #expect(
        run.code == 1 && run.errors.isEmpty && run.output.hasSuffix("\n12 errors, 3 warnings in 1 file\n"), "\(run.output)\(run.errors)")
      #expect(run.output.contains("give `--policies` to see whether a rule tests one"))
      let nothing = try sandbox.portcullis("lint")
      #expect(nothing.code == 2 && nothing.errors.hasPrefix("error: `--policies` is needed"), "\(nothing.errors)")
    }
  }

  @Test func `nothing in the shop, nor in what the export writes`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("lint", "--policies", Sandbox.shop, "--fail-on", "warning")
      #expect(run.code == 0 && run.output == "no findings in 10 objects\n" && run.errors.isEmpty, "\(run.output)\(run.errors)")
      let waypoint = ["--workload", "field/waypoint", "--profile", "waypoint", "--service", "field/orders"]
      let engine = ["--engine", "engine.example:9191", "--engine-tls-ca", "/ca", "--engine-tls-cert", "/c", "--engine-tls-key", "/k"]
      let shop = ["--workload", "shop/backend"]
      for arguments in [
        shop, shop + ["--tcp"], shop + ["--path-normalization", "base", "--remote-ip-header", "x-client"], shop + engine,
        shop + ["--engine", "unix:/run/engine.sock"], shop + ["--profile", "gateway"], waypoint,
      ] {
        let export = try sandbox.portcullis(["export", "envoy-ext-authz"] + arguments)
        #expect(export.code == 0, "\(export.errors)")
        let path = try sandbox.write(export.output, to: "envoy.yaml")
        let lint = try sandbox.portcullis("lint", "--policies", Sandbox.shop, "--envoy", path, "--fail-on", "warning")
        #expect(lint.code == 0 && lint.output == "no findings in 10 objects\n", "\(arguments): \(lint.output)")
      }
      let decode = try sandbox.portcullis(["export", "envoy-ext-authz", "--path-normalization", "decode"] + shop)
      let path = try sandbox.write(decode.output, to: "envoy.yaml")
      let mesh = ["lint", "--policies", Sandbox.shop, "--envoy", path, "--path-normalization"]
      #expect(try sandbox.portcullis(mesh + ["decode"]).code == 0 && sandbox.portcullis(mesh + ["base"]).code == 0)
    }
  }

  @Test func `warnings fail on demand only, and ignored findings never`() throws {
    try withSandbox { sandbox in
      let policy = upperCase.replacingOccurrences(of: "Shop.example", with: "shop.example").replacingOccurrences(
        of: "app: frontend", with: "app: fronted")
      let path = try sandbox.write(policy, to: "warning/policy.yaml")
      let lint = ["lint", "--policies", path, "--policies", Sandbox.shop]
      let run = try sandbox.portcullis(lint)
      #expect(run.code == 0 && run.output.hasSuffix("\n0 errors, 1 warning in 11 objects\n"), "\(run.output)")
      #expect(
        run.output.contains("\(path):3:18: warning: ")
          && run.output.contains("\n  metadata: {name: sni, namespace: shop}\n                   ^^^\n"), "\(run.output)")
      #expect(try sandbox.portcullis(lint + ["--fail-on", "warning"]).code == 1)
      try sandbox.write("# portcullis:ignore selector-matches-nothing later\n" + policy, to: "warning/policy.yaml")
      let ignored = try sandbox.portcullis(lint + ["--fail-on", "warning"])
      #expect(ignored.code == 0 && ignored.output == "no findings in 11 objects; 1 ignored\n", "\(ignored.output)")
    }
  }

  @Test func `what is refused comes out, and hides the pitfalls`() throws {
    try withSandbox { sandbox in
      let path = try sandbox.write(upperCase.replacingOccurrences(of: "values:", with: "valuse:"), to: "one/policy.yaml")
      let run = try sandbox.portcullis("lint", "--policies", path, "--policies", Sandbox.shop)
      #expect(run.code == 1 && run.errors.isEmpty)
      #expect(run.output.contains("error: unknown field `valuse`") && run.output.contains("[field-unknown]"), "\(run.output)")
      #expect(run.output.hasSuffix("; pitfalls are looked for when nothing is refused any more\n"), "\(run.output)")
      let json = try sandbox.portcullis("lint", "--policies", path, "--output", "json").json()
      #expect((json["summary"] as? [String: Any])?["complete"] as? Bool == false)
    }
  }

  @Test func `files without AuthorizationPolicies are looked at, and files without anything are a wrong path`() throws {
    try withSandbox { sandbox in
      let mode =
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: db, namespace: istio-system}, spec: {selector: {matchLabels: {app: db}}, mtls: {mode: STRICT}}}"
      let run = try sandbox.portcullis("lint", "--policies", try sandbox.write(mode, to: "mode/peer.yaml"))
      #expect(run.code == 1 && run.output.contains("[peer-authentication-ignored]\n"), "\(run.output)\(run.errors)")
      let nothing = try sandbox.write("{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: b}}", to: "none/account.yaml")
      let empty = try sandbox.portcullis("lint", "--policies", nothing)
      #expect(empty.code == 1 && empty.output.contains("there is no AuthorizationPolicy [no-policies]"), "\(empty.output)\(empty.errors)")
      #expect(try sandbox.portcullis("lint", "--policies", nothing, "--allow-empty").code == 0)
    }
  }

  @Test func `what cannot be read is exit code 2`() throws {
    try withSandbox { sandbox in
      let missing = try sandbox.portcullis("lint", "--policies", sandbox.path("nowhere"))
      #expect(missing.code == 2 && missing.output.isEmpty && missing.errors.contains("[source-unreadable]"), "\(missing.errors)")
      let envoy = try sandbox.portcullis("lint", "--policies", Sandbox.shop, "--envoy", sandbox.path("nowhere.yaml"))
      #expect(envoy.code == 2 && envoy.output.isEmpty && envoy.errors.contains("cannot be read"), "\(envoy.errors)")
      let broken = try sandbox.write("a: [\n", to: "envoy.yaml")
      let unread = try sandbox.portcullis("lint", "--policies", Sandbox.shop, "--envoy", broken)
      #expect(unread.code == 2 && unread.output.isEmpty && unread.errors.contains("[yaml-syntax]"), "\(unread.errors)")
    }
  }
}
