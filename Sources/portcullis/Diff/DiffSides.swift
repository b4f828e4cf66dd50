// The two sides of a comparison: paths, or what a revision of git holds.
// Enters: `PATH` or `git:REV:PATH`. Leaves: a policy set, and how its files are shown. What does not load ends the command with its findings.
// Never here: a change to a repository, or a file that stays behind.

internal import ArgumentParser
internal import DecisionText
internal import Foundation
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

/// The settings of both sides.
struct DiffSettings: ParsableArguments {
  @Option(help: ArgumentHelp("The mesh's settings: a MeshConfig, or Istio's ConfigMap that holds it.", valueName: "file"))
  var meshConfig: String?

  @Option(help: ArgumentHelp("The mesh's trust domain. (default: cluster.local)", valueName: "domain"))
  var trustDomain: String?

  @Option(help: ArgumentHelp("A further name of the trust domain; repeatable.", valueName: "domain"))
  var trustDomainAlias: [String] = []

  @Option(help: ArgumentHelp("A further trust domain whose peers mutual TLS takes; repeatable.", valueName: "domain"))
  var acceptedTrustDomain: [String] = []

  @Option(help: ArgumentHelp("The namespace whose policies apply to all. (default: istio-system)", valueName: "namespace"))
  var rootNamespace: String?

  @Option(help: "What the proxies do to paths before policies see them. (default: base)")
  var pathNormalization: PathNormalization?

  @Option(help: ArgumentHelp("A provider of CUSTOM rules that the proxy asks itself; repeatable.", valueName: "name"))
  var customDelegated: [String] = []

  @Flag(help: "Decide objects that Istio's webhook would refuse as Istio does at run time on a cluster without it.")
  var lenient = false

  /// The mesh's settings, read as every other verb reads them.
  func mesh() throws -> MeshSettings {
    var words = ["--policies", "."]
    func add(_ name: String, _ values: [String]) { for value in values { words += ["\(name)=\(value)"] } }
    add("--mesh-config", [meshConfig].compactMap { $0 })
    add("--trust-domain", [trustDomain].compactMap { $0 })
    add("--trust-domain-alias", trustDomainAlias)
    add("--accepted-trust-domain", acceptedTrustDomain)
    add("--root-namespace", [rootNamespace].compactMap { $0 })
    add("--path-normalization", [pathNormalization?.rawValue].compactMap { $0 })
    add("--custom-delegated", customDelegated)
    return try PolicyOptions.parse(words).meshSettings()
  }
}

/// One side as it was named.
struct DiffSide {
  /// As it was written.
  let name: String
  let policies: PolicySet
  /// What stands in front of files that were taken out of git, and what is shown instead.
  private let extracted: String?
  private let shown: String

  /// Reads a side; prints what is wrong with it, and ends with exit code 2 when something is.
  init(_ name: String, isLenient: Bool, mesh: MeshSettings) throws {
    self.name = name
    var options = PolicySourceOptions()
    // A side without policies is one on which everything is allowed; the comparison then says so.
    options.allowEmpty = true
    options.isLenient = isLenient
    guard name.hasPrefix("git:") else {
      (extracted, shown) = (nil, "")
      policies = try Self.load(name, options, mesh) { $0 }
      return
    }
    let parts = name.dropFirst(4).split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, !parts[0].hasPrefix("-"), !parts[1].hasPrefix("-") else {
      throw CommandProblem(
        "`\(Printable.text(name))` names no revision and path", help: "write `git:REV:PATH`, such as `git:main:policies`")
    }
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("portcullis-diff-\(UUID().uuidString)").path
    let prefix = "git:\(parts[0]):"
    (extracted, shown) = (directory + "/", prefix)
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(atPath: directory) } catch { StandardError.write("`\(directory)` could not be removed") }
    }
    let archive = directory + "/.archive.tar"
    try Self.run("git", ["archive", "--format=tar", "-o", archive, parts[0], parts[1]], name)
    try Self.run("tar", ["-xf", archive, "-C", directory], name)
    policies = try Self.load(directory + "/" + parts[1], options, mesh) {
      $0.replacingOccurrences(of: directory + "/", with: prefix)
    }
  }

  private static func run(_ program: String, _ arguments: [String], _ name: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let said = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let words = String(decoding: said, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? "no reason given"
      throw CommandProblem("`\(Printable.text(name))` cannot be read: \(Printable.text(words))")
    }
  }

  private static func load(
    _ path: String, _ options: PolicySourceOptions, _ mesh: MeshSettings, _ show: (String) -> String
  ) throws -> PolicySet {
    let loaded = PolicySources(paths: [path], options: options).load()
    let diagnostics = loaded.diagnostics + loaded.policies.undecidablePolicies(mesh).map { $0.diagnostic(readsFile: true) }
    for diagnostic in diagnostics { StandardError.write(show(diagnostic.description)) }
    let errors = diagnostics.count { $0.severity == .error }
    if errors > 0 {
      StandardError.write("\(errors) error\(errors == 1 ? "" : "s") in the input; nothing is compared")
      throw ExitCode(Answer.unusable.rawValue)
    }
    return loaded.policies
  }

  /// A place in one of its files.
  func shown(_ location: SourceLocation?) -> String? {
    location.map { place in
      guard let extracted, place.description.hasPrefix(extracted) else { return place.description }
      return shown + place.description.dropFirst(extracted.count)
    }
  }
}
