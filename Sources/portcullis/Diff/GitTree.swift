// What a revision of git holds under a path, as files of a directory of its own.
// Enters: `git:REV:PATH`, in any repository, also one without files. Leaves: a directory with every policy file that is there, written as git
// would check it out, until it is removed.
// Never here: a change to the repository, a hook that runs, a file that is left out in silence (`git archive` does that for `export-ignore`).

internal import DecisionText
internal import Foundation
internal import Glibc

/// Files that were taken out of git.
struct GitTree {
  /// The revision as it was written.
  let revision: String
  /// Where the files of the whole repository would lie; below it are those that were wanted.
  let directory: String
  /// What was asked for, below the directory.
  let path: String
  private let scratch: String

  /// Takes the files out.
  ///
  /// - Throws: `CommandProblem` when there is no git, no repository, no such revision or path, or something that cannot be read in this way.
  init(_ name: String) throws {
    guard let (revision, wanted) = Self.parts(name) else {
      throw CommandProblem(
        "`\(Printable.text(name))` names no revision and path", help: "write `git:REV:PATH`, such as `git:main:policies`")
    }
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("portcullis-diff-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: scratch, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    do {
      // Links are judged by where they lead, so the directory itself must not be one.
      var reader = Reader(name: name, git: Git(name: name, scratch: scratch), root: (Self.real(scratch) ?? scratch) + "/files")
      try reader.takeOut(revision, wanted)
      (self.revision, self.scratch, directory) = (revision, scratch, reader.root)
      path = reader.path.isEmpty ? reader.root : reader.root + "/" + reader.path
    } catch {
      Self.remove(scratch)
      throw error
    }
  }

  /// Removes the files.
  func remove() { Self.remove(scratch) }

  private static func remove(_ scratch: String) {
    do {
      try FileManager.default.removeItem(atPath: scratch)
    } catch {
      StandardError.write("`\(Printable.text(scratch))` could not be removed")
    }
  }

  /// The revision and the path; a colon in braces belongs to the revision.
  private static func parts(_ name: String) -> (revision: String, path: String)? {
    let text = Array(name.utf8.dropFirst(4))
    var depth = 0
    for (place, byte) in text.enumerated() {
      if byte == UInt8(ascii: "{") { depth += 1 }
      if byte == UInt8(ascii: "}") { depth -= 1 }
      guard byte == UInt8(ascii: ":"), depth <= 0 else { continue }
      let revision = String(decoding: text[..<place], as: UTF8.self)
      if revision.isEmpty || revision.hasPrefix("-") { return nil }
      return (revision, String(decoding: text[(place + 1)...], as: UTF8.self))
    }
    return nil
  }

  /// The path without links; nil for one that leads nowhere.
  fileprivate static func real(_ path: String) -> String? {
    guard let text = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(text) }
    return unsafe String(cString: text)
  }
}

/// Something that a tree holds.
private struct GitEntry {
  enum Kind { case file, link, submodule }
  var kind: Kind
  /// From the top of the repository.
  var path: String
}

/// Takes files out of a revision.
private struct Reader {
  let name: String
  var git: Git
  /// Where they are put.
  let root: String
  /// What was asked for, from the top of the repository; empty for all of it.
  private(set) var path = ""
  private var entries: [GitEntry] = []
  private var written: Set<String> = []

  init(name: String, git: Git, root: String) {
    (self.name, self.git, self.root) = (name, git, root)
  }

  private func problem(_ text: String, help: String? = nil) -> CommandProblem {
    CommandProblem("`\(Printable.text(name))` \(text)", help: help)
  }

  mutating func takeOut(_ revision: String, _ wanted: String) throws {
    let repository = try git.text(["rev-parse", "--absolute-git-dir"])
    path = try resolved(wanted)
    let tree = try git.text(["rev-parse", "--verify", "\(revision)^{tree}"])
    entries = try list(tree)
    let own = entries.filter { isBelow($0.path, path) }
    if own.isEmpty, !path.isEmpty { throw try missing(revision, wanted) }
    let read = own.filter { !isSkipped($0.path) && ($0.kind != .file || $0.path == path || Self.isPolicyFile($0.path)) }
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    git.useFiles(in: root, of: repository)
    _ = try git.run(["read-tree", tree])
    try write(read)
    try followLinks(read.filter { $0.kind == .link })
  }

  private func isBelow(_ path: String, _ directory: String) -> Bool {
    directory.isEmpty || path.utf8.elementsEqual(directory.utf8) || path.utf8.starts(with: (directory + "/").utf8)
  }

  /// The path from the top of the repository (git: `REV:PATH`; only `./` and `../` begin where one stands).
  private func resolved(_ wanted: String) throws -> String {
    if wanted.hasPrefix("/") { throw problem("names an absolute path", help: "write it from the top of the repository") }
    let isRelative = [".", ".."].contains { wanted == $0 || wanted.hasPrefix($0 + "/") }
    let prefix = isRelative ? try git.text(["rev-parse", "--show-prefix"]) : ""
    guard let path = Self.joined(prefix, wanted) else { throw problem("leads outside of the repository") }
    return path
  }

  /// A path from a directory, without `.` and `..`; nil where it leads above the top.
  private static func joined(_ directory: String, _ path: String) -> String? {
    var parts: [Substring] = []
    for part in (directory + "/" + path).split(separator: "/") where part != "." {
      if part != ".." {
        parts.append(part)
      } else if parts.popLast() == nil {
        return nil
      }
    }
    return parts.joined(separator: "/")
  }

  private func missing(_ revision: String, _ wanted: String) throws -> CommandProblem {
    let prefix = try git.text(["rev-parse", "--show-prefix"])
    let isHere = Self.joined(prefix, wanted).map { here in entries.contains { isBelow($0.path, here) } } ?? false
    return problem(
      "cannot be read: `\(Printable.text(revision))` holds no `\(Printable.text(path))`",
      help: !prefix.isEmpty && isHere
        ? "write `git:\(Printable.text(revision)):./\(Printable.text(wanted))` for a path from where one stands" : nil)
  }

  /// All files, links and submodules of a tree.
  private func list(_ tree: String) throws -> [GitEntry] {
    try git.run(["ls-tree", "-r", "-z", "--full-tree", tree]).split(separator: 0).map { line in
      // MODE TYPE OBJECT, a tab, and the path as it is.
      guard let tab = line.firstIndex(of: 0x09), let path = String(validating: line[(tab + 1)...], as: UTF8.self) else {
        throw problem("holds the name `\(Printable.text(String(decoding: line, as: UTF8.self)))`, which is not UTF-8")
      }
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      if parts.contains(where: { ["", ".", ".."].contains($0) }) { throw problem("holds the name `\(Printable.text(path))`") }
      let mode = String(decoding: line.prefix(6), as: UTF8.self)
      return GitEntry(kind: mode == "120000" ? .link : mode == "160000" ? .submodule : .file, path: path)
    }
  }

  /// Whether nothing is read from the path: something on the way to it is hidden.
  private func isSkipped(_ path: String) -> Bool {
    let rest = self.path.isEmpty ? path[...] : path.dropFirst(self.path.count)
    return rest.split(separator: "/").contains { $0.hasPrefix(".") }
  }

  private static func isPolicyFile(_ path: String) -> Bool { [".yaml", ".yml", ".json"].contains { path.hasSuffix($0) } }

  /// Writes files and links, as git would check them out, and looks that each is there.
  private mutating func write(_ wanted: [GitEntry]) throws {
    if let submodule = wanted.first(where: { $0.kind == .submodule }) {
      throw problem(
        "holds the submodule `\(Printable.text(submodule.path))`, whose files are in another repository",
        help: "name a path without it, or check the revision out and name the directory")
    }
    let new = wanted.filter { !written.contains($0.path) }
    if new.isEmpty { return }
    _ = try git.run(["checkout-index", "-f", "-z", "--stdin"], input: new.flatMap { Array($0.path.utf8) + [0] })
    for entry in new {
      written.insert(entry.path)
      guard kind(of: entry.path) == entry.kind else {
        throw problem("could not be read: git wrote no `\(Printable.text(entry.path))`")
      }
    }
  }

  /// What has been written there.
  private func kind(of path: String) -> GitEntry.Kind? {
    var status = stat()
    guard unsafe lstat(root + "/" + path, &status) == 0 else { return nil }
    return status.st_mode & S_IFMT == S_IFLNK ? .link : status.st_mode & S_IFMT == S_IFREG ? .file : nil
  }

  /// Where a link that has been written leads, from the top of the repository.
  private func target(of link: String) throws -> String {
    let text = try FileManager.default.destinationOfSymbolicLink(atPath: root + "/" + link)
    let directory = link.split(separator: "/").dropLast().joined(separator: "/")
    guard !text.hasPrefix("/"), let inside = Self.joined(directory, text) else { throw leadsOut(link, text) }
    // What stands in front of such dots may be a link itself.
    let parts = text.split(separator: "/").drop { $0 == ".." || $0 == "." }
    if parts.contains("..") { throw leadsOut(link, text) }
    return inside
  }

  private func leadsOut(_ link: String, _ target: String) -> CommandProblem {
    problem(
      "holds the link `\(Printable.text(link))` to `\(Printable.text(target))`, which does not lead straight to something in the repository",
      help: "name a path without it, or check the revision out and name the directory")
  }

  /// Writes what links of the tree lead to, also through other links; refuses those that lead out of the repository.
  private mutating func followLinks(_ links: [GitEntry]) throws {
    var left = links
    var followed: Set<String> = []
    while let link = left.popLast() {
      guard followed.insert(link.path).inserted else { continue }
      var inside = try target(of: link.path)
      var steps = 0
      while steps < 40, let other = entries.first(where: { $0.kind == .link && $0.path != inside && isBelow(inside, $0.path) }) {
        try write([other])
        left.append(other)
        inside = try target(of: other.path) + inside.dropFirst(other.path.count)
        steps += 1
      }
      let found = entries.filter { isBelow($0.path, inside) }
      try write(found)
      left += found.filter { $0.kind == .link }
    }
    // Nothing is read from elsewhere, whatever the texts of links say.
    for link in followed {
      if let real = GitTree.real(root + "/" + link), !isBelow(real, root) { throw leadsOut(link, real) }
    }
  }
}

/// The program `git`, asked about the repository that one stands in.
private struct Git {
  let name: String
  let scratch: String
  private var environment = ProcessInfo.processInfo.environment
  private var options: [String] = []

  init(name: String, scratch: String) {
    (self.name, self.scratch) = (name, scratch)
    environment["LC_ALL"] = "C"
    environment["GIT_OPTIONAL_LOCKS"] = "0"
  }

  /// From now on with an index of its own, and with files elsewhere.
  mutating func useFiles(in directory: String, of repository: String) {
    environment["GIT_DIR"] = repository
    environment["GIT_WORK_TREE"] = directory
    environment["GIT_INDEX_FILE"] = scratch + "/index"
    let settings = [
      "core.hooksPath=/dev/null", "core.bare=false", "core.sparseCheckout=false", "core.splitIndex=false", "core.symlinks=true",
      "core.fsmonitor=false", "core.untrackedCache=false",
    ]
    options = ["-C", directory] + settings.flatMap { ["-c", $0] }
  }

  /// One line of an answer.
  func text(_ arguments: [String]) throws -> String {
    let bytes = try run(arguments)
    return String(decoding: bytes.last == 0x0a ? bytes.dropLast() : bytes[...], as: UTF8.self)
  }

  /// The whole answer. Everything goes through files, so that nobody waits for anybody.
  func run(_ arguments: [String], input: [UInt8] = []) throws -> [UInt8] {
    let paths = ["input", "output", "errors"].map { scratch + "/" + $0 }
    try Data(input).write(to: URL(fileURLWithPath: paths[0]))
    for path in paths.dropFirst() { try Data().write(to: URL(fileURLWithPath: path)) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["git"] + options + arguments
    process.environment = environment
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: paths[0]))
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[2]))
    try process.run()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      throw problem(process.terminationStatus, try Data(contentsOf: URL(fileURLWithPath: paths[2])))
    }
    return Array(try Data(contentsOf: URL(fileURLWithPath: paths[1])))
  }

  private func problem(_ status: Int32, _ errors: Data) -> CommandProblem {
    let shown = Printable.text(name)
    let lines = String(decoding: errors, as: UTF8.self).split(separator: "\n").map(String.init)
    let words = lines.first { $0.hasPrefix("fatal: ") }.map { String($0.dropFirst(7)) } ?? lines.first ?? "git gives no reason"
    if status == 127 { return CommandProblem("`\(shown)` cannot be read: there is no program `git`") }
    if words.hasPrefix("not a git repository") {
      return CommandProblem("`\(shown)` cannot be read: this directory is in no git repository", help: "run it in the repository")
    }
    if words.hasPrefix("Needed a single revision") {
      return CommandProblem("`\(shown)` cannot be read: the repository has no such revision")
    }
    return CommandProblem("`\(shown)` cannot be read: \(Printable.text(words))")
  }
}
