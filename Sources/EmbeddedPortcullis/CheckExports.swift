// The functions of the header that are about readers, connections and requests.
// Enters: calls of the host, from the thread that owns the reader. Leaves: a status, handles, decisions. The header says what each does.
// Never here: a pointer of the host that is used before it is looked at, an answer that is no denial after an error.
//
// The names are those of the header, because the compiler looks the declarations up by them.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CPortcullis
internal import Glibc
internal import PolicyEngine

/// See the header.
@implementation @c
public func portcullis_reader_open(_ engine: OpaquePointer?, _ reader: UnsafeMutablePointer<OpaquePointer?>?) -> portcullis_status {
  guard let reader = unsafe reader else { return Status.badArgument.code }
  unsafe reader.pointee = nil
  guard let core = unsafe Handle.object(engine, .engine, EngineCore.self) else { return Status.badHandle.code }
  unsafe reader.pointee = unsafe Handle.open(ReaderCore(core), .reader)
  return Status.ok.code
}

/// See the header.
@implementation @c
public func portcullis_reader_close(_ reader: OpaquePointer?) -> portcullis_status {
  guard let core = unsafe Handle.object(reader, .reader, ReaderCore.self) else { return Status.badHandle.code }
  do throws(Refusal) {
    try core.close()
    _ = unsafe Handle.close(reader, .reader, ReaderCore.self)
    return Status.ok.code
  } catch {
    return error.status.code
  }
}

/// The facts of a connection, copied.
private func read(_ facts: UnsafePointer<portcullis_connection_facts>?) throws(Refusal) -> portcullis_connection_facts {
  let size = unsafe MemoryLayout<portcullis_connection_facts>.size
  var copy = unsafe portcullis_connection_facts()
  try unsafe SizedStruct.read(
    facts.map { unsafe UnsafeRawPointer($0) }, into: &copy, sizes: (size, size), "facts: null or not aligned")
  return unsafe copy
}

/// See the header.
@implementation @c
public func portcullis_connection_open(
  _ reader: OpaquePointer?, _ facts: UnsafePointer<portcullis_connection_facts>?, _ connection: UnsafeMutablePointer<OpaquePointer?>?,
  _ problem: UnsafeMutablePointer<UnsafePointer<CChar>?>?
) -> portcullis_status {
  unsafe problem?.pointee = nil
  unsafe connection?.pointee = nil
  do throws(Refusal) {
    guard let core = unsafe Handle.object(reader, .reader, ReaderCore.self) else { throw Refusal(.badHandle) }
    guard let connection = unsafe connection else { throw Refusal("connection: null") }
    let opened = ConnectionCore(core)
    try unsafe opened.take(read(facts), announced: opened.announce())
    unsafe connection.pointee = unsafe Handle.open(opened, .connection)
    return Status.ok.code
  } catch {
    unsafe problem?.pointee = error.text.cString
    return error.status.code
  }
}

/// See the header.
@implementation @c
public func portcullis_connection_reset(
  _ connection: OpaquePointer?, _ facts: UnsafePointer<portcullis_connection_facts>?,
  _ problem: UnsafeMutablePointer<UnsafePointer<CChar>?>?
) -> portcullis_status {
  unsafe problem?.pointee = nil
  do throws(Refusal) {
    guard let core = unsafe Handle.object(connection, .connection, ConnectionCore.self) else { throw Refusal(.badHandle) }
    // First, so that no failure below leaves the peer before in its place.
    let number = core.announce()
    try unsafe core.take(read(facts), announced: number)
    return Status.ok.code
  } catch {
    unsafe problem?.pointee = error.text.cString
    return error.status.code
  }
}

/// See the header.
@implementation @c
public func portcullis_connection_close(_ connection: OpaquePointer?) -> portcullis_status {
  unsafe Handle.close(connection, .connection, ConnectionCore.self) == nil ? Status.badHandle.code : Status.ok.code
}

extension TestedFacts {
  /// The bits of the header.
  fileprivate var bits: UInt32 {
    var bits: UInt32 = 0
    for (fact, bit) in Self.numbers where contains(fact) { bits |= UInt32(truncatingIfNeeded: bit) }
    return bits
  }

  private static let numbers: [(TestedFacts, Int)] = [
    (.peer, PORTCULLIS_FACT_PEER), (.sourceIP, PORTCULLIS_FACT_SOURCE), (.destinationIP, PORTCULLIS_FACT_DESTINATION),
    (.remoteIP, PORTCULLIS_FACT_REMOTE), (.port, PORTCULLIS_FACT_PORT), (.sni, PORTCULLIS_FACT_SNI), (.method, PORTCULLIS_FACT_METHOD),
    (.host, PORTCULLIS_FACT_HOST), (.path, PORTCULLIS_FACT_PATH), (.headers, PORTCULLIS_FACT_HEADERS), (.claims, PORTCULLIS_FACT_TOKEN),
    (.metadata, PORTCULLIS_FACT_METADATA),
  ]
}

/// See the header.
@implementation @c
public func portcullis_tested_facts(_ connection: OpaquePointer?, _ facts: UnsafeMutablePointer<UInt32>?) -> portcullis_status {
  guard let facts = unsafe facts else { return Status.badArgument.code }
  unsafe facts.pointee = .max
  do throws(Refusal) {
    guard let core = unsafe Handle.object(connection, .connection, ConnectionCore.self) else { throw Refusal(.badHandle) }
    unsafe facts.pointee = try core.testedFacts().bits
    return Status.ok.code
  } catch {
    return error.status.code
  }
}

/// Copies a request.
@inline(__always)
private func read(_ request: UnsafePointer<portcullis_request>?, into copy: inout portcullis_request) throws(Refusal) {
  let size = unsafe MemoryLayout<portcullis_request>.size
  let basic = unsafe MemoryLayout<portcullis_request>.offset(of: \.token) ?? size
  try unsafe SizedStruct.read(
    request.map { unsafe UnsafeRawPointer($0) }, into: &copy, sizes: (basic, size), "request: null or not aligned")
}

/// See the header.
@implementation @c
public func portcullis_check(
  _ connection: OpaquePointer?, _ request: UnsafePointer<portcullis_request>?, _ decision: UnsafeMutablePointer<portcullis_decision>?
) -> portcullis_status {
  let out: DecisionOut
  do throws(Refusal) { out = try unsafe DecisionOut(decision) } catch { return error.status.code }
  do throws(Refusal) {
    guard let core = unsafe Handle.object(connection, .connection, ConnectionCore.self) else { throw Refusal(.badHandle) }
    var copy = unsafe portcullis_request()
    try unsafe read(request, into: &copy)
    try unsafe core.check(&copy, out)
    return Status.ok.code
  } catch {
    out.refuse(error)
    return error.status.code
  }
}

/// See the header.
@implementation @c
public func portcullis_explain(
  _ connection: OpaquePointer?, _ request: UnsafePointer<portcullis_request>?,
  _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> portcullis_status {
  guard let text = unsafe text else { return Status.badArgument.code }
  unsafe text.pointee = nil
  do throws(Refusal) {
    guard let core = unsafe Handle.object(connection, .connection, ConnectionCore.self) else { throw Refusal(.badHandle) }
    var copy = unsafe portcullis_request()
    try unsafe read(request, into: &copy)
    let page = try unsafe core.explain(&copy)
    unsafe text.pointee = hostText(page)
    return unsafe text.pointee == nil ? Status.system.code : Status.ok.code
  } catch {
    unsafe text.pointee = hostText("\(error.text)")
    return error.status.code
  }
}
