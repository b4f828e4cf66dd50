// The tables of one namespace.
//
//   group (policies of one namespace with one selector) ─► rule set per action ─► rules, and an index over them where there are many
//
// Enters: what the compiler built. Leaves: read-only tables that every thread reads at once.
// Never here: a pointer, a class, or anything that changes.

internal import PolicyModel

/// The rules of one action in one group.
struct RuleSet: Sendable, BitwiseCopyable {
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
struct CustomSet: Sendable, BitwiseCopyable {
  var rules: RuleSet
  var handling: CustomHandling
  /// Whether the provider speaks HTTP: on TCP chains these rules do not exist, unless they deny anyway (Istio).
  var speaksHTTP: Bool
}

/// Policies that attach together: of one namespace, with one selector or one list of targets.
struct Group: Sendable, BitwiseCopyable {
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
  /// What its rules test.
  var interest = TestedFacts()
}

/// An index over one rule set: every rule stands under keys of which a matching request satisfies at least one, or in `always`.
struct RuleIndex: Sendable, BitwiseCopyable {
  /// In `dimensions`.
  var dimensions: Stretch
  /// Rules that no key leads to.
  var always: Stretch
}

struct IndexDimension: Sendable, BitwiseCopyable {
  var dimension: Dimension
  var lookup: UInt32
  /// Every rule that stands in this dimension, for requests in which its text is not known.
  var rules: Stretch
}

/// The tables while they are filled.
struct TableDraft {
  var pool = LiteralPool()
  var patterns: [Pattern] = []
  var blocks: [AddressBlock] = []
  var templates: [Stretch] = []
  var templatePieces: [TemplatePiece] = []
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

  init(hash: ByteHash) { search = LookupTables(hash: hash) }

  /// Registers patterns; the number of their lookup.
  mutating func appendLookup(_ patterns: [IndexPattern: Stretch]) -> UInt32 {
    lookups.append(search.add(patterns, to: &pool))
    return UInt32(truncatingIfNeeded: lookups.count - 1)
  }

  /// The finished tables.
  func sealed(names: FixedNames, in storage: FlatStorage) -> CompiledPolicies {
    CompiledPolicies(
      literals: storage.store(pool.bytes), patterns: storage.store(patterns), blocks: storage.store(blocks),
      templates: storage.store(templates), templatePieces: storage.store(templatePieces), tests: storage.store(tests),
      clauses: storage.store(clauses), rules: storage.store(rules), lookups: storage.store(lookups), search: search.sealed(in: storage),
      postings: storage.store(postings), indexes: storage.store(indexes), dimensions: storage.store(dimensions),
      groups: storage.store(groups), customSets: storage.store(customSets), names: names)
  }
}

/// Texts that decisions compare with whatever the policies say.
struct FixedNames: BitwiseCopyable {
  /// Claim paths that `requestPrincipals` reads.
  var issuerPath = Literal()
  var subjectPath = Literal()
  /// `spiffe://`, `/ns/` and `sa/`.
  var scheme = Literal()
  var namespace = Literal()
  var account = Literal()
  /// `:scheme`.
  var schemeHeader = Literal()
}

/// The tables of one namespace.
struct CompiledPolicies: Sendable, BitwiseCopyable {
  let literals: FlatArray<UInt8>
  let patterns: FlatArray<Pattern>
  let blocks: FlatArray<AddressBlock>
  /// Stretches of `templatePieces`.
  let templates: FlatArray<Stretch>
  let templatePieces: FlatArray<TemplatePiece>
  let tests: FlatArray<Test>
  let clauses: FlatArray<CompiledClause>
  let rules: FlatArray<CompiledRule>
  let lookups: FlatArray<PatternLookup>
  /// The arrays behind the lookups.
  let search: Lookups
  let postings: FlatArray<UInt32>
  let indexes: FlatArray<RuleIndex>
  let dimensions: FlatArray<IndexDimension>
  let groups: FlatArray<Group>
  let customSets: FlatArray<CustomSet>
  let names: FixedNames
}
