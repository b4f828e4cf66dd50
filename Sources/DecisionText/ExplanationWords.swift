// The words of an explanation, and the page they stand on.
// Enters: codes, attributes, lines. Leaves: text: lower-case start, no final period.
// Never here: a code of JSON; those are the values themselves.

internal import PolicyEngine
internal import PolicyModel

/// Lines of text, broken at 100 columns between words.
struct Page {
  /// The width that lines are broken to.
  static let width = 100
  /// How many values of one list are shown.
  static let mostValues = 8
  /// How many bytes of one value are shown.
  private static let mostBytes = 400

  var lines: [String] = []

  mutating func addBlank() {
    if lines.last?.isEmpty == false { lines.append("") }
  }

  /// Adds a text, and a place behind it if that fits, else on a line of its own. What follows the first line is indented by four more;
  /// a text that `isWhole` is never broken.
  mutating func add(_ indent: Int, _ text: String, _ location: SourceLocation? = nil, isWhole: Bool = false) {
    let text = Printable.text(text)
    var line = String(repeating: " ", count: indent)
    let start = text.prefix { $0 == " " }
    line += start
    var isFirstWord = true
    for word in Self.words(text.dropFirst(start.count)) {
      if !isFirstWord, !isWhole, line.unicodeScalars.count + word.trimmed.unicodeScalars.count > Self.width {
        lines.append(String(line.reversed().drop { $0 == " " }.reversed()))
        line = String(repeating: " ", count: indent + 4)
      }
      line += word.whole
      isFirstWord = false
    }
    guard let location, !location.file.isEmpty else { return lines.append(line) }
    let place = Printable.text(location.description)
    if line.unicodeScalars.count + 2 + place.unicodeScalars.count <= Self.width {
      lines.append("\(line)  \(place)")
    } else {
      lines.append(line)
      lines.append(String(repeating: " ", count: indent + 4) + "at \(place)")
    }
  }

  /// Words with the blanks behind them; what stands in backticks is one word.
  private static func words(_ text: Substring) -> [(whole: String, trimmed: String)] {
    var words: [(whole: String, trimmed: String)] = []
    var (word, blanks, isQuoted) = ("", "", false)
    for character in text {
      if character == "`" { isQuoted.toggle() }
      if character == " ", !isQuoted {
        blanks.append(character)
        continue
      }
      if !blanks.isEmpty {
        words.append((word + blanks, word))
        (word, blanks) = ("", "")
      }
      word.append(character)
    }
    return words + [(word + blanks, word)]
  }

  /// Foreign text in backticks, on one line, shortened when it is very long.
  static func quoted(_ bytes: [UInt8]) -> String {
    let shown = Printable.text(bytes.prefix(mostBytes))
    return bytes.count > mostBytes ? "`\(shown)`… (\(bytes.count) bytes)" : "`\(shown)`"
  }
}

extension AuthorizationPolicy.Action {
  /// What a match does.
  var meaning: String {
    switch self {
    case .custom: "a match asks a provider first, whose answer is not known here"
    case .audit: "a match is recorded and decides nothing"
    case .deny: "a match denies"
    case .allow: "where there are any that are enforced, one of their rules must match"
    }
  }
}

extension Explanation.Part {
  /// The part as a path in the rule.
  var name: String {
    switch self {
    case .from(let index): "from[\(index)]"
    case .to(let index): "to[\(index)]"
    case .when(let index): "when[\(index)]"
    }
  }
}

extension Attribute {
  /// The attribute as a policy writes it: a field of a source or operation, or the key of a condition.
  func field(in part: Explanation.Part, isNegative: Bool) -> String {
    if case .when = part { return Printable.text(description) + (isNegative ? " notValues" : "") }
    let name =
      switch self {
      case .sourcePrincipal: "principals"
      case .sourceNamespace: "namespaces"
      case .sourceServiceAccount: "serviceAccounts"
      case .sourceTrustDomain: "trustDomains"
      case .sourceIP: "ipBlocks"
      case .remoteIP: "remoteIpBlocks"
      case .requestPrincipal: "requestPrincipals"
      case .destinationPort: "ports"
      default: Printable.text(description)
      }
    return isNegative ? "not\(name.prefix(1).uppercased())\(name.dropFirst())" : name
  }

  /// A value of the request in the form in which policies write such values: principals without `spiffe://`.
  func asWritten(_ value: [UInt8]) -> [UInt8] {
    let scheme = Array("spiffe://".utf8)
    return self == .sourcePrincipal && value.starts(with: scheme) ? Array(value.dropFirst(scheme.count)) : value
  }
}

extension Explanation.Omission {
  /// Why a rule is not there, or why a constraint of it is not tested.
  func text(isRule: Bool) -> String {
    let name = Printable.text(attribute?.description ?? "")
    switch cause {
    case .nullRule: return "it is null, so the proxy does not have it"
    case .unknownKey: return "Istio does not know the key `\(name)` and drops the rule"
    case .malformedKey:
      return isRule
        ? "the key `\(name)` cannot be used, so Istio drops this ALLOW rule" : "the key `\(name)` cannot be used and is not tested"
    case .needsHTTP:
      return isRule
        ? "`\(name)` needs HTTP, so on a TCP connection this ALLOW rule does not exist"
        : "`\(name)` does not exist on a TCP connection and is not tested"
    case .unusableValue:
      let list = values.prefix(4).map { Page.quoted($0.bytes) }.joined(separator: ", ")
      return isRule
        ? "`\(name)` cannot be \(list), so Istio drops this ALLOW rule" : "`\(name)` cannot be \(list), which is left out"
    case .notInZtunnel:
      let place = part.map { "`\(name)` in \($0.name)" } ?? "a part of it"
      return isRule ? "ztunnel does not see \(place), so Istio omits this ALLOW rule" : "ztunnel does not see \(place)"
    case .emptyInZtunnel:
      let place = part?.name ?? "a part of it"
      return isRule
        ? "nothing is left of \(place) for ztunnel, and what is empty never matches: the rule has no effect"
        : "ztunnel does not see `\(name)` in \(place); nothing is left of it, and what is empty never matches"
    }
  }
}

extension Explanation.Withheld.Cause {
  /// For people.
  var text: String {
    switch self {
    case .targetReferences: "it has target references, which are for gateways and waypoints"
    case .emptySelector: "ztunnel attaches a policy with `selector: {}` to nothing"
    case .action: "ztunnel knows neither CUSTOM nor AUDIT"
    case .dryRun: "policies in dry run are not sent to ztunnel"
    }
  }
}

extension Explanation.Absence {
  /// For people.
  var text: String {
    switch self {
    case .anonymous: "absent: the peer is anonymous"
    case .noHeader: "absent: no such header"
    case .noToken: "absent: no verified token"
    case .noClaim: "absent: the token has no such text or list of texts"
    case .noMetadata: "absent: the proxy has no such metadata"
    case .noPath: "absent: the request has no path"
    case .notAnIP: "absent: the address is not an IP"
    }
  }
}

extension Explanation.NearMiss {
  /// For people.
  var text: String {
    switch self {
    case .spiffeScheme: "principals are written without `spiffe://`"
    case .letterCase: "only upper and lower case differ"
    case .whiteSpace: "only blanks at an end differ"
    case .trailingSlash: "only the slash at the end differs"
    case .hostPort: "only the port differs; rules see the host as the client sends it"
    case .query: "rules see the path without its query"
    case .oneCharacter: "only one character differs"
    case .swappedCharacters: "only two neighbouring characters are swapped"
    case .namespace: "only the namespace differs"
    case .trustDomain: "only the trust domain differs"
    }
  }
}

extension Explanation.CustomEffect {
  /// What stands behind the policy's name; nil for what the section's heading says already.
  var note: String? {
    switch self {
    case .asked: nil
    case .delegated: "delegated: the proxy asks it, it adds nothing here"
    case .unusable: "the provider is missing or broken: a match denies"
    case .several: "several providers for one workload: a match denies"
    case .enforcedDryRun: "dry run, which Istio enforces as DENY for CUSTOM"
    case .skipped: "the provider speaks HTTP: skipped on TCP connections"
    case .none: "dry run, and the provider cannot be asked: without effect"
    }
  }

  /// What a match does.
  var matchText: String {
    switch self {
    case .asked: "MATCHES: the provider is asked"
    case .delegated, .skipped, .none: "matches"
    case .unusable, .several, .enforcedDryRun: "MATCHES, and denies"
    }
  }
}

extension Explanation.Policy {
  /// Whether it is a CUSTOM policy of which a match denies, and has one.
  var deniesByItself: Bool {
    guard let effect, [.unusable, .several, .enforcedDryRun].contains(effect) else { return false }
    return rules.contains { if case .matches = $0.outcome { true } else { false } }
  }
}
