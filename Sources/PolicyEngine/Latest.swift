// Where the current value of something is published to many threads: the snapshot, the trust bundles.
// Enters: values, one after the other. Leaves: the newest, to every reader, at the price of one atomic read a request.
// Never here: a reader that waits for the making of a value, or one request that sees two values.

public import Synchronization

/// The latest of a sequence of immutable values.
public final class Latest<Value: Sendable>: Sendable {
  @usableFromInline let generation = Atomic<UInt64>(1)
  @usableFromInline let current: Mutex<Value>

  /// Starts with a value.
  @inlinable
  public init(_ value: Value) {
    current = Mutex(value)
  }

  /// Makes a value the current one, in one step.
  @inlinable
  public func publish(_ value: Value) {
    current.withLock { $0 = value }
    generation.add(1, ordering: .releasing)
  }

  /// The current value, for those who ask rarely.
  @inlinable
  public var value: Value { current.withLock { $0 } }

  /// One thread's view: it keeps its value and looks for a newer one between requests.
  public struct Reader: Sendable {
    @usableFromInline let source: Latest<Value>
    @usableFromInline var generation: UInt64
    @usableFromInline var held: Value
    /// The value that `refresh` found last.
    @inlinable
    public var value: Value { held }

    /// A reader of this source.
    @inlinable
    public init(_ source: Latest<Value>) {
      self.source = source
      generation = source.generation.load(ordering: .acquiring)
      held = source.value
    }

    /// Whether there is a newer value. No lock.
    @inlinable
    public var isOutdated: Bool { source.generation.load(ordering: .acquiring) != generation }

    /// Takes up a newer value if there is one; returns whether there was. No lock unless there was.
    @inlinable
    public mutating func refresh() -> Bool {
      let newest = source.generation.load(ordering: .acquiring)
      guard newest != generation else { return false }
      generation = newest
      held = source.value
      return true
    }
  }
}
