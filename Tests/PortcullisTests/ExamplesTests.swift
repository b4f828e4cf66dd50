// The verbs for people on every example, the generated mesh of 500 workloads among them. Whole outputs stand in examples/README.md, docs and
// examples/broken/lint.txt; here is what holds of all.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `The examples` {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  @Test(arguments: ["shop", "migration", "ambient", "gateway"])
  func `pass their own tests, lint clean, and can be drawn`(_ name: String) throws {
    try withSandbox { sandbox throws in
      let policies = "examples/\(name)"
      let test = try sandbox.portcullis("test", "--policies", policies, "\(policies)/tests.yaml", "--coverage")
      #expect(test.code == 0 && test.output.contains(" 0 failed\n") && test.output.hasSuffix(", 0 never\n"), "\(test.output)")
      let lint = try sandbox.portcullis("lint", "--policies", policies, "--fail-on", "warning")
      #expect(lint.code == 0, "\(lint.output)")
      for format in ["json", "dot", "mermaid", "svg", "html"] {
        let graph = try sandbox.portcullis("graph", "--policies", policies, "--format", format)
        #expect(graph.code == 0 && graph.errors.isEmpty && graph.output.count > 100, "\(format): \(graph.errors)")
      }
      let same = try sandbox.portcullis("diff", policies, policies)
      #expect(same.code == 0, "\(same.output)\(same.errors)")
    }
  }

  @Test func `of 500 workloads are linted, checked, asked and drawn`() throws {
    try withSandbox { sandbox throws in
      let mesh = sandbox.path("large")
      let generator = Process()
      generator.executableURL = Self.root.appending(path: "examples/large/generate.sh")
      generator.arguments = [mesh]
      generator.standardOutput = FileHandle.nullDevice
      try generator.run()
      generator.waitUntilExit()
      #expect(generator.terminationStatus == 0)

      let lint = try sandbox.portcullis("lint", "--policies", mesh)
      #expect(lint.output == "no findings in 1550 objects\n", "\(lint.output.suffix(300))")
      let graph = try sandbox.portcullis("graph", "--policies", mesh, "--format", "json").json()
      #expect((graph["workloads"] as? [Any])?.count == 500)
      let explained = try sandbox.portcullis(
        "explain", "--policies", mesh, "--from", "team-03/service-04", "--to", "team-03/service-06", "--port", "8080", "--method", "GET",
        "--path", "/api/x", "--host", "h")
      #expect(explained.code == 1 && explained.output.contains("wanted  `cluster.local/ns/team-03/sa/service-05`"), "\(explained.output)")
      let tls = try sandbox.portcullis("tls-check", "--policies", mesh, "team-03/service-04", "team-05/service-06:80")
      #expect(tls.code == 0 && tls.output.hasPrefix("mTLS: team-03/service-04 -> service-06.team-05"), "\(tls.output)")
    }
  }
}
