// Policies that cannot be decided as the older releases did that `--older` names, made known to whoever runs the command.
// Enters: a policy set and the mesh's settings. Leaves: diagnostics, and entries for the status of a server.
// Never here: what becomes of such a policy; the engine denies everything that it could apply to.

internal import PolicyEngine
internal import PolicyFiles
internal import PolicyModel

extension UndecidablePolicy {
  private var message: Message { .patternUndecidable(value.value.string, attribute: attribute.description) }

  private var location: SourceLocation {
    SourceLocation(file: policy.location.file, span: value.span.line == 0 ? policy.location.span : value.span)
  }

  /// What is wrong, as one sentence.
  var reason: String { Diagnostic.escaped(message.text) }

  /// The finding. With `readsFile` its source line is read once more, and left out if it is another one now.
  func diagnostic(readsFile: Bool) -> Diagnostic {
    let line = readsFile ? SourceLine.read(location, holding: value.value) : nil
    return Diagnostic(.error, code: message.code.rawValue, message.text, at: location, help: message.help, sourceLine: line)
  }
}

extension PolicyFilesStatus {
  /// The same with the policies that are undecidable among the unusable ones; `before` knows since when.
  func adding(_ undecidable: [UndecidablePolicy], before: PolicyFilesStatus) -> PolicyFilesStatus {
    var status = self
    for found in undecidable {
      let known = before.unusable.first { $0.policy.key == found.policy.key && ExactText($0.reason) == ExactText(found.reason) }
      status.unusable.append(UnusableObject(policy: found.policy, since: known?.since ?? lastReload, reason: found.reason))
      status.diagnostics.append(found.diagnostic(readsFile: false))
    }
    return status
  }
}

/// One line of a file that was read before.
private enum SourceLine {
  /// Longer lines are not shown.
  private static let mostBytes = 400
  /// Nothing is looked for in larger files.
  private static let mostFileBytes = 16 << 20

  /// The line where `location` begins, if it still holds `text` and is not too long to be shown.
  static func read(_ location: SourceLocation, holding text: ExactText) -> String? {
    guard location.span.line > 0, let bytes = bytes(of: location.file) else { return nil }
    let lines = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: Int(location.span.line), omittingEmptySubsequences: false)
    guard lines.count >= Int(location.span.line) else { return nil }
    let line = lines[Int(location.span.line) - 1]
    guard line.count <= mostBytes, !line.ranges(of: text.bytes).isEmpty else { return nil }
    return String(validating: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
  }

  private static func bytes(of file: ExactText) -> [UInt8]? {
    // `-` is standard input to that reader, and is a file's name here.
    guard file != "-" else { return nil }
    do { return try InputFile.bytes(of: file.string, limit: mostFileBytes) } catch { return nil }
  }
}
