// The table of the codes about policies: how bad each is, what it is, what to do, and where the rule comes from. Sorted by code.
// Nothing is decided here; docs/lint.md has the long form.

internal import PolicyModel

extension LintCode {
  /// The row of a code about policies; nil for the others.
  var policyEntry: LintEntry? {
    switch self {
    case .allowAdmitsAnonymous:
      LintEntry(
        .error, "An ALLOW rule that only says who may not call admits callers without any identity.",
        fix: "Add `principals: [\"*\"]` to the source, or demand mutual TLS with a STRICT PeerAuthentication.",
        source: "Istio: notPrincipals, notNamespaces and their like hold for a peer without identity (authz/model)")
    case .allowDeniesEverything:
      LintEntry(
        .error, "The ALLOW policies of a workload can match no request, so everything is denied.",
        fix: "Correct the rules, or add the rule that is missing.", source: "Istio: with an ALLOW policy, what none matches is denied")
    case .ambientActionIgnored:
      LintEntry(
        .error, "A CUSTOM or AUDIT policy selects a workload in ambient mode, where ztunnel ignores it.",
        fix: "Attach it to a waypoint by `targetRefs`.", source: "Istio: ambient/authorization.go sends ALLOW and DENY alone")
    case .ambientEmptySelector:
      LintEntry(
        .error, "A policy with an empty selector attaches to nothing in ambient mode.", fix: "Leave `selector` out.",
        source: "Istio: ztunnel takes `selector: {}` for a workload scope without labels")
    case .ambientNeedsWaypoint:
      LintEntry(
        .error, "A rule tests what only HTTP has, at a workload in ambient mode, where ztunnel sees connections.",
        fix: "Attach the policy to a waypoint by `targetRefs`.", source: "Istio: ambient/authorization.go; Kiali KIA0109, KIA1317")
    case .claimNeverMatches:
      LintEntry(
        .error, "A claim is compared with text that it never has.", fix: "Write one word a value.",
        source: "Istio: `scope` and `permission` are split at spaces before they are compared")
    case .comparisonLimit:
      LintEntry(
        .warning, "There is so much to compare that not all of it was compared.",
        fix: "Split the policies by selector.", source: "Portcullis, a bound on time")
    case .denyEvadedByPlaintext:
      LintEntry(
        .error, "A DENY rule by identity does not stop a caller that sends plaintext, which the workload accepts.",
        fix: "Demand mutual TLS with a STRICT PeerAuthentication, or deny by `notPrincipals`.",
        source: "Istio: PERMISSIVE accepts plaintext, and a peer without identity matches no principal")
    case .destinationHostShort:
      LintEntry(
        .error, "A host with some dots and not all of them matches no service.", fix: "Write the full name of the service.",
        source: "Istio: only a host without any dot is completed (ResolveShortnameToFQDN)")
    case .destinationHostUnknown:
      LintEntry(
        .warning, "A DestinationRule is for a host that no loaded Service has.", fix: "Correct the host, or add the Service's manifest.",
        source: "Kiali KIA0202, istioctl IST0174")
    case .destinationRuleDropsTLS:
      LintEntry(
        .warning, "A DestinationRule without `tls` takes the place of a wider one that sets it, and clients send plaintext.",
        fix: "Write the same `tls` in the rule for the narrower host.",
        source: "Istio: of rules for different hosts only the most specific counts; Kiali KIA0204")
    case .destinationRuleDuplicate:
      LintEntry(
        .warning, "Two DestinationRules of a namespace set the traffic policy of one host; only the older counts.",
        fix: "Keep one, or join them.", source: "Istio: the first trafficPolicy wins as a whole; Kiali KIA0201")
    case .headerNeverMatches:
      LintEntry(
        .error, "A header condition has a name or a value that no request has.", fix: "Write the name without quotes and blanks.",
        source: "Istio takes all between the brackets as the name; Envoy trims the blanks of values")
    case .hostNeverMatches:
      LintEntry(
        .error, "A host has parts that no Host header has.", fix: "Write the host name alone, with a port or `:*` where clients send one.",
        source: "Istio: hosts are compared with `:authority`, whole")
    case .hostPortEvades:
      LintEntry(
        .warning, "A DENY rule by host is evaded by writing the port behind the host.", fix: "Add the same host with `:*`.",
        source: "Istio: the port of `:authority` is not stripped (security best practices)")
    case .hostUnknown:
      LintEntry(
        .warning, "A host in the cluster's domain is none of the loaded services.", fix: "Correct the host, or add the Service's manifest.",
        source: "Kiali KIA0104")
    case .identityWithoutTLS:
      LintEntry(
        .error, "An ALLOW rule by identity stands before a workload that takes no mutual TLS, so it never matches.",
        fix: "Use PERMISSIVE or STRICT, or allow by address.", source: "Istio: DISABLE ends no TLS; Kiali KIA0105")
    case .issuerUnknown:
      LintEntry(
        .warning, "A request principal names an issuer that no RequestAuthentication of the workload accepts.",
        fix: "Use the issuer of the RequestAuthentication, byte by byte.", source: "Istio: the token's `iss` is compared exactly")
    case .methodNeverMatches:
      LintEntry(
        .error, "A method is one that no request has.", fix: "Write methods in upper case; a gRPC call is a POST to a path.",
        source: "Envoy compares methods byte by byte; Kiali KIA0102")
    case .namespaceUnknown:
      LintEntry(
        .warning, "A rule names a namespace that nothing loaded is in.", fix: "Correct the namespace, or add its manifests.",
        source: "istioctl IST0101, Kiali KIA0101")
    case .pathNeverMatches:
      LintEntry(
        .error, "A path is one that no request has once it is normalized.",
        fix: "Write the path as it is after normalization, without query.",
        source: "Istio: path normalization; the query is not compared")
    case .peerAuthenticationIgnored:
      LintEntry(
        .error, "A PeerAuthentication with a selector in the root namespace is ignored.",
        fix: "Move it to the workload's own namespace, or remove the selector.", source: "Istio: pilot/pkg/model/authentication.go")
    case .peerAuthenticationShadowed:
      LintEntry(
        .warning, "Two PeerAuthentications with different selectors select one workload; only the older one counts there.",
        fix: "Let each workload be selected by one of them, or join them.",
        source: "Istio: the oldest of a scope wins, and they are not merged; Kiali KIA0003")
    case .policyWithoutProxy:
      LintEntry(
        .warning, "A policy selects workloads without a proxy, where nobody enforces it.",
        fix: "Inject a sidecar, enrol the namespace in ambient mode, or remove the policy.", source: "istioctl IST0102, IST0103")
    case .portBypassesSidecar:
      LintEntry(
        .warning, "A port goes around the sidecar, so that neither policies nor mutual TLS hold there.",
        fix: "Take the port out of `excludeInboundPorts` (or into `includeInboundPorts`), or close it by a NetworkPolicy.",
        source: "Istio: traffic.sidecar.istio.io/excludeInboundPorts, includeInboundPorts")
    case .portIsServicePort:
      LintEntry(
        .warning, "A rule names a port of the Service, where the port of the container counts.", fix: "Write the target port.",
        source: "Istio: `ports` is compared with the port that the proxy was reached on")
    case .principalNeverMatches:
      LintEntry(
        .error, "A principal has a form that no identity has.",
        fix: "Write `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, with a star at one end at most.",
        source: "Istio: `spiffe://` is put before the value; a star elsewhere is a letter (authz/matcher)")
    case .requestPrincipalNeverMatches:
      LintEntry(
        .error, "A request principal has a form that no token matches.", fix: "Write `ISSUER/SUBJECT` or `ISSUER/*`.",
        source: "Istio: the value is split at its last slash into issuer and subject")
    case .ruleNeverMatches:
      LintEntry(
        .error, "A rule demands a value and forbids the same, so that it matches nothing.", fix: "Remove one of the two.",
        source: "Istio: a field and its negation must both hold (authz/model)")
    case .ruleRedundant:
      LintEntry(
        .warning, "Whatever a rule matches, another rule with the same action matches, too.", fix: "Remove one of the two.",
        source: "Portcullis, comparison of rules")
    case .ruleShadowed:
      LintEntry(
        .warning, "Whatever an ALLOW rule matches is denied by a DENY rule.", fix: "Remove the rule, or narrow the DENY rule.",
        source: "Istio: DENY is decided before ALLOW")
    case .selectorIgnoredByWaypoint:
      LintEntry(
        .error, "A policy with a selector selects a waypoint, which knows no selectors.", fix: "Use `targetRefs`.",
        source: "Istio: pilot/pkg/model/policyattachment.go; istioctl IST0166")
    case .selectorMatchesNothing:
      LintEntry(
        .warning, "A selector selects none of the loaded workloads.", fix: "Correct the labels, or add the workload's manifest.",
        source: "istioctl IST0127, Kiali KIA0004")
    case .serviceAccountUnknown:
      LintEntry(
        .warning, "A rule names a service account that no loaded workload uses.", fix: "Correct the name, or add the workload's manifest.",
        source: "Kiali KIA0106")
    case .sniNeverMatches:
      LintEntry(
        .error, "A server name is compared with text that it never is.", fix: "Write the name in lower case, without port.",
        source: "Envoy's TLS inspector turns the server name to lower case")
    case .strictWithoutClientProxy:
      LintEntry(
        .warning, "A workload demands mutual TLS, and a client of it has no proxy to speak it.",
        fix: "Give the client a proxy, or accept plaintext on the port that it needs.",
        source: "Istio: a STRICT workload resets plaintext")
    case .subsetSelectsNothing:
      LintEntry(
        .warning, "The labels of a subset select none of the loaded workloads.", fix: "Correct the labels.",
        source: "Kiali KIA0203, istioctl IST0173")
    case .subsetWithoutLabels:
      LintEntry(
        .warning, "A subset has no labels, so it is the whole service.", fix: "Add `labels`.", source: "Kiali KIA0209")
    case .targetUnknown:
      LintEntry(
        .warning, "A policy is attached to an object that is not among the loaded ones.", fix: "Correct the name, or add its manifest.",
        source: "Istio: targets are in the policy's own namespace; Kiali KIA0110")
    case .targetWithoutWaypoint:
      LintEntry(
        .warning, "A policy is attached to a service that has no waypoint, so nobody enforces it.",
        fix: "Give the service or its namespace the label `istio.io/use-waypoint`, or select the workload.",
        source: "Istio: targetRefs of a Service mean its waypoint; Kiali KIA1317")
    case .tcpAllowVanishes:
      LintEntry(
        .warning, "An ALLOW rule with HTTP parts does not exist on a TCP port.", fix: "Write a rule of its own for the TCP port.",
        source: "Istio: an attribute that TCP lacks drops the whole ALLOW rule (authz/model)")
    case .tcpDenyWidens:
      LintEntry(
        .warning, "A DENY rule loses its HTTP parts on a TCP port and denies more.", fix: "Restrict the rule to HTTP ports with `ports`.",
        source: "Istio: an attribute that TCP lacks is dropped from a DENY rule (authz/model); istioctl IST0133")
    case .tlsConflict:
      LintEntry(
        .error, "What clients are made to send, the server is made to refuse.",
        fix: "Remove `tls` from the DestinationRule, so that mutual TLS is automatic.",
        source: "Istio: client and server modes; Kiali KIA0207, KIA0208, KIA0401, KIA0501, once istioctl IST0113")
    case .tlsPlaintextDenied:
      LintEntry(
        .warning, "Clients are made to send plaintext to a workload that allows by identity.",
        fix: "Remove `tls` from the DestinationRule, so that mutual TLS is automatic.", source: "Istio: plaintext carries no identity")
    case .tokenNotRequired:
      LintEntry(
        .warning, "Tokens are verified, and requests without any token are let in.",
        fix: "Add an ALLOW policy with `requestPrincipals: [\"*\"]`.",
        source: "Istio: RequestAuthentication refuses bad tokens, not missing ones")
    case .tokenWithoutAuthentication:
      LintEntry(
        .error, "A rule tests a token at a workload where no RequestAuthentication reads one.",
        fix: "Add a RequestAuthentication for the workload.",
        source: "Istio: claims come from the filter that RequestAuthentication configures")
    case .trustDomainUnknown:
      LintEntry(
        .warning, "A rule names a trust domain that is not one of the mesh's.", fix: "Correct it, or name it with `--trust-domain-alias`.",
        source: "Istio: peers of other trust domains are refused; Kiali KIA0108")
    default: nil
    }
  }
}
