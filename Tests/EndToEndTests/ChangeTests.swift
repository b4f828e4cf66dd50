// Things that change while requests run: the policies on disk, the engine itself.

internal import Foundation
internal import TestSupport
internal import Testing

extension EndToEnd {
  @Suite struct `changes while requests run` {
    @Test func `a policy file that is renamed over the old one takes effect, and no request fails`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        try changesPolicyUnderLoad(
          shop, close: { _ = try sandbox.write(Shop.policiesThatCloseAdmin(), to: "policies/policies.yaml") },
          open: { _ = try sandbox.write(Shop.examplePolicies(), to: "policies/policies.yaml") })
      }
    }

    @Test func `a ConfigMap whose link is swapped takes effect, and no request fails`() throws {
      try withSandbox { sandbox in
        // As the kubelet lays it out: the files are links through `..data`, which is the one thing that changes.
        for (version, policies) in try [("..1", Shop.examplePolicies()), ("..2", Shop.policiesThatCloseAdmin())] {
          try sandbox.write(policies, to: "mounted/\(version)/policies.yaml")
          try sandbox.write(Shop.exampleWorkloads(), to: "mounted/\(version)/workloads.yaml")
        }
        try sandbox.swapLink("mounted/..data", to: "..1")
        for file in ["policies.yaml", "workloads.yaml"] { try sandbox.swapLink("mounted/\(file)", to: "..data/\(file)") }
        let shop = try Shop(in: sandbox, policies: sandbox.path("mounted"))
        try changesPolicyUnderLoad(
          shop, close: { try sandbox.swapLink("mounted/..data", to: "..2") }, open: { try sandbox.swapLink("mounted/..data", to: "..1") })
      }
    }

    @Test func `a broken policy keeps its last version while the others go live`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        #expect(try shop.get(.frontendToBackend, "/admin").status == 200)
        let broken = try Shop.policiesThatCloseAdmin().replacing(
          "principals: [\"cluster.local/ns/shop/sa/backend-sa\"]", with: "principal: [\"cluster.local/ns/shop/sa/backend-sa\"]")
        try sandbox.write(broken, to: "policies/policies.yaml")
        try waitUntil("the new DENY to be live", detail: { shop.engine.log }) { try shop.get(.frontendToBackend, "/admin").status == 403 }
        #expect(try shop.get(.frontendToBackend).status == 200)
        #expect(try shop.get(.backendToDB).status == 200)
        #expect(try shop.get(.frontendToDB).status == 403)
        try waitUntil("the stale policy in the log", detail: { shop.engine.log }) {
          shop.engine.output.contains("principal") && shop.engine.output.contains("db-from-backend")
        }
      }
    }

    @Test func `a file that is no YAML any more keeps everything that it held`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        try sandbox.write("kind: [AuthorizationPolicy\n", to: "policies/policies.yaml")
        try waitUntil("the mistake in the log", detail: { shop.engine.log }) { shop.engine.output.contains("policies.yaml:") }
        #expect(try shop.get(.frontendToBackend).status == 200)
        #expect(try shop.get(.frontendToDB).status == 403)
        #expect(shop.engine.isRunning)
      }
    }

    @Test func `a new policy that cannot be used closes what it could be about, and says so`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let misspelt = try Shop.policiesThatCloseAdmin().replacing("action: DENY", with: "action: DENNY")
        try sandbox.write(misspelt, to: "policies/policies.yaml")
        try waitUntil("the backend to be closed", detail: { shop.engine.log }) { try shop.get(.frontendToBackend, "/closed").status == 403 }
        let line = try #require(try shop.logLines(path: "/closed", status: 403).last)
        #expect(line.portcullis["reason"] == "policy-unusable")
        // It selects the backend, so the database stays open to whom it was.
        #expect(try shop.get(.backendToDB).status == 200)
      }
    }

    @Test func `an engine is replaced by its successor on the same port, and no answer is wrong`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox)
        let load = shop.load([.frontendToBackend, .frontendToDB, .backendToDB, .frontendToDB])
        try load.waitForMore(100)
        for _ in 0..<3 {
          let old = shop.engine
          try shop.startNextEngine()
          try load.waitForMore(50)
          old.send(signal: SIGTERM)
          #expect(try old.waitForEnd() == .exited(0))
          try load.waitForMore(100)
        }
        let answers = try load.stop()
        #expect(shop.statuses(answers, .frontendToBackend) == [200])
        #expect(shop.statuses(answers, .backendToDB) == [200])
        #expect(shop.statuses(answers, .frontendToDB) == [403])
        let counters = try shop.server.counters("cluster.portcullis.")
        #expect(try shop.server.counter("http.backend.ext_authz.portcullis.error") == 0, "\(counters)")
        #expect(try shop.server.counter("http.db.ext_authz.portcullis.error") == 0, "\(counters)")
      }
    }

    @Test func `an engine that is killed closes the door, and opens it again when it is back`() throws {
      try withSandbox { sandbox in
        let shop = try Shop(in: sandbox, export: ["--timeout", "500ms"])
        let load = shop.load([.frontendToBackend, .frontendToDB])
        try load.waitForMore(50)
        shop.engine.send(signal: SIGKILL)
        #expect(try shop.engine.waitForEnd() == .signalled(SIGKILL))
        // Nobody gets in while nobody answers; 503 says that it is not a denial.
        let answered = shop.backend.answeredCount
        _ = try shop.get(.frontendToBackend)
        let settled = shop.backend.answeredCount
        #expect(settled - answered <= 1)
        for _ in 0..<5 { #expect(try shop.get(.frontendToBackend, "/closed").status == 503) }
        #expect(shop.backend.answeredCount == settled)
        // Each question was asked again before Envoy gave up.
        #expect(try shop.server.counter("cluster.portcullis.upstream_rq_retry") >= 5 * 4)
        try shop.startNextEngine()
        try shop.waitForFirstAllowed()
        let answers = try load.stop()
        #expect(shop.statuses(answers, .frontendToBackend) == [200, 503])
        #expect(shop.statuses(answers, .frontendToDB) == [403, 503])
        #expect(shop.db.answeredCount == 0)
      }
    }

    /// Closes `/admin`, opens it again, and closes it once more, while requests to it and to `/` run.
    private func changesPolicyUnderLoad(_ shop: Shop, close: @escaping () throws -> Void, open: @escaping () throws -> Void) throws {
      #expect(try shop.get(.frontendToBackend, "/admin").status == 200)
      let load = Load([
        (shop.port(.frontendToBackend), "/"), (shop.port(.frontendToBackend), "/admin"), (shop.port(.frontendToDB), "/"),
      ])
      for (change, expected) in [(close, 403), (open, 200), (close, 403)] {
        try load.waitForMore(50)
        try change()
        try waitUntil("/admin to answer \(expected)", detail: { shop.engine.log }) {
          try shop.get(.frontendToBackend, "/admin").status == expected
        }
        // Once seen, a change stays: no part of the engine may still answer by the old policy.
        for _ in 0..<20 { #expect(try shop.get(.frontendToBackend, "/admin").status == expected) }
      }
      let answers = try load.stop()
      #expect(shop.statuses(answers, .frontendToBackend) == [200])
      #expect(shop.statuses(answers, .frontendToBackend, "/admin") == [200, 403])
      #expect(shop.statuses(answers, .frontendToDB) == [403])
      let line = try #require(try shop.logLines(path: "/admin", status: 403).last)
      #expect(line.portcullis["policy"] == "ns[shop]-policy[close-admin]-rule[0]")
    }
  }
}

extension Shop {
  /// Requests to `/` without end, a thread for each call.
  func load(_ calls: [Call]) -> Load { Load(calls.map { (port($0), "/") }) }

  /// Every status that a load saw for a call, sorted; status 0 is a connection that failed.
  func statuses(_ answers: AnswerCounts, _ call: Call, _ path: String = "/") -> [Int] {
    (answers["\(port(call)) \(path)"] ?? [:]).keys.sorted()
  }
}
