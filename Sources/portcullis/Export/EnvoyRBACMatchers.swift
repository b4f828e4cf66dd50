// From a policy's values to Envoy's matchers: the texts (Istio, pilot/pkg/security/authz/matcher) and the attributes (…/model/generator.go).
//
// Enters: an attribute and a value as written. Leaves: a permission or a principal of Envoy's RBAC, or that Envoy has none for it there.
// Never happens here: a decision. This is written from Istio's generator, and independent of our own engine, so that the two can be compared.

internal import PolicyModel

/// Envoy's string matchers for values with stars.
enum StringPattern {
  /// `*` is any non-empty text, `*x` a suffix, `x*` a prefix; everything else is the text itself.
  static func matcher(_ value: ExactText, prefixedBy scheme: String = "", ignoresCase: Bool = false) -> EnvoyValue {
    let text = value.string
    var matcher: [(String, EnvoyValue)]
    if value == "*" {
      return regex(".+")
    } else if text.utf8.first == star {
      let rest = dropping(text, first: 1)
      matcher = scheme.isEmpty ? [("suffix", .text(rest))] : [("safe_regex", .object("regex", .text(scheme + ".*" + escaped(rest))))]
    } else if text.utf8.last == star {
      matcher = [("prefix", .text(scheme + dropping(text, last: 1)))]
    } else {
      matcher = [("exact", .text(scheme + text))]
    }
    if ignoresCase { matcher.append(("ignore_case", .flag(true))) }
    return .object(matcher)
  }

  /// A regular expression for the whole text.
  static func regex(_ expression: String) -> EnvoyValue { .object("safe_regex", .object("regex", .text(expression))) }

  /// `text` with every character escaped that means something in a regular expression (Go's QuoteMeta).
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if "\\.+*?()|[]{}^$".unicodeScalars.contains(scalar) { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result
  }

  static let star = UInt8(ascii: "*")

  static func dropping(_ text: String, first: Int = 0, last: Int = 0) -> String {
    String(decoding: Array(text.utf8).dropFirst(first).dropLast(last), as: UTF8.self)
  }
}

/// What Envoy matches: a request's operation (permission) or its source (principal).
enum RBACSide {
  case permission, principal
}

/// Where the rules are to stand.
struct RBACChain: Sendable {
  /// Whether there are no HTTP attributes.
  var isTCP: Bool
  /// Whether the peer's certificate ended at another listener of the proxy.
  var isWaypoint: Bool

  /// A matcher for the peer's names: each name of its certificate in turn, or at a waypoint the one text that holds all its URI names.
  func peer(_ matcher: EnvoyValue) -> EnvoyValue {
    isWaypoint
      ? .object("filter_state", .object([("key", .text("io.istio.peer_principal")), ("string_match", matcher)]))
      : .object("authenticated", .object("principal_name", matcher))
  }
}

/// Why a value cannot be expressed there: an HTTP attribute on a TCP chain, or text that is no address, port or key.
struct InexpressibleValue: Error {}

extension Attribute {
  /// On which side Istio puts it; `nil` for a key that Istio does not know, with which it drops the whole rule.
  var rbacSide: RBACSide? {
    switch self {
    case .host, .method, .path, .destinationPort, .destinationIP, .sni, .envoyMetadata: .permission
    case .unknownKey: nil
    case .malformedKey(let key): key.string.utf8.starts(with: "experimental.envoy.filters.".utf8) ? .permission : .principal
    default: .principal
    }
  }

  /// Envoy's matcher for one value.
  ///
  /// - Parameters:
  ///   - value: as written, after trust domain aliases.
  ///   - namespace: the policy's.
  ///   - chain: where the rule is to stand.
  func rbacMatcher(_ value: ExactText, namespace: ExactText, chain: RBACChain) throws(InexpressibleValue) -> EnvoyValue {
    if chain.isTCP, isHTTP { throw InexpressibleValue() }
    switch self {
    case .sourcePrincipal: return chain.peer(StringPattern.matcher(value, prefixedBy: "spiffe://"))
    case .sourceNamespace:
      let runs = value.string.split(separator: "*", omittingEmptySubsequences: false).map { StringPattern.escaped(String($0)) }
      return chain.peer(StringPattern.regex(".*/ns/" + runs.joined(separator: ".*") + "/.*"))
    case .sourceServiceAccount: return chain.peer(Self.serviceAccount(value, namespace: namespace))
    case .sourceTrustDomain: return chain.peer(Self.trustDomain(value))
    case .sourceIP: return .object("direct_remote_ip", try Self.range(value))
    case .remoteIP: return .object("remote_ip", try Self.range(value))
    case .destinationIP: return .object("destination_ip", try Self.range(value))
    case .destinationPort:
      guard let port = portNumber(value) else { throw InexpressibleValue() }
      return .object("destination_port", .number(Int(port)))
    case .sni: return .object("requested_server_name", StringPattern.matcher(value))
    case .host: return Self.header(":authority", value, ignoresCase: true)
    case .method: return Self.header(":method", value)
    case .requestHeader(let name): return Self.header(name.string, value)
    case .path: return Self.path(value)
    case .requestPrincipal: return Self.requestPrincipal(value)
    case .requestAudiences: return Self.claim(["aud"], StringPattern.matcher(value), orInList: true)
    case .requestPresenter: return Self.claim(["azp"], StringPattern.matcher(value), orInList: true)
    case .requestClaim(let path): return Self.claim(path.map(\.string), StringPattern.matcher(value), orInList: true)
    case .envoyMetadata(let filter, let key): return Self.metadata(filter, key, value)
    case .malformedKey, .unknownKey: throw InexpressibleValue()
    }
  }

  /// `namespace/name`, or a name in the policy's own namespace. Further parts may stand between the two and behind them.
  private static func serviceAccount(_ value: ExactText, namespace: ExactText) -> EnvoyValue {
    let parts = value.string.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map { StringPattern.escaped(String($0)) }
    let space = parts.count == 2 ? parts[0] : StringPattern.escaped(namespace.string)
    let account = parts.count == 2 ? parts[1] : parts[0]
    return StringPattern.regex("spiffe://.+/ns/\(space)/(.+/|)sa/\(account)(/.+)?")
  }

  private static func trustDomain(_ value: ExactText) -> EnvoyValue {
    if value == "*" { return .object("prefix", .text("spiffe://")) }
    guard value.string.utf8.contains(StringPattern.star) else {
      return .object("prefix", .text("spiffe://\(value)/"))
    }
    let runs = value.string.split(separator: "*", omittingEmptySubsequences: false).map { StringPattern.escaped(String($0)) }
    return StringPattern.regex("spiffe://" + runs.joined(separator: "[^/]*") + "/.*")
  }

  private static func range(_ value: ExactText) throws(InexpressibleValue) -> EnvoyValue {
    guard let block = AddressBlock(value.string) else { throw InexpressibleValue() }
    let address = value.string.split(separator: "/", omittingEmptySubsequences: false)[0]
    return .object([("address_prefix", .text(String(address))), ("prefix_len", .number(block.length))])
  }

  /// A header; `*` means that it is there, be it empty.
  private static func header(_ name: String, _ value: ExactText, ignoresCase: Bool = false) -> EnvoyValue {
    let matcher: (String, EnvoyValue) =
      value == "*" ? ("present_match", .flag(true)) : ("string_match", StringPattern.matcher(value, ignoresCase: ignoresCase))
    return .object("header", .object([("name", .text(name)), matcher]))
  }

  /// A path without its query; `{*}` and `{**}` make the value a template.
  private static func path(_ value: ExactText) -> EnvoyValue {
    let template = value.string.replacing("{**}", with: "**").replacing("{*}", with: "*")
    if template.utf8.count == value.string.utf8.count { return .object("url_path", .object("path", StringPattern.matcher(value))) }
    let configuration: [(String, EnvoyValue)] = [
      ("@type", .text("type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig")),
      ("path_template", .text(template)),
    ]
    return .object("uri_template", .object([("name", .text("uri-template")), ("typed_config", .object(configuration))]))
  }

  /// Issuer and subject, split at the last slash; a star at the beginning or the end belongs to the part that it stands in.
  private static func requestPrincipal(_ value: ExactText) -> EnvoyValue {
    let bytes = value.bytes
    func text(_ slice: some Sequence<UInt8>) -> ExactText { ExactText(String(decoding: Array(slice), as: UTF8.self)) }
    let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
    let left = slash.map { text(bytes[..<$0]) }
    let right = slash.map { text(bytes[($0 + 1)...]) }
    let any = StringPattern.regex(".+")
    func exact(_ text: ExactText) -> EnvoyValue { .object("exact", .text(text.string)) }
    let (issuer, subject): (EnvoyValue, EnvoyValue) =
      if value == "*" {
        (any, any)
      } else if bytes.first == StringPattern.star {
        if let left, let right {
          (left == "*" ? any : .object("suffix", .text(StringPattern.dropping(left.string, first: 1))), exact(right))
        } else {
          (any, .object("suffix", .text(StringPattern.dropping(value.string, first: 1))))
        }
      } else if bytes.last == StringPattern.star {
        if let left, let right {
          (exact(left), right == "*" ? any : .object("prefix", .text(StringPattern.dropping(right.string, last: 1))))
        } else {
          (.object("prefix", .text(StringPattern.dropping(value.string, last: 1))), any)
        }
      } else {
        (exact(left ?? value), exact(right ?? ""))
      }
    let ids = EnvoyValue.object(
      "ids", .list([claim(["iss"], issuer, orInList: false), claim(["sub"], subject, orInList: false)]))
    return .object("and_ids", ids)
  }

  /// A claim of the verified token, as a string or (where Istio allows it) as an element of a list.
  private static func claim(_ path: [String], _ matcher: EnvoyValue, orInList: Bool) -> EnvoyValue {
    let string = EnvoyValue.object("string_match", matcher)
    let value =
      orInList
      ? EnvoyValue.object("or_match", .object("value_matchers", .list([string, .object("list_match", .object("one_of", string))])))
      : string
    return metadata("envoy.filters.http.jwt_authn", ["payload"] + path, value)
  }

  /// `[x]` is an element of a list, `x` a string.
  private static func metadata(_ filter: ExactText, _ key: ExactText, _ value: ExactText) -> EnvoyValue {
    let bytes = value.bytes
    guard bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") else {
      return metadata(filter.string, [key.string], .object("string_match", StringPattern.matcher(value)))
    }
    let brackets = "[]".utf8
    let inner = bytes.drop { brackets.contains($0) }.reversed().drop { brackets.contains($0) }.reversed()
    let matcher = StringPattern.matcher(ExactText(String(decoding: Array(inner), as: UTF8.self)))
    return metadata(filter.string, [key.string], .object("list_match", .object("one_of", .object("string_match", matcher))))
  }

  private static func metadata(_ filter: String, _ path: [String], _ value: EnvoyValue) -> EnvoyValue {
    let matcher: [(String, EnvoyValue)] = [
      ("filter", .text(filter)), ("path", .list(path.map { .object("key", .text($0)) })), ("value", value),
    ]
    return .object("sourced_metadata", .object("metadata_matcher", .object(matcher)))
  }
}
