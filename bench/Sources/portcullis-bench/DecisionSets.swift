// Policies of one kind and any number, all on one workload, as Kubernetes YAML, and requests with the verdict that each must get.
// What enters is a kind, a size and a seed. The verdict follows from which policy a request was made for and in what it was spoilt, never
// from the engine.
internal import PolicyEngine

/// What tells the policies of a set apart.
enum DecisionKind: String, CaseIterable {
  case principals, paths, hosts, mixed
  /// Values of one header; callers with ports of connections without HTTP; paths asked for by peers without identity.
  case headers, tcp, anonymous

  /// The set of this kind and size. About a quarter of the requests are spoilt so that nobody allows them. They touch every policy if there are
  /// at least as many of them.
  func set(size: Int, count: Int, random: inout SplitMix) -> DecisionSet {
    let documents = [PolicyYAML.deployment("backend")] + (0..<size).map(policy)
    let cases = random.numbers(below: size, count: count).enumerated().map { index, number in
      made(for: number, index: index, isSpoilt: Int.random(in: 0..<4, using: &random) == 0)
    }
    return DecisionSet(name: rawValue, size: size, text: documents.joined(separator: "---\n"), cases: cases)
  }

  // MARK: What policy N says, and who satisfies it

  private func policy(_ number: Int) -> String {
    let (action, rule) =
      switch self {
      case .principals: ("ALLOW", Self.rule(from: Self.caller(number)))
      case .paths: ("ALLOW", Self.rule(to: "paths: [\"/api/v1/service-\(number)/items\"]"))
      case .hosts: ("ALLOW", Self.rule(to: "hosts: [\"service-\(number).shop.example\"]"))
      case .mixed: Self.mixed(number)
      case .headers: ("ALLOW", RuleText(conditions: [("request.headers[x-client]", "[\"client-\(number)\"]")]))
      case .tcp: ("ALLOW", Self.rule(from: Self.caller(number), to: "ports: [\"8080\"]"))
      case .anonymous: ("ALLOW", Self.rule(to: "paths: [\"/open/\(number)/*\"]", "methods: [\"GET\"]"))
      }
    return PolicyYAML.policy("policy-\(number)", action: action, rules: [rule])
  }

  /// In a mixed set every eighth policy denies; the other forms take turns.
  static func mixed(_ number: Int) -> (action: String, rule: RuleText) {
    switch number % 8 {
    case 0: ("DENY", rule(to: "paths: [\"/internal/\(number)/*\"]"))
    case 1: ("ALLOW", rule(from: caller(number), to: "notPaths: [\"/admin/*\"]", "methods: [\"GET\", \"POST\"]"))
    case 2: ("ALLOW", rule(to: "paths: [\"/open/\(number)/*\"]", "notMethods: [\"DELETE\"]"))
    case 3: ("ALLOW", rule(to: "hosts: [\"*.tenant-\(number).example\"]", "notPaths: [\"*/secret\"]"))
    case 4: ("ALLOW", rule(from: "principals: [\"*/ns/team-\(number % 97)/sa/suffix-\(number)\"]"))
    case 5: ("ALLOW", rule(from: "principals: [\"cluster.local/ns/prefix-\(number)/*\"]", to: "notHosts: [\"*.invalid\"]"))
    case 6: ("ALLOW", rule(to: "paths: [\"*/suffix-\(number).json\"]"))
    default:
      ("ALLOW", rule(from: caller(number), to: "hosts: [\"service-\(number).shop.example\"]", "paths: [\"/v1/*\", \"/v2/*\"]"))
    }
  }

  private static func caller(_ number: Int) -> String { "principals: [\"cluster.local/ns/team-\(number % 97)/sa/caller-\(number)\"]" }

  private static func rule(from source: String? = nil, to operation: String...) -> RuleText {
    RuleText(sources: source.map { [[$0]] } ?? [], operations: operation.isEmpty ? [] : [operation])
  }

  private func made(for number: Int, index: Int, isSpoilt: Bool) -> DecisionCase {
    let own = "spiffe://cluster.local/ns/team-\(number % 97)/sa/caller-\(number)"
    let spoilt = isSpoilt ? "x" : ""
    var result = DecisionCase(path: "/api/v1/orders/\(index)?page=2", verdict: isSpoilt ? .deny : .allow)
    switch self {
    case .principals: result.principal = own + spoilt
    case .paths: result.path = "/api/v1/service-\(number)/items\(spoilt)?page=\(index)"
    case .hosts: result.host = "service-\(number).shop.example\(spoilt)"
    case .mixed: Self.fillMixed(&result, number, index: index, isSpoilt: isSpoilt)
    case .headers: result.headers = [("x-client", "client-\(number)\(spoilt)")]
    case .tcp: (result.principal, result.isTCP) = (own + spoilt, true)
    case .anonymous: (result.principal, result.path) = (nil, "/open/\(number)\(spoilt)/\(index)")
    }
    return result
  }

  /// Makes a request satisfy policy N of a mixed set, or spoils it.
  static func fillMixed(_ result: inout DecisionCase, _ number: Int, index: Int, isSpoilt: Bool) {
    let own = "spiffe://cluster.local/ns/team-\(number % 97)/sa/caller-\(number)"
    let spoilt = isSpoilt ? "x" : ""
    switch number % 8 {
    case 0:
      // Denied either way: by this policy, or because nobody allows it.
      (result.principal, result.verdict) = (own, .deny)
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
}

extension SplitMix {
  /// Numbers in random order, each as often as any other but for one time.
  mutating func numbers(below limit: Int, count: Int) -> [Int] {
    var numbers: [Int] = []
    while numbers.count < count { numbers += (0..<limit).shuffled(using: &self).prefix(count - numbers.count) }
    return numbers
  }
}
