// One envoy.service.auth.v3.CheckRequest as an inbound sidecar sends it: what enters are the facts of a request, what leaves are
// its bytes. Field numbers are Envoy 1.40's; the fields are those that an Envoy fills with the configuration that
// Portcullis recommends (raw headers, TLS session, the peer's certificate on demand). It decides nothing.

/// An address as the proxy sees it.
struct SocketAddress {
  var host: String
  var port: UInt64
}

/// The facts of one HTTP request that a proxy asks about.
struct CheckRequestMessage {
  var source: SocketAddress
  /// The first URI SAN of the peer's certificate; empty for a peer without one.
  var sourcePrincipal = ""
  /// The peer's leaf certificate as URL-encoded PEM; empty when `include_peer_certificate` is off.
  var sourceCertificate = ""
  var destination: SocketAddress
  var destinationPrincipal = ""
  var serverName = ""
  /// Seconds since 1970 at the first byte of the request.
  var time: UInt64
  var streamID: UInt64
  var method: String
  var host: String
  var path: String
  /// Headers without pseudo-headers, names in lower case, in order.
  var headers: [(name: String, value: String)]

  /// The message as it crosses the wire, without gRPC's frame header.
  func encoded() -> [UInt8] {
    var request = ProtobufWriter()
    request.message(1) { attributes in
      attributes.message(1) { peer in
        peer.message(1) { write(source, into: &$0) }
        peer.string(4, sourcePrincipal)
        peer.string(5, sourceCertificate)
      }
      attributes.message(2) { peer in
        peer.message(1) { write(destination, into: &$0) }
        peer.string(4, destinationPrincipal)
      }
      attributes.message(4) { request in
        request.message(1) { $0.number(1, time) }
        request.message(2) { writeHTTP(into: &$0) }
      }
      attributes.message(11) { _ in }
      if !serverName.isEmpty { attributes.message(12) { $0.string(1, serverName) } }
      attributes.message(13) { _ in }
    }
    return request.bytes
  }

  private func write(_ address: SocketAddress, into writer: inout ProtobufWriter) {
    writer.message(1) { socket in
      socket.string(2, address.host)
      socket.number(3, address.port)
    }
  }

  private func writeHTTP(into http: inout ProtobufWriter) {
    http.string(1, String(streamID))
    http.string(2, method)
    http.string(4, path)
    http.string(5, host)
    http.string(6, "http")
    http.string(10, "HTTP/1.1")
    http.message(13) { map in
      for (name, value) in [(":authority", host), (":path", path), (":method", method), (":scheme", "http")] {
        write(header: name, value, into: &map)
      }
      for (name, value) in headers { write(header: name, value, into: &map) }
    }
  }

  private func write(header name: String, _ value: String, into map: inout ProtobufWriter) {
    map.message(1) { header in
      header.string(1, name)
      header.data(3, Array(value.utf8))
    }
  }
}
