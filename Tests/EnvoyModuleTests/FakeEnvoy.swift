// The module's hooks as Envoy calls them, with an Envoy that answers as a test says.
// Enters: policies, connections. Leaves: what the module did. Never happens here: a worker other than the thread of the test.

internal import CEnvoyModule
internal import CFakeEnvoy
internal import CPortcullis
internal import Synchronization
internal import TestSupport

/// Texts that live for ever, as a small test may have them.
func lasting(_ text: String) -> UnsafePointer<CChar> {
  let room = UnsafeMutableBufferPointer<CChar>.allocate(capacity: text.utf8.count + 1)
  _ = unsafe room.initialize(from: text.utf8.map { CChar(bitPattern: $0) } + [0])
  return unsafe UnsafePointer(room.baseAddress ?? UnsafeMutablePointer<CChar>.allocate(capacity: 1))
}

func bytes(_ text: String) -> portcullis_bytes { unsafe portcullis_bytes(data: lasting(text), size: text.utf8.count) }

/// What Envoy says about a connection; `nil` where it says nothing. TLS, with a certificate of one URI name, unless a test says otherwise.
struct FakeAnswers {
  var isTLS = true
  var hasCertificate = true
  var uriCount = 1
  var dnsName: String?
  var subject: String? = ""
  var refusesURIs = false
  var refusesDNSNames = false
  /// As the network filter sees it, and as the HTTP filter does.
  var serverName: String?
  var serverNameAttribute: String?
  var host = "test"
  /// Of both ends, as the HTTP filter sees it.
  var address = "10.0.0.1:1000"
}

/// A connection that Envoy has accepted.
@safe final class FakeConnection {
  private static let count = Atomic<UInt64>(0)
  let pointer: UnsafeMutablePointer<fake_connection>

  init(_ path: String, _ answers: FakeAnswers = FakeAnswers()) {
    var connection = unsafe fake_connection()
    unsafe connection.number = Self.count.add(1, ordering: .relaxed).newValue
    unsafe connection.is_tls = answers.isTLS
    unsafe connection.has_certificate = answers.hasCertificate
    unsafe connection.uri = lasting("spiffe://cluster.local/ns/shop/sa/frontend-sa")
    unsafe connection.uri_count = answers.uriCount
    unsafe connection.dns_name = answers.dnsName.map { unsafe lasting($0) }
    unsafe connection.subject = answers.subject.map { unsafe lasting($0) }
    unsafe connection.refuses_uris = answers.refusesURIs
    unsafe connection.refuses_dns_names = answers.refusesDNSNames
    unsafe connection.server_name = answers.serverName.map { unsafe lasting($0) }
    unsafe connection.server_name_attribute = answers.serverNameAttribute.map { unsafe lasting($0) }
    unsafe connection.path = lasting(path)
    unsafe connection.host = lasting(answers.host)
    unsafe connection.address = lasting(answers.address)
    unsafe pointer = .allocate(capacity: 1)
    unsafe pointer.initialize(to: connection)
  }

  deinit { unsafe pointer.deallocate() }

  var number: UInt64 { unsafe pointer.pointee.number }
  var reason: String {
    unsafe withUnsafeBytes(of: pointer.pointee.reason) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// Two filters that share a listener: the network filter `peer` or `authorize`, and the HTTP filter.
@safe final class FakeListener {
  private let network: UnsafeRawPointer
  private let http: UnsafeRawPointer
  private let config = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)

  /// - Parameter settings: of the HTTP filter, JSON without its braces.
  init(_ settings: String) throws {
    guard let network = unsafe envoy_dynamic_module_on_network_filter_config_new(config, bytes("peer"), bytes("")),
      let http = unsafe envoy_dynamic_module_on_http_filter_config_new(config, bytes("authorize"), bytes("{\(settings)}"))
    else { throw TestFailure("the module refuses the configuration: \(Self.log)") }
    unsafe self.network = network
    unsafe self.http = http
  }

  /// Ends both filters, as Envoy does when nothing uses them any more.
  func end() {
    unsafe envoy_dynamic_module_on_http_filter_config_destroy(http)
    unsafe envoy_dynamic_module_on_network_filter_config_destroy(network)
  }

  deinit { unsafe config.deallocate() }

  /// Lets a connection in, asks its request, and ends it.
  ///
  /// - Parameters:
  ///   - isSeen: whether the network filter stands before.
  ///   - look: called when the request is decided.
  /// - Returns: 200 when the request went on, else the status of the answer; 0 when it was left without one.
  func ask(_ connection: FakeConnection, isSeen: Bool = true, beforeItEnds look: () -> Void = {}) -> Int {
    let envoy = unsafe UnsafeMutableRawPointer(connection.pointer)
    var watched: UnsafeRawPointer?
    if isSeen {
      unsafe watched = envoy_dynamic_module_on_network_filter_new(network, envoy)
      _ = unsafe envoy_dynamic_module_on_network_filter_new_connection(envoy, watched)
      unsafe envoy_dynamic_module_on_network_filter_event(envoy, watched, Int32(ENVOY_EVENT_CONNECTED))
    }
    let stream = unsafe envoy_dynamic_module_on_http_filter_new(http, envoy)
    let word = unsafe envoy_dynamic_module_on_http_filter_request_headers(envoy, stream, true)
    look()
    if let watched = unsafe watched { unsafe envoy_dynamic_module_on_network_filter_destroy(watched) }
    return unsafe word == Int32(ENVOY_CONTINUE) ? 200 : Int(connection.pointer.pointee.status)
  }

  /// What the module has logged in this process.
  static var log: String {
    var room = [CChar](repeating: 0, count: 1 << 16)
    unsafe fake_envoy_log(&room, room.count)
    return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
