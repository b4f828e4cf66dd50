// The servers that one section of the table compares: the do-nothing server first, whose figures are the ceiling, then the others.
// Paths and settings enter, running servers leave. All of them get the same cores and the same number of threads.
internal import Foundation

/// How the servers of a measurement are started.
struct Contenders {
  var cores: [Int]
  var workers: Int
  /// The `portcullis` executable; `nil` measures the do-nothing server alone.
  var portcullis: String?
  /// More arguments for `portcullis serve`.
  var serveArguments: [String]
  /// Whether a second do-nothing server takes part.
  var hasControl: Bool
  /// Where logs and policies are written.
  var directory: URL

  /// Starts one server of each kind.
  ///
  /// - Parameter authority: the certificate that the peers' certificates are verified with; `nil` when the load sends none
  func start(authority: URL?) throws -> [ServerProcess] {
    var servers = [try doNothing(named: "do-nothing")]
    if hasControl { servers.append(try doNothing(named: "do-nothing again")) }
    if let portcullis {
      let policies = directory.appendingPathComponent("policies")
      try ShopPolicies.write(to: policies)
      let verification = authority.map { ["--trust-bundle", "cluster.local=\($0.path)"] } ?? []
      servers.append(
        try ServerProcess(
          name: "portcullis", decidesNothing: false, cores: cores, log: directory.appendingPathComponent("portcullis.log")
        ) { address in
          [portcullis, "serve", "--policies", policies.path, "--listen", address, "--workers", String(workers)] + verification
            + serveArguments
        })
    }
    return servers
  }

  private func doNothing(named name: String) throws -> ServerProcess {
    let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent("do-nothing-server").path
    return try ServerProcess(
      name: name, decidesNothing: true, cores: cores, log: directory.appendingPathComponent("\(name).log")
    ) { address in [executable, address, String(workers)] }
  }
}
