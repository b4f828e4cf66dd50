// From problems to diagnostics: sorted by place, cut at a limit, each with its line. Problems and the text enter; diagnostics leave.
// Nothing here knows what the problems are about.

internal import PolicyModel

/// The problems of one file, bounded in number.
struct ProblemList {
  private let file: ExactText
  private var problems: BoundedProblems

  init(file: ExactText, limit: Int) {
    self.file = file
    problems = BoundedProblems(limit: limit)
  }

  /// Whether a further problem would only be counted.
  var isFull: Bool { problems.isFull }

  mutating func add(_ problem: Problem) { problems.add(problem) }

  /// Counts problems that nobody wrote down.
  mutating func addHidden(_ count: Int) { problems.addHidden(count) }

  /// Takes over from an object's reader what it counted and did not keep.
  mutating func addHidden(of reader: NodeReader) {
    problems.addHidden(reader.hidden)
    if reader.isCut { problems.cut() }
  }

  /// The findings in the order of the text. `source` is the text, if there was one to show.
  func diagnostics(_ source: SourceText?) -> [Diagnostic] {
    guard !problems.isEmpty else { return [] }
    let starts = source?.lineStarts() ?? []
    let order = problems.kept.enumerated().sorted {
      let (left, right) = ($0.element.span, $1.element.span)
      return (left.line, left.column, $0.offset) < (right.line, right.column, $1.offset)
    }
    var found = order.map { _, problem in
      let line = Int(problem.span.line) - 1
      let isKnown = starts.indices.contains(line)
      return diagnostic(problem, line: isKnown ? source?.line(from: starts[line], markedAt: problem.span.column) : nil)
    }
    if problems.hidden > 0 || problems.isCut {
      found.append(diagnostic(Problem(message: .tooManyProblems(problems.hidden), span: .nowhere), line: nil))
    }
    return found
  }

  private func diagnostic(_ problem: Problem, line: String?) -> Diagnostic {
    Diagnostic(
      problem.message.severity, code: problem.message.code.rawValue, problem.message.text,
      at: SourceLocation(file: file, span: problem.span), help: problem.message.help, sourceLine: line)
  }
}

/// A problem for each stretch of a text that is not UTF-8 or a control character, in order.
func badByteProblems(_ source: SourceText) -> [Problem] {
  guard !source.bad.isEmpty else { return [] }
  let starts = source.lineStarts()
  var line = 0
  return source.bad.map { bad in
    while line + 1 < starts.count, starts[line + 1] <= bad.offset { line += 1 }
    let column = UInt32(clamping: source.codePoints(from: starts[line], to: bad.offset) + 1)
    let number = UInt32(clamping: line + 1)
    let span = SourceSpan(line: number, column: column, endLine: number, endColumn: column + 1)
    return Problem(message: bad.control.map { .controlCharacter($0) } ?? .invalidUTF8(bad.hex), span: span)
  }
}
