// The kernel's reports about directories, the bell that ends a wait, and the thread that waits. Each owns one thing of the system and
// gives it back. Nothing here knows what a policy is; together with FileSystem, the only place of this room with unsafe pointers.

internal import Glibc
internal import PolicyModel
internal import Synchronization

/// What the kernel reports about an entry of a watched directory.
struct DirectoryEvent: Sendable, Equatable {
  enum Kind: Sendable, Equatable {
    /// The entry was made, removed, or its permissions changed; or the directory itself went away.
    case edited
    /// The entry was written or cut, and more may follow until it is closed.
    case written
    /// Somebody who could write to the entry has closed it.
    case closed
    /// The entry was renamed away, or away from here.
    case left
    /// The entry was renamed to this name.
    case arrived
    /// Events were lost.
    case overflow
  }

  var watch: Int32
  var kind: Kind
  /// Joins the two ends of a rename.
  var cookie: UInt32
  /// Whether the entry is a directory.
  var isDirectory: Bool
  /// The entry; empty when the directory itself is meant, or the name is not UTF-8.
  var entry: ExactText
}

/// An inotify instance. Owns its descriptor.
final class Inotify: Sendable {
  private let descriptor: Int32

  init() throws(SystemError) {
    descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    guard descriptor >= 0 else { throw .last }
  }

  deinit { close(descriptor) }

  /// Watches a directory; again is not an error and widens the watch. `writes` also reports the writing of files in it.
  func add(_ directory: ExactText, writes: Bool) throws(SystemError) -> Int32 {
    var mask = UInt32(IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
    mask |= UInt32(IN_ONLYDIR) | UInt32(IN_MASK_ADD)
    if writes { mask |= UInt32(IN_MODIFY | IN_CLOSE_WRITE) }
    let watch = unsafe inotify_add_watch(descriptor, directory.string, mask)
    guard watch >= 0 else { throw .last }
    return watch
  }

  /// Ends a watch. One that has ended by itself is no error.
  func remove(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

  /// All events that are queued now; never waits.
  func events() -> [DirectoryEvent] {
    var events: [DirectoryEvent] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in unsafe read(descriptor, bytes.baseAddress, bytes.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return events }
      Self.decode(buffer[..<count], into: &events)
    }
  }

  /// Waits until there are events, the bell rings, or `milliseconds` have passed.
  func wait(_ bell: Bell, milliseconds: Int32) { bell.wait(milliseconds: milliseconds, or: descriptor) }

  /// `struct inotify_event` is wd, mask, cookie, length, each 32 bits, and a name padded with zeros.
  private static func decode(_ bytes: ArraySlice<UInt8>, into events: inout [DirectoryEvent]) {
    var rest = bytes
    while rest.count >= 16 {
      let words = unsafe rest.withUnsafeBytes { raw in
        (0..<4).map { unsafe raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
      }
      let length = Int(words[3])
      guard rest.count >= 16 + length else { return }
      let name = rest.dropFirst(16).prefix(length).prefix { $0 != 0 }
      rest = rest.dropFirst(16 + length)
      let mask = words[1]
      let kind: DirectoryEvent.Kind =
        mask & UInt32(IN_Q_OVERFLOW) != 0
        ? .overflow
        : mask & UInt32(IN_MOVED_TO) != 0
          ? .arrived
          : mask & UInt32(IN_MOVED_FROM) != 0
            ? .left : mask & UInt32(IN_MODIFY) != 0 ? .written : mask & UInt32(IN_CLOSE_WRITE) != 0 ? .closed : .edited
      let entry = String(validating: name, as: UTF8.self).map { ExactText($0) } ?? ""
      events.append(
        DirectoryEvent(
          watch: Int32(bitPattern: words[0]), kind: kind, cookie: words[2], isDirectory: mask & UInt32(IN_ISDIR) != 0,
          entry: entry))
    }
  }
}

/// Ends another thread's wait, once and for all. Owns a pair of sockets, which unlike a pipe
/// can be made closed for child processes in one step here.
final class Bell: Sendable {
  private let readEnd: Int32
  private let writeEnd: Int32

  init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw .last }
    readEnd = ends[0]
    writeEnd = ends[1]
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Rings for good: what is written is never read. A full socket has been rung before.
  func ring() { _ = unsafe write(writeEnd, "!", 1) }

  /// Whether it was rung.
  var isRung: Bool {
    var end = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&end, 1, 0) > 0
  }

  /// Waits until it rings, `other` can be read, or `milliseconds` have passed.
  func wait(milliseconds: Int32, or other: Int32 = -1) {
    var both = [
      pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0), pollfd(fd: other, events: Int16(POLLIN), revents: 0),
    ]
    _ = unsafe poll(&both, nfds_t(both.count), milliseconds)
  }
}

/// A thread for calls that block. It is joined exactly once, and takes no signals: those are for the program's own threads.
final class WaitingThread: Sendable {
  private let thread: pthread_t
  private let isJoined = Atomic(false)

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(_ run: @escaping @Sendable () -> Void) throws(SystemError) {
    let body = unsafe Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    var (all, own) = (sigset_t(), sigset_t())
    unsafe sigfillset(&all)
    // What the processor raises by itself must stay deliverable.
    for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] { unsafe sigdelset(&all, signal) }
    unsafe pthread_sigmask(SIG_SETMASK, &all, &own)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &own, nil) }
    let code = unsafe pthread_create(
      &thread, nil,
      { raw in
        if let raw = unsafe raw { unsafe Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run() }
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      unsafe body.release()
      throw SystemError(code: code)
    }
    self.thread = thread
  }

  deinit { join() }

  /// Waits for its end. A second call, and a call on the thread itself, return at once.
  func join() {
    guard !isJoined.exchange(true, ordering: .acquiringAndReleasing) else { return }
    if pthread_equal(thread, pthread_self()) != 0 {
      pthread_detach(thread)
    } else {
      _ = pthread_join(thread, nil)
    }
  }
}
