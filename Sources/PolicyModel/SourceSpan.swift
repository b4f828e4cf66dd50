// Where in a file something is written.
// Enters: positions that the reader of the text saw. Leaves: values small enough to keep beside every policy value.
// Never here: the file's text; a diagnostic carries the one line that it shows.

/// A stretch of one file: lines and columns count from 1, columns count Unicode code points, the end is exclusive.
public struct SourceSpan: Sendable, Hashable, BitwiseCopyable {
  /// The first line.
  public var line: UInt32
  /// The column of the first character.
  public var column: UInt32
  /// The line of the first character behind the stretch.
  public var endLine: UInt32
  /// The column of the first character behind the stretch.
  public var endColumn: UInt32

  /// Makes a span; a span with `line == 0` is nowhere.
  @inlinable
  public init(line: UInt32, column: UInt32, endLine: UInt32, endColumn: UInt32) {
    self.line = line
    self.column = column
    self.endLine = endLine
    self.endColumn = endColumn
  }

  /// The span of something that was not written in a file.
  public static let nowhere = SourceSpan(line: 0, column: 0, endLine: 0, endColumn: 0)
}

/// A value together with the place where it is written.
public struct Located<Value: Sendable>: Sendable {
  /// The value.
  public var value: Value
  /// Where it is written, in the file of the object that holds it.
  public var span: SourceSpan

  /// Pairs a value with its place.
  @inlinable
  public init(_ value: Value, _ span: SourceSpan = .nowhere) {
    self.value = value
    self.span = span
  }
}

/// A place in a named file.
public struct SourceLocation: Sendable, Hashable {
  /// The file as the user named it.
  public var file: ExactText
  /// The stretch of the file.
  public var span: SourceSpan

  /// Names a place.
  public init(file: ExactText, span: SourceSpan) {
    self.file = file
    self.span = span
  }

  /// `file:line:column`, or the file alone when the span is nowhere.
  public var description: String {
    span.line == 0 ? file.string : "\(file):\(span.line):\(span.column)"
  }
}
