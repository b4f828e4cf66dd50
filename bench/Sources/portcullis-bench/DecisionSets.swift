// Policies of one kind and any number, all on one workload, as Kubernetes YAML, and requests with the verdict that each must get.
// What enters is a kind, a size and a seed. The verdict follows from which policy a request was made for and in what it was spoilt, never
// from the engine.
internal import PolicyEngine

/// What tells the policies of a set apart.
enum DecisionKind: String, CaseIterable {
  case principals, paths, hosts, mixed
}

/// The facts of one request, and what must come of it.
struct DecisionCase {
  var principal: String
  var host: String
  var path: String
  var method = "GET"
  var isAllowed: Bool

  /// The engine's form. The other attributes are those that a sidecar knows of every request.
  func request(into request: inout Request) {
    request.reset()
    request.addIdentity(Array(principal.utf8).span)
    request.setMethod(Array(method.utf8).span)
    request.setHost(Array(host.utf8).span)
    request.setPath(Array(path.utf8).span)
    request.setPort(8080)
    request.setHeadersKnown()
    for (name, value) in [("user-agent", "shop-client/1.4"), ("accept", "application/json"), ("x-forwarded-proto", "https")] {
      request.addHeader(name: Array(name.utf8).span, value: Array(value.utf8).span)
    }
  }
}

/// One set of policies with its requests.
struct DecisionSet {
  let kind: DecisionKind
  let size: Int

  /// The policies and the one workload that all of them select, as YAML.
  var text: String {
    var documents = [Self.workload]
    for number in 0..<size { documents.append(policy(number)) }
    return documents.joined(separator: "---\n")
  }

  /// Requests, each made for some policy; about a quarter are spoilt so that nobody allows them. They touch every policy if there are at
  /// least as many of them.
  func cases(count: Int, random: inout SplitMix) -> [DecisionCase] {
    var numbers: [Int] = []
    while numbers.count < count { numbers += (0..<size).shuffled(using: &random).prefix(count - numbers.count) }
    return numbers.enumerated().map { index, number in
      made(for: number, index: index, isSpoilt: Int.random(in: 0..<4, using: &random) == 0)
    }
  }

  // MARK: What policy N says, and who satisfies it

  private static let common = "spiffe://cluster.local/ns/shop/sa/frontend-sa"

  /// In a mixed set every eighth policy denies; the other forms take turns.
  private func policy(_ number: Int) -> String {
    switch kind {
    case .principals: return rule(number, from: "principals: [\"cluster.local/ns/team-\(number % 97)/sa/caller-\(number)\"]")
    case .paths: return rule(number, to: "paths: [\"/api/v1/service-\(number)/items\"]")
    case .hosts: return rule(number, to: "hosts: [\"service-\(number).shop.example\"]")
    case .mixed: return mixed(number)
    }
  }

  private func mixed(_ number: Int) -> String {
    let caller = "principals: [\"cluster.local/ns/team-\(number % 97)/sa/caller-\(number)\"]"
    switch number % 8 {
    case 0: return rule(number, to: "paths: [\"/internal/\(number)/*\"]", action: "DENY")
    case 1: return rule(number, from: caller, to: "notPaths: [\"/admin/*\"]\n        methods: [\"GET\", \"POST\"]")
    case 2: return rule(number, to: "paths: [\"/open/\(number)/*\"]\n        notMethods: [\"DELETE\"]")
    case 3: return rule(number, to: "hosts: [\"*.tenant-\(number).example\"]\n        notPaths: [\"*/secret\"]")
    case 4: return rule(number, from: "principals: [\"*/ns/team-\(number % 97)/sa/suffix-\(number)\"]")
    case 5: return rule(number, from: "principals: [\"cluster.local/ns/prefix-\(number)/*\"]", to: "notHosts: [\"*.invalid\"]")
    case 6: return rule(number, to: "paths: [\"*/suffix-\(number).json\"]")
    default: return rule(number, from: caller, to: "hosts: [\"service-\(number).shop.example\"]\n        paths: [\"/v1/*\", \"/v2/*\"]")
    }
  }

  private func made(for number: Int, index: Int, isSpoilt: Bool) -> DecisionCase {
    let own = "spiffe://cluster.local/ns/team-\(number % 97)/sa/caller-\(number)"
    let host = "backend.shop.svc.cluster.local:8080"
    let spoilt = isSpoilt ? "x" : ""
    var result = DecisionCase(principal: Self.common, host: host, path: "/api/v1/orders/\(index)?page=2", isAllowed: !isSpoilt)
    switch kind {
    case .principals: result.principal = own + spoilt
    case .paths: result.path = "/api/v1/service-\(number)/items\(spoilt)?page=\(index)"
    case .hosts: result.host = "service-\(number).shop.example\(spoilt)"
    case .mixed: fillMixed(&result, number, index: index, own: own, isSpoilt: isSpoilt)
    }
    return result
  }

  private func fillMixed(_ result: inout DecisionCase, _ number: Int, index: Int, own: String, isSpoilt: Bool) {
    let spoilt = isSpoilt ? "x" : ""
    switch number % 8 {
    case 0:
      // Denied either way: by this policy, or because nobody allows it.
      (result.principal, result.isAllowed) = (own, false)
      result.path = isSpoilt ? "/elsewhere/\(index)" : "/internal/\(number)/\(index)"
    case 1: (result.principal, result.path) = (own, isSpoilt ? "/admin/\(index)" : "/api/v1/orders/\(index)")
    case 2: (result.path, result.method) = ("/open/\(number)/\(index)", isSpoilt ? "DELETE" : "PUT")
    case 3: (result.host, result.path) = ("api.tenant-\(number).example", isSpoilt ? "/a/secret" : "/a/\(index)")
    case 4: result.principal = "spiffe://cluster.local/ns/team-\(number % 97)/sa/suffix-\(number)\(spoilt)"
    case 5:
      result.principal = "spiffe://cluster.local/ns/prefix-\(number)/sa/any-\(index)"
      result.host = isSpoilt ? "api.invalid" : "api.example"
    case 6: result.path = "/reports/\(index)/suffix-\(number).json\(spoilt)"
    default:
      (result.principal, result.host) = (own, "service-\(number).shop.example")
      result.path = isSpoilt ? "/v3/\(index)" : "/v\(1 + index % 2)/\(index)"
    }
  }

  private func rule(_ number: Int, from source: String? = nil, to operation: String? = nil, action: String = "ALLOW") -> String {
    var text = """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata:
        name: policy-\(number)
        namespace: shop
      spec:
        selector:
          matchLabels:
            app: backend
        action: \(action)
        rules:

      """
    var mark = "  - "
    if let source {
      text += "\(mark)from:\n    - source:\n        \(source)\n"
      mark = "    "
    }
    if let operation { text += "\(mark)to:\n    - operation:\n        \(operation)\n" }
    return text
  }

  private static let workload = """
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: backend
      namespace: shop
    spec:
      selector:
        matchLabels:
          app: backend
      template:
        metadata:
          labels:
            app: backend
        spec:
          serviceAccountName: backend-sa
          containers:
          - name: backend
            image: registry.example/shop/backend:1

    """
}
