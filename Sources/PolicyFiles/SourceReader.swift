// Reads all files as of one moment. Roots enter; the parsed content of every file leaves, or the word that things are in motion.
// Only files whose version differs from the last pass are opened, only those whose bytes differ are parsed.
//
// One moment: scan, read what changed, scan again. When files were renamed or links swapped meanwhile, everything is tried again, so
// that no pass mixes two versions of a directory. A file that is still being written keeps its last content, under a new name too; one
// that is being written and was never read may hold anything, so that while it settles no content that left its place is let go.

internal import PolicyLoading
internal import PolicyModel

/// Reads the files below some roots, again and again.
struct SourceReader: Sendable {
  private let roots: [ExactText]
  private let limits: LoadingLimits
  private let isLenient: Bool
  private let processors: Int
  private var cache: [ExactText: Cached] = [:]
  private var versions: UInt64 = 0
  /// Files that were never read and that nobody waited for in the last pass.
  private var lateNewcomers: Set<FileID> = []
  /// The last scan that a reading came from.
  private(set) var lastScan: SourceScan?
  /// Whether a file was read so soon after its last change that another one might not show in its times.
  private(set) var hasFreshFiles = false
  /// How much was parsed since the reader was made, in bytes.
  private(set) var parsedBytes = 0

  /// What is known of one file. Shared by the passes that find it unchanged.
  fileprivate final class Cached: Sendable {
    /// Under which name it was parsed: its places say so.
    let name: ExactText
    /// Where it stood, without symbolic links.
    let path: ExactText
    /// Whether the file was gone when this was kept.
    let isGone: Bool
    let stamp: FileStamp
    let digest: Int
    let isFresh: Bool
    let content: FileContent

    init(
      name: ExactText, path: ExactText, isGone: Bool = false, stamp: FileStamp, digest: Int, isFresh: Bool, content: FileContent
    ) {
      self.name = name
      self.path = path
      self.isGone = isGone
      self.stamp = stamp
      self.digest = digest
      self.isFresh = isFresh
      self.content = content
    }
  }

  /// How often a pass is begun again before it gives way.
  private static let attempts = 5
  /// File times move in steps of the kernel's tick, at most 10 ms; generously.
  private static let freshness: Int64 = 100_000_000

  init(roots: [ExactText], _ options: PolicySourceOptions) {
    self.roots = roots
    limits = options.limits
    isLenient = options.isLenient
    processors = max(1, min(options.mostThreads, Sharing.processors))
  }

  /// The files as they are now, without reading them.
  func scan() -> SourceScan {
    SourceWalk.scan(
      roots, expecting: lastScan?.directories.filter { !$0.value.names.isEmpty }.map(\.key) ?? [], processors: processors)
  }

  /// Reads everything that changed. Nil when names or links kept moving: try again soon; nothing was taken over.
  /// - Parameter deferring: called after each scan, says what is not to be looked at.
  mutating func read(deferring: (SourceScan) -> Deferral) -> SourceReading? {
    var before = scan()
    var deferral = deferring(before)
    for attempt in 1...Self.attempts {
      let pass = readOnce(before, deferral)
      let after = scan()
      let earlier = deferral
      deferral = deferring(after)
      if after.isSameLayout(as: before) {
        let moving = zip(before.files, after.files).filter { $0.stamp != $1.stamp && !deferral.holds($0.name, $0.stamp.id) }
        // What is held since this pass began was read too early: the report of a change comes after the change.
        if pass.isComplete, moving.isEmpty, deferral.isWithin(earlier) { return take(pass, after) }
        // Names stand still, some content does not: those files keep what they had.
        if attempt == Self.attempts {
          let names = Set(moving.map(\.0.name))
          deferral.names.formUnion(names)
          let rest = readOnce(before, deferral)
          if rest.isComplete, scan().isSameLayout(as: before) { return take(rest, before) }
        }
      }
      before = after
    }
    return nil
  }

  fileprivate struct Pass {
    var files: [SourceReading.File] = []
    var cache: [ExactText: Cached] = [:]
    var unreadable: [SourceReading.Unreadable] = []
    var heldBack: [SourceReading.Unreadable] = []
    var lateNewcomers: Set<FileID> = []
    var hasFreshFiles = false
    var isComplete = true
  }

  private mutating func readOnce(_ scan: SourceScan, _ deferral: Deferral) -> Pass {
    var pass = Pass()
    pass.cache.reserveCapacity(scan.files.count)
    pass.files.reserveCapacity(scan.files.count)
    pass.unreadable = scan.unreadable
    var left = Departed(scan, cache, deferral)
    var changed: [(file: SourceScan.File, known: Cached?)] = []
    for file in scan.files {
      let known = cache[file.name]
      // A link that was swapped changes all its names in one step. What is held of them is about the files that they meant before (or
      // about a file whose number another has now): keeping one of those beside the others would be half of each.
      let isSwapped = known.map { $0.path != file.path } ?? false
      if !isSwapped, deferral.holds(file.name, file.stamp.id) {
        keep(file, known, deferral, &pass, &left)
        continue
      }
      if let known, known.stamp == file.stamp, known.name == file.name, !isSwapped, !known.isFresh {
        pass.add(file.name, known)
        continue
      }
      changed.append((file, known))
    }
    load(changed, &pass)
    keepDeparted(left, scan, deferral, &pass)
    return pass
  }

  /// The names that had content and are not among the files of a scan.
  private struct Departed {
    var names: Set<ExactText> = []
    /// Those whose file may have another name now.
    var byFile: [FileID: ExactText] = [:]
    /// Whether a file that was never read is being written.
    var hasNewcomer = false

    init(_ scan: SourceScan, _ cache: [ExactText: Cached], _ deferral: Deferral) {
      // Mostly nothing departed, and counting costs less than collecting names.
      guard scan.files.count(where: { cache[$0.name] != nil }) < cache.count else { return }
      names = Set(cache.keys)
      for file in scan.files { names.remove(file.name) }
      for name in names where !deferral.holds(name, nil) {
        if let known = cache[name] { byFile[known.stamp.id] = name }
      }
    }
  }

  /// A file that must not be looked at keeps its last content, whatever its name was; else that of its name.
  private func keep(_ file: SourceScan.File, _ known: Cached?, _ deferral: Deferral, _ pass: inout Pass, _ left: inout Departed) {
    let id = file.stamp.id
    if deferral.late.contains(id) {
      pass.heldBack.append(.init(path: file.name, reason: "the file is still being written"))
    }
    if known?.stamp.id != id, let old = left.byFile[id], let content = cache[old] {
      left.names.remove(old)
      pass.add(file.name, content, path: file.path)
    } else if let known {
      pass.add(file.name, known)
    } else {
      if deferral.late.contains(id) { pass.lateNewcomers.insert(id) }
      if !lateNewcomers.contains(id) { left.hasNewcomer = true }
    }
  }

  /// What a deferred removal took away is still there for now. So is what left while a file that was never read is being written: it
  /// may be there. What leaves after that file was given up waiting for has nothing to do with it. And where a directory without
  /// policies has taken the place of a file, nobody has said that the policies are to go.
  private func keepDeparted(_ left: Departed, _ scan: SourceScan, _ deferral: Deferral, _ pass: inout Pass) {
    guard !left.names.isEmpty else { return }
    let directories = Set(scan.directories.values.flatMap(\.names))
    for name in left.names {
      guard let known = cache[name], !pass.unreadable.contains(where: { name.isAtOrBelow($0.path) }) else { continue }
      if left.hasNewcomer || known.isGone && !pass.lateNewcomers.isEmpty {
        pass.add(name, known, isGone: true)
        guard !pass.lateNewcomers.isEmpty else { continue }
        pass.heldBack.append(.init(path: name, reason: "the file is gone while a new one is still being written"))
      } else if deferral.holds(name, nil) {
        pass.add(name, known, isGone: known.isGone)
      } else if directories.contains(name), !scan.files.contains(where: { $0.name.isAtOrBelow(name) }) {
        pass.unreadable.append(.init(path: name, reason: "cannot be read: a directory has taken the place of the file"))
      }
    }
  }

  /// Reads files, many of them on several threads; the answers are taken in their order.
  private mutating func load(_ changed: [(file: SourceScan.File, known: Cached?)], _ pass: inout Pass) {
    let (limits, isLenient) = (limits, isLenient)
    // Whoever loads first has nothing else to do; later, answers are given at the same time.
    let threads = min(cache.isEmpty ? processors : processors / 2, changed.count / Self.filesWorthAThread)
    let first = versions + 1
    let answers = Sharing.results(count: changed.count, threads: threads) { index in
      Answer(changed[index].file, changed[index].known, version: first + UInt64(index), limits, isLenient)
    }
    versions += UInt64(changed.count)
    for (job, answer) in zip(changed, answers) {
      switch answer {
      case .read(let read):
        if read.content.version >= first { parsedBytes += Int(clamping: read.stamp.size) }
        pass.add(job.file.name, read)
      case .moved: pass.isComplete = false
      case .failed(let error):
        pass.unreadable.append(.init(path: job.file.name, reason: "cannot be read: \(error.text)", isHiding: error.isHiding))
      }
    }
  }

  private static let filesWorthAThread = 16

  private mutating func take(_ pass: Pass, _ scan: SourceScan) -> SourceReading {
    var reading = SourceReading(files: pass.files, unreadable: pass.unreadable)
    reading.files.sort { $0.name < $1.name }
    reading.unreadable.sort { $0.path < $1.path }
    reading.heldBack = pass.heldBack.sorted { $0.path < $1.path }
    lateNewcomers = pass.lateNewcomers
    var kept = pass.cache
    // A file that cannot be read for a while need not be parsed again afterwards.
    if !reading.unreadable.isEmpty {
      for (name, known) in cache where kept[name] == nil && reading.unreadable.contains(where: { name.isAtOrBelow($0.path) }) {
        kept[name] = known
      }
    }
    cache = kept
    lastScan = scan
    hasFreshFiles = pass.hasFreshFiles
    return reading
  }
}

extension SourceReader.Pass {
  fileprivate mutating func add(_ name: ExactText, _ known: SourceReader.Cached, path: ExactText? = nil, isGone: Bool = false) {
    files.append(.init(name: name, content: known.content))
    hasFreshFiles = hasFreshFiles || known.isFresh
    let path = path ?? known.path
    let isAsBefore = known.isGone == isGone && known.path == path
    cache[name] =
      isAsBefore
      ? known
      : SourceReader.Cached(
        name: known.name, path: path, isGone: isGone, stamp: known.stamp, digest: known.digest, isFresh: known.isFresh,
        content: known.content)
  }
}

extension SourceReader {
  /// What came of reading one file.
  private enum Answer: Sendable {
    case read(Cached)
    /// It is not the version that was seen any more.
    case moved
    case failed(SystemError)

    init(_ file: SourceScan.File, _ known: Cached?, version: UInt64, _ limits: LoadingLimits, _ isLenient: Bool) {
      let now = Clock.nanosecondsSince1970()
      do throws(SystemError) {
        guard let (bytes, stamp) = try FileSystem.read(file.path, limit: limits.fileBytes), stamp == file.stamp else {
          self = .moved
          return
        }
        let isFresh = stamp.latest > now.subtractingReportingOverflow(SourceReader.freshness).partialValue
        var hasher = Hasher()
        unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        hasher.combine(bytes.count)
        let digest = hasher.finalize()
        let content: FileContent
        if let known, known.name == file.name, known.digest == digest, known.stamp.size == stamp.size {
          content = known.content
        } else {
          content = FileContent(
            loadPolicies(text: bytes, file: file.name, limits: limits, isLenient: isLenient), version: version)
        }
        self = .read(
          Cached(name: file.name, path: file.path, stamp: stamp, digest: digest, isFresh: isFresh, content: content))
      } catch {
        self = .failed(error)
      }
    }
  }
}
