// One file from bytes to objects: reads its documents, unwraps lists, sends each object to its decoder, and sorts what comes out into
// usable and broken. Every error leaves with a broken object beside it, so that no problem can vanish with its object.

internal import PolicyModel

/// Collects what one file holds.
struct FileLoader {
  private let file: ExactText
  private let limits: LoadingLimits
  private let isLenient: Bool
  private(set) var result = LoadedFile()
  private var problems: ProblemList
  private var keyless = 0
  /// Where each key was first defined: its index in `result.objects`, nil once it is broken.
  private var seen: [ObjectKey: (object: Int?, span: SourceSpan)] = [:]
  private var removed: Set<Int> = []

  init(file: ExactText, limits: LoadingLimits, isLenient: Bool) {
    self.file = file
    self.limits = limits
    self.isLenient = isLenient
    problems = ProblemList(file: file, limit: limits.diagnostics)
  }

  /// Reads all of `raw`.
  mutating func load(_ raw: [UInt8]) {
    guard raw.count <= limits.fileBytes else {
      let limit = limits.fileBytes
      breakFile(.fileTooLarge(raw.count, limit: limit), at: .nowhere)
      return finish(nil)
    }
    let source = SourceText(raw)
    if source.isWideEncoding {
      breakFile(.wideEncoding(), at: SourceSpan(line: 1, column: 1, endLine: 1, endColumn: 2))
      return finish(nil)
    }
    var bad = badByteProblems(source)[...]
    var reader = DocumentReader(source, limits: limits)
    reader.read { document, textProblems in
      // Replaced bytes in front of a document belong to it as well: a comment there is part of it for its writer.
      let own = bad.prefix { $0.span.line <= document.endLine }
      bad = bad.dropFirst(own.count)
      load(document, textProblems, badBytes: Array(own))
    }
    for problem in bad { breakFile(problem.message, at: problem.span) }
    finish(source)
  }

  private mutating func load(_ document: borrowing Document, _ textProblems: [Problem], badBytes: [Problem]) {
    var reader = NodeReader(copy document, file: file, limit: limits.diagnostics, isLenient: isLenient)
    let all = (textProblems + badBytes).sorted { ($0.span.line, $0.span.column) < ($1.span.line, $1.span.column) }
    let root = document.root
    guard root.exists, !(document.type(root) == .null && all.isEmpty) else {
      for problem in all { breakFile(problem.message, at: problem.span) }
      return
    }
    guard document[root].kind == .mapping else {
      for problem in all { breakFile(problem.message, at: problem.span) }
      if !document.isTruncated { breakFile(.documentNotObject(reader.name(of: root)), at: document[root].span) }
      return
    }
    loadObject(root, &reader, all, mustReport: document.isTruncated || !badBytes.isEmpty)
    problems.addHidden(of: reader)
  }

  /// Loads one object, or the items of a list. `textProblems` are those of its text; they are dropped for kinds that mean nothing here,
  /// unless `mustReport`.
  private mutating func loadObject(_ node: NodeIndex, _ reader: inout NodeReader, _ textProblems: [Problem], mustReport: Bool) {
    reader.runTime = nil
    let header = ObjectHeader(reader, node)
    guard let group = header.group, let version = header.version, let kind = header.kind else {
      if isSaturated, header.kind == nil || header.name == nil { return countBroken() }
      if textProblems.isEmpty || !mustReport { reportMissingType(header, node, &reader) }
      return breakObject(header, node, textProblems + reader.takeProblems(), reader)
    }
    let items = reader.entry(node, "items").flatMap { reader.document[$0.value].kind == .sequence ? $0.value : nil }
    let objectKind = ObjectKind(group: group, version: version, kind: kind, hasItems: items != nil)
    if case .list = objectKind, let items { return loadItems(items, &reader, textProblems, mustReport: mustReport) }
    var isUnrelated = false
    if case .unrelated = objectKind { isUnrelated = true }
    if mustReport || (!textProblems.isEmpty && !isUnrelated) {
      // What the text lacks would only cause false alarms.
      if reader.document[node].isClosed { _ = decode(node, objectKind, header, &reader) }
      let found = textProblems + reader.takeProblems()
      let isBroken = found.contains { $0.message.severity == .error }
      if isBroken { return breakObject(objectKind.certain(header), node, found, reader) }
    }
    switch objectKind {
    case .unrelated: result.skipped[kind, default: 0] += 1
    default:
      let object = decode(node, objectKind, header, &reader)
      let found = reader.takeProblems()
      guard let object else { return breakObject(objectKind.certain(header), node, found, reader) }
      for problem in found { add(problem) }
      keep(object, header, node, reader)
    }
  }

  private mutating func reportMissingType(_ header: ObjectHeader, _ node: NodeIndex, _ reader: inout NodeReader) {
    for field in ["apiVersion", "kind"] where field == "kind" ? header.kind == nil : header.group == nil {
      let key: StaticString = field == "kind" ? "kind" : "apiVersion"
      if let entry = reader.entry(node, key), reader.document.type(entry.value) != .string {
        _ = reader.string(entry, path: field)
      } else if let entry = reader.entry(node, key), !reader.document.bytes(entry.value).isEmpty {
        // Written twice; the text's problems say so.
        continue
      } else {
        reader.report(
          .fieldRequired(field, in: "the object", help: "a Kubernetes object begins with `apiVersion:` and `kind:`"),
          at: reader.document[reader.document[node].firstChild.exists ? reader.document[node].firstChild : node].span)
      }
    }
  }

  private func decode(_ node: NodeIndex, _ kind: ObjectKind, _ header: ObjectHeader, _ reader: inout NodeReader) -> LoadedObject? {
    switch kind {
    case .authorizationPolicy: reader.authorizationPolicy(node, header: header).map { .policy($0) }
    case .peerAuthentication: reader.peerAuthentication(node, header: header).map { .peerAuthentication($0) }
    case .requestAuthentication: reader.requestAuthentication(node, header: header).map { .requestAuthentication($0) }
    case .destinationRule: reader.destinationRule(node, header: header).map { .destinationRule($0) }
    case .pod, .podTemplate, .cronJob, .workloadEntry, .workloadGroup:
      reader.workload(node, kind: kind, header: header).map { .workload($0) }
    case .inventory: reader.inventoryObject(node, header: header).map { .inventory($0) }
    case .unrelated, .list: nil
    case .refused(let message): refuse(message, node, &reader)
    }
  }

  private func refuse(_ message: Message, _ node: NodeIndex, _ reader: inout NodeReader) -> LoadedObject? {
    let version = reader.document.entry(node, "apiVersion")
    let place = message.code == .versionUnknown ? version.map(reader.span) : nil
    reader.report(message, at: place ?? reader.kindSpan(node))
    return nil
  }

  /// Loads each item with the problems of its text; what belongs to none breaks the list.
  private mutating func loadItems(_ list: NodeIndex, _ reader: inout NodeReader, _ textProblems: [Problem], mustReport: Bool) {
    var rest = textProblems[...]
    for item in reader.items(list) {
      let node = reader.document[item]
      let lastLine = node.isClosed ? node.span.endLine : .max
      var own: [Problem] = []
      if !rest.isEmpty, reader.document[list].isFlow || node.isFlow {
        // Several items may share a line.
        let end = (lastLine, node.isClosed ? node.span.endColumn : .max)
        own = rest.prefix { ($0.span.line, $0.span.column) <= end }.map { $0 }
      } else {
        own = rest.prefix { $0.span.line <= lastLine }.map { $0 }
      }
      rest = rest.dropFirst(own.count)
      if node.kind != .mapping {
        breakFile(
          reader.isNull(item)
            ? .entryNull("items") : .wrongType("items", expected: "a list of objects", found: reader.name(of: item), help: nil),
          at: node.span)
        for problem in own { breakFile(problem.message, at: problem.span) }
        continue
      }
      loadObject(item, &reader, own, mustReport: !node.isClosed || own.contains { $0.message.code == .encodingInvalid })
      // An item that is cut off hides the ones behind it.
      if !node.isClosed { breakSilently(at: node.span, reason: own.first) }
    }
    for problem in rest { breakFile(problem.message, at: problem.span) }
  }

  // MARK: Results

  private mutating func keep(_ object: LoadedObject, _ header: ObjectHeader, _ node: NodeIndex, _ reader: NodeReader) {
    let key = object.key
    let span = object.metadata.location.span
    guard let first = seen[key] else {
      seen[key] = (result.objects.count, span)
      result.objects.append(object)
      return
    }
    // Neither of the two can be told to be the meant one.
    if let index = first.object {
      removed.insert(index)
      seen[key] = (nil, first.span)
    }
    let place = SourceLocation(file: file, span: first.span).description
    breakObject(header, node, [Problem(message: .duplicateObject(key.description, first: place), span: span)], reader)
  }

  private mutating func breakObject(_ header: ObjectHeader, _ node: NodeIndex, _ found: [Problem], _ reader: NodeReader) {
    for problem in found { add(problem) }
    let reason = found.first { $0.message.severity == .error }?.message.text ?? "the object cannot be used"
    let isPolicy = header.group == ObjectKind.securityGroup
    let broken = BrokenObject(
      group: header.group, kind: header.keyKind, namespace: header.namespace, name: header.name,
      selector: isPolicy ? reader.certainSelector(node) : nil, location: SourceLocation(file: file, span: header.span),
      reason: Diagnostic.escaped(reason))
    appendBroken(broken)
  }

  /// Something in the file is broken and nobody knows which object it would be.
  private mutating func breakFile(_ message: @autoclosure () -> Message, at span: SourceSpan) {
    if isSaturated { return countBroken() }
    let message = message()
    add(Problem(message: message, span: span))
    breakSilently(at: span, reason: Problem(message: message, span: span))
  }

  /// Whether one more broken thing without a name would neither be shown nor kept.
  private var isSaturated: Bool { keyless >= limits.diagnostics && problems.isFull }

  private mutating func countBroken() {
    keyless += 1
    problems.addHidden(1)
  }

  private mutating func breakSilently(at span: SourceSpan, reason: Problem?) {
    let location = SourceLocation(file: file, span: span)
    appendBroken(BrokenObject(location: location, reason: reason.map { Diagnostic.escaped($0.message.text) } ?? "the list is cut off"))
  }

  /// Keeps a broken object. Of those without a key only so many are kept, the last of them standing for anything: otherwise a file of
  /// broken lines would take many times its size.
  private mutating func appendBroken(_ broken: BrokenObject) {
    guard broken.key == nil else { return result.broken.append(broken) }
    keyless += 1
    if keyless < limits.diagnostics {
      result.broken.append(broken)
    } else if keyless == limits.diagnostics {
      result.broken.append(BrokenObject(location: broken.location, reason: broken.reason))
    }
  }

  private mutating func add(_ problem: Problem) { problems.add(problem) }

  private mutating func finish(_ source: SourceText?) {
    if !removed.isEmpty {
      result.objects = result.objects.enumerated().filter { !removed.contains($0.offset) }.map(\.element)
    }
    result.diagnostics = problems.diagnostics(source)
  }
}
