// The forms of lint's findings for programs: JSON and SARIF by their schemas, GitHub's annotations.
// Enters: findings at known places. Leaves: what a program reads. Never here: what a finding means.

internal import Foundation
internal import TestSupport
internal import Testing

/// What a SARIF log must hold and its schema cannot say (SARIF 2.1.0, OASIS, sections 3.13 to 3.35).
private struct SARIFCheck {
  var problems: [String] = []
  private(set) var results: [[String: Any]] = []

  init(_ log: [String: Any]) {
    guard let runs = log["runs"] as? [[String: Any]], let run = runs.first, runs.count == 1 else {
      problems.append("there is not one run")
      return
    }
    demand(run["columnKind"] as? String == "unicodeCodePoints", "the columns are not said to be code points")
    let driver = (run["tool"] as? [String: Any])?["driver"] as? [String: Any]
    let ids = (driver?["rules"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
    demand(Set(ids).count == ids.count, "ids of rules are not distinct")
    results = run["results"] as? [[String: Any]] ?? []
    for result in results { self.result(result, ids) }
  }

  private mutating func result(_ result: [String: Any], _ ids: [String]) {
    let index = result["ruleIndex"] as? Int ?? -1
    demand(ids.indices.contains(index) && ids[index] == result["ruleId"] as? String, "ruleIndex \(index) is not ruleId")
    let locations = result["locations"] as? [[String: Any]] ?? []
    demand(locations.count == 1, "\(locations.count) locations")
    for location in locations {
      let place = location["physicalLocation"] as? [String: Any] ?? [:]
      let uri = (place["artifactLocation"] as? [String: Any])?["uri"] as? String ?? ""
      demand(!uri.isEmpty && URL(string: uri) != nil && !uri.contains(" "), "`\(uri)` is no URI")
      guard let region = place["region"] as? [String: Any] else { continue }
      let numbers = ["startLine", "startColumn", "endLine", "endColumn"].map { region[$0] as? Int ?? 0 }
      demand(numbers.allSatisfy { $0 >= 1 } && (numbers[0], numbers[1]) <= (numbers[2], numbers[3]), "region \(numbers)")
    }
  }

  private mutating func demand(_ isHeld: Bool, _ problem: String) {
    if !isHeld { problems.append(problem) }
  }
}

@Suite struct `lint's forms for programs` {
  @Test func `JSON is as its schema says`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("lint", "--policies", "examples/broken", "--output", "json")
      #expect(try sandbox.schemaComplaints("lint", run.output) == "")
      let json = try run.json()
      let findings = json["findings"] as? [[String: Any]] ?? []
      let summary = json["summary"] as? [String: Any] ?? [:]
      #expect(findings.count > 40 && findings.count == (summary["errors"] as? Int ?? 0) + (summary["warnings"] as? Int ?? 0))
      #expect((json["ignored"] as? [[String: Any]])?.compactMap { $0["reason"] as? String }.contains("made by another team") == true)
    }
  }

  /// SARIF's own schema; Tests/Schemas says where it is from.
  private static let sarif = "Tests/Schemas/sarif-2.1.0-rtm.4.json"

  /// Policies, a proxy, both, neither; with findings and without, with ignore comments and with objects that are refused.
  @Test(arguments: [
    (["--policies", "examples/broken"], 1, 45, 2),
    (["--policies", "examples/broken", "--envoy", "examples/broken-envoy/envoy.yaml"], 1, 60, 2),
    (["--envoy", "examples/broken-envoy/envoy.yaml"], 1, 12, 0), (["--policies", "examples/shop"], 0, 0, 0),
    (["--policies", "IGNORED", "--envoy", "ENVOY"], 1, 3, 2), (["--policies", "REFUSED"], 1, 1, 0),
  ])
  func `SARIF is as its schema says`(_ words: [String], _ code: Int32, _ least: Int, _ suppressed: Int) throws {
    try withSandbox { sandbox in
      let files = [
        "IGNORED": try sandbox.write("# portcullis:ignore sni-never-matches it is known\n" + upperCasePolicy, to: "ignored/p.yaml"),
        "ENVOY": try sandbox.write(ignoredEnvoy, to: "a b/envoy.yaml"),
        "REFUSED": try sandbox.write(upperCasePolicy.replacingOccurrences(of: "values:", with: "valuse:"), to: "refused/p.yaml"),
      ]
      let run = try sandbox.portcullis(["lint"] + words.map { files[$0] ?? $0 } + ["--output", "sarif"])
      let complaints = try sandbox.schemaComplaints(file: Self.sarif, run.output)
      #expect(run.code == code && complaints.isEmpty, "\(complaints)\(run.errors)")
      let check = SARIFCheck(try run.json())
      #expect(check.problems.isEmpty && check.results.count >= least && (least > 0 || check.results.isEmpty), "\(check.problems)")
      let comments = check.results.filter { $0["suppressions"] != nil }
      #expect(comments.count == suppressed, "\(run.output)")
      let reasons = comments.flatMap { $0["suppressions"] as? [[String: Any]] ?? [] }
      #expect(reasons.allSatisfy { $0["kind"] as? String == "inSource" && ($0["justification"] as? String)?.isEmpty == false })
    }
  }

  @Test func `the schema of SARIF refuses what it is not`() throws {
    try withSandbox { sandbox in
      let good = try sandbox.portcullis("lint", "--policies", "examples/broken", "--output", "sarif").output
      #expect(try sandbox.schemaComplaints(file: Self.sarif, good).isEmpty)
      for (old, new) in [
        ("\"version\":\"2.1.0\"", "\"version\":\"2.2.0\""), ("\"startLine\":", "\"startLine\":-"), ("\"inSource\"", "\"source\""),
        ("\"level\":\"error\"", "\"level\":\"fatal\""), ("\"ruleIndex\":", "\"index\":"), ("\"unicodeCodePoints\"", "\"bytes\""),
        ("\"results\":[", "\"results\":[{},"), ("\"driver\":", "\"program\":"),
      ] {
        let wrong = good.replacing(old, with: new)
        #expect(try wrong != good && !sandbox.schemaComplaints(file: Self.sarif, wrong).isEmpty, "\(new)")
      }
    }
  }

  @Test func `paths in SARIF are URIs`() throws {
    try withSandbox { sandbox in
      let path = try sandbox.write(upperCasePolicy, to: "a b/50%/ü.yaml")
      let run = try sandbox.portcullis("lint", "--policies", path, "--output", "sarif")
      #expect(run.output.contains("/a%20b/50%25/%C3%BC.yaml\"") && run.output.contains("\"file:///"), "\(run.output)")
    }
  }

  @Test func `annotations are escaped as GitHub wants it`() throws {
    try withSandbox { sandbox in
      let path = try sandbox.write(
        upperCasePolicy.replacingOccurrences(of: "Shop.example", with: "\"Shop%0A\\n::error::x\""), to: "a,b:c/50%.yaml")
      let run = try sandbox.portcullis("lint", "--policies", path, "--output", "github")
      let file = path.replacingOccurrences(of: "%", with: "%25").replacingOccurrences(of: ",", with: "%2C").replacingOccurrences(
        of: ":", with: "%3A")
      let lines = run.lines
      #expect(lines.count == 2 && run.code == 1, "\(run.output)")
      #expect(
        lines.first?.hasPrefix(
          "::error file=\(file),line=9,endLine=9,col=16,endColumn=36,title=sni-never-matches::`Shop%250A%0A::error::x` has upper-case")
          == true, "\(run.output)")
      #expect(
        lines.first?.contains("%0Ahelp: write `shop%250a") == true && lines.last == "1 error, 0 warnings in 1 object", "\(run.output)")
    }
  }
}

private let upperCasePolicy = """
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: sni, namespace: shop}
  spec:
    selector: {matchLabels: {app: frontend}}
    rules:
    - when:
      - key: connection.sni
        values: [Shop.example]

  """

/// A proxy with a finding that is accepted, and one that is not.
private let ignoredEnvoy = """
  filters:
  - typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz
      include_peer_certificate: true
      # portcullis:ignore envoy-fails-open a drill
      failure_mode_allow: true
      filter_enabled_metadata: {filter: drill}
  - typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, cluster: a}

  """
