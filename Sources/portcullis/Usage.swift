// Bad usage, in the form of all our messages.
// Enters: the words of the command line, the parser's message. Leaves: `error: …` and `= help:`, or a refusal.
// Never here: the meaning of an option.

internal import DecisionText
internal import PolicyModel

/// The parser's message in our form.
enum UsageMessage {
  /// - Parameters:
  ///   - message: what is wrong, as the parser says it.
  ///   - full: the same with the usage, whose last line names the help of the verb.
  static func text(_ message: String, full: String) -> String {
    let verb = full.split(separator: "'").last { $0.hasPrefix("portcullis") && $0.hasSuffix("--help") } ?? "portcullis --help"
    return "error: \(sentence(message))\n  = help: `\(verb)` shows what can be written"
  }

  /// Lower-case start, no final period, the user's text in backticks.
  private static func sentence(_ message: String) -> String {
    // Of a message that quotes one of ours, the parser's own words come first.
    let own = message.firstIndex(of: "`") ?? message.endIndex
    var text = message[..<own].split(separator: "'", omittingEmptySubsequences: false).joined(separator: "`") + message[own...]
    if let first = text.unicodeScalars.first, ("A"..."Z").contains(first) {
      text = text.prefix(1).lowercased() + text.dropFirst()
    }
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }
}

/// Options that are written twice where only one can count. The parser would take the last, so a word added at the end of a long line,
/// or left in its middle, would change silently what is decided.
enum RepeatedOption {
  /// The options that may be written again; each time adds a value.
  private static let repeatable: Set<ExactText> = [
    "--policies", "--trust-domain-alias", "--accepted-trust-domain", "--custom-delegated", "--listen", "--trust-bundle", "--header",
    "--claim", "--older", "--against", "--envoy", "--in-namespace", "--invariant", "--invariants", "--namespace-allowed",
  ]

  /// Refuses the first option that is written twice. The parser takes no value that begins with two dashes, unless it stands
  /// behind `=`, so every such word is an option.
  static func refuse(in arguments: [String]) throws(CommandProblem) {
    var seen: Set<ExactText> = []
    for word in arguments.dropFirst() {
      if word.utf8.elementsEqual("--".utf8) { return }
      guard word.hasPrefix("--") || word.utf8.elementsEqual("-n".utf8) else { continue }
      let name = word.hasPrefix("--") ? ExactText(String(word.prefix { $0 != "=" })) : "--namespace"
      if !repeatable.contains(name), !seen.insert(name).inserted {
        throw CommandProblem("`\(Printable.text(name.string))` is written twice", help: "keep one")
      }
    }
  }
}
