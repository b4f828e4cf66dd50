// From the text of a file to its documents. A checked text enters; each document leaves as a tree, together with what is wrong with
// its text. A syntax error ends its document, and reading starts again at the next `---` line, so that one run reports all of them.
// Nothing here recurses, and no limit is checked after the memory is already spent.

internal import CYAML
internal import PolicyModel

/// A finding at a place of the file that is being read.
struct Problem {
  let message: Message
  let span: SourceSpan
}

/// Reads the documents of one text in order.
struct DocumentReader {
  private let source: SourceText
  private let limits: LoadingLimits
  private var lineStarts: [Int] = []

  /// Where reading stopped in front of the end, in lines of the file from 0.
  struct Stop {
    /// The line of the marker or first node of the document that broke; nil between documents.
    var documentLine: Int?
    /// The line of the problem itself.
    var problemLine: Int
  }

  init(_ source: SourceText, limits: LoadingLimits) {
    self.source = source
    self.limits = limits
  }

  /// Calls `handle` with each document and the problems of its text, in order. O(bytes) when the text is well-formed; each syntax
  /// error adds the cost of starting a parser.
  mutating func read(_ handle: (borrowing Document, [Problem]) -> Void) {
    var builder = TreeBuilder(limits: limits)
    var startLine = 0
    var broken = 0
    while true {
      let offset = startLine == 0 ? 0 : lineStarts[startLine]
      guard let stop = parse(from: offset, line: startLine, into: &builder, handle) else { return }
      if lineStarts.isEmpty { lineStarts = source.lineStarts() }
      let isFirst = startLine == 0
      var line = stop.documentLine.map { $0 + 1 } ?? (isFirst ? stop.problemLine : max(stop.problemLine, startLine + 1))
      while line < lineStarts.count, !source.isDocumentStart(at: lineStarts[line]) { line += 1 }
      guard line < lineStarts.count, line > startLine || (isFirst && line > 0) else { return }
      startLine = line
      broken += 1
      guard broken < limits.brokenDocuments else {
        let number = UInt32(clamping: line + 1)
        builder.begin(at: SourceSpan(line: number, column: 1, endLine: number, endColumn: 4))
        builder.fail(.tooManyBrokenDocuments(limits.brokenDocuments))
        return handle(builder.document, builder.problems)
      }
    }
  }

  /// Parses from `offset` to the end or to the first problem that ends a document.
  private func parse(
    from offset: Int, line: Int, into builder: inout TreeBuilder, _ handle: (borrowing Document, [Problem]) -> Void
  ) -> Stop? {
    unsafe source.bytes.withUnsafeBufferPointer { buffer -> Stop? in
      let text = unsafe UnsafeBufferPointer(rebasing: buffer[offset...])
      guard var parser = unsafe EventParser(text, firstLine: line) else {
        builder.begin(at: SourceSpan(line: 1, column: 1, endLine: 1, endColumn: 1))
        builder.fail(.outOfMemory())
        handle(builder.document, builder.problems)
        return nil
      }
      var documentLine: Int?
      while true {
        let step = parser.next(into: &builder)
        switch step {
        case .more: continue
        case .documentStart(let line): documentLine = line
        case .documentEnd:
          documentLine = nil
          handle(builder.document, builder.problems)
        case .streamEnd: return nil
        case .failed(let message, let span):
          if documentLine == nil { builder.begin(at: span) }
          builder.fail(message, at: span)
          handle(builder.document, builder.problems)
          return Stop(documentLine: documentLine, problemLine: Int(span.line) - 1)
        }
      }
    }
  }
}
