// A comparison for people, for programs and for a pull request.
// Enters: a report. Leaves: text, JSON (docs/schemas/diff.json), Markdown. Never here: a region that the report does not hold.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct DiffText {
  let report: ChangeReport
  let before: DiffSide
  let after: DiffSide

  private func workloads(_ change: WorkloadChange) -> String {
    let names = change.workloads
    if names.count < 5 { return names.joined(separator: ", ") }
    return "\(names[0]), \(names[1]) and \(names.count - 2) more" + (change.destination.isOfInventory ? " with the same policies" : "")
  }

  private func words(_ region: ChangedRegion) -> [(String, String)] {
    region.words.isEmpty
      ? [("any", region.witness.isTCP ? "connection" : "request")]
      : region.words.map { (Printable.text($0.field), Printable.text($0.text)) }
  }

  private func finding(_ finding: SideFinding, _ side: DiffSide) -> String {
    var text = "\(finding.verdict.name)  \(finding.reason.code)"
    if let rule = finding.rule { text += "  \(Printable.text(rule.string))" }
    if let place = side.shown(finding.location) { text += "  \(Printable.text(place))" }
    return text
  }

  private var summary: [String] {
    var lines: [String] = []
    let regions = report.changes.reduce(0) { $0 + $1.regions.count }
    let stands = report.standInCount > 0
    if report.changes.isEmpty {
      let more =
        stands ? " and \(report.standInCount) kind\(report.standInCount == 1 ? "" : "s") of workloads that the files do not hold" : ""
      lines.append("no request to the \(report.workloadCount) compared workloads\(more) is decided differently")
    } else {
      var places = report.workloadCount == 0 && stands ? [] : ["\(report.differingCount) of \(report.workloadCount) workloads"]
      if stands {
        places.append(
          "\(report.differingStandInCount) of \(report.standInCount) kind\(report.standInCount == 1 ? "" : "s") of workloads that the files do not hold"
        )
      }
      lines.append("\(regions) region\(regions == 1 ? "" : "s") changed, of \(places.joined(separator: " and of "))")
    }
    for note in report.notes { lines.append("note: \(Printable.text(note))") }
    for gap in report.incompleteness { lines.append("not complete: \(Printable.text(gap))") }
    return lines
  }

  var text: String {
    var lines: [String] = []
    for change in report.changes {
      lines.append("\(change.headline)  \(Printable.text(workloads(change)))  \(change.isTCP ? "TCP" : "HTTP")")
      for region in change.regions {
        for (field, text) in words(region) { lines.append("  \(field.padded(10))  \(text)") }
        lines.append("    before    \(finding(region.before, before))")
        lines.append("    after     \(finding(region.after, after))")
        lines.append("    such as   \(WitnessJSON.text(region.witness, change.destination).text)")
      }
      lines.append("")
    }
    return (lines + summary).joined(separator: "\n")
  }

  var markdown: String {
    var lines = ["## Policy changes", ""]
    for line in summary { lines.append("- \(Self.escaped(line))") }
    for change in report.changes {
      lines += ["", "### \(change.headline): \(Self.escaped(workloads(change))) (\(change.isTCP ? "TCP" : "HTTP"))", ""]
      lines += ["| requests | before | after |", "| --- | --- | --- |"]
      for region in change.regions {
        let sentence = words(region).map { "\($0.0) \($0.1)" }.joined(separator: "; ")
        let sides = [finding(region.before, before), finding(region.after, after)].map(Self.escaped)
        lines.append("| \(Self.escaped(sentence)) | \(sides[0]) | \(sides[1]) |")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Nothing of a policy becomes markup.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      if "\\`*_{}[]<>()#|!&".contains(character) { result.append("\\") }
      result.append(character)
    }
    return result
  }

  var json: JSONValue {
    [
      "before": .text(before.name), "after": .text(after.name), "complete": .bool(report.incompleteness.isEmpty),
      "not_complete": .list(report.incompleteness.map { .text($0) }), "workloads": .count(report.workloadCount),
      "notes": .list(report.notes.map { .text($0) }),
      "changed_workloads": .count(report.differingCount), "unattached": .list(report.unattached.map { .text($0.description) }),
      "changes": .list(
        report.changes.map { change in
          [
            "change": .text(change.headline), "newly_allowed": .bool(change.isNewlyAllowed), "from": .text("\(change.from.name)"),
            "to": .text("\(change.to.name)"), "chain": .text(change.isTCP ? "tcp" : "http"),
            "workloads": .list(change.workloads.map { .text($0) }),
            "regions": .list(
              change.regions.map { region in
                [
                  "fields": .list(
                    region.words.map { words in
                      [
                        "field": .text(words.field), "any": .list(words.any.map { .text($0) }),
                        "except": .list(words.except.map { .text($0) }),
                      ]
                    }), "before": json(region.before, before), "after": json(region.after, after),
                  "witness": WitnessJSON.text(region.witness, change.destination),
                ]
              }),
          ]
        }),
    ]
  }

  private func json(_ finding: SideFinding, _ side: DiffSide) -> JSONValue {
    [
      "decision": .text("\(finding.verdict.name)"), "reason": .text("\(finding.reason.code)"),
      "policy": .text(finding.rule?.string ?? "none"), "at": .optional(side.shown(finding.location).map { .text($0) }),
    ]
  }
}

extension String {
  fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}
