// One request of the sets of policies, as facts, with the outcome that it must have. What enters are the facts; what leaves is the engine's form
// of them. The outcome is said by whoever made the request, never by the engine.
internal import PolicyEngine
internal import PolicyModel

/// The facts of one request, and what must come of it.
struct DecisionCase {
  /// `namespace/name` of the workload that is asked for.
  var workload = "shop/backend"
  /// The peer's SPIFFE identity; `nil` is a peer without any.
  var principal: String? = Self.frontend
  var host = "backend.shop.svc.cluster.local:8080"
  /// `nil` is a path that the proxy did not normalize, which is not believed.
  var path: String? = "/api/v1/orders/17?page=2"
  var method = "GET"
  /// Headers beside those that every request has.
  var headers: [(name: String, value: String)] = []
  /// Claims of the token, top-level strings.
  var claims: [(name: String, value: String)] = []
  var sourceIP: IPAddress?
  /// A connection instead of a request.
  var isTCP = false
  var verdict = Verdict.allow

  /// A caller that most sets know.
  static let frontend = "spiffe://cluster.local/ns/shop/sa/frontend-sa"

  /// The engine's form. The other attributes are those that a sidecar knows of every request.
  func request(into request: inout Request) {
    request.reset()
    request.setPeerKnown()
    if let principal { request.addIdentity(Array(principal.utf8).span) }
    request.setPort(8080)
    if let sourceIP { request.setSourceIP(sourceIP) }
    request.isTCP = isTCP
    guard !isTCP else { return }
    request.setMethod(Array(method.utf8).span)
    request.setHost(Array(host.utf8).span)
    if let path { request.setPath(Array(path.utf8).span) } else { request.setPathUnknown(.pathNotNormalized) }
    request.setHeadersKnown()
    let usual = [("user-agent", "shop-client/1.4"), ("accept", "application/json"), ("x-forwarded-proto", "https")]
    for (name, value) in usual + headers {
      request.addHeader(name: Array(name.utf8).span, value: Array(value.utf8).span)
    }
    for (name, value) in claims {
      var path: [UInt8] = []
      Request.appendPathComponent(Array(name.utf8).span, to: &path)
      request.addClaim(path: path.span, value: Array(value.utf8).span, isListElement: false)
    }
  }
}

/// Policies, as text, with requests about them.
struct DecisionSet {
  let name: String
  /// The number that was asked for: of policies, or of what the set is about.
  let size: Int
  let text: String
  let cases: [DecisionCase]
}
