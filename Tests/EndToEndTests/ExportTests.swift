// The export by itself: Envoy accepts what it writes, whatever was asked for, and nothing that could corrupt it gets in.

internal import Foundation
internal import TestSupport
internal import Testing

@testable internal import portcullis

extension EndToEnd {
  @Suite struct `the exported configuration` {
    /// One combination of options.
    struct Variant: Sendable, CustomStringConvertible {
      var arguments: [String]
      var description: String { arguments.joined(separator: " ") }
    }

    static let variants = [
      ["--engine", "127.0.0.1:9191"],
      ["--engine", "engine.example:9191", "--timeout", "1s"],
      ["--engine", "[::1]:9191", "--port", "8080"],
      ["--engine", "unix:/run/portcullis.sock", "--path-normalization", "decode"],
      ["--path-normalization", "none"],
      ["--path-normalization", "merge", "--remote-ip-header", "X-Portcullis-Client"],
      ["--profile", "gateway", "--proxy-protocol"], ["--profile", "waypoint", "--service", "shop/serviceentry/web"],
      ["--profile", "waypoint", "--service", "none", "--port", "8080"],
    ].map(Variant.init)

    @Test(arguments: variants, [false, true])
    func `Envoy accepts every variant`(variant: Variant, isTCP: Bool) throws {
      if isTCP && variant.arguments.contains("--remote-ip-header") { return }
      try withSandbox { sandbox in
        let arguments = ["--workload", "shop/backend"] + variant.arguments + (isTCP ? ["--tcp"] : [])
        func part(_ name: String) throws -> String { try Shop.export(in: sandbox, arguments + ["--only", name]) }
        let inbound = try Inbound(
          name: "inbound", port: Ports.free(), security: .plaintext, applicationPort: 1,
          filter: part(isTCP ? "network-filter" : "http-filter"), connectionManager: isTCP ? nil : part("hcm"))
        let configuration = try SidecarConfiguration.server(
          [inbound], engineClusters: part("cluster"), accessLog: sandbox.path("access.log"))
        #expect(try Envoy.complaint(about: configuration, in: sandbox) == nil)
        // A mistake in it would have been noticed.
        let misspelt = configuration.replacing("include_peer_certificate", with: "include_peer_certificat")
        #expect(try Envoy.complaint(about: misspelt, in: sandbox)?.contains("include_peer_certificat") == true)
      }
    }

    @Test func `the whole export is the parts under the keys that say where they go`() throws {
      let options = try EnvoyExtAuthzOptions(workload: WorkloadName("shop/backend"))
      let whole = options.document()
      #expect(whole.contains("\nclusters:\n" + options.text(of: .cluster)))
      #expect(whole.contains("\nhttp_connection_manager:\n" + options.text(of: .hcm).indented(2)))
      #expect(whole.contains("\n  http_filters:\n" + options.text(of: .httpFilter).indented(2)))
      var overTCP = options
      overTCP.isTCP = true
      #expect(overTCP.document().contains("\nfilters:\n" + options.text(of: .networkFilter)))
    }

    @Test(arguments: ExportPart.allCases)
    func `filters fail closed and carry the hint`(part: ExportPart) throws {
      let text = try EnvoyExtAuthzOptions(workload: WorkloadName("shop/deployment/backend")).text(of: part)
      switch part {
      case .httpFilter, .networkFilter:
        #expect(text.contains("failure_mode_allow: false"))
        #expect(text.contains("{key: x-portcullis-workload, value: \"shop/deployment/backend\"}"))
        #expect(text.contains("include_peer_certificate: true"))
      case .cluster, .hcm:
        #expect(!text.contains("shop/"))
      }
    }

    @Test(arguments: [
      "backend", "shop/", "/backend", "a/b/c/d", "shop/back end", "shop/back\nend", "shop/\"", "shop/%REQ(x)%", "Shop/backend",
      "shop/Backend",
    ])
    func `a workload that is not a name is refused`(text: String) throws {
      #expect(throws: ExportProblem.self) { try WorkloadName(text) }
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:9191", ":9191", "unix:", "unix:/a\nb", "host name:1", ""])
    func `an address that is not one is refused`(text: String) throws {
      #expect(throws: ExportProblem.self) { try EngineAddress(text) }
    }

    @Test(arguments: [
      ("127.0.0.1:9191", EngineAddress.tcp(host: "127.0.0.1", port: 9191)), ("[::1]:1", .tcp(host: "::1", port: 1)),
      ("engine:65535", .tcp(host: "engine", port: 65535)), ("unix:/a b", .unix(path: "/a b")), ("unix:///run/x", .unix(path: "/run/x")),
    ])
    func `an address is read as written`(text: String, expected: EngineAddress) throws {
      #expect(try EngineAddress(text) == expected)
    }

    @Test(arguments: [
      ["--workload", "shop"], ["--workload", "shop/db", "--tcp", "--only", "hcm"], ["--workload", "shop/db", "--only", "network-filter"],
      ["--workload", "shop/db", "--timeout", "0ms"], ["--workload", "shop/db", "--timeout", "250"],
      ["--workload", "shop/db", "--port", "0"],
      ["--workload", "shop/db", "--engine-tls-ca", "ca.pem"], ["--workload", "shop/db", "--tcp", "--remote-ip-header", "x"],
      ["--workload", "shop/db", "--remote-ip-header", "x y"], [], ["--workload", "shop/db", "--profile", "ztunnel"],
      ["--workload", "shop/wp", "--profile", "waypoint"], ["--workload", "shop/wp", "--service", "shop/web"],
      ["--workload", "shop/wp", "--profile", "waypoint", "--service", "shop/pod/web"],
      ["--workload", "shop/wp", "--profile", "waypoint", "--service", "%REQ(x)%"],
    ])
    func `arguments that do not fit are a usage error that says so`(arguments: [String]) throws {
      try withSandbox { sandbox in
        let result = try sandbox.run(Programs.portcullis(), ["export", "envoy-ext-authz"] + arguments)
        #expect(result.end == .exited(2))
        #expect(result.output == "")
        #expect(result.errors.contains("--"))
      }
    }

    @Test func `the example's three sidecars are accepted by Envoy`() throws {
      try withSandbox { sandbox in
        let script = Programs.project() + "/examples/shop/envoy/sidecars.sh"
        let result = try sandbox.run(
          "/usr/bin/env",
          ["PORTCULLIS=\(Programs.portcullis())", "ENVOY=\(Programs.envoy())", "TMPDIR=\(sandbox.directory)", script, "--validate"])
        #expect(result.end == .exited(0), "\(result.errors)")
        #expect(result.output.components(separatedBy: " OK\n").count == 4)
      }
    }
  }
}
