// What the codec's tests share: requests copied out of borrowed memory into values, so that only this file touches pointers.

internal import CExtAuthz
internal import Foundation
internal import Testing

struct Pair: Equatable, Sendable {
  var key: [UInt8]
  var value: [UInt8]

  init(_ key: [UInt8], _ value: [UInt8]) {
    self.key = key
    self.value = value
  }

  init(_ key: String, _ value: String) {
    self.init(Array(key.utf8), Array(value.utf8))
  }

  init(_ pair: extauthz_pair) {
    unsafe self.init(copied(pair.key), copied(pair.value))
  }
}

func copied(_ bytes: extauthz_bytes) -> [UInt8] {
  unsafe Array(UnsafeBufferPointer(start: bytes.data, count: bytes.size))
}

private func copied(_ pairs: UnsafePointer<extauthz_pair>?, _ count: Int) -> [Pair] {
  unsafe UnsafeBufferPointer(start: pairs, count: count).map { unsafe Pair($0) }
}

struct DecodedAddress: Equatable, Sendable {
  var kind: UInt32
  var text: [UInt8]
  var port: UInt32?
  var namedPort: [UInt8]?

  init(_ address: extauthz_address) {
    unsafe kind = address.kind.rawValue
    text = unsafe copied(address.text)
    port = unsafe address.has_port ? address.port : nil
    namedPort = unsafe address.has_named_port ? copied(address.named_port) : nil
  }
}

struct DecodedPeer: Equatable, Sendable {
  var address: DecodedAddress
  var principal: [UInt8]
  var certificate: [UInt8]
  var service: [UInt8]
  var labels: [Pair]

  init(_ peer: extauthz_peer) {
    address = unsafe DecodedAddress(peer.address)
    principal = unsafe copied(peer.principal)
    certificate = unsafe copied(peer.certificate)
    service = unsafe copied(peer.service)
    labels = unsafe copied(peer.labels, peer.label_count)
  }
}

struct DecodedNode: Equatable, Sendable {
  var depth: UInt32
  var kind: UInt32
  var key: [UInt8]
  var string: [UInt8]
  var number: Double
  var boolean: Bool
  var end: UInt32

  init(_ node: extauthz_metadata_node) {
    depth = unsafe node.depth
    kind = unsafe node.kind.rawValue
    key = unsafe copied(node.key)
    string = unsafe copied(node.string)
    number = unsafe node.number
    boolean = unsafe node.boolean
    end = unsafe node.end
  }
}

struct DecodedRequest: Equatable, Sendable {
  var source: DecodedPeer
  var destination: DecodedPeer
  var hasHTTP: Bool
  var method: [UInt8]
  var path: [UInt8]
  var host: [UInt8]
  var scheme: [UInt8]
  var proto: [UInt8]
  var hasHeaders: Bool
  var rawHeaders: Bool
  var headers: [Pair]
  var sni: [UInt8]?
  var contextExtensions: [Pair]
  var metadata: [DecodedNode]?
  var callMetadata: [Pair]

  init(_ request: extauthz_request) {
    source = unsafe DecodedPeer(request.source)
    destination = unsafe DecodedPeer(request.destination)
    hasHTTP = unsafe request.has_http
    method = unsafe copied(request.method)
    path = unsafe copied(request.path)
    host = unsafe copied(request.host)
    scheme = unsafe copied(request.scheme)
    proto = unsafe copied(request.protocol)
    hasHeaders = unsafe request.has_headers
    rawHeaders = unsafe request.header_map_present
    headers = unsafe copied(request.headers, request.header_count)
    sni = unsafe request.has_tls_session ? copied(request.sni) : nil
    contextExtensions = unsafe copied(request.context_extensions, request.context_extension_count)
    let nodes = unsafe UnsafeBufferPointer(start: request.metadata, count: request.metadata_count)
    metadata = unsafe request.has_metadata_context ? nodes.map { unsafe DecodedNode($0) } : nil
    callMetadata = unsafe copied(request.call_metadata, request.call_metadata_count)
  }
}

struct Refusal: Error, Equatable {
  var status: UInt32
  var reason: String

  var isMalformed: Bool { status == EXTAUTHZ_STATUS_MALFORMED.rawValue }
  var isTooLarge: Bool { status == EXTAUTHZ_STATUS_TOO_LARGE.rawValue }
}

/// One arena, for one thread.
@safe final class Arena {
  private let pointer: OpaquePointer

  init(maxBytes: Int = 0) throws {
    guard let created = unsafe extauthz_arena_create(maxBytes) else { throw Refusal(status: 0, reason: "no memory") }
    unsafe pointer = created
  }

  deinit {
    unsafe extauthz_arena_destroy(pointer)
  }

  var footprint: Int { unsafe extauthz_arena_footprint(pointer) }

  func reset() { unsafe extauthz_arena_reset(pointer) }

  func decode(_ message: [UInt8]) -> Result<DecodedRequest, Refusal> {
    unsafe message.withUnsafeBufferPointer { buffer in
      var request = unsafe extauthz_request()
      var error = unsafe extauthz_error()
      let bytes = unsafe extauthz_bytes(data: buffer.baseAddress, size: buffer.count)
      if unsafe extauthz_decode(pointer, bytes, &request, &error) {
        return unsafe .success(DecodedRequest(request))
      }
      return unsafe .failure(Refusal(status: error.status.rawValue, reason: error.reason.map { unsafe String(cString: $0) } ?? ""))
    }
  }

  /// The same by the general decoder alone.
  func decodeGenerally(_ message: [UInt8]) -> Result<DecodedRequest, Refusal> {
    unsafe message.withUnsafeBufferPointer { buffer in
      var request = unsafe extauthz_request()
      var error = unsafe extauthz_error()
      let bytes = unsafe extauthz_bytes(data: buffer.baseAddress, size: buffer.count)
      if unsafe extauthz_decode_generally(pointer, bytes, &request, &error) {
        return unsafe .success(DecodedRequest(request))
      }
      return unsafe .failure(Refusal(status: error.status.rawValue, reason: error.reason.map { unsafe String(cString: $0) } ?? ""))
    }
  }

  /// Whether the short way takes the message.
  func isOrdinary(_ message: [UInt8]) -> Bool {
    unsafe message.withUnsafeBufferPointer { unsafe extauthz_is_ordinary(pointer, extauthz_bytes(data: $0.baseAddress, size: $0.count)) }
  }

  /// Decodes and looks at nothing but whether it worked.
  func accepts(_ message: [UInt8]) -> Bool {
    unsafe message.withUnsafeBufferPointer { buffer in
      var request = unsafe extauthz_request()
      var error = unsafe extauthz_error()
      return unsafe extauthz_decode(pointer, extauthz_bytes(data: buffer.baseAddress, size: buffer.count), &request, &error)
    }
  }
}

func decode(_ message: [UInt8]) throws -> Result<DecodedRequest, Refusal> {
  try Arena().decode(message)
}

/// The recorded messages: name, bytes, and the same in protobuf's text format.
struct Sample: Sendable, CustomTestStringConvertible {
  var name: String
  var testDescription: String { name }

  static let all: [Sample] = [
    "body-over-limit-http2-truncated", "body-partial-string", "body-whole-bytes", "body-whole-string", "google-grpc-client",
    "header-mutation-extra-attributes", "http1-duplicate-headers", "http1-raw-headers", "http2-mtls-all-options",
    "http2-mtls-no-options", "mtls-dns-san-only", "mtls-many-sans", "mtls-subject-only", "plaintext-no-principal",
    "tcp-network-filter-all-options", "tcp-network-filter-minimal", "unix-listener-plaintext", "xff-trusted-hop",
  ].map(Sample.init(name:))

  func bytes() throws -> [UInt8] { try Sample.file(name, "bin") }

  func text() throws -> TextMessage { try TextMessage.parse(Sample.file(name, "txt")) }

  static func file(_ name: String, _ type: String) throws -> [UInt8] {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: type, subdirectory: "CheckRequests"))
    return try Array(Data(contentsOf: url))
  }
}

/// A reply as values, to be lent to the encoder.
struct ReplySpec {
  var outcome: Int32 = 0
  var status: UInt32 = 0
  var message: [UInt8]?
  var body: [UInt8]?
  /// Lies about the size of the body.
  var bodySize: Int?
  var metadata: [Pair] = []
  /// Lies about the number of entries.
  var metadataCount: UInt32?
  var isTCP = false

  /// The size that the encoder reported, and the buffer; a nil capacity lends no buffer.
  func encoded(capacity: Int? = 65_536) -> [UInt8] {
    // Everything in one place, and one byte more, so that empty text has an address.
    let texts = [message ?? [], body ?? []] + metadata.flatMap { [$0.key, $0.value] }
    let storage = texts.flatMap(\.self) + [0]
    return unsafe storage.withUnsafeBufferPointer { buffer in
      var position = 0
      let lent = unsafe texts.map { text in
        defer { position += text.count }
        return unsafe extauthz_bytes(data: buffer.baseAddress.map { unsafe $0 + position }, size: text.count)
      }
      var reply = unsafe extauthz_reply()
      unsafe reply.outcome = outcome
      unsafe reply.http_status = status
      if message != nil { unsafe reply.message = unsafe lent[0] }
      if body != nil { unsafe reply.body = unsafe lent[1] }
      if let bodySize { unsafe reply.body.size = bodySize }
      unsafe withUnsafeMutableBytes(of: &reply.metadata) { bytes in
        let pairs = unsafe bytes.assumingMemoryBound(to: extauthz_pair.self)
        for index in metadata.indices { unsafe pairs[index] = unsafe extauthz_pair(key: lent[2 + 2 * index], value: lent[3 + 2 * index]) }
      }
      unsafe reply.metadata_count = metadataCount ?? UInt32(metadata.count)
      unsafe reply.is_tcp = isTCP
      guard let capacity else { return Array(repeating: 0, count: unsafe extauthz_encode(&reply, nil, 65_536)) }
      var target = [UInt8](repeating: 0xEE, count: capacity)
      let size = unsafe target.withUnsafeMutableBufferPointer { unsafe extauthz_encode(&reply, $0.baseAddress, $0.count) }
      return Array(target[..<size])
    }
  }
}
