// What one pass over all files found, and what is remembered of the passes before. Plain values between the reader of files and the
// rules of the last good version, so that the rules can be tested without a file.

internal import PolicyLoading
internal import PolicyModel

/// The parsed content of a file; shared by all that refer to an object in it.
final class FileContent: Sendable {
  let loaded: LoadedFile
  /// Different for every parse, so that unchanged content can be told without looking into it.
  let version: UInt64

  init(_ loaded: LoadedFile, version: UInt64) {
    self.loaded = loaded
    self.version = version
  }
}

/// One pass over all files.
struct SourceReading: Sendable {
  /// A file that was read.
  struct File: Sendable {
    var name: ExactText
    var content: FileContent
  }

  /// A root, a directory or a file that is there, or should be, and cannot be read.
  struct Unreadable: Sendable, Equatable {
    var path: ExactText
    var reason: String
    /// Whether there is something that nobody can look into, so that it may hold a policy; not a link or a root that leads nowhere.
    var isHiding = false
  }

  /// The files that were read, sorted by name.
  var files: [File] = []
  /// What could not be read; it stands for every file at or below its path.
  var unreadable: [Unreadable] = []
  /// Files that are not as they were read, because they, or new ones that they may have become, have been open for writing for so long
  /// that nobody waits for them any more.
  var heldBack: [Unreadable] = []
}

/// Changes that are not to be looked at yet.
struct Deferral: Sendable {
  /// Files that are being written.
  var files: Set<FileID> = []
  /// Those of `files` that others do not wait for any more.
  var late: Set<FileID> = []
  /// Names, and what lies below them, that were just made or removed.
  var names: Set<ExactText> = []

  var isEmpty: Bool { files.isEmpty && names.isEmpty }

  func isWithin(_ other: Deferral) -> Bool { files.isSubset(of: other.files) && names.isSubset(of: other.names) }

  func holds(_ name: ExactText, _ id: FileID?) -> Bool {
    if let id, files.contains(id) { return true }
    guard !names.isEmpty else { return false }
    return names.contains(name) || names.contains { name.isAtOrBelow($0) }
  }
}

/// One object in force: where its value is, and whether the files still say so.
struct LiveObject: Sendable {
  var file: ExactText
  var content: FileContent
  var index: Int
  var trouble: Trouble?

  /// Why the last good version is in force. Shared, because most objects have none and should not be larger for it.
  final class Trouble: Sendable {
    let since: Int64
    let location: SourceLocation
    let reason: String

    init(since: Int64, location: SourceLocation, reason: String) {
      self.since = since
      self.location = location
      self.reason = reason
    }
  }

  var object: LoadedObject { content.loaded.objects[index] }
  func isSameVersion(as other: LiveObject) -> Bool { content.version == other.content.version && index == other.index }
}

/// A broken policy that denies what it could attach to.
struct UnusableEntry: Sendable {
  var file: ExactText
  var policy: UnusablePolicy
  var since: Int64
  var reason: String

  /// Whether both stand for the same broken text, wherever it is in its file.
  func isSameObject(as other: UnusableEntry) -> Bool {
    file == other.file && policy.key == other.policy.key && policy.reach == other.policy.reach
  }
}

/// A workload that cannot be used, and its file.
struct UnusableWorkloadEntry: Sendable {
  var file: ExactText
  var workload: UnusableWorkload

  /// Whether both stand for the same text, wherever it is in its file.
  func isSameObject(as other: UnusableWorkloadEntry) -> Bool {
    file == other.file && workload.kind == other.workload.kind && workload.namespace == other.workload.namespace
      && workload.name == other.workload.name
  }
}

/// What is remembered of one file.
struct FileMemory: Sendable {
  var content: FileContent
  /// The objects that it held when it was last read whole, and since.
  var held: Set<ObjectKey>
}
