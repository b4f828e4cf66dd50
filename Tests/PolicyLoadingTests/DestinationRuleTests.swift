// DestinationRules: every check of Istio's webhook both ways, and what is kept.

import PolicyLoading
import PolicyModel
import Testing

private func policy(_ trafficPolicy: String) -> String { "{host: a, trafficPolicy: {\(trafficPolicy)}}" }
private func balancer(_ settings: String) -> String { policy("loadBalancer: {\(settings)}") }
private func withOutliers(_ settings: String) -> String { policy("outlierDetection: {}, loadBalancer: {\(settings)}") }
private func locality(_ settings: String) -> String { withOutliers("localityLbSetting: {\(settings)}") }
private func hash(_ settings: String) -> String { balancer("consistentHash: {\(settings)}") }
private func http(_ settings: String) -> String { policy("connectionPool: {http: {\(settings)}}") }
private func tcp(_ settings: String) -> String { policy("connectionPool: {tcp: {\(settings)}}") }
private func tls(_ settings: String) -> String { policy("tls: {\(settings)}") }
private func outliers(_ settings: String) -> String { policy("outlierDetection: {\(settings)}") }
private func tunnel(_ settings: String) -> String { policy("tunnel: {\(settings)}") }

private let long64 = String(repeating: "a", count: 64)
private let long256 = Array(repeating: String(repeating: "a", count: 63), count: 4).joined(separator: ".") + "a"

private let generalCases: [(String, [String])] = [
  // Host.
  ("{}", ["field-required"]),
  ("{host: \"\"}", ["host-invalid"]),
  ("{host: 1}", ["wrong-type"]),
  ("{host: reviews}", []),
  ("{host: reviews.shop.svc.cluster.local}", []),
  ("{host: Reviews.Shop}", []),
  ("{host: a.b.}", []),
  ("{host: \"123\"}", []),
  ("{host: \"*\"}", []),
  ("{host: \"*.com\"}", []),
  ("{host: \"*foo.com\"}", []),
  ("{host: \"*-foo.com\"}", []),
  ("{host: \"a*.com\"}", ["host-invalid"]),
  ("{host: \"a.*.com\"}", ["host-invalid"]),
  ("{host: \"**.com\"}", ["host-invalid"]),
  ("{host: a_b.com}", ["host-invalid"]),
  ("{host: -a.com}", ["host-invalid"]),
  ("{host: a..b}", ["host-invalid"]),
  ("{host: 10.0.0.1}", ["host-invalid"]),
  ("{host: \(long64).com}", ["host-invalid"]),
  ("{host: \(long256)}", ["host-invalid"]),
  ("{host: a, hots: b}", ["field-unknown"]),
  // Traffic policy.
  ("{host: a, trafficPolicy: {}}", ["settings-empty"]),
  ("{host: a, trafficPolicy: {portLevelSettings: []}}", ["settings-empty"]),
  ("{host: a, trafficPolicy: null}", []),
  (policy("tls: {}"), []),
  (policy("retryBudget: {percent: 20.5, minRetryConcurrency: 3, budgetInterval: 0s}"), []),
  (policy("retryBudget: {percent: 101}"), ["number-out-of-range"]),
  (policy("proxyProtocol: {version: V2}"), []),
  (policy("proxyProtocol: {version: V3}"), ["value-unknown"]),
  (policy("tunnel: {targetHost: a, targetPort: 1}, proxyProtocol: {}"), ["field-conflict"]),
  (policy("portLevelSetting: []"), ["settings-empty", "field-unknown"]),
  // Ports.
  (policy("portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]"), []),
  (policy("portLevelSettings: [null]"), ["null-entry"]),
  (policy("portLevelSettings: [{tls: {}}]"), ["field-required"]),
  (policy("portLevelSettings: [{port: {number: 80}}]"), ["settings-empty"]),
  (policy("portLevelSettings: [{port: {number: \"80\"}, tls: {}}]"), ["wrong-type"]),
  (policy("portLevelSettings: [{port: {number: -1}, tls: {}}]"), ["number-out-of-range"]),
  (policy("portLevelSettings: [{port: {number: 80}, tls: {}, tunnel: {}}]"), ["field-unknown"]),
  (policy("portLevelSettings: [{port: {number: 80}, connectionPool: {}}]"), ["settings-empty"]),
  // Subsets.
  ("{host: a, subsets: [{name: v1, labels: {version: v1, \"x.io/y\": \"\"}}]}", []),
  ("{host: a, subsets: [null]}", ["null-entry"]),
  ("{host: a, subsets: [{name: v1}, {name: v1}]}", ["name-duplicate"]),
  ("{host: a, subsets: [{labels: {a: b}}]}", ["field-required"]),
  ("{host: a, subsets: [{name: \"\"}]}", ["name-invalid"]),
  ("{host: a, subsets: [{name: v1.0}]}", ["name-invalid"]),
  ("{host: a, subsets: [{name: a, labels: {\"a b\": c}}]}", ["label-invalid"]),
  ("{host: a, subsets: [{name: a, labels: {\"\": c}}]}", ["label-invalid"]),
  ("{host: a, subsets: [{name: a, labels: {\"/b\": c}}]}", ["label-invalid"]),
  ("{host: a, subsets: [{name: a, labels: {b: -c}}]}", ["label-invalid"]),
  ("{host: a, subsets: [{name: a, labels: {b: \(long64)}}]}", ["label-invalid"]),
  ("{host: a, subsets: [{name: a, trafficPolicy: {}}]}", ["settings-empty"]),
  ("{host: a, subsets: [{name: a, trafficPolicy: {tls: {mode: MUTUAL}}}]}", ["field-required", "field-required"]),
  // Visibility.
  ("{host: a, exportTo: [\".\", other]}", []),
  ("{host: a, exportTo: [\"*\"]}", []),
  ("{host: a, exportTo: [\"~\"]}", ["export-to-invalid"]),
  ("{host: a, exportTo: [\"a b\"]}", ["export-to-invalid"]),
  ("{host: a, exportTo: [b, b]}", ["export-to-invalid"]),
  ("{host: a, exportTo: [\".\", shop]}", ["export-to-invalid"]),
  ("{host: a, exportTo: [shop, \".\"]}", ["export-to-invalid"]),
  ("{host: a, exportTo: [\"*\", b]}", ["export-to-invalid"]),
  ("{host: a, exportTo: [\".\"], workloadSelector: {matchLabels: {a: b}}}", []),
  ("{host: a, exportTo: [shop], workloadSelector: {matchLabels: {a: b}}}", []),
  ("{host: a, workloadSelector: {matchLabels: {a: b}}}", []),
  ("{host: a, exportTo: [other], workloadSelector: {matchLabels: {a: b}}}", ["export-to-invalid"]),
  ("{host: a, exportTo: [\".\", other], workloadSelector: {matchLabels: {a: b}}}", ["export-to-invalid"]),
  ("{host: a, exportTo: [\"*\"], workloadSelector: {matchLabels: {a: b}}}", ["export-to-invalid"]),
  // Selector.
  ("{host: a, workloadSelector: {}}", ["selector-empty"]),
  ("{host: a, workloadSelector: {matchLabels: {\"\": b}}}", ["label-invalid"]),
  ("{host: a, workloadSelector: {matchLabels: {a: \"*\"}}}", ["label-invalid"]),
  ("{host: a, workloadSelector: {labels: {a: b}}}", ["selector-empty", "field-unknown"]),
  // Tunnel.
  (tunnel("protocol: POST, targetHost: a.b, targetPort: 80"), []),
  (tunnel("protocol: \"\", targetHost: 10.0.0.1, targetPort: 80"), []),
  (tunnel("protocol: GET, targetHost: a.b, targetPort: 80"), ["value-unknown"]),
  (tunnel("targetHost: \"*.b\", targetPort: 80"), ["host-invalid"]),
  (tunnel("targetHost: \"\", targetPort: 80"), ["host-invalid"]),
  (tunnel("targetHost: \"12\", targetPort: 80"), ["host-invalid"]),
  (tunnel("targetPort: 80"), ["field-required"]),
  (tunnel("targetHost: a"), ["field-required"]),
  (tunnel("targetHost: a, targetPort: 0"), ["number-out-of-range"]),
  (tunnel("targetHost: a, targetPort: 65536"), ["number-out-of-range"]),
]

private let tlsCases: [(String, [String])] = [
  (tls("mode: ISTIO_MUTUAL, clientCertificate: a, credentialName: b"), []),
  (tls("mode: DISABLE, privateKey: a, insecureSkipVerify: true, caCertificates: b"), []),
  (tls("mode: istio_mutual"), ["value-unknown"]),
  (tls("mode: SIMPLE, sni: a, subjectAltNames: [b], caCertificates: c"), []),
  (tls("mod: SIMPLE"), ["field-unknown"]),
  (tls("mode: SIMPLE, insecureSkipVerify: true"), []),
  (tls("mode: SIMPLE, insecureSkipVerify: \"true\""), ["wrong-type"]),
  (tls("mode: SIMPLE, insecureSkipVerify: true, caCertificates: a"), ["field-conflict"]),
  (tls("mode: SIMPLE, insecureSkipVerify: true, credentialName: a"), ["field-conflict"]),
  (tls("mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]"), ["field-conflict"]),
  (tls("mode: SIMPLE, insecureSkipVerify: false, subjectAltNames: [a]"), []),
  (tls("mode: MUTUAL, insecureSkipVerify: true, clientCertificate: a, privateKey: b"), []),
  (tls("mode: MUTUAL, insecureSkipVerify: true, credentialName: a"), []),
  (tls("mode: MUTUAL, insecureSkipVerify: true, clientCertificate: a, privateKey: b, caCertificates: c"), ["field-conflict"]),
  (tls("mode: MUTUAL, insecureSkipVerify: true, clientCertificate: a, privateKey: b, subjectAltNames: [c]"), ["field-conflict"]),
  (tls("mode: SIMPLE, credentialName: a"), []),
  (tls("mode: SIMPLE, credentialName: a, clientCertificate: b"), ["field-conflict"]),
  (tls("mode: SIMPLE, credentialName: a, privateKey: b"), ["field-conflict"]),
  (tls("mode: SIMPLE, credentialName: a, caCertificates: b"), ["field-conflict"]),
  (tls("mode: MUTUAL, credentialName: a, caCrl: b"), ["field-conflict"]),
  (tls("mode: MUTUAL, clientCertificate: a, privateKey: b"), []),
  (tls("mode: MUTUAL, clientCertificate: a"), ["field-required"]),
  (tls("mode: MUTUAL, privateKey: a"), ["field-required"]),
  (tls("mode: SIMPLE, credentialName: \"configmap://a\""), []),
  (tls("mode: SIMPLE, credentialName: \"configmap://shop/a\""), []),
  (tls("mode: SIMPLE, credentialName: \"configmap://other/a\""), ["credential-name-invalid"]),
  (tls("mode: SIMPLE, credentialName: \"configmap://\""), ["credential-name-invalid"]),
  (tls("mode: SIMPLE, credentialName: \"configmap://shop/a/b\""), ["credential-name-invalid"]),
]

private let connectionCases: [(String, [String])] = [
  (outliers("interval: 1ms, baseEjectionTime: 1h30m"), []),
  (outliers("interval: 0s"), ["duration-invalid"]),
  (outliers("interval: 1500us"), ["duration-invalid"]),
  (outliers("baseEjectionTime: 5"), ["wrong-type"]),
  (outliers("baseEjectionTime: five"), ["duration-invalid"]),
  (outliers("baseEjectionTime: -1s"), ["duration-invalid"]),
  (outliers("consecutiveLocalOriginFailures: 5"), ["field-required"]),
  (outliers("consecutiveLocalOriginFailures: 0"), []),
  (outliers("consecutiveLocalOriginFailures: 5, splitExternalLocalOriginErrors: true"), []),
  (outliers("maxEjectionPercent: 100, minHealthPercent: 0"), []),
  (outliers("maxEjectionPercent: 101"), ["number-out-of-range"]),
  (outliers("minHealthPercent: -1"), ["number-out-of-range"]),
  (outliers("consecutiveErrors: 5"), ["field-deprecated"]),
  (outliers("consecutive5xxErrors: 5, consecutiveGatewayErrors: 1"), []),
  (outliers("consecutive5xxErrors: 4294967296"), ["number-out-of-range"]),
  (policy("connectionPool: {}"), ["settings-empty"]),
  (http("http1MaxPendingRequests: 1, http2MaxRequests: 0, maxRetries: 2147483647"), []),
  (http("http1MaxPendingRequests: -1"), ["number-out-of-range"]),
  (http("http2MaxRequests: -1"), ["number-out-of-range"]),
  (http("maxRequestsPerConnection: -1"), ["number-out-of-range"]),
  (http("maxRetries: -1"), ["number-out-of-range"]),
  (http("maxRetries: 2147483648"), ["number-out-of-range"]),
  (http("maxConcurrentStreams: -1"), ["number-out-of-range"]),
  (http("idleTimeout: 0s"), ["duration-invalid"]),
  (http("idleTimeout: 1s"), []),
  (http("h2UpgradePolicy: UPGRADE"), []),
  (http("h2UpgradePolicy: UPGRADE, useClientProtocol: true"), ["field-conflict"]),
  (http("h2UpgradePolicy: DO_NOT_UPGRADE, useClientProtocol: true"), []),
  (http("http2KeepAlive: {interval: 15s, timeout: 5s}"), []),
  (http("http2KeepAlive: {timeout: 5s}"), ["field-required"]),
  (http("http2KeepAlive: {interval: 5s}"), ["field-required"]),
  (http("http2KeepAlive: {interval: 0s, timeout: 1us}"), ["duration-invalid", "duration-invalid"]),
  (tcp("maxConnections: 1, connectTimeout: 30ms, tcpKeepalive: {probes: 3, time: 7200s, interval: 75s}"), []),
  (tcp("maxConnections: -1"), ["number-out-of-range"]),
  (tcp("connectTimeout: 0s"), ["duration-invalid"]),
  (tcp("maxConnectionDuration: 1us"), ["duration-invalid"]),
  (tcp("tcpKeepalive: {time: 0s}"), ["duration-invalid"]),
  (tcp("tcpKeepalive: {interval: 1.5ms}"), ["duration-invalid"]),
  (tcp("idleTimeout: 0s"), []),
  (tcp("idleTimeout: 1us"), ["duration-invalid"]),
]

private let balancerCases: [(String, [String])] = [
  (balancer("simple: LEAST_REQUEST"), []),
  (balancer("simple: least_request"), ["value-unknown"]),
  (balancer("simple: RANDOM, consistentHash: {useSourceIp: true}"), ["field-conflict"]),
  (hash("httpCookie: {name: a, ttl: 0s, attributes: [{name: SameSite, value: Strict}, {name: Secure}]}"), []),
  (hash("httpCookie: {ttl: 0s}"), ["field-required"]),
  (hash("httpCookie: {name: \"\"}"), ["empty-string"]),
  (hash("httpCookie: {name: a, attributes: [{value: b}]}"), ["field-required"]),
  (hash("httpCookie: {name: a, attributes: [{name: b}, {name: b}]}"), ["name-duplicate"]),
  (hash("httpHeaderName: a, useSourceIp: true"), ["field-conflict"]),
  (hash("httpHeaderName: a, minimumRingSize: 1024"), ["field-deprecated"]),
  (hash("httpHeaderName: a, minimumRingSize: 0, ringHash: {}"), []),
  (hash("httpHeaderName: a, minimumRingSize: 1024, ringHash: {}"), ["field-deprecated", "field-conflict"]),
  (hash("httpHeaderName: a, minimumRingSize: 1024, maglev: {tableSize: 65537}"), ["field-deprecated", "field-conflict"]),
  (hash("httpHeaderName: a, ringHash: {minimumRingSize: 1}, maglev: {tableSize: 65537}"), ["field-conflict"]),
  (hash("httpHeaderName: a, maglev: {tableSize: 5000009}"), ["number-out-of-range"]),
  (hash("httpHeaderName: a, maglev: {tableSize: 4999999}"), []),
  (hash("httpHeaderName: a, maglev: {tableSize: 5000011}"), ["number-out-of-range"]),
  (hash("httpHeaderName: a, maglev: {tableSize: 0}"), ["number-out-of-range"]),
  (hash("httpHeaderName: a, maglev: {}"), ["number-out-of-range"]),
  (hash("httpHeaderName: a, maglev: {tableSize: 65536}"), ["number-out-of-range"]),
  (hash("httpHeaderName: a, maglev: {tableSize: 2}"), []),
  (balancer("localityLbSetting: {}, zoneAwareLbSetting: {}"), ["field-conflict"]),
  (locality("distribute: [{from: \"a/*\", to: {\"a/*\": 80, \"b\": 20}}, {from: b, to: {b: 100}}]"), []),
  (locality("distribute: [{from: a, to: {a: 100}}], failover: [{from: a, to: b}]"), ["field-conflict"]),
  (locality("distribute: [{from: a, to: {a: 100}}], failover: []"), []),
  (locality("distribute: [{from: a, to: {a: 0, b: 100}}]"), ["number-out-of-range"]),
  (locality("distribute: [{from: a, to: {a: 101}}]"), ["number-out-of-range"]),
  (locality("distribute: [{from: a, to: {a: 50, b: 49}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a, to: {}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a, to: {a: \"100\"}}]"), ["wrong-type"]),
  (locality("distribute: [{from: \"a*b\", to: {a: 100}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: \"*/*\", to: {a: 100}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a//b, to: {a: 100}}]"), ["locality-invalid"]),
  (locality("distribute: [{to: {a: 100}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a, to: {b: 100}}, {from: a/b, to: {b: 100}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a, to: {\"a/b\": 50, \"a/b/c\": 50}}]"), ["locality-invalid"]),
  (locality("distribute: [{from: a, to: {\"*\": 50, a: 50}}]"), ["locality-invalid"]),
  (locality("failover: [{from: a, to: b}]"), []),
  (locality("failover: [{from: a, to: a}]"), ["locality-invalid"]),
  (locality("failover: [{from: a/b, to: c}]"), ["locality-invalid"]),
  (locality("failover: [{from: a, to: c/d}]"), ["locality-invalid"]),
  (locality("failover: [{from: \"*\", to: c}]"), ["locality-invalid"]),
  (locality("failover: [{from: a, to: \"c*\"}]"), ["locality-invalid"]),
  (locality("failover: [{from: a, to: b}], failoverPriority: [x.io/rack]"), []),
  (locality("failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/region]"), ["locality-invalid"]),
  (locality("failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/zone]"), ["locality-invalid"]),
  (locality("failover: [{from: a, to: b}], failoverPriority: [topology.istio.io/subzone]"), ["locality-invalid"]),
  (locality("failoverPriority: [topology.kubernetes.io/zone]"), []),
  (balancer("localityLbSetting: {failover: [{from: a, to: b}]}"), ["failover-ineffective"]),
  (balancer("localityLbSetting: {failoverPriority: [a]}"), ["failover-ineffective"]),
  (withOutliers("zoneAwareLbSetting: {enabled: true, minClusterSize: 3, failover: [{from: a, to: b}], failoverPriority: [a]}"), []),
  (withOutliers("zoneAwareLbSetting: {failoverPriority: [topology.kubernetes.io/region]}"), ["locality-invalid"]),
  (withOutliers("zoneAwareLbSetting: {failover: [{from: a, to: a}]}"), ["locality-invalid"]),
  (balancer("zoneAwareLbSetting: {failover: [{from: a, to: b}]}"), ["failover-ineffective"]),
  (balancer("warmup: {duration: 300s, minimumPercent: 5.0, aggression: 5}"), []),
  (balancer("warmup: {minimumPercent: 5.0}"), ["field-required"]),
  (balancer("warmup: {duration: 0s}"), ["duration-invalid"]),
  (balancer("warmup: {duration: 300s, minimumPercent: 150.0}"), ["number-out-of-range"]),
  (balancer("warmup: {duration: 300s, minimumPercent: 100}"), []),
  (balancer("warmup: {duration: 300s, aggression: 0.3}"), ["number-out-of-range"]),
  (balancer("warmup: {duration: 300s, aggression: 0}"), ["number-out-of-range"]),
  (balancer("warmup: {duration: 300s, aggression: .inf}"), ["wrong-type"]),
  (balancer("warmup: {duration: 300s, aggression: \"1\"}"), ["wrong-type"]),
  (balancer("warmupDurationSecs: 10s"), []),
  (balancer("warmupDurationSecs: 10s, warmup: {duration: 1s}"), ["field-conflict"]),
  (policy("portLevelSettings: [{port: {number: 80}, loadBalancer: {warmup: {}}}]"), ["field-required"]),
  ("{host: a, subsets: [{name: a, trafficPolicy: {loadBalancer: {simple: FAST}}}]}", ["value-unknown"]),
]

@Suite struct `Istio's checks of DestinationRules` {
  private func expect(_ spec: String, _ codes: [String]) {
    let file = load(rule(spec))
    #expect(file.codes == codes, "\(spec)\n\(file.messages)")
    #expect(file.destinationRules.count == (file.hasErrors ? 0 : 1))
    #expect(file.broken.count == (file.hasErrors ? 1 : 0))
    #expect(!file.broken.contains { $0.couldDecide })
  }

  @Test(arguments: generalCases) func `of hosts, subsets, visibility and ports`(spec: String, codes: [String]) { expect(spec, codes) }
  @Test(arguments: tlsCases) func `of TLS`(spec: String, codes: [String]) { expect(spec, codes) }
  @Test(arguments: connectionCases) func `of connections and outliers`(spec: String, codes: [String]) { expect(spec, codes) }
  @Test(arguments: balancerCases) func `of load balancing`(spec: String, codes: [String]) { expect(spec, codes) }

  @Test(arguments: ["v1", "v1beta1", "v1alpha3"]) func `all three versions are read`(version: String) {
    #expect(load(rule("{host: a}").replacing("istio.io/v1\n", with: "istio.io/\(version)\n")).destinationRules.count == 1)
  }

  @Test func `every level keeps its TLS, and what is not written stays nil`() throws {
    let text = """
      {host: a.shop.svc.cluster.local, exportTo: ["."], workloadSelector: {matchLabels: {app: client}},
       trafficPolicy: {tls: {}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {}}},
        {port: {number: 443}, tls: {mode: SIMPLE, sni: s, subjectAltNames: [x], caCertificates: ca, caCrl: crl}}]},
       subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}},
        {name: v2, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: c, privateKey: k, insecureSkipVerify: true}}}, {name: v3}]}
      """
    let file = load(rule(text))
    let rule = try #require(file.destinationRules.first, "\(file.messages)")
    #expect(rule.host.value == "a.shop.svc.cluster.local" && rule.host.span.line == 4)
    #expect(rule.exportTo == ["."] && rule.workloadSelector == LabelSelector(matchLabels: ["app": "client"]))
    let policy = try #require(rule.trafficPolicy)
    // `tls: {}` is DISABLE, not "unset".
    #expect(policy.tls?.mode == .disable)
    #expect(policy.portLevelSettings.map(\.port) == [80, 443] && policy.portLevelSettings[0].tls == nil)
    let simple = try #require(policy.portLevelSettings[1].tls)
    #expect(simple.mode == .simple && simple.sni == "s" && simple.subjectAltNames == ["x"] && simple.caCRL == "crl")
    #expect(rule.subsets.map(\.name) == ["v1", "v2", "v3"] && rule.subsets[0].labels == ["version": "v1"])
    #expect(rule.subsets[0].trafficPolicy?.tls == nil && rule.subsets[2].trafficPolicy == nil)
    let mutual = try #require(rule.subsets[1].trafficPolicy?.tls)
    #expect(mutual.mode == .mutual && mutual.privateKey == "k" && mutual.skipsVerification)
  }

  @Test func `all problems come in one run, each at its place`() {
    let file = load(
      """
      apiVersion: networking.istio.io/v1
      kind: DestinationRule
      metadata: {name: d}
      spec:
        host: "a*.com"
        trafficPolicy:
          tls:
            mode: MUTAL
          connectionPool:
            http:
              maxRetries: -1
              idleTimeout: 10
          portLevelSettings:
          - port: {number: 80}
      """)
    #expect(
      file.messages == """
        test.yaml:5:9: error: `host` `a*.com` has a star that is not at its start [host-invalid]
            host: "a*.com"
                  ^^^^^^^^
          = help: write a DNS name, for example "reviews.shop.svc.cluster.local"
        test.yaml:8:13: error: `trafficPolicy.tls.mode` is `MUTAL`, not one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL [value-unknown]
                mode: MUTAL
                      ^^^^^
          = help: did you mean `MUTUAL`?
        test.yaml:11:21: error: `trafficPolicy.connectionPool.http.maxRetries` is -1, not a number from 0 on [number-out-of-range]
                  maxRetries: -1
                              ^^
          = help: write a number from 0 on
        test.yaml:12:22: error: `trafficPolicy.connectionPool.http.idleTimeout` must be a string, not the number `10` [wrong-type]
                  idleTimeout: 10
                               ^^
          = help: put the value in quotes: "10"
        test.yaml:14:7: error: `trafficPolicy.portLevelSettings` sets nothing [settings-empty]
              - port: {number: 80}
                ^^^^
          = help: set at least one of `loadBalancer`, `connectionPool`, `outlierDetection`, `tls`, or leave it out
        """, "\(file.messages)")
  }
}
