// The tables of a snapshot.
//
//   group (policies of one namespace with one selector) ─► rule set per action ─► rules, and an index over them where there are many
//
// Enters: what the compiler built. Leaves: read-only tables that every thread reads at once.
// Never here: a pointer, a class, or anything that changes.

internal import PolicyModel

/// The rules of one action in one group.
struct RuleSet: Sendable {
  /// Numbers in `postings`, ascending.
  var rules = Stretch()
  /// In `indexes`, or `.max` when the rules are few.
  var index: UInt32 = .max
  /// The index for TCP chains; rules with HTTP tests stand there under other keys, or not at all.
  var tcpIndex: UInt32 = .max
}

/// How the provider of a CUSTOM policy is asked.
enum CustomHandling: UInt8, Sendable, Hashable, CaseIterable {
  /// By nobody here: what it would say is not known.
  case unknown
  /// By the proxy itself, or the provider is this server: the rule adds no denial.
  case delegated
  /// Not at all, because it is missing or broken: the rule denies (Istio).
  case unusable
  /// It is in dry run, which Istio enforces as DENY.
  case dryRun
}

/// CUSTOM rules of one group that are handled alike.
struct CustomSet: Sendable {
  var rules: RuleSet
  var handling: CustomHandling
  /// Whether the provider speaks HTTP: on TCP chains these rules do not exist, unless they deny anyway (Istio).
  var speaksHTTP: Bool
}

/// Policies that attach together: of one namespace, with one selector or one list of targets.
struct Group: Sendable {
  /// In `customSets`.
  var customs = Stretch()
  var deny = RuleSet()
  var allow = RuleSet()
  var audit = RuleSet()
  var dryRunDeny = RuleSet()
  var dryRunAllow = RuleSet()
  /// Whether an enforced ALLOW policy is here, even one without rules.
  var hasAllow = false
  var hasDryRunAllow = false
  var hasDryRunDeny = false
  /// Whether a policy is here that cannot be read and has no last good version.
  var isUnusable = false
}

/// An index over one rule set: every rule stands under keys of which a matching request satisfies at least one, or in `always`.
struct RuleIndex: Sendable {
  /// In `dimensions`.
  var dimensions: Stretch
  /// Rules that no key leads to.
  var always: Stretch
}

struct IndexDimension: Sendable {
  var dimension: Dimension
  var lookup: UInt32
  /// Every rule that stands in this dimension, for requests in which its text is not known.
  var rules: Stretch
}

struct CompiledPolicies: Sendable {
  var literals: [UInt8] = []
  var patterns: [Pattern] = []
  var blocks: [AddressBlock] = []
  var templates: [PathTemplate] = []
  var tests: [Test] = []
  var clauses: [CompiledClause] = []
  var rules: [CompiledRule] = []
  var lookups: [PatternLookup] = []
  /// The arrays behind the lookups.
  var search: LookupTables
  var postings: [UInt32] = []
  var indexes: [RuleIndex] = []
  var dimensions: [IndexDimension] = []
  var groups: [Group] = []
  var customSets: [CustomSet] = []
  /// Claim paths that `requestPrincipals` reads.
  var issuerPath = Literal()
  var subjectPath = Literal()
  /// `spiffe://`, `/ns/` and `sa/`.
  var schemeLiteral = Literal()
  var namespaceLiteral = Literal()
  var accountLiteral = Literal()
  /// `:scheme`.
  var schemeHeader = Literal()
}
