// libyaml, held by one owner. Borrowed bytes enter; each event goes to the tree builder, and its memory is freed before the next one.
// The events' pointers never leave this file.

internal import CYAML
internal import PolicyModel

/// A libyaml parser over bytes that its creator keeps alive. Safe to hold: the pointer is private, made once and freed once.
@safe struct EventParser: ~Copyable {
  /// What one event meant for the stream.
  enum Step {
    case more
    /// A document begins; the line of its marker (of its first node, without one), from 0.
    case documentStart(line: Int)
    case documentEnd
    case streamEnd
    case failed(Message, SourceSpan)
  }

  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let firstLine: UInt32

  /// Starts a parser; nil when memory is exhausted. `text` must outlive the parser. `firstLine` is the line of its first byte, from 0.
  init?(_ text: UnsafeBufferPointer<UInt8>, firstLine: Int) {
    unsafe parser = .allocate(capacity: 1)
    self.firstLine = UInt32(clamping: firstLine)
    unsafe parser.initialize(to: yaml_parser_t())
    guard unsafe yaml_parser_initialize(parser) == 1 else {
      unsafe parser.deallocate()
      return nil
    }
    unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    // libyaml wants an address even for no bytes.
    if let start = text.baseAddress {
      unsafe yaml_parser_set_input_string(parser, start, text.count)
    } else {
      unsafe yaml_parser_set_input_string(parser, UnsafePointer(bitPattern: 1), 0)
    }
  }

  deinit {
    unsafe yaml_parser_delete(parser)
    unsafe parser.deallocate()
  }

  /// Reads one event into `builder`.
  mutating func next(into builder: inout TreeBuilder) -> Step {
    var event = unsafe yaml_event_t()
    guard unsafe yaml_parser_parse(parser, &event) == 1 else { return failure() }
    defer { unsafe yaml_event_delete(&event) }
    let span = unsafe self.span(event.start_mark, event.end_mark)
    var failure: Message?
    switch unsafe event.type {
    case YAML_STREAM_END_EVENT: return .streamEnd
    case YAML_DOCUMENT_START_EVENT:
      builder.begin(at: span)
      return .documentStart(line: Int(span.endLine) - 1)
    case YAML_DOCUMENT_END_EVENT:
      builder.end(line: span.line)
      return .documentEnd
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
      failure = unsafe builder.scalar(
        bytes, kind: isPlain ? .plain : .quoted, tag: text(scalar.tag), anchor: text(scalar.anchor), span: span)
    case YAML_SEQUENCE_START_EVENT:
      let start = unsafe event.data.sequence_start
      let isFlow = unsafe start.style == YAML_FLOW_SEQUENCE_STYLE
      failure = unsafe builder.open(.sequence, isFlow: isFlow, tag: text(start.tag), anchor: text(start.anchor), span: span)
    case YAML_MAPPING_START_EVENT:
      let start = unsafe event.data.mapping_start
      let isFlow = unsafe start.style == YAML_FLOW_MAPPING_STYLE
      failure = unsafe builder.open(.mapping, isFlow: isFlow, tag: text(start.tag), anchor: text(start.anchor), span: span)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      builder.close(span)
    case YAML_ALIAS_EVENT:
      failure = unsafe builder.alias(text(event.data.alias.anchor) ?? "", span: span)
    default: break
    }
    if failure == nil, builder.isFull { failure = .tooManyTextProblems(builder.problems.count) }
    return failure.map { .failed($0, span) } ?? .more
  }

  private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> ExactText? {
    guard let pointer = unsafe pointer else { return nil }
    return unsafe ExactText(String(cString: pointer))
  }

  private func span(_ start: yaml_mark_t, _ end: yaml_mark_t) -> SourceSpan {
    SourceSpan(
      line: UInt32(clamping: start.line) + 1 + firstLine, column: UInt32(clamping: start.column) + 1,
      endLine: UInt32(clamping: end.line) + 1 + firstLine, endColumn: UInt32(clamping: end.column) + 1)
  }

  private func failure() -> Step {
    let what = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "cannot be read"
    let mark = unsafe parser.pointee.problem_mark
    var place = span(mark, mark)
    place.endColumn += 1
    if unsafe parser.pointee.error == YAML_MEMORY_ERROR { return .failed(.outOfMemory(), place) }
    let context: String? = unsafe parser.pointee.context.map { unsafe String(cString: $0) }
    let contextLine = unsafe UInt32(clamping: parser.pointee.context_mark.line) + 1 + firstLine
    return .failed(.syntax(what, context: context, contextLine: contextLine), place)
  }
}
