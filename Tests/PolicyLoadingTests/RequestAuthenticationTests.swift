// RequestAuthentications: every check of Istio's webhook both ways, and what is kept.

import PolicyLoading
import PolicyModel
import Testing

private func jwt(_ rule: String) -> String { "{jwtRules: [{issuer: i, \(rule)}]}" }
private let rsa = #"'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}'"#
private let claims65 = (1...65).map { "c\($0)" }.joined(separator: ",")

private let cases: [(String, [String])] = [
  ("{}", []),
  ("null", ["field-null"]),
  ("{jwtRules: null}", ["field-null"]),
  ("{selector: null}", ["field-null"]),
  ("{jwtRules: [{issuer: i, audiences: null}]}", ["field-null"]),
  ("{jwtRules: []}", []),
  ("{jwtRules: [null]}", ["null-entry"]),
  ("{jwtRules: {}}", ["wrong-type"]),
  ("{jwtRule: []}", ["field-unknown"]),
  ("{jwtRules: [{issuer: i}]}", []),
  ("{jwtRules: [{jwksUri: \"https://a/b\"}]}", []),
  ("{jwtRules: [{jwks_uri: \"https://a/b\"}]}", []),
  ("{jwtRules: [{}]}", ["field-required"]),
  ("{jwtRules: [{jwks: \(rsa)}]}", ["field-required"]),
  ("{jwtRules: [{issuer: \"\"}]}", ["empty-string"]),
  ("{jwtRules: [{issuer: 1}]}", ["wrong-type"]),
  (jwt("audience: [a]"), ["field-unknown"]),
  (jwt("audiences: [a]"), []),
  (jwt("audiences: [\"\"]"), ["empty-string"]),
  (jwt("jwksUri: \"\""), ["empty-string"]),
  (jwt("jwksUri: ftp://a"), ["jwks-uri-invalid"]),
  (jwt("jwksUri: a/b"), ["jwks-uri-invalid"]),
  (jwt("jwksUri: 'hTPp\\\\\\blah'"), ["jwks-uri-invalid"]),
  (jwt("jwksUri: \"https://a:b/c\""), ["jwks-uri-invalid"]),
  (jwt("jwksUri: \"http://[::1]:80/c\""), []),
  (jwt("jwksUri: HTTPS://a"), []),
  (jwt("jwksUri: \"https://a/b\", jwks_uri: \"https://a/b\""), ["field-conflict"]),
  (jwt("jwksUri: \"https://a/b\", jwks: \(rsa)"), ["field-conflict"]),
  (jwt("jwks: \(rsa)"), []),
  (jwt(#"jwks: '{"keys": []}'"#), []),
  (jwt(#"jwks: '{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}'"#), []),
  (jwt(#"jwks: '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ"}]}'"#), ["jwks-invalid"]),
  (jwt(#"jwks: '{"keys": [{"kty": "RSB", "n": "AQAB", "e": "AQAB"}]}'"#), ["jwks-invalid"]),
  (jwt(#"jwks: '{"keys": [{"n": "AQAB"}]}'"#), ["jwks-invalid"]),
  (jwt(#"jwks: '{"keys": [1]}'"#), ["jwks-invalid"]),
  (jwt(#"jwks: '{"keys": {}}'"#), ["jwks-invalid"]),
  (jwt(#"jwks: '{"key": []}'"#), ["jwks-invalid"]),
  (jwt("jwks: '[]'"), ["jwks-invalid"]),
  (jwt("jwks: '{'"), ["jwks-invalid"]),
  (jwt("jwks: 'keys: []'"), ["jwks-invalid"]),
  (jwt("jwks: https://a"), ["jwks-invalid"]),
  (jwt("jwks: {keys: []}"), ["wrong-type"]),
  (jwt("fromHeaders: [{name: a, prefix: \"b \"}]"), []),
  (jwt("fromHeaders: [{prefix: b}]"), ["field-required"]),
  (jwt("fromHeaders: [{name: \"\"}]"), ["empty-string"]),
  (jwt("fromHeaders: [null]"), ["null-entry"]),
  (jwt("fromHeaders: [a]"), ["wrong-type"]),
  (jwt("fromParams: [\"\"]"), ["empty-string"]),
  (jwt("fromParams: [a]"), []),
  (jwt("fromCookies: [\"\"]"), ["empty-string"]),
  (jwt("fromCookies: [a]"), []),
  (jwt("outputClaimToHeaders: [{header: x-a, claim: b.c}]"), []),
  (jwt("outputClaimToHeaders: [null]"), ["null-entry"]),
  (jwt("outputClaimToHeaders: [{header: x-a}]"), ["field-required"]),
  (jwt("outputClaimToHeaders: [{claim: b}]"), ["field-required"]),
  (jwt("outputClaimToHeaders: [{header: x-a, claim: \"\"}]"), ["empty-string"]),
  (jwt("outputClaimToHeaders: [{header: \":authority\", claim: b}]"), ["header-name-invalid"]),
  (jwt("outputPayloadToHeader: x-payload, forwardOriginalToken: true"), []),
  (jwt("forwardOriginalToken: 1"), ["wrong-type"]),
  (jwt("timeout: 5s"), []),
  (jwt("timeout: apple"), ["duration-invalid"]),
  (jwt("timeout: 0s"), ["duration-invalid"]),
  (jwt("spaceDelimitedClaims: [a]"), []),
  (jwt("spaceDelimitedClaims: [\"\"]"), ["empty-string"]),
  (jwt("spaceDelimitedClaims: [\(claims65)]"), ["too-many-entries"]),
  (jwt("presence: REQUIRED"), []),
  (jwt("presence: OPTIONAL"), []),
  (jwt("presence: MANDATORY"), ["value-unknown"]),
  ("{selector: {matchLabels: {a: b}}}", []),
  ("{selector: {}}", ["selector-empty"]),
  ("{selector: {matchLabels: {a: \"*\"}}}", ["label-invalid"]),
  ("{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: a}}", ["attachment-conflict"]),
  ("{targetRefs: [{kind: Service, name: a}]}", []),
  ("{targetRefs: [{kind: Service}]}", ["target-invalid"]),
  ("{targetRef: {kind: Service, name: a, namespace: b}}", ["target-invalid"]),
  ("{targetRef: {kind: Serv_ice, name: a}}", ["target-invalid"]),
]

@Suite struct `Istio's checks of RequestAuthentications` {
  @Test(arguments: cases) func `give exactly these problems`(spec: String, codes: [String]) {
    let file = load(tokens(spec))
    #expect(file.codes == codes, "\(spec)\n\(file.messages)")
    #expect(file.requestAuthentications.count == (file.hasErrors ? 0 : 1))
    #expect(file.broken.count == (file.hasErrors ? 1 : 0))
    #expect(!file.broken.contains { !$0.couldDecide })
  }

  @Test func `a rule is kept as written`() throws {
    let file = load(
      tokens(
        """
        {targetRefs: [{kind: Service, name: s}], jwtRules: [{issuer: i, audiences: [a, b], jwksUri: "https://k",
         fromHeaders: [{name: authorization, prefix: "Bearer "}, {name: x}], fromParams: [p], fromCookies: [c], outputPayloadToHeader: o,
         forwardOriginalToken: true, outputClaimToHeaders: [{header: h, claim: n.c}], timeout: 1m, spaceDelimitedClaims: [roles],
         presence: REQUIRED}, {issuer: j, jwks: '{"keys": []}'}, {issuer: k}]}
        """))
    let policy = try #require(file.requestAuthentications.first, "\(file.messages)")
    #expect(policy.attachment == .targets([AuthorizationPolicy.TargetReference(group: "", kind: "Service", name: "s")]))
    var first = JWTRule(issuer: "i")
    first.audiences = ["a", "b"]
    first.keys = .uri("https://k")
    first.fromHeaders = [JWTRule.HeaderLocation(name: "authorization", prefix: "Bearer "), JWTRule.HeaderLocation(name: "x")]
    first.fromParams = ["p"]
    first.fromCookies = ["c"]
    first.outputPayloadToHeader = "o"
    first.forwardsOriginalToken = true
    first.outputClaimToHeaders = [JWTRule.ClaimHeader(header: "h", claim: "n.c")]
    first.timeoutMilliseconds = 60_000
    first.spaceDelimitedClaims = ["roles"]
    first.isRequired = true
    first.span = policy.jwtRules[0].span
    #expect(first.span.line == 4)
    #expect(policy.jwtRules[0] == first)
    #expect(policy.jwtRules.map(\.keys) == [.uri("https://k"), .inline("{\"keys\": []}"), .discovered])
    #expect(policy.jwtRules.map(\.isRequired) == [true, false, false])
  }

  @Test func `a broken one names its selector, so that only its workloads are in doubt`() throws {
    let file = load(tokens("{selector: {matchLabels: {app: a}}, jwtRules: [{}]}"))
    let broken = try #require(file.broken.first)
    #expect(broken.selector == LabelSelector(matchLabels: ["app": "a"]))
    #expect(broken.key == ObjectKey(kind: "RequestAuthentication", namespace: "shop", name: "p"))
  }

  @Test func `messages name the place and what to write`() {
    let file = load(
      """
      apiVersion: security.istio.io/v1
      kind: RequestAuthentication
      metadata: {name: r, namespace: shop}
      spec:
        jwtRules:
        - jwks: |
            {"keys": [{"kty": "RSA", "n": "AQAB"}]}
          fromHeader: []
      """)
    #expect(
      file.messages == """
        test.yaml:6:5: error: the rule has neither `issuer` nor `jwksUri` [field-required]
            - jwks: |
              ^^^^
          = help: name the issuer of the tokens, as in their `iss`
        test.yaml:6:11: error: `jwks` has no `e`, in the key at 0 [jwks-invalid]
            - jwks: |
                    ^
          = help: write a JSON Web Key Set as in RFC 7517: {"keys": [{"kty": "RSA", …}]}
        test.yaml:8:5: error: unknown field `fromHeader` in `jwtRules` [field-unknown]
              fromHeader: []
              ^^^^^^^^^^
          = help: did you mean `fromHeaders`?
        """, "\(file.messages)")
  }
}
