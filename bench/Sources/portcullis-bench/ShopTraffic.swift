// The requests that the sidecars of a small shop ask about: only `frontend` may call `backend`, only `backend` may call `db`.
// What enters is a seed, a number of requests and the peers' certificates; what leaves is that many different messages, each with
// the workload it is for and the outcome that it must have. The outcome comes from the two sentences above, never from the
// code that is measured.

/// A service account of the mesh, as its SPIFFE identity names it.
struct Peer: Hashable {
  var namespace: String
  var serviceAccount: String

  var principal: String { "spiffe://cluster.local/ns/\(namespace)/sa/\(serviceAccount)" }
}

/// A request of the load.
struct ExpectedCheck {
  var message: CheckRequestMessage
  /// `namespace/name` of the workload whose sidecar asks: the hint that the sidecar's configuration adds.
  var workload: String
  var isAllowed: Bool
}

/// Makes the requests of the shop.
enum ShopTraffic {
  /// The only caller that may, and 30 that may not: some of the shop, most of other namespaces.
  static let peers: [Peer] =
    ["frontend-sa", "backend-sa", "db-sa"].map { Peer(namespace: "shop", serviceAccount: $0) }
    + (0..<28).map { Peer(namespace: "team-\($0 % 7)", serviceAccount: "worker-\($0)") }

  /// Requests of which about four in five must be allowed.
  ///
  /// - Parameters:
  ///   - count: how many; all differ (at least in path, request id and stream id)
  ///   - seed: the same seed gives the same requests
  ///   - certificates: URL-encoded PEM for each peer, or nothing for a proxy that sends no certificate
  static func requests(count: Int, seed: UInt64, certificates: [Peer: String]) -> [ExpectedCheck] {
    var random = SplitMix(seed: seed)
    return (0..<count).map { index in
      let toBackend = Bool.random(using: &random)
      let service = toBackend ? "backend" : "db"
      let caller = Peer(namespace: "shop", serviceAccount: toBackend ? "frontend-sa" : "backend-sa")
      let peer = Int.random(in: 0..<5, using: &random) == 0 ? peers[Int.random(in: 0..<peers.count, using: &random)] : caller
      let message = request(
        number: index, service: service, peer: peer, certificate: certificates[peer] ?? "", random: &random)
      return ExpectedCheck(message: message, workload: "shop/\(service)", isAllowed: peer == caller)
    }
  }

  private static func request(
    number: Int, service: String, peer: Peer, certificate: String, random: inout SplitMix
  ) -> CheckRequestMessage {
    let collection = ["orders", "customers", "items", "carts", "invoices"][number % 5]
    let path = "/api/v1/\(collection)/\(number)?page=\(Int.random(in: 1...40, using: &random))"
    let host = "\(service).shop.svc.cluster.local:8080"
    let own = "spiffe://cluster.local/ns/shop/sa/\(service)-sa"
    let hash = hexadecimal(digits: 64, &random)
    let headers: [(name: String, value: String)] = [
      ("user-agent", "shop-client/\(Int.random(in: 1...9, using: &random)).4"),
      ("accept", "application/json"),
      ("accept-encoding", "gzip, deflate"),
      ("x-forwarded-proto", "https"),
      ("x-request-id", identifier(&random)),
      ("x-forwarded-client-cert", "By=\(own);Hash=\(hash);Subject=\"\";URI=\(peer.principal)"),
      ("x-b3-traceid", hexadecimal(digits: 32, &random)),
      ("x-b3-spanid", hexadecimal(digits: 16, &random)),
      ("x-b3-sampled", "1"),
      ("content-type", "application/json"),
    ]
    return CheckRequestMessage(
      source: SocketAddress(host: "10.244.\(number % 8).\(number % 250 + 1)", port: UInt64(32_768 + number % 28_000)),
      sourcePrincipal: peer.principal,
      sourceCertificate: certificate,
      destination: SocketAddress(host: service == "db" ? "10.244.9.7" : "10.244.9.6", port: 8080),
      destinationPrincipal: own,
      serverName: "outbound_.8080_._.\(service).shop.svc.cluster.local",
      time: 1_795_223_610 + UInt64(number),
      streamID: random.next(),
      method: ["GET", "GET", "GET", "POST", "PUT"][Int.random(in: 0..<5, using: &random)],
      host: host,
      path: path,
      headers: headers)
  }

  private static func hexadecimal(digits: Int, _ random: inout SplitMix) -> String {
    var text = ""
    while text.utf8.count < digits {
      let part = String(random.next(), radix: 16)
      text += String(repeating: "0", count: 16 - part.utf8.count) + part
    }
    return String(text.prefix(digits))
  }

  private static func identifier(_ random: inout SplitMix) -> String {
    [8, 4, 4, 4, 12].map { hexadecimal(digits: $0, &random) }.joined(separator: "-")
  }
}
