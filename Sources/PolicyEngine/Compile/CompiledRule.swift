// The compiled form of rules: flat, immutable, without strings.
//
//   rules ─► clauses (sources, operations) ─► tests ─► patterns ─► literals
//   rules ─► tests (conditions)
//
// A rule matches when one of its sources, one of its operations and all its conditions do; a clause when all its tests do; a test when one of
// its patterns does, or, negated, none.

public import PolicyModel

/// What a test compares.
enum Subject: UInt8, Sendable, Hashable {
  case principal, namespace, serviceAccount, trustDomain
  /// The same of the one identity that ztunnel reads from a certificate.
  case ztunnelPrincipal, ztunnelNamespace, ztunnelServiceAccount
  case sourceIP, remoteIP, destinationIP, port
  case host, method, path, sni
  /// `request.headers[:path]`: the path with its query.
  case target
  /// `request.headers[:authority]`: the host, with its case.
  case authority
  /// `Test.name` is the header's name in lower case.
  case header
  /// `Test.name` is the encoded path of claim names.
  case claim
  case requestPrincipal
  /// `Test.name` is the encoded filter and key.
  case metadata

  /// Whether only HTTP requests have it.
  var isHTTP: Bool {
    switch self {
    case .host, .method, .path, .target, .authority, .header, .claim, .requestPrincipal: true
    default: false
    }
  }
}

/// One value of a policy, ready to be compared.
struct Pattern: Sendable, BitwiseCopyable {
  enum Kind: UInt8, Sendable {
    case exact, prefix, suffix
    /// There, and not empty.
    case nonEmpty
    /// There.
    case present
    /// Starts with `first`, ends with `second`, without overlap.
    case between
    /// Stars of `first` are any run of bytes.
    case glob
    /// The same, and dots of `first` are any byte.
    case wildGlob
    /// `first` is the namespace, `second` the account.
    case serviceAccount
    /// The same, and dots of both are any byte.
    case wildServiceAccount
    /// Starts with `first`, and a slash follows somewhere.
    case domainPrefix
    /// `first` ends in a slash, and stands behind `spiffe://` and a run without slashes.
    case domainSuffix
    /// A path template; `number` indexes the templates.
    case template
    /// Issuer `number`, subject `number + 1`, both patterns.
    case issuerAndSubject
    /// `number` indexes the blocks.
    case block
    /// `number` is the port.
    case port
    /// One element of a metadata list; the pattern of the element is `number`.
    case element
  }

  var kind: Kind
  var first = Literal()
  var second = Literal()
  var number: UInt32 = 0
}

/// One half of a constraint.
struct Test: Sendable, BitwiseCopyable {
  var subject: Subject
  var isNegated: Bool
  var name: Literal
  var patterns: Stretch
  /// Where many patterns are looked up at once, or `.max`.
  var lookup: UInt32 = .max
  /// How many patterns, the first ones, the lookup does not cover.
  var uncovered: UInt32 = 0
}

struct CompiledClause: Sendable, BitwiseCopyable {
  var tests: Stretch
}

struct CompiledRule: Sendable, BitwiseCopyable {
  var sources: Stretch
  var operations: Stretch
  var conditions: Stretch
  /// Indexes over the sources and over the operations, where they are many, or `.max`.
  var sourceIndex: UInt32 = .max
  var operationIndex: UInt32 = .max
  /// Whether any test needs HTTP: other rules than those of ALLOW policies lose it on TCP chains.
  var needsHTTP: Bool
  /// Whether the rule does not exist on TCP chains: one of an ALLOW policy that needs HTTP.
  var isAbsentOnTCP: Bool
}

/// Where a rule stands in the policies, for explanations.
public struct RuleOrigin: Sendable {
  /// `ns[N]-policy[P]-rule[i]`.
  public let name: ExactText
  /// The file and the span of the rule.
  public let location: SourceLocation
  /// The policy's action.
  public let action: AuthorizationPolicy.Action
}
