// Why a decision is what it is, as values.
// Enters: nothing. Leaves: the shape of an explanation: every attached policy and rule in the order in which the proxy evaluates them, and
// for each that did not match the first constraint that failed, with what it saw, what it wanted and where that is written.
// Never here: text for people (the command writes it), or a second opinion; `ReferenceEvaluator.explain` fills this in.

public import PolicyModel

/// The findings about one request.
public struct Explanation: Sendable {
  /// The decision of the reference evaluator.
  public var finding: ReferenceEvaluator.Finding
  /// The rule that decided what the policies in dry run would have done, or `none`.
  public var dryRunRule: ExactText
  /// The first AUDIT rule that matches, or `none`.
  public var auditRule: ExactText
  /// The peer's identities as the proxy sees them; none for an anonymous peer, nil when it is not known who calls.
  public var peer: [[UInt8]]?
  /// What PeerAuthentication says.
  public var serverMode: ServerMode
  /// What the RequestAuthentications that are attached say of the token; nil when they are not asked.
  public var token: ServerMode.Outcome?
  /// The policies that cannot be used and could attach here: each denies everything.
  public var unusable: [UnusablePolicy]
  /// The attached policies: CUSTOM, AUDIT, DENY, ALLOW, each in the byte order of their rules' names (Envoy's order).
  public var policies: [Policy]
  /// How many policies there are that are not attached.
  public var unattachedCount: Int
  /// Policies that would apply to the workload were it behind Envoy, and that ztunnel is never given or attaches to nothing.
  public var withheld: [Withheld] = []

  /// A policy that ztunnel does not enforce.
  public struct Withheld: Sendable {
    /// Namespace and name.
    public var key: ObjectKey
    /// Where it is written.
    public var location: SourceLocation
    /// Why.
    public var cause: Cause

    /// Why ztunnel does not enforce a policy.
    public enum Cause: String, Sendable {
      /// Its references are for gateways and waypoints.
      case targetReferences = "target-references"
      /// `selector: {}` attaches to nothing.
      case emptySelector = "empty-selector"
      /// ztunnel knows neither CUSTOM nor AUDIT.
      case action
      /// Policies in dry run are not sent.
      case dryRun = "dry-run"
    }
  }

  /// The gate in front of the policies.
  public struct ServerMode: Sendable {
    /// The mode at the request's port; nil when it depends on the port and that is not known, and for ztunnel, which is given rules
    /// instead.
    public var mode: PeerAuthentication.Mode?
    /// The object that sets the mode; nil for Istio's default.
    public var origin: ObjectMetadata?
    /// What it does to the peer.
    public var outcome: Outcome
    /// Whether the connection is HBONE, which is mutual TLS whatever the mode.
    public var isHBONE = false

    /// What the server mode does to a peer.
    public enum Outcome: Sendable {
      /// The policies decide.
      case passes
      /// The peer is denied before any policy.
      case denied(Reason)
      /// It depends on something that is not known.
      case unknown(Reason)
      /// Servers of this kind do not obey PeerAuthentication.
      case doesNotApply
    }
  }

  /// Whether the proxy comes to a policy or a rule.
  public enum Reach: String, Sendable {
    /// It does.
    case yes
    /// Something before it decides.
    case no
    /// It depends on a provider's answer, or on something that is not known.
    case depends
  }

  /// What a match of a CUSTOM policy does (Istio: CUSTOM details).
  public enum CustomEffect: String, Sendable {
    /// Its provider is asked, and nobody here knows the answer.
    case asked
    /// Its provider is asked by the proxy itself, or is this server: it adds nothing.
    case delegated
    /// It denies, because its provider is missing or broken.
    case unusable
    /// It denies, because the workload's CUSTOM policies name several providers.
    case several
    /// It denies, because Istio enforces CUSTOM in dry run as DENY.
    case enforcedDryRun = "enforced-dry-run"
    /// Nothing: its provider speaks HTTP, and this is a TCP connection.
    case skipped
    /// Nothing: it is in dry run, and its provider cannot be asked.
    case none
  }

  /// One attached policy.
  public struct Policy: Sendable {
    /// Namespace and name.
    public var key: ObjectKey
    /// What a match does.
    public var action: AuthorizationPolicy.Action
    /// Whether it is only evaluated.
    public var isDryRun: Bool
    /// The provider of a CUSTOM policy.
    public var provider: ExactText?
    /// What a match of a CUSTOM policy does; nil for the other actions.
    public var effect: CustomEffect?
    /// Whether the proxy comes to it.
    public var reach: Reach
    /// Where it is written.
    public var location: SourceLocation
    /// Its rules, in the byte order of their names: rule 10 stands before rule 2.
    public var rules: [Rule]
  }

  /// One rule.
  public struct Rule: Sendable {
    /// `ns[N]-policy[P]-rule[i]`.
    public var name: ExactText
    /// Its place in the policy, from 0.
    public var index: Int
    /// Whether the proxy tries it.
    public var reach: Reach
    /// Where it is written.
    public var location: SourceLocation
    /// What becomes of it.
    public var outcome: Outcome
    /// What the proxy does not test, so that the rule is wider than it is written.
    public var ignored: [Omission]
  }

  /// What becomes of a rule.
  public enum Outcome: Sendable {
    /// It matches.
    case matches
    /// It does not; of each alternative (source, operation, condition) that had to hold and did not, the first constraint that failed.
    case fails([Failure])
    /// It depends on something that is not known: the reason, and every constraint that could decide.
    case unknown(Reason, [Question])
    /// The proxy does not have it.
    case dropped(Omission)
  }

  /// Which part of a rule.
  public enum Part: Sendable, Hashable {
    /// `from[i]`.
    case from(Int)
    /// `to[i]`.
    case to(Int)
    /// `when[i]`.
    case when(Int)
  }

  /// What the proxy does not have.
  public struct Omission: Sendable {
    /// Why.
    public var cause: Cause
    /// Which part of the rule; nil for a rule that is null.
    public var part: Part?
    /// The attribute; nil for a rule that is null, and where no attribute is left.
    public var attribute: Attribute?
    /// The values that cannot be used; empty when the whole constraint is meant.
    public var values: [ExactText]
    /// Where it is written.
    public var location: SourceLocation

    /// Why the proxy does not have something.
    public enum Cause: String, Sendable {
      /// The rule is `null`.
      case nullRule = "null-rule"
      /// Istio does not know the key of a condition: the rule is dropped, whatever its action.
      case unknownKey = "unknown-key"
      /// Istio knows the key and cannot use what follows it.
      case malformedKey = "malformed-key"
      /// The attribute exists for HTTP only, and this is a TCP connection.
      case needsHTTP = "needs-http"
      /// A value that cannot be expressed: no address, no port.
      case unusableValue = "unusable-value"
      /// ztunnel does not see the attribute: an ALLOW rule is dropped, another becomes wider.
      case notInZtunnel = "not-in-ztunnel"
      /// ztunnel sees nothing of an alternative, and what is empty never matches; of a rule: of every alternative of a part.
      case emptyInZtunnel = "empty-in-ztunnel"
    }
  }

  /// A constraint whose outcome is not known.
  public struct Question: Sendable {
    /// Which part of the rule.
    public var part: Part
    /// The attribute.
    public var attribute: Attribute
    /// Why it is not known.
    public var reason: Reason
    /// Where the constraint is written.
    public var location: SourceLocation
  }

  /// A constraint that did not hold.
  public struct Failure: Sendable {
    /// Which part of the rule.
    public var part: Part
    /// The attribute.
    public var attribute: Attribute
    /// Whether the attribute should have been none of the values (a `not…` list), not one of them.
    public var isNegative: Bool
    /// What the policy names.
    public var wanted: [Wanted]
    /// What the request has, byte for byte; empty when it has nothing.
    public var actual: [[UInt8]]
    /// Why there is nothing.
    public var absence: Absence?
    /// Where the constraint is written.
    public var location: SourceLocation
  }

  /// One value of a constraint that failed.
  public struct Wanted: Sendable {
    /// As written.
    public var value: ExactText
    /// Where.
    public var location: SourceLocation
    /// Whether the request has it; only in a `not…` list.
    public var isMatched: Bool
    /// By how little the request misses it.
    public var nearMiss: NearMiss?
    /// Which of the actual values misses it by so little.
    public var nearest: [UInt8]?
  }

  /// Why an attribute has no value.
  public enum Absence: String, Sendable {
    /// The peer has no identity.
    case anonymous
    /// No header line of this name.
    case noHeader = "no-header"
    /// No verified token.
    case noToken = "no-token"
    /// The token has no such claim, or none that is a text.
    case noClaim = "no-claim"
    /// The proxy's filters left no such metadata, or none that is a text.
    case noMetadata = "no-metadata"
    /// CONNECT has no path.
    case noPath = "no-path"
    /// The address is not an IP.
    case notAnIP = "not-an-ip"
  }

  /// By how little a value was missed.
  public enum NearMiss: String, Sendable {
    /// The policy writes `spiffe://`, where principals are written without.
    case spiffeScheme = "spiffe-scheme"
    /// Only upper and lower case.
    case letterCase = "case"
    /// Only blanks at an end.
    case whiteSpace = "white-space"
    /// Only a slash at the end.
    case trailingSlash = "trailing-slash"
    /// Only the port behind the host.
    case hostPort = "host-port"
    /// The policy's path has a query; rules see paths without.
    case query
    /// Only one character.
    case oneCharacter = "one-character"
    /// Only two neighbouring characters, swapped.
    case swappedCharacters = "swapped-characters"
    /// Only the namespace.
    case namespace
    /// Only the trust domain.
    case trustDomain = "trust-domain"
  }
}
