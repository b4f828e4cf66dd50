// Change while requests run, over the wire: new snapshots, a drain with a successor, unix sockets.

internal import ExtAuthzServer
internal import Foundation
internal import PolicyEngine
internal import PolicyModel
internal import Testing

/// Runs the body on as many threads, and returns when all have ended.
private func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let group = DispatchGroup()
  for index in 0..<count {
    group.enter()
    Thread {
      body(index)
      group.leave()
    }.start()
  }
  group.wait()
}

@Suite struct `A server that changes while requests run` {
  private static func yaml(_ action: String, _ name: String) -> String {
    deployment("shop", "backend") + authorization(name, "action: \(action), rules: [{}]")
  }

  /// Whether an answer is that of one snapshot in all its parts.
  private static func fits(_ answer: Answer, _ snapshot: Snapshot) -> Bool {
    let name = snapshot.name(of: RuleReference(number: 0)).string
    return answer.snapshot == snapshot.contentHash.string && answer.policy == name && answer.isAllowed == name.contains("allow")
  }

  @Test func `answers each request from one snapshot`() throws {
    let snapshots = [try snapshot(Self.yaml("ALLOW", "allow-it")), try snapshot(Self.yaml("DENY", "refuse-it"))]
    #expect(snapshots[0].contentHash != snapshots[1].contentHash)
    let server = try TestServer(snapshots[0], Belief(), workers: 4)
    let message = CheckMessage(to: "shop/backend")
    let (wrong, finished) = (Tally(), Tally())
    let seen = [Tally(), Tally()]
    let askers = 4
    inThreads(askers + 1) { index in
      if index == askers {
        var round = 0
        while finished.count < askers {
          round += 1
          server.snapshots.publish(snapshots[round % 2])
          // Rests on either snapshot in turn: 7 is odd.
          if round % 7 == 0 { Thread.sleep(forTimeInterval: 0.001) }
        }
        return
      }
      defer { finished.increment() }
      do {
        let client = try RawClient(server.target)
        // Until both were seen often; without an end only if the server is stuck on one.
        for _ in 0..<200_000 where seen.contains(where: { $0.count < 500 }) {
          let answer = try Answer(client.call(message.encoded), isTCP: false)
          if let number = snapshots.firstIndex(where: { Self.fits(answer, $0) }) { seen[number].increment() } else { wrong.increment() }
        }
      } catch {
        wrong.increment()
      }
    }
    #expect(wrong.count == 0)
    #expect(seen.allSatisfy { $0.count >= 500 })
    // A publication that has returned is seen by every request that starts afterwards, whichever worker takes it.
    for round in 0..<20 {
      server.snapshots.publish(snapshots[round % 2])
      for _ in 0..<8 { #expect(Self.fits(try server.ask(message), snapshots[round % 2])) }
    }
  }

  @Test func `hands over to a successor on the same port without a lost or wrong answer`() throws {
    let (before, after) = (try snapshot(Self.yaml("ALLOW", "allow-it")), try snapshot(Self.yaml("DENY", "refuse-it")))
    let first = try TestServer(before, Belief())
    let message = CheckMessage(to: "shop/backend")
    let (wrong, old, new) = (Tally(), Tally(), Tally())
    let (isDrained, finished) = (Tally(), Tally())
    inThreads(4) { index in
      do {
        if index == 3 {
          while old.count < 300 { Thread.sleep(forTimeInterval: 0.005) }
          let second = try TestServer(after, Belief(), address: first.target, takesOver: true)
          second.server.setServing(true)
          if !first.server.drain(graceMilliseconds: 20_000) { wrong.increment() }
          isDrained.increment()
          // The successor lives until the last question is answered.
          while finished.count < 3 { Thread.sleep(forTimeInterval: 0.005) }
          return
        }
        defer { finished.increment() }
        let client = try RawClient(first.target)
        for _ in 0..<200_000 where new.count < 600 {
          let drained = isDrained.count == 1
          let answer = try Answer(client.call(message.encoded), isTCP: false)
          if Self.fits(answer, after) {
            new.increment()
          } else if !drained, Self.fits(answer, before) {
            old.increment()
          } else {
            wrong.increment()
          }
        }
      } catch {
        wrong.increment()
      }
    }
    #expect(wrong.count == 0)
    #expect(old.count >= 300 && new.count >= 600)
    #expect(first.server.wireCounters.cancelled == 0)
  }

  @Test func `counts every decision once, by its reason`() throws {
    let server = try TestServer(snapshot(Self.yaml("ALLOW", "allow-it")), Belief(), workers: 4)
    let message = CheckMessage(to: "shop/backend")
    inThreads(4) { index in
      do {
        let client = try RawClient(server.target)
        for _ in 0..<250 { _ = try Answer(client.call((index % 2 == 0 ? message : CheckMessage()).encoded), isTCP: false) }
      } catch {
        Issue.record(error)
      }
    }
    #expect(server.server.counters.count(of: .allowedByPolicy) == 500)
    #expect(server.server.counters.count(of: .unknownWorkload) == 500)
    #expect(Reason.allCases.reduce(0) { $0 + server.server.counters.count(of: $1) } == 1000)
    #expect(server.server.wireCounters.checks == 1000)
  }

  @Test func `refuses an address where somebody listens, unless it is the successor`() throws {
    let directory = try TemporaryDirectory()
    let snapshot = try snapshot(Self.yaml("ALLOW", "allow-it"))
    for address in ["127.0.0.1:0", "[::1]:0", "unix:\(directory.file("s"))"] {
      let first = try TestServer(snapshot, Belief(), address: address)
      let taken = address.hasPrefix("[") ? "[::1]:\(first.server.ports[0])" : first.target
      #expect(throws: ListenError.self, "\(address)") { try TestServer(snapshot, Belief(), address: taken) }
      _ = try TestServer(snapshot, Belief(), address: taken, takesOver: true)
    }
  }

  @Test func `answers on a unix socket, and says why it cannot listen`() throws {
    let directory = try TemporaryDirectory()
    let snapshot = try snapshot(Self.yaml("ALLOW", "allow-it"))
    let server = try TestServer(snapshot, Belief(), address: "unix:\(directory.file("s"))")
    #expect(Self.fits(try server.ask(CheckMessage(to: "shop/backend")), snapshot))
    #expect(server.server.ports == [0])
    for address in ["unix:/nowhere/at/all/s", "256.0.0.1:0", "nonsense", ""] {
      #expect(throws: ListenError.self, "\(address)") { try TestServer(snapshot, Belief(), address: address) }
    }
    var options = ListenOptions()
    let (snapshots, bundles) = (server.snapshots, server.bundles)
    #expect(throws: ListenError.self) {
      try ExtAuthzServer(options, belief: Belief(), snapshots: snapshots, bundles: bundles, processorCount: 1)
    }
    // More processors than the bridge has workers for, and none at all.
    options.addresses = [("127.0.0.1:0", false)]
    for count in [0, -1, 300] {
      let made = try ExtAuthzServer(options, belief: Belief(), snapshots: snapshots, bundles: bundles, processorCount: count)
      #expect(made.ports[0] != 0)
    }
  }
}
