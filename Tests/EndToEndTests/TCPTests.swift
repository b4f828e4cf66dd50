// Connections without HTTP: one decision on the first bytes.

internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `TCP connections between sidecars` {
    @Test func `bytes of an allowed connection flow both ways`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let connection = try Connection(port: shop.port(.backendToDBOverTCP))
        for text in ["select 1", "select 2"] {
          try connection.send(Array(text.utf8))
          var answer: [UInt8] = []
          while answer.count < text.utf8.count {
            let bytes = try connection.receive()
            if bytes.isEmpty { break }
            answer += bytes
          }
          #expect(String(decoding: answer, as: UTF8.self) == text)
        }
        #expect(try shop.server.counter("ext_authz.portcullis.ok") == 1)
      }
    }

    @Test(arguments: [Call.frontendToDBOverTCP, .anonymousToDBOverTCP])
    func `a denied connection is closed without a byte`(call: Call) throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let connection = try Connection(port: shop.port(call))
        try connection.send(Array("select 1".utf8))
        #expect(try connection.receiveUntilClosed() == [])
        #expect(shop.echo.answeredCount == 0)
        #expect(try shop.server.counter("ext_authz.portcullis.denied") == 1)
        #expect(try shop.server.counter("ext_authz.portcullis.ok") == 0)
      }
    }

    @Test func `without an engine a connection is closed without a byte`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox, export: ["--timeout", "500ms"])
        shop.engine.send(signal: 9)
        try shop.engine.waitForEnd()
        let connection = try Connection(port: shop.port(.backendToDBOverTCP))
        try connection.send(Array("select 1".utf8))
        #expect(try connection.receiveUntilClosed() == [])
        #expect(shop.echo.answeredCount == 0)
        #expect(try shop.server.counter("ext_authz.portcullis.error") == 1)
      }
    }
  }
}
