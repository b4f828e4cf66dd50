// The calls into the operating system that look at files. Paths enter, values leave; every descriptor opened here is closed here.
// Nothing here knows what a policy is. Together with Inotify, the only place of this room with unsafe pointers.

internal import Glibc
internal import PolicyModel

/// A call that failed.
struct SystemError: Error, Equatable {
  var code: Int32

  static var last: SystemError { SystemError(code: errno) }

  /// What the system says, for example `no such file or directory`.
  var text: String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    let message = unsafe String(cString: text)
    return message.prefix(1).lowercased() + message.dropFirst()
  }
}

extension SystemError {
  /// Whether the call failed although something may be there. A path that leads nowhere hides nothing, and during a swap every path
  /// does for a moment.
  var isHiding: Bool { ![ENOENT, ENOTDIR, ELOOP, ESTALE].contains(code) }
}

/// Which file on which file system.
struct FileID: Hashable, Sendable {
  var device: UInt64
  var inode: UInt64
}

/// What tells one version of a file from another without reading it.
struct FileStamp: Hashable, Sendable {
  var id: FileID
  var size: Int64
  /// `st_mtim`, in nanoseconds since 1970.
  var modified: Int64
  /// `st_ctim`, in nanoseconds since 1970.
  var changed: Int64

  /// When anything of it changed last.
  var latest: Int64 { max(modified, changed) }
}

/// A file as the system describes it.
struct FileDescription: Sendable {
  enum Kind: Sendable { case regular, directory, link, other }

  var kind: Kind
  var stamp: FileStamp

  fileprivate init(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .regular
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .link
    default: kind = .other
    }
    stamp = FileStamp(
      id: FileID(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)), size: Int64(status.st_size),
      modified: Self.nanoseconds(status.st_mtim), changed: Self.nanoseconds(status.st_ctim))
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue.addingReportingOverflow(Int64(time.tv_nsec)).partialValue
  }
}

/// The file system.
enum FileSystem {
  /// The working directory as an absolute path.
  static func workingDirectory() throws(SystemError) -> ExactText {
    guard let path = unsafe getcwd(nil, 0) else { throw .last }
    defer { unsafe free(path) }
    return ExactText(unsafe String(cString: path))
  }

  /// Describes what `path` names; a symbolic link itself unless `follow`.
  static func describe(_ path: ExactText, follow: Bool) throws(SystemError) -> FileDescription {
    var status = stat()
    let result = follow ? unsafe stat(path.string, &status) : unsafe lstat(path.string, &status)
    guard result == 0 else { throw .last }
    return FileDescription(status)
  }

  /// The text of a symbolic link; nil when it is not UTF-8.
  static func target(ofLink path: ExactText) throws(SystemError) -> ExactText? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return -1 }
      return unsafe readlink(path.string, start.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    guard count >= 0 else { throw .last }
    return String(validating: buffer[..<count], as: UTF8.self).map { ExactText($0) }
  }

  /// An entry of a directory, and what it is, itself and not what it leads to.
  struct Entry: Sendable {
    /// The name; what is not UTF-8 in it is replaced.
    var name: ExactText
    /// Whether that is the name itself.
    var isUTF8: Bool
    var description: Result<FileDescription, SystemError>
  }

  /// The entries of a directory, in no order, without `.` and `..`. An entry is described from the directory that is open, which
  /// costs half of what a long path costs.
  static func entries(of directory: ExactText) throws(SystemError) -> [Entry] {
    guard let stream = unsafe opendir(directory.string) else { throw .last }
    defer { unsafe closedir(stream) }
    let descriptor = unsafe dirfd(stream)
    var entries: [Entry] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        if errno != 0 { throw .last }
        return entries
      }
      // An entry is only as long as its name, so the 256 bytes of the declared field must not be copied.
      guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { throw SystemError(code: EINVAL) }
      let start = unsafe (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      let text = unsafe UnsafeRawBufferPointer(start: start, count: strlen(start))
      let valid = unsafe String(validating: text, as: UTF8.self)
      let name = unsafe ExactText(valid ?? String(decoding: text, as: UTF8.self))
      guard name != ".", name != ".." else { continue }
      var status = stat()
      let result = unsafe fstatat(descriptor, start, &status, AT_SYMLINK_NOFOLLOW)
      entries.append(
        Entry(name: name, isUTF8: valid != nil, description: result == 0 ? .success(FileDescription(status)) : .failure(.last)))
    }
  }

  /// Reads a regular file, at most `limit` bytes and one more, and says which version was read: nil when the file changed meanwhile.
  /// Never waits for a writer: a pipe that took the file's place is refused.
  static func read(_ path: ExactText, limit: Int) throws(SystemError) -> (bytes: [UInt8], stamp: FileStamp)? {
    let descriptor = unsafe open(path.string, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw .last }
    defer { close(descriptor) }
    let before = try describe(descriptor)
    guard before.kind == .regular else { return nil }
    let most = limit < Int.max ? limit + 1 : limit
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(max(Int(clamping: before.stamp.size), 0), most) + 1)
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < most {
      let wanted = min(chunk.count, most - bytes.count)
      let count = unsafe chunk.withUnsafeMutableBytes { buffer in unsafe Glibc.read(descriptor, buffer.baseAddress, wanted) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .last }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    guard try describe(descriptor).stamp == before.stamp else { return nil }
    return (bytes, before.stamp)
  }

  private static func describe(_ descriptor: Int32) throws(SystemError) -> FileDescription {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw .last }
    return FileDescription(status)
  }
}

/// The allocator.
enum Memory {
  /// Gives free memory back to the system, which the allocator else keeps wherever anything behind it is in use. O(free stretches).
  /// Does nothing where the C library has no `malloc_trim`, which Swift's Glibc does not show.
  static func giveBack() {
    guard let function = unsafe dlsym(nil, "malloc_trim") else { return }
    _ = unsafe unsafeBitCast(function, to: (@convention(c) (Int) -> Int32).self)(0)
  }
}

/// The clocks.
enum Clock {
  /// Milliseconds that only grow.
  static func milliseconds() -> Int64 { read(CLOCK_MONOTONIC) / 1_000_000 }

  /// Nanoseconds since 1970, as file times count.
  static func nanosecondsSince1970() -> Int64 { read(CLOCK_REALTIME) }

  /// Lets time pass, whatever signals come.
  static func sleep(milliseconds duration: Int64) {
    let end = milliseconds().addingReportingOverflow(duration).partialValue
    while true {
      let rest = end - milliseconds()
      guard rest > 0 else { return }
      var time = timespec(tv_sec: Int(rest / 1_000), tv_nsec: Int(rest % 1_000) * 1_000_000)
      _ = unsafe nanosleep(&time, nil)
    }
  }

  /// Seconds since 1970.
  static func secondsSince1970() -> Int64 { nanosecondsSince1970() / 1_000_000_000 }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    guard unsafe clock_gettime(clock, &time) == 0 else { return 0 }
    return Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue.addingReportingOverflow(Int64(time.tv_nsec))
      .partialValue
  }
}
