// What is in force, object by object, while something about the files is unusual: broken, written twice, stale or unreadable. Plain
// values, made by LastGoodStep; where nothing is unusual, PlainFiles says the same in less.

internal import PolicyLoading
internal import PolicyModel

/// The objects in force and what is unusable, with all that the next step of the rules needs to know.
struct Holdings: Sendable {
  /// The objects in force.
  var live: [ObjectKey: LiveObject] = [:]
  /// The objects in force in the order in which a set lists them: by file and text, then the stale ones by key.
  var order: [LiveObject] = []
  var files: [ExactText: FileMemory] = [:]
  var unusable: [UnusableEntry] = []
  var unusableWorkloads: [UnusableWorkloadEntry] = []

  /// Whether both hold the same versions, and the same of what is unusable, wherever it is in its file. O(objects).
  func isSame(as other: Holdings) -> Bool {
    order.count == other.order.count && zip(order, other.order).allSatisfy { $0.isSameVersion(as: $1) }
      && unusable.count == other.unusable.count && zip(unusable, other.unusable).allSatisfy { $0.isSameObject(as: $1) }
      && unusableWorkloads.count == other.unusableWorkloads.count
      && zip(unusableWorkloads, other.unusableWorkloads).allSatisfy { $0.isSameObject(as: $1) }
  }
}

extension SourceLocation {
  /// By file, line and column.
  func isBefore(_ other: SourceLocation) -> Bool {
    if file != other.file { return file < other.file }
    return (span.line, span.column) < (other.span.line, other.span.column)
  }
}
