// The recorded messages of a real proxy, against their text form, and then damaged in every place.

internal import CExtAuthz
internal import Testing

@Suite struct `Messages that a real proxy sent` {
  @Test(arguments: Sample.all) func `every field in use is decoded as its text form says`(_ sample: Sample) throws {
    let request = try decode(sample.bytes()).get()
    let text = try sample.text()
    let attributes = try #require(text.message("attributes"))
    let source = try #require(attributes.message("source"))
    let destination = try #require(attributes.message("destination"))
    expect(request.source, source)
    expect(request.destination, destination)

    #expect(request.hasHTTP == (attributes.message("request", "http") != nil))
    if let http = attributes.message("request", "http") {
      #expect(request.method == http.bytes("method"))
      #expect(request.path == http.bytes("path"))
      #expect(request.host == http.bytes("host"))
      #expect(request.scheme == http.bytes("scheme"))
      #expect(request.proto == http.bytes("protocol"))
      #expect(request.hasHeaders)
      if let raw = http.message("header_map") {
        #expect(request.rawHeaders)
        #expect(request.headers == raw.all("headers").map { Pair($0.bytes("key"), $0.bytes("raw_value")) })
      } else {
        #expect(!request.rawHeaders)
        #expect(byKey(request.headers) == byKey(http.pairs("headers")))
      }
      #expect(request.headers.count >= 9)
    } else {
      #expect(!request.hasHeaders)
      #expect(request.headers.isEmpty)
    }
    #expect(request.sni == attributes.message("tls_session")?.bytes("sni"))
    #expect(byKey(request.contextExtensions) == byKey(attributes.pairs("context_extensions")))
    expectMetadata(request.metadata, attributes.message("metadata_context"))
    #expect(request.callMetadata.isEmpty)
  }

  @Test(arguments: Sample.all) func `a message cut anywhere is refused or decoded, and the whole one is decoded`(_ sample: Sample) throws {
    let bytes = try sample.bytes()
    let arena = try Arena()
    for size in 0..<bytes.count {
      // The outermost field says how long it is, so nothing shorter can be complete.
      #expect(!arena.accepts(Array(bytes[..<size])), "cut to \(size)")
    }
    #expect(arena.accepts(bytes))
  }

  @Test(arguments: Sample.all) func `a message with one changed byte is refused or decoded`(_ sample: Sample) throws {
    let original = try sample.bytes()
    let arena = try Arena()
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the changed bytes of \(sample.name): \(seed)")
    var generator = SeededGenerator(state: seed)
    var decoded = 0
    for position in original.indices {
      for _ in 0..<8 {
        var bytes = original
        bytes[position] ^= UInt8.random(in: 1...255, using: &generator)
        switch arena.decode(bytes) {
        case .success: decoded += 1
        case .failure(let refusal): #expect(refusal.isMalformed || refusal.isTooLarge)
        }
      }
    }
    // Most bytes are text, where another letter is as good.
    #expect(decoded > 0)
  }

  /// The text form sorts maps, the wire does not.
  private func byKey(_ pairs: [Pair]) -> [Pair] {
    pairs.sorted { $0.key.lexicographicallyPrecedes($1.key) }
  }

  private func expect(_ peer: DecodedPeer, _ text: TextMessage) {
    #expect(peer.principal == text.bytes("principal"))
    #expect(peer.certificate == text.bytes("certificate"))
    #expect(peer.service == text.bytes("service"))
    #expect(byKey(peer.labels) == byKey(text.pairs("labels")))
    if let socket = text.message("address", "socket_address") {
      #expect(peer.address.kind == EXTAUTHZ_ADDRESS_SOCKET.rawValue)
      #expect(peer.address.text == socket.bytes("address"))
      #expect(peer.address.port.map(String.init) == String(decoding: socket.bytes("port_value"), as: UTF8.self))
    } else if let pipe = text.message("address", "pipe") {
      #expect(peer.address.kind == EXTAUTHZ_ADDRESS_PIPE.rawValue)
      #expect(peer.address.text == pipe.bytes("path"))
      #expect(peer.address.port == nil)
    } else {
      Issue.record("no address")
    }
  }

  private func expectMetadata(_ nodes: [DecodedNode]?, _ text: TextMessage?) {
    guard let text, let nodes else {
      #expect(text == nil && nodes == nil)
      return
    }
    // Rendered the same way from both sides; fields are sorted by name in both.
    var expected: [String] = []
    for filter in text.all("filter_metadata") {
      expected.append("0 struct \(String(decoding: filter.bytes("key"), as: UTF8.self))")
      for field in filter.message("value")?.all("fields") ?? [] {
        render(field.message("value"), String(decoding: field.bytes("key"), as: UTF8.self), 1, &expected)
      }
    }
    let actual = nodes.map { node in
      let start = "\(node.depth) \(["null", "number", "string", "bool", "struct", "list"][Int(node.kind)])"
      let key = String(decoding: node.key, as: UTF8.self)
      switch node.kind {
      case EXTAUTHZ_METADATA_STRING.rawValue: return "\(start) \(key) \(String(decoding: node.string, as: UTF8.self))"
      case EXTAUTHZ_METADATA_NUMBER.rawValue: return "\(start) \(key) \(node.number)"
      case EXTAUTHZ_METADATA_BOOL.rawValue: return "\(start) \(key) \(node.boolean)"
      default: return "\(start) \(key)"
      }
    }
    #expect(actual == expected)
    for (index, node) in nodes.enumerated() {
      let next = nodes[(index + 1)...].firstIndex { $0.depth <= node.depth } ?? nodes.count
      #expect(Int(node.end) == next)
    }
  }

  private func render(_ value: TextMessage?, _ key: String, _ depth: Int, _ lines: inout [String]) {
    guard let value else { return }
    func scalar(_ name: String) -> String? {
      value.scalars[name]?.last.map { String(decoding: $0, as: UTF8.self) }
    }
    if let string = scalar("string_value") {
      lines.append("\(depth) string \(key) \(string)")
    } else if let number = scalar("number_value") {
      lines.append("\(depth) number \(key) \(number)")
    } else if let bool = scalar("bool_value") {
      lines.append("\(depth) bool \(key) \(bool)")
    } else if let list = value.message("list_value") {
      lines.append("\(depth) list \(key)")
      for element in list.all("values") { render(element, "", depth + 1, &lines) }
    } else if let structure = value.message("struct_value") {
      lines.append("\(depth) struct \(key)")
      for field in structure.all("fields") {
        render(field.message("value"), String(decoding: field.bytes("key"), as: UTF8.self), depth + 1, &lines)
      }
    }
  }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
