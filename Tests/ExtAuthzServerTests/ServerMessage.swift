// A CheckRequest as a proxy would write it, from values with names. What enters: the facts of a request, of which each may be missing.
// What leaves: its bytes, by the hand-written protobuf of `Wire`. Never here: the server's own codec, or a field that was not asked for.

/// A value of a `google.protobuf.Struct`.
indirect enum TestValue: Sendable {
  case null
  case number(UInt64)
  case string(String)
  case bool(Bool)
  case object([(String, TestValue)])
  case list([TestValue])

  /// A `google.protobuf.Value`.
  var encoded: [UInt8] {
    switch self {
    case .null: Wire.number(1, 0)
    // A double, as fixed 64 bits.
    case .number(let value): [2 << 3 | 1] + (0..<8).map { UInt8(truncatingIfNeeded: Double(value).bitPattern >> (UInt64($0) * 8)) }
    case .string(let text): Wire.text(3, text)
    case .bool(let value): Wire.number(4, value ? 1 : 0)
    case .object(let fields): Wire.bytes(5, Self.structure(fields))
    case .list(let values): Wire.bytes(6, values.flatMap { Wire.bytes(1, $0.encoded) })
    }
  }

  /// A `google.protobuf.Struct`.
  static func structure(_ fields: [(String, TestValue)]) -> [UInt8] {
    fields.flatMap { Wire.entry(1, Array($0.0.utf8), $0.1.encoded) }
  }
}

/// The facts of one request; by default a GET of `/` by nobody over HTTP, with nothing that names a workload.
struct CheckMessage {
  enum Address {
    case none
    case socket(String, UInt64?)
    case named(String, String)
    case pipe(String)
    case listener(String)

    var encoded: [UInt8] {
      switch self {
      case .none: []
      case .socket(let text, let port): Wire.bytes(1, Wire.bytes(1, Wire.text(2, text) + (port.map { Wire.number(3, $0) } ?? [])))
      case .named(let text, let port): Wire.bytes(1, Wire.bytes(1, Wire.text(2, text) + Wire.text(4, port)))
      case .pipe(let path): Wire.bytes(1, Wire.bytes(2, Wire.text(1, path)))
      case .listener(let name): Wire.bytes(1, Wire.bytes(3, Wire.text(1, name)))
      }
    }
  }

  enum Headers {
    case none
    /// `headers`: repeated lines joined by the proxy.
    case joined([(String, String)])
    /// `header_map`: every line as it came.
    case lines([(String, String)])
  }

  struct HTTP {
    var method = "GET"
    var path = "/"
    var host = "backend.shop"
    var headers = Headers.lines([(":method", "GET"), (":path", "/"), (":authority", "backend.shop")])

    init(method: String = "GET", path: String = "/", host: String = "backend.shop", headers: Headers? = nil) {
      self.method = method
      self.path = path
      self.host = host
      if let headers { self.headers = headers }
    }

    var encoded: [UInt8] {
      var bytes: [UInt8] = []
      if !method.isEmpty { bytes += Wire.text(2, method) }
      if !path.isEmpty { bytes += Wire.text(4, path) }
      if !host.isEmpty { bytes += Wire.text(5, host) }
      switch headers {
      case .none: break
      case .joined(let pairs): for (key, value) in pairs { bytes += Wire.entry(3, Array(key.utf8), Array(value.utf8)) }
      case .lines(let pairs):
        bytes += Wire.bytes(13, pairs.flatMap { Wire.bytes(1, Wire.text(1, $0.0) + Wire.text(3, $0.1)) })
      }
      return Wire.http(bytes)
    }
  }

  var source = Address.socket("10.0.0.1", 40_000)
  var principal = ""
  var certificate = ""
  var destination = Address.socket("10.0.0.2", 8080)
  var destinationPrincipal = ""
  var labels: [(String, String)] = []
  /// Nil: a TCP connection.
  var http: HTTP? = HTTP()
  var extensions: [(String, String)] = []
  /// Filters and the fields of their structs; nil: no metadata context was sent.
  var metadata: [(String, [(String, TestValue)])]? = []
  /// Nil: nothing about TLS was sent.
  var sni: String?

  init() {}

  /// A request for a workload, named as the proxy's configuration would.
  init(to workload: String, from principal: String = "", path: String = "/") {
    extensions = [("portcullis.workload", workload)]
    self.principal = principal
    http = HTTP(path: path)
  }

  func with(_ change: (inout CheckMessage) -> Void) -> CheckMessage {
    var copy = self
    change(&copy)
    return copy
  }

  var encoded: [UInt8] {
    var peer = source.encoded
    if !principal.isEmpty { peer += Wire.text(4, principal) }
    if !certificate.isEmpty { peer += Wire.text(5, certificate) }
    var own = destination.encoded
    for (key, value) in labels { own += Wire.entry(3, Array(key.utf8), Array(value.utf8)) }
    if !destinationPrincipal.isEmpty { own += Wire.text(4, destinationPrincipal) }
    var attributes = http?.encoded ?? []
    for (key, value) in extensions { attributes += Wire.entry(10, Array(key.utf8), Array(value.utf8)) }
    if let metadata {
      attributes += Wire.bytes(11, metadata.flatMap { Wire.entry(1, Array($0.0.utf8), TestValue.structure($0.1)) })
    }
    if let sni { attributes += Wire.bytes(12, sni.isEmpty ? [] : Wire.text(1, sni)) }
    return Wire.check(source: peer, destination: own, attributes)
  }
}
