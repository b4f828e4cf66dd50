// Bad usage and broken policies: exit code 2, `error:` and `= help:`, and never an answer.
// Enters: command lines that nobody should write. Leaves: messages. Never here: a message compared by its end only.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `bad usage is exit code 2 and a message in our form` {
  @Test(arguments: [
    (["check", "--to", "shop/db"], "error: missing expected argument `--policies <path> ...`"),
    (["check", "--policies", "examples/shop"], "error: `--to` is needed: `namespace/name` of the workload"),
    (["check", "--policies", "x", "--to", "a/b", "--polices", "x"], "error: unknown option `--polices`. Did you mean `--policies`?"),
    (["check", "--policies", "x", "--to", "a/b", "--port", "0"], "error: `--port` is 1 to 65535"),
    (["check", "--policies", "x", "--to", "a/b", "--port", "70000"], "error: the value `70000` is invalid for `--port <port>`"),
    (["check", "--policies", "x", "--to", "a/b", "--no-token", "--claim", "a=b"], "error: `--no-token` goes without `--claim`"),
    (["check", "--policies", "x", "--to", "a/b", "--no-headers", "--header", "a=b"], "error: `--no-headers` goes without `--header`"),
    (["check", "--policies", "x", "--to", "a/b", "--trust-domain", "spiffe://x"], "error: `spiffe://x` is not a trust domain"),
    (["check", "--policies", "x", "--to", "a/b", "--root-namespace", ""], "error: `--root-namespace` is empty"),
    (["check", "--policies", "x", "--to", "a/b", "--to", "a/c"], "error: `--to` is written twice"),
    (["check", "--policies", "x", "--to=a/b", "--to=a/c"], "error: `--to` is written twice"),
    (["check", "--policies", "x", "-n", "a", "--namespace", "b", "--to", "c"], "error: `--namespace` is written twice"),
    (["check", "--policies", "x", "--requests", "y", "--path", "/"], "error: `--requests` goes without `--to`, `--from` and all else"),
    (["decide"], "error: unexpected argument `decide`"),
    (["certificate"], "error: missing expected argument `<file>`"),
    (["certificate", "x", "--trust-bundle", "ca.pem"], "error: `--trust-bundle ca.pem` is not a trust domain and a file"),
    (["serve", "--policies", "x", "--listen", "0.0.0.0:9191"], "error: `0.0.0.0:9191` is not loopback: give `--tls-cert`"),
    (["serve", "--policies", "x", "--listen", "localhost:9191"], "error: `localhost:9191` is not loopback: "),
    (["serve", "--policies", "x", "--listen", "[::]:9191"], "error: `[::]:9191` is not loopback: "),
    (["serve", "--policies", "x", "--listen", "127.0.0.1"], "error: `127.0.0.1` is not an address and a port: write `127.0.0.1:9191`"),
    (["serve", "--policies", "x", "--listen", "127.0.0.1:http"], "error: `127.0.0.1:http` is not an address and a port"),
    (["serve", "--policies", "x", "--listen", "unix:"], "error: `unix:` names no path"),
    (["serve", "--policies", "x", "--listen", "unix:/a", "--listen", "unix:/a"], "error: `--listen` names an address twice"),
    (["serve", "--policies", "x", "--deny-status", "200"], "error: `--deny-status` is 400 to 599, so that a denial is one"),
    (["serve", "--policies", "x", "--deny-status", "600"], "error: `--deny-status` is 400 to 599, so that a denial is one"),
    (["serve", "--policies", "x", "--tls-cert", "a"], "error: `--tls-cert`, `--tls-key` and `--client-ca` go together"),
    (["serve", "--policies", "x", "--tls-cert", "a", "--tls-key", "b"], "error: `--tls-cert`, `--tls-key` and `--client-ca` go together"),
    (["serve", "--policies", "x", "--remote-ip", "xff:0"], "error: the value `xff:0` is invalid for `--remote-ip"),
    (["serve", "--policies", "x", "--peer-identity", "none"], "error: the value `none` is invalid for `--peer-identity"),
    (["serve", "--policies", "x", "--workload", "backend"], "error: `backend` is not a workload: write `namespace/name`"),
    (["serve", "--policies", "x", "--workers", "1000"], "error: `--workers` is at most 256"),
    (["serve", "--policies", "x", "--max-message-size", "1"], "error: `--max-message-size` is 1024 to 268435456 bytes"),
    (["serve", "--policies", "x", "--drain-timeout", "4000"], "error: `--drain-timeout` is at most 3600 seconds"),
  ])
  func `the message says what is wrong`(_ arguments: [String], _ message: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(arguments)
      #expect(run.code == 2 && run.output.isEmpty)
      #expect(run.errors.hasPrefix(message), "\(run.errors)")
      #expect(run.errors.contains("\n  = help: ") && run.errors.utf8.count < 600, "\(run.errors)")
    }
  }

  @Test func `help and version are answers`() throws {
    try withSandbox { sandbox in
      for words in [["--help"], ["check", "--help"], ["serve", "--help"], ["--version"]] {
        let run = try sandbox.portcullis(words)
        #expect(run.code == 0 && run.errors.isEmpty && !run.output.isEmpty, "\(words)")
      }
    }
  }

  @Test func `every option that the parser collects may be written again, and no other`() throws {
    struct Dump: Decodable {
      struct Command: Decodable {
        struct Argument: Decodable {
          struct Name: Decodable {
            let kind: String
            let name: String
          }
          let kind: String
          let isRepeating: Bool
          let preferredName: Name?
        }
        let commandName: String
        let subcommands: [Command]?
        let arguments: [Argument]?
      }
      let command: Command
    }
    func walk(_ command: Dump.Command, _ path: [String], _ body: ([String], Dump.Command.Argument) throws -> Void) throws {
      for argument in command.arguments ?? [] where argument.preferredName?.kind == "long" { try body(path, argument) }
      for child in command.subcommands ?? [] where child.commandName != "help" { try walk(child, path + [child.commandName], body) }
    }
    try withSandbox { sandbox in
      let dump = try JSONDecoder().decode(Dump.self, from: Data(sandbox.portcullis("--experimental-dump-help").output.utf8))
      var repeating = 0
      var tested: Set<String> = []
      try walk(dump.command, []) { path, argument in
        guard let name = argument.preferredName?.name, tested.insert(name).inserted else { return }
        let word = argument.kind == "flag" ? "--\(name)" : "--\(name)=1"
        let isRefused = try sandbox.portcullis(path + [word, word]).errors.hasPrefix("error: `--\(name)` is written twice\n")
        #expect(isRefused == !argument.isRepeating, "--\(name)")
        if argument.isRepeating { repeating += 1 }
      }
      #expect(repeating >= 9 && tested.count > 30)
    }
  }
}

@Suite struct `broken policies are exit code 2 with everything that is wrong` {
  private static let broken = """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: broken, namespace: shop}
    spec:
      action: ALLOW
      rules:
      - to:
        - operation:
            ports: [8080]
            pathes: ["/a"]

    """

  @Test(arguments: [["check", "--to", "shop/backend", "--from", "shop/frontend-sa"], ["serve", "--listen", "127.0.0.1:0"]])
  func `all findings of all files, each with its line and a caret`(_ verb: [String]) throws {
    try withSandbox { sandbox in
      let first = try sandbox.write(Self.broken, to: "policies/first.yaml")
      let second = try sandbox.write("kind: [", to: "policies/second.yaml")
      let run = try sandbox.portcullis(verb + ["--policies", sandbox.path("policies"), "--policies", Sandbox.shop])
      #expect(run.code == 2 && run.output.isEmpty)
      #expect(
        run.errors.contains(
          """
          \(first):9:17: error: `ports` must be a string, not the number `8080` [wrong-type]
                    ports: [8080]
                            ^^^^
            = help: 
          """), "\(run.errors)")
      #expect(run.errors.contains("\(first):10:9: error: ") && run.errors.contains(" [field-unknown]\n"), "\(run.errors)")
      #expect(run.errors.contains("\(second):") && run.errors.contains(" [yaml-syntax]\n"))
      #expect(run.errors.hasSuffix("\n3 errors in the input; nothing is decided by it\n"), "\(run.errors)")
    }
  }

  @Test(arguments: [["check", "--to", "shop/backend", "--from", "shop/frontend-sa"], ["serve", "--listen", "127.0.0.1:0"]])
  func `files that are not there, and no policy at all, are errors`(_ verb: [String]) throws {
    try withSandbox { sandbox in
      let missing = try sandbox.portcullis(verb + ["--policies", sandbox.path("nowhere")])
      #expect(missing.code == 2 && missing.errors.contains("\(sandbox.path("nowhere")): error: "), "\(missing.errors)")
      let empty = try sandbox.portcullis(verb + ["--policies", Sandbox.shop + "/workloads.yaml"])
      #expect(empty.code == 2 && empty.errors.contains("[no-policies]") && empty.errors.contains("`--allow-empty`"), "\(empty.errors)")
    }
  }

  @Test func `no policy, when that is meant, allows`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("check", "--policies", Sandbox.shop + "/workloads.yaml", "--allow-empty", "--to", "shop/db")
      #expect(run.code == 0 && run.output.contains("allowed-by-default"))
    }
  }

  @Test func `two workloads of one name with different policies need their kind`() throws {
    try withSandbox { sandbox in
      let extra = try sandbox.write(
        """
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: backend, namespace: shop}
        spec: {selector: {matchLabels: {app: other}}, template: {metadata: {labels: {app: other}}, spec: {containers: []}}}
        """, to: "extra.yaml")
      let run = try sandbox.check("--policies", extra, "--from", "shop/frontend-sa", "--to", "shop/backend")
      #expect(run.code == 2 && run.errors.contains("several workloads are named `shop/backend`"), "\(run.errors)")
      #expect(run.errors.hasSuffix("  = help: write `namespace/kind/name`\n"))
      #expect(try sandbox.check("--policies", extra, "--from", "shop/frontend-sa", "--to", "shop/deployment/backend").code == 0)
      let unknown = try sandbox.check("--from", "shop/frontend-sa", "--to", "shop/backnd")
      #expect(unknown.code == 2 && unknown.errors.hasPrefix("error: no workload `shop/backnd` in the given files\n"))
    }
  }
}
