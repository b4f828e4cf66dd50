// Which objects a file holds: kinds, lists, duplicates, the inventory, and the normal form of a policy.

import PolicyLoading
import PolicyModel
import Testing

private func object(_ version: String, _ kind: String, _ rest: String = "metadata: {name: a}") -> String {
  "---\napiVersion: \(version)\nkind: \(kind)\n\(rest)\n"
}

@Suite struct `Objects of a file` {
  @Test func `unrelated kinds are skipped and counted`() {
    let file = load(
      object("v1", "ConfigMap") + object("v1", "ConfigMap", "data: {a: 1, a: 2}") + object("example.com/v1", "Thing")
        + object("networking.istio.io/v1", "VirtualService") + "---\n---\n# nothing\n")
    #expect(file.skipped == ["ConfigMap": 2, "Thing": 1, "VirtualService": 1])
    #expect(file.objects.isEmpty && file.broken.isEmpty)
    #expect(file.codes == [])
    #expect(load("").codes == [])
  }

  @Test(arguments: [
    ("security.istio.io/v1", "AuthorizationPolcy", "kind-unknown", "AuthorizationPolicy"),
    ("networking.istio.io/v1", "WorkloadEntri", "kind-unknown", "WorkloadEntry"),
    ("security.istio.io/v2", "AuthorizationPolicy", "version-unknown", "security.istio.io/v1"),
    ("security.istio.io", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("security.istio.oi/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("v1", "PeerAuthentication", "kind-unknown", "security.istio.io/v1"),
    ("istio.io/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("security/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("istio/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("auth.istio.example.com/v1", "PeerAuthentication", "kind-unknown", "security.istio.io/v1"),
    ("authorization.istio.io/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("rbac.istio.io/v1alpha1", "ServiceRole", "kind-unknown", "check the spelling"),
    ("Security.Istio.IO/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("telemetry.istio.io/v1", "AuthorizationPolicy", "kind-unknown", "security.istio.io/v1"),
    ("security.istio.io", "AuthorizationPolcy", "kind-unknown", "`kind: AuthorizationPolicy`"),
    ("v1", "AuthorizationPolcy", "kind-unknown", "`kind: AuthorizationPolicy`"),
    ("apps/v1", "AuthorizationPolcy", "kind-unknown", "`kind: AuthorizationPolicy`"),
    ("policy/v1", "PeerAuthentification", "kind-unknown", "`kind: PeerAuthentication`"),
    ("security.istio.o/v1", "AuthorizationPolcy", "kind-unknown", "`kind: AuthorizationPolicy`"),
    ("networking.istio.o/v1", "DestinationRul", "kind-unknown", "networking.istio.io/v1"),
    ("v1", "requestauthentication", "kind-unknown", "`kind: RequestAuthentication`"),
  ])
  func `a misspelt kind, group or version is never skipped`(version: String, kind: String, code: String, help: String) {
    let file = load(object(version, kind))
    #expect(file.codes == [code], "\(file.messages)")
    #expect(file.diagnostics.first?.help?.contains(help) == true, "\(file.messages)")
    #expect(file.broken.count == 1)
    let isInventory = version == "networking.istio.io/v1"
    #expect(file.broken.map(\.couldDecide) == [!isInventory])
    #expect(file.skipped.isEmpty)
  }

  @Test(arguments: [
    "item: []", "Items: []", "items: {}", "items: null", "items: text", "metadata: {name: a}",
  ])
  func `a list that lost its items may hold anything`(rest: String) {
    for (version, kind) in [("v1", "List"), ("v1", "PodList"), ("security.istio.io/v1", "AuthorizationPolicyList")] {
      let file = load(object(version, kind, rest))
      #expect(file.codes == ["field-required"], "\(file.messages)")
      #expect(file.broken.map(\.couldDecide) == [true])
      #expect(file.broken.map { $0.key == nil } == [true])
      #expect(file.broken.map { $0.namespace == nil } == [true])
    }
  }

  @Test func `a list under another name is no list, and lists of other products are theirs`() {
    #expect(load(object("v1", "Lst", "items: []")).codes == ["kind-unknown"])
    #expect(load(object("v1", "List", "items: []")).codes == [])
    #expect(load(object("example.com/v1", "AllowList", "spec: {}")).skipped == ["AllowList": 1])
  }

  @Test(arguments: [
    ("v1", "ConfigMap"), ("policy/v1", "PodDisruptionBudget"), ("networking.k8s.io/v1", "NetworkPolicy"),
    ("telemetry.istio.io/v1", "Telemetry"), ("extensions.istio.io/v1alpha1", "WasmPlugin"), ("install.istio.io/v1alpha1", "IstioOperator"),
    ("sailoperator.io/v1", "Istio"), ("istio.example.com/v1", "Thing"), ("cilium.io/v2", "AuthorizationPolicy"),
    ("policy.linkerd.io/v1alpha1", "AuthorizationPolicy"), ("policy.linkerd.io/v1alpha1", "MeshTLSAuthentication"),
    ("extensions/v1beta1", "Ingress"), ("v1", "Secret"), ("apps/v1", "ControllerRevision"),
  ])
  func `what is near to nothing of Istio's is skipped`(version: String, kind: String) {
    let file = load(object(version, kind))
    #expect(file.codes == [], "\(file.messages)")
    #expect(file.skipped == [ExactText(kind): 1])
  }

  @Test func `a policy without a namespace is taken for one of the default namespace, with a warning`() {
    for metadata in ["{name: a}", "{name: a, namespace: \"\"}", "{name: a, namespace: null}"] {
      for kind in ["AuthorizationPolicy", "PeerAuthentication"] {
        let file = load(object("security.istio.io/v1", kind, "metadata: \(metadata)\nspec: {}"))
        #expect(file.codes == ["namespace-missing"], "\(file.messages)")
        #expect(file.keys == ["\(kind) default/a"])
      }
    }
    #expect(load(object("security.istio.io/v1", "AuthorizationPolicy", "metadata: {name: a, namespace: default}")).codes == [])
    #expect(load(object("v1", "Pod")).codes == [])
  }

  @Test func `a policy of another product is not ours`() {
    #expect(load(object("policy.linkerd.io/v1", "AuthorizationPolicy")).skipped == ["AuthorizationPolicy": 1])
  }

  @Test func `documents without type, and documents that are no objects, are errors`() {
    #expect(load("metadata: {name: a}\n").codes == ["field-required", "field-required"])
    #expect(load("apiVersion: v1\n").codes == ["field-required"])
    #expect(load("apiVersion: 1\nkind: Pod\n").codes == ["wrong-type"])
    #expect(load("- a\n").codes == ["document-invalid"])
    #expect(load("hello\n").codes == ["document-invalid"])
  }

  @Test func `lists hold objects, and a broken one does not hide the others`() {
    let file = load(
      """
      apiVersion: v1
      kind: List
      items:
      - {apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a}, spec: {}}
      - {apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: b}, spec: {action: ALLOW, action: DENY}}
      - apiVersion: security.istio.io/v1beta1
        kind: PeerAuthentication
        metadata: {name: c}
      - null
      """)
    #expect(file.keys == ["AuthorizationPolicy default/a", "PeerAuthentication default/c"])
    #expect(file.codes == ["namespace-missing", "namespace-missing", "duplicate-key", "namespace-missing", "null-entry"])
    #expect(file.broken.map(\.key?.description) == ["AuthorizationPolicy default/b", nil])
  }

  @Test func `a list that is cut off keeps what was read and says that more may be missing`() {
    let file = load(
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: a}\n"
        + "- apiVersion: security.istio.io/v1\n  kind: AuthorizationPolicy\n  metadata: {name: b}\n  spec: {rules: [\n")
    #expect(file.keys == ["ServiceAccount default/a"])
    #expect(file.broken.map(\.key?.description) == ["AuthorizationPolicy default/b", nil])
  }

  @Test func `an object that is defined twice is broken, because nobody knows which one is meant`() {
    let file = load(policy("{}") + "---\n" + policy("{action: AUDIT}") + "---\n" + policy("{}").replacing("name: p", with: "name: q"))
    #expect(file.keys == ["AuthorizationPolicy shop/q"])
    #expect(file.broken.map(\.key?.description) == ["AuthorizationPolicy shop/p"])
    #expect(
      file.messages == """
        test.yaml:8:18: error: AuthorizationPolicy shop/p is defined a second time, first at test.yaml:3:18 [duplicate-object]
          metadata: {name: p, namespace: shop, annotations: {}}
                           ^
          = help: keep one of the two, or give one another name
        """)
  }

  @Test func `metadata without a name is an error, and identity that is written twice is not guessed`() {
    #expect(load(object("v1", "Pod", "metadata: {}")).codes == ["field-required"])
    #expect(load(object("v1", "Pod", "spec: {}")).codes == ["field-required"])
    let file = load(object("security.istio.io/v1", "AuthorizationPolicy", "metadata: {name: a, namespace: b, namespace: c}"))
    #expect(file.codes == ["duplicate-key"])
    #expect(file.broken.first?.namespace == nil)
  }

  @Test func `a policy with a misspelt namespace may be meant for any`() {
    let file = load(object("security.istio.io/v1", "AuthorizationPolicy", "metadata: {name: a, namespcae: shop}\nspec: {}"))
    #expect(file.codes == ["field-unknown"])
    #expect(file.broken.map(\.namespace) == [nil])
    #expect(load(object("v1", "Pod", "metadata: {name: a, namespcae: shop}\nspec: {}")).keys == ["Pod default/a"])
  }

  @Test func `two gateways of one name and different groups are two objects`() {
    let file = load(
      object("networking.istio.io/v1", "Gateway", "metadata: {name: gw}") + "---\n"
        + object("gateway.networking.k8s.io/v1", "Gateway", "metadata: {name: gw}"))
    #expect(file.codes == [])
    #expect(file.keys == ["Gateway default/gw", "Gateway.gateway.networking.k8s.io default/gw"])
  }

  @Test func `a broken policy keeps its selector when it is certain`() {
    let file = load(policy("{selector: {matchLabels: {app: db}}, action: DNEY}"))
    #expect(file.broken.first?.selector == LabelSelector(matchLabels: ["app": "db"]))
    #expect(load(policy("{action: DNEY}")).broken.first?.selector == LabelSelector())
    #expect(load(policy("{selctor: {matchLabels: {app: db}}}")).broken.first?.selector == nil)
  }

  @Test func `a policy is decoded to its normal form`() throws {
    let file = load(
      """
      apiVersion: security.istio.io/v1beta1
      kind: AuthorizationPolicy
      metadata:
        name: p
        namespace: shop
        creationTimestamp: 2024-02-29T12:00:00Z
        labels: {team: a}
      spec:
        selector:
          matchLabels: {app: db}
        action: DENY
        rules:
        - from:
          - source:
              principals: ["a", "b"]
              notPrincipals: ["c"]
              namespaces: [d]
          to:
          - operation: {ports: ["80"], notPaths: ["/x"]}
          when:
          - key: request.headers[x-a]
            values: ["1"]
            notValues: ["2"]
      status: {anything: 1}
      """)
    #expect(file.codes == [], "\(file.messages)")
    let policy = try #require(file.policies.first)
    #expect(policy.metadata.creationTime == 1_709_208_000)
    #expect(policy.metadata.labels == ["team": "a"])
    #expect(policy.action == .deny)
    #expect(policy.attachment == .selector(LabelSelector(matchLabels: ["app": "db"])))
    let rule = try #require(policy.rules.first ?? nil)
    #expect(rule.sources.first?.constraints.map(\.attribute) == [.sourcePrincipal, .sourceNamespace])
    #expect(rule.sources.first?.constraints.first?.values.map(\.value) == ["a", "b"])
    #expect(rule.sources.first?.constraints.first?.notValues.map(\.value) == ["c"])
    #expect(rule.sources.first?.constraints.first?.values.last?.span == SourceSpan(line: 15, column: 27, endLine: 15, endColumn: 30))
    #expect(rule.operations.first?.constraints.map(\.attribute) == [.destinationPort, .path])
    #expect(rule.conditions.first?.attribute == .requestHeader("x-a"))
  }

  @Test(arguments: ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"])
  func `a label of a revision is warned of`(_ kind: String) {
    let text = "apiVersion: security.istio.io/v1\nkind: \(kind)\nmetadata: {name: p, namespace: shop, labels: {istio.io/rev: canary}}\n"
    let file = load(text)
    #expect(file.codes == ["revision-label"] && file.objects.count == 1 && file.broken.isEmpty, "\(file.messages)")
    #expect(file.messages.contains("read this object [revision-label]") && file.messages.contains("revision `canary`"), "\(file.messages)")
    #expect(load(text.replacing("istio.io/rev", with: "istio.io/revision")).codes == [])
    // Others' labels mean nothing to Istio.
    #expect(load("apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {istio.io/rev: canary}}\n").codes == [])
  }

  @Test(arguments: ["", ", creationTimestamp: null"])
  func `an object without a time of creation is younger than all others`(_ field: String) throws {
    let file = load("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: shop\(field)}\n")
    #expect(try #require(file.peerAuthentications.first).metadata.creationTime == .max, "\(file.messages)")
  }

  @Test func `ports of a PeerAuthentication may be written as numbers or as text`() throws {
    let file = load(
      peer("{selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}, portLevelMtls: {0x50: {mode: DISABLE}, \"81\": {mode: UNSET}}}"))
    let policy = try #require(file.peerAuthentications.first)
    #expect(policy.mode == .strict)
    #expect(policy.portModes[80] == .some(.some(.disable)))
    #expect(policy.portModes[81] == .some(.none))
  }

  @Test func `workloads carry the labels and accounts that policies see`() {
    let template = "template: {metadata: {labels: {app: x}}, spec: {serviceAccountName: sa}}"
    let kinds = [
      ("apps/v1", "Deployment"), ("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"),
    ]
    for (version, kind) in kinds {
      let file = load(object(version, kind, "metadata: {name: a, labels: {own: z}}\nspec: {replicas: 1, \(template)}"))
      #expect(file.workloads.first?.labels == ["app": "x"], "\(kind) \(file.messages)")
      #expect(file.workloads.first?.serviceAccount == "sa")
    }
    let cron = load(object("batch/v1", "CronJob", "metadata: {name: a}\nspec: {jobTemplate: {spec: {\(template)}}}"))
    #expect(cron.workloads.first?.labels == ["app": "x"])
    let pod = load(
      object(
        "v1", "Pod",
        "metadata: {name: a, labels: {app: x}}\nspec: {}\nstatus: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: \"fd00::1\"}]}"))
    #expect(pod.workloads.first?.serviceAccount == "default")
    #expect(pod.workloads.first?.addresses == [IPAddress("10.0.0.1"), IPAddress("fd00::1")].compactMap(\.self))
    let entry = load(
      object(
        "networking.istio.io/v1", "WorkloadEntry", "metadata: {name: a}\nspec: {address: 10.0.0.2, labels: {app: x}, serviceAccount: sa}"))
    #expect(entry.workloads.first?.labels == ["app": "x"])
    #expect(entry.workloads.first?.addresses.count == 1)
    let group = load(
      object(
        "networking.istio.io/v1", "WorkloadGroup",
        "metadata: {name: a}\nspec: {metadata: {labels: {app: x}}, template: {serviceAccount: sa}}"))
    #expect(group.workloads.first?.serviceAccount == "sa")
    #expect(load(object("v1", "Namespace")).keys == ["Namespace a"])
    #expect(load(object("gateway.networking.k8s.io/v1", "Gateway")).keys == ["Gateway.gateway.networking.k8s.io default/a"])
    #expect(
      load(object("apps/v1", "Deployment", "metadata: {name: a}\nspec: {template: {metadata: {labels: {app: 1}}}}")).codes == ["wrong-type"]
    )
  }
}
