// The file with the mesh's settings, looked at again and again. What a look finds enters; the settings in force leave, with what is wrong
// with the file now. Settings change only to those of a file that stood still between two looks and has no error: half of a file that is
// being written may be a whole one by accident, and `trustDomain` would be gone.
// Never here: options that win over the file, or the making of a snapshot.

internal import Glibc
public import PolicyLoading
public import PolicyModel

/// A MeshConfig file, and the last good settings that it held.
///
/// Call `look()` about once a second. A change is in force with the second look that finds it.
public struct MeshConfigFile: Sendable {
  /// What a look led to.
  public enum Change: Sendable, Equatable {
    /// Everything is as it was.
    case none
    /// Other settings are in force.
    case settings
    /// The settings are the same; `trouble` is not.
    case trouble
  }

  /// Why the last good settings are in force.
  public struct Trouble: Sendable, Equatable {
    /// Since when the file says something else, or nothing, in Unix seconds.
    public var since: Int64
    /// What is wrong, as one sentence.
    public var reason: String
  }

  /// The path as the user named it.
  public let path: ExactText
  private let limits: LoadingLimits
  private var state: MeshConfigState

  /// Begins with settings that were read from the file.
  public init(path: ExactText, settings: LoadedMeshConfig, limits: LoadingLimits = LoadingLimits()) {
    self.path = path
    self.limits = limits
    state = MeshConfigState(settings: settings)
  }

  /// Reads a file once; what is wrong with it, as text for people, instead of settings that cannot be used. A file that was written within the
  /// settle time is read when it stands still, as policies are. O(bytes).
  public static func load(
    _ path: ExactText, limits: LoadingLimits = LoadingLimits(), options: PolicySourceOptions = PolicySourceOptions()
  ) -> (settings: LoadedMeshConfig?, findings: [String]) {
    do throws(SystemError) {
      let patience = Patience(options)
      var before: FileStamp?
      while true {
        let description = try FileSystem.describe(path, follow: true)
        guard description.kind == .regular else { return (nil, ["\(path): error: is not a regular file"]) }
        let rest = patience.remaining(since: description.stamp.latest)
        if rest == 0 || before == description.stamp, let (bytes, stamp) = try FileSystem.read(path, limit: limits.fileBytes),
          stamp == description.stamp
        {
          let (settings, diagnostics) = loadMeshConfig(text: bytes, file: path, limits: limits)
          return (settings, diagnostics.map(\.description))
        }
        guard patience.wait(max(rest, 1), isFirst: before == nil) else { break }
        before = description.stamp
      }
      return (nil, ["\(path): error: kept changing while it was read"])
    } catch {
      return (nil, ["\(path): error: cannot be read: \(error.text)"])
    }
  }

  /// The settings in force.
  public var settings: LoadedMeshConfig { state.settings }
  /// Why they are not what the file says; nil when they are.
  public var trouble: Trouble? { state.trouble }
  /// The findings in the version that was read last.
  public var diagnostics: [Diagnostic] { state.diagnostics }

  /// Looks at the file, and reads it when it has changed and stands still. Blocks the calling thread; O(bytes) after a change.
  public mutating func look() -> Change {
    let now = Clock.secondsSince1970()
    let before = trouble
    var isNew = false
    do throws(SystemError) {
      let description = try FileSystem.describe(path, follow: true)
      // As reading a directory would fail. Of anything else that is no file nobody knows what it says, so it is as if there were none.
      guard description.kind != .directory else { throw SystemError(code: EISDIR) }
      if description.kind != .regular {
        state.miss("cannot be read: it is not a regular file", now: now)
      } else if state.see(description.stamp) {
        if let (bytes, stamp) = try FileSystem.read(path, limit: limits.fileBytes) {
          isNew = state.take(loadMeshConfig(text: bytes, file: path, limits: limits), of: stamp, now: now)
        } else {
          state.forget()
        }
      }
    } catch {
      state.miss("cannot be read: \(error.text)", now: now)
    }
    return isNew ? .settings : before == trouble ? .none : .trouble
  }
}

/// What is known of the file; pure, so that it can be tested without one.
struct MeshConfigState: Sendable {
  private(set) var settings: LoadedMeshConfig
  private(set) var diagnostics: [Diagnostic] = []
  /// The version that was read last; nil at first, so that what changed since the start is found.
  private var read: FileStamp?
  /// The version that the last look found, when it was not read.
  private var seen: FileStamp?
  /// Why the file cannot be looked at.
  private var missing: MeshConfigFile.Trouble?
  /// What is wrong with the version that was read last.
  private var broken: MeshConfigFile.Trouble?

  init(settings: LoadedMeshConfig) { self.settings = settings }

  var trouble: MeshConfigFile.Trouble? { missing ?? broken }

  /// Notes which version is there; whether it is to be read.
  mutating func see(_ stamp: FileStamp) -> Bool {
    missing = nil
    guard stamp != read else {
      seen = nil
      return false
    }
    defer { seen = stamp }
    return seen == stamp
  }

  /// Notes that the file moved while it was read.
  mutating func forget() { seen = nil }

  /// Takes over what was read; whether other settings are in force now.
  mutating func take(
    _ loaded: (settings: LoadedMeshConfig?, diagnostics: [Diagnostic]), of stamp: FileStamp, now: Int64
  ) -> Bool {
    read = stamp
    seen = nil
    diagnostics = loaded.diagnostics
    guard let found = loaded.settings else {
      let reason = loaded.diagnostics.first { $0.severity == .error }.map { Diagnostic.escaped($0.message) } ?? "cannot be used"
      broken = MeshConfigFile.Trouble(since: broken?.since ?? now, reason: reason)
      return false
    }
    broken = nil
    guard found != settings else { return false }
    settings = found
    return true
  }

  /// Notes that the file cannot be looked at.
  mutating func miss(_ reason: String, now: Int64) {
    seen = nil
    missing = MeshConfigFile.Trouble(since: missing?.since ?? now, reason: reason)
  }
}
