// Ports and addresses, over the wire: what the proxy says, what hints say, and what nobody knows.

internal import ExtAuthzServer
internal import Testing

private let backend = "shop/backend"

@Suite struct `The port of a request` {
  private static let yaml =
    deployment("shop", "backend") + deployment("shop", "db") + deployment("shop", "cache")
    + authorization("no-8080", "action: DENY, rules: [{to: [{operation: {ports: [\"8080\"]}}]}]")
      + """
      apiVersion: security.istio.io/v1
      kind: PeerAuthentication
      metadata: {name: cache, namespace: shop}
      spec: {selector: {matchLabels: {app: cache}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: PERMISSIVE}}}

      """

  private static let unknown: [CheckMessage.Address] = [
    .socket("10.0.0.2", 15001), .socket("10.0.0.2", 15006), .socket("10.0.0.2", 15008), .socket("10.0.0.2", nil), .socket("10.0.0.2", 0),
    .socket("10.0.0.2", 65_536), .socket("10.0.0.2", 65_536 + 8080), .socket("10.0.0.2", 4_294_967_295), .named("10.0.0.2", "8080"), .none,
    .pipe("/run/in.sock"), .listener("inbound"),
  ]

  @Test func `is the destination's, and where that says nothing and a rule needs it, unknown`() throws {
    let server = try TestServer(Self.yaml)
    for isTCP in [false, true] {
      let ask = { (workload: String, address: CheckMessage.Address) in
        let message = CheckMessage().with {
          $0.destination = address
          if isTCP { $0.http = nil }
        }
        return try server.reason(message, metadata: [("x-portcullis-workload", workload)])
      }
      #expect(try ask(backend, .socket("10.0.0.2", 8080)) == "denied-by-policy")
      #expect(try ask(backend, .socket("", 8080)) == "denied-by-policy")
      for port: UInt64 in [1, 80, 8079, 8081, 15000, 15002, 15007, 15009, 65_535] {
        #expect(try ask(backend, .socket("10.0.0.2", port)) == "allowed-by-default")
      }
      for address in Self.unknown {
        #expect(try ask(backend, address) == "unknown-port", "\(address)")
        #expect(try ask("shop/db", address) == "allowed-by-default", "\(address)")
        #expect(try ask("shop/cache", address) == "unknown-port", "\(address)")
      }
      #expect(try ask("shop/cache", .socket("10.0.0.2", 8080)) == "allowed-by-default")
      #expect(try ask("shop/cache", .socket("10.0.0.2", 8081)) == "mtls-required")
    }
  }

  @Test func `is the one that the proxy's configuration names`() throws {
    let server = try TestServer(Self.yaml)
    for address in Self.unknown + [.socket("10.0.0.2", 8080), .socket("10.0.0.2", 9090)] {
      for (hint, reason) in [("8080", "denied-by-policy"), ("9090", "allowed-by-default"), ("15006", "allowed-by-default")] {
        let message = CheckMessage(to: backend).with { $0.destination = address }
        #expect(try server.reason(message, metadata: [("x-portcullis-port", hint)]) == reason)
        #expect(try server.reason(message.with { $0.extensions.append(("portcullis.port", hint)) }) == reason)
      }
    }
  }
}

@Suite struct `The addresses of a request` {
  private static let yaml =
    deployment("shop", "backend") + deployment("shop", "peer") + deployment("shop", "own") + deployment("shop", "not")
    + authorization("remote", "action: ALLOW, rules: [{from: [{source: {remoteIpBlocks: [\"10.4.5.6\"]}}]}]")
    + authorization("peer", app: "peer", "action: ALLOW, rules: [{from: [{source: {ipBlocks: [\"10.4.5.0/24\"]}}]}]")
    + authorization("own", app: "own", "action: ALLOW, rules: [{when: [{key: destination.ip, values: [\"10.4.5.6\"]}]}]")
    + authorization("not", app: "not", "action: DENY, rules: [{from: [{source: {notRemoteIpBlocks: [\"10.4.5.6\"]}}]}]")

  private func server(_ argument: String) throws -> TestServer {
    let mode = try #require(Belief.RemoteIP(argument: argument))
    return try TestServer(Self.yaml) { $0.remoteIP = mode }
  }

  private func reason(
    _ server: TestServer, from source: CheckMessage.Address = .socket("10.9.9.9", 1), _ headers: CheckMessage.Headers
  ) throws -> String {
    let message = CheckMessage(to: backend).with {
      $0.source = source
      $0.http = .init(headers: headers)
    }
    let found = try server.reason(message)
    // The same question, asked with a rule that denies: what is unknown must never be an allow there.
    let denied = try server.reason(message.with { $0.extensions = [("portcullis.workload", "shop/not")] })
    switch found {
    case "allowed-by-policy": #expect(denied == "allowed-by-default")
    case "no-allow-matched": #expect(denied == "denied-by-policy")
    default: #expect(denied == found)
    }
    return found
  }

  private func forwarded(_ values: String...) -> CheckMessage.Headers { .lines(values.map { ("x-forwarded-for", $0) } + [("a", "b")]) }

  @Test func `behind a sidecar are the rightmost forwarded one, else the peer's`() throws {
    let server = try server("sidecar")
    for allowed in [
      forwarded("10.4.5.6"), forwarded("1.1.1.1, 10.4.5.6"), forwarded("1.1.1.1,10.4.5.6"), forwarded("1.1.1.1", "10.4.5.6"),
      forwarded("1.1.1.1, 2.2.2.2", "3.3.3.3,\t 10.4.5.6 \t"), .joined([("x-forwarded-for", "1.1.1.1,10.4.5.6")]),
      .lines([("X-Forwarded-For", "10.4.5.6")]),
    ] {
      #expect(try reason(server, allowed) == "allowed-by-policy", "\(allowed)")
      #expect(try reason(server, from: .none, allowed) == "allowed-by-policy", "\(allowed)")
    }
    let peer = CheckMessage.Address.socket("10.4.5.6", 1)
    for denied in [forwarded("10.4.5.6, 1.1.1.1"), forwarded("10.4.5.6", "1.1.1.1"), .joined([("x-forwarded-for", "10.4.5.6,1.1.1.1")])] {
      #expect(try reason(server, from: peer, denied) == "no-allow-matched", "\(denied)")
    }
    // Not an address: the peer, whatever stands to the left of it.
    for garbage in [
      forwarded("10.4.5.6, unknown"), forwarded("10.4.5.6,"), forwarded("10.4.5.6", ""), forwarded("10.4.5.6:80"), forwarded("10.4.5.06"),
      forwarded("\"10.4.5.6\""), .lines([("x-forwarded-form", "10.4.5.6"), ("x-real-ip", "10.4.5.6")]), .joined([("a", "b")]),
    ] {
      #expect(try reason(server, garbage) == "no-allow-matched", "\(garbage)")
      #expect(try reason(server, from: peer, garbage) == "allowed-by-policy", "\(garbage)")
      #expect(try reason(server, from: .none, garbage) == "unknown-remote-ip", "\(garbage)")
      #expect(try reason(server, from: .socket("garbage", 1), garbage) == "unknown-remote-ip", "\(garbage)")
      // A pipe is an address that is in no block.
      #expect(try reason(server, from: .pipe("/run/in.sock"), garbage) == "no-allow-matched", "\(garbage)")
    }
    #expect(try reason(server, from: peer, .none) == "unknown-remote-ip")
  }

  @Test func `behind nothing are the peer's`() throws {
    let server = try server("direct")
    for headers in [forwarded("10.4.5.6"), .none, forwarded("1.1.1.1")] {
      #expect(try reason(server, headers) == "no-allow-matched")
      #expect(try reason(server, from: .socket("10.4.5.6", 1), headers) == "allowed-by-policy")
      #expect(try reason(server, from: .none, headers) == "unknown-remote-ip")
    }
  }

  @Test func `from a header are what one line of it says`() throws {
    let server = try server("header:X-Client")
    let peer = CheckMessage.Address.socket("10.4.5.6", 1)
    #expect(try reason(server, .lines([("x-client", "10.4.5.6"), ("x-forwarded-for", "1.1.1.1")])) == "allowed-by-policy")
    #expect(try reason(server, .lines([("X-CLIENT", " 10.4.5.6 ")])) == "allowed-by-policy")
    #expect(try reason(server, .joined([("x-client", "10.4.5.6")])) == "allowed-by-policy")
    #expect(try reason(server, from: peer, .lines([("x-client", "1.1.1.1")])) == "no-allow-matched")
    let bad: [CheckMessage.Headers] = [
      .none, .lines([]), .lines([("x-clients", "10.4.5.6")]), .lines([("x-client", "")]), .lines([("x-client", "garbage")]),
      .lines([("x-client", "10.4.5.6"), ("x-client", "10.4.5.6")]), .lines([("x-client", "10.4.5.6"), ("x-client", "garbage")]),
      .lines([("x-client", "10.4.5.6"), ("X-Client", "1.1.1.1")]), .joined([("x-client", "10.4.5.6,10.4.5.6")]),
      .lines([("x-client", "10.4.5.6, 1.1.1.1")]),
    ]
    for headers in bad { #expect(try reason(server, from: peer, headers) == "unknown-remote-ip", "\(headers)") }
  }

  @Test func `from a place in the forwarded ones are what stands there`() throws {
    let server = try server("xff:2")
    let peer = CheckMessage.Address.socket("10.4.5.6", 1)
    for allowed in [
      forwarded("10.4.5.6, 1.1.1.1"), forwarded("10.4.5.6", "1.1.1.1"), forwarded("2.2.2.2,10.4.5.6", "1.1.1.1"),
      forwarded("10.4.5.6, garbage"), forwarded("10.4.5.6,"), .joined([("x-forwarded-for", "3.3.3.3,10.4.5.6,1.1.1.1")]),
    ] {
      #expect(try reason(server, allowed) == "allowed-by-policy", "\(allowed)")
    }
    #expect(try reason(server, from: peer, forwarded("1.1.1.1,10.4.5.6,1.1.1.1,10.4.5.6")) == "no-allow-matched")
    for unknown in [
      forwarded("10.4.5.6"), forwarded(), forwarded("garbage, 10.4.5.6"), forwarded(",10.4.5.6"), forwarded("10.4.5.6", "", ""), .none,
    ] {
      #expect(try reason(server, from: peer, unknown) == "unknown-remote-ip", "\(unknown)")
    }
    let first = try self.server("xff:1")
    #expect(try reason(first, from: peer, forwarded("10.4.5.6, garbage")) == "unknown-remote-ip")
    #expect(try reason(first, forwarded("1.1.1.1, 10.4.5.6")) == "allowed-by-policy")
  }

  @Test(arguments: ["sidecar", "direct", "header:x-client", "xff:2"])
  func `come from a hint before all else, and on TCP from the peer`(_ mode: String) throws {
    let server = try server(mode)
    for headers in [CheckMessage.Headers.none, forwarded("1.1.1.1, 1.1.1.1")] {
      let message = CheckMessage(to: backend).with { $0.http = .init(headers: headers) }
      #expect(try server.reason(message, metadata: [("x-portcullis-remote-ip", "10.4.5.6")]) == "allowed-by-policy")
      let other = message.with { $0.source = .socket("10.4.5.6", 1) }
      #expect(try server.reason(other, metadata: [("x-portcullis-remote-ip", "10.4.5.7")]) == "no-allow-matched")
    }
    let hint = [("x-portcullis-workload", backend)]
    let tcp = CheckMessage().with { $0.http = nil }
    #expect(try server.reason(tcp, metadata: hint) == "no-allow-matched")
    #expect(try server.reason(tcp.with { $0.source = .socket("10.4.5.6", 1) }, metadata: hint) == "allowed-by-policy")
    #expect(try server.reason(tcp.with { $0.source = .none }, metadata: hint) == "unknown-remote-ip")
  }

  @Test func `of the connection are what the proxy says, and nothing else`() throws {
    let server = try server("sidecar")
    for (workload, unknown) in [("shop/peer", "unknown-source-ip"), ("shop/own", "unknown-destination-ip")] {
      let ask = { (address: CheckMessage.Address) in
        try server.reason(
          CheckMessage(to: workload).with {
            $0.http = .init(headers: .lines([("x-forwarded-for", "10.4.5.6")]))
            $0.source = workload == "shop/peer" ? address : .socket("10.4.5.6", 1)
            $0.destination = workload == "shop/own" ? address : .socket("10.4.5.6", 80)
          })
      }
      #expect(try ask(.socket("10.4.5.6", 1)) == "allowed-by-policy")
      #expect(try ask(.socket("10.4.6.6", 1)) == "no-allow-matched")
      #expect(try ask(.socket("::ffff:10.4.5.6", 1)) == "no-allow-matched")
      #expect(try ask(.pipe("10.4.5.6")) == "no-allow-matched")
      #expect(try ask(.listener("10.4.5.6")) == "no-allow-matched")
      for address in [CheckMessage.Address.none, .socket("", 1), .socket("host", 1), .socket("10.4.5.6/32", 1)] {
        #expect(try ask(address) == unknown, "\(address)")
      }
    }
  }

  @Test func `are believed as the command line says`() {
    let good: [(String, Belief.RemoteIP)] = [
      ("sidecar", .sidecar), ("direct", .direct), ("header:X-A", .header("x-a")), ("xff:1", .forwardedFor(1)),
      ("xff:64", .forwardedFor(64)),
    ]
    for (argument, mode) in good { #expect(Belief.RemoteIP(argument: argument) == mode) }
    for argument in [
      "", "header", "header:", "xff", "xff:", "xff:0", "xff:65", "xff:-1", "xff:x", "Sidecar", "peer", "xff:99999999999999999999",
    ] {
      #expect(Belief.RemoteIP(argument: argument) == nil, "\(argument)")
    }
  }
}
