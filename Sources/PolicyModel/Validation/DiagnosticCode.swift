// The stable names of everything that can be wrong with an input. Codes never change their meaning; `docs/diagnostics.md` explains
// each, and a test holds that table and this list together. No text for people is made here.

/// What kind of problem a diagnostic reports, in the order of the alphabet.
package enum DiagnosticCode: String, CaseIterable, Sendable {
  case aliasBudget = "alias-budget"
  case aliasInvalid = "alias-invalid"
  case annotationInvalid = "annotation-invalid"
  case attachmentConflict = "attachment-conflict"
  case conditionEmpty = "condition-empty"
  case conditionKeyInvalid = "condition-key-invalid"
  case conditionKeyUnknown = "condition-key-unknown"
  case credentialNameInvalid = "credential-name-invalid"
  case customIdentity = "custom-identity"
  case customNeverTriggered = "custom-never-triggered"
  case denyNeverTriggered = "deny-never-triggered"
  case denyWholeTCP = "deny-whole-tcp"
  case documentInvalid = "document-invalid"
  case duplicateKey = "duplicate-key"
  case duplicateObject = "duplicate-object"
  case durationInvalid = "duration-invalid"
  case emptyClause = "empty-clause"
  case emptyList = "empty-list"
  case emptyString = "empty-string"
  case encodingInvalid = "encoding-invalid"
  case exportToInvalid = "export-to-invalid"
  case extensionProviderInvalid = "extension-provider-invalid"
  case failoverIneffective = "failover-ineffective"
  case fieldConflict = "field-conflict"
  case fieldDeprecated = "field-deprecated"
  case fieldIgnored = "field-ignored"
  case fieldNull = "field-null"
  case fieldRequired = "field-required"
  case fieldUnknown = "field-unknown"
  case fileTooLarge = "file-too-large"
  case headerNameInvalid = "header-name-invalid"
  case hostInvalid = "host-invalid"
  case ipInvalid = "ip-invalid"
  case jwksInvalid = "jwks-invalid"
  case jwksURIInvalid = "jwks-uri-invalid"
  case keyInvalid = "key-invalid"
  case kindUnknown = "kind-unknown"
  case labelInvalid = "label-invalid"
  case localityInvalid = "locality-invalid"
  case mergeKey = "merge-key"
  case nameDuplicate = "name-duplicate"
  case nameInvalid = "name-invalid"
  case namespaceMissing = "namespace-missing"
  case nestingLimit = "nesting-limit"
  case nodeLimit = "node-limit"
  case nullEntry = "null-entry"
  case numberOutOfRange = "number-out-of-range"
  case outOfMemory = "out-of-memory"
  case pathTemplateInvalid = "path-template-invalid"
  case patternUndecidable = "pattern-undecidable"
  case portInvalid = "port-invalid"
  case portLevelEmpty = "port-level-empty"
  case portLevelWithoutSelector = "port-level-without-selector"
  case providerMissing = "provider-missing"
  case providerUnexpected = "provider-unexpected"
  case selectorEmpty = "selector-empty"
  case serviceAccountConflict = "service-account-conflict"
  case serviceAccountInvalid = "service-account-invalid"
  case settingsEmpty = "settings-empty"
  case tagUnsupported = "tag-unsupported"
  case targetInvalid = "target-invalid"
  case tooManyEntries = "too-many-entries"
  case tooManyProblems = "too-many-problems"
  case trustDomainInvalid = "trust-domain-invalid"
  case valueUnknown = "value-unknown"
  case versionUnknown = "version-unknown"
  case wrongType = "wrong-type"
  case yamlSyntax = "yaml-syntax"

  /// A warning does not make an object unusable.
  package var severity: Severity {
    switch self {
    case .denyWholeTCP, .extensionProviderInvalid, .failoverIneffective, .fieldDeprecated, .fieldIgnored, .namespaceMissing, .selectorEmpty,
      .tooManyProblems:
      .warning
    default: .error
    }
  }
}
