// Random damage to good files: whatever comes, an answer comes back, and no error is without a broken object.

import PolicyLoading
import PolicyModel
import Testing

/// A small generator with a seed that a failure can name (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

@Suite struct `Damaged files` {
  private static let whole: [UInt8] = Array(
    ("""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata:
      name: p
      namespace: shop
      labels: &l {a: b}
    spec:
      selector: {matchLabels: *l}
      action: DENY
      rules:
      - from:
        - source:
            principals: ["cluster.local/ns/shop/sa/a", 'b']
        to:
        - operation: {ports: ["80"], paths: ["/a/{*}"]}
        when:
        - key: request.headers[x]
          values: |
            text
    ---
    {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\\u00e9"},
     "status": {"podIP": "10.0.0.1"}}, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}]}
    ---

    """ + peer("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: STRICT}}}") + "---\n"
      + tokens(
        "{selector: {matchLabels: {a: b}}, jwtRules: [{issuer: i, jwks: '{\"keys\": [{\"kty\": \"oct\", \"k\": \"AQ\"}]}', timeout: 5s}]}")
      + "---\n"
      + rule(
        "{host: \"*.a.b\", trafficPolicy: {tls: {mode: SIMPLE}, loadBalancer: {warmup: {duration: 1s, aggression: 1.5}}}, subsets: [{name: v1}]}"
      ))
      .utf8)
  private static let pieces: [[UInt8]] =
    [
      "[", "]", "{", "}", "\"", "'", "&a ", "*a", "*l", "!x ", "? ", ": ", "- ", "\n", "\n---\n", "\n...\n", "\t", "|", "<<: ", "%YAML 9\n",
      "#", "\u{85}", "\u{2028}", ",",
    ].map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0xE2, 0x80], [0xED, 0xA0, 0x80], [0xEF, 0xBB, 0xBF]]

  @Test(arguments: 0..<8) func `never crash and never lose an error`(round: Int) {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    for step in 0..<250 {
      var text = Self.whole
      for _ in 0...Int.random(in: 0...4, using: &generator) {
        let place = Int.random(in: 0..<max(text.count, 1), using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: text.insert(contentsOf: Self.pieces.randomElement(using: &generator) ?? [], at: place)
        case 1: text.removeSubrange(place..<min(text.count, place + Int.random(in: 1...20, using: &generator)))
        case 2: text.removeSubrange(place...)
        default: text[place] = UInt8.random(in: 0...255, using: &generator)
        }
        if text.isEmpty { text = [0x0A] }
      }
      for isLenient in [false, true] {
        let file = loadPolicies(text: text, file: "f", isLenient: isLenient)
        #expect(file.hasErrors == !file.broken.isEmpty, "seed \(seed), step \(step)\n\(file.messages)")
        #expect(Set(file.objects.map(\.key)).count == file.objects.count, "seed \(seed), step \(step)")
        #expect(Set(file.objects.map(\.key)).isDisjoint(with: file.broken.compactMap(\.key)), "seed \(seed), step \(step)")
        for diagnostic in file.diagnostics { #expect(!diagnostic.description.isEmpty) }
      }
    }
    print("damaged files, round \(round): seed \(seed)")
  }
}
