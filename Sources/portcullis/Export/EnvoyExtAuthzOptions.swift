// What `portcullis export envoy-ext-authz` was asked for, checked and ready to be written out.
//
// Enters: the words of the command line, one type for each kind of word. Leaves: values that cannot hold anything that would have to
// be escaped in YAML or interpreted by Envoy (a workload is made of DNS labels, a port is a number, a path has no control character).
// Never happens here: text generation, files, network.

/// The workload that a proxy stands in front of, as the proxy names it to the engine: `namespace/name` or `namespace/kind/name`.
///
/// Each part is a DNS subdomain name as Kubernetes defines it for object names (lower-case letters, digits, `-` and `.`, at most 253 bytes),
/// so that the text can stand in a gRPC header and in YAML as it is.
struct WorkloadName: Equatable, Sendable {
  /// The whole name as written on the command line.
  let text: String

  /// Checks `text`.
  ///
  /// - Parameter text: `namespace/name` or `namespace/kind/name`.
  /// - Throws: `ExportProblem` that says which part is wrong.
  init(_ text: String) throws(ExportProblem) {
    let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 2 || parts.count == 3 else {
      throw ExportProblem("`\(text)` is not a workload: write `namespace/name` or `namespace/kind/name`, such as `shop/backend`")
    }
    for (index, part) in parts.enumerated() {
      let isKind = parts.count == 3 && index == 1
      let isFine = !part.isEmpty && part.count <= 253 && part.allSatisfy { Self.allows($0, inKind: isKind) }
      guard isFine else {
        throw ExportProblem("`\(text)` is not a workload: each part is lower-case letters, digits, `-` and `.`, such as `shop/backend`")
      }
    }
    self.text = text
  }

  /// Kinds may also be written as Kubernetes writes them (`Deployment`).
  private static func allows(_ byte: UInt8, inKind: Bool) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."): true
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): inKind
    default: false
    }
  }
}

/// What traffic through a waypoint's listener is addressed to: a service, or a workload's own address.
struct AddressedService: Equatable, Sendable {
  /// Where a service is registered.
  enum Kind: Equatable, Sendable {
    /// A Kubernetes service.
    case service
    /// A host of a ServiceEntry, by the entry's own name.
    case serviceEntry
  }

  /// An object of Kubernetes.
  struct Object: Equatable, Sendable {
    let kind: Kind
    let namespace: String
    let name: String
  }

  /// As written on the command line.
  let text: String
  /// The service; `nil` for a workload's own address.
  let object: Object?

  /// Checks `text`.
  ///
  /// - Parameter text: `namespace/name`, `namespace/service/name`, `namespace/serviceentry/name`, or `none` for a workload's own address.
  /// - Throws: `ExportProblem` that says what is wrong.
  init(_ text: String) throws(ExportProblem) {
    self.text = text
    if text.utf8.elementsEqual("none".utf8) {
      object = nil
      return
    }
    let wanted = "write `namespace/name`, `namespace/serviceentry/name`, or `none` for a workload's own address"
    // A service is named as a workload is.
    let parts: [Substring]
    do { parts = try WorkloadName(text).text.split(separator: "/") } catch { throw ExportProblem("`\(text)` is not a service: \(wanted)") }
    let kind: Kind
    switch parts.count == 2 ? "service" : parts[1].lowercased() {
    case "service": kind = .service
    case "serviceentry": kind = .serviceEntry
    default: throw ExportProblem("`\(parts[1])` is no kind of service: \(wanted)")
    }
    object = Object(kind: kind, namespace: String(parts[0]), name: String(parts[parts.count - 1]))
  }
}

/// Where the engine listens.
enum EngineAddress: Equatable, Sendable {
  /// A host (IPv4, IPv6 without brackets, or a DNS name) and a port.
  case tcp(host: String, port: UInt16)
  /// A unix domain socket.
  case unix(path: String)

  /// Reads `host:port`, `[v6]:port`, `unix:PATH` or `unix://PATH`.
  ///
  /// - Parameter text: what was written behind `--engine`.
  /// - Throws: `ExportProblem` when it is neither.
  init(_ text: String) throws(ExportProblem) {
    let unusable = text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
    guard !unusable else { throw ExportProblem("`--engine` holds a control character") }
    if text.hasPrefix("unix:") {
      let rest = text.dropFirst("unix:".count)
      let path = rest.hasPrefix("//") ? rest.dropFirst(2) : rest
      guard !path.isEmpty else { throw ExportProblem("`\(text)` names no socket: write `unix:/run/portcullis.sock`") }
      self = .unix(path: String(path))
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port != 0 else {
      throw ExportProblem("`\(text)` is not an address: write `127.0.0.1:9191`, `engine.example:9191` or `unix:/run/portcullis.sock`")
    }
    var host = text[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, isBracketed || !host.contains(":"), !host.contains(" ") else {
      throw ExportProblem("`\(text)` is not an address: write `127.0.0.1:9191`, `[::1]:9191` or `engine.example:9191`")
    }
    self = .tcp(host: String(host), port: port)
  }

  /// Whether Envoy must resolve the host by DNS (cluster type `STRICT_DNS`) or can use it as it is (`STATIC`).
  var needsResolving: Bool {
    switch self {
    case .unix: false
    case .tcp(let host, _):
      !host.contains(":") && !host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
  }
}

/// Files for TLS between the proxy and the engine, on the proxy's disk.
struct EngineTLS: Equatable, Sendable {
  /// The CA certificates (PEM) that the engine's certificate must chain to.
  var authority: String
  /// The proxy's own certificate chain (PEM), which the engine demands.
  var certificate: String
  /// The key of that certificate (PEM).
  var key: String
  /// The DNS name that the engine's certificate must carry; also sent as SNI.
  var serverName: String
}

/// The mesh's path normalization: what Istio calls `pathNormalization.normalization` in MeshConfig.
enum PathNormalization: String, CaseIterable, Sendable {
  /// `NONE`: the path is used as received.
  case none
  /// `BASE` (Istio's default): dot segments are resolved, unreserved characters decoded, `\` becomes `/`.
  case base
  /// `MERGE_SLASHES`: `BASE`, and runs of slashes become one.
  case merge
  /// `DECODE_AND_MERGE_SLASHES`: escaped slashes are decoded first, then as `MERGE_SLASHES`.
  case decode
}

/// One piece of the export, for those who put their Envoy configuration together with a template.
enum ExportPart: String, CaseIterable, Sendable {
  /// The cluster: one list item of `static_resources.clusters`.
  case cluster
  /// The HTTP filter (with the trusted-address step before it, if asked for): list items of `http_filters`.
  case httpFilter = "http-filter"
  /// The TCP filter: one list item of a filter chain's `filters`.
  case networkFilter = "network-filter"
  /// Settings of the `http_connection_manager`: keys of its `typed_config`.
  case hcm
}

/// Everything that `portcullis export envoy-ext-authz` needs to write its text.
struct EnvoyExtAuthzOptions: Sendable {
  /// The workload behind the proxy.
  var workload: WorkloadName
  /// Whether the proxy speaks TCP to the workload (network filter) rather than HTTP.
  var isTCP = false
  /// Where the engine listens.
  var engine = EngineAddress.tcp(host: "127.0.0.1", port: 9191)
  /// TLS to the engine; nil means plaintext (loopback, unix socket).
  var engineTLS: EngineTLS?
  /// The name of the cluster in Envoy's configuration.
  var clusterName = "portcullis"
  /// The kind of proxy. A sidecar is what the engine takes a proxy for that says nothing.
  var profile = CheckProfile.sidecar
  /// What traffic through this listener of a waypoint is addressed to; `nil` for other proxies.
  var service: AddressedService?
  /// Whether a listener filter reads the PROXY protocol, so that Envoy tells the engine another address than that of the connection's peer.
  var readsProxyProtocol = false
  /// The port that policies mean, where the proxy listens on another.
  var port: UInt16?
  /// The mesh's path normalization.
  var pathNormalization = PathNormalization.base
  /// How long the proxy waits for a decision, in milliseconds, connecting and retries included.
  var timeoutMilliseconds: UInt32 = 250
  /// The name of a header in which the proxy tells the trusted client address; nil for the server's `--remote-ip` default.
  var remoteIPHeader: String?
}

/// A word of the command line that cannot be used, and why.
struct ExportProblem: Error, Equatable, CustomStringConvertible {
  /// What is wrong and what to write instead, for the user.
  let description: String

  init(_ description: String) { self.description = description }
}
