// Which facts of a request matter on a connection: what the library says, and that it is so.
// Enters: policies that test one thing each. Leaves: nothing. Never here: the corpus, whose requests are asked again without what does not
// matter (`CorpusDoorTests.swift`).

internal import CPortcullis
internal import EmbeddedPortcullis
internal import TestSupport
internal import Testing

@Suite struct `The facts that matter` {
  private let lender = Lender()

  private static let workload = """
    apiVersion: v1
    kind: Pod
    metadata: {namespace: shop, name: backend, labels: {app: backend}}

    """

  private static func policy(_ rule: String, action: String = "DENY") -> String {
    workload + """
      ---
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {namespace: shop, name: one}
      spec: {action: \(action), rules: [{\(rule)}]}

      """
  }

  private func facts(_ engine: TestEngine, profile: Int = PORTCULLIS_PROFILE_SIDECAR) throws -> Int {
    var facts = unsafe Shop.facts(lender)
    unsafe facts.profile = Int32(profile)
    let connection = try unsafe engine.connect(facts)
    defer { _ = unsafe portcullis_connection_close(connection) }
    var found: UInt32 = 0
    #expect(unsafe portcullis_tested_facts(connection, &found) == PORTCULLIS_OK)
    return Int(found)
  }

  private static let rules: [(String, Int)] = [
    ("", 0),
    ("from: [{source: {notPrincipals: [a]}}]", PORTCULLIS_FACT_PEER),
    ("from: [{source: {namespaces: [a]}}]", PORTCULLIS_FACT_PEER),
    ("from: [{source: {ipBlocks: [10.0.0.1]}}]", PORTCULLIS_FACT_SOURCE),
    ("from: [{source: {notRemoteIpBlocks: [10.0.0.1]}}]", PORTCULLIS_FACT_REMOTE | PORTCULLIS_FACT_SOURCE),
    ("from: [{source: {requestPrincipals: ['*']}}]", PORTCULLIS_FACT_TOKEN),
    ("to: [{operation: {ports: ['80']}}]", PORTCULLIS_FACT_PORT),
    ("to: [{operation: {notHosts: [a]}}]", PORTCULLIS_FACT_HOST),
    ("to: [{operation: {methods: [GET]}}]", PORTCULLIS_FACT_METHOD),
    ("to: [{operation: {paths: [/a]}}, {operation: {methods: [GET]}}]", PORTCULLIS_FACT_PATH | PORTCULLIS_FACT_METHOD),
    ("when: [{key: 'request.headers[x]', values: [a]}]", PORTCULLIS_FACT_HEADERS),
    ("when: [{key: 'request.headers[:authority]', values: [a]}]", PORTCULLIS_FACT_HOST),
    ("when: [{key: 'request.auth.claims[a]', notValues: [a]}]", PORTCULLIS_FACT_TOKEN),
    ("when: [{key: connection.sni, values: [a]}]", PORTCULLIS_FACT_SNI),
    ("when: [{key: destination.ip, values: [10.0.0.1]}]", PORTCULLIS_FACT_DESTINATION),
    ("when: [{key: 'experimental.envoy.filters.x[k]', values: [a]}]", PORTCULLIS_FACT_METADATA),
  ]

  @Test(arguments: ["ALLOW", "DENY", "AUDIT"]) func `are those that a rule tests`(action: String) throws {
    try withSandbox { sandbox throws in
      for (rule, expected) in Self.rules where action == "ALLOW" || !rule.isEmpty {
        let engine = try unsafe TestEngine([sandbox.write(Self.policy(rule, action: action), to: "p/policies.yaml")], lender)
        // A sidecar's server looks at every peer.
        #expect(try facts(engine) == expected | PORTCULLIS_FACT_PEER, "\(rule)")
        #expect(try facts(engine, profile: PORTCULLIS_PROFILE_GATEWAY) == expected, "\(rule)")
      }
    }
  }

  @Test func `are also those of what stands in front of the rules`() throws {
    let objects =
      Self.workload + """
        ---
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {namespace: shop, name: one}
        spec: {selector: {matchLabels: {app: backend}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}
        ---
        apiVersion: security.istio.io/v1
        kind: RequestAuthentication
        metadata: {namespace: shop, name: one}
        spec: {jwtRules: [{issuer: a}]}

        """
    try withSandbox { sandbox throws in
      let file = try sandbox.write(objects, to: "p/objects.yaml")
      let gate = PORTCULLIS_FACT_PEER | PORTCULLIS_FACT_PORT
      let token = PORTCULLIS_FACT_TOKEN | PORTCULLIS_FACT_METHOD | PORTCULLIS_FACT_HEADERS
      for (flag, expected) in [(0, gate), (PORTCULLIS_REQUEST_AUTHENTICATION, gate | token)] {
        let engine = try unsafe TestEngine([file], lender) { unsafe $0.flags = UInt32(PORTCULLIS_ALLOW_EMPTY | flag) }
        #expect(try facts(engine) == expected)
      }
    }
  }

  /// Policies that change between asking and checking: what was not fetched is not known, and never absent.
  @Test func `change with the policies, and what is left out is unknown`() throws {
    try withSandbox { sandbox throws in
      let file = try sandbox.write(Self.policy("to: [{operation: {methods: [PUT]}}]"), to: "p/policies.yaml")
      let engine = try unsafe TestEngine([file], lender)
      let connection = try unsafe engine.connect(Shop.facts(lender))
      defer { _ = unsafe portcullis_connection_close(connection) }
      var request = unsafe portcullis_request_init()
      unsafe request.protocol = Int32(PORTCULLIS_HTTP)
      unsafe request.method = lender.bytes("GET")
      var found: UInt32 = 0
      #expect(unsafe portcullis_tested_facts(connection, &found) == PORTCULLIS_OK)
      #expect(Int(found) == PORTCULLIS_FACT_PEER | PORTCULLIS_FACT_METHOD)
      #expect(unsafe check(connection, request).outcome == PORTCULLIS_ALLOW)
      try sandbox.write(Self.policy("to: [{operation: {notPaths: [/admin]}}]"), to: "p/policies.yaml")
      #expect(unsafe portcullis_engine_reload(engine.engine, nil) == PORTCULLIS_OK)
      #expect(unsafe check(connection, request).reason == "unknown-path")
      #expect(unsafe portcullis_tested_facts(connection, &found) == PORTCULLIS_OK)
      #expect(Int(found) == PORTCULLIS_FACT_PEER | PORTCULLIS_FACT_PATH)

      try sandbox.write(
        Self.policy("to: [{operation: {paths: [/admin]}}]").replacing("name: backend", with: "name: x"), to: "p/policies.yaml")
      #expect(unsafe portcullis_engine_reload(engine.engine, nil) == PORTCULLIS_OK)
      #expect(unsafe portcullis_tested_facts(connection, &found) == PORTCULLIS_OK)
      #expect(found == 0, "nothing helps a workload that nobody knows")
      #expect(unsafe check(connection, request).reason == "unknown-workload")
    }
  }

  @Test func `are all when nobody can tell`() throws {
    let engine = try unsafe TestEngine([Shop.directory], lender)
    let connection = try unsafe engine.connect(Shop.facts(lender))
    defer { _ = unsafe portcullis_connection_close(connection) }
    var found: UInt32 = 0
    #expect(unsafe portcullis_tested_facts(nil, &found) == PORTCULLIS_BAD_HANDLE && found == .max)
    #expect(unsafe portcullis_tested_facts(connection, nil) == PORTCULLIS_BAD_ARGUMENT)
    #expect(unsafe portcullis_connection_reset(connection, nil, nil) == PORTCULLIS_BAD_ARGUMENT)
    found = 0
    #expect(unsafe portcullis_tested_facts(connection, &found) == PORTCULLIS_CLOSED && found == .max)
  }
}

/// What a host leaves unknown because it does not matter; how many facts that were known.
enum Thrift {
  static func leaveOut(_ facts: UInt32, _ connection: inout portcullis_connection_facts) -> Int {
    var count = 0
    func leave(_ fact: Int, _ isKnown: Bool) -> Bool {
      guard facts & UInt32(fact) == 0, isKnown else { return false }
      count += 1
      return true
    }
    if leave(PORTCULLIS_FACT_PEER, unsafe connection.peer_kind != PORTCULLIS_PEER_UNKNOWN) {
      unsafe connection.peer_kind = Int32(PORTCULLIS_PEER_UNKNOWN)
      unsafe connection.peer = portcullis_bytes()
      unsafe (connection.uri_count, connection.dns_name_count, connection.subject) = (0, 0, portcullis_bytes())
    }
    if leave(PORTCULLIS_FACT_PORT, unsafe connection.port != 0) { unsafe connection.port = 0 }
    if leave(PORTCULLIS_FACT_SNI, unsafe connection.sni.data != nil) { unsafe connection.sni = portcullis_bytes() }
    if leave(PORTCULLIS_FACT_SOURCE, unsafe connection.source.kind != 0) { unsafe connection.source = portcullis_address() }
    if leave(PORTCULLIS_FACT_DESTINATION, unsafe connection.destination.kind != 0) { unsafe connection.destination = portcullis_address() }
    return count
  }

  static func leaveOut(_ facts: UInt32, _ request: inout portcullis_request) -> Int {
    var count = 0
    func leave(_ fact: Int, _ isKnown: Bool) -> Bool {
      guard facts & UInt32(fact) == 0, isKnown else { return false }
      count += 1
      return true
    }
    let nothing = unsafe portcullis_bytes()
    if leave(PORTCULLIS_FACT_REMOTE, unsafe request.remote.kind != 0) { unsafe request.remote = portcullis_address() }
    if leave(PORTCULLIS_FACT_METHOD, unsafe request.method.data != nil && request.path.size > 0) { unsafe request.method = nothing }
    if leave(PORTCULLIS_FACT_HOST, unsafe request.host.data != nil) { unsafe request.host = nothing }
    if leave(PORTCULLIS_FACT_PATH, unsafe request.path.data != nil) { unsafe request.path = nothing }
    if leave(PORTCULLIS_FACT_HEADERS, unsafe request.header_form != 0) { unsafe (request.header_form, request.header_count) = (0, 0) }
    if leave(PORTCULLIS_FACT_TOKEN, unsafe request.token != 0) { unsafe (request.token, request.claim_count) = (0, 0) }
    if leave(PORTCULLIS_FACT_METADATA, unsafe request.metadata_form != 0) {
      unsafe (request.metadata_form, request.metadata_count, request.filter_count) = (0, 0, 0)
    }
    return count
  }
}
