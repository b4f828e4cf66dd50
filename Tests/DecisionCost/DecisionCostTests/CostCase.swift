// The policies and requests over which costs are counted: few and many policies of every shape, a connection without HTTP, rules on headers, peers
// without identity. Nothing enters; texts and requests with their verdicts leave.

internal import PolicyEngine
internal import PolicyModel
internal import Testing

/// Policies in the namespace `shop`, and requests to `app: backend`.
struct CostCase: Sendable, CustomTestStringConvertible {
  /// One request with its verdict.
  struct Prepared: Sendable {
    let request: Request
    let verdict: Verdict
  }

  let name: String
  let text: String
  let requests: [Prepared]

  var testDescription: String { name }

  static let all: [CostCase] = [
    CostCase(
      name: "the shop", text: mutualTLS + "---\n" + policy(0, from: "principals: [\"cluster.local/ns/shop/sa/frontend-sa\"]"),
      requests: [
        make(.allow), make(.deny) { $0.principal = "spiffe://cluster.local/ns/shop/sa/db-sa" }, make(.deny) { $0.principal = nil },
      ]),
    many("principals") {
      policy($0, from: "principals: [\"cluster.local/ns/team/sa/caller-\($0)\"]")
    } satisfying: {
      $0.principal = "spiffe://cluster.local/ns/team/sa/caller-\($1)"
    },
    many("paths") {
      policy($0, to: "paths: [\"/service-\($0)/*\"]")
    } satisfying: {
      $0.path = "/service-\($1)/items?page=2"
    },
    many("hosts") {
      policy($0, to: "hosts: [\"*.tenant-\($0).example\"]")
    } satisfying: {
      $0.host = "API.tenant-\($1).example"
    },
    many("mixed") { number in
      switch number % 4 {
      case 0: policy(number, to: "paths: [\"/internal/\(number)/*\"]", action: "DENY")
      case 1: policy(number, from: "principals: [\"*/sa/caller-\(number)\"]", to: "notPaths: [\"/admin/*\"]")
      case 2: policy(number, from: "namespaces: [\"team-\(number)\"]", to: "methods: [\"GET\"]")
      default:
        policy(number, from: "principals: [\"cluster.local/ns/team/sa/caller-\(number)\"]", to: "paths: [\"/{*}/items/{**}\", \"*.json\"]")
      }
    } satisfying: { facts, number in
      facts.principal =
        number % 4 == 2 ? "spiffe://cluster.local/ns/team-\(number)/sa/any" : "spiffe://cluster.local/ns/team/sa/caller-\(number)"
      facts.path = number % 4 == 0 ? "/elsewhere" : "/shop/items/17.json"
      if number % 4 == 0 { facts.principal = "spiffe://cluster.local/ns/team/sa/caller-\(number + 1)" }
    },
    many("namespaces") {
      policy($0, from: $0 % 2 == 0 ? "namespaces: [\"team-\($0)\"]" : "namespaces: [\"*-team-\($0)\"]")
    } satisfying: {
      $0.principal = "spiffe://cluster.local/ns/\($1 % 2 == 0 ? "" : "eu-")team-\($1)/sa/any"
    },
    many("headers") {
      policy($0, when: ("request.headers[x-client]", "client-\($0)"))
    } satisfying: {
      $0.headers += [("X-Client", "client-\($1)")]
    },
    many("claims") {
      policy($0, when: ("request.auth.claims[tenant]", "tenant-\($0)"))
    } satisfying: {
      $0.claims = [("tenant", "tenant-\($1)")]
    },
    many("addresses") {
      policy($0, from: "ipBlocks: [\"10.\($0 / 250).\($0 % 250).0/24\"]")
    } satisfying: {
      $0.address = "10.\($1 / 250).\($1 % 250).7"
    },
    many("connections without HTTP") {
      policy($0, from: "principals: [\"cluster.local/ns/team/sa/caller-\($0)\"]", to: "ports: [\"8080\"]")
    } satisfying: {
      $0.principal = "spiffe://cluster.local/ns/team/sa/caller-\($1)"
      $0.isTCP = true
    },
    many("anonymous peers") {
      policy($0, to: "paths: [\"/open/\($0)/*\"]", "methods: [\"GET\"]")
    } satisfying: {
      $0.principal = nil
      $0.path = "/open/\($1)/items"
    },
    CostCase(
      name: "dry run, AUDIT and DENY",
      text: (0..<20).map { policy($0, to: "paths: [\"/audited/\($0)/*\"]", action: "AUDIT") }.joined(separator: "---\n") + "---\n"
        + (20..<40).map { policy($0, to: "paths: [\"/dry/\($0)/*\"]", isDryRun: true) }.joined(separator: "---\n") + "---\n"
        + (40..<60).map { policy($0, to: "paths: [\"/denied/\($0)/*\"]", action: "DENY") }.joined(separator: "---\n"),
      requests: [
        make(.allow) { $0.path = "/audited/3/x" }, make(.allow) { $0.path = "/dry/30/x" }, make(.deny) { $0.path = "/denied/50/x" },
        make(.undecided) { $0.path = nil },
      ]),
  ]

  // MARK: Requests

  /// The facts of a request.
  private struct Facts {
    var principal: String? = "spiffe://cluster.local/ns/shop/sa/frontend-sa"
    var host = "backend.shop.svc.cluster.local:8080"
    var path: String? = "/api/v1/orders/17?page=2"
    var headers = [("user-agent", "shop-client/1.4"), ("accept", "application/json")]
    var claims: [(String, String)] = []
    var address = "192.0.2.1"
    var isTCP = false
  }

  private static func make(_ verdict: Verdict, _ change: (inout Facts) -> Void = { _ in }) -> Prepared {
    var facts = Facts()
    change(&facts)
    var request = Request()
    request.isTCP = facts.isTCP
    request.setPeerKnown()
    if let principal = facts.principal { request.addIdentity(Array(principal.utf8).span) }
    request.setPort(8080)
    request.setSourceIP(IPAddress(facts.address))
    request.setMethod(Array("GET".utf8).span)
    request.setHost(Array(facts.host.utf8).span)
    if let path = facts.path { request.setPath(Array(path.utf8).span) } else { request.setPathUnknown(.pathNotNormalized) }
    for (name, value) in facts.headers { request.addHeader(name: Array(name.utf8).span, value: Array(value.utf8).span) }
    request.setClaimsKnown()
    for (name, value) in facts.claims {
      var path: [UInt8] = []
      Request.appendPathComponent(Array(name.utf8).span, to: &path)
      request.addClaim(path: path.span, value: Array(value.utf8).span, isListElement: false)
    }
    return Prepared(request: request, verdict: verdict)
  }

  // MARK: Policies

  /// 500 policies, and for the last four of them a request that it allows; one that none allows.
  private static func many(_ name: String, policy: (Int) -> String, satisfying: (inout Facts, Int) -> Void) -> CostCase {
    let count = 500
    let allowed = (count - 5..<count - 1).map { number in make(.allow) { satisfying(&$0, number) } }
    let denied = make(.deny) { facts in satisfying(&facts, count * 4 + 2) }
    return CostCase(name: name, text: (0..<count).map(policy).joined(separator: "---\n"), requests: allowed + [denied])
  }

  private static func policy(
    _ number: Int, from source: String? = nil, to operation: String..., when condition: (String, String)? = nil, action: String = "ALLOW",
    isDryRun: Bool = false
  ) -> String {
    var text = """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata:
        name: policy-\(number)
        namespace: shop

      """
    if isDryRun { text += "  annotations:\n    istio.io/dry-run: \"true\"\n" }
    text += "spec:\n  selector:\n    matchLabels:\n      app: backend\n  action: \(action)\n  rules:\n"
    var mark = "  - "
    if let source {
      text += "\(mark)from:\n    - source:\n        \(source)\n"
      mark = "    "
    }
    if !operation.isEmpty {
      text += "\(mark)to:\n    - operation:\n" + operation.map { "        \($0)\n" }.joined()
      mark = "    "
    }
    if let condition { text += "\(mark)when:\n    - key: \(condition.0)\n      values: [\"\(condition.1)\"]\n" }
    return text
  }

  private static let mutualTLS = """
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata:
      name: default
      namespace: shop
    spec:
      mtls:
        mode: STRICT

    """
}
