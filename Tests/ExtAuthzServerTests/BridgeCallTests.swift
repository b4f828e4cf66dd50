// One call at a time through the real server, over real sockets.

internal import CExtAuthz
internal import Foundation
internal import Synchronization
internal import Testing

@Suite struct `Calls to the bridge` {
  private let question = Wire.check(source: Wire.text(4, "spiffe://a/ns/b/sa/c"))

  @Test(arguments: Sample.all) func `a recorded message reaches the handler as the codec decodes it`(_ sample: Sample) throws {
    let seen = Mutex<[DecodedRequest]>([])
    let server = try BridgeServer { _, request in
      seen.withLock { $0.append(request) }
      return true
    }
    let bytes = try sample.bytes()
    let result = try RawClient(server.target).call(
      bytes, metadata: [("x-portcullis-workload", "shop/backend"), ("x-twice", "1"), ("x-twice", "2")])
    #expect(result == RawClient.Result(status: 0, message: "", reply: [0x0A, 0x00]))
    var request = try #require(seen.withLock { $0.last })
    for pair in [Pair("x-portcullis-workload", "shop/backend"), Pair("x-twice", "1"), Pair("x-twice", "2")] {
      #expect(request.callMetadata.contains(pair))
    }
    #expect(request.callMetadata.allSatisfy { $0.key.first != UInt8(ascii: ":") })
    request.callMetadata = []
    #expect(try request == decode(bytes).get())
  }

  @Test func `a denial is an explicit one`() throws {
    let server = try BridgeServer { _, _ in false }
    let result = try RawClient(server.target).call(question)
    #expect(result.status == 0)
    let reply = try DecodedReply.read(try #require(result.reply))
    #expect(reply.code == 7 && reply.deniedStatus == 403)
    #expect(server.counters.denied == 1 && server.counters.allowed == 0)
  }

  @Test func `what cannot be read is an error, never an answer, and the handler is not asked`() throws {
    let asked = Tally()
    let server = try BridgeServer(maxMessageBytes: 8 << 20) { _, _ in
      asked.increment()
      return true
    }
    let client = try RawClient(server.target)
    let sample = try Sample(name: "http2-mtls-all-options").bytes()
    let malformed: [[UInt8]?] = [
      nil, [], [0xFF], [0x0A], [0x0A, 0x05, 1], Wire.bytes(1, []), Wire.bytes(1, Wire.bytes(1, [])), Wire.bytes(1, Wire.bytes(2, [])),
      Wire.check(source: Wire.bytes(4, [0xFF])), Array(sample.dropLast()), Array(repeating: 0, count: 1_000),
    ]
    for message in malformed {
      let result = client.call(message)
      #expect(result.status == 3, "\(message ?? [])")
      #expect(result.reply == nil)
    }
    #expect(server.counters.malformed == UInt64(malformed.count))
    let bomb = Array(repeating: Wire.bytes(10, []), count: 2_000_000).flatMap(\.self)
    let tooLarge = client.call(Wire.check(bomb))
    #expect(tooLarge.status == 8 && tooLarge.reply == nil)
    #expect(server.counters.too_large == 1)
    #expect(asked.count == 0)
    #expect(client.call(question).status == 0)
  }

  @Test func `a message over the limit is refused by its size, one below is answered`() throws {
    let server = try BridgeServer(maxMessageBytes: 100_000)
    let client = try RawClient(server.target)
    let over = client.call(Wire.check(source: Wire.bytes(4, Array(repeating: 97, count: 100_000))))
    #expect(over.status == 8 && over.reply == nil)
    #expect(client.call(Wire.check(source: Wire.bytes(4, Array(repeating: 97, count: 99_000)))).reply == [0x0A, 0x00])
    #expect(server.counters.checks == 1)
  }

  @Test func `a compressed message is refused`() throws {
    let server = try BridgeServer()
    let result = try RawClient(server.target, compress: true).call(Wire.check(source: Wire.bytes(4, Array(repeating: 97, count: 5_000))))
    #expect(result.status == 3 && result.reply == nil)
    #expect(server.counters.malformed == 1)
  }

  @Test func `metadata beyond its limit is refused`() throws {
    let server = try BridgeServer()
    let result = try RawClient(server.target).call(question, metadata: [("x-large", String(repeating: "a", count: 20_000))])
    #expect(result.status != 0 && result.reply == nil)
    #expect(server.counters.allowed == 0)
  }

  @Test func `other methods are unimplemented`() throws {
    let server = try BridgeServer()
    let client = try RawClient(server.target)
    for method in [
      "/envoy.service.auth.v2.Authorization/Check", "/envoy.service.auth.v3.Authorization/check", "/x", "/grpc.health.v1.Health/List",
    ] {
      #expect(client.call(question, method: method).status == 12)
    }
    #expect(server.counters.unimplemented == 4)
  }

  @Test func `a handler is not asked once the deadline has passed`() throws {
    let asked = Tally()
    let server = try BridgeServer(workers: 1) { _, _ in
      asked.increment()
      Thread.sleep(forTimeInterval: 1)
      return true
    }
    let slow = try RawClient(server.target)
    let load = try slow.load(question, inFlight: 1, total: 1)
    while asked.count == 0 { Thread.sleep(forTimeInterval: 0.01) }
    let late = try RawClient(server.target).call(question, timeout: 100)
    #expect(late.status == 4 && late.reply == nil)
    #expect(load.join().ok == 1)
    // Answered after the late call, if that one was still to come.
    #expect(try RawClient(server.target).call(question).status == 0)
    #expect(asked.count == 2)
  }

  @Test func `a unix socket serves, its file goes with the server, and files of others stay`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("s")
    do {
      let server = try BridgeServer(["unix:\(path)", "127.0.0.1:0"])
      #expect(try RawClient("unix:\(path)").call(question).reply == [0x0A, 0x00])
      #expect(try RawClient("127.0.0.1:\(server.ports[1])").call(question).reply == [0x0A, 0x00])
      let refusal = #expect(throws: StartFailure.self) { try BridgeServer(["unix:\(path)"]) }
      #expect(refusal?.message.contains("another process answers") == true)
      #expect(try RawClient("unix:\(path)").call(question).reply == [0x0A, 0x00])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)

    try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
    let refusal = #expect(throws: StartFailure.self) { try BridgeServer(["unix:\(path)"]) }
    #expect(refusal?.message.contains("not a socket") == true)
    #expect(FileManager.default.contents(atPath: path) == Data("precious".utf8))
  }

  @Test func `a socket file that nobody answers on is replaced, and a successor takes a living one over without a gap`() throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("s")
    let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
    let bound = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    #expect(bound == 0)
    close(stale)
    let first = try BridgeServer(["unix:\(path)"], takeOver: true) { _, _ in false }
    #expect(try RawClient("unix:\(path)").call(question).reply != [0x0A, 0x00])
    do {
      let second = try BridgeServer(["unix:\(path)"], takeOver: true)
      #expect(try RawClient("unix:\(path)").call(question).reply == [0x0A, 0x00])
      #expect(first.drain())
      #expect(try RawClient("unix:\(path)").call(question).reply == [0x0A, 0x00])
      #expect(second.counters.allowed == 2)
    }
  }

  @Test func `an address that cannot be listened on is an error`() throws {
    let first = try BridgeServer()
    let inUse = #expect(throws: StartFailure.self) { try BridgeServer([first.target]) }
    #expect(inUse?.message.contains(first.target) == true)
    for address in ["", "192.0.2.1:1", "nonsense", "unix:/does/not/exist/s", "unix:/tmp/" + String(repeating: "a", count: 200)] {
      #expect(throws: StartFailure.self, "\(address)") { try BridgeServer([address]) }
    }
    #expect(throws: StartFailure.self) { try BridgeServer([]) }
  }
}
