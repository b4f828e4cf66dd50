// Whole outputs of the verbs for people on every example, held to files in Tests/Expected.
// `PORTCULLIS_ACCEPT=1` writes the files anew; whoever does that reads the difference before it is committed.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `The examples print, to the last byte` {
  /// A request of each example that is explained.
  static let requests: [String: [String]] = [
    "shop": ["--from", "shop/frontend", "--to", "shop/db", "--port", "5432"],
    "migration": [
      "--from", "store/web", "--to", "payments/card", "--port", "8080", "--method", "POST", "--path", "/charge", "--host", "card",
    ],
    "ambient": ["--from", "shop/reviews", "--to", "shop/ratings", "--profile", "ztunnel", "--port", "9080", "--tcp"],
    "gateway": [
      "--from", "anonymous", "--to", "edge/ingress", "--profile", "gateway", "--port", "8443", "--method", "GET", "--path", "/accounts/7",
      "--host", "api.example",
      "--no-token",
    ],
    "broken": ["--from", "anonymous", "--to", "shop/cart", "--port", "8080", "--method", "GET", "--path", "/", "--host", "cart"],
    "large": [
      "--from", "team-03/service-04", "--to", "team-03/service-06", "--port", "8080", "--method", "GET", "--path", "/api/x", "--host", "h",
    ],
  ]

  static func commands(_ name: String, _ path: String) -> [(name: String, words: [String])] {
    let policies = ["--policies", path]
    var all: [(String, [String])] = [("explain", ["explain"] + policies + (requests[name] ?? []))]
    if name != "broken" { all.append(("lint", ["lint"] + policies)) }
    if name == "large" {
      all.append(("tls-check", ["tls-check"] + policies + ["team-03/service-04", "team-05/service-06:80"]))
      all.append(("who-can", ["who-can"] + policies + ["--to", "team-03/service-06"]))
      all.append(("graph", ["graph"] + policies + ["--in-namespace", "team-03", "--format", "mermaid"]))
      return all
    }
    all.append(("tls-check", ["tls-check"] + policies + ["--all"]))
    all.append(("who-can", ["who-can"] + policies + ["--all"]))
    for format in ["json", "dot", "mermaid"] { all.append(("graph-\(format)", ["graph"] + policies + ["--format", format])) }
    if name != "broken" { all.append(("test", ["test"] + policies + ["\(path)/tests.yaml", "--coverage"])) }
    return all
  }

  @Test(arguments: ["shop", "migration", "ambient", "gateway", "broken", "large"])
  func `what it printed before`(_ name: String) throws {
    let root = URL(fileURLWithPath: Programs.project())
    let isAccepting = ProcessInfo.processInfo.environment["PORTCULLIS_ACCEPT"] == "1"
    try withSandbox { sandbox throws in
      var path = "examples/\(name)"
      if name == "large" {
        path = sandbox.path("large")
        let run = try sandbox.run(root.appending(path: "examples/large/generate.sh").path, [path])
        #expect(run.end == .exited(0))
      }
      for command in Self.commands(name, path) {
        let run = try sandbox.portcullis(command.words)
        // Where the mesh was generated is another place each time.
        let output = (run.output + run.errors).replacingOccurrences(of: path, with: "examples/\(name)") + "exit \(run.code)\n"
        let file = root.appending(path: "Tests/Expected/\(name)/\(command.name).txt")
        if isAccepting {
          try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
          try output.write(to: file, atomically: true, encoding: .utf8)
        } else {
          #expect(try String(contentsOf: file, encoding: .utf8) == output, "\(file.path)")
        }
      }
    }
  }
}
