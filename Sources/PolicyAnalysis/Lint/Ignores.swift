// Comments that accept a finding: `# portcullis:ignore CODE reason`.
// Enters: findings of all kinds, and the text of the files. Leaves: the findings that stay, those that are accepted and why, and a finding
// for each comment that accepts nothing. Never here: an error of loading that is accepted; the object would stay unusable all the same.
//
// A comment behind a value is about its line; one on lines of its own about the next line that is no comment; one before the first key of a
// document about the whole document. A text is not parsed for this: who hands it over says where its scalars are, and what stands in one is
// no comment.

public import PolicyModel

/// The findings of a run.
public struct LintResult: Sendable {
  /// What stays, by file, line and column.
  public var findings: [Diagnostic] = []
  /// What a comment accepts, and why.
  public var ignored: [Ignored] = []

  /// A finding that a comment accepts.
  public struct Ignored: Sendable {
    /// The finding.
    public let diagnostic: Diagnostic
    /// The comment's reason.
    public let reason: String
  }
}

/// The lines of a file.
public struct LintText: Sendable {
  /// Each line without its break.
  let lines: [ArraySlice<UInt8>]
  /// Where scalars and keys are written, in the order of the text.
  private let scalars: [SourceSpan]

  /// Whether a text may hold a comment that accepts something. O(bytes).
  package static func mayIgnore(_ text: [UInt8]) -> Bool { text.contains(Array(IgnoreComment.mark.utf8)) }

  /// Splits a text at LF, CR LF and CR. O(bytes).
  public init(_ text: [UInt8]) { self.init(text, trees: []) }

  /// Splits a text at LF, CR LF and CR. `trees` are its documents: what stands in one of their scalars is no comment. O(bytes, n log n).
  package init(_ text: [UInt8], trees: [TextNode]) {
    scalars = trees.flatMap(\.scalarSpans).sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    var index = 0
    while index < text.count {
      if text[index] == 0x0A || text[index] == 0x0D {
        lines.append(text[start..<index])
        if text[index] == 0x0D, index + 1 < text.count, text[index + 1] == 0x0A { index += 1 }
        start = index + 1
      }
      index += 1
    }
    lines.append(text[start...])
    self.lines = lines
  }

  /// Whether a `#` belongs to a scalar. Behind the sign of a block scalar a comment may stand.
  fileprivate func isInScalar(line number: UInt32, column: UInt32, before: ArraySlice<UInt8>) -> Bool {
    var (low, high) = (0, scalars.count)
    while low < high {
      let middle = (low + high) / 2
      if (scalars[middle].line, scalars[middle].column) <= (number, column) { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return false }
    let span = scalars[low - 1]
    guard (number, column) < (span.endLine, span.endColumn) else { return false }
    if span.line < number { return true }
    let scalar = String(decoding: before, as: UTF8.self).unicodeScalars.dropFirst(Int(span.column) - 1)
    let words = String(String.UnicodeScalarView(scalar)).split(whereSeparator: { $0 == " " || $0 == "\t" })
    let first = words.first { !$0.hasPrefix("!") && !$0.hasPrefix("&") }
    return !(first.map { $0.hasPrefix("|") || $0.hasPrefix(">") } ?? false)
  }

  /// The text of a line, from 1, if it is there and short enough to be shown.
  public func line(_ number: UInt32) -> String? {
    guard number > 0, Int(number) <= lines.count, lines[Int(number) - 1].count <= 500 else { return nil }
    return String(validating: lines[Int(number) - 1], as: UTF8.self)
  }
}

/// Sorts findings by what the comments of their files accept. O(lines + findings).
public func applyIgnores(_ diagnostics: [Diagnostic], loading: [Diagnostic], texts: [ExactText: LintText]) -> LintResult {
  var result = LintResult()
  var comments: [ExactText: [IgnoreComment]] = [:]
  for (file, text) in texts { comments[file] = IgnoreComment.all(in: text) }
  func sort(_ diagnostic: Diagnostic, isLoading: Bool) {
    let isSilent = !(isLoading && diagnostic.severity == .error)
    let file = diagnostic.location.file
    let place = comments[file]?.firstIndex { $0.accepts(diagnostic) }
    guard isSilent, let place, let comment = comments[file]?[place], let reason = comment.reason else {
      result.findings.append(diagnostic)
      return
    }
    comments[file]?[place].isUsed = true
    result.ignored.append(LintResult.Ignored(diagnostic: diagnostic, reason: reason))
  }
  for diagnostic in loading { sort(diagnostic, isLoading: true) }
  for diagnostic in diagnostics { sort(diagnostic, isLoading: false) }
  var report = LintReport()
  for (file, all) in comments {
    for comment in all { comment.judge(at: file, &report) }
  }
  result.findings += report.findings.map { $0.diagnostic(sourceLine: texts[$0.location.file]?.line($0.location.span.line)) }
  result.findings.sort(by: Diagnostic.isBefore)
  result.ignored.sort { Diagnostic.isBefore($0.diagnostic, $1.diagnostic) }
  return result
}

extension Diagnostic {
  /// By file, line and column, then code.
  fileprivate static func isBefore(_ left: Diagnostic, _ right: Diagnostic) -> Bool {
    let (one, other) = (left.location, right.location)
    if one.file != other.file { return one.file < other.file }
    return (one.span.line, one.span.column, left.code) < (other.span.line, other.span.column, right.code)
  }
}

extension TextNode {
  /// Where keys and scalars are written. The reader bounds the depth.
  fileprivate var scalarSpans: [SourceSpan] {
    switch content {
    case .null, .bool: []
    case .scalar: [span]
    case .list(let items): items.flatMap(\.scalarSpans)
    case .mapping(let entries): entries.flatMap { [$0.key.span] + $0.value.scalarSpans }
    }
  }
}

/// One comment.
private struct IgnoreComment {
  /// The code as written; empty when there is none.
  let code: String
  /// Why; nil when the comment does not say it.
  let reason: String?
  let span: SourceSpan
  /// The lines it is about.
  let lines: ClosedRange<UInt32>
  var isUsed = false

  static let mark = "portcullis:ignore"

  /// What can be ignored.
  private static let known = Set(LintCode.allCases.map(\.rawValue) + DiagnosticCode.allCases.map(\.rawValue))

  func accepts(_ diagnostic: Diagnostic) -> Bool {
    reason != nil && diagnostic.code.utf8.elementsEqual(code.utf8) && lines.contains(max(diagnostic.location.span.line, 1))
  }

  func judge(at file: ExactText, _ report: inout LintReport) {
    let place = SourceLocation(file: file, span: span)
    guard Self.known.contains(code) else {
      let near = suggestion(for: code, among: Self.known.sorted())
      return report.add(
        .ignoreInvalid, at: place, code.isEmpty ? "this comment names no code" : "\(Message.quoted(code)) is no code",
        help: near.map { "did you mean `\($0)`?" } ?? "write `# \(Self.mark) CODE reason`")
    }
    if reason == nil {
      return report.add(.ignoreWithoutReason, at: place, "this comment does not say why `\(code)` is accepted, so it accepts nothing")
    }
    if isUsed { return }
    let isError = DiagnosticCode(rawValue: code)?.severity == .error
    report.add(
      .ignoreUnused, at: place,
      isError ? "`\(code)` is an error of loading, which cannot be ignored" : "this comment accepts nothing: there is no `\(code)` here")
  }

  /// The comments of a text.
  static func all(in text: LintText) -> [IgnoreComment] {
    var found: [IgnoreComment] = []
    // Where the document began, and whether one of its keys was seen.
    var isInHead = true
    for (index, line) in text.lines.enumerated() {
      if isMarker(line) {
        isInHead = true
        continue
      }
      let start = line.firstIndex { $0 != 0x20 && $0 != 0x09 }
      let isComment = start.map { line[$0] == UInt8(ascii: "#") } ?? true
      let number = UInt32(index + 1)
      if let place = commentStart(line, number, text) {
        let lines: ClosedRange<UInt32> =
          if !isComment { number...number } else if isInHead { number...documentEnd(text, from: index) } else {
            nextLine(text, from: index)
          }
        found.append(comment(line, at: place, number: number, lines: lines))
      }
      if !isComment { isInHead = false }
    }
    return found
  }

  private static func comment(_ line: ArraySlice<UInt8>, at start: Int, number: UInt32, lines: ClosedRange<UInt32>) -> IgnoreComment {
    let words = String(decoding: line[start...].drop { $0 != UInt8(ascii: ":") }, as: UTF8.self).dropFirst(":ignore".count)
    let parts = words.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
    let reason = parts.count > 1 ? parts[1].drop { $0 == " " || $0 == "-" || $0 == ":" } : ""
    let column = column(line, start)
    let width = UInt32(String(decoding: line[start...], as: UTF8.self).unicodeScalars.count)
    return IgnoreComment(
      code: parts.first.map(String.init) ?? "", reason: reason.isEmpty ? nil : String(reason),
      span: SourceSpan(line: number, column: column, endLine: number, endColumn: column + width), lines: lines)
  }

  /// The column of a byte of a line.
  private static func column(_ line: ArraySlice<UInt8>, _ place: Int) -> UInt32 {
    UInt32(String(decoding: line[line.startIndex..<place], as: UTF8.self).unicodeScalars.count + 1)
  }

  /// Where a comment with the mark begins in a line.
  private static func commentStart(_ line: ArraySlice<UInt8>, _ number: UInt32, _ text: LintText) -> Int? {
    // Most lines have no such sign.
    var index = line.startIndex
    while let hash = line[index...].firstIndex(of: UInt8(ascii: "#")) {
      let isStart = hash == line.startIndex || line[hash - 1] == 0x20 || line[hash - 1] == 0x09
      let rest = line[(hash + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
      if isStart, rest.starts(with: mark.utf8) {
        let behind = rest.dropFirst(mark.utf8.count).first
        let isWord = behind == nil || behind == 0x20 || behind == 0x09
        if isWord, !text.isInScalar(line: number, column: column(line, hash), before: line[line.startIndex..<hash]) { return hash }
      }
      index = hash + 1
    }
    return nil
  }

  private static func isMarker(_ line: ArraySlice<UInt8>) -> Bool {
    line.starts(with: "---".utf8) && (line.count == 3 || line[line.startIndex + 3] == 0x20 || line[line.startIndex + 3] == 0x09)
  }

  private static func documentEnd(_ text: LintText, from index: Int) -> UInt32 {
    let end = text.lines[(index + 1)...].firstIndex(where: isMarker) ?? text.lines.count
    return UInt32(end)
  }

  private static func nextLine(_ text: LintText, from index: Int) -> ClosedRange<UInt32> {
    let next = text.lines[(index + 1)...].firstIndex { line in
      line.first { $0 != 0x20 && $0 != 0x09 }.map { $0 != UInt8(ascii: "#") } ?? false
    }
    let number = UInt32((next ?? index) + 1)
    return number...number
  }
}
