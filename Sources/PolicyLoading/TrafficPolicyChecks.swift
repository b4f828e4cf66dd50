// What Istio's webhook demands of a traffic policy besides TLS: emptiness, tunnel, outlier detection, connection pool. Nodes that their
// schema has checked enter; problems leave. Nothing is kept: no decision depends on these settings.

internal import PolicyModel

extension NodeReader {
  /// Checks what only a whole policy has, not the settings of a port.
  mutating func checkTrafficPolicy(_ policy: NodeIndex, at span: SourceSpan, path: String) {
    let settings: [StaticString] = [
      "loadBalancer", "connectionPool", "outlierDetection", "tls", "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget",
    ]
    let isEmpty = !settings.contains { key in
      guard let entry = entry(policy, key) else { return false }
      return document[entry.value].kind != .sequence || document[entry.value].count > 0
    }
    if isEmpty { report(.settingsEmpty(path, need: settings.map { "`\($0)`" }.joined(separator: ", ")), at: span) }
    if entry(policy, "tunnel") != nil, let span = keySpan(policy, "proxyProtocol") {
      report(.fieldConflict("proxyProtocol", with: "tunnel", in: path), at: span)
    }
    if let tunnel = object(policy, "tunnel") { checkTunnel(tunnel, path: "\(path).tunnel") }
    if let budget = object(policy, "retryBudget"), let percent = real(budget, "percent"), !(0...100).contains(percent.value) {
      report(.numberOutOfRange("\(path).retryBudget.percent", shown(percent), allowed: "a number from 0 to 100"), at: percent.span)
    }
  }

  /// Checks what a policy and the settings of a port have in common.
  mutating func checkSettings(_ settings: NodeIndex, path: String) {
    if let outliers = object(settings, "outlierDetection") { checkOutlierDetection(outliers, path: "\(path).outlierDetection") }
    if let entry = entry(settings, "connectionPool"), let pool = object(settings, "connectionPool") {
      checkConnectionPool(pool, at: span(entry), path: "\(path).connectionPool")
    }
    if let balancer = object(settings, "loadBalancer") {
      checkLoadBalancer(balancer, path: "\(path).loadBalancer", findsOutliers: entry(settings, "outlierDetection") != nil)
    }
  }

  /// A number as it is written.
  func shown(_ number: Located<Double>) -> String {
    let whole = Int64(exactly: number.value)
    return whole.map { "\($0)" } ?? "\(number.value)"
  }

  private mutating func checkTunnel(_ tunnel: NodeIndex, path: String) {
    if let word = filledText(tunnel, "protocol"), word.value != "CONNECT", word.value != "POST" {
      let words = ["CONNECT", "POST"]
      report(
        .valueUnknown(
          "\(path).protocol", word.value.string, allowed: "CONNECT, POST", suggestion: suggestion(for: word.value.string, among: words)),
        at: word.span)
    }
    if let host = text(tunnel, "targetHost") {
      if let why = hostRefusal(host.value, allowsWildcard: false), IPAddress(host.value.string) == nil {
        report(.hostInvalid("\(path).targetHost", host.value.string, why: why), at: host.span)
      }
    } else if entry(tunnel, "targetHost") == nil {
      report(.fieldRequired("targetHost", in: "`\(path)`", help: "name the host to tunnel to"), at: start(tunnel))
    }
    if let port = whole(tunnel, "targetPort") {
      if !(1...65_535).contains(port.value) {
        report(.numberOutOfRange("\(path).targetPort", "\(port.value)", allowed: "a port from 1 to 65535"), at: port.span)
      }
    } else if entry(tunnel, "targetPort") == nil {
      report(.fieldRequired("targetPort", in: "`\(path)`", help: "name the port to tunnel to"), at: start(tunnel))
    }
  }

  private mutating func checkOutlierDetection(_ outliers: NodeIndex, path: String) {
    if let errors = whole(outliers, "consecutiveErrors"), errors.value != 0 {
      report(
        .fieldDeprecated("\(path).consecutiveErrors", instead: "consecutive5xxErrors` or `consecutiveGatewayErrors"),
        at: keySpan(outliers, "consecutiveErrors") ?? errors.span)
    }
    if let failures = whole(outliers, "consecutiveLocalOriginFailures"), failures.value > 0,
      !flag(outliers, "splitExternalLocalOriginErrors")
    {
      report(
        .fieldRequired(
          "splitExternalLocalOriginErrors", in: "`\(path)` with `consecutiveLocalOriginFailures`",
          help: "add `splitExternalLocalOriginErrors: true`, or remove `consecutiveLocalOriginFailures`"),
        at: keySpan(outliers, "consecutiveLocalOriginFailures") ?? failures.span)
    }
    for key in ["maxEjectionPercent", "minHealthPercent"] as [StaticString] {
      guard let percent = whole(outliers, key), !(0...100).contains(percent.value) else { continue }
      report(.numberOutOfRange("\(path).\(key)", "\(percent.value)", allowed: "a number from 0 to 100"), at: percent.span)
    }
  }

  private mutating func checkConnectionPool(_ pool: NodeIndex, at span: SourceSpan, path: String) {
    if entry(pool, "tcp") == nil, entry(pool, "http") == nil { report(.settingsEmpty(path, need: "`tcp`, `http`"), at: span) }
    refuseNegative(object(pool, "tcp"), ["maxConnections"], path: "\(path).tcp")
    guard let http = object(pool, "http") else { return }
    refuseNegative(
      http, ["http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries", "maxConcurrentStreams"],
      path: "\(path).http")
    if flag(http, "useClientProtocol"), let policy = entry(http, "h2UpgradePolicy"), document.isScalar(policy.value, "UPGRADE") {
      report(.fieldConflict("h2UpgradePolicy: UPGRADE", with: "useClientProtocol", in: "\(path).http"), at: self.span(policy))
    }
    guard let keepAlive = object(http, "http2KeepAlive") else { return }
    for key in ["interval", "timeout"] as [StaticString] where entry(keepAlive, key) == nil {
      let span = keySpan(http, "http2KeepAlive") ?? start(keepAlive)
      report(.fieldRequired("\(key)", in: "`\(path).http.http2KeepAlive`", help: "write for example `\(key): 10s`"), at: span)
    }
  }

  private mutating func refuseNegative(_ settings: NodeIndex?, _ keys: [StaticString], path: String) {
    for key in keys {
      guard let number = whole(settings, key), number.value < 0 else { continue }
      report(.numberOutOfRange("\(path).\(key)", "\(number.value)", allowed: "a number from 0 on"), at: number.span)
    }
  }
}
