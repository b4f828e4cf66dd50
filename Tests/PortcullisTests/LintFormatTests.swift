// The forms of lint's findings for programs: JSON by its schema, SARIF by the specification's rules, GitHub's annotations.
// Enters: findings at known places. Leaves: what a program reads. Never here: the official schema of SARIF, which is not part of this
// project; what it demands of the parts that are written is checked by hand (SARIF 2.1.0, OASIS, sections 3.13 to 3.35).

internal import Foundation
internal import TestSupport
internal import Testing

/// Demands of the parts of a SARIF log that `lint` writes.
private struct SARIFCheck {
  var problems: [String] = []

  mutating func log(_ log: [String: Any]) {
    keys(log, required: ["version", "runs"], allowed: ["$schema"], at: "log")
    demand(log["version"] as? String == "2.1.0", "the version is not 2.1.0")
    for run in objects(log["runs"], "runs") { self.run(run) }
  }

  private mutating func run(_ run: [String: Any]) {
    keys(run, required: ["tool"], allowed: ["results", "columnKind"], at: "run")
    demand(["utf16CodeUnits", "unicodeCodePoints"].contains(run["columnKind"] as? String), "columnKind")
    let tool = run["tool"] as? [String: Any] ?? [:]
    keys(tool, required: ["driver"], allowed: [], at: "tool")
    let driver = tool["driver"] as? [String: Any] ?? [:]
    keys(driver, required: ["name"], allowed: ["version", "rules"], at: "driver")
    let rules = objects(driver["rules"], "rules")
    for rule in rules {
      keys(rule, required: ["id"], allowed: ["shortDescription", "help", "defaultConfiguration"], at: "rule")
      demand(
        ["none", "note", "warning", "error"].contains((rule["defaultConfiguration"] as? [String: Any])?["level"] as? String),
        "level of a rule")
      for name in ["shortDescription", "help"] { message(rule[name], at: name) }
    }
    let ids = rules.compactMap { $0["id"] as? String }
    demand(Set(ids).count == ids.count && ids.count == rules.count, "ids of rules are not distinct")
    for result in objects(run["results"], "results") { self.result(result, ids) }
  }

  private mutating func result(_ result: [String: Any], _ ids: [String]) {
    keys(result, required: ["message"], allowed: ["ruleId", "ruleIndex", "level", "locations", "suppressions"], at: "result")
    message(result["message"], at: "result")
    let index = result["ruleIndex"] as? Int ?? -1
    demand(ids.indices.contains(index) && ids[index] == result["ruleId"] as? String, "ruleIndex \(index) is not ruleId")
    demand(["none", "note", "warning", "error"].contains(result["level"] as? String), "level")
    for location in objects(result["locations"], "locations") {
      let place = location["physicalLocation"] as? [String: Any] ?? [:]
      keys(place, required: ["artifactLocation"], allowed: ["region"], at: "physicalLocation")
      let uri = (place["artifactLocation"] as? [String: Any])?["uri"] as? String ?? ""
      demand(!uri.isEmpty && URL(string: uri) != nil && !uri.contains(" "), "`\(uri)` is no URI")
      guard let region = place["region"] as? [String: Any] else { continue }
      keys(region, required: [], allowed: ["startLine", "startColumn", "endLine", "endColumn"], at: "region")
      let numbers = ["startLine", "startColumn", "endLine", "endColumn"].map { region[$0] as? Int ?? 0 }
      demand(numbers.allSatisfy { $0 >= 1 } && (numbers[0], numbers[1]) <= (numbers[2], numbers[3]), "region \(numbers)")
    }
    for suppression in result["suppressions"] as? [[String: Any]] ?? [] {
      keys(suppression, required: ["kind"], allowed: ["justification"], at: "suppression")
      demand(["inSource", "external"].contains(suppression["kind"] as? String), "kind of a suppression")
    }
  }

  private mutating func message(_ value: Any?, at place: String) {
    let message = value as? [String: Any] ?? [:]
    keys(message, required: ["text"], allowed: [], at: place)
    demand((message["text"] as? String)?.isEmpty == false, "empty text at \(place)")
  }

  private mutating func objects(_ value: Any?, _ place: String) -> [[String: Any]] {
    guard let objects = value as? [[String: Any]] else {
      problems.append("\(place) is no list of objects")
      return []
    }
    return objects
  }

  private mutating func keys(_ object: [String: Any], required: Set<String>, allowed: Set<String>, at place: String) {
    let given = Set(object.keys)
    demand(required.isSubset(of: given), "\(place) lacks \(required.subtracting(given).sorted())")
    demand(given.isSubset(of: required.union(allowed)), "\(place) has \(given.subtracting(required.union(allowed)).sorted())")
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

  @Test func `SARIF has what 2.1.0 demands`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(
        "lint", "--policies", "examples/broken", "--envoy", "examples/broken-envoy/envoy.yaml", "--output", "sarif")
      var check = SARIFCheck()
      check.log(try run.json())
      #expect(run.code == 1 && check.problems.isEmpty, "\(check.problems)")
      let runs = try run.json()["runs"] as? [[String: Any]] ?? []
      let results = runs.first?["results"] as? [[String: Any]] ?? []
      #expect(results.filter { $0["suppressions"] != nil }.count == 2 && results.count > 60, "\(results.count)")
      let empty = try sandbox.portcullis("lint", "--policies", Sandbox.shop, "--output", "sarif")
      var other = SARIFCheck()
      other.log(try empty.json())
      #expect(empty.code == 0 && other.problems.isEmpty && empty.output.contains(#""results":[]"#), "\(other.problems)")
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
