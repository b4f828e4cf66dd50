// Files with objects of our own kinds (PolicyTest, Invariant). Bytes enter; objects and findings leave.
// Documents of other kinds are left alone, so that ours may stand beside the policies that they are about. No file is opened here.

internal import PolicyModel

/// Reads the objects of one kind of a file.
struct OwnKindLoader<Object> {
  private let kind: ExactText
  private let missing: Message
  private let decode: (inout NodeReader, NodeIndex) -> Object?
  private let file: ExactText
  private let limits: LoadingLimits
  private var problems: ProblemList
  private var hasErrors = false
  private(set) var objects: [Object] = []
  private(set) var diagnostics: [Diagnostic] = []

  private static var group: ExactText { "portcullis.dev" }
  private static var kinds: [ExactText] { ["PolicyTest", "Invariant"] }

  /// - Parameters:
  ///   - missing: what is wrong with a file that holds none.
  ///   - decode: reads one of the kind; nil when it has an error.
  init(
    kind: ExactText, missing: Message, file: ExactText, limits: LoadingLimits, decode: @escaping (inout NodeReader, NodeIndex) -> Object?
  ) {
    self.kind = kind
    self.missing = missing
    self.decode = decode
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
      if let object = object(&reader, &isAnyMeant) { objects.append(object) }
      for problem in reader.takeProblems() { add(problem) }
      problems.addHidden(of: reader)
    }
    if !isAnyMeant, !hasErrors { add(Problem(message: missing, span: .nowhere)) }
  }

  /// The object that a document is; `isMeant` becomes true when it is or should be one.
  private func object(_ reader: inout NodeReader, _ isMeant: inout Bool) -> Object? {
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
        .fieldRequired(field, in: "the object", help: "write `apiVersion: \(Self.group)/v1` and `kind: \(self.kind)`"),
        at: place)
      return nil
    }
    let near = suggestion(for: kind.string, among: [self.kind.string])
    // Of the other kinds of ours each has a reader of its own.
    guard group == Self.group || near != nil, !Self.kinds.contains(kind) || kind == self.kind else { return nil }
    isMeant = true
    let (versionPlace, kindPlace) = (reader.entry(root, "apiVersion").map(reader.span), reader.entry(root, "kind").map(reader.span))
    guard group == Self.group else {
      reader.report(.groupUnknown(group.string, kind: kind.string, suggestion: Self.group.string), at: versionPlace ?? place)
      return nil
    }
    guard kind == self.kind else {
      reader.report(.kindUnknown(kind.string, group: group.string, suggestion: near ?? self.kind.string), at: kindPlace ?? place)
      return nil
    }
    guard header.version == "v1" else {
      let version = "\(group)/\(header.version ?? "")"
      reader.report(.versionUnknown(version, kind: kind.string, known: "\(Self.group)/v1"), at: versionPlace ?? place)
      return nil
    }
    return decode(&reader, root)
  }

  private mutating func add(_ problem: Problem) {
    if problem.message.severity == .error { hasErrors = true }
    problems.add(problem)
  }
}
