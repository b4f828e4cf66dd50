// What one worker keeps for one HTTP filter: connections that were seen, room for headers and for what is said about a decision.
// Enters: the number of a connection, from the worker. Leaves: the library's connection for it. Bounded: connections that meet in one place take
// turns. Never here: another thread.

internal import CEnvoyModule
internal import CPortcullis
internal import Glibc

/// A worker's own part of an HTTP filter. Used by its worker only, and closed when no stream is left, hence `@unchecked Sendable`.
@safe final class HTTPWorker: @unchecked Sendable {
  @safe private struct Place {
    var number: UInt64 = 0
    var isKnown = false
    var connection: OpaquePointer?
  }

  private static let placeCount = 512
  private static let mostHeaders = 65_536
  private let reader: WorkerReader
  private let places: UnsafeMutablePointer<Place>
  private(set) var headers: UnsafeMutablePointer<portcullis_header>
  private var headerCapacity = 64
  /// For the client's address, where a header says it.
  let addressRoom = AddressRoom()
  /// Names this worker's decisions.
  let report: DecisionReport

  init(_ reader: WorkerReader, _ worker: UInt32) {
    self.reader = reader
    unsafe places = .allocate(capacity: Self.placeCount)
    unsafe places.initialize(repeating: Place(), count: Self.placeCount)
    unsafe headers = .allocate(capacity: headerCapacity)
    unsafe headers.initialize(repeating: portcullis_header(), count: headerCapacity)
    report = DecisionReport(worker)
  }

  deinit {
    for index in 0..<Self.placeCount {
      if let connection = unsafe places[index].connection { _ = unsafe portcullis_connection_close(connection) }
    }
    unsafe places.deallocate()
    unsafe headers.deallocate()
  }

  /// The connection of a number. Unless it is known, `lend` is asked to lend its facts; `nil` when they are refused.
  @inline(__always)
  func connection(_ number: UInt64?, _ lend: (_ take: (inout portcullis_connection_facts) -> Bool) -> Bool) -> OpaquePointer? {
    let index = Int(truncatingIfNeeded: (number ?? 0) % UInt64(Self.placeCount))
    let place = unsafe places + index
    if unsafe place.pointee.isKnown, unsafe place.pointee.number == number { return unsafe place.pointee.connection }
    unsafe place.pointee.isKnown = false
    let isTaken = unsafe lend { facts in
      if let connection = unsafe place.pointee.connection {
        return unsafe portcullis_connection_reset(connection, &facts, nil) == Int32(PORTCULLIS_OK)
      }
      return unsafe portcullis_connection_open(reader.handle, &facts, &place.pointee.connection, nil) == Int32(PORTCULLIS_OK)
    }
    guard isTaken else { return nil }
    if let number {
      unsafe place.pointee.number = number
      unsafe place.pointee.isKnown = true
    }
    return unsafe place.pointee.connection
  }

  /// Makes room for so many headers; false when there are too many.
  @inline(__always)
  func makeRoom(_ count: Int) -> Bool {
    guard count >= 0 else { return false }
    if count <= headerCapacity { return true }
    guard count <= Self.mostHeaders else { return false }
    unsafe headers.deallocate()
    headerCapacity = count &* 2
    unsafe headers = .allocate(capacity: headerCapacity)
    unsafe headers.initialize(repeating: portcullis_header(), count: headerCapacity)
    return true
  }
}
