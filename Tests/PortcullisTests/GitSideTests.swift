// `portcullis diff` with sides out of git, in real repositories: no policy may be left out in silence, and what cannot be read is said.

internal import Foundation
internal import TestSupport
internal import Testing

/// A repository in a sandbox.
private struct Repository {
  let sandbox: Sandbox
  let directory: String

  init(_ sandbox: Sandbox, _ name: String = "repository") throws {
    self.sandbox = sandbox
    directory = sandbox.path(name)
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try git("init", "-q", "-b", "main")
  }

  /// Runs git there.
  @discardableResult
  func git(_ arguments: String...) throws -> String {
    let settings = ["user.name=somebody", "user.email=somebody@example.org", "commit.gpgsign=false", "core.hooksPath=/dev/null"]
    let words = settings.flatMap { ["-c", $0] } + arguments
    let run = try sandbox.run(
      "/usr/bin/env", ["GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "git", "-C", directory] + words)
    guard run.end == .exited(0) else { throw TestFailure("git \(arguments): \(run.errors)") }
    return run.output
  }

  func write(_ text: String, _ path: String) throws {
    let file = URL(fileURLWithPath: directory + "/" + path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  func link(_ path: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: directory + "/" + path, withDestinationPath: target)
  }

  func commit() throws {
    try git("add", "-A")
    try git("commit", "-q", "-m", "policies")
  }

  /// Runs `portcullis diff` in a directory of the repository.
  func diff(_ before: String, _ after: String, in folder: String = "", environment: [String] = []) throws -> Run {
    let temporary = sandbox.path("temporary")
    try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
    let own = ["TMPDIR=\(temporary)", "GIT_CONFIG_GLOBAL=/dev/null"] + environment
    let script = #"cd "$1" && shift && exec "$@""#
    let ended = try sandbox.run(
      "/bin/sh",
      ["-c", script, "sh", directory + "/" + folder, "/usr/bin/env"] + own + [try Programs.portcullis(), "diff", before, after])
    // Nothing stays behind, whatever happened.
    #expect(try FileManager.default.contentsOfDirectory(atPath: temporary).isEmpty)
    return Run(end: ended.end, output: ended.output, errors: ended.errors)
  }
}

@Suite struct `A side out of git` {
  private static let workload = `A comparison that does not see everything says so`.workload("api")

  private static func policy(_ name: String, _ method: String) -> String {
    `A comparison that does not see everything says so`.policy(name, "{action: DENY, rules: [{to: [{operation: {methods: [\(method)]}}]}]}")
  }

  /// A repository with a workload and one policy, committed.
  private func withRepository(_ body: (Repository) throws -> Void) throws {
    try withSandbox { sandbox throws in
      let repository = try Repository(sandbox)
      try repository.write(Self.workload, "deploy/policies/workloads.yaml")
      try repository.write(Self.policy("get", "GET"), "deploy/policies/get.yaml")
      try repository.commit()
      try body(repository)
    }
  }

  /// That the revision holds what the directory holds, and that this is more than what was committed first.
  private func expectSame(_ repository: Repository, _ path: String = "deploy/policies", sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    let same = try repository.diff("git:HEAD:\(path)", path)
    #expect(same.code == 0, "\(same.output)\(same.errors)", sourceLocation: sourceLocation)
    let more = try repository.diff("git:HEAD~1:\(path)", "git:HEAD:\(path)")
    #expect(more.code == 1 && more.output.contains("newly denied"), "\(more.output)\(more.errors)", sourceLocation: sourceLocation)
  }

  @Test func `holds files that an archive leaves out, as they are`() throws {
    try withRepository { repository in
      try repository.write("post.yaml export-ignore\nput.yaml export-subst\n", "deploy/policies/.gitattributes")
      try repository.write(Self.policy("post", "POST"), "deploy/policies/post.yaml")
      try repository.write(
        Self.policy("put", "$Format:%H$").replacingOccurrences(of: "[$Format:%H$]", with: "[\"$Format:%H$\"]"), "deploy/policies/put.yaml")
      try repository.commit()
      try expectSame(repository)
    }
  }

  @Test func `holds names with blanks, quotes, line breaks and letters of any script`() throws {
    try withRepository { repository in
      let folder = "deploy/ö [x] *?"
      try repository.git("mv", "deploy/policies", folder)
      try repository.commit()
      try repository.write(Self.policy("post", "POST"), "\(folder)/-a \"b\"\n'c'\t:(glob)\\*.yaml")
      try repository.commit()
      try expectSame(repository, folder)
    }
  }

  @Test func `holds what links lead to within the repository`() throws {
    try withRepository { repository in
      try repository.write(Self.policy("post", "POST"), "shared/more/post.yaml")
      try repository.write(Self.policy("put", "PUT"), "shared/put.txt")
      try repository.link("shared/again", to: "more")
      try repository.link("deploy/policies/more", to: "../../shared/again")
      try repository.link("deploy/policies/put.yaml", to: "../../shared/put.txt")
      try repository.link("deploy/policies/nowhere", to: "missing")
      try repository.link("deploy/policies/.hidden", to: "/etc")
      try repository.commit()
      try expectSame(repository)
      let run = try repository.diff("git:HEAD:deploy/policies", "git:HEAD:deploy/policies/get.yaml")
      // Places are shown as somebody would write them.
      #expect(run.output.contains("-policy[post]-rule[0]  git:HEAD:deploy/policies/more/post.yaml:"), "\(run.output)")
    }
  }

  @Test(arguments: [
    ("out.yaml", "../../../elsewhere/out.yaml"), ("out", "../../../elsewhere"), ("out.yaml", "/tmp/out.yaml"), ("out", "/tmp"),
    ("out", "get.yaml/../../../.."),
  ])
  func `refuses links that lead out of the repository`(_ name: String, _ target: String) throws {
    try withRepository { repository in
      try repository.link("deploy/policies/\(name)", to: target)
      try repository.commit()
      let run = try repository.diff("git:HEAD:deploy/policies", "deploy/policies/get.yaml")
      #expect(
        run.code == 2 && run.errors.contains("holds the link `deploy/policies/\(name)` to `\(target)`, which does not lead straight to"),
        "\(run.output)\(run.errors)")
      // A path without it can be read.
      #expect(try repository.diff("git:HEAD:deploy/policies/get.yaml", "deploy/policies/get.yaml").code == 0)
    }
  }

  @Test func `refuses submodules, whose files it cannot see`() throws {
    try withRepository { repository in
      let commit = try repository.git("rev-parse", "HEAD").split(separator: "\n")[0]
      try repository.git("update-index", "--add", "--cacheinfo", "160000,\(commit),deploy/policies/vendor")
      try repository.git("commit", "-q", "-m", "a submodule")
      for path in ["deploy/policies", "", "deploy/policies/vendor"] {
        let run = try repository.diff("git:HEAD:\(path)", "deploy/policies")
        #expect(run.code == 2 && run.errors.contains("holds the submodule `deploy/policies/vendor`"), "\(run.output)\(run.errors)")
      }
      #expect(try repository.diff("git:HEAD:deploy/policies/get.yaml", "deploy/policies/get.yaml").code == 0)
    }
  }

  @Test func `is a single file, the whole tree, or a path from where one stands`() throws {
    try withRepository { repository in
      let one = try repository.diff("git:HEAD:deploy/policies/get.yaml", "deploy/policies/get.yaml")
      #expect(one.code == 0, "\(one.errors)")
      for whole in ["git:HEAD:", "git:HEAD:.", "git:HEAD:./", "git:HEAD^{tree}:deploy/../deploy//", "git:HEAD^{/pol}:deploy/./policies/"] {
        let run = try repository.diff(whole, "deploy")
        #expect(run.code == 0 && run.output.contains("1 compared workloads"), "\(whole): \(run.output)\(run.errors)")
      }
      for (path, other) in [("./policies", "policies"), ("../deploy/policies", "policies"), (".", "."), ("..", ".."), ("deploy", ".")] {
        let run = try repository.diff("git:HEAD:\(path)", other, in: "deploy")
        #expect(run.code == 0 && run.output.contains("1 compared workloads"), "\(path): \(run.output)\(run.errors)")
      }
      let below = try repository.diff("git:HEAD:policies", "policies", in: "deploy")
      #expect(
        below.code == 2 && below.errors.contains("`HEAD` holds no `policies`")
          && below.errors.contains("= help: write `git:HEAD:./policies` for a path from where one stands"), "\(below.errors)")
    }
  }

  @Test func `comes from a repository without files, and from a work tree of another`() throws {
    try withRepository { repository in
      let bare = repository.sandbox.path("bare.git")
      try repository.git("clone", "-q", "--bare", repository.directory, bare)
      let policies = repository.directory + "/deploy/policies"
      for path in ["deploy/policies", "", "."] {
        let run = try repository.diff("git:main:\(path)", policies, in: "../bare.git")
        #expect(run.code == 0 && run.output.contains("1 compared workloads"), "\(path): \(run.output)\(run.errors)")
      }
      try repository.git("worktree", "add", "-q", repository.sandbox.path("tree"), "-b", "other")
      let run = try repository.diff("git:other:./policies", policies, in: "../tree/deploy")
      #expect(run.code == 0, "\(run.output)\(run.errors)")
    }
  }

  @Test func `leaves the repository alone, and runs none of its hooks`() throws {
    try withRepository { repository in
      let hook = repository.directory + "/.git/hooks/post-index-change"
      try repository.write("#!/bin/sh\ntouch \"\(repository.sandbox.path("hooked"))\"\n", ".git/hooks/post-index-change")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: hook)
      try repository.write("staged", "deploy/staged.txt")
      try repository.git("add", "-A")
      let before = try repository.git("status", "--porcelain=v2", "--branch")
      #expect(try repository.diff("git:HEAD:deploy/policies", "deploy/policies").code == 0)
      #expect(try repository.git("status", "--porcelain=v2", "--branch") == before)
      #expect(!FileManager.default.fileExists(atPath: repository.sandbox.path("hooked")))
    }
  }

  @Test func `says in which file of the revision something is wrong`() throws {
    try withRepository { repository in
      try repository.write("kind: [", "deploy/policies/broken.yaml")
      try repository.commit()
      let run = try repository.diff("git:HEAD:deploy", "deploy/policies/get.yaml")
      #expect(run.code == 2 && run.errors.hasPrefix("git:HEAD:deploy/policies/broken.yaml:"), "\(run.errors)")
    }
  }

  @Test func `says what is missing`() throws {
    try withRepository { repository in
      func error(_ side: String, in folder: String = "", environment: [String] = []) throws -> String {
        let run = try repository.diff(side, "/dev/null/none", in: folder, environment: environment)
        #expect(run.code == 2)
        return run.errors
      }
      #expect(try error("git:HEAD:nothing").contains("cannot be read: `HEAD` holds no `nothing`\n"))
      #expect(try error("git:nothing:deploy").contains("cannot be read: the repository has no such revision"))
      #expect(try error("git:HEAD:/deploy").contains("names an absolute path"))
      #expect(try error("git:HEAD:../x").contains("leads outside of the repository"))
      #expect(try error("git:HEAD").contains("names no revision and path"))
      #expect(try error("git::deploy").contains("names no revision and path"))
      #expect(try error("git:--all:deploy").contains("names no revision and path"))
      #expect(try error("git:HEAD:deploy", environment: ["PATH=/nonexistent"]).contains("cannot be read: there is no program `git`"))
      let outside = repository.sandbox.path("outside")
      try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
      #expect(try error("git:HEAD:deploy", in: "../outside").contains("cannot be read: this directory is in no git repository"))
    }
  }
}
