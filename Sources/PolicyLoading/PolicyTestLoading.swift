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
  var loader = OwnKindLoader<PolicyTest>(kind: "PolicyTest", missing: .testMissing(), file: file, limits: limits) { reader, root in
    reader.policyTest(root)
  }
  loader.load(text)
  return (loader.objects, loader.diagnostics)
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
