// What the bridge's tests share: a server whose handler is a closure, and a client, both as values and classes that hide
// their pointers.

internal import CExtAuthz
internal import CRawGRPC
internal import Foundation
internal import Synchronization
internal import Testing

let checkMethod = "/envoy.service.auth.v3.Authorization/Check"
let healthCheckMethod = "/grpc.health.v1.Health/Check"
let healthWatchMethod = "/grpc.health.v1.Health/Watch"

/// A number that many threads add to.
final class Tally: Sendable {
  private let value = Atomic(0)

  var count: Int { value.load(ordering: .sequentiallyConsistent) }
  func increment() { value.wrappingAdd(1, ordering: .sequentiallyConsistent) }
}

struct StartFailure: Error {
  var message: String
}

/// A bridge server. The handler gets the worker and a copy of the request, and says allow or deny.
@safe final class BridgeServer: Sendable {
  typealias Handler = @Sendable (UInt32, DecodedRequest) -> Bool

  private final class Box: Sendable {
    let handler: Handler
    init(_ handler: @escaping Handler) { self.handler = handler }
  }

  // The C object is safe to use from any thread, and the box is only read.
  nonisolated(unsafe) private let server: OpaquePointer
  private let box: Box
  let ports: [UInt16]

  struct TLSFiles: Sendable {
    var certificate: String
    var key: String
    var clientCA: String
  }

  init(
    _ addresses: [String] = ["127.0.0.1:0"], workers: UInt32 = 2, tls: TLSFiles? = nil, maxMessageBytes: UInt32 = 0,
    takeOver: Bool = false, handler: @escaping Handler = { _, _ in true }
  ) throws {
    box = Box(handler)
    // Freed at the end of this initializer; the server copies what it keeps.
    let texts = unsafe addresses.map { unsafe strdup($0) }
    let files = unsafe [tls?.certificate, tls?.key, tls?.clientCA].map { path in unsafe path.map { unsafe strdup($0) } ?? nil }
    defer {
      for index in unsafe texts.indices { unsafe free(texts[index]) }
      for index in unsafe files.indices { unsafe free(files[index]) }
    }
    var listeners: [extauthz_listener] = unsafe []
    for index in unsafe texts.indices {
      if let text = unsafe texts[index] { unsafe listeners.append(extauthz_listener(address: text, tls: tls != nil)) }
    }
    var bound = [UInt16](repeating: 0, count: addresses.count)
    var message = [CChar](repeating: 0, count: 512)
    let context = unsafe Unmanaged.passUnretained(box).toOpaque()
    let started = unsafe listeners.withUnsafeBufferPointer { list in
      var options = unsafe extauthz_server_options(
        listeners: list.baseAddress, listener_count: list.count, certificate_path: files[0], key_path: files[1],
        client_ca_path: files[2], refresh_seconds: 1, workers: workers, max_message_bytes: maxMessageBytes, take_over: takeOver,
        handler: { context, worker, request, reply in
          guard let context = unsafe context else { return }
          let box = unsafe Unmanaged<Box>.fromOpaque(context).takeUnretainedValue()
          unsafe reply.pointee.outcome = unsafe box.handler(worker, DecodedRequest(request.pointee)) ? 1 : 0
        }, context: context, log: { _, _ in })
      return unsafe extauthz_server_start(&options, &message, message.count, &bound)
    }
    guard let started = unsafe started else {
      throw StartFailure(message: String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
    unsafe server = started
    ports = bound
  }

  deinit {
    unsafe extauthz_server_destroy(server)
  }

  var target: String { "127.0.0.1:\(ports[0])" }

  func setServing(_ serving: Bool) { unsafe extauthz_server_set_serving(server, serving) }

  func drain(milliseconds: UInt32 = 20_000) -> Bool { unsafe extauthz_server_drain(server, milliseconds) }

  var counters: extauthz_server_counters_values {
    var values = extauthz_server_counters_values()
    unsafe extauthz_server_counters(server, &values)
    return values
  }
}

/// One connection to a server.
@safe final class RawClient {
  private let channel: OpaquePointer

  struct Result: Equatable {
    var status: Int32
    var message: String
    /// Nil: no reply message came.
    var reply: [UInt8]?
  }

  struct TLSFiles {
    var ca: String
    var certificate: String?
    var key: String?
  }

  init(_ target: String, tls: TLSFiles? = nil, compress: Bool = false) throws {
    let texts = unsafe [target, tls?.ca, tls?.certificate, tls?.key, "localhost"].map { text in unsafe text.map { unsafe strdup($0) } ?? nil
    }
    defer {
      for index in unsafe texts.indices { unsafe free(texts[index]) }
    }
    guard let name = unsafe texts[0] else { throw StartFailure(message: "no target") }
    var options = unsafe raw_grpc_channel_options(
      target: name, ca_path: texts[1], certificate_path: texts[2], key_path: texts[3], server_name: tls == nil ? nil : texts[4],
      compress: compress)
    guard let created = unsafe raw_grpc_channel_create(&options) else { throw StartFailure(message: "no channel") }
    unsafe channel = created
  }

  deinit {
    unsafe raw_grpc_channel_destroy(channel)
  }

  private func withRequest<Result>(
    _ bytes: [UInt8]?, _ method: String, _ timeout: UInt32, _ metadata: [(String, String)],
    _ body: (inout raw_grpc_request) -> Result
  ) -> Result {
    let words: [String] = metadata.flatMap { [$0.0, $0.1] }
    let texts = unsafe words.map { unsafe strdup($0) }
    defer {
      for index in unsafe texts.indices { unsafe free(texts[index]) }
    }
    let names = unsafe texts.compactMap { text in unsafe text.map { unsafe UnsafePointer($0) } }
    return unsafe method.withCString { method in
      unsafe (bytes ?? []).withUnsafeBufferPointer { buffer in
        unsafe names.withUnsafeBufferPointer { names in
          var request = unsafe raw_grpc_request(
            method: method, bytes: buffer.baseAddress, size: buffer.count, without_message: bytes == nil, timeout_milliseconds: timeout,
            metadata: names.baseAddress, metadata_count: metadata.count)
          return unsafe body(&request)
        }
      }
    }
  }

  /// Nil bytes: the call ends without a message.
  func call(
    _ bytes: [UInt8]?, method: String = checkMethod, timeout: UInt32 = 30_000, metadata: [(String, String)] = []
  ) -> Result {
    unsafe withRequest(bytes, method, timeout, metadata) { request in
      var result = unsafe raw_grpc_result()
      unsafe raw_grpc_call(channel, &request, &result)
      return unsafe RawClient.take(&result)
    }
  }

  private static func take(_ result: inout raw_grpc_result) -> Result {
    let message = unsafe withUnsafeBytes(of: result.message) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let reply = unsafe result.has_message ? Array(UnsafeBufferPointer(start: result.bytes, count: result.size)) : nil
    defer { unsafe raw_grpc_result_clear(&result) }
    return unsafe Result(status: result.status, message: message, reply: reply)
  }

  @safe final class Load {
    private let load: OpaquePointer
    /// The calls are made on its channel.
    private let client: RawClient

    fileprivate init(_ load: OpaquePointer, _ client: RawClient) {
      unsafe self.load = load
      self.client = client
    }

    var finished: UInt64 { unsafe raw_grpc_load_finished(load) }
    func stop() { unsafe raw_grpc_load_stop(load) }

    struct Summary: Equatable {
      var finished: UInt64
      var ok: UInt64
      var empty: UInt64
      var different: UInt64
      var firstFailure: String
    }

    /// Call once.
    func join() -> Summary {
      var summary = raw_grpc_load_summary()
      unsafe raw_grpc_load_join(load, &summary)
      let failure = unsafe withUnsafeBytes(of: summary.first_failure) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      return Summary(
        finished: summary.finished, ok: summary.by_status.0, empty: summary.empty_replies, different: summary.different_replies,
        firstFailure: failure)
    }
  }

  /// Keeps calls under way; `total` 0: until stopped.
  func load(_ bytes: [UInt8], inFlight: UInt32, total: UInt64 = 0) throws -> Load {
    let started = unsafe withRequest(bytes, checkMethod, 30_000, []) { request in
      unsafe raw_grpc_load_start(channel, &request, inFlight, total)
    }
    guard let started = unsafe started else { throw StartFailure(message: "no load") }
    return unsafe Load(started, self)
  }

  @safe final class Stream {
    private let stream: OpaquePointer
    /// The call is made on its channel.
    private let client: RawClient

    fileprivate init(_ stream: OpaquePointer, _ client: RawClient) {
      unsafe self.stream = stream
      self.client = client
    }

    deinit { unsafe raw_grpc_stream_close(stream) }

    /// The next reply, or the status that ended the stream.
    func next() -> Result {
      var result = unsafe raw_grpc_result()
      _ = unsafe raw_grpc_stream_next(stream, &result)
      return unsafe RawClient.take(&result)
    }
  }

  func stream(_ bytes: [UInt8], method: String) throws -> Stream {
    let opened = unsafe withRequest(bytes, method, 30_000, []) { request in unsafe raw_grpc_stream_open(channel, &request) }
    guard let opened = unsafe opened else { throw StartFailure(message: "no stream") }
    return unsafe Stream(opened, self)
  }
}

/// A directory that goes away with its owner.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    // Short, because a unix socket's path must be.
    path = "/tmp/bridge-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: path) } catch { print("left behind: \(path)") }
  }

  /// Runs openssl in the directory.
  func openssl(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: path)
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "openssl \(arguments)")
  }

  /// An authority `name.pem`, `name.key`.
  func makeAuthority(_ name: String) throws {
    try openssl(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-keyout",
      "\(name).key", "-out", "\(name).pem")
  }

  /// A leaf `name.pem`, `name.key`, signed by the authority, good for `localhost`.
  func makeLeaf(_ name: String, by authority: String) throws {
    try openssl(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-addext",
      "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-CA", "\(authority).pem", "-CAkey",
      "\(authority).key", "-keyout", "\(name).key", "-out", "\(name).pem")
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }
}
