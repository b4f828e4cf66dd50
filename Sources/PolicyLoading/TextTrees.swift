// Documents of any shape, for whoever asks about files that are no policies.
// Enters: the bytes of a file of YAML or JSON. Leaves: a tree for each document, and what is wrong with the text.
// Never here: what a document means; a document that is broken is left out, and its diagnostics say so.

package import PolicyModel

/// Reads the documents of a file as trees. O(bytes, and what aliases stand for, which `limits` bounds).
package func readTextTrees(
  text: [UInt8], file: ExactText, limits: LoadingLimits = LoadingLimits()
) -> (trees: [TextNode], diagnostics: [Diagnostic]) {
  var problems = ProblemList(file: file, limit: limits.diagnostics)
  guard text.count <= limits.fileBytes else {
    problems.add(Problem(message: .fileTooLarge(text.count, limit: limits.fileBytes), span: .nowhere))
    return ([], problems.diagnostics(nil))
  }
  let source = SourceText(text)
  if source.isWideEncoding {
    problems.add(Problem(message: .wideEncoding(), span: SourceSpan(line: 1, column: 1, endLine: 1, endColumn: 2)))
    return ([], problems.diagnostics(nil))
  }
  for problem in badByteProblems(source) { problems.add(problem) }
  var trees: [TextNode] = []
  var reader = DocumentReader(source, limits: limits)
  reader.read { document, found in
    for problem in found { problems.add(problem) }
    guard found.isEmpty, !document.isTruncated, document.root.exists else { return }
    trees.append(tree(document.root, in: document))
  }
  return (trees, problems.diagnostics(source))
}

/// The reader bounds the depth, aliases followed, so that this recursion ends.
private func tree(_ index: NodeIndex, in document: borrowing Document) -> TextNode {
  let node = document[index]
  func children() -> [NodeIndex] {
    var found: [NodeIndex] = []
    var cursor = node.firstChild
    while cursor.exists {
      found.append(cursor)
      cursor = document.next(cursor)
    }
    return found
  }
  let content: TextNode.Content
  switch document.type(index) {
  case .null: content = .null
  case .bool(let value): content = .bool(value)
  case .int, .float, .string: content = .scalar(ExactText(document.string(index)))
  case .sequence: content = .list(children().map { tree($0, in: document) })
  case .mapping:
    let parts = children()
    content = .mapping(
      stride(from: 0, to: parts.count - 1, by: 2).map { place in
        (Located(ExactText(document.string(parts[place])), document[parts[place]].span), tree(parts[place + 1], in: document))
      })
  }
  return TextNode(content, node.span)
}
