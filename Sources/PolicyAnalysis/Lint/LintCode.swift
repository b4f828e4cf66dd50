// The stable names of everything that lint finds beyond what is refused at loading. A code never changes its meaning; `docs/lint.md` has a
// section for each, and a test holds the table and the page together. Texts about one finding are made where it is found.

public import PolicyModel

/// What kind of pitfall a finding is about, in the order of the alphabet. Those of an Envoy configuration begin with `envoy-`.
public enum LintCode: String, CaseIterable, Sendable {
  case allowAdmitsAnonymous = "allow-admits-anonymous"
  case allowDeniesEverything = "allow-denies-everything"
  case ambientActionIgnored = "ambient-action-ignored"
  case ambientEmptySelector = "ambient-empty-selector"
  case ambientNeedsWaypoint = "ambient-needs-waypoint"
  case claimNeverMatches = "claim-never-matches"
  case comparisonLimit = "comparison-limit"
  case denyEvadedByPlaintext = "deny-evaded-by-plaintext"
  case destinationHostShort = "destination-host-short"
  case destinationHostUnknown = "destination-host-unknown"
  case destinationRuleDropsTLS = "destination-rule-drops-tls"
  case destinationRuleDuplicate = "destination-rule-duplicate"
  case envoyAcceptsUntrusted = "envoy-accepts-untrusted"
  case envoyCertificateNotSent = "envoy-certificate-not-sent"
  case envoyClaimsNotSent = "envoy-claims-not-sent"
  case envoyClearsRouteCache = "envoy-clears-route-cache"
  case envoyEnginePlaintext = "envoy-engine-plaintext"
  case envoyFailsOpen = "envoy-fails-open"
  case envoyFilterElsewhere = "envoy-filter-elsewhere"
  case envoyFilterOrder = "envoy-filter-order"
  case envoyHeaderFiltered = "envoy-header-filtered"
  case envoyHeadersJoined = "envoy-headers-joined"
  case envoyHintFromClient = "envoy-hint-from-client"
  case envoyNotChecked = "envoy-not-checked"
  case envoyPathNotNormalized = "envoy-path-not-normalized"
  case envoyRouteDisabled = "envoy-route-disabled"
  case envoyWithoutAuthority = "envoy-without-authority"
  case headerNeverMatches = "header-never-matches"
  case hostNeverMatches = "host-never-matches"
  case hostPortEvades = "host-port-evades"
  case hostUnknown = "host-unknown"
  case identityWithoutTLS = "identity-without-tls"
  case ignoreInvalid = "ignore-invalid"
  case ignoreUnused = "ignore-unused"
  case ignoreWithoutReason = "ignore-without-reason"
  case issuerUnknown = "issuer-unknown"
  case methodNeverMatches = "method-never-matches"
  case namespaceUnknown = "namespace-unknown"
  case pathNeverMatches = "path-never-matches"
  case peerAuthenticationIgnored = "peer-authentication-ignored"
  case peerAuthenticationShadowed = "peer-authentication-shadowed"
  case policyWithoutProxy = "policy-without-proxy"
  case portBypassesSidecar = "port-bypasses-sidecar"
  case portIsServicePort = "port-is-service-port"
  case principalNeverMatches = "principal-never-matches"
  case requestPrincipalNeverMatches = "request-principal-never-matches"
  case ruleNeverMatches = "rule-never-matches"
  case ruleRedundant = "rule-redundant"
  case ruleShadowed = "rule-shadowed"
  case selectorIgnoredByWaypoint = "selector-ignored-by-waypoint"
  case selectorMatchesNothing = "selector-matches-nothing"
  case serviceAccountUnknown = "service-account-unknown"
  case sniNeverMatches = "sni-never-matches"
  case strictWithoutClientProxy = "strict-without-client-proxy"
  case subsetSelectsNothing = "subset-selects-nothing"
  case subsetWithoutLabels = "subset-without-labels"
  case targetUnknown = "target-unknown"
  case targetWithoutWaypoint = "target-without-waypoint"
  case tcpAllowVanishes = "tcp-allow-vanishes"
  case tcpDenyWidens = "tcp-deny-widens"
  case tlsConflict = "tls-conflict"
  case tlsPlaintextDenied = "tls-plaintext-denied"
  case tokenNotRequired = "token-not-required"
  case tokenWithoutAuthentication = "token-without-authentication"
  case trustDomainUnknown = "trust-domain-unknown"
}

/// What is the same for all findings of a code.
public struct LintEntry: Sendable {
  /// An error is a certain defect; a warning depends on what is not in the given files, or on what was meant.
  public let severity: Severity
  /// What it is, in one line.
  public let summary: String
  /// What to do, in one line.
  public let fix: String
  /// Where the rule comes from: the part of Istio, Envoy or their tools that behaves so.
  public let source: String

  init(_ severity: Severity, _ summary: String, fix: String, source: String) {
    self.severity = severity
    self.summary = summary
    self.fix = fix
    self.source = source
  }
}

extension LintCode {
  /// The code's row of the table.
  public var entry: LintEntry { policyEntry ?? envoyEntry ?? ignoreEntry }

  private var ignoreEntry: LintEntry {
    switch self {
    case .ignoreUnused:
      LintEntry(
        .warning, "An ignore comment silences nothing.", fix: "Remove the comment, or move it to the line that it means.",
        source: "Portcullis, ignore comments")
    case .ignoreWithoutReason:
      LintEntry(
        .warning, "An ignore comment gives no reason; it silences nothing.", fix: "Write why the finding is accepted, behind the code.",
        source: "Portcullis, ignore comments")
    default:
      LintEntry(
        .warning, "An ignore comment names no code that can be ignored; it silences nothing.", fix: "Write a code of docs/lint.md.",
        source: "Portcullis, ignore comments")
    }
  }
}

/// One thing that lint found.
public struct LintFinding: Sendable {
  /// What kind of pitfall it is.
  public let code: LintCode
  /// What is wrong: lower-case start, no final period, user text in backticks.
  public let message: String
  /// What to write instead.
  public let help: String
  /// Where it is.
  public let location: SourceLocation

  /// The finding as all others are shown. `sourceLine` is the first line of its place, if it is at hand.
  public func diagnostic(sourceLine: String?) -> Diagnostic {
    Diagnostic(code.entry.severity, code: code.rawValue, message, at: location, help: help, sourceLine: sourceLine)
  }
}

/// Collects findings; the same finding at the same place is kept once.
struct LintReport {
  private(set) var findings: [LintFinding] = []
  private var seen: Set<Place> = []

  private struct Place: Hashable {
    let code: LintCode
    let location: SourceLocation
  }

  /// Adds a finding; without `help` the code's own fix is shown.
  mutating func add(_ code: LintCode, at location: SourceLocation, _ message: String, help: String? = nil) {
    guard seen.insert(Place(code: code, location: location)).inserted else { return }
    findings.append(LintFinding(code: code, message: message, help: help ?? Self.sentence(code.entry.fix), location: location))
  }

  /// Lower-case start, no final period.
  private static func sentence(_ text: String) -> String {
    let rest = text.hasSuffix(".") ? text.dropLast() : text[...]
    return rest.prefix(1).lowercased() + rest.dropFirst()
  }

  /// By file, line and column, then code.
  var sorted: [LintFinding] {
    findings.sorted { left, right in
      let (one, other) = (left.location, right.location)
      if one.file != other.file { return one.file < other.file }
      return (one.span.line, one.span.column, left.code.rawValue) < (other.span.line, other.span.column, right.code.rawValue)
    }
  }
}
