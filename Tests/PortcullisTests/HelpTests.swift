// Help and shell completion: every verb has examples that run, and the three shells get scripts that name every verb.
// Enters: `--help`, `--generate-completion-script`. Leaves: text. Never here: what a verb answers.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `help and completion` {
  private static let verbs = ["serve", "check", "explain", "certificate", "export", "test", "replay"]
  private static let withExamples = [
    ["serve"], ["check"], ["explain"], ["certificate"], ["export", "envoy-ext-authz"], ["export", "envoy-rbac"], ["test"], ["replay"],
  ]

  /// The command lines below `EXAMPLES:`.
  private static func examples(_ sandbox: Sandbox, _ verb: [String]) throws -> [String] {
    let help = try sandbox.portcullis(verb + ["--help"]).output
    guard let start = help.range(of: "\n  EXAMPLES:\n")?.upperBound ?? help.range(of: "\nEXAMPLES:\n")?.upperBound else { return [] }
    let lines = help[start...].split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.isEmpty }
    return lines.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  @Test(arguments: withExamples)
  func `each verb shows examples, each on a line of its own`(_ verb: [String]) throws {
    try withSandbox { sandbox in
      let examples = try Self.examples(sandbox, verb)
      #expect(examples.count >= 2, "\(verb)")
      #expect(examples.allSatisfy { $0.contains("portcullis \(verb.joined(separator: " "))") }, "\(examples)")
    }
  }

  /// Serving goes on until somebody ends it, and some examples name files that a reader has and a test has not.
  @Test(arguments: withExamples.filter { $0 != ["serve"] })
  func `the examples about the shop run`(_ verb: [String]) throws {
    try withSandbox { sandbox in
      let own = try Self.examples(sandbox, verb).filter { example in
        example.hasPrefix("portcullis ") && !["policies/", ".pem", ">"].contains { example.contains($0) }
      }
      if verb != ["certificate"] { #expect(!own.isEmpty) }
      for example in own {
        let words = example.split(separator: " ").dropFirst().map { word in
          word.hasPrefix("examples/") ? Programs.project() + "/" + word : String(word)
        }
        let run = try sandbox.portcullis(words)
        #expect(run.code == 0 || run.code == 1, "\(example): \(run.errors)")
      }
    }
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func `a shell gets a script that names every verb and that it can read`(_ shell: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("--generate-completion-script", shell)
      #expect(run.code == 0 && run.errors.isEmpty, "\(run.errors)")
      for word in Self.verbs + ["policies", "junit", "against", "coverage"] { #expect(run.output.contains(word), "\(word)") }
      let script = try sandbox.write(run.output, to: "completion.\(shell)")
      // A machine may not have every shell; bash runs our scripts, so that it is always there.
      let programs = ["/bin/\(shell)", "/usr/bin/\(shell)"].filter { FileManager.default.isExecutableFile(atPath: $0) }
      #expect(!programs.isEmpty || shell != "bash")
      guard let program = programs.first else { return }
      let read = try sandbox.run(program, ["-n", script])
      #expect(read.end == .exited(0) && read.errors.isEmpty, "\(read.errors)")
    }
  }

  @Test func `bash completes verbs and options`() throws {
    try withSandbox { sandbox in
      let script = try sandbox.write(try sandbox.portcullis("--generate-completion-script", "bash").output, to: "completion.bash")
      let program = #"""
        source "$0"
        COMP_WORDS=(portcullis "${@}")
        COMP_CWORD=$#
        COMP_LINE="${COMP_WORDS[*]}"
        COMP_POINT=${#COMP_LINE}
        function_name=$(complete -p portcullis | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function_name" portcullis "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
        """#
      func complete(_ words: String...) throws -> [String] {
        let run = try sandbox.run("/bin/bash", ["-c", program, script] + words)
        #expect(run.end == .exited(0), "\(run.errors)")
        return run.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      }
      #expect(try complete("re") == ["replay"])
      #expect(try complete("test", "--jun") == ["--junit"])
      #expect(try complete("check", "--output", "") == ["text", "json"])
    }
  }
}
