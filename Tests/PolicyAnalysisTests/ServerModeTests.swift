// The server's side: the effective mode, the object that decided it, and that it is the engine's own.
// Enters: PeerAuthentications, random ones too. Leaves: modes. Never here: clients.

import PolicyAnalysis
import PolicyEngine
import PolicyModel
import Testing

@Suite struct `the effective server mode` {
  private static func analysis(_ modes: [String]) -> TLSAnalysis {
    TLSAnalysis(
      [
        Manifest.namespace("shop"), Manifest.namespace("istio-system"), Manifest.deployment("front"), Manifest.deployment("back"),
        Manifest.service("back"), Manifest.deployment("root", in: "istio-system"), Manifest.service("root", in: "istio-system"),
      ] + modes)
  }

  private static func mode(_ modes: [String], _ host: ExactText = "back.shop.svc.cluster.local") -> String {
    let mode = analysis(modes).connect("front", host).first?.serverMode
    return "\(mode?.mode.rawValue ?? "-") \(mode?.decider?.key.description ?? "-")"
  }

  @Test func `mesh, namespace, workload, port; UNSET inherits; the oldest wins`() {
    let mesh = Manifest.peer("mesh", in: "istio-system", "mtls: {mode: STRICT}")
    let namespace = Manifest.peer("ns", "mtls: {mode: DISABLE}")
    let own = Manifest.peer("own", "selector: {matchLabels: {app: back}}, mtls: {mode: PERMISSIVE}")
    let port = Manifest.peer("own", "selector: {matchLabels: {app: back}}, portLevelMtls: {8080: {mode: STRICT}}")
    #expect(Self.mode([]) == "PERMISSIVE -")
    #expect(Self.mode([mesh]) == "STRICT PeerAuthentication istio-system/mesh")
    #expect(Self.mode([mesh, namespace]) == "DISABLE PeerAuthentication shop/ns")
    #expect(Self.mode([mesh, namespace, own]) == "PERMISSIVE PeerAuthentication shop/own")
    #expect(Self.mode([mesh, namespace, port]) == "STRICT PeerAuthentication shop/own")
    #expect(Self.mode([mesh, Manifest.peer("ns", "mtls: {mode: UNSET}")]) == "STRICT PeerAuthentication istio-system/mesh")
    #expect(Self.mode([mesh, Manifest.peer("ns", "selector: {}, mtls: {mode: DISABLE}")]) == "DISABLE PeerAuthentication shop/ns")
    // A losing object contributes nothing, not even ports.
    let younger = Manifest.peer("zzz", "selector: {matchLabels: {app: back}}, portLevelMtls: {8080: {mode: DISABLE}}")
    #expect(Self.mode([own, younger]) == "PERMISSIVE PeerAuthentication shop/own")
    // A selector in the root namespace is ignored, even for pods there.
    let rootOwn = Manifest.peer("own", in: "istio-system", "selector: {matchLabels: {app: root}}, mtls: {mode: STRICT}")
    #expect(Self.mode([rootOwn], "root.istio-system.svc.cluster.local") == "PERMISSIVE -")
    #expect(Self.mode([rootOwn, mesh], "root.istio-system.svc.cluster.local") == "STRICT PeerAuthentication istio-system/mesh")
  }

  @Test func `random modes are those by which the engine admits plaintext`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededNumbers(seed: seed)
    var refused = 0
    for _ in 0..<400 {
      var objects = [
        Manifest.namespace("shop"), Manifest.deployment("front"), Manifest.deployment("back"),
        Manifest.service("back", ports: "[{port: 80}, {port: 81}]"),
      ]
      let words = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]
      for (index, namespace) in ["istio-system", "shop", "shop", "shop"].enumerated() where Bool.random(using: &random) {
        let mode = words.randomElement(using: &random) ?? ""
        let portMode = words.randomElement(using: &random) ?? ""
        let isOwn = index > 1
        let spec =
          (isOwn ? "selector: {matchLabels: {app: back}}, portLevelMtls: {81: {mode: \(portMode)}}, " : "") + "mtls: {mode: \(mode)}"
        objects.append(Manifest.peer("p\(index)", in: namespace, spec))
      }
      let isAmbient = Bool.random(using: &random)
      let analysis = TLSAnalysis(
        objects.map { isAmbient ? $0.replacing("istio-injection: enabled", with: "istio.io/dataplane-mode: ambient") : $0 })
      let snapshot = Snapshot(analysis.policies, mesh: MeshSettings(), dataPlane: isAmbient ? .ztunnel : .envoy)
      let target = snapshot.target(namespace: "shop", labels: ["app": "back"])
      for port in [80, 81] as [UInt16] {
        var request = Request()
        request.isTCP = true
        request.setPeerKnown()
        request.setPort(port)
        let decision = snapshot.decide(&request, on: target, profile: isAmbient ? .ztunnel : .sidecar)
        let isRefused = decision.reason == .mtlsRequired
        refused += isRefused ? 1 : 0
        let mode = analysis.connect("nobody", port: UInt32(port)).first?.serverMode?.mode
        #expect((mode == .strict) == isRefused, "seed \(seed), port \(port), ambient \(isAmbient):\n\(objects.joined(separator: "\n"))")
      }
    }
    #expect(refused > 50, "seed \(seed): \(refused) refused")
  }
}

/// Numbers that a seed repeats (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
