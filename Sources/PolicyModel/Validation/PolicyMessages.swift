// The sentences about what Istio demands of AuthorizationPolicy and PeerAuthentication, sorted. The tone is that of `Messages.swift`.
// What went wrong enters; words leave; nothing is decided here.

extension Message {
  package static func annotationRefused(_ name: String) -> Message {
    Message(
      .annotationInvalid, "annotation `\(name)` is internal to Istio and refused", help: "remove the annotation",
      tolerance: .always("at run time it means nothing"))
  }
  package static func attachmentConflict(_ first: String, _ second: String) -> Message {
    Message(
      .attachmentConflict, "`\(second)` cannot be used together with `\(first)`",
      help: "keep one of `selector`, `targetRef` and `targetRefs`")
  }
  package static func clauseEmpty(_ what: String, path: String) -> Message {
    Message(
      .emptyClause, "`\(path)` has no field with a value",
      help: "name at least one field, or leave `\(what)` out to mean any")
  }
  package static func conditionKeyEmpty() -> Message {
    Message(
      .conditionKeyInvalid, "the `key` of a condition is missing or empty", help: "write for example `key: source.ip`",
      tolerance: .like(.conditionKeyUnknown))
  }
  /// `isDropped`: Istio's generator fails on the key; of another one nobody can say what the proxies make.
  package static func conditionKeyShape(_ key: String, isDropped: Bool) -> Message {
    let family = key.prefix { $0 != "[" }
    return Message(
      .conditionKeyInvalid, "condition key \(quoted(key)) has no name in brackets",
      help: "write the name in square brackets, for example `\(family)[name]`", tolerance: isDropped ? .byCode : .never)
  }
  /// A key that newer releases of Istio have: what they make of it is not nothing, so that it can never be tolerated.
  package static func conditionKeyNewer(_ key: String) -> Message {
    Message(
      .conditionKeyUnknown, "condition key \(quoted(key)) is one of newer releases of Istio, which Portcullis does not decide",
      help: "use `request.headers[name]`, which compares whole header lines; older releases of Istio ignore a rule with this key",
      tolerance: .never)
  }
  package static func conditionKeyUnknown(_ key: String, suggestion: String?) -> Message {
    Message(
      .conditionKeyUnknown, "unknown condition key \(quoted(key))",
      help: suggestion.map { "did you mean `\($0)`?" } ?? "Istio's reference lists the keys under \"Authorization Policy Conditions\"")
  }
  package static func conditionWithoutValues(_ key: String) -> Message {
    Message(
      .conditionEmpty, "condition \(quoted(key)) has neither `values` nor `notValues`", help: "add at least one value to compare with")
  }
  /// `isToken`: it is about a token, which no proxy has read yet when it runs CUSTOM rules.
  package static func customIdentity(_ name: String, isToken: Bool) -> Message {
    Message(
      .customIdentity, "`\(name)` cannot be used with action CUSTOM",
      help: "CUSTOM rules run before the peer's identity and tokens are checked; use ipBlocks, headers or operations, or a DENY policy",
      tolerance: isToken ? .never : .byCode)
  }
  package static func customNeverTriggered() -> Message {
    Message(
      .customNeverTriggered, "a CUSTOM policy without `rules` never asks its provider",
      help: "add `rules: [{}]` to ask for every request")
  }
  package static func denyNeverTriggered() -> Message {
    Message(
      .denyNeverTriggered, "a DENY policy without `rules` never denies", help: "add `rules: [{}]` to deny every request")
  }
  package static func denyWholeTCP() -> Message {
    Message(
      .denyWholeTCP, "on TCP ports this DENY rule denies all traffic, because what it tests exists only in HTTP",
      help: "add `ports` to its operations, to say which ports it is for")
  }
  package static func dryRunInvalid(_ value: String) -> Message {
    Message(
      .annotationInvalid, "annotation `istio.io/dry-run` is \(quoted(value)), which is neither true nor false",
      help: "write \"true\" or \"false\"", tolerance: .always("at run time the policy is enforced"))
  }
  /// `atRunTime` says what the annotation means there.
  package static func dryRunRefused(_ what: String, atRunTime: String) -> Message {
    Message(
      .annotationInvalid, "annotation `istio.io/dry-run` does not work with \(what)",
      help: "only AuthorizationPolicies with action ALLOW or DENY have a dry run; remove the annotation", tolerance: .always(atRunTime))
  }
  package static func ipInvalid(_ value: String) -> Message {
    Message(
      .ipInvalid, "\(quoted(value)) is neither an IP address nor a CIDR block",
      help: "write for example \"10.1.2.3\", \"10.0.0.0/8\" or \"2001:db8::/32\"")
  }
  package static func labelKeyEmpty(_ path: String) -> Message {
    Message(.labelInvalid, "empty label key in `\(path)`", help: "write a label, for example `app: backend`")
  }
  package static func labelStar(_ text: String) -> Message {
    Message(
      .labelInvalid, "label text \(quoted(text)) contains a star, which selectors do not understand",
      help: "name the label exactly; leave `selector` out to select all workloads")
  }
  package static func labelValueLong(_ value: String) -> Message {
    Message(
      .labelInvalid, "label value \(quoted(value)) has \(value.utf8.count) characters, more than the 63 that Kubernetes allows",
      help: "no workload can carry this label; shorten it")
  }
  package static func pathTemplate(_ value: String, why: String) -> Message {
    // With an operator it is a template, and Envoy refuses all of its configuration because of a bad one.
    let isTemplate = value.utf8.split(separator: UInt8(ascii: "{")).contains { $0.starts(with: "*}".utf8) || $0.starts(with: "**}".utf8) }
    return Message(
      .pathTemplateInvalid, "path \(quoted(value)): \(why)",
      help: "`{*}` stands for one whole segment, `{**}` for the rest, as in \"/shop/{*}/items/{**}\"",
      tolerance: isTemplate ? .never : .byCode)
  }
  /// A value that older releases of Istio made a regular expression of.
  package static func patternUndecidable(_ value: String, attribute: String) -> Message {
    Message(
      .patternUndecidable, "\(quoted(value)) in `\(attribute)` is a regular expression to the releases that `unquoted-dots` stands for",
      help: "write it with letters, digits, `-`, `_`, dots and slashes, and a star only where the release translates it; "
        + "or leave `--older unquoted-dots` out, if the mesh's release is newer",
      tolerance: .never)
  }
  /// `winner` is the object that counts.
  package static func peerAuthenticationOutdone(_ key: String, by winner: String) -> Message {
    Message(
      .peerAuthenticationOutdone, "`\(key)` has no effect: `\(winner)` is for the same workloads and wins",
      help: "keep one of the two; the one with the older `creationTimestamp` wins, then the one whose name comes first, "
        + "and an object without timestamp counts as the newest")
  }
  package static func portInvalid(_ value: String) -> Message {
    Message(.portInvalid, "port \(quoted(value)) is not a number from 0 to 65535", help: "write one port as text, for example \"8080\"")
  }
  package static func portKeyInvalid(_ value: String) -> Message {
    // What is no number of 32 bits cannot be decoded.
    let isNumber = value.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt32(value) != nil
    return Message(
      .portInvalid, "port \(quoted(value)) is not a number from 1 to 65535", help: "write the container's port, for example `8080:`",
      tolerance: isNumber ? .byCode : .never)
  }
  package static func portLevelEmpty() -> Message {
    Message(.portLevelEmpty, "`portLevelMtls` has no port", help: "name a port, or leave `portLevelMtls` out")
  }
  package static func portLevelWithoutSelector() -> Message {
    Message(
      .portLevelWithoutSelector, "`portLevelMtls` needs a `selector` with labels", help: "add `selector: {matchLabels: {app: …}}`")
  }
  package static func providerMissing() -> Message {
    Message(
      .providerMissing, "action CUSTOM needs `provider.name`", help: "add `provider: {name: …}` with an extension provider of the mesh")
  }
  package static func providerUnexpected(_ action: String) -> Message {
    Message(
      .providerUnexpected, "`provider` cannot be used with action \(action)", help: "remove `provider`, or write `action: CUSTOM`")
  }
  package static func revisionLabel(_ revision: String) -> Message {
    Message(
      .revisionLabel, "label `istio.io/rev` says that only control planes of revision \(quoted(revision)) read this object",
      help: "here it applies all the same; leave objects of other revisions out")
  }
  package static func selectorEmpty() -> Message {
    Message(
      .selectorEmpty, "the selector has no labels and selects every workload of its scope",
      help: "add `matchLabels`, or leave `selector` out to say the same clearly")
  }
  package static func selectorInjectedLabel(_ label: String) -> Message {
    Message(
      .selectorInjectedLabel, "the selector demands `\(label)`, a label that pods get when the sidecar is injected",
      help: "it selects pods of the cluster and their exported manifests, but no Deployment and no template without the label; "
        + "select by a label of your own")
  }
  package static func serviceAccountConflict() -> Message {
    Message(
      .serviceAccountConflict, "`serviceAccounts` cannot be used together with `principals` or `namespaces` in one source",
      help: "make two sources, or write the account as a principal")
  }
  /// `isDecidable`: it has the form of an account, so that it can be compared as it is written.
  package static func serviceAccountInvalid(_ value: String, why: String, isDecidable: Bool) -> Message {
    Message(
      .serviceAccountInvalid, "service account \(quoted(value)) \(why)", help: "write \"name\" or \"namespace/name\", without wildcards",
      tolerance: isDecidable ? .byCode : .never)
  }
  package static func target(_ why: String, help: String, atRunTime: String = "at run time it refers to nothing") -> Message {
    Message(.targetInvalid, why, help: help, tolerance: .always(atRunTime))
  }
  /// `isDecidable`: its stars are where they can be understood.
  package static func trustDomainInvalid(_ value: String, why: String, isDecidable: Bool) -> Message {
    Message(
      .trustDomainInvalid, "trust domain \(quoted(value)) \(why)",
      help: "write \"cluster.local\", or one star at the start or the end as in \"*.example.com\"",
      tolerance: isDecidable ? .byCode : .never)
  }
}
