// Text is bytes, condition keys are read as Istio reads them, identities have five parts.

internal import PolicyModel
internal import Testing

@Suite struct `Texts and keys` {
  @Test func `texts that Swift calls equal are different texts`() {
    let composed = ExactText("caf\u{e9}")
    let decomposed = ExactText("cafe\u{301}")
    #expect(composed.string == decomposed.string)
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(decomposed < composed)
    #expect(ExactText("rule[10]") < ExactText("rule[2]"))
  }

  @Test func `texts compare and hash as their bytes do`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("texts: seed \(seed)")
    var state = seed
    func below(_ bound: UInt64) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % bound)
    }
    let pieces = ["a", "b", "\u{e9}", "e\u{301}", "\u{0}", "\u{212a}", "K", "/", "\u{1f600}"]
    // Long common beginnings, so that differences fall before, on and behind the edges of words.
    let texts = (0..<150).map { _ in
      String(repeating: "x", count: below(20)) + (0..<below(4)).map { _ in pieces[below(9)] }.joined()
        + String(repeating: "y", count: below(3))
    }
    for left in texts {
      for right in texts {
        let (one, two) = (ExactText(left), ExactText(right))
        let areEqual = Array(left.utf8) == Array(right.utf8)
        #expect((one == two) == areEqual, "seed \(seed)")
        #expect((one < two) == left.utf8.lexicographicallyPrecedes(right.utf8), "seed \(seed)")
        if areEqual { #expect(one.hashValue == two.hashValue, "seed \(seed)") }
      }
    }
    #expect(Set(texts.map { ExactText($0) }).count == Set(texts.map { Array($0.utf8) }).count, "seed \(seed)")
    // A text from elsewhere need not lie in one piece before it is compared.
    #expect(ExactText("a/b/c".split(separator: "/").joined(separator: "/")) == "a/b/c")
  }

  @Test(arguments: [
    ("source.principal", Attribute.sourcePrincipal), ("Source.Principal", .unknownKey("Source.Principal")), ("connection.sni", .sni),
    ("request.headers[x-a]", .requestHeader("x-a")), ("request.headers[\"x\"]", .requestHeader("\"x\"")),
    ("request.headersX[a]", .malformedKey("request.headersX[a]")), ("request.headers[]", .malformedKey("request.headers[]")),
    ("request.headers", .malformedKey("request.headers")), ("request.auth.claims[a]", .requestClaim(["a"])),
    ("request.auth.claims[a][b]", .requestClaim(["a", "b"])), ("request.auth.claims[a.b]", .requestClaim(["a.b"])),
    ("request.auth.claims[a[b]]", .requestClaim(["a[b]"])), ("request.auth.claims[a]b", .malformedKey("request.auth.claims[a]b")),
    ("request.auth.claims[a]x[b]", .requestClaim(["a]x[b"])),
    ("experimental.envoy.filters.network.mysql_proxy[db.t]", .envoyMetadata(filter: "envoy.filters.network.mysql_proxy", key: "db.t")),
    // A filter that no proxy has, but a well-formed key.
    ("experimental.envoy.filters.[a]", .envoyMetadata(filter: "envoy.filters.", key: "a")),
    ("experimental.envoy.filters.[]", .malformedKey("experimental.envoy.filters.[]")),
    ("destination.labels[v]", .unknownKey("destination.labels[v]")), ("", .unknownKey("")),
  ]) func `name attributes`(_ key: String, _ attribute: Attribute) {
    #expect(Attribute(conditionKey: ExactText(key)) == attribute)
  }

  @Test(arguments: [
    "spiffe://td/ns/a/sa", "spiffe://td/ns/a/sa/", "spiffe://td/ns//sa/b", "spiffe:///ns/a/sa/b", "spiffe://td/ns/a/sa/b/c", "td/ns/a/sa/b",
    "SPIFFE://td/ns/a/sa/b", "spiffe://td/NS/a/sa/b", "",
  ]) func `identities of another form are none`(_ text: String) {
    #expect(SPIFFEID(ExactText(text)) == nil)
  }

  @Test func `an identity of five parts is read and written`() throws {
    let identity = try #require(SPIFFEID("spiffe://td.example/ns/shop/sa/frontend-sa"))
    #expect(identity == SPIFFEID(trustDomain: "td.example", namespace: "shop", serviceAccount: "frontend-sa"))
    #expect(identity.uri == "spiffe://td.example/ns/shop/sa/frontend-sa")
  }

  @Test func `a selector without labels selects all, others only what has every label`() {
    #expect(LabelSelector().selects([:]))
    #expect(!LabelSelector(matchLabels: ["a": "1"]).selects([:]))
    #expect(!LabelSelector(matchLabels: ["a": "1", "b": "2"]).selects(["a": "1"]))
    #expect(LabelSelector(matchLabels: ["a": "1"]).selects(["a": "1", "c": "3"]))
    #expect(!LabelSelector(matchLabels: ["a": ""]).selects(["b": ""]))
  }
}
