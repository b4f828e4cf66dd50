// Which facts of a request a decision can depend on.
// Enters: compiled rules, and what stands in front of them. Leaves: a set of facts, so that a door fetches only these, and so that what is
// remembered of a connection is found by no more than it rests on. Never here: a fact that is left out although some rule tests it; whoever
// cannot tell says yes.

/// Facts of a request.
public struct TestedFacts: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// A bit for each.
  public let rawValue: UInt16

  /// The facts of these bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The names of the peer.
  public static let peer = TestedFacts(rawValue: 1 << 0)
  /// The address of the connection's peer.
  public static let sourceIP = TestedFacts(rawValue: 1 << 1)
  /// The connection's local address.
  public static let destinationIP = TestedFacts(rawValue: 1 << 2)
  /// The client's address.
  public static let remoteIP = TestedFacts(rawValue: 1 << 3)
  /// The port that policies mean.
  public static let port = TestedFacts(rawValue: 1 << 4)
  /// The server name of the handshake.
  public static let sni = TestedFacts(rawValue: 1 << 5)
  /// The method.
  public static let method = TestedFacts(rawValue: 1 << 6)
  /// The `:authority`.
  public static let host = TestedFacts(rawValue: 1 << 7)
  /// The path, with or without its query.
  public static let path = TestedFacts(rawValue: 1 << 8)
  /// Header lines; `Snapshot.testsHeader` says of which names.
  public static let headers = TestedFacts(rawValue: 1 << 9)
  /// Whether there is a token, and its claims.
  public static let claims = TestedFacts(rawValue: 1 << 10)
  /// Metadata of the proxy's filters.
  public static let metadata = TestedFacts(rawValue: 1 << 11)
}

extension Target {
  /// The facts on which a decision about this target can depend, whatever the request is. Facts that are not among them may be left unknown;
  /// the decision is the same.
  /// - Parameter honorsRequestAuthentication: as of the requests.
  public func testedFacts(profile: Profile, honorsRequestAuthentication: Bool) -> TestedFacts {
    var facts = interest
    // The server looks at the peer before any policy does, but for a gateway's, whose servers have settings of their own.
    if profile != .gateway { facts.insert(.peer) }
    if !strictExceptions.isEmpty { facts.insert(.port) }
    // Whether a token is needed: preflights need none.
    if honorsRequestAuthentication, !tokenRules.isEmpty { facts.formUnion([.claims, .method, .headers]) }
    return facts
  }
}

extension TableDraft {
  /// What a rule tests.
  func interest(of rule: CompiledRule) -> TestedFacts {
    var found = TestedFacts()
    func add(_ stretch: Stretch) {
      for index in stretch.range { found.insert(tests[index].subject.fact) }
    }
    for index in rule.sources.range { add(clauses[index].tests) }
    for index in rule.operations.range { add(clauses[index].tests) }
    add(rule.conditions)
    return found
  }
}

extension Subject {
  /// The fact that it is a part of.
  fileprivate var fact: TestedFacts {
    switch self {
    case .principal, .namespace, .serviceAccount, .trustDomain, .ztunnelPrincipal, .ztunnelNamespace, .ztunnelServiceAccount: .peer
    case .sourceIP: .sourceIP
    case .remoteIP: .remoteIP
    case .destinationIP: .destinationIP
    case .port: .port
    case .host, .authority: .host
    case .method: .method
    case .path, .target: .path
    case .sni: .sni
    case .header: .headers
    case .claim, .requestPrincipal: .claims
    case .metadata: .metadata
    }
  }
}
