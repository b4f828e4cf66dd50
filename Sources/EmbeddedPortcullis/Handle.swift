// The one place where the interface's opaque pointers are made, believed and taken back.
// Enters: objects, and pointers that come back from the host. Leaves: pointers, and the objects behind those that are still open.
// Never here: memory that goes back to the system: a pointer that was closed can be looked at for ever. Closed blocks are used again only after
// many others, so that a stale pointer is seen as such for a while. (An address that was never a handle cannot be told from one before it is
// read; that is the host's promise.)

internal import Synchronization

/// The kinds of handles; the number stands in the memory of an open one.
enum HandleKind: UInt64 {
  case engine = 0x706f_7274_656e_676e
  case reader = 0x706f_7274_7265_6164
  case connection = 0x706f_7274_636f_6e6e
}

/// The memory that a handle points to.
@safe private struct HandleBlock {
  /// The kind while the handle is open, 0 when it is not.
  var magic: UInt64 = 0
  /// One retain of the object.
  var object: UnsafeMutableRawPointer?
  /// The next closed block.
  var next: UnsafeMutablePointer<HandleBlock>?
}

/// Closed blocks, the oldest first.
@safe private struct ClosedBlocks: @unchecked Sendable {
  var first: UnsafeMutablePointer<HandleBlock>?
  var last: UnsafeMutablePointer<HandleBlock>?
  var count = 0
  /// How many rest before the oldest is used again.
  static let mostResting = 1_024

  mutating func take() -> UnsafeMutablePointer<HandleBlock> {
    guard count > Self.mostResting, let block = unsafe first else {
      let fresh = UnsafeMutablePointer<HandleBlock>.allocate(capacity: 1)
      unsafe fresh.initialize(to: HandleBlock())
      return unsafe fresh
    }
    unsafe first = block.pointee.next
    count -= 1
    return unsafe block
  }

  mutating func add(_ block: UnsafeMutablePointer<HandleBlock>) {
    unsafe block.pointee.next = nil
    if count > 0, let last = unsafe last { unsafe last.pointee.next = block } else { unsafe first = block }
    unsafe last = block
    count += 1
  }
}

private let closedBlocks = Mutex(ClosedBlocks())

enum Handle {
  /// A handle that keeps the object alive until it is closed.
  static func open(_ object: AnyObject, _ kind: HandleKind) -> OpaquePointer {
    let block = unsafe closedBlocks.withLock { unsafe $0.take() }
    unsafe block.pointee.object = Unmanaged.passRetained(object).toOpaque()
    unsafe block.pointee.magic = kind.rawValue
    return OpaquePointer(block)
  }

  /// The object behind an open handle of this kind, which must be that of `type`; `nil` for anything else that can be told.
  @inline(__always)
  static func object<Object: AnyObject>(_ handle: OpaquePointer?, _ kind: HandleKind, _ type: Object.Type) -> Object? {
    guard let object = unsafe pointer(handle, kind) else { return nil }
    return unsafe Unmanaged<Object>.fromOpaque(object).takeUnretainedValue()
  }

  /// Closes a handle and returns its object; `nil` when it was not an open one.
  static func close<Object: AnyObject>(_ handle: OpaquePointer?, _ kind: HandleKind, _ type: Object.Type) -> Object? {
    guard let object = unsafe pointer(handle, kind), let handle = unsafe handle else { return nil }
    let block = unsafe UnsafeMutablePointer<HandleBlock>(handle)
    unsafe block.pointee.magic = 0
    unsafe block.pointee.object = nil
    closedBlocks.withLock { unsafe $0.add(block) }
    return unsafe Unmanaged<Object>.fromOpaque(object).takeRetainedValue()
  }

  @inline(__always)
  private static func pointer(_ handle: OpaquePointer?, _ kind: HandleKind) -> UnsafeMutableRawPointer? {
    guard let handle = unsafe handle, UInt(bitPattern: handle) % UInt(MemoryLayout<HandleBlock>.alignment) == 0 else { return nil }
    let block = unsafe UnsafeMutablePointer<HandleBlock>(handle)
    guard unsafe block.pointee.magic == kind.rawValue else { return nil }
    return unsafe block.pointee.object
  }
}
