// The sentences about tokens, traffic policies and mesh settings, sorted. The tone is that of `Messages.swift`.
// What went wrong enters; words leave; nothing is decided here.

extension Message {
  package static func credentialName(_ value: String, why: String) -> Message {
    Message(
      .credentialNameInvalid, "`credentialName` \(quoted(value)) \(why)",
      help: "write \"configmap://name\" for a ConfigMap in the rule's own namespace, or the name of a secret")
  }
  package static func durationInvalid(_ path: String, _ value: String, why: String) -> Message {
    Message(.durationInvalid, "`\(path)` is \(quoted(value)), \(why)", help: "write for example \"250ms\", \"30s\" or \"1h30m\"")
  }
  package static func exportTo(_ value: String, why: String) -> Message {
    Message(
      .exportToInvalid, "`exportTo` entry \(quoted(value)) \(why)", help: "write \".\" for the own namespace, \"*\" for all, or names")
  }
  package static func failoverWithoutOutlierDetection(_ path: String) -> Message {
    Message(
      .failoverIneffective, "`\(path)` has no effect without `outlierDetection`",
      help: "add `outlierDetection`, which finds out that an endpoint has failed")
  }
  package static func fieldConflict(_ second: String, with first: String, in path: String) -> Message {
    Message(.fieldConflict, "`\(second)` cannot be used together with `\(first)` in `\(path)`", help: "keep one of the two")
  }
  package static func fieldDeprecated(_ field: String, instead: String) -> Message {
    Message(.fieldDeprecated, "`\(field)` is deprecated", help: "use `\(instead)`")
  }
  package static func fieldIgnored(_ field: String, in path: String) -> Message {
    Message(
      .fieldIgnored, "unknown field \(quoted(field)) in `\(path)` is ignored",
      help: "no decision depends on it; check the spelling if it was meant to")
  }
  package static func fieldNotForMode(_ field: String, mode: String, why: String) -> Message {
    Message(.fieldConflict, "`\(field)` cannot be set with mode \(mode)\(why)", help: "remove `\(field)`")
  }
  package static func headerNameInvalid(_ value: String, path: String) -> Message {
    Message(
      .headerNameInvalid, "`\(path)` \(quoted(value)) is not a header name", help: "use letters, digits and hyphens, for example \"x-user\""
    )
  }
  package static func hostInvalid(_ path: String, _ value: String, why: String) -> Message {
    Message(
      .hostInvalid, "`\(path)` \(quoted(value)) \(why)", help: "write a DNS name, for example \"reviews.shop.svc.cluster.local\"")
  }
  package static func jwksInvalid(_ why: String) -> Message {
    Message(.jwksInvalid, "`jwks` \(why)", help: "write a JSON Web Key Set as in RFC 7517: {\"keys\": [{\"kty\": \"RSA\", …}]}")
  }
  package static func jwksAddressInvalid(_ value: String, why: String) -> Message {
    Message(.jwksURIInvalid, "`jwksUri` \(quoted(value)) \(why)", help: "write for example \"https://example.com/.well-known/jwks.json\"")
  }
  package static func jwtRuleWithoutIssuer() -> Message {
    Message(.fieldRequired, "the rule has neither `issuer` nor `jwksUri`", help: "name the issuer of the tokens, as in their `iss`")
  }
  package static func labelInvalid(_ text: String, path: String) -> Message {
    Message(
      .labelInvalid, "\(quoted(text)) in `\(path)` is not a label that Kubernetes allows",
      help: "use up to 63 letters, digits, hyphens, dots and underscores; no endpoint can carry another label")
  }
  package static func localityInvalid(_ value: String, why: String) -> Message {
    Message(.localityInvalid, "locality \(quoted(value)) \(why)", help: "write for example \"us-west/zone1/*\"")
  }
  package static func localityWeights(_ sum: String) -> Message {
    Message(.localityInvalid, "the weights of `to` add up to \(sum), not to 100", help: "write weights from 1 to 100 that add up to 100")
  }
  package static func failoverInvalid(_ why: String) -> Message {
    Message(.localityInvalid, why, help: "name two different regions, without zones and stars")
  }
  package static func failoverLabel(_ label: String) -> Message {
    Message(
      .localityInvalid, "`failoverPriority` cannot name `\(label)` here",
      help: "remove it; regions, zones and sub-zones are ordered already")
  }
  package static func meshConfigMapWithoutMesh() -> Message {
    Message(.fieldRequired, "the ConfigMap has no `data.mesh`", help: "use the ConfigMap `istio` of the control plane's namespace")
  }
  package static func meshConfigBelow() -> Message {
    Message(
      .documentInvalid, "a MeshConfig has no field `meshConfig`; this looks like the values of a Helm chart",
      help: "did you mean what stands below `meshConfig`? Write that to a file of its own")
  }
  package static func meshConfigForeign(_ first: String) -> Message {
    Message(
      .documentInvalid, "no field of the file is one of a MeshConfig; the first is \(quoted(first))",
      help: "give the output of `kubectl get configmap istio -n istio-system -o yaml`, or the text of its `data.mesh`")
  }
  package static func meshConfigKind(_ kind: String) -> Message {
    Message(
      .documentInvalid, "\(quoted(kind)) is neither a MeshConfig nor the ConfigMap that holds one",
      help: "give the output of `kubectl get configmap istio -n istio-system -o yaml`, or the text of its `data.mesh`")
  }
  package static func meshConfigMissing() -> Message {
    Message(.documentInvalid, "there is no MeshConfig in the file", help: "write for example `trustDomain: cluster.local`")
  }
  package static func meshConfigSecond() -> Message {
    Message(.documentInvalid, "the file has more than one document", help: "keep the one with the MeshConfig")
  }
  package static func nameDuplicate(_ name: String, path: String) -> Message {
    Message(.nameDuplicate, "the name \(quoted(name)) stands twice in `\(path)`", help: "give each entry its own name")
  }
  package static func nameInvalid(_ path: String, _ value: String) -> Message {
    Message(
      .nameInvalid, value.utf8.isEmpty ? "`\(path)` is empty" : "`\(path)` \(quoted(value)) is not a DNS label",
      help: "use up to 63 letters, digits and inner hyphens")
  }
  package static func objectNameInvalid(_ path: String, _ value: String, isLabel: Bool, isPolicy: Bool) -> Message {
    Message(
      .nameInvalid, "`\(path)` \(quoted(value)) is no name that Kubernetes takes, so the object can never be applied",
      help: isLabel
        ? "use up to 63 lower-case letters, digits and inner hyphens" : "use up to 253 lower-case letters, digits, inner hyphens and dots",
      severity: isPolicy ? nil : .warning, tolerance: .never)
  }
  package static func numberNotPrime(_ path: String, _ value: String) -> Message {
    Message(.numberOutOfRange, "`\(path)` is \(value), which is not prime", help: "write a prime number, for example 65537")
  }
  package static func numberOutOfRange(
    _ path: String, _ value: String, allowed: String, _ tolerance: Tolerance = .byCode
  ) -> Message {
    Message(.numberOutOfRange, "`\(path)` is \(value), not \(allowed)", help: "write \(allowed)", tolerance: tolerance)
  }
  package static func providerUnusable(_ name: String, why: String) -> Message {
    Message(
      .extensionProviderInvalid, "extension provider \(quoted(name)): \(why)",
      help: "Istio turns the CUSTOM rules that name it into DENY rules; correct the provider")
  }
  package static func settingsEmpty(_ path: String, need: String) -> Message {
    Message(.settingsEmpty, "`\(path)` sets nothing", help: "set at least one of \(need), or leave it out")
  }
  package static func meshTrustDomain(_ path: String, _ value: String, why: String) -> Message {
    Message(.trustDomainInvalid, "`\(path)` \(quoted(value)) \(why)", help: "write it without `spiffe://`, for example \"cluster.local\"")
  }
}
