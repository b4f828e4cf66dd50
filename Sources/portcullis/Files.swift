// Files that the command reads and writes itself: certificates, requests, the status.
// Enters: a path. Leaves: bytes, lines, a replaced file, or a problem that says what the system says.
// Never here: policy files and trust bundles, which have readers of their own; a read without a limit.

internal import DecisionText
internal import Glibc

/// What the last system call complained of.
enum SystemError {
  /// The system's words for an error number.
  static func text(_ number: Int32 = errno) -> String {
    guard let words = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: words)
  }
}

/// A file that is open for reading; closed when it goes.
struct InputFile: ~Copyable {
  private let descriptor: Int32
  private let path: String

  /// Opens a file; `-` is standard input.
  init(path: String) throws(CommandProblem) {
    self.path = path
    descriptor = path.utf8.elementsEqual("-".utf8) ? 0 : unsafe open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw Self.problem(path, errno) }
  }

  deinit {
    if descriptor > 0 { close(descriptor) }
  }

  /// The next bytes, at most 64 KiB; none at the end.
  mutating func next() throws(CommandProblem) -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe read(descriptor, &chunk, chunk.count)
      if count >= 0 { return Array(chunk[..<count]) }
      if errno != EINTR { throw Self.problem(path, errno) }
    }
  }

  /// Reads the next bytes into a buffer behind its first `start` bytes: at most so many that they are still in the processor's cache when they
  /// are looked at.
  ///
  /// - Returns: how many; 0 at the end of the file.
  func fill(_ buffer: inout [UInt8], from start: Int) throws(CommandProblem) -> Int {
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { room in
        unsafe Glibc.read(descriptor, room.baseAddress.map { unsafe $0 + start }, min(max(room.count - start, 0), 1 << 18))
      }
      if count >= 0 { return count }
      if errno != EINTR { throw Self.problem(path, errno) }
    }
  }

  /// How many bytes a regular file has; `nil` for anything else, such as a pipe.
  var size: Int? {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  /// All bytes of a file, which must not be more than `limit`.
  static func bytes(of path: String, limit: Int) throws(CommandProblem) -> [UInt8] {
    var file = try InputFile(path: path)
    var bytes: [UInt8] = []
    while true {
      let chunk = try file.next()
      if chunk.isEmpty { return bytes }
      bytes += chunk
      guard bytes.count <= limit else { throw CommandProblem("`\(Printable.text(path))` is larger than \(limit) bytes") }
    }
  }

  /// Whether there is something of this name that is not a directory.
  static func exists(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
  }

  private static func problem(_ path: String, _ number: Int32) -> CommandProblem {
    CommandProblem("`\(Printable.text(path))` cannot be read: \(SystemError.text(number))")
  }
}

/// The lines of a file, one at a time, however large the file is.
struct LineReader: ~Copyable {
  /// The longest line in bytes.
  static let longestLine = 16 << 20

  /// The number of the line that was returned last, from 1.
  private(set) var number = 0
  private var file: InputFile
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false

  /// Reads the lines of `file`.
  init(_ file: consuming InputFile) { self.file = file }

  /// Whether the next line is at hand without waiting for the file.
  var hasLine: Bool { buffer[start...].contains(UInt8(ascii: "\n")) }

  /// The next line without its line break; `nil` at the end.
  mutating func next() throws(CommandProblem) -> [UInt8]? {
    // Where no line break was seen yet, so that a long line is looked through once.
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        number += 1
        return Array(buffer[start..<end])
      }
      if isAtEnd {
        defer { start = buffer.count }
        number += 1
        return start < buffer.count ? Array(buffer[start...]) : nil
      }
      buffer.removeSubrange(..<start)
      start = 0
      searched = buffer.count
      guard buffer.count <= Self.longestLine else { throw CommandProblem("line \(number + 1) is longer than \(Self.longestLine) bytes") }
      let chunk = try file.next()
      isAtEnd = chunk.isEmpty
      buffer += chunk
    }
  }
}

/// A file that others read while it is written again and again.
enum OutputFile {
  /// Replaces a file in one step: no reader sees half of it.
  static func replace(_ path: String, with bytes: [UInt8]) throws(CommandProblem) {
    let shown = Printable.text(path)
    var status = stat()
    // A rename over a device or a directory would be more than anybody asked for.
    if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG { throw CommandProblem("`\(shown)` is not a regular file") }
    let name = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path.utf8.index(after: $0) } ?? path.startIndex
    // Begins with a dot, so that nobody who watches the directory takes it for a file of theirs.
    let fresh = "\(path[..<name]).\(path[name...]).\(getpid())"
    let descriptor = unsafe open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw CommandProblem("`\(shown)` cannot be written: \(SystemError.text())") }
    let failure = write(bytes, to: descriptor)
    close(descriptor)
    if failure == 0, unsafe rename(fresh, path) == 0 { return }
    let reason = SystemError.text(failure == 0 ? errno : failure)
    unsafe unlink(fresh)
    throw CommandProblem("`\(shown)` cannot be written: \(reason)")
  }

  /// Writes all bytes; returns 0 or an error number.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var written = 0
    while written < bytes.count {
      let rest = bytes.span.extracting(written..<bytes.count)
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        written += count
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }
}
