// What a filter's configuration says: JSON to settings, once, before anything is loaded.
// Enters: the bytes of `filter_config`. Leaves: settings, or all that is wrong with them, a line each. Never here: a key that is skipped because
// nobody knows it, or a setting that opens anything by being forgotten.

/// What an engine is opened with. Filters with equal sources share one engine.
struct EngineSource: Hashable {
  var policies: [String] = []
  var meshConfig: String?
  var trustDomain: String?
  var trustDomainAliases: [String] = []
  var acceptedTrustDomains: [String] = []
  var rootNamespace: String?
  var delegatedProviders: [String] = []
  /// A `PORTCULLIS_NORMALIZATION_…`.
  var pathNormalization: Int32 = 0
  /// Bits of `PORTCULLIS_WATCH` and so on.
  var flags: UInt32 = 0
}

/// What one filter does with it.
struct FilterSettings {
  /// Where `remote.ip` comes from.
  enum RemoteAddress: Equatable {
    /// The proxy's own idea of the client, after its rules about X-Forwarded-For.
    case downstream
    /// The other end of the connection.
    case direct
    /// A header that the proxy sets itself, by its name in lower case.
    case header([UInt8])
  }

  /// What is known about tokens.
  enum Token: Equatable {
    /// Nothing: rules about claims are undecided.
    case unknown
    /// No token ever counts.
    case absent
    /// The payload of the verified token is in this header, by its name in lower case.
    case header([UInt8])
  }

  /// For which requests dynamic metadata is written.
  enum Metadata: String { case always, denials, never }

  var source = EngineSource()
  /// A `PORTCULLIS_PROFILE_…`.
  var profile: Int32 = 0
  var workload: String?
  var namespace: String?
  /// `k=v,k=v`.
  var labels: String?
  /// The port that policies mean; 0 for that of the listener.
  var port: UInt32 = 0
  /// Whether nothing is denied, only reported.
  var isShadow = false
  var remoteAddress = RemoteAddress.downstream
  var token = Token.unknown
  /// Whether the first URI name of a certificate is believed to be all its names, where no network filter saw them all.
  var takesFirstURI = false
  var trustsPaths = false
  var metadata = Metadata.always
}

/// All that is wrong with a configuration.
struct SettingsProblem: Error {
  let lines: [String]
}

/// Reads settings, and collects what is wrong.
struct SettingsReader {
  private(set) var settings = FilterSettings()
  private var problems: [String] = []
  private var isWatched = true
  private var isPolled = false

  /// - Parameter isTCP: whether the filter knows no HTTP; settings about HTTP are refused then.
  static func read(_ bytes: [UInt8], isTCP: Bool) throws(SettingsProblem) -> FilterSettings {
    let value: JSONValue
    do throws(JSONProblem) { value = try JSONReader.read(bytes) } catch {
      throw SettingsProblem(lines: ["filter_config is no JSON: \(error.text)"])
    }
    guard case .object(let members) = value else { throw SettingsProblem(lines: ["filter_config is no JSON object"]) }
    var reader = SettingsReader()
    for (name, value) in members { reader.take(name, value, isTCP) }
    reader.conclude()
    guard reader.problems.isEmpty else { throw SettingsProblem(lines: reader.problems) }
    return reader.settings
  }

  private static let httpOnly = ["remote_ip", "token", "peer", "path_form"]
  private static let flagNames: [(name: String, bit: UInt32)] = [
    ("lenient", 4), ("allow_empty", 8), ("several_custom_providers", 16), ("request_authentication", 32),
  ]
  private static let normalizations = ["DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]
  private static let profiles = ["sidecar", "gateway"]

  private mutating func take(_ name: String, _ value: JSONValue, _ isTCP: Bool) {
    if isTCP, Self.httpOnly.contains(name) {
      problems.append("`\(name)` means nothing to a network filter")
      return
    }
    if let flag = Self.flagNames.first(where: { $0.name == name }) {
      if truth(name, value) { settings.source.flags |= flag.bit }
      return
    }
    switch name {
    case "policies": settings.source.policies = texts(name, value)
    case "mesh_config": settings.source.meshConfig = text(name, value)
    case "trust_domain": settings.source.trustDomain = text(name, value)
    case "trust_domain_aliases": settings.source.trustDomainAliases = texts(name, value)
    case "accepted_trust_domains": settings.source.acceptedTrustDomains = texts(name, value)
    case "root_namespace": settings.source.rootNamespace = text(name, value)
    case "delegated_providers": settings.source.delegatedProviders = texts(name, value)
    case "path_normalization": settings.source.pathNormalization = choice(name, value, Self.normalizations)
    case "profile": settings.profile = profile(value)
    case "workload": settings.workload = text(name, value)
    case "namespace": settings.namespace = text(name, value)
    case "labels": settings.labels = labels(value)
    case "port": settings.port = port(value)
    case "watch": isWatched = truth(name, value)
    case "poll": isPolled = truth(name, value)
    case "shadow": settings.isShadow = truth(name, value)
    case "remote_ip": settings.remoteAddress = remoteAddress(value)
    case "token": settings.token = token(value)
    case "peer": settings.takesFirstURI = takesFirstURI(value)
    case "path_form": settings.trustsPaths = choice(name, value, ["checked", "trusted"]) == 1
    case "metadata":
      guard let text = text(name, value) else { return }
      guard let metadata = FilterSettings.Metadata(rawValue: text) else {
        problems.append("`metadata` is `always`, `denials` or `never`, not `\(text)`")
        return
      }
      settings.metadata = metadata
    default: problems.append("unknown key `\(name)`")
    }
  }

  private mutating func conclude() {
    if isWatched { settings.source.flags |= isPolled ? 3 : 1 }
    if isPolled, !isWatched { problems.append("`poll` without `watch`") }
    if settings.source.policies.isEmpty { problems.append("`policies` names no file or directory") }
    if settings.workload != nil, settings.namespace != nil || settings.labels != nil {
      problems.append("`workload` and `namespace` with `labels` exclude each other")
    }
    if settings.workload == nil, settings.namespace == nil || settings.labels == nil {
      problems.append("no workload: write `workload` as `namespace/name` or `namespace/kind/name`, or `namespace` and `labels`")
    }
    if let workload = settings.workload {
      let parts = workload.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      if !(2...3).contains(parts.count) || parts.contains(where: \.isEmpty) {
        problems.append("`workload` is `namespace/name` or `namespace/kind/name`, not `\(workload)`")
      }
    }
  }

  private mutating func text(_ name: String, _ value: JSONValue) -> String? {
    if case .string(let text) = value, !text.isEmpty, !text.utf8.contains(0) { return text }
    problems.append("`\(name)` is no text")
    return nil
  }

  private mutating func texts(_ name: String, _ value: JSONValue) -> [String] {
    guard case .array(let elements) = value else {
      problems.append("`\(name)` is no list of texts")
      return []
    }
    return elements.compactMap { text(name, $0) }
  }

  private mutating func truth(_ name: String, _ value: JSONValue) -> Bool {
    if case .bool(let truth) = value { return truth }
    problems.append("`\(name)` is neither true nor false")
    return false
  }

  private mutating func choice(_ name: String, _ value: JSONValue, _ choices: [String]) -> Int32 {
    guard let text = text(name, value) else { return 0 }
    if let index = choices.firstIndex(of: text) { return Int32(truncatingIfNeeded: index) }
    problems.append("`\(name)` is one of \(choices.map { "`\($0)`" }.joined(separator: ", ")), not `\(text)`")
    return 0
  }

  /// What the connection of a waypoint's inner listener shows is the waypoint itself, without TLS: everybody would be anonymous.
  private mutating func profile(_ value: JSONValue) -> Int32 {
    if value == .string("waypoint") {
      problems.append(
        "`profile` cannot be `waypoint`: HBONE ends at another listener, and the module sees neither the peer nor its address; "
          + "let a waypoint ask the server")
      return 0
    }
    return 1 + choice("profile", value, Self.profiles)
  }

  /// The word that was the default once let a certificate's second name pass unseen: whoever still writes it must choose.
  private mutating func takesFirstURI(_ value: JSONValue) -> Bool {
    if value == .string("auto") {
      problems.append(
        "`peer` is no longer `auto`: put the network filter `peer` before the connection manager (`all-names`, the default), or write "
          + "`first-uri` where every certificate has one URI name and no other name")
      return false
    }
    return choice("peer", value, ["all-names", "first-uri"]) == 1
  }

  private mutating func labels(_ value: JSONValue) -> String? {
    guard case .object(let members) = value else {
      problems.append("`labels` is no object of texts")
      return nil
    }
    var pairs: [String] = []
    for (name, value) in members {
      guard case .string(let text) = value, !(name + text).utf8.contains(where: { $0 == 0 || $0 == 0x2C || $0 == 0x3D }) else {
        problems.append("label `\(name)` is no text, or holds a comma or `=`")
        continue
      }
      pairs.append("\(name)=\(text)")
    }
    return pairs.joined(separator: ",")
  }

  private mutating func port(_ value: JSONValue) -> UInt32 {
    if case .number(let text) = value, let port = UInt16(text), port > 0 { return UInt32(port) }
    problems.append("`port` is no number between 1 and 65535")
    return 0
  }

  /// The name behind `header:`, in lower case; `nil` for other texts.
  private func header(_ text: String) -> [UInt8]? {
    guard text.utf8.starts(with: "header:".utf8), text.utf8.count > 7 else { return nil }
    return Array(text.lowercased().utf8.dropFirst(7))
  }

  private mutating func remoteAddress(_ value: JSONValue) -> FilterSettings.RemoteAddress {
    guard let text = text("remote_ip", value) else { return .downstream }
    if let name = header(text) { return .header(name) }
    switch text {
    case "downstream": return .downstream
    case "direct": return .direct
    default:
      problems.append("`remote_ip` is `downstream`, `direct` or `header:NAME`, not `\(text)`")
      return .downstream
    }
  }

  private mutating func token(_ value: JSONValue) -> FilterSettings.Token {
    guard let text = text("token", value) else { return .unknown }
    if let name = header(text) { return .header(name) }
    switch text {
    case "unknown": return .unknown
    case "none": return .absent
    default:
      problems.append("`token` is `unknown`, `none` or `header:NAME`, not `\(text)`")
      return .unknown
    }
  }
}
