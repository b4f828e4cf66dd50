// The table of Istio's integration tests, as far as a real Envoy 1.40 agrees with it, and Envoy's own answer where it does not.

import PolicyModel
import RandomWorlds
import Testing

@testable import PolicyEngine

@Suite struct `Path normalization` {
  typealias Mode = MeshSettings.PathNormalization

  static let rows: [(raw: String, base: String?, merge: String?, decode: String?)] = [
    ("/app#foo", "/app", "/app", "/app"),
    ("/app/../admin", "/admin", "/admin", "/admin"),
    ("/app//", "/app//", "/app/", "/app/"),
    ("/app/%2f", "/app/%2f", "/app/%2f", "/app/"),
    ("/app%2f/", "/app%2f/", "/app%2f/", "/app/"),
    ("/xyz%30..//abc", "/xyz0..//abc", "/xyz0../abc", "/xyz0../abc"),
    ("/app/%2E./admin", "/admin", "/admin", "/admin"),
    ("/app\\admin", "/app/admin", "/app/admin", "/app/admin"),
    ("/app/\\/\\/\\admin", "/app//////admin", "/app/admin", "/app/admin"),
    ("/%2Fapp%5cadmin%5Cabc", "/%2Fapp%5cadmin%5Cabc", "/%2Fapp%5cadmin%5Cabc", "/app/admin/abc"),
    ("/app//../admin", "/app/admin", "/app/admin", "/app/admin"),
    ("/app//../../admin", "/admin", "/admin", "/admin"),
    ("/app/%2E%2E%2Fadmin", "/app/..%2Fadmin", "/app/..%2Fadmin", "/admin"),
    ("/app%2F..%2Fadmin", "/app%2F..%2Fadmin", "/app%2F..%2Fadmin", "/admin"),
    ("/app/%252e%252e/admin", "/app/%252e%252e/admin", "/app/%252e%252e/admin", "/app/%252e%252e/admin"),
    ("/admin%2f", "/admin%2f", "/admin%2f", "/admin/"),
    ("/admin%00", nil, nil, nil),
    ("/a/.", "/a/", "/a/", "/a/"),
    ("/a/..", "/", "/", "/"),
    ("/a/.../b", "/a/.../b", "/a/.../b", "/a/.../b"),
    ("/..../b", "/..../b", "/..../b", "/..../b"),
    ("/;/admin", "/;/admin", "/;/admin", "/;/admin"),
    ("/admin;a=b", "/admin;a=b", "/admin;a=b", "/admin;a=b"),
    ("/Admin", "/Admin", "/Admin", "/Admin"),
    ("/..;/admin", "/admin", "/admin", "/admin"),
    ("/app/..;x/admin", "/admin", "/admin", "/admin"),
    ("/a/.;/b", "/a/b", "/a/b", "/a/b"),
    ("/a/.%2e;/b", "/a/..;/b", "/a/..;/b", "/a/..;/b"),
    ("/a?x=/../b//c", "/a?x=/../b//c", "/a?x=/../b//c", "/a?x=/../b//c"),
  ]

  /// The test library's macros cannot take spans.
  static func isFixedPoint(_ path: String, _ mode: Mode) -> Bool {
    let bytes = Array(path.utf8)
    var scratch = PathScratch()
    return mode.isFixedPoint(bytes.span, using: &scratch)
  }

  @Test(arguments: rows.indices) func `every row of the table holds in every mode`(_ index: Int) {
    let row = Self.rows[index]
    for (mode, expected) in [(Mode.base, row.base), (.mergeSlashes, row.merge), (.decodeAndMergeSlashes, row.decode)] {
      let normalized = mode.normalize(Array(row.raw.utf8)).map { String(decoding: $0, as: UTF8.self) }
      #expect(normalized == expected, "\(row.raw) under \(mode)")
      #expect(Self.isFixedPoint(row.raw, mode) == (expected == row.raw), "\(row.raw) under \(mode)")
    }
  }

  @Test func `without normalization only the fragment goes`() {
    #expect(Mode.none.normalize(Array("/app/../%61//#f".utf8)) == Array("/app/../%61//".utf8))
    #expect(Self.isFixedPoint("/app/../%61//", .none))
    #expect(!Self.isFixedPoint("/app#f", .none))
  }

  @Test func `a path without its first slash is none, but for the star`() {
    for mode in Mode.allCases {
      for path in ["admin", "\\admin", "http://a/admin", "", "?x", "**"] {
        #expect(!Self.isFixedPoint(path, mode))
        #expect(mode.normalize(Array(path.utf8)) == nil)
      }
      #expect(Self.isFixedPoint("*", mode))
    }
  }

  /// The quick look may say "look closer", but never "plain" of a path that would change.
  @Test func `the quick look never calls a path plain that would change`() {
    let seed = UInt64.random(in: 0 ... .max)
    print("path normalization seed: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let pieces = ["/", "//", ".", "..", "%2e", "%2F", "%41", "a", ";", "\\", "?", "#", "%", "|", "é", "%00"]
    for _ in 0..<20_000 {
      let text = "/" + (0..<Int.random(in: 0...8, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "a" }.joined()
      let bytes = Array(text.utf8)
      for mode in Mode.allCases {
        #expect(Self.isFixedPoint(text, mode) == (mode.normalize(bytes) == bytes), "\(text) under \(mode)")
      }
    }
  }

  @Test func `a fragment is not part of what path rules see, but of the header`() {
    let set = { (attribute: Attribute, value: ExactText) in
      var set = PolicySet()
      set.policies = [
        AuthorizationPolicy(
          metadata: ObjectMetadata(
            key: ObjectKey(kind: "AuthorizationPolicy", namespace: "foo", name: "p"), location: SourceLocation(file: "f", span: .nowhere)),
          attachment: .selector(LabelSelector(matchLabels: [:])), action: .deny,
          rules: [AuthorizationPolicy.Rule(conditions: [Constraint(attribute, values: [Located(value)])])])
      ]
      return set
    }
    for (path, attribute, value, isDenied) in [
      ("/admin#f", .path, "/admin", true), ("/admin#f", .path, "/admin#f", false), ("/admin#f", .path, "*f", false),
      ("/admin#?x", .path, "/admin", true), ("/admin?x#f", .path, "/admin", true), ("/admin#", .path, "/admin", true),
      ("/admin#f", .path, "/{*}", true), ("/#/admin", .path, "/admin", false),
      ("/admin#f", .requestHeader(":path"), "/admin#f", true), ("/admin#f", .requestHeader(":path"), "/admin", false),
    ] as [(String, Attribute, ExactText, Bool)] {
      var request = Request()
      request.setPath(Array(path.utf8).span)
      let found = Agreement(set(attribute, value), MeshSettings())
        .compare(request, namespace: "foo", labels: [:], profile: .sidecar)
      #expect(found.differences.isEmpty, "\(path)")
      #expect((found.decision.verdict == .deny) == isDenied, "\(path) and \(attribute.description) \(value)")
    }
  }
}
