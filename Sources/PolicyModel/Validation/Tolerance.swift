// What Istio does at run time with what its webhook refuses, on a cluster without the webhook (istio: what generation does when an
// attribute cannot be expressed; nil and empty parts). A message and the place of its object enter; the same message as a warning leaves,
// with that meaning as its help. Only what the engine decides exactly so, or narrower, is tolerated; all else stays an error.

/// Whether an object with a problem can be decided.
package enum Tolerance: Sendable {
  /// As its code says.
  case byCode
  /// As another code says.
  case like(DiagnosticCode)
  /// In any object; the text says what it means at run time.
  case always(String)
  /// Nobody can decode it, or Envoy refuses its whole configuration because of it.
  case never
}

/// The object that a problem is in, as far as its meaning depends on that.
package enum RunTimeContext: Sendable {
  case authorizationPolicy(AuthorizationPolicy.Action)
  case peerAuthentication
  case requestAuthentication
  case destinationRule
}

extension Message {
  /// The same problem as a warning whose help says what it means at run time; unchanged when it is one that nobody can live with.
  /// `context` is nil where an object's identity is read, of which nothing may be guessed.
  package func tolerated(in context: RunTimeContext?) -> Message {
    guard severity == .error, let meaning = meaning(in: context) else { return self }
    return Message(code, text, help: help.map { "\(meaning); \($0)" } ?? meaning, severity: .warning, tolerance: tolerance)
  }

  private func meaning(in context: RunTimeContext?) -> String? {
    let code: DiagnosticCode
    switch tolerance {
    case .always(let meaning): return meaning
    case .never: return nil
    case .byCode: code = self.code
    case .like(let other): code = other
    }
    switch context {
    case .authorizationPolicy(let action): return policyMeaning(of: code, action)
    case .peerAuthentication: return peerMeaning(of: code)
    case .requestAuthentication: return tokenMeaning(of: code)
    case .destinationRule: return trafficMeaning(of: code)
    case nil: return nil
    }
  }
}

private let wider = "and the rule covers MORE than it reads"
private let pruned = "at run time the field is not there"

private func policyMeaning(of code: DiagnosticCode, _ action: AuthorizationPolicy.Action) -> String? {
  let isAllow = action == .allow
  let dropped =
    isAllow ? "at run time the whole rule is dropped and allows nothing" : "at run time the whole rule is dropped, as if not there"
  switch code {
  case .attachmentConflict: return "at run time the targets count and the selector does not; `targetRefs` wins over `targetRef`"
  case .conditionEmpty: return "at run time the condition demands nothing of Envoy, \(wider); to ztunnel the rule never matches"
  case .conditionKeyInvalid: return isAllow ? dropped : "at run time the condition is left out, \(wider)"
  case .conditionKeyUnknown: return dropped
  case .customIdentity: return "at run time the rule is evaluated all the same"
  case .customNeverTriggered, .denyNeverTriggered: return "at run time the policy has no effect"
  case .emptyClause, .emptyList, .fieldRequired: return "at run time it means any, \(wider)"
  case .emptyString: return "at run time it is compared as it is written"
  case .fieldNull: return pruned
  case .fieldUnknown: return "\(pruned), and what it should have demanded is not demanded: the policy covers MORE than it reads"
  case .ipInvalid, .portInvalid:
    return isAllow ? dropped : "at run time the value is left out; when none is left, its list demands nothing, \(wider)"
  case .labelInvalid: return "at run time no workload carries this label, and the policy applies to none"
  case .pathTemplateInvalid: return "at run time the braces are ordinary text"
  case .providerMissing: return "at run time what the rules match is denied"
  case .providerUnexpected: return "at run time the provider means nothing"
  case .serviceAccountConflict: return "at run time all of them must match"
  case .serviceAccountInvalid, .trustDomainInvalid: return "at run time it is compared as it is written"
  case .tooManyEntries: return "at run time all of them count"
  default: return nil
  }
}

private func peerMeaning(of code: DiagnosticCode) -> String? {
  switch code {
  case .fieldNull: pruned
  case .fieldUnknown: "\(pruned), and the mode may be WEAKER than it reads"
  case .labelInvalid: "at run time no workload carries this label, and the object applies to none"
  case .portInvalid: "at run time no port has this number"
  case .portLevelEmpty, .portLevelWithoutSelector: "at run time the modes of ports have no effect"
  case .tooManyEntries: "at run time all of them count"
  default: nil
  }
}

/// Which token rules with a wrong issuer, key or place still let a token count is between Istio and Envoy; those stay errors.
private func tokenMeaning(of code: DiagnosticCode) -> String? {
  switch code {
  case .attachmentConflict: "at run time the targets count and the selector does not; `targetRefs` wins over `targetRef`"
  case .durationInvalid: "at run time the keys are fetched with Istio's own limit"
  case .fieldNull: pruned
  case .fieldUnknown: "\(pruned), and MORE tokens may count than it reads"
  case .labelInvalid: "at run time no workload carries this label, and the object applies to none"
  case .tooManyEntries: "at run time all of them count"
  default: nil
  }
}

private func trafficMeaning(of code: DiagnosticCode) -> String? {
  switch code {
  case .fieldNull, .fieldUnknown: pruned
  case .credentialNameInvalid, .durationInvalid, .emptyString, .exportToInvalid, .fieldConflict, .fieldRequired, .hostInvalid,
    .labelInvalid,
    .localityInvalid, .nameDuplicate, .nameInvalid, .numberOutOfRange, .settingsEmpty, .tooManyEntries:
    "the rule is kept as it is written; no decision depends on it"
  default: nil
  }
}
