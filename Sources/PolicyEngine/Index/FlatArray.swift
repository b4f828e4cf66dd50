// Read-only arrays without reference counts: what compiled tables are made of.
// Enters: Swift arrays, once, when a part of a snapshot is sealed. Leaves: runs of values of exactly their size, which a decision reads
// without counting a reference; two threads that decide by one snapshot then share no cache line that either of them writes.
// Never here: a value that must be destroyed, a change after sealing, or an index that is not checked. A `FlatArray` is valid while the
// `FlatStorage` that made it lives; who reads one holds the snapshot, and the snapshot holds the storage.

/// A run of values in memory that a `FlatStorage` owns.
@safe struct FlatArray<Element: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable {
  /// Of no values, an address that nothing is read from.
  private let start: UnsafePointer<Element>
  private let size: UInt32

  /// No values.
  init() {
    unsafe start = FlatStorage.nowhere()
    size = 0
  }

  fileprivate init(_ start: UnsafePointer<Element>, count: Int) {
    unsafe self.start = unsafe start
    size = UInt32(truncatingIfNeeded: count)
  }

  @inline(__always)
  var count: Int { Int(size) }

  @inline(__always)
  var isEmpty: Bool { size == 0 }

  @inline(__always)
  var indices: Range<Int> { 0..<Int(size) }

  /// The values, for as long as the array is borrowed.
  @inline(__always)
  var span: Span<Element> {
    @_lifetime(borrow self)
    get {
      let span = unsafe Span<Element>(_unsafeStart: start, count: Int(size))
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  @inline(__always)
  subscript(_ index: Int) -> Element {
    precondition(UInt(bitPattern: index) < UInt(size), "outside of a table")
    return unsafe start[index]
  }
}

/// One value in memory that a `FlatStorage` owns.
@safe struct FlatValue<Value: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable {
  private let place: UnsafePointer<Value>

  fileprivate init(_ place: UnsafePointer<Value>) { unsafe self.place = unsafe place }

  /// The value, in place.
  @inline(__always)
  var value: Value {
    unsafeAddress { unsafe place }
  }

  /// Where it stands, to tell one from another.
  var address: UInt { unsafe UInt(bitPattern: place) }
}

/// Tables of no policies, for places that hold none yet.
enum EmptyTables {
  private static let storage = FlatStorage()
  static let value: FlatValue<CompiledPolicies> = storage.store(
    TableDraft(hash: ByteHash(seed: 0)).sealed(names: FixedNames(), in: storage))
}

/// The memory of some flat arrays.
@safe final class FlatStorage: @unchecked Sendable {
  private var blocks: [UnsafeMutableRawPointer] = unsafe []
  /// How many bytes it holds.
  private(set) var byteCount = 0

  init() {}

  deinit {
    for index in unsafe blocks.indices { unsafe blocks[index].deallocate() }
  }

  /// Copies an array. Only while the storage is being filled, by one thread.
  func store<Element: BitwiseCopyable>(_ array: [Element]) -> FlatArray<Element> {
    precondition(array.count <= Int(UInt32.max), "a table of a namespace has more than 4 Gi entries")
    guard !array.isEmpty else { return FlatArray() }
    let start = UnsafeMutablePointer<Element>.allocate(capacity: array.count)
    unsafe array.withUnsafeBufferPointer { source in
      if let first = source.baseAddress { unsafe start.initialize(from: first, count: array.count) }
    }
    unsafe blocks.append(UnsafeMutableRawPointer(start))
    byteCount += array.count * MemoryLayout<Element>.stride
    return unsafe FlatArray(UnsafePointer(start), count: array.count)
  }

  /// Copies one value, under the same rule.
  func store<Value: BitwiseCopyable>(_ value: Value) -> FlatValue<Value> {
    let place = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    unsafe place.initialize(to: value)
    unsafe blocks.append(UnsafeMutableRawPointer(place))
    byteCount += MemoryLayout<Value>.size
    return unsafe FlatValue(UnsafePointer(place))
  }

  /// An address for runs of no values.
  @inline(__always)
  fileprivate static func nowhere<Element>() -> UnsafePointer<Element> {
    unsafe UnsafePointer(bitPattern: MemoryLayout<Element>.alignment).unsafelyUnwrapped
  }
}
