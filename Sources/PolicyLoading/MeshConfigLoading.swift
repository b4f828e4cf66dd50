// The door for the mesh's settings: the bytes of a MeshConfig, or of the ConfigMap that holds one, enter; settings and findings leave.
// No file is opened here, nothing is thrown, and no default is filled in: what the file does not say stays nil.

public import PolicyModel

/// What a MeshConfig says, of the fields that decisions depend on.
public struct LoadedMeshConfig: Sendable, Hashable {
  /// `trustDomain`.
  public var trustDomain: ExactText?
  /// `trustDomainAliases`.
  public var trustDomainAliases: [ExactText]?
  /// The `trustDomains` of all `caCertificates`.
  public var acceptedTrustDomains: [ExactText]?
  /// `rootNamespace`.
  public var rootNamespace: ExactText?
  /// `pathNormalization.normalization`; Istio's `DEFAULT` is `base`.
  public var pathNormalization: MeshSettings.PathNormalization?
  /// `extensionProviders` by name; what is not here does not exist in the mesh.
  public var extensionProviders: [ExactText: ExtensionProvider] = [:]
  /// `enableAutoMtls`.
  public var enablesAutoMTLS: Bool?
  /// `defaultDestinationRuleExportTo`.
  public var destinationRuleExport: [ExactText]?

  /// Settings that say nothing.
  public init() {}
}

/// Reads the settings of a mesh: a MeshConfig of YAML or JSON, or Istio's ConfigMap with one in `data.mesh`.
///
/// All problems of the file are found in one run; with an error there are no settings. O(bytes).
/// - Parameters:
///   - text: the bytes of the file, UTF-8, with or without a byte order mark.
///   - file: the file's name, as diagnostics show it.
///   - limits: how much is read.
public func loadMeshConfig(
  text: [UInt8], file: ExactText, limits: LoadingLimits = LoadingLimits()
) -> (settings: LoadedMeshConfig?, diagnostics: [Diagnostic]) {
  var loader = MeshConfigLoader(file: file, limits: limits)
  let settings = loader.load(text)
  return (settings, loader.diagnostics)
}

/// Reads one file.
struct MeshConfigLoader {
  private let file: ExactText
  private let limits: LoadingLimits
  private var problems: ProblemList
  private var hasErrors = false
  private(set) var diagnostics: [Diagnostic] = []

  init(file: ExactText, limits: LoadingLimits) {
    self.file = file
    self.limits = limits
    problems = ProblemList(file: file, limit: limits.diagnostics)
  }

  mutating func load(_ raw: [UInt8]) -> LoadedMeshConfig? {
    var source: SourceText?
    var settings: LoadedMeshConfig?
    if raw.count > limits.fileBytes {
      add(Problem(message: .fileTooLarge(raw.count, limit: limits.fileBytes), span: .nowhere))
    } else {
      let text = SourceText(raw)
      if text.isWideEncoding {
        add(Problem(message: .wideEncoding(), span: SourceSpan(line: 1, column: 1, endLine: 1, endColumn: 2)))
      } else {
        source = text
        settings = load(text)
      }
    }
    diagnostics = problems.diagnostics(source)
    return hasErrors ? nil : settings
  }

  private mutating func load(_ source: SourceText) -> LoadedMeshConfig? {
    for problem in badByteProblems(source) { add(problem) }
    let document = only(source) { $0 }
    guard let document else {
      if !hasErrors { add(Problem(message: .meshConfigMissing(), span: .nowhere)) }
      return nil
    }
    var reader = NodeReader(document, file: file)
    defer { for problem in reader.takeProblems() { add(problem) } }
    let root = document.root
    guard document[root].kind == .mapping else {
      reader.report(.wrongType("MeshConfig", expected: "a mapping", found: reader.name(of: root), help: nil), at: document[root].span)
      return nil
    }
    // What a cut text lacks would only cause false alarms.
    guard document[root].isClosed else { return nil }
    guard reader.entry(root, "kind") != nil || reader.entry(root, "apiVersion") != nil else { return reader.meshConfig(root) }
    guard let mesh = reader.meshText(root) else { return nil }
    return load(mesh, in: source, reader)
  }

  /// Reads the text of `data.mesh`. In a literal block each problem gets its own place, else the place of the text.
  private mutating func load(_ mesh: Entry, in source: SourceText, _ reader: NodeReader) -> LoadedMeshConfig? {
    let place = reader.span(mesh)
    let aligned = alignedBlock(mesh.value, reader.document, in: source)
    let text = SourceText(aligned ?? Array(reader.document.bytes(mesh.value)))
    func placed(_ problem: Problem) -> Problem {
      aligned != nil && problem.span.line > 0 ? problem : Problem(message: problem.message, span: place)
    }
    // A text without a value leaves all defaults.
    guard let document = only(text, placed) else { return LoadedMeshConfig() }
    var inner = NodeReader(document, file: file)
    defer { for problem in inner.takeProblems() { add(placed(problem)) } }
    guard document[document.root].kind == .mapping else {
      let found = inner.name(of: document.root)
      inner.report(.wrongType("data.mesh", expected: "the text of a mapping", found: found, help: nil), at: document[document.root].span)
      return nil
    }
    return document[document.root].isClosed ? inner.meshConfig(document.root) : nil
  }

  /// The one document with a value; a second one is a problem.
  private mutating func only(_ source: SourceText, _ placed: (Problem) -> Problem) -> Document? {
    var found: Document?
    var reader = DocumentReader(source, limits: limits)
    reader.read { document, textProblems in
      for problem in textProblems { add(placed(problem)) }
      guard document.root.exists, document.type(document.root) != .null else { return }
      if found == nil {
        found = copy document
      } else {
        add(placed(Problem(message: .meshConfigSecond(), span: document.start)))
      }
    }
    return found
  }

  private mutating func add(_ problem: Problem) {
    if problem.message.severity == .error { hasErrors = true }
    problems.add(problem)
  }
}

/// The file with everything but the lines of a literal block made blank, so that what is read from it has its real place; nil when the
/// scalar is no such block, or has lines that mean something else when they are indented.
private func alignedBlock(_ scalar: NodeIndex, _ document: Document, in source: SourceText) -> [UInt8]? {
  let starts = source.lineStarts()
  let headerLine = Int(document[scalar].span.line) - 1
  guard starts.indices.contains(headerLine), document[scalar].kind == .quoted || document[scalar].kind == .plain else { return nil }
  let lines = document.bytes(scalar).split(separator: 0x0A, omittingEmptySubsequences: false)
  let marks = ["---", "...", "%"].map { Array($0.utf8) }
  guard !lines.contains(where: { line in marks.contains { line.starts(with: $0) } }) else { return nil }
  var text = [UInt8](repeating: 0x0A, count: headerLine + 1)
  for (index, line) in lines.enumerated() {
    let number = headerLine + 1 + index
    guard starts.indices.contains(number) else { return index == lines.count - 1 && line.isEmpty ? text : nil }
    let end = starts.indices.contains(number + 1) ? starts[number + 1] : source.bytes.count
    let own = source.bytes[starts[number]..<end].filter { $0 != 0x0D && $0 != 0x0A }
    // The line of the file is the line of the text behind some spaces; otherwise this is no literal block.
    let indentation = own.count - line.count
    if line.isEmpty {
      text.append(0x0A)
      continue
    }
    guard indentation >= 0, own.prefix(indentation).allSatisfy({ $0 == 0x20 }), own.dropFirst(indentation).elementsEqual(line) else {
      return nil
    }
    text += own
    text.append(0x0A)
  }
  return text
}
