// The sets of policies that are hardest for an index: many rules that satisfy what they are found by and fail later, constraints that cannot be
// looked up, requests of which something is not known. All could be written by somebody who runs a mesh. What enters is a kind, a size and a seed;
// what leaves are policies and requests with their verdicts, which never come from the engine.
internal import PolicyEngine
internal import PolicyModel

/// What makes a set hard.
enum HardKind: String, CaseIterable {
  /// One caller (an ingress gateway); √N hosts times √N path prefixes, each pair a rule.
  case grid
  /// ³√N callers times ³√N values of a header times ³√N paths.
  case cube
  /// ³√N tenants times ³√N roles times ³√N regions, all claims of a token.
  case claims
  /// N claims, each with a name of its own; the token has ten.
  case claimNames = "claim-names"
  /// N headers, each with a name of its own.
  case headerNames = "header-names"
  /// DENY with nothing but `notPrincipals` or `notPaths`, beside one policy that allows all.
  case negations
  /// A tree of path prefixes, four below each; every level needs a header value of its own.
  case nestedPaths = "nested-paths"
  /// The same of host suffixes.
  case nestedHosts = "nested-hosts"
  /// √N namespaces (prefixes of principals) times √N suffixes of paths.
  case affixes
  /// Blocks of every length, IPv4 and IPv6 by turns.
  case blocks
  /// Namespaces with a star in front.
  case stars
  /// `/{*}/items-N/{**}`.
  case templates
  /// N sources, 512 in each rule.
  case sources
  /// N operations, each of a host and a path, 512 in each rule.
  case operations
  /// N selectors that all select the workload.
  case selectors
  /// N denied paths, and a request whose path the proxy did not normalize.
  case unknownPath = "unknown-path"
  /// N namespaces, and callers whose identity has its namespace elsewhere than Istio's have it.
  case irregular

  /// The set of this kind and size. About a quarter of the requests are spoilt so that the policy that they were made for does not match.
  func set(size: Int, count: Int, random: inout SplitMix) -> DecisionSet {
    let cases = random.numbers(below: size, count: count).enumerated().map { index, number in
      made(for: number, of: size, index: index, isSpoilt: Int.random(in: 0..<4, using: &random) == 0)
    }
    let documents = [PolicyYAML.deployment("backend", labels: self == .selectors ? Self.labels(.max) : [])] + policies(size)
    return DecisionSet(name: rawValue, size: size, text: documents.joined(separator: "---\n"), cases: cases)
  }

  private func policies(_ size: Int) -> [String] {
    switch self {
    case .sources, .operations:
      stride(from: 0, to: size, by: Self.mostClauses).map { first in
        let numbers = first..<min(first + Self.mostClauses, size)
        return PolicyYAML.policy(
          "policy-\(first)",
          rules: [
            self == .sources
              ? RuleText(sources: numbers.map { ["principals: [\"\(Self.caller($0))\"]"] })
              : RuleText(operations: numbers.map { Self.operation($0, of: size) })
          ])
      }
    case .selectors:
      (0..<size).map { number in
        PolicyYAML.policy(
          "policy-\(number)", labels: Self.labels(number), rules: [RuleText(sources: [["principals: [\"\(Self.caller(number))\"]"]])])
      }
    case .negations, .unknownPath:
      [PolicyYAML.policy("open", rules: [RuleText()])]
        + (0..<size).map { PolicyYAML.policy("policy-\($0)", action: "DENY", rules: [rule($0, of: size)]) }
    default: (0..<size).map { PolicyYAML.policy("policy-\($0)", rules: [rule($0, of: size)]) }
    }
  }

  // MARK: What rule N says

  private func rule(_ number: Int, of size: Int) -> RuleText {
    let gateway = ["principals: [\"cluster.local/ns/shop/sa/frontend-sa\"]"]
    switch self {
    case .grid: return RuleText(sources: [gateway], operations: [Self.operation(number, of: size)])
    case .cube:
      let (a, b, c) = Self.cube(number, of: size)
      return RuleText(
        sources: [["principals: [\"\(Self.caller(a))\"]"]], operations: [["paths: [\"/part-\(c)/*\"]"]],
        conditions: [("request.headers[x-client]", "[\"client-\(b)\"]")])
    case .claims:
      let (a, b, c) = Self.cube(number, of: size)
      return RuleText(
        conditions: [("tenant", a), ("role", b), ("region", c)].map { ("request.auth.claims[\($0)]", "[\"\($0)-\($1)\"]") })
    case .claimNames: return RuleText(conditions: [("request.auth.claims[feature-\(number)]", "[\"on\"]")])
    case .headerNames: return RuleText(conditions: [("request.headers[x-feature-\(number)]", "[\"on\"]")])
    case .negations:
      return number.isMultiple(of: 2)
        ? RuleText(operations: [["notPaths: [\"/api/*\", \"/part-\(number)/*\"]"]])
        : RuleText(sources: [["notPrincipals: [\"cluster.local/ns/shop/*\", \"\(Self.caller(number))\"]"]])
    case .nestedPaths:
      let (depth, branch) = Self.branch(number)
      return RuleText(
        operations: [["paths: [\"/\(branch.joined(separator: "/"))/*\"]"]],
        conditions: [("request.headers[x-level]", "[\"level-\(depth)\"]")])
    case .nestedHosts:
      let (depth, branch) = Self.branch(number)
      return RuleText(
        operations: [["hosts: [\"*.\(branch.reversed().joined(separator: "."))\"]"]],
        conditions: [("request.headers[x-level]", "[\"level-\(depth)\"]")])
    case .affixes:
      let (a, b) = Self.square(number, of: size)
      return RuleText(sources: [["principals: [\"cluster.local/ns/team-\(a)/*\"]"]], operations: [["paths: [\"*/part-\(b).json\"]"]])
    case .blocks: return RuleText(sources: [["ipBlocks: [\"\(Self.block(number).text)\"]"]])
    case .stars: return RuleText(sources: [["namespaces: [\"*-tenant-\(number)-prod\"]"]])
    case .templates: return RuleText(operations: [["paths: [\"/{*}/items-\(number)/{**}\"]"]])
    case .unknownPath: return RuleText(operations: [["paths: [\"/internal/\(number)/*\"]"]])
    case .irregular: return RuleText(sources: [["namespaces: [\"team-\(number)\"]"]])
    case .sources, .operations, .selectors: return RuleText()
    }
  }

  // MARK: Who satisfies it

  private func made(for number: Int, of size: Int, index: Int, isSpoilt: Bool) -> DecisionCase {
    let spoilt = isSpoilt ? "x" : ""
    var result = DecisionCase(path: "/api/v1/orders/\(index)?page=2", verdict: isSpoilt ? .deny : .allow)
    switch self {
    case .grid, .operations:
      let (a, b) = Self.square(number, of: size)
      (result.host, result.path) = ("host-\(a).example", "/part-\(b)\(spoilt)/\(index)")
    case .cube:
      let (a, b, c) = Self.cube(number, of: size)
      result.principal = "spiffe://\(Self.caller(a))"
      (result.headers, result.path) = ([("x-client", "client-\(b)")], "/part-\(c)\(spoilt)/\(index)")
    case .claims:
      let (a, b, c) = Self.cube(number, of: size)
      result.claims = Self.token + [("tenant", "tenant-\(a)"), ("role", "role-\(b)"), ("region", "region-\(c)\(spoilt)")]
    case .claimNames: result.claims = Self.token + [("feature-\(number)", "on\(spoilt)")]
    case .headerNames: result.headers = [("x-feature-\(number)", "on\(spoilt)")]
    case .negations: if isSpoilt { result.path = "/elsewhere/\(index)" }
    case .nestedPaths, .nestedHosts:
      let (depth, branch) = Self.branch(number)
      result.headers = [("x-level", "level-\(depth)\(spoilt)")]
      if self == .nestedPaths {
        result.path = "/\(branch.joined(separator: "/"))/end-\(index)"
      } else {
        result.host = "end-\(index).\(branch.reversed().joined(separator: "."))"
      }
    case .affixes:
      let (a, b) = Self.square(number, of: size)
      (result.principal, result.path) = ("spiffe://cluster.local/ns/team-\(a)/sa/any", "/reports/\(index)/part-\(b).json\(spoilt)")
    case .blocks: result.sourceIP = isSpoilt ? Self.outside(index) : Self.block(number).base
    case .stars: result.principal = "spiffe://cluster.local/ns/eu-tenant-\(number)-prod\(spoilt)/sa/any"
    case .templates: result.path = "/shop-\(index)/items-\(number)\(spoilt)/all/of/it"
    case .sources, .selectors: result.principal = "spiffe://\(Self.caller(number))\(spoilt)"
    case .unknownPath: (result.path, result.verdict) = (nil, .undecided)
    case .irregular: result.principal = "spiffe://cluster.local/region/eu/ns/team-\(number)\(spoilt)/sa/any"
    }
    return result
  }

  // MARK: Parts

  /// How many sources, or operations, Istio allows in a rule.
  private static let mostClauses = 512

  private static func caller(_ number: Int) -> String { "cluster.local/ns/team-\(number % 97)/sa/caller-\(number)" }

  private static func operation(_ number: Int, of size: Int) -> [String] {
    let (a, b) = square(number, of: size)
    return ["hosts: [\"host-\(a).example\"]", "paths: [\"/part-\(b)/*\"]"]
  }

  /// Claims that any token has.
  private static let token = ["iss", "sub", "aud", "azp", "email", "name", "session"].map { (name: $0, value: "the-\($0)-of-the-token") }

  /// The number in two digits, to the smallest base that has enough of them.
  private static func square(_ number: Int, of size: Int) -> (Int, Int) {
    var side = 1
    while side * side < size { side += 1 }
    return (number % side, number / side)
  }

  /// The same in three digits.
  private static func cube(_ number: Int, of size: Int) -> (Int, Int, Int) {
    var side = 1
    while side * side * side < size { side += 1 }
    return (number % side, number / side % side, number / side / side)
  }

  /// The names from the root of a tree, in which every node has four children, to node N.
  private static func branch(_ number: Int) -> (depth: Int, names: [String]) {
    var names: [String] = []
    var node = number
    while node > 0 {
      names.append("branch-\((node - 1) % 4)")
      node = (node - 1) / 4
    }
    return (names.count, ["root"] + names.reversed())
  }

  /// All in 10.0.0.0/8 or fd00::/8, of every length from 9 on.
  private static func block(_ number: Int) -> (text: String, base: IPAddress) {
    var random = SplitMix(seed: UInt64(truncatingIfNeeded: number))
    let isIPv4 = number.isMultiple(of: 2)
    let length = isIPv4 ? 9 + number / 2 % 24 : 9 + number / 2 % 120
    let (high, low) = (random.next(), random.next())
    let address =
      isIPv4
      ? IPAddress(isIPv4: true, high: 10 << 56 | (high >> 40) << 32, low: 0)
      : IPAddress(isIPv4: false, high: 0xfd << 56 | high >> 8, low: low)
    let base = address.masked(to: length)
    if isIPv4 {
      let bits = base.high >> 32
      return ("\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)/\(length)", base)
    }
    var groups: [String] = []
    for half in [base.high, base.low] {
      for shift in [48, 32, 16, 0] as [UInt64] { groups.append(String(half >> shift & 0xffff, radix: 16)) }
    }
    return ("\(groups.joined(separator: ":"))/\(length)", base)
  }

  /// An address in no block.
  private static func outside(_ index: Int) -> IPAddress {
    index.isMultiple(of: 2)
      ? IPAddress(isIPv4: true, high: (0xcb00_7100 | UInt64(index & 255)) << 32, low: 0)
      : IPAddress(isIPv4: false, high: 0x2001_0db8 << 32, low: UInt64(index))
  }

  /// A label for every bit that is set.
  private static func labels(_ bits: Int) -> [(String, String)] {
    [("app", "backend")].prefix(bits == .max ? 0 : 1) + (0..<14).filter { bits >> $0 & 1 == 1 }.map { ("label-\($0)", "set") }
  }
}
