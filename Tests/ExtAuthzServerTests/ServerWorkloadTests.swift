// Which workload a request is about, over the wire: every source of the answer, and every way in which it can be wrong. Each workload has
// a policy of its own that allows everything, so the name of the policy in the reply tells which workload was decided about.

internal import ExtAuthzServer
internal import PolicyEngine
internal import Testing

@Suite struct `The workload of a request` {
  private static let yaml =
    deployment("shop", "backend") + deployment("shop", "db") + deployment("shop", "one", account: "shared")
    + deployment("shop", "two", account: "shared") + deployment("shop", "same", account: "twins")
    + deployment("shop", "same", account: "twins", kind: "StatefulSet") + deployment("shop", "odd", account: "default")
    + deployment("other", "backend") + pod("shop", "cache", account: "default", address: "10.1.0.7")
    + pod("shop", "queue", account: "default", address: "fd00::7") + deployment("bank", "vault") + strict("bank")
    + ["backend", "db", "one", "two", "same", "odd", "cache", "queue"]
    .map { authorization("p-\($0)", app: $0, "action: ALLOW, rules: [{}]") }.joined()
    + authorization("p-vault", app: "vault", "action: ALLOW, rules: [{}]", namespace: "bank")
    + authorization("p-other", app: "backend", "action: ALLOW, rules: [{}]", namespace: "other")

  private func server(_ change: (inout Belief) -> Void = { _ in }) throws -> TestServer { try TestServer(Self.yaml, believing: change) }

  private func hinted(_ hints: (String, String)...) -> CheckMessage {
    CheckMessage().with { $0.extensions = hints.map { ("portcullis.\($0.0)", $0.1) } + [("tenant", "acme"), ("portcullis", "x")] }
  }

  @Test(arguments: [
    ("shop/backend", "p-backend"), ("shop/db", "p-db"), ("shop/Deployment/backend", "p-backend"), ("shop/deployment/backend", "p-backend"),
    ("shop/pod/cache", "p-cache"), ("shop/statefulset/same", "p-same"), ("shop/same", "p-same"),
  ])
  func `is the one that the proxy's configuration names`(_ name: String, _ policy: String) throws {
    let server = try server()
    #expect(try server.ask(hinted(("workload", name))).policy == rule(policy))
    #expect(try server.ask(CheckMessage(), metadata: [("x-portcullis-workload", name)]).policy == rule(policy))
    // A TCP connection has call metadata only.
    #expect(try server.ask(CheckMessage().with { $0.http = nil }, metadata: [("x-portcullis-workload", name)]).policy == rule(policy))
  }

  @Test func `is known by namespace and labels that the proxy's configuration names`() throws {
    let server = try server()
    for labels in ["app=backend", "version=v1,app=backend", "app=backend,empty=", "app.kubernetes.io/name=x,app=backend"] {
      #expect(try server.ask(hinted(("namespace", "shop"), ("labels", labels))).policy == rule("p-backend"))
      let metadata = [("x-portcullis-namespace", "shop"), ("x-portcullis-labels", labels)]
      #expect(try server.ask(CheckMessage(), metadata: metadata).policy == rule("p-backend"))
    }
    #expect(try server.ask(hinted(("namespace", "other"), ("labels", "app=backend"))).policy == rule("p-other", namespace: "other"))
    #expect(try server.reason(hinted(("namespace", "shop"), ("labels", "app=unheard"))) == "allowed-by-default")
    // Half of the pair may come from each place.
    #expect(
      try server.ask(hinted(("namespace", "shop")), metadata: [("x-portcullis-labels", "app=db")]).policy == rule("p-db"))
  }

  @Test(arguments: [
    [("workload", "")], [("port", "0")], [("port", "65536")], [("port", "99999")], [("port", "080800")], [("port", "80 ")],
    [("port", "+80")], [("port", "-1")], [("port", "http")], [("profile", "Sidecar")], [("profile", "ztunnel")],
    [("remote-ip", "10.0.0.1/8")], [("remote-ip", "localhost")], [("remote-ip", "10.0.0.256")], [("namespace", "shop")],
    [("labels", "app=backend")], [("namespace", "shop"), ("labels", "app")], [("namespace", "shop"), ("labels", "=backend")],
    [("namespace", "shop"), ("labels", "app=backend,")], [("namespace", "shop"), ("labels", ",app=backend")],
    [("namespace", "shop"), ("labels", "app=backend,app=db")], [("namespace", "shop"), ("labels", "app=backend,app=backend")],
    [("namespace", "shop"), ("labels", "app=backend, version=v1")], [("namespace", "shop"), ("labels", "app=bäckend")],
    [("namespace", "shop"), ("labels", "app=back=end")], [("namespace", "shop"), ("labels", "app=\"backend\"")],
    [("namespace", "shop "), ("labels", "app=backend")], [("namespace", "Shop"), ("labels", "app=backend")],
    [("namespace", "shop/x"), ("labels", "app=backend")], [("unknown", "x")], [("", "x")], [("workloads", "shop/backend")],
    [("Workload", "shop/backend")],
  ])
  func `is nobody's when a hint is malformed, whatever else is right`(_ hints: [(String, String)]) throws {
    let server = try server { $0.infersWorkload = true }
    for message in [CheckMessage(), CheckMessage(to: "shop/backend"), labelled("backend")] {
      let wrong = message.with { wrong in
        for (key, value) in hints { wrong.extensions.append(("portcullis.\(key)", value)) }
      }
      #expect(try server.ask(wrong).description == "deny bad-hint none")
      // Empty text, capital letters and what is not ASCII do not exist in call metadata.
      guard hints.allSatisfy({ pair in pair.0.allSatisfy(\.isLowercaseOrDash) && pair.1.allSatisfy(\.isASCII) }) else { continue }
      let metadata = hints.map { ("x-portcullis-\($0.0)", $0.1) }
      #expect(try server.reason(message, metadata: metadata) == "bad-hint", "\(hints)")
    }
  }

  @Test func `is nobody's when the prefix of a hint is written in capital letters`() throws {
    let server = try server()
    let message = CheckMessage(to: "shop/backend").with { $0.extensions.append(("Portcullis.port", "80")) }
    #expect(try server.reason(message) == "bad-hint")
  }

  @Test func `is nobody's when hints contradict each other, and somebody's when they agree`() throws {
    let server = try server()
    let named = CheckMessage(to: "shop/backend")
    #expect(try server.ask(named, metadata: [("x-portcullis-workload", "shop/backend")]).policy == rule("p-backend"))
    #expect(try server.reason(named, metadata: [("x-portcullis-workload", "shop/db")]) == "bad-hint")
    #expect(try server.reason(named, metadata: [("x-portcullis-workload", "shop/backend"), ("x-portcullis-workload", "x")]) == "bad-hint")
    let both = { (namespace: String, labels: String) in
      named.with { $0.extensions += [("portcullis.namespace", namespace), ("portcullis.labels", labels)] }
    }
    #expect(try server.ask(both("shop", "app=backend")).policy == rule("p-backend"))
    #expect(try server.reason(both("shop", "app=db")) == "bad-hint")
    #expect(try server.reason(both("other", "app=backend")) == "bad-hint")
    for (key, value, other) in [("port", "80", "81"), ("profile", "sidecar", "gateway"), ("remote-ip", "10.0.0.1", "10.0.0.2")] {
      let message = named.with { $0.extensions.append(("portcullis.\(key)", value)) }
      #expect(try server.ask(message, metadata: [("x-portcullis-\(key)", value)]).isAllowed)
      #expect(try server.reason(message, metadata: [("x-portcullis-\(key)", other)]) == "bad-hint")
    }
    for first in ["sidecar", "gateway"] {
      let message = named.with { $0.extensions.append(("portcullis.profile", first)) }
      #expect(try server.reason(message, metadata: [("x-portcullis-profile", "waypoint")]) == "bad-hint")
    }
  }

  @Test func `is unknown when nothing names it, or names what is not there`() throws {
    let server = try server { $0.infersWorkload = true }
    for name in ["shop/nobody", "shop", "backend", "shop/Pod/backend", "shop/backend/", "/shop/backend", "SHOP/backend", "shop//backend"] {
      #expect(try server.ask(CheckMessage(to: name)).description == "deny unknown-workload none", "\(name)")
      // A hint that leads nowhere is not made good by what comes after it.
      #expect(try server.reason(labelled("backend").with { $0.extensions = [("portcullis.workload", name)] }) == "unknown-workload")
    }
    #expect(try server.reason(CheckMessage()) == "unknown-workload")
    let plain = try self.server()
    #expect(try plain.reason(CheckMessage().with { $0.destinationPrincipal = spiffe("shop", "backend") }) == "unknown-workload")
    #expect(try plain.reason(CheckMessage().with { $0.destination = .socket("10.1.0.7", 80) }) == "unknown-workload")
  }

  private func labelled(_ app: String) -> CheckMessage {
    CheckMessage().with {
      $0.labels = [("app", app), ("version", "v1")]
      $0.destinationPrincipal = spiffe("shop", "backend")
    }
  }

  @Test func `is known by the destination's labels in the namespace of its principal`() throws {
    let server = try server()
    for _ in 0..<3 {
      #expect(try server.ask(labelled("backend")).policy == rule("p-backend"))
      #expect(try server.ask(labelled("db")).policy == rule("p-db"))
      let other = labelled("backend").with { $0.destinationPrincipal = spiffe("other", "backend") }
      #expect(try server.ask(other).policy == rule("p-other", namespace: "other"))
    }
    for principal in ["", "backend.example", "spiffe://cluster.local/shop/backend", "spiffe://cluster.local/ns/shop/sa/", "CN=backend"] {
      #expect(try server.reason(labelled("backend").with { $0.destinationPrincipal = principal }) == "unknown-workload")
    }
    // The proxy's hints come first.
    let hinted = labelled("backend").with { $0.extensions = [("portcullis.workload", "shop/db")] }
    #expect(try server.ask(hinted).policy == rule("p-db"))
  }

  @Test func `follows a new snapshot, also where it was remembered`() throws {
    let server = try server { $0.workload = "shop/backend" }
    let message = labelled("backend")
    #expect(try server.ask(message).policy == rule("p-backend"))
    server.snapshots.publish(try snapshot(deployment("shop", "backend") + authorization("late", "action: DENY, rules: [{}]")))
    #expect(try server.ask(message).description == "deny denied-by-policy \(rule("late"))")
    server.snapshots.publish(try snapshot(deployment("shop", "db")))
    #expect(try server.ask(message).reason == "unknown-workload")
  }

  @Test(arguments: [
    (spiffe("shop", "backend"), "10.9.9.9", "p-backend"), (spiffe("shop", "twins"), "10.9.9.9", "p-same"),
    (spiffe("shop", "default"), "10.1.0.7", "p-cache"), ("", "10.1.0.7", "p-cache"), ("", "fd00:0::7", "p-queue"),
    (spiffe("shop", "nobody"), "10.1.0.7", "p-cache"),
  ])
  func `is inferred from principal or address when that was asked for`(_ principal: String, _ address: String, _ policy: String) throws {
    let server = try server { $0.infersWorkload = true }
    let message = CheckMessage().with {
      $0.destinationPrincipal = principal
      $0.destination = .socket(address, 8080)
    }
    #expect(try server.ask(message).policy == rule(policy))
  }

  @Test func `is not inferred from what several workloads share, nor from the account default`() throws {
    let server = try server { $0.infersWorkload = true }
    let ask = { (account: String, address: CheckMessage.Address) in
      try server.reason(
        CheckMessage().with {
          $0.destinationPrincipal = spiffe("shop", account)
          $0.destination = address
        })
    }
    #expect(try ask("shared", .socket("10.9.9.9", 80)) == "ambiguous-workload")
    #expect(try ask("shared", .socket("10.1.0.7", 80)) == "ambiguous-workload")
    #expect(try ask("default", .socket("10.9.9.9", 80)) == "unknown-workload")
    for address in [CheckMessage.Address.none, .pipe("10.1.0.7"), .listener("10.1.0.7"), .socket("", 80), .socket("10.1.0.7 ", 80)] {
      #expect(try ask("default", address) == "unknown-workload")
    }
  }

  @Test func `is the pinned one, unless the request names another`() throws {
    let server = try server { $0.workload = "shop/Deployment/backend" }
    #expect(try server.ask(CheckMessage()).policy == rule("p-backend"))
    #expect(try server.ask(labelled("backend")).policy == rule("p-backend"))
    for same in ["shop/backend", "shop/Deployment/backend", "shop/deployment/backend"] {
      #expect(try server.ask(CheckMessage(to: same)).policy == rule("p-backend"), "\(same)")
    }
    for (other, reason) in [("shop/db", "wrong-workload"), ("other/backend", "wrong-workload"), ("shop/nobody", "unknown-workload")] {
      #expect(try server.ask(CheckMessage(to: other)).description == "deny \(reason) none")
    }
    #expect(try server.reason(labelled("db")) == "wrong-workload")
    #expect(try server.reason(hinted(("namespace", "shop"), ("labels", "app=db"))) == "wrong-workload")
    #expect(try server.reason(hinted(("namespace", "other"), ("labels", "app=backend"))) == "wrong-workload")
    #expect(try server.ask(hinted(("namespace", "shop"), ("labels", "app=backend"))).isAllowed)
    #expect(try server.reason(CheckMessage().with { $0.extensions = [("portcullis.port", "x")] }) == "bad-hint")
  }

  @Test func `that is pinned and not there denies everything`() throws {
    let server = try server { $0.workload = "shop/nobody" }
    for message in [CheckMessage(), CheckMessage(to: "shop/backend"), labelled("backend")] {
      #expect(try server.reason(message) == "unknown-workload")
    }
  }

  @Test func `behind a gateway has no PeerAuthentication, and a waypoint must say what is addressed`() throws {
    let server = try server()
    let ask = { (profile: String?) in
      try server.reason(CheckMessage(to: "bank/vault").with { if let profile { $0.extensions.append(("portcullis.profile", profile)) } })
    }
    #expect(try ask(nil) == "mtls-required")
    #expect(try ask("sidecar") == "mtls-required")
    #expect(try ask("gateway") == "allowed-by-policy")
    #expect(try ask("waypoint") == "unknown-service")
  }
}

extension Character {
  fileprivate var isLowercaseOrDash: Bool { ("a"..."z").contains(self) || self == "-" }
}
