// Which files there are. Roots as the user named them enter; the policy files below them, their versions, and the directories and
// links that led there leave. No file is opened here.
//
// Two equal scans, one before and one after reading, prove that nothing was renamed or swapped in between: the links passed are part
// of a scan, and a link that was renamed over another is a different one.

internal import Glibc
internal import PolicyModel

/// The files below the roots at one time.
struct SourceScan: Sendable {
  /// A policy file.
  struct File: Sendable {
    /// The path as the user would write it.
    var name: ExactText
    /// The path without symbolic links.
    var path: ExactText
    var stamp: FileStamp

    func isSamePlace(as other: File) -> Bool { name == other.name && path == other.path && stamp.id == other.stamp.id }
  }

  /// A symbolic link that was followed.
  struct Link: Sendable, Equatable {
    var path: ExactText
    var stamp: FileStamp
  }

  /// What matters in one directory.
  struct Interest: Sendable, Equatable {
    /// The names under which the user knows the directory; all policy files in it matter.
    var names: [ExactText] = []
    /// Single entries that matter whatever they are called: links, and what links lead to.
    var entries: Set<ExactText> = []
    /// Whether one of the entries is a file, so that writing to it matters.
    var hasFiles = false
  }

  /// The policy files, sorted by name, each path once.
  var files: [File] = []
  var unreadable: [SourceReading.Unreadable] = []
  var links: [Link] = []
  /// By path without symbolic links.
  var directories: [ExactText: Interest] = [:]

  /// Whether only the content of files differs, not which files there are and how they are reached.
  func isSameLayout(as other: SourceScan) -> Bool {
    files.count == other.files.count && zip(files, other.files).allSatisfy { $0.isSamePlace(as: $1) } && links == other.links
      && unreadable == other.unreadable && directories == other.directories
  }

  /// Whether a file in a directory is one of policies: by its suffix, and not hidden.
  static func isPolicyFile(_ name: ExactText) -> Bool {
    let bytes = name.string.utf8.span
    guard !bytes.isEmpty, bytes[0] != UInt8(ascii: ".") else { return false }
    return hasSuffix(bytes, ".yaml") || hasSuffix(bytes, ".yml") || hasSuffix(bytes, ".json")
  }

  /// Whether a name ends with `suffix` and is longer.
  private static func hasSuffix(_ name: Span<UInt8>, _ suffix: StaticString) -> Bool {
    let start = name.count - suffix.utf8CodeUnitCount
    guard start > 0 else { return false }
    for offset in 0..<suffix.utf8CodeUnitCount where unsafe name[start + offset] != suffix.utf8Start[offset] { return false }
    return true
  }
}

extension SourceScan? {
  /// Whether nothing at all differs.
  func isSame(as other: SourceScan) -> Bool {
    guard let self else { return false }
    return self.isSameLayout(as: other) && zip(self.files, other.files).allSatisfy { $0.stamp == $1.stamp }
  }
}

/// Walks the roots. Make one for one scan.
struct SourceWalk {
  private(set) var scan = SourceScan()
  private var seenFiles: Set<ExactText> = []
  private var seenDirectories: Set<ExactText> = []
  private let workingDirectory: ExactText
  /// Directories that were listed for this scan already.
  private var listings: [ExactText: [FileSystem.Entry]] = [:]

  /// As many as Linux follows.
  private static let mostLinks = 40
  private static let mostLevels = 100

  private init(workingDirectory: ExactText) { self.workingDirectory = workingDirectory }

  /// Scans `roots` in order. A file that is reached twice counts once, under its first name. O(entries).
  /// - Parameter expected: directories that the walk will probably meet, as the last one did; several threads look at them first.
  /// - Parameter processors: how many threads may do so.
  static func scan(_ roots: [ExactText], expecting expected: [ExactText], processors: Int) -> SourceScan {
    do {
      var walk = SourceWalk(workingDirectory: try FileSystem.workingDirectory())
      walk.listings = listings(of: expected, processors)
      for root in roots { walk.visitRoot(root.withoutTrailingSlashes) }
      walk.scan.files.sort { $0.name < $1.name }
      walk.scan.unreadable.sort { $0.path < $1.path }
      return walk.scan
    } catch {
      var scan = SourceScan()
      scan.unreadable = roots.map { .init(path: $0.withoutTrailingSlashes, reason: "the working directory is lost: \(error.text)") }
      return scan
    }
  }

  /// What the directories hold now; one that cannot be listed is left to the walk.
  private static func listings(of directories: [ExactText], _ processors: Int) -> [ExactText: [FileSystem.Entry]] {
    let threads = min(processors, directories.count / directoriesWorthAThread)
    guard threads > 1 else { return [:] }
    let found = Sharing.results(count: directories.count, threads: threads) { index -> [FileSystem.Entry]? in
      do throws(SystemError) {
        return try FileSystem.entries(of: directories[index])
      } catch {
        return nil
      }
    }
    var listings: [ExactText: [FileSystem.Entry]] = [:]
    for (directory, entries) in zip(directories, found) { listings[directory] = entries }
    return listings
  }

  private static let directoriesWorthAThread = 8

  private mutating func visitRoot(_ root: ExactText) {
    do throws(SystemError) {
      let base: ExactText = root.string.utf8.first == UInt8(ascii: "/") ? "" : workingDirectory
      let found = try resolve(root, from: base, notesAll: true)
      try visit(root, found, level: 0)
    } catch {
      refuse(root, error)
    }
  }

  private mutating func visit(_ name: ExactText, _ found: Resolved, level: Int) throws(SystemError) {
    switch found.description.kind {
    case .directory: visitDirectory(name, found.path, level: level)
    case .regular:
      guard seenFiles.insert(found.path).inserted else { return }
      scan.files.append(.init(name: name, path: found.path, stamp: found.description.stamp))
    case .link, .other: refuse(name, "it is neither a file nor a directory")
    }
  }

  private mutating func visitDirectory(_ name: ExactText, _ path: ExactText, level: Int) {
    guard level < Self.mostLevels else {
      return refuse(name, "directories are nested more than \(Self.mostLevels) levels deep", isHiding: true)
    }
    guard seenDirectories.insert(path).inserted else { return }
    scan.directories[path, default: .init()].names.append(name)
    let entries: [FileSystem.Entry]
    do throws(SystemError) {
      entries = if let known = listings[path] { known } else { try FileSystem.entries(of: path.isEmpty ? "/" : path) }
    } catch {
      return refuse(name, error)
    }
    let order = entries.enumerated().map { (name: $1.name, place: $0) }.sorted { $0.name < $1.name }
    for (entryName, place) in order where entryName.string.utf8.first != UInt8(ascii: ".") {
      let entry = entries[place]
      guard entry.isUTF8 else {
        refuse(name.appending(entry.name), "its name is not UTF-8", isHiding: SourceScan.isPolicyFile(entry.name))
        continue
      }
      visitEntry(entry.name, entry.description, name, path, level)
    }
  }

  private mutating func visitEntry(
    _ entry: ExactText, _ description: Result<FileDescription, SystemError>, _ directory: ExactText, _ path: ExactText, _ level: Int
  ) {
    let name = directory.appending(entry)
    let isPolicyFile = SourceScan.isPolicyFile(entry)
    do throws(SystemError) {
      let description = try description.get()
      switch description.kind {
      case .regular where isPolicyFile, .directory:
        // Without links on the way, both are one text.
        let own = directory == path ? name : path.appending(entry)
        try visit(name, Resolved(path: own, description: description), level: level + 1)
      case .link: visitLink(entry, name, path, level, isPolicyFile: isPolicyFile)
      case .other where isPolicyFile: refuse(name, "it is neither a file nor a directory")
      case .regular, .other: break
      }
    } catch {
      // Gone since the directory was listed: the next scan will differ. Anything else hides something.
      if error.code != ENOENT { refuse(name, error) }
    }
  }

  /// Follows a link in a directory. One that leads nowhere matters only when its name is that of a policy file: links to other things
  /// than policies may dangle as they like.
  private mutating func visitLink(_ entry: ExactText, _ name: ExactText, _ path: ExactText, _ level: Int, isPolicyFile: Bool) {
    do throws(SystemError) {
      let found = try resolve(entry, from: path, notesAll: false)
      if found.description.kind == .directory || isPolicyFile { try visit(name, found, level: level + 1) }
    } catch {
      if isPolicyFile || error.code != ENOENT { refuse(name, error) }
    }
  }

  private mutating func refuse(_ name: ExactText, _ error: SystemError) {
    refuse(name, error.text, isHiding: error.isHiding)
  }

  private mutating func refuse(_ name: ExactText, _ reason: String, isHiding: Bool = false) {
    scan.unreadable.append(.init(path: name, reason: "cannot be read: \(reason)", isHiding: isHiding))
  }

  // MARK: Links

  private struct Resolved {
    var path: ExactText
    var description: FileDescription
  }

  /// Follows `path` from the directory `base` and notes each link passed, and the directories in which a rename would lead elsewhere.
  private mutating func resolve(_ path: ExactText, from base: ExactText, notesAll: Bool) throws(SystemError) -> Resolved {
    var current = base
    var rest = path.components
    var links = 0
    var last: FileDescription?
    rest.reverse()
    while let component = rest.popLast() {
      if component == "." { continue }
      if component == ".." {
        current = current.parent
        last = nil
        continue
      }
      scan.directories[current, default: .init()].entries.insert(component)
      let next = current.appending(component)
      let description = try FileSystem.describe(next, follow: false)
      guard description.kind == .link else {
        if description.kind == .regular { scan.directories[current]?.hasFiles = true }
        if description.kind != .directory, !rest.isEmpty { throw SystemError(code: ENOTDIR) }
        current = next
        last = description
        continue
      }
      scan.links.append(.init(path: next, stamp: description.stamp))
      links += 1
      guard links <= Self.mostLinks else { throw SystemError(code: ELOOP) }
      guard let target = try FileSystem.target(ofLink: next) else { throw SystemError(code: EILSEQ) }
      if target.string.utf8.first == UInt8(ascii: "/") { current = "" }
      last = nil
      rest += target.components.reversed()
    }
    let description = if let last { last } else { try FileSystem.describe(current.isEmpty ? "/" : current, follow: false) }
    return Resolved(path: current, description: description)
  }
}

extension ExactText {
  /// The parts between slashes.
  fileprivate var components: [ExactText] {
    string.utf8.split(separator: UInt8(ascii: "/")).map { ExactText(String(Substring($0))) }
  }

  fileprivate var withoutTrailingSlashes: ExactText {
    var bytes = bytes
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    return ExactText(String(decoding: bytes, as: UTF8.self))
  }

  /// The directory of an absolute path without a trailing slash; the root is the empty text.
  fileprivate var parent: ExactText {
    let bytes = bytes
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "" }
    return ExactText(String(decoding: bytes[..<slash], as: UTF8.self))
  }

  /// The path of an entry of this directory.
  func appending(_ entry: ExactText) -> ExactText {
    string.utf8.last == UInt8(ascii: "/") ? ExactText(string + entry.string) : ExactText(string + "/" + entry.string)
  }
}
