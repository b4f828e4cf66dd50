// What a line of an access log asks of the machine: nothing of the allocator, once its caller and its group were seen before.
//
// Enters: a log with a line of every kind. Leaves: counts. Never here: what the decisions are.

internal import CCounting
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel
internal import Testing

@Suite(.enabled(if: counting_is_possible(), "not under a sanitizer")) struct `What a line of a log costs` {
  private static let policies = """
    apiVersion: v1
    kind: Pod
    metadata: {name: api, namespace: shop, labels: {app: api}}
    status: {podIP: 10.0.0.2}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: only, namespace: shop}
    spec:
      rules:
      - from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]
        to: [{operation: {paths: [/api/*]}}]

    """

  private static let log = [
    #"{"workload":"shop/api","protocol":"HTTP/2","method":"GET","path":"/api/1","downstream_peer_uri_san":"spiffe://cluster.local/ns/shop/sa/web"}"#,
    #"{"workload":"shop/api","protocol":"HTTP/2","method":"GET","path":"/admin","downstream_peer_uri_san":"spiffe://cluster.local/ns/shop/sa/web"}"#,
    #"{"downstream_local_address":"10.0.0.2:80","method":"GET","path":"\/api\u002f1","downstream_remote_address":"[::1]:5"}"#,
    #"{"path":"/api/2","workload":"shop/api","method":"GET","bytes":5,"more":{"a":[1,null]}}"#,
    #"{"upstream_cluster":"outbound|80||x","method":"GET"}"#, #"{"workload":"shop/none","method":"GET"}"#, "oops", "[]", "",
    #"{"method":1}"#,
  ]

  @Test func `nothing of the allocator`() {
    var set = PolicySet()
    for object in loadPolicies(text: Array(Self.policies.utf8), file: "test.yaml").objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .workload(let workload): set.workloads.append(workload)
      default: break
      }
    }
    var replayer = Replayer(Snapshot(set, mesh: MeshSettings()), workloads: set.workloads)
    let bytes = Array((Self.log.joined(separator: "\n") + "\n").utf8)
    for _ in 0..<3 { _ = replayer.read(bytes.span, isLast: false) }
    counting_start()
    var used = 0
    for _ in 0..<100 { used += replayer.read(bytes.span, isLast: false) }
    let counts = counting_stop()
    #expect(used == bytes.count * 100 && replayer.lineCount == 103 * Self.log.count)
    #expect(replayer.counts.allow == 103 && replayer.counts.total == 103 * 4)
    #expect(counts.allocations == 0, "\(counts.allocations) allocations for \(100 * Self.log.count) lines")
    #expect(counts.locks == 0)
  }
}
