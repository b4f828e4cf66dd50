// The door for policy tests: the bytes of a file with `kind: PolicyTest` enter; tests and findings leave.
// No file is opened here, nothing is thrown, and nothing is decided: whether the workload of a case exists is for whoever has the policies.
// Documents of other kinds are left alone, so that a test may stand beside the policies that it is about.

public import PolicyModel

/// One object of `kind: PolicyTest`.
public struct PolicyTest: Sendable {
  /// `metadata.name`.
  public var name: ExactText
  /// `spec.cases`, at least one.
  public var cases: [PolicyTestCase]
  /// Where the name is written.
  public var location: SourceLocation
}

/// One question and the answer that it must get.
public struct PolicyTestCase: Sendable {
  /// What a case expects.
  public enum Expectation: String, Sendable, CaseIterable {
    case allow, deny, undecided
  }

  /// What the case is called in reports; no two of one test are called the same.
  public var name: Located<ExactText>?
  /// Who calls, as `check --from` takes it.
  public var from: Located<ExactText>?
  /// The workload that is called.
  public var to: Located<ExactText>?
  /// The request in the shape of docs/request-json.md, of which only the names of its fields are checked here.
  public var request: Located<PlainValue>?
  /// The answer.
  public var expectation: Located<Expectation>
  /// The policy or rule that must have decided.
  public var by: Located<ExactText>?
  /// Where the case begins.
  public var span: SourceSpan
}

/// A value of a file as it was written, and where its parts stand.
public indirect enum PlainValue: Sendable {
  case null
  case bool(Bool)
  /// The digits as written.
  case number(ExactText)
  case text(ExactText)
  case list([Located<PlainValue>])
  /// Names and values in the order of the text.
  case mapping([(name: Located<ExactText>, value: Located<PlainValue>)])
}

/// Reads the policy tests of a file.
///
/// All problems of the file are found in one run; a test with an error is left out, so tests are to be used only when there is none. A file
/// without a test is an error. O(bytes).
/// - Parameters:
///   - text: the bytes of the file, UTF-8, with or without a byte order mark.
///   - file: the file's name, as diagnostics show it.
///   - limits: how much is read.
public func loadPolicyTests(
  text: [UInt8], file: ExactText, limits: LoadingLimits = LoadingLimits()
) -> (tests: [PolicyTest], diagnostics: [Diagnostic]) {
  var loader = PolicyTestLoader(file: file, limits: limits)
  loader.load(text)
  return (loader.tests, loader.diagnostics)
}

/// Findings about the cases of a file, made where more is known than the file says, in the form of all others.
///
/// - Parameters:
///   - problems: what is wrong, lower-case start, no final period; where; what to write instead.
///   - text: the bytes of the file.
///   - file: its name, as diagnostics show it.
public func policyTestDiagnostics(
  _ problems: [(problem: String, help: String?, span: SourceSpan)], text: [UInt8], file: ExactText
) -> [Diagnostic] {
  var list = ProblemList(file: file, limit: LoadingLimits().diagnostics)
  for problem in problems {
    list.add(Problem(message: .testCaseInvalid(problem.problem, help: problem.help), span: problem.span))
  }
  return list.diagnostics(SourceText(text))
}

/// Reads one file.
private struct PolicyTestLoader {
  private let file: ExactText
  private let limits: LoadingLimits
  private var problems: ProblemList
  private var hasErrors = false
  private(set) var tests: [PolicyTest] = []
  private(set) var diagnostics: [Diagnostic] = []

  private static let group: ExactText = "portcullis.dev"
  private static let kind: ExactText = "PolicyTest"

  init(file: ExactText, limits: LoadingLimits) {
    self.file = file
    self.limits = limits
    problems = ProblemList(file: file, limit: limits.diagnostics)
  }

  mutating func load(_ raw: [UInt8]) {
    var source: SourceText?
    if raw.count > limits.fileBytes {
      add(Problem(message: .fileTooLarge(raw.count, limit: limits.fileBytes), span: .nowhere))
    } else {
      let text = SourceText(raw)
      if text.isWideEncoding {
        add(Problem(message: .wideEncoding(), span: SourceSpan(line: 1, column: 1, endLine: 1, endColumn: 2)))
      } else {
        source = text
        load(text)
      }
    }
    diagnostics = problems.diagnostics(source)
  }

  private mutating func load(_ source: SourceText) {
    for problem in badByteProblems(source) { add(problem) }
    var documents: [Document] = []
    var reader = DocumentReader(source, limits: limits)
    reader.read { document, found in
      for problem in found { add(problem) }
      let isBroken = found.contains { $0.message.severity == .error }
      guard !isBroken, document.root.exists, document.type(document.root) != .null else { return }
      documents.append(copy document)
    }
    var isAnyMeant = false
    for document in documents {
      var reader = NodeReader(document, file: file, limit: limits.diagnostics)
      if let test = test(&reader, &isAnyMeant) { tests.append(test) }
      for problem in reader.takeProblems() { add(problem) }
      problems.addHidden(of: reader)
    }
    if !isAnyMeant, !hasErrors { add(Problem(message: .testMissing(), span: .nowhere)) }
  }

  /// The test that a document is; `isMeant` becomes true when it is or should be one.
  private func test(_ reader: inout NodeReader, _ isMeant: inout Bool) -> PolicyTest? {
    let root = reader.document.root
    let place = reader.document[root].span
    guard reader.document[root].kind == .mapping else {
      reader.report(.documentNotObject(reader.name(of: root)), at: place)
      return nil
    }
    // What a cut text lacks would only cause false alarms; its own problem was reported.
    guard reader.document[root].isClosed else { return nil }
    let header = ObjectHeader(reader, root)
    guard let group = header.group, let kind = header.kind else {
      let field = header.kind == nil ? "kind" : "apiVersion"
      reader.report(
        .fieldRequired(field, in: "the object", help: "a test begins with `apiVersion: portcullis.dev/v1` and `kind: PolicyTest`"),
        at: place)
      return nil
    }
    let near = suggestion(for: kind.string, among: [Self.kind.string])
    guard group == Self.group || near != nil else { return nil }
    isMeant = true
    let (versionPlace, kindPlace) = (reader.entry(root, "apiVersion").map(reader.span), reader.entry(root, "kind").map(reader.span))
    guard group == Self.group else {
      reader.report(.groupUnknown(group.string, kind: kind.string, suggestion: Self.group.string), at: versionPlace ?? place)
      return nil
    }
    guard kind == Self.kind else {
      reader.report(.kindUnknown(kind.string, group: group.string, suggestion: near ?? Self.kind.string), at: kindPlace ?? place)
      return nil
    }
    guard header.version == "v1" else {
      let version = "\(group)/\(header.version ?? "")"
      reader.report(.versionUnknown(version, kind: kind.string, known: "\(Self.group)/v1"), at: versionPlace ?? place)
      return nil
    }
    return reader.policyTest(root)
  }

  private mutating func add(_ problem: Problem) {
    if problem.message.severity == .error { hasErrors = true }
    problems.add(problem)
  }
}
