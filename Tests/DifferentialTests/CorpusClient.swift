// A request of the corpus as a client sends it to a listener of a real Envoy.
//
// Enters: facts, and the site that they are for. Leaves: what the proxy did. Never happens here: a fact that is left out; what cannot be
// sent throws `Inexpressible`.

internal import CTLSClient
internal import CorpusSupport
internal import Foundation
internal import PolicyModel
internal import TestSupport

/// What a real Envoy did.
struct CorpusVerdict {
  /// As the corpus says it: `allow`, `deny`, or the status with which the proxy refused the request before any policy.
  var decision: String
  /// The rule that denied, or `none`.
  var policy = ""
  /// What rules in dry run would have decided, if there are any.
  var dryRun: String?
  /// Whether an AUDIT rule matched.
  var isAudited = false
  var details = ""
  /// What the proxy told in other headers that begin with `x-`.
  var told: [String: String] = [:]
}

/// Where a request goes.
protocol CorpusPlace {
  /// The number of the listener.
  var number: Int { get }
  /// The listener's address.
  var address: String { get }
  /// The attributes that policies test.
  var attributes: Set<Attribute> { get }
  /// The first octet of its clients' addresses, which is 127 here.
  var octet: Substring? { get }
  /// Filter and key of all metadata that its requests have, by the number of the header that brings it.
  var metadata: [(filter: String, key: String)] { get }
}

/// Makes certificates and connections.
struct CorpusClient {
  let sandbox: Sandbox
  let root: IssuedCertificate
  let signer: TokenSigner
  let port: UInt16
  // By bytes: two texts that are equal for Swift may be different names.
  private var identities: [[[UInt8]]: ClientIdentity] = [:]
  /// The client's port in the line of the PROXY protocol: another for each connection, so that it names them in logs.
  private(set) var clientPort: UInt16 = 1_023

  init(sandbox: Sandbox, root: IssuedCertificate, signer: TokenSigner, port: UInt16) {
    (self.sandbox, self.root, self.signer, self.port) = (sandbox, root, signer, port)
  }

  /// Asks over HTTP/1.1 or HTTP/2, or by TCP.
  mutating func ask(_ site: any CorpusPlace, _ facts: CorpusFacts, isHTTP2: Bool = false) throws -> CorpusVerdict {
    let lines = try facts.http.map { try headers($0, site) }
    clientPort = clientPort == .max ? 1_024 : clientPort + 1
    let connection = try ClientConnection(
      identity(facts), source: Self.source(facts, site), destination: site.address, port: port,
      sni: facts.sni.flatMap { $0.isEmpty ? nil : $0 }, preface: preface(facts, site))
    guard let http = facts.http, let lines else {
      try connection.send("portcullis asks\n")
      return CorpusVerdict(decision: try connection.receive().isEmpty ? "deny" : "allow")
    }
    let answer = try isHTTP2 ? Self.overHTTP2(connection, http, lines) : Self.overHTTP1(connection, http, lines)
    func header(_ name: String) -> String { answer.first { $0[0].lowercased() == name }?[1] ?? "" }
    let status = header(":status")
    var verdict = CorpusVerdict(decision: status, details: header("x-details"))
    let marker = "rbac_access_denied_matched_policy["
    if status == "200" { verdict.decision = "allow" }
    if let range = verdict.details.firstRange(of: marker) {
      verdict.decision = "deny"
      verdict.policy = String(verdict.details[range.upperBound...].dropLast())
    }
    let shadow = [header("x-dry-deny"), header("x-dry-allow")].filter { $0 == "denied" || $0 == "allowed" }
    verdict.dryRun = shadow.isEmpty ? nil : shadow.contains("denied") ? "deny" : "allow"
    verdict.isAudited = header("x-audit") == "true"
    for line in answer where line[0].lowercased().hasPrefix("x-") { verdict.told[line[0].lowercased()] = line[1] }
    return verdict
  }

  /// The bytes of a request over HTTP/1.1, to be spoiled.
  func bytes(_ site: any CorpusPlace, _ facts: CorpusFacts) throws -> [UInt8] {
    guard let http = facts.http else { throw Inexpressible(reason: "a TCP connection") }
    return try Array(Self.text(http, headers(http, site)).utf8)
  }

  // MARK: The connection

  private mutating func identity(_ facts: CorpusFacts) throws -> ClientIdentity {
    let names: (uris: [String], dns: [String], subject: String)
    switch facts.peer {
    case .unknown: throw Inexpressible(reason: "a proxy knows its peer")
    case .anonymous: return try ClientIdentity(nil, isPlaintext: facts.sni == "")
    case .named(let name): names = ([name], [], "")
    case .certificate(let uris, let dns, let subject): names = (uris, dns, subject)
    }
    let key = (names.uris + ["\n"] + names.dns + ["\n", names.subject]).map { Array($0.utf8) }
    if let known = identities[key] { return known }
    var order = CertificateOrder()
    order.uris = names.uris.map { Array($0.utf8) }
    order.dnsNames = names.dns.map { Array($0.utf8) }
    // RFC 2253 writes the last attribute first.
    order.subject = names.subject.split(separator: ",").reversed().map { attribute in
      let parts = attribute.split(separator: "=", maxSplits: 1)
      return (String(parts[0]), String(parts[1]))
    }
    let issued = try IssuedCertificate(order, signedBy: root)
    let name = "corpus-\(identities.count)"
    let made = try ClientIdentity(
      (chain: sandbox.write(issued.pem, to: "\(name).pem"), key: sandbox.write(issued.keyPEM, to: "\(name).key")), isPlaintext: false)
    identities[key] = made
    return made
  }

  /// The address to connect from: the one that policies see, where they look.
  private static func source(_ facts: CorpusFacts, _ site: any CorpusPlace) throws -> String {
    guard site.attributes.contains(.sourceIP) else { return "127.0.0.1" }
    guard let address = facts.sourceAddress else { throw Inexpressible(reason: "a proxy knows its peer's address") }
    guard let octet = site.octet else { throw Inexpressible(reason: "a source address is of IPv6") }
    return try PolicySet.onLoopback(address, octet)
  }

  /// The line of the PROXY protocol.
  private func preface(_ facts: CorpusFacts, _ site: any CorpusPlace) throws -> String {
    guard let remote = facts.remoteIP, let port = facts.port, var destination = facts.destinationAddress else {
      throw Inexpressible(reason: "a proxy knows addresses and ports")
    }
    let forwarded = facts.http?.headers?.last { $0[0].lowercased() == "x-forwarded-for" }?[1].split(separator: ",").last
    if facts.profile != "gateway", let forwarded, !forwarded.filter({ $0 != " " }).utf8.elementsEqual(remote.utf8) {
      throw Inexpressible(reason: "the proxy derives another client's address")
    }
    let family = remote.contains(":") ? 6 : 4
    if family == 6, !destination.contains(":") {
      if site.attributes.contains(.destinationIP) { throw Inexpressible(reason: "client and destination are of two families") }
      destination = "2001:db8::2"
    }
    return "PROXY TCP\(family) \(remote) \(destination) \(clientPort) \(port)\r\n"
  }

  // MARK: The request

  /// The header lines behind the host, with the token and the metadata.
  private func headers(_ http: CorpusFacts.HTTP, _ site: any CorpusPlace) throws -> [[String]] {
    guard http.method != nil, var lines = http.headers, let claims = http.claims, let metadata = http.metadata else {
      throw Inexpressible(reason: "a proxy knows the whole request")
    }
    switch http.path {
    case .unknown: throw Inexpressible(reason: "a proxy knows the whole request")
    case .absent: if http.method != "CONNECT" { throw Inexpressible(reason: "only CONNECT has no path") }
    case .text: break
    }
    if case .object = claims { lines.append(["authorization", "Bearer \(try signer.token(claims.written))"]) }
    for (index, value) in site.metadata.enumerated() {
      guard case .object(let fields)? = metadata[value.filter], let field = fields[value.key] else { continue }
      lines.append(["x-corpus-metadata-\(index)", Data(field.protobufValue).base64EncodedString()])
    }
    return lines
  }

  private static func text(_ http: CorpusFacts.HTTP, _ headers: [[String]]) -> String {
    // The target of CONNECT is the host.
    var target = http.host ?? ""
    if case .text(let path) = http.path { target = path }
    let lines =
      ["\(http.method ?? "") \(target) HTTP/1.1"] + (http.host.map { ["host: \($0)"] } ?? []) + headers.map { "\($0[0]): \($0[1])" }
    return lines.joined(separator: "\r\n") + "\r\n\r\n"
  }

  /// The headers of the answer, and its status as HTTP/2 writes it.
  private static func overHTTP1(_ connection: ClientConnection, _ http: CorpusFacts.HTTP, _ headers: [[String]]) throws -> [[String]] {
    guard headers.allSatisfy({ $0[1].first != " " && $0[1].last != " " }) else { return [["x-details", "HTTP/1.1 trims header values"]] }
    try connection.send(text(http, headers))
    let (answer, _) = try connection.response(hasBody: http.method != "HEAD")
    let status = String(answer.first?.split(separator: " ").dropFirst().first ?? "")
    return [[":status", status]]
      + answer.dropFirst().map { line in
        let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return [String(parts[0]), parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""]
      }
  }

  private static func overHTTP2(_ connection: ClientConnection, _ http: CorpusFacts.HTTP, _ headers: [[String]]) throws -> [[String]] {
    var list = [[":method", http.method ?? ""]] + (http.host.map { [[":authority", $0]] } ?? [])
    let scheme = headers.first { $0[0] == ":scheme" }?[1] ?? "http"
    if case .text(let path) = http.path { list += [[":scheme", scheme], [":path", path]] }
    do {
      return try HTTP2Client(connection).request(list + headers.filter { $0[0] != ":scheme" }.map { [$0[0].lowercased(), $0[1]] }).headers
    } catch let error as TestFailure {
      return [["x-details", "HTTP/2: \(error)"]]
    }
  }
}

extension JSON {
  /// A `google.protobuf.Value`; short ones only.
  fileprivate var protobufValue: [UInt8] {
    func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
    switch self {
    case .null: return [0x08, 0]
    case .number(let number): return [0x11] + (0..<8).map { UInt8(truncatingIfNeeded: Double(number).bitPattern >> (UInt64($0) * 8)) }
    case .string(let text): return field(3, Array(text.utf8))
    case .bool(let flag): return [0x20, flag ? 1 : 0]
    case .array(let list): return field(6, list.flatMap { field(1, $0.protobufValue) })
    case .object(let members):
      return field(5, members.flatMap { field(1, field(1, Array($0.key.utf8)) + field(2, $0.value.protobufValue)) })
    }
  }
}
