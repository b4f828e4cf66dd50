// Health, concurrency, TLS and stopping, over real sockets.

internal import CExtAuthz
internal import Foundation
internal import Synchronization
internal import Testing

@Suite struct `The life of the bridge` {
  private let question = Wire.check(source: Wire.text(4, "spiffe://a/ns/b/sa/c"))
  private let serving: [UInt8] = [8, 1]
  private let notServing: [UInt8] = [8, 2]
  private let serviceUnknown: [UInt8] = [8, 3]
  private let knownServices = [[], Wire.text(1, "envoy.service.auth.v3.Authorization")]

  @Test func `health says what the process says, by service`() throws {
    let server = try BridgeServer()
    let client = try RawClient(server.target)
    for serving in [false, true, false, true] {
      server.setServing(serving)
      for service in knownServices {
        #expect(client.call(service, method: healthCheckMethod).reply == (serving ? self.serving : notServing))
      }
    }
    let unknown = client.call(Wire.text(1, "envoy.service.auth.v2.Authorization"), method: healthCheckMethod)
    #expect(unknown.status == 5 && unknown.reply == nil)
    for malformed in [[0x0A], Wire.bytes(1, [0xFF])] as [[UInt8]] {
      #expect(client.call(malformed, method: healthCheckMethod).status == 3)
      #expect(try client.stream(malformed, method: healthWatchMethod).next().status == 3)
    }
  }

  @Test func `health is not serving until the process says so`() throws {
    let server = try BridgeServer()
    #expect(try RawClient(server.target).call([], method: healthCheckMethod).reply == notServing)
  }

  @Test func `a watch hears of each change, and of the end`() throws {
    let server = try BridgeServer()
    let client = try RawClient(server.target)
    let watches = try knownServices.map { try client.stream($0, method: healthWatchMethod) }
    let unknown = try client.stream(Wire.text(1, "other"), method: healthWatchMethod)
    #expect(unknown.next().reply == serviceUnknown)
    for watch in watches { #expect(watch.next().reply == notServing) }
    for serving in [true, false, true] {
      server.setServing(serving)
      for watch in watches { #expect(watch.next().reply == (serving ? self.serving : notServing)) }
    }
    // Left while open: the server must not mind.
    do { #expect(try client.stream([], method: healthWatchMethod).next().reply == self.serving) }
    let clean = Tally()
    let drained = Thread { if server.drain() { clean.increment() } }
    drained.start()
    for watch in watches {
      #expect(watch.next().reply == notServing)
      #expect(watch.next().status == 14)
    }
    #expect(unknown.next().status == 14)
    while !drained.isFinished { Thread.sleep(forTimeInterval: 0.01) }
    #expect(clean.count == 1)
  }

  @Test func `all workers serve a single connection`() throws {
    let calls = Mutex([UInt32: Int]())
    let server = try BridgeServer(workers: 3) { worker, _ in
      calls.withLock { $0[worker, default: 0] += 1 }
      return true
    }
    let summary = try RawClient(server.target).load(question, inFlight: 64, total: 20_000).join()
    #expect(summary == RawClient.Load.Summary(finished: 20_000, ok: 20_000, empty: 0, different: 0, firstFailure: ""))
    let counts = calls.withLock { $0 }
    #expect(counts.keys.sorted() == [0, 1, 2])
    #expect(counts.values.allSatisfy { $0 > 1_000 }, "\(counts)")
    #expect(counts.values.reduce(0, +) == 20_000)
    #expect(server.counters.checks == 20_000 && server.counters.allowed == 20_000)
  }

  @Test func `a worker is never asked twice at once, and slow calls do not hold others up`() throws {
    let busy = Mutex(Set<UInt32>())
    let overlaps = Tally()
    let gate = Tally()
    let held = Tally()
    let server = try BridgeServer(workers: 4) { worker, request in
      if !busy.withLock({ $0.insert(worker).inserted }) { overlaps.increment() }
      if !request.source.principal.isEmpty {
        held.increment()
        while gate.count == 0 { Thread.sleep(forTimeInterval: 0.01) }
      }
      _ = busy.withLock { $0.remove(worker) }
      return true
    }
    let client = try RawClient(server.target)
    let slow = try client.load(question, inFlight: 2, total: 2)
    while held.count < 2 { Thread.sleep(forTimeInterval: 0.01) }
    let fast = try client.load(Wire.check(), inFlight: 16, total: 2_000).join()
    #expect(fast.ok == 2_000)
    #expect(slow.finished == 0)
    gate.increment()
    #expect(slow.join().ok == 2)
    #expect(overlaps.count == 0)
  }

  @Test func `a drain under load loses no call to a successor on the same port`() throws {
    for _ in 0..<5 {
      let first = try BridgeServer(takeOver: true)
      let clients = try (0..<3).map { _ in try RawClient(first.target) }
      let loads = try clients.map { try $0.load(question, inFlight: 32) }
      while loads.contains(where: { $0.finished < 500 }) { Thread.sleep(forTimeInterval: 0.005) }
      let second = try BridgeServer([first.target], takeOver: true)
      #expect(first.drain())
      let before = loads.map(\.finished)
      while zip(loads, before).contains(where: { $0.finished < $1 + 500 }) { Thread.sleep(forTimeInterval: 0.005) }
      for load in loads {
        load.stop()
        let summary = load.join()
        #expect(summary.ok == summary.finished && summary.empty == 0 && summary.different == 0, "\(summary)")
      }
      #expect(first.counters.checks > 0 && second.counters.checks > 0)
      #expect(first.counters.cancelled == 0)
    }
  }

  @Test func `a drain waits for the calls under way, and cancels what is left after the grace`() throws {
    let running = Tally()
    let server = try BridgeServer { _, _ in
      running.increment()
      Thread.sleep(forTimeInterval: 1)
      return true
    }
    let client = try RawClient(server.target)
    let load = try client.load(question, inFlight: 2, total: 2)
    while running.count < 2 { Thread.sleep(forTimeInterval: 0.01) }
    #expect(server.drain())
    #expect(load.join().ok == 2)
    #expect(server.drain())

    let hasty = try BridgeServer { _, _ in
      running.increment()
      Thread.sleep(forTimeInterval: 2)
      return true
    }
    let other = try RawClient(hasty.target)
    let lost = try other.load(question, inFlight: 2, total: 2)
    while running.count < 4 { Thread.sleep(forTimeInterval: 0.01) }
    #expect(!hasty.drain(milliseconds: 50))
    let summary = lost.join()
    #expect(summary.ok == 0 && summary.finished == 2)
  }

  @Test func `a server that ends while clients that are gone are still being answered does not mind`() throws {
    let (entered, end) = (Tally(), Tally())
    var server: BridgeServer? = try BridgeServer(workers: 2) { _, _ in
      entered.increment()
      while end.count == 0 { Thread.sleep(forTimeInterval: 0.001) }
      return true
    }
    let target = try #require(server?.target)
    // Two calls hold the workers up, others lie in the queues behind them; all clients give up, and their connections go with them.
    let question = question
    let callers = (0..<6).map { number in
      let thread = Thread {
        guard let client = try? RawClient(target) else { return }
        _ = client.call(question, method: number < 4 ? checkMethod : "/unknown", timeout: 300)
      }
      thread.start()
      return thread
    }
    while entered.count < 2 { Thread.sleep(forTimeInterval: 0.001) }
    while callers.contains(where: { !$0.isFinished }) { Thread.sleep(forTimeInterval: 0.001) }
    let release = Thread {
      Thread.sleep(forTimeInterval: 0.5)
      end.increment()
    }
    release.start()
    _ = server?.drain(milliseconds: 0)
    server = nil
    #expect(end.count == 1)
  }

  @Test func `TLS demands a client certificate from the right authority, and rotated files are picked up`() throws {
    let directory = try TemporaryDirectory()
    for authority in ["ca", "foreign"] { try directory.makeAuthority(authority) }
    try directory.makeLeaf("server", by: "ca")
    try directory.makeLeaf("client", by: "ca")
    try directory.makeLeaf("stranger", by: "foreign")
    try directory.makeLeaf("rotated", by: "foreign")
    let files = BridgeServer.TLSFiles(
      certificate: directory.file("server.pem"), key: directory.file("server.key"), clientCA: directory.file("bundle.pem"))
    func put(_ source: String, _ target: String) throws {
      let data = try Data(contentsOf: URL(fileURLWithPath: directory.file(source)))
      try data.write(to: URL(fileURLWithPath: directory.file(target)), options: .atomic)
    }
    try put("ca.pem", "bundle.pem")
    let server = try BridgeServer(tls: files)
    func call(ca: String, _ certificate: String?) throws -> Int32 {
      let tls = RawClient.TLSFiles(
        ca: directory.file(ca), certificate: certificate.map { directory.file("\($0).pem") },
        key: certificate.map { directory.file("\($0).key") })
      return try RawClient(server.target, tls: tls).call(question, timeout: 5_000).status
    }
    #expect(try call(ca: "ca.pem", "client") == 0)
    #expect(try call(ca: "ca.pem", nil) != 0)
    #expect(try call(ca: "ca.pem", "stranger") != 0)
    #expect(try RawClient(server.target).call(question, timeout: 2_000).status != 0)
    #expect(server.counters.checks == 1)

    try put("rotated.key", "server.key")
    try put("rotated.pem", "server.pem")
    try put("foreign.pem", "bundle.pem")
    var tries = 0
    while try call(ca: "foreign.pem", "stranger") != 0, tries < 60 {
      tries += 1
      Thread.sleep(forTimeInterval: 0.5)
    }
    #expect(try call(ca: "foreign.pem", "stranger") == 0)
    #expect(try call(ca: "foreign.pem", "client") != 0)
  }

  @Test func `TLS without readable files does not start`() throws {
    let directory = try TemporaryDirectory()
    try directory.makeAuthority("ca")
    let good = BridgeServer.TLSFiles(
      certificate: directory.file("ca.pem"), key: directory.file("ca.key"), clientCA: directory.file("ca.pem"))
    #expect(throws: Never.self) { try BridgeServer(tls: good) }
    for missing in [\BridgeServer.TLSFiles.certificate, \.key, \.clientCA] {
      var files = good
      files[keyPath: missing] = directory.file("missing.pem")
      let refusal = #expect(throws: StartFailure.self) { try BridgeServer(tls: files) }
      #expect(refusal?.message.contains("missing.pem") == true)
    }
  }
}
