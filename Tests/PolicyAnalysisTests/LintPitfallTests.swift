// Each pitfall: a case that lint finds, with its message, and a near miss that it leaves alone.
// Enters: one policy beside a small mesh. Leaves: the code, and what the finding says. Never here: the command.

internal import PolicyAnalysis
internal import PolicyModel
internal import Testing

/// A pitfall and what only looks like it.
struct Pitfall: CustomTestStringConvertible, Sendable {
  let code: LintCode
  let found: String
  /// A part of the message, or of the help behind an arrow.
  let says: String
  let near: String

  init(_ code: LintCode, _ found: String, says: String, near: String) {
    self.code = code
    self.found = found
    self.says = says
    self.near = near
  }

  var testDescription: String { "\(code.rawValue): \(says)" }
}

private typealias M = LintMesh

private func principal(_ value: String) -> String { #"[{from: [{source: {principals: ["\#(value)"]}}]}]"# }
private func paths(_ value: String) -> String { #"[{to: [{operation: {paths: ["\#(value)"]}}]}]"# }
private func when(_ key: String, _ value: String) -> String { #"[{when: [{key: '\#(key)', values: ["\#(value)"]}]}]"# }
private func to(_ field: String, _ value: String) -> String { #"[{to: [{operation: {\#(field): ["\#(value)"]}}]}]"# }

private let good = "cluster.local/ns/shop/sa/frontend-sa"

let pitfalls: [Pitfall] = [
  // Identities.
  Pitfall(
    .serviceAccountUnknown, M.policy(principal("cluster.local/ns/shop/sa/fronted-sa")) + M.strict(), says: "did you mean `frontend-sa`?",
    near: M.policy(principal(good)) + M.strict()),
  Pitfall(
    .serviceAccountUnknown, M.policy(principal("cluster.local/ns/shop/sa/batch-sa")) + M.strict(), says: "the one of namespace `legacy`?",
    near: M.policy(principal("*/ns/shop/sa/frontend-sa")) + M.strict()),
  Pitfall(
    .serviceAccountUnknown, M.policy("[{from: [{source: {serviceAccounts: [frontend]}}]}]"), says: "uses the service account `frontend`",
    near: M.policy("[{from: [{source: {serviceAccounts: [frontend-sa, shop/db-sa]}}]}]")),
  Pitfall(
    .namespaceUnknown, M.policy("[{from: [{source: {namespaces: [shpo]}}]}]"), says: "did you mean `shop`?",
    near: M.policy(#"[{from: [{source: {namespaces: [shop, "leg*"]}}]}]"#)),
  Pitfall(
    .trustDomainUnknown, M.policy(principal("cluster.locl/ns/shop/sa/frontend-sa")), says: "did you mean `cluster.local`?",
    near: M.policy(principal("*/ns/shop/sa/frontend-sa"))),
  Pitfall(
    .principalNeverMatches, M.policy(principal("spiffe://\(good)")), says: "write `\(good)`", near: M.policy(principal(good))),
  Pitfall(
    .principalNeverMatches, M.policy(principal("*/ns/shop/*")), says: #"write `namespaces: ["shop"]` instead"#,
    near: M.policy(principal("*/sa/frontend-sa"))),
  Pitfall(
    .principalNeverMatches, M.policy(principal("ns/shop/sa/frontend-sa")), says: "write `cluster.local/ns/shop/sa/frontend-sa`",
    near: M.policy(principal("cluster.local/ns/shop/*"))),
  Pitfall(
    .principalNeverMatches, M.policy(principal("frontend-sa")), says: "is one word", near: M.policy(principal("*frontend-sa"))),
  // Values.
  Pitfall(.pathNeverMatches, M.policy(paths("/a?b=c")), says: "write `/a`", near: M.policy(paths("/a/b"))),
  Pitfall(.pathNeverMatches, M.policy(paths("admin*")), says: "write `/admin*`", near: M.policy(paths("*admin"))),
  Pitfall(.pathNeverMatches, M.policy(paths("/a/../b/c*")), says: "write `/b/c*`", near: M.policy(paths("/a/..."))),
  Pitfall(.pathNeverMatches, M.policy(paths("/a/%62")), says: "write `/a/b`", near: M.policy(paths("/a//b"))),
  Pitfall(.methodNeverMatches, M.policy(to("methods", "get")), says: "write `GET`", near: M.policy(to("methods", "GET"))),
  Pitfall(.methodNeverMatches, M.policy(to("methods", "/shop.Cart/Add")), says: "is a POST", near: M.policy(to("methods", "*"))),
  Pitfall(
    .hostNeverMatches, M.policy(to("hosts", "https://shop.example")), says: "write `shop.example`",
    near: M.policy(to("hosts", "Shop.example:*"))),
  Pitfall(
    .hostPortEvades, M.policy("DENY", to("hosts", "admin.example")), says: #"add "admin.example:*" beside it"#,
    near: M.policy("DENY", #"[{to: [{operation: {hosts: ["admin.example", "admin.example:*"]}}]}]"#)),
  Pitfall(
    .hostUnknown, M.policy(to("hosts", "backnd.shop.svc.cluster.local")), says: "did you mean `backend.shop.svc.cluster.local`?",
    near: M.policy(to("hosts", "backend.shop.svc.cluster.local:8080"))),
  Pitfall(
    .sniNeverMatches, M.policy(when("connection.sni", "Shop.example")), says: "write `shop.example`",
    near: M.policy(when("connection.sni", "shop.example"))),
  Pitfall(
    .headerNeverMatches, M.policy(when(#"request.headers["x-role"]"#, "admin")), says: "write `request.headers[x-role]`",
    near: M.policy(when("request.headers[X-Role]", "admin"))),
  Pitfall(
    .headerNeverMatches, M.policy(when("request.headers[x-role]", " admin")), says: "write `admin`",
    near: M.policy(when("request.headers[x-role]", "admin of shop"))),
  Pitfall(
    .requestPrincipalNeverMatches, M.policy(#"[{from: [{source: {requestPrincipals: ["https://issuer.example*"]}}]}]"#) + M.tokens,
    says: "write `https://issuer.example/*`",
    near: M.policy(#"[{from: [{source: {requestPrincipals: ["https://issuer.example//*"]}}]}]"#) + M.tokens),
  Pitfall(
    .requestPrincipalNeverMatches, M.policy(#"[{from: [{source: {requestPrincipals: ["*/*"]}}]}]"#) + M.tokens,
    says: "write `*` for any token",
    near: M.policy(#"[{from: [{source: {requestPrincipals: ["*"]}}]}]"#) + M.tokens),
  Pitfall(
    .claimNeverMatches, M.policy(when("request.auth.claims[scope]", "read write")) + M.tokens, says: "is split at spaces",
    near: M.policy(when("request.auth.claims[name]", "read write")) + M.tokens),
  // What objects are attached to.
  Pitfall(
    .selectorMatchesNothing, M.policy(principal(good), app: "backedn"), says: "did you mean `app: backend`?",
    near: M.policy(principal(good), app: "backend")),
  Pitfall(
    .selectorMatchesNothing, M.policy(principal(good), app: "batch"), says: "workloads of namespace `legacy` have these labels",
    near: M.policy(principal(good), app: "batch", namespace: "istio-system")),
  Pitfall(
    .selectorMatchesNothing, M.everywhere("shpo"), says: "namespace `shpo`, and nothing that is loaded is in it → did you mean `shop`?",
    near: M.everywhere("shop") + M.everywhere("istio-system")),
  Pitfall(
    .policyWithoutProxy, M.policy(principal(good), app: "batch", namespace: "legacy"), says: "selects `legacy/batch`",
    near: M.policy(principal(good))),
  Pitfall(
    .selectorIgnoredByWaypoint, M.policy(principal(good), app: "waypoint", namespace: "field"), says: "kind: Gateway, name: waypoint}]`",
    near: M.policy(principal(good), app: "orders", namespace: "field")),
  Pitfall(
    .selectorIgnoredByWaypoint, M.tokenReader("waypoint"), says: "RequestAuthentication field/tokens selects the waypoint",
    near: M.tokenReader("orders")),
  Pitfall(
    .targetUnknown, M.targeted("Service", "order", "field"), says: "did you mean `orders`?", near: M.targeted("Service", "orders", "field")),
  Pitfall(
    .targetWithoutWaypoint, M.targeted("Service", "backend", "shop"), says: "has no waypoint",
    near: M.targeted("Service", "cart", "shop")
      + "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop, labels: {istio.io/use-waypoint: w}}\n"),
  // Peers without identity.
  Pitfall(
    .allowAdmitsAnonymous, M.policy("[{from: [{source: {notNamespaces: [legacy]}}]}]"),
    says: "`notNamespaces` admits callers without any identity",
    near: M.policy("[{from: [{source: {notNamespaces: [legacy]}}]}]") + M.strict()),
  Pitfall(
    .allowAdmitsAnonymous, M.policy(#"[{from: [{source: {notPrincipals: ["\#(good)"]}}]}]"#),
    says: "at `shop/backend`, which accepts plaintext",
    near: M.policy(#"[{from: [{source: {principals: ["*"], notPrincipals: ["\#(good)"]}}]}]"#)),
  Pitfall(
    .denyEvadedByPlaintext, M.policy("DENY", "[{from: [{source: {namespaces: [legacy]}}]}]"),
    says: "does not stop a caller without mutual TLS",
    near: M.policy("DENY", "[{from: [{source: {notNamespaces: [shop]}}]}]")),
  Pitfall(
    .denyEvadedByPlaintext,
    M.policy("DENY", principal(good)) + M.strict() + M.port("8080", "PERMISSIVE"), says: "accepts plaintext on port 8080",
    near: M.policy("DENY", principal(good)) + M.strict()),
  // The port that the rule is for is STRICT; or peers without identity come no further.
  Pitfall(
    .denyEvadedByPlaintext,
    M.policy("DENY", denied("8080")) + M.strict() + M.port("8080", "PERMISSIVE"), says: "accepts plaintext on port 8080",
    near: M.policy("DENY", denied("9090")) + M.strict() + M.port("8080", "PERMISSIVE")),
  Pitfall(
    .denyEvadedByPlaintext,
    M.policy("DENY", denied("9090")) + "---\n" + M.port("8080", "STRICT"), says: "accepts plaintext",
    near: M.policy("DENY", denied("8080")) + "---\n" + M.port("8080", "STRICT")),
  Pitfall(
    .denyEvadedByPlaintext, M.policy("DENY", principal(good)) + "---\n" + M.policy(to("methods", "GET"), name: "two"),
    says: "does not stop",
    near: M.policy("DENY", principal(good)) + "---\n" + M.policy("[{from: [{source: {namespaces: [shop]}}]}]", name: "two")),
  Pitfall(
    .denyEvadedByPlaintext, M.policy("DENY", principal(good)) + "---\n" + M.policy("DENY", anonymous("ports: ['8080']"), name: "two"),
    says: "does not stop", near: M.policy("DENY", principal(good)) + "---\n" + M.policy("DENY", anonymous(""), name: "two")),
  Pitfall(
    .allowAdmitsAnonymous, M.policy("[{from: [{source: {notNamespaces: [legacy]}}]}]"), says: "admits callers without any identity",
    near: M.policy("[{from: [{source: {notNamespaces: [legacy]}}]}]") + "---\n" + M.policy("DENY", anonymous(""), name: "two")),
  Pitfall(
    .identityWithoutTLS, M.policy(principal(good), app: "files", namespace: "open"), says: "takes no mutual TLS (DISABLE)",
    near: M.policy(principal(good))),
  Pitfall(
    .peerAuthenticationIgnored, M.strict("istio-system").replacing("spec: {", with: "spec: {selector: {matchLabels: {app: db}}, "),
    says: "where selectors are ignored", near: M.strict("istio-system")),
  Pitfall(
    .peerAuthenticationShadowed, M.peer("a", "app: backend", "STRICT") + M.peer("b", "version: v1", "DISABLE"),
    says: "PeerAuthentication shop/b has no effect at `shop/backend`, which PeerAuthentication shop/a",
    near: M.peer("a", "app: backend", "STRICT") + M.peer("b", "version: v1", "STRICT") + M.peer("c", "app: db", "DISABLE")),
  // Two sides of TLS.
  Pitfall(
    .tlsConflict, M.destination("host: backend, trafficPolicy: {tls: {mode: DISABLE}}") + M.strict(),
    says: "is STRICT (PeerAuthentication shop/strict, mesh.yaml:",
    near: M.destination("host: backend, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}") + M.strict()),
  Pitfall(
    .tlsConflict, M.destination("host: files.open.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"),
    says: "takes plaintext only",
    near: M.destination("host: files.open.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}")),
  Pitfall(
    .tlsConflict,
    M.destination(
      "host: backend, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}")
      + M.strict(),
    says: "TLS without the mesh's certificate",
    near: M.destination(
      "host: backend, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 81}, tls: {mode: SIMPLE}}]}")
      + M.strict()),
  Pitfall(
    .tlsConflict, M.destination("host: backend, trafficPolicy: {tls: {mode: SIMPLE}}"),
    says: "port 80 of shop/backend, which is declared HTTP",
    near: M.destination("host: db, trafficPolicy: {tls: {mode: SIMPLE}}")),
  Pitfall(
    .tlsConflict,
    M.destination(
      "host: backend, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}, "
        + "subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: DISABLE}}}]") + M.strict(),
    says: "port 80 of shop/backend (subset `v1`), which is STRICT",
    near: M.destination(
      "host: backend, subsets: [{name: v1, labels: {version: v1}, "
        + "trafficPolicy: {tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}}]") + M.strict()),
  Pitfall(
    .tlsConflict, M.emptyEntry("SIMPLE") + M.strict(), says: "the port's entry sets no `tls`",
    near: M.emptyEntry("ISTIO_MUTUAL") + M.strict()),
  Pitfall(
    .tlsConflict, M.files("STRICT"),
    says: "as if it were DISABLE like its namespace (PeerAuthentication open/default, mesh.yaml:",
    near: M.files("STRICT") + M.destination("host: files.open.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")),
  Pitfall(
    .tlsConflict, M.destination("host: '*.shop.svc.cluster.local', trafficPolicy: {tls: {mode: DISABLE}}") + M.strict(),
    says: "plaintext to port 80 of shop/backend and 1 more port of services",
    near: M.destination("host: '*.shop.svc.cluster.local', trafficPolicy: {tls: {mode: DISABLE}}")
      + M.destination("host: backend, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}", name: "two")
      + M.destination("host: db, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}", name: "three") + M.strict()),
  Pitfall(
    .tlsConflict, M.meter("excludeInboundPorts: '9090'") + M.destination("host: meter, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"),
    says: "which goes around the sidecar of `shop/meter` (`excludeInboundPorts`)",
    near: M.meter("excludeInboundPorts: '9091'") + M.destination("host: meter, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")),
  Pitfall(
    .tlsConflict, M.external + M.destination("host: api.example.com, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"),
    says: "mutual TLS to port 80 of api.example.com, which is outside the mesh",
    near: M.external + M.destination("host: api.example.com, trafficPolicy: {tls: {mode: SIMPLE}}")),
  // A rule that names a workload without a Service is for that; one for all is not for what nobody calls.
  Pitfall(
    .tlsConflict, M.destination("host: frontend, trafficPolicy: {tls: {mode: DISABLE}}") + M.strict(),
    says: "plaintext to shop/frontend, which",
    near: M.destination("host: '*frontend.shop.svc.cluster.local', trafficPolicy: {tls: {mode: DISABLE}}") + M.strict()),
  Pitfall(
    .tlsPlaintextDenied,
    M.files("PERMISSIVE") + M.policy(principal(good), app: "files", namespace: "open"), says: "goes by the mode of mesh and namespace",
    near: M.files("PERMISSIVE") + M.policy(principal(good), app: "files", namespace: "open")
      + "---\n" + M.destination("host: files.open.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")),
  Pitfall(
    .tlsPlaintextDenied, M.destination("host: backend, trafficPolicy: {tls: {mode: DISABLE}}") + M.policy(principal(good)),
    says: "allows by identity",
    near: M.destination("host: backend, trafficPolicy: {tls: {mode: DISABLE}}") + M.policy(to("methods", "GET"))),
  Pitfall(
    .strictWithoutClientProxy, M.policy(principal("cluster.local/ns/legacy/sa/batch-sa")) + M.strict(),
    says: "`legacy/batch` is allowed here",
    near: M.policy(principal("cluster.local/ns/legacy/sa/batch-sa"))),
  // DestinationRules.
  Pitfall(
    .destinationHostShort, M.destination("host: backend.shop"), says: "write `backend.shop.svc.cluster.local`",
    near: M.destination("host: backend")),
  Pitfall(
    .destinationHostUnknown, M.destination("host: backnd"), says: "did you mean `backend`?",
    near: M.destination("host: payments.example.com")),
  Pitfall(
    .destinationRuleDuplicate,
    M.destination("host: backend, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")
      + M.destination("host: backend.shop.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}", name: "two"),
    says: "DestinationRule shop/one sets one for the same host",
    near: M.destination("host: backend, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")
      + M.destination("host: backend, subsets: [{name: v1, labels: {version: v1}}]", name: "two")),
  Pitfall(
    .destinationRuleDuplicate,
    M.destination("host: backend, subsets: [{name: v1, labels: {version: v1}}]")
      + M.destination("host: backend, subsets: [{name: v1, labels: {app: backend}}]", name: "two"),
    says: "subset `v1` of DestinationRule shop/two has no effect",
    near: M.destination("host: backend, subsets: [{name: v1, labels: {version: v1}}]")
      + M.destination("host: db, subsets: [{name: v1, labels: {app: db}}]", name: "two")),
  Pitfall(
    .destinationRuleDropsTLS,
    M.external + M.destination("host: '*.example.com', trafficPolicy: {tls: {mode: SIMPLE}}", name: "all")
      + M.destination("host: api.example.com, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}"),
    says: "takes the place of DestinationRule shop/all, which sets SIMPLE (mesh.yaml:",
    near: M.external + M.destination("host: '*.example.com', trafficPolicy: {tls: {mode: SIMPLE}}", name: "all")
      + M.destination("host: api.example.com, trafficPolicy: {tls: {mode: SIMPLE}, connectionPool: {tcp: {maxConnections: 1}}}")),
  // Where automatic mTLS does the same, nothing is lost.
  Pitfall(
    .destinationRuleDropsTLS,
    M.files("STRICT") + M.destination("host: '*.open.svc.cluster.local', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}", name: "all")
      + M.destination("host: files.open.svc.cluster.local"),
    says: "which sets ISTIO_MUTUAL",
    near: M.destination("host: '*.shop.svc.cluster.local', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}", name: "all")
      + M.destination("host: backend")),
  Pitfall(
    .namespaceUnknown, M.destination("host: backend, exportTo: ['.', shpo]"), says: "is exported to namespace `shpo`",
    near: M.destination("host: backend, exportTo: ['.', legacy]")),
  Pitfall(
    .subsetSelectsNothing, M.destination("host: backend, subsets: [{name: v2, labels: {version: v2}}]"), says: "selects `version=v2`",
    near: M.destination("host: backend, subsets: [{name: v1, labels: {version: v1}}]")),
  Pitfall(
    .subsetWithoutLabels, M.destination("host: backend, subsets: [{name: all}]"), says: "is the whole service",
    near: M.destination("host: backend, subsets: [{name: v1, labels: {version: v1}}]")),
  // Ports.
  Pitfall(
    .tcpDenyWidens, M.policy("DENY", to("methods", "POST"), app: "db"),
    says: "on TCP port 5432 (shop/db, `tcp`) this DENY rule loses `methods`",
    near: M.policy("DENY", to("methods", "POST"))),
  Pitfall(
    .tcpAllowVanishes, M.policy(#"[{to: [{operation: {methods: ["GET"], ports: ["5432"]}}]}]"#, app: "db"),
    says: "this ALLOW rule does not exist",
    near: M.policy(#"[{to: [{operation: {methods: ["GET"], ports: ["8080"]}}]}]"#, app: "db")),
  Pitfall(
    .portBypassesSidecar, M.meter("excludeInboundPorts: '9090'") + M.policy(principal(good), app: "meter"),
    says: "port 9090 of `shop/meter` goes around its sidecar (`excludeInboundPorts`), past AuthorizationPolicy shop/one",
    near: M.meter("excludeInboundPorts: '9999'") + M.policy(principal(good), app: "meter")),
  // A DENY rule for other ports promises nothing for this one, and so does PERMISSIVE.
  Pitfall(
    .portBypassesSidecar, M.meter("includeInboundPorts: '8080'") + M.strict(), says: "past STRICT of PeerAuthentication shop/strict",
    near: M.meter("includeInboundPorts: '8080'") + M.policy("DENY", to("ports", "8080"), app: "meter")),
  Pitfall(
    .portBypassesSidecar, M.meter("includeInboundPorts: '8080'") + M.policy("DENY", to("ports", "9090"), app: "meter"),
    says: "(`includeInboundPorts` leaves it out), so this DENY rule does not hold there",
    near: M.meter("includeInboundPorts: '*'") + M.policy("DENY", to("ports", "9090"), app: "meter")),
  Pitfall(
    .portBypassesSidecar, M.policy("DENY", to("ports", "15021")), says: "a port of the proxy itself",
    near: M.policy("DENY", to("ports", "15022"))),
  Pitfall(.portIsServicePort, M.policy(to("ports", "80")), says: #"write "8080""#, near: M.policy(to("ports", "8080"))),
  // Tokens.
  Pitfall(
    .tokenWithoutAuthentication, M.policy("DENY", when("request.auth.claims[role]", "guest")), says: "the rule denies nothing",
    near: M.policy("DENY", when("request.auth.claims[role]", "guest")) + M.tokens),
  Pitfall(
    .issuerUnknown, M.policy(#"[{from: [{source: {requestPrincipals: ["https://issuer.example/*"]}}]}]"#) + M.tokens,
    says: "did you mean `https://issuer.example//…`?",
    near: M.policy(#"[{from: [{source: {requestPrincipals: ["https://issuer.example//*"]}}]}]"#) + M.tokens),
  Pitfall(
    .tokenNotRequired, M.tokens, says: "a request without any token passes",
    near: M.policy(#"[{from: [{source: {requestPrincipals: ["*"]}}]}]"#) + M.tokens),
  // Rules.
  Pitfall(
    .ruleRedundant,
    M.policy(
      #"[{from: [{source: {principals: ["*"]}}]}, {from: [{source: {principals: ["\#(good)"]}}], to: [{operation: {methods: [GET]}}]}]"#),
    says: "rule 0 of AuthorizationPolicy shop/one",
    near: M.policy(
      #"[{from: [{source: {principals: ["*"]}}], to: [{operation: {methods: [POST]}}]}, {from: [{source: {principals: ["\#(good)"]}}]}]"#)),
  Pitfall(
    .ruleNeverMatches, M.policy("[{from: [{source: {namespaces: [shop], notNamespaces: [shop]}}]}]"),
    says: "`namespaces` demands what `notNamespaces` forbids",
    near: M.policy("[{from: [{source: {namespaces: [shop, legacy], notNamespaces: [shop]}}]}]")),
  Pitfall(
    .allowDeniesEverything,
    M.policy("[{to: [{operation: {paths: [/a]}}], when: [{key: source.namespace, values: [shop], notValues: [shop]}]}]"),
    says: "no rule of the ALLOW policies", near: M.policy("[{from: [{source: {namespaces: [shop], notNamespaces: [legacy]}}]}]")),
  Pitfall(
    .ruleShadowed, M.policy(paths("/admin/x")) + "---\n" + M.policy("DENY", paths("/admin/*"), name: "two"),
    says: "denies whatever it matches",
    near: M.policy(paths("/admin")) + "---\n" + M.policy("DENY", paths("/admin/*"), name: "two")),
  Pitfall(
    .allowDeniesEverything, M.policy(paths("admin")), says: "no rule of the ALLOW policies of `shop/backend` can match",
    near: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: nothing, namespace: shop}\nspec: {}\n"),
  // Ambient mode.
  Pitfall(
    .ambientNeedsWaypoint, M.policy("DENY", to("methods", "POST"), app: "orders", namespace: "field"),
    says: "ztunnel at `field/orders` does not see `methods`",
    near: M.policy("DENY", to("ports", "8080"), app: "orders", namespace: "field")),
  Pitfall(
    .ambientActionIgnored, M.policy("AUDIT", "[{}]", app: "orders", namespace: "field"), says: "ztunnel ignores AUDIT policies",
    near: M.policy("AUDIT", "[{}]")),
  Pitfall(
    .ambientEmptySelector,
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: all, namespace: field}\nspec: {selector: {}, action: DENY, rules: [{}]}\n",
    says: "which ztunnel attaches to nothing",
    near:
      "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: all, namespace: field}\nspec: {action: DENY, rules: [{}]}\n"
  ),
]

/// A DENY rule by identity on a port, and one for whoever has no identity.
private func denied(_ port: String) -> String {
  #"[{from: [{source: {principals: ["\#(good)"]}}], to: [{operation: {ports: ["\#(port)"]}}]}]"#
}
private func anonymous(_ operation: String) -> String {
  "[{from: [{source: {notPrincipals: ['*']}}]\(operation.isEmpty ? "" : ", to: [{operation: {\(operation)}}]")}]"
}

extension String {
  fileprivate func replacing(_ text: String, with other: String) -> String {
    split(separator: text, omittingEmptySubsequences: false).joined(separator: other)
  }
}

@Suite struct `the pitfalls of policies` {
  @Test(arguments: pitfalls) func `are found, and near misses are left alone`(_ pitfall: Pitfall) {
    let found = LintMesh.findings(pitfall.found)
    let own = found.filter { $0.code == pitfall.code }
    #expect(!own.isEmpty, "\(found.map { "\($0.code.rawValue): \($0.message)" })")
    for finding in own { #expect(finding.location.span.line > 0 && finding.location.file == "mesh.yaml") }
    #expect(own.contains { "\($0.message) → \($0.help)".contains(pitfall.says) }, "\(own.map { "\($0.message) → \($0.help)" })")
    let near = LintMesh.findings(pitfall.near).filter { $0.code == pitfall.code }
    #expect(near.isEmpty, "\(near.map(\.message))")
  }

  @Test func `have a case each`() {
    let untested: Set<LintCode> = Set(LintCode.allCases.filter { !$0.rawValue.hasPrefix("envoy-") && !$0.rawValue.hasPrefix("ignore-") })
      .subtracting(pitfalls.map(\.code))
    #expect(untested == [.comparisonLimit], "\(untested.map(\.rawValue).sorted())")
  }

  @Test func `are not looked for in rules without number`() {
    let rules = (0..<601).map { "{from: [{source: {principals: [cluster.local/ns/shop/sa/s\($0)]}}]}" }
    let many = stride(from: 0, to: 601, by: 301).map { start in
      M.policy("[\(rules[start..<min(start + 301, 601)].joined(separator: ", "))]", name: "p\(start)")
    }
    let found = LintMesh.findings(many.joined(separator: "---\n"), isAlone: true)
    #expect(found.map(\.code) == [.comparisonLimit], "\(found.map(\.message))")
    #expect(LintMesh.findings(many[0], isAlone: true).isEmpty)
  }

  @Test func `are looked for around few labels only`() {
    func policy(_ count: Int) -> String {
      let labels = (0..<count).map { "l\($0): a" }.joined(separator: ", ")
      let wide = M.policy("[{}]").replacing("matchLabels: {app: backend}", with: "matchLabels: {l0: a}")
      let narrow = M.policy("[{}]", name: "two").replacing("matchLabels: {app: backend}", with: "matchLabels: {\(labels)}")
      return wide + "---\n" + narrow
    }
    #expect(LintMesh.findings(policy(8), isAlone: true).map(\.code) == [.ruleRedundant])
    let many = LintMesh.findings(policy(9), isAlone: true)
    #expect(many.map(\.code) == [.comparisonLimit] && many.allSatisfy { $0.message.contains("selects by 9 labels") })
  }

  @Test func `of automatic mTLS are those of the mesh's settings, too`() {
    var settings = MeshSettings()
    settings.enablesAutoMTLS = false
    let found = LintMesh.findings(M.strict(), mesh: settings).filter { $0.code == .tlsConflict }
    #expect(found.map(\.message).count == 1, "\(found.map(\.message))")
    #expect(found.first?.message.contains("automatic mTLS is off in the mesh") == true, "\(found.map(\.message))")
    let rule = M.destination("host: '*.local', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")
    #expect(!LintMesh.findings(M.strict() + rule, mesh: settings).contains { $0.code == .tlsConflict && $0.message.contains("shop") })
    #expect(LintMesh.findings(M.strict()).allSatisfy { $0.code != .tlsConflict })
  }

  @Test func `of two sides are told once for each setting, and not for rules that nobody uses`() {
    let both = M.destination("host: '*.shop.svc.cluster.local', trafficPolicy: {tls: {mode: DISABLE}}") + M.strict()
    #expect(LintMesh.findings(both).count { $0.code == .tlsConflict } == 1)
    // Nobody with a sidecar is where the rule counts.
    let elsewhere = both.replacing("namespace: shop}\nspec: {host", with: "namespace: legacy}\nspec: {host")
    #expect(elsewhere != both && !LintMesh.findings(elsewhere).contains { $0.code == .tlsConflict })
  }

  @Test func `without workloads are those of the rules alone`() {
    // Nothing says who is there, so that no name can be called wrong.
    let codes = LintMesh.findings(M.policy(principal("cluster.local/ns/a/sa/b"), app: "x", namespace: "nowhere"), isAlone: true).map(\.code)
    #expect(codes.isEmpty, "\(codes)")
    #expect(
      LintMesh.findings(M.policy("DENY", principal("cluster.local/ns/a/sa/b")), isAlone: true).map(\.code) == [.denyEvadedByPlaintext])
  }
}
