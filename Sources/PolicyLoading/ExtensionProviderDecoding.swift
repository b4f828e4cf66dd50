// `extensionProviders` of a MeshConfig. Nodes enter; providers by name leave. A provider that Istio cannot use is kept, marked and warned
// of, because Istio goes on without it and turns the CUSTOM rules that name it into DENY rules; a type error is an error.

internal import PolicyModel

extension Schema {
  fileprivate static let extensionProvider = Schema([
    ("name", .text), ("envoyExtAuthzHttp", .other), ("envoyExtAuthzGrpc", .other),
  ])
  private static let common: [(key: StaticString, shape: Shape)] = [
    ("service", .text), ("port", .uint32), ("timeout", .duration(.any)), ("failOpen", .boolean), ("clearRouteCache", .boolean),
    ("statusOnError", .text),
    (
      "includeRequestBodyInCheck",
      .object(Schema([("maxRequestBytes", .uint32), ("allowPartialMessage", .boolean), ("packAsBytes", .boolean)]))
    ),
  ]
  fileprivate static let extAuthzGRPC = Schema(common)
  fileprivate static let extAuthzHTTP = Schema(
    common + [(key: "pathPrefix", shape: Shape.text), (key: "includeAdditionalHeadersInCheck", shape: Shape.textMap)]
      + headerLists.map { (key: $0, shape: Shape.texts(filled: false)) })
  fileprivate static let headerLists: [StaticString] = [
    "includeRequestHeadersInCheck", "includeHeadersInCheck", "headersToUpstreamOnAllow", "headersToDownstreamOnDeny",
    "headersToDownstreamOnAllow",
  ]
}

/// The providers that are not for authorization.
private let otherProviders: [StaticString] = [
  "zipkin", "lightstep", "datadog", "opencensus", "skywalking", "opentelemetry", "prometheus", "stackdriver", "envoyFileAccessLog",
  "envoyHttpAls", "envoyTcpAls", "envoyOtelAls", "sds",
]

/// The numbers of Envoy's StatusCode enumeration.
private let envoyStatuses: Set<Int64> = Set(
  [0, 100, 226, 307, 308, 426, 428, 429, 431, 510, 511] + Array(200...208) + Array(300...305) + Array(400...417) + Array(421...424)
    + Array(500...508))

extension NodeReader {
  /// The providers by name. One whose name stands twice is not usable.
  mutating func extensionProviders(_ entry: Entry) -> [ExactText: ExtensionProvider] {
    let path = "extensionProviders"
    guard let list = sequence(entry, path: path) else { return [:] }
    var found: [ExactText: ExtensionProvider] = [:]
    for item in items(list) {
      guard document[item].kind == .mapping else {
        let message: Message =
          isNull(item) ? .entryNull(path) : .wrongType(path, expected: "a list of mappings", found: name(of: item), help: nil)
        report(message, at: document[item].span)
        continue
      }
      checkLeniently(item, .extensionProvider, alsoKnown: otherProviders, path: path)
      guard let name = filledText(item, "name") else {
        let isMissing = self.entry(item, "name") == nil || text(item, "name") != nil
        if isMissing { report(.providerUnusable("", why: "it has no name"), at: text(item, "name")?.span ?? start(item)) }
        continue
      }
      var provider = extensionProvider(item, name: name)
      if found[name.value] != nil {
        unusable(name, "another one has the same name", at: name.span, &provider)
      }
      found[name.value] = provider
    }
    return found
  }

  private mutating func extensionProvider(_ node: NodeIndex, name: Located<ExactText>) -> ExtensionProvider {
    let isWritten = entries(node).filter { !isNull($0.value) && !document.isScalar($0.key, "name") }
    guard let first = isWritten.first else {
      var provider = ExtensionProvider(kind: .other(""))
      unusable(name, "it does not say what it is", at: name.span, &provider)
      return provider
    }
    for other in isWritten.dropFirst() {
      report(
        .fieldConflict(document.string(other.key), with: document.string(first.key), in: "extensionProviders"), at: document[other.key].span
      )
    }
    if document.isScalar(first.key, "envoyExtAuthzHttp") { return extAuthz(first, .extAuthzHTTP, .extAuthzHTTP, name: name) }
    if document.isScalar(first.key, "envoyExtAuthzGrpc") { return extAuthz(first, .extAuthzGRPC, .extAuthzGRPC, name: name) }
    return ExtensionProvider(kind: .other(ExactText(document.string(first.key))))
  }

  private mutating func extAuthz(
    _ entry: Entry, _ kind: ExtensionProvider.Kind, _ schema: Schema, name: Located<ExactText>
  ) -> ExtensionProvider {
    var provider = ExtensionProvider(kind: kind)
    let path = "extensionProviders.\(document.string(entry.key))"
    guard let node = mapping(entry, path: path) else { return provider }
    checkLeniently(node, schema, alsoKnown: [], path: path)
    let place = document[entry.key].span
    if !isDNSLabel(name.value.bytes) || name.value.bytes.contains(where: { (0x41...0x5A).contains($0) }) {
      unusable(name, "its name is not a DNS label in lower case", at: name.span, &provider)
    }
    let service = text(node, "service")
    provider.service = service?.value ?? ""
    if let why = Self.serviceRefusal(provider.service), service != nil || self.entry(node, "service") == nil {
      unusable(name, "its service \(why)", at: service?.span ?? place, &provider)
    }
    let port = whole(node, "port")
    provider.port = port.flatMap { UInt16(exactly: $0.value) }.flatMap { $0 > 0 ? $0 : nil }
    if provider.port == nil, port != nil || self.entry(node, "port") == nil {
      unusable(name, port == nil ? "it has no port" : "its port is not from 1 to 65535", at: port?.span ?? place, &provider)
    }
    provider.failsOpen = flag(node, "failOpen")
    provider.timeoutMilliseconds = milliseconds(node, "timeout")
    if let status = filledText(node, "statusOnError") {
      if let number = Int64(status.value.string), envoyStatuses.contains(number) {
        provider.statusOnError = number > 0 ? UInt16(clamping: number) : nil
      } else {
        unusable(name, "its statusOnError is no HTTP status that Envoy knows", at: status.span, &provider)
      }
    }
    if let prefix = filledText(node, "pathPrefix"), prefix.value.bytes.first != UInt8(ascii: "/") {
      unusable(name, "its pathPrefix does not begin with a slash", at: prefix.span, &provider)
    }
    for list in Schema.headerLists {
      for header in textList(node, list) where header.value == "*" {
        unusable(name, "a star alone in `\(list)` is not supported", at: header.span, &provider)
      }
    }
    return provider
  }

  private mutating func unusable(_ name: Located<ExactText>, _ why: String, at span: SourceSpan, _ provider: inout ExtensionProvider) {
    provider.isUsable = false
    report(.providerUnusable(name.value.string, why: why), at: span)
  }

  /// A host name or an address, or a namespace, a slash and a host name with a dot.
  private static func serviceRefusal(_ service: ExactText) -> String? {
    if service.isEmpty { return "is missing" }
    let parts = service.bytes.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      guard let why = hostRefusal(service, allowsWildcard: false), IPAddress(service.string) == nil else { return nil }
      return why
    }
    let namespace = ExactText(String(decoding: parts[0], as: UTF8.self))
    guard ["*", ".", "~"].contains(namespace) || isDNSLabel(parts[0]) else { return "has no namespace before its slash" }
    if !parts[1].elementsEqual("*".utf8), !parts[1].contains(UInt8(ascii: ".")) { return "has a short name behind its slash" }
    let isPartial = parts[1].first == UInt8(ascii: "*") && parts[1].count > 1 && !parts[1].starts(with: "*.".utf8)
    return isPartial
      ? "has a star that is not a whole label" : hostRefusal(ExactText(String(decoding: parts[1], as: UTF8.self)), allowsWildcard: true)
  }
}
