// A request from the arguments of one command line.
// Enters: words. Leaves: a request in which only what was written is known.

internal import ArgumentParser
internal import DecisionText
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyModel

struct RequestArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The workload that is called.", valueName: "namespace/[kind/]name"))
  var to: String?

  @Option(
    help: ArgumentHelp(
      "Who calls: a service account, a SPIFFE URI, a certificate file, or `anonymous`.", valueName: "namespace/account|spiffe://…|file"))
  var from: String?

  @Option(name: .shortAndLong, help: "The namespace of names that have none (default: default).")
  var namespace: String?

  @Option(help: "The kind of proxy that enforces (default: sidecar, with a warning when the files say that it is another).")
  var profile: CheckProfile?

  @Option(
    help: ArgumentHelp(
      "What a waypoint is asked for: `namespace/name`, `namespace/serviceentry/name`, or `none` for a workload's own address.",
      valueName: "service"))
  var service: String?

  @Option(
    help: ArgumentHelp(
      "Which tokens count: those that the proxy verified (trust-proxy, the default), or of these only what a RequestAuthentication accepts.",
      valueName: "trust-proxy|request-authentication"))
  var jwt = TokenTrust.trustProxy

  @Flag(help: "A TCP connection, not an HTTP request.")
  var tcp = false

  @Option(help: "The request's method.")
  var method: String?

  @Option(help: "The path as the client sends it, with its query.")
  var path: String?

  @Option(help: "The authority, with the port if the client writes one.")
  var host: String?

  @Option(help: "The workload's port.")
  var port: UInt16?

  @Option(help: ArgumentHelp("A header line; repeatable. Headers not given are absent once one is given.", valueName: "name=value"))
  var header: [String] = []

  @Flag(help: "There are no headers.")
  var noHeaders = false

  @Option(
    help: ArgumentHelp(
      "A claim of the verified token; repeatable; the same name again makes a list. Nested: `a.b` is written `[a][b]`.",
      valueName: "name=value"))
  var claim: [String] = []

  @Flag(help: "There is no token.")
  var noToken = false

  @Option(name: .customLong("source-ip"), help: "The connection's peer.")
  var sourceIP: String?

  @Option(name: .customLong("remote-ip"), help: "The derived client.")
  var remoteIP: String?

  @Option(name: .customLong("destination-ip"), help: "The connection's local address.")
  var destinationIP: String?

  @Option(help: "The server name of the TLS handshake; empty for none.")
  var sni: String?

  /// Whether anything describes a request.
  var isAnyGiven: Bool {
    let words = [to, from, namespace, service, method, path, host, sourceIP, remoteIP, destinationIP, sni]
    return words.contains { $0 != nil } || profile != nil || port != nil || tcp || !header.isEmpty || noHeaders || !claim.isEmpty || noToken
  }

  func validate() throws {
    if port == 0 { throw ValidationError("`--port` is 1 to 65535") }
    if noHeaders, !header.isEmpty { throw ValidationError("`--no-headers` goes without `--header`") }
    if noToken, !claim.isEmpty { throw ValidationError("`--no-token` goes without `--claim`") }
    guard tcp else { return }
    let isHTTP = method != nil || path != nil || host != nil || !header.isEmpty || noHeaders || !claim.isEmpty || noToken
    if isHTTP { throw ValidationError("`--tcp` goes without `--method`, `--path`, `--host`, headers and claims: a connection has none") }
  }

  /// The name of the workload that is called, with its namespace.
  private var workloadName: String { (to ?? "").contains("/") ? to ?? "" : "\(namespace ?? "default")/\(to ?? "")" }

  /// Says on standard error when no kind of proxy is named, and the files name another than a sidecar.
  func warn(_ proxies: StatedProxies) {
    if profile == nil, to != nil { proxies.warn(about: workloadName) }
  }

  /// The request and what is attached to its workload.
  func question(for snapshot: Snapshot) throws -> Question {
    let workload = workloadName
    let profile = (profile ?? .sidecar).profile
    let destination = try Question.Destination(workload: workload, profile: profile, service: service, in: snapshot)
    var request = Request()
    request.honorsRequestAuthentication = jwt == .requestAuthentication
    request.isTCP = tcp
    if let from { try fillPeer(from, snapshot.mesh, into: &request) }
    if let port { request.setPort(port) }
    if let sni { RequestFilling.setSNI(Array(sni.utf8), in: &request) }
    if let sourceIP { request.setSourceIP(try Self.address(sourceIP, "--source-ip")) }
    RequestFilling.enterProxy(profile, in: &request)
    if let destinationIP { request.setDestinationIP(try Self.address(destinationIP, "--destination-ip")) }
    if let remoteIP {
      request.setRemoteIP(try Self.address(remoteIP, "--remote-ip"))
    } else if tcp, let sourceIP {
      request.setRemoteIP(try Self.address(sourceIP, "--source-ip"))
    }
    if let method { try RequestFilling.setMethod(Array(method.utf8), "--method", in: &request) }
    if let host { try RequestFilling.setHost(Array(host.utf8), "--host", in: &request) }
    if let path { try RequestFilling.setPath(Array(path.utf8), "--path", isNormalized: false, snapshot.mesh, in: &request) }
    if noHeaders || !header.isEmpty { request.setHeadersKnown() }
    for line in header {
      let (name, value) = try Self.pair(line, "--header")
      if let attribute = RequestFilling.attribute(ofHeader: Array(name.utf8)) {
        throw CommandProblem("the header `\(Printable.text(name))` is the request's \(attribute)", help: "write `--\(attribute)`")
      }
      try RequestFilling.addHeader(Array(name.utf8), Array(value.utf8), in: &request)
    }
    if noToken || !claim.isEmpty { request.setClaimsKnown() }
    try fillClaims(into: &request)
    return Question(
      title: Printable.text("\(from ?? "?") -> \(workload)"), request: request,
      target: try destination.target(in: snapshot), profile: profile, destination: destination)
  }

  private func fillPeer(_ from: String, _ mesh: MeshSettings, into request: inout Request) throws {
    if from == "anonymous" { return request.setPeerKnown() }
    if from.hasPrefix("spiffe://") { return try RequestFilling.addPeer(Array(from.utf8), "--from", in: &request) }
    if Self.namesFile(from) { return try fillPeer(certificate: from, into: &request) }
    let parts = (from.contains("/") ? from : "\(namespace ?? "default")/\(from)").split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ Self.isKubernetesName($0.utf8) }) else {
      throw CommandProblem(
        "`\(Printable.text(from))` names no peer",
        help: "write `namespace/service-account`, a `spiffe://` URI, a certificate file, or `anonymous`")
    }
    let identity = SPIFFEID(
      trustDomain: mesh.trustDomain, namespace: ExactText(String(parts[0])), serviceAccount: ExactText(String(parts[1])))
    request.addIdentity(identity.uri.bytes.span)
  }

  private func fillPeer(certificate path: String, into request: inout Request) throws {
    let text = try InputFile.bytes(of: path, limit: Certificate.maximumEncodedLength)
    let identities: CertificateIdentities
    do {
      identities = try Certificate(pem: text).identities()
    } catch {
      throw CommandProblem(
        "`\(Printable.text(path))` is not one certificate in PEM: \(error)", help: "name a file with the peer's own certificate alone")
    }
    for name in identities.uris { request.addIdentity(name.span, kind: .uri) }
    for name in identities.dnsNames { request.addIdentity(name.span, kind: .dns) }
    request.addIdentity(identities.subject.span, kind: .subject)
  }

  /// What looks like a file is one, so that a misspelt path is not taken for a service account that nobody has.
  private static func namesFile(_ text: String) -> Bool {
    ["/", "./", "../"].contains { text.hasPrefix($0) } || [".pem", ".crt", ".cer", ".cert"].contains { text.hasSuffix($0) }
      || InputFile.exists(text)
  }

  /// Lower-case letters, digits, `-` and `.`: what Kubernetes allows in names of namespaces and service accounts.
  static func isKubernetesName(_ text: Substring.UTF8View) -> Bool {
    !text.isEmpty
      && text.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
      }
  }

  /// Claims by name; the same name twice is a list.
  private func fillClaims(into request: inout Request) throws {
    let pairs = try claim.map { try Self.pair($0, "--claim") }
    for (name, value) in pairs {
      var path: [UInt8] = []
      for part in try Self.claimPath(name) { Request.appendPathComponent(part.span, to: &path) }
      let isList = pairs.count { ExactText($0.0) == ExactText(name) } > 1
      request.addClaim(path: path.span, value: Array(value.utf8).span, isListElement: isList)
    }
  }

  /// `name`, or `[a][b]` for a claim inside others.
  private static func claimPath(_ name: String) throws -> [[UInt8]] {
    let bytes = Array(name.utf8)
    let (open, close) = (UInt8(ascii: "["), UInt8(ascii: "]"))
    guard bytes.contains(where: { $0 == open || $0 == close }) else { return [bytes] }
    let parts = bytes.split(separator: close, omittingEmptySubsequences: false)
    let isFine =
      parts.last?.isEmpty == true && parts.dropLast().allSatisfy { $0.count > 1 && $0.first == open && !$0.dropFirst().contains(open) }
    guard isFine else {
      throw CommandProblem(
        "`\(Printable.text(name))` does not name a claim", help: "write `--claim NAME=VALUE` or `--claim [OUTER][INNER]=VALUE`")
    }
    return parts.dropLast().map { Array($0.dropFirst()) }
  }

  static func address(_ text: String, _ option: String) throws -> IPAddress {
    guard let address = IPAddress(text) else {
      throw CommandProblem(
        "`\(Printable.text(text))` is not an address", help: "write `\(option) 10.0.0.1` or an IPv6 address without brackets")
    }
    return address
  }

  private static func pair(_ text: String, _ option: String) throws -> (String, String) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      throw CommandProblem("`\(Printable.text(text))` is not a name and a value", help: "write `\(option) NAME=VALUE`")
    }
    return (String(text[..<equals]), String(text[text.index(after: equals)...]))
  }
}

/// The profiles of `check`.
enum CheckProfile: String, ExpressibleByArgument, CaseIterable {
  case sidecar, gateway, waypoint, ztunnel

  var profile: Profile {
    switch self {
    case .sidecar: .sidecar
    case .gateway: .gateway
    case .waypoint: .waypoint
    case .ztunnel: .ztunnel
    }
  }
}

/// Which tokens count.
enum TokenTrust: String, ExpressibleByArgument, CaseIterable {
  case trustProxy = "trust-proxy"
  case requestAuthentication = "request-authentication"
}

extension WorkloadName {
  /// What is attached to a workload of the inventory.
  static func target(_ name: String, in snapshot: Snapshot) throws -> Target {
    do { _ = try WorkloadName(name) } catch {
      throw CommandProblem(
        "`\(Printable.text(name))` is not a workload", help: "write `namespace/name` or `namespace/kind/name`, such as `shop/backend`")
    }
    switch snapshot.target(workload: Array(name.utf8).span) {
    case .found(let number): return snapshot.targets[number]
    case .unknown:
      throw CommandProblem(
        "no workload `\(name)` in the given files", help: "add its Deployment, Pod or other manifest to `--policies`, or correct the name")
    case .ambiguous:
      throw CommandProblem(
        "several workloads are named `\(name)`, and different policies apply to them", help: "write `namespace/kind/name`")
    }
  }
}
