// One object for each of Envoy's workers, without a lock.
// Enters: the index of a worker, from that worker. Leaves: its own object. Never here: an object that two workers see.

internal import CEnvoyModule

/// Objects by the index of the worker. A slot is touched by its worker only, and after the last worker is done by whoever releases this object,
/// hence `@unchecked Sendable`.
@safe final class WorkerSlots<Value: AnyObject>: @unchecked Sendable {
  private let slots: UnsafeMutablePointer<Value?>
  private let count: Int

  /// A slot for each worker that this Envoy has.
  init() {
    // At least some: what is to be done beyond them is refused, and a wrong answer of the proxy must not make that everything.
    count = max(64, min(Int(envoy_dynamic_module_callback_get_concurrency()), 4_096))
    unsafe slots = .allocate(capacity: count)
    unsafe slots.initialize(repeating: nil, count: count)
  }

  deinit {
    unsafe slots.deinitialize(count: count)
    unsafe slots.deallocate()
  }

  /// The object of a worker, made with its first use; `nil` when there is no such worker or none can be made.
  @inline(__always)
  func value(_ worker: UInt32, _ make: () -> Value?) -> Value? {
    let index = Int(worker)
    guard index < count else { return nil }
    if let known = unsafe slots[index] { return known }
    let made = make()
    unsafe slots[index] = made
    return made
  }
}
