// When the tables of policies that are no longer in force are freed, and by whom. Enters: policies that change under open connections.
// Leaves: nothing. Never here: a call of what frees them by hand.

internal import CPortcullis
internal import PolicyEngine
internal import PolicyFiles
internal import TestSupport
internal import Testing

@testable internal import EmbeddedPortcullis

@Suite struct `Old tables` {
  private let lender = Lender()

  private static func policy(_ action: String) -> String {
    """
    apiVersion: v1
    kind: Pod
    metadata: {namespace: shop, name: backend, labels: {app: backend}}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {namespace: shop, name: one}
    spec:
      action: \(action)
      rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/frontend-sa"]}}]}]

    """
  }

  /// The newest snapshot of an engine, not kept.
  private func newest(_ engine: TestEngine) -> Weak<Snapshot> {
    Weak(unsafe Handle.object(engine.engine, .engine, EngineCore.self)?.publisher.snapshots.value)
  }

  /// The first target that the reader made for its connections, not kept.
  private func kept(_ engine: TestEngine) throws -> Weak<Target> {
    try Weak(unsafe Handle.object(engine.reader, .reader, ReaderCore.self)?.exclusively { $0.targets[0] })
  }

  private func facts(labels: Bool) -> portcullis_connection_facts {
    var facts = unsafe Shop.facts(lender)
    guard labels else { return unsafe facts }
    unsafe facts.workload = portcullis_bytes()
    unsafe facts.workload_namespace = lender.bytes("shop")
    unsafe facts.workload_labels = lender.bytes("app=backend")
    return unsafe facts
  }

  @Test func `go by themselves while the files are watched`() throws {
    try withSandbox { sandbox throws in
      let file = try sandbox.write(Self.policy("ALLOW"), to: "p/policies.yaml")
      let engine = try unsafe TestEngine([file], lender) { unsafe $0.flags = UInt32(PORTCULLIS_WATCH) }
      let connection = try unsafe engine.connect(facts(labels: false))
      defer { _ = unsafe portcullis_connection_close(connection) }
      #expect(unsafe check(connection, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
      let old = newest(engine)
      #expect(old.object != nil)
      try sandbox.write(Self.policy("DENY"), to: "p/policies.yaml")
      try waitUntil("the new policy") { unsafe check(connection, Shop.request(lender)).reason == "denied-by-policy" }
      try waitUntil("the end of the old tables") { old.object == nil }
    }
  }

  @Test(arguments: [false, true])
  func `go when the host asks how things are, and idle connections keep nothing of them`(labels: Bool) throws {
    try withSandbox { sandbox throws in
      let file = try sandbox.write(Self.policy("ALLOW"), to: "p/policies.yaml")
      let engine = try unsafe TestEngine([file], lender)
      let idle = try unsafe engine.connect(facts(labels: labels))
      let busy = try unsafe engine.connect(facts(labels: labels))
      defer {
        _ = unsafe portcullis_connection_close(idle)
        _ = unsafe portcullis_connection_close(busy)
      }
      #expect(unsafe check(idle, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
      #expect(unsafe check(busy, Shop.request(lender)).outcome == PORTCULLIS_ALLOW)
      let old = newest(engine)
      let target = try labels ? kept(engine) : Weak(old.object?.targets.first)
      #expect(target.object != nil)
      try sandbox.write(Self.policy("DENY"), to: "p/policies.yaml")
      #expect(unsafe portcullis_engine_reload(engine.engine, nil) == PORTCULLIS_OK)
      #expect(unsafe check(busy, Shop.request(lender)).reason == "denied-by-policy")
      // What labels made is small, and its tables are the snapshot's.
      #expect(old.object != nil && labels == (target.object == nil), "a check has freed the tables, or kept a target")
      var generation: UInt64 = 0
      #expect(unsafe portcullis_engine_generation(engine.engine, &generation) == PORTCULLIS_OK)
      #expect(old.object == nil && target.object == nil)
      #expect(unsafe check(idle, Shop.request(lender)).reason == "denied-by-policy")
    }
  }
}

/// An object that is looked at without being kept.
private struct Weak<Object: AnyObject> {
  weak var object: Object?
  init(_ object: Object?) { self.object = object }
}
