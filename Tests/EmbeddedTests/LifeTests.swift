// The life of an engine: reloads, watched files, several threads, explanations, the state in words.
// Enters: the shop's policies and other ones, in files that change. Leaves: nothing. Never here: time, but to wait for what must come.

internal import CPortcullis
internal import EmbeddedPortcullis
internal import Foundation
internal import PolicyEngine
internal import Synchronization
internal import TestSupport
internal import Testing

/// Lets a C handle cross to another thread, which owns it from then on.
@safe private struct Given: @unchecked Sendable {
  let handle: OpaquePointer
}

@Suite struct `An engine lives` {
  private let lender = Lender()

  private static let workload = """
    apiVersion: v1
    kind: Pod
    metadata: {namespace: shop, name: backend, labels: {app: backend}}
    ---

    """

  private static func policy(_ action: String) -> String {
    workload + """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {namespace: shop, name: one}
      spec:
        action: \(action)
        rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/frontend-sa"]}}]}]

      """
  }

  @Test func `a reload takes effect on connections that are open, all of it or nothing`() throws {
    try withSandbox { sandbox throws in
      let file = try sandbox.write(Self.policy("ALLOW"), to: "p/policies.yaml")
      let engine = try unsafe TestEngine([file], lender)
      let connection = try unsafe engine.connect(Shop.facts(lender))
      defer { _ = unsafe portcullis_connection_close(connection) }
      let before = unsafe check(connection, Shop.request(lender))
      #expect(before.outcome == PORTCULLIS_ALLOW && before.policy == "ns[shop]-policy[one]-rule[0]")
      var generation: UInt64 = 0
      #expect(unsafe portcullis_engine_generation(engine.engine, &generation) == PORTCULLIS_OK)

      try sandbox.write(Self.policy("DENY"), to: "p/policies.yaml")
      #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
      var message: UnsafeMutablePointer<CChar>?
      #expect(unsafe portcullis_engine_reload(engine.engine, &message) == PORTCULLIS_OK)
      #expect(unsafe take(message).isEmpty)
      let after = unsafe check(connection, Shop.request(lender))
      #expect(after.reason == "denied-by-policy" && after.snapshot != before.snapshot)
      var next: UInt64 = 0
      #expect(unsafe portcullis_engine_generation(engine.engine, &next) == PORTCULLIS_OK && next > generation)

      try sandbox.write(Self.policy("ALOW"), to: "p/policies.yaml")
      #expect(unsafe portcullis_engine_reload(engine.engine, &message) == PORTCULLIS_BAD_SOURCES)
      #expect(unsafe take(message).contains("policies.yaml"))
      #expect(unsafe check(connection, Shop.request(lender)).snapshot == after.snapshot)
      var text: UnsafeMutablePointer<CChar>?
      #expect(unsafe portcullis_engine_describe(engine.engine, &text) == PORTCULLIS_OK)
      let state = unsafe take(text)
      #expect(state.hasPrefix("stale  snapshot \(after.snapshot)") && state.contains("ALOW"), "\(state)")

      // A workload that appears is known to connections that were opened before it.
      let early = try unsafe engine.connect(Shop.facts(lender, workload: "shop/late"))
      defer { _ = unsafe portcullis_connection_close(early) }
      #expect(unsafe check(early, Shop.request(lender)).reason == "unknown-workload")
      try sandbox.write(Self.policy("ALLOW").replacing("name: backend", with: "name: late"), to: "p/policies.yaml")
      #expect(unsafe portcullis_engine_reload(engine.engine, nil) == PORTCULLIS_OK)
      #expect(unsafe check(early, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
    }
  }

  @Test func `watched files take effect by themselves`() throws {
    try withSandbox { sandbox throws in
      let file = try sandbox.write(Self.policy("ALLOW"), to: "p/policies.yaml")
      let mesh = try sandbox.write("trustDomain: cluster.local\n", to: "m/mesh.yaml")
      let engine = try unsafe TestEngine([file], lender) { options in
        unsafe options.flags = UInt32(PORTCULLIS_WATCH)
        unsafe options.mesh_config = lender.text(mesh)
      }
      let connection = try unsafe engine.connect(Shop.facts(lender))
      defer { _ = unsafe portcullis_connection_close(connection) }
      #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
      var message: UnsafeMutablePointer<CChar>?
      #expect(unsafe portcullis_engine_reload(engine.engine, &message) == PORTCULLIS_BAD_STATE)
      #expect(unsafe !take(message).isEmpty)
      try sandbox.write(Self.policy("DENY"), to: "p/policies.yaml")
      try waitUntil("the new policy") { unsafe check(connection, Shop.request(lender)).reason == "denied-by-policy" }
      try sandbox.write("trustDomain: other.example\n", to: "m/mesh.yaml")
      try waitUntil("the new settings") { unsafe check(connection, Shop.request(lender)).reason == "untrusted-domain" }
    }
  }

  @Test func `several threads decide while policies change, each by one set or the other`() throws {
    try withSandbox { sandbox throws in
      let file = try sandbox.write(Self.policy("ALLOW"), to: "p/policies.yaml")
      let engine = try unsafe TestEngine([file], lender)
      let allow = try unsafe engine.ask(Shop.facts(lender), Shop.request(lender)).snapshot
      let (isOver, running, wrong) = (Shared(0), Shared(4), Shared(0))
      // How many snapshots each thread has seen.
      let seen = (0..<4).map { _ in Shared(0) }
      let handle = unsafe Given(handle: engine.engine)
      for number in 0..<4 {
        Thread.detachNewThread {
          defer { running.add(-1) }
          let lender = Lender()
          var reader: OpaquePointer?
          var connection: OpaquePointer?
          var facts = unsafe Shop.facts(lender)
          guard unsafe portcullis_reader_open(handle.handle, &reader) == PORTCULLIS_OK,
            unsafe portcullis_connection_open(reader, &facts, &connection, nil) == PORTCULLIS_OK
          else {
            wrong.add(1)
            return
          }
          let request = unsafe Shop.request(lender)
          var last = ""
          while isOver.value == 0 {
            let answer = unsafe check(connection, request)
            let isAllow = answer.snapshot == allow
            if answer.status != 0 || answer.reason != (isAllow ? "allowed-by-policy" : "denied-by-policy") { wrong.add(1) }
            if answer.snapshot != last { seen[number].add(1) }
            last = answer.snapshot
          }
          if unsafe check(connection, request).reason != "denied-by-policy" { wrong.add(1) }
          _ = unsafe portcullis_connection_close(connection)
          _ = unsafe portcullis_reader_close(reader)
        }
      }
      try waitUntil("the threads' start") { seen.allSatisfy { $0.value == 1 } }
      for round in 0..<40 {
        try sandbox.write(Self.policy(round % 2 == 0 ? "DENY" : "ALLOW"), to: "p/policies.yaml")
        #expect(unsafe portcullis_engine_reload(engine.engine, nil) == PORTCULLIS_OK)
        try waitUntil("all threads to see round \(round)") { seen.allSatisfy { $0.value == round + 2 } }
      }
      try sandbox.write(Self.policy("DENY"), to: "p/policies.yaml")
      #expect(unsafe portcullis_engine_reload(engine.engine, nil) == PORTCULLIS_OK)
      isOver.add(1)
      try waitUntil("the threads' end") { running.value == 0 }
      #expect(wrong.value == 0)
    }
  }

  @Test func `a connection that is reset is another one`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender))
    defer { _ = unsafe portcullis_connection_close(connection) }
    var facts = unsafe Shop.facts(lender, peer: "spiffe://cluster.local/ns/shop/sa/backend-sa")
    #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_OK)
    #expect(unsafe check(connection, Shop.request(lender)).reason == "no-allow-matched")
    unsafe facts.port = 65_536
    #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_BAD_ARGUMENT)
    #expect(unsafe check(connection, Shop.request(lender)).status == PORTCULLIS_CLOSED)
    #expect(unsafe portcullis_connection_reset(connection, nil, nil) == PORTCULLIS_BAD_ARGUMENT)
    unsafe facts = Shop.facts(lender)
    #expect(unsafe portcullis_connection_reset(connection, &facts, nil) == PORTCULLIS_OK)
    #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
  }

  @Test func `an explanation says why, and the state says what is in force`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender, workload: "shop/db"))
    defer { _ = unsafe portcullis_connection_close(connection) }
    var request = unsafe Shop.request(lender)
    var text: UnsafeMutablePointer<CChar>?
    #expect(unsafe portcullis_explain(connection, &request, &text) == PORTCULLIS_OK)
    let page = unsafe take(text)
    #expect(page.hasPrefix("deny  the peer -> shop/db\n  reason    no-allow-matched"), "\(page)")
    #expect(page.contains("the reference evaluator says the same") && page.contains("db-from-backend"), "\(page)")
    let answer = unsafe check(connection, request)
    #expect(page.contains(answer.snapshot))
    #expect(unsafe portcullis_engine_describe(engine.engine, &text) == PORTCULLIS_OK)
    let state = unsafe take(text)
    #expect(state.hasPrefix("current as of the last reading  snapshot \(answer.snapshot)  2 policies"), "\(state)")
  }

  @Test func `the numbers of the header are the engine's reasons`() throws {
    let header = try String(contentsOfFile: Programs.project() + "/Sources/CPortcullis/include/portcullis.h", encoding: .utf8)
    var numbers: [String: Int32] = [:]
    for entry in header.split(whereSeparator: { $0 == "\n" || $0 == "," })
    where entry.contains("PORTCULLIS_REASON_") && entry.contains(" = ") {
      let parts = entry.split(separator: "=")
      let name = parts[0].trimmingCharacters(in: .whitespaces).dropFirst("PORTCULLIS_REASON_".count)
      numbers[name.lowercased().replacing("_", with: "-")] = Int32(parts[1].filter(\.isNumber))
    }
    #expect(numbers.count == Reason.allCases.count)
    for reason in Reason.allCases {
      guard let number = numbers["\(reason.code)"] else {
        Issue.record("\(reason.code) is not in the header")
        continue
      }
      #expect(unsafe portcullis_reason_code(number).map { unsafe String(cString: $0) } == "\(reason.code)")
      #expect(unsafe portcullis_reason_explanation(number).map { unsafe String(cString: $0) } == "\(reason.explanation)")
    }
    #expect(unsafe portcullis_reason_code(35) == nil && portcullis_reason_code(-1) == nil && portcullis_outcome_name(3) == nil)
    for status: portcullis_status in [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9] { #expect(unsafe portcullis_status_text(status) != nil) }
    let command = try String(contentsOfFile: Programs.project() + "/Sources/portcullis/Portcullis.swift", encoding: .utf8)
    let version = unsafe portcullis_version().map { unsafe String(cString: $0) } ?? ""
    #expect(command.contains("static let version = \"\(version)\"\n"))
  }
}

/// A number that threads share.
private final class Shared: Sendable {
  private let number: Atomic<Int>
  init(_ value: Int) { number = Atomic(value) }
  var value: Int { number.load(ordering: .acquiring) }
  func add(_ amount: Int) { number.add(amount, ordering: .acquiringAndReleasing) }
}
