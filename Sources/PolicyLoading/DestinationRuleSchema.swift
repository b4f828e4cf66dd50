// The fields of a DestinationRule (istio/api networking/v1alpha3, of Istio 1.31), all of them, so that a misspelt one never passes.
// Tables only; what the values mean together is checked next door.

internal import PolicyModel

extension Schema {
  static let destinationRule = Schema([
    ("host", .text), ("trafficPolicy", .object(trafficPolicy)), ("subsets", .objects(subset)), ("exportTo", .texts(filled: false)),
    ("workloadSelector", .other),
  ])
  private static let subset = Schema([("name", .text), ("labels", .textMap), ("trafficPolicy", .object(trafficPolicy))])
  private static let trafficPolicy = Schema(
    common + [
      (key: "portLevelSettings", shape: Shape.objects(portLevel)), (key: "tunnel", shape: .object(tunnel)),
      (key: "proxyProtocol", shape: .object(Schema([("version", .choice(["V1", "V2"]))]))),
      (key: "retryBudget", shape: .object(retryBudget)),
    ])
  private static let portLevel = Schema([(key: "port", shape: Shape.object(Schema([("number", .uint32)])))] + common)
  private static let common: [(key: StaticString, shape: Shape)] = [
    ("loadBalancer", .object(loadBalancer)), ("connectionPool", .object(connectionPool)), ("outlierDetection", .object(outlierDetection)),
    ("tls", .object(tls)),
  ]
  private static let tunnel = Schema([("protocol", .text), ("targetHost", .text), ("targetPort", .uint32)])
  private static let retryBudget = Schema([("percent", .number), ("minRetryConcurrency", .uint32), ("budgetInterval", .duration(.any))])
  private static let tls = Schema([
    ("mode", .choice(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"])), ("clientCertificate", .text), ("privateKey", .text),
    ("caCertificates", .text), ("credentialName", .text), ("subjectAltNames", .texts(filled: false)), ("sni", .text),
    ("insecureSkipVerify", .boolean), ("caCrl", .text),
  ])
  private static let outlierDetection = Schema([
    ("consecutiveErrors", .int32), ("splitExternalLocalOriginErrors", .boolean), ("consecutiveLocalOriginFailures", .uint32),
    ("consecutiveGatewayErrors", .uint32), ("consecutive5xxErrors", .uint32), ("interval", .duration(.milliseconds)),
    ("baseEjectionTime", .duration(.milliseconds)), ("maxEjectionPercent", .int32), ("minHealthPercent", .int32),
  ])
  private static let connectionPool = Schema([("tcp", .object(tcp)), ("http", .object(http))])
  private static let tcp = Schema([
    ("maxConnections", .int32), ("connectTimeout", .duration(.milliseconds)), ("maxConnectionDuration", .duration(.milliseconds)),
    ("idleTimeout", .duration(.zeroOrMilliseconds)),
    (
      "tcpKeepalive",
      .object(Schema([("probes", .uint32), ("time", .duration(.milliseconds)), ("interval", .duration(.milliseconds))]))
    ),
  ])
  private static let http = Schema([
    ("http1MaxPendingRequests", .int32), ("http2MaxRequests", .int32), ("maxRequestsPerConnection", .int32), ("maxRetries", .int32),
    ("idleTimeout", .duration(.milliseconds)), ("h2UpgradePolicy", .choice(["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"])),
    ("useClientProtocol", .boolean), ("maxConcurrentStreams", .int32),
    ("http2KeepAlive", .object(Schema([("interval", .duration(.milliseconds)), ("timeout", .duration(.milliseconds))]))),
  ])
  private static let loadBalancer = Schema([
    ("simple", .choice(["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"])),
    ("consistentHash", .object(consistentHash)), ("localityLbSetting", .object(locality)), ("zoneAwareLbSetting", .object(zoneAware)),
    ("warmupDurationSecs", .duration(.milliseconds)),
    (
      "warmup",
      .object(Schema([("duration", .duration(.milliseconds)), ("minimumPercent", .number), ("aggression", .number)]))
    ),
  ])
  private static let consistentHash = Schema([
    ("httpHeaderName", .text), ("httpCookie", .object(cookie)), ("useSourceIp", .boolean), ("httpQueryParameterName", .text),
    ("minimumRingSize", .uint64), ("ringHash", .object(Schema([("minimumRingSize", .uint64)]))),
    ("maglev", .object(Schema([("tableSize", .uint64)]))),
  ])
  private static let cookie = Schema([
    ("name", .text), ("path", .text), ("ttl", .duration(.any)), ("attributes", .objects(Schema([("name", .text), ("value", .text)]))),
  ])
  private static let failover = Shape.objects(Schema([("from", .text), ("to", .text)]))
  private static let locality = Schema([
    ("distribute", .objects(Schema([("from", .text), ("to", .wholeMap(0...Int64(UInt32.max)))]))), ("failover", failover),
    ("failoverPriority", .texts(filled: false)), ("enabled", .boolean),
  ])
  private static let zoneAware = Schema([
    ("enabled", .boolean), ("minClusterSize", .uint64), ("failover", failover), ("failoverPriority", .texts(filled: false)),
  ])
}
