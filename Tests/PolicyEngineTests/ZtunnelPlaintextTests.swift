// Who may send plaintext to ztunnel: every small arrangement of PeerAuthentications, read twice.

import PolicyModel
import Testing

@testable import PolicyEngine

@Suite struct `Plaintext to ztunnel` {
  private static let modes: [PeerAuthentication.Mode?] = [nil, .disable, .permissive, .strict]

  private static func object(
    _ name: ExactText, _ namespace: ExactText, _ selector: LabelSelector, _ mode: PeerAuthentication.Mode?,
    _ ports: [UInt16: PeerAuthentication.Mode?] = [:], age: Int64 = 0
  ) -> PeerAuthentication {
    PeerAuthentication(
      metadata: ObjectMetadata(
        key: ObjectKey(kind: "PeerAuthentication", namespace: namespace, name: name), location: SourceLocation(file: "f", span: .nowhere),
        creationTime: age),
      selector: selector, mode: mode, portModes: ports)
  }

  /// No object of a scope; one without selector; one with an empty selector; both, in either order of age.
  private static func scope(_ namespace: ExactText) -> [[PeerAuthentication]] {
    let (absent, empty) = (LabelSelector(), LabelSelector(form: .empty))
    var all: [[PeerAuthentication]] = [[]]
    for mode in modes {
      all.append([object("absent", namespace, absent, mode)])
      all.append([object("empty", namespace, empty, mode)])
    }
    for (older, newer) in [(absent, empty), (empty, absent)] {
      for mode in [PeerAuthentication.Mode.strict, .permissive] {
        let other: PeerAuthentication.Mode = mode == .strict ? .permissive : .strict
        all.append([object("older", namespace, older, mode), object("newer", namespace, newer, other, age: 1)])
      }
    }
    return all
  }

  private static func workloads() -> [[PeerAuthentication]] {
    let selector = LabelSelector(matchLabels: ["app": "a"])
    var ports: [[UInt16: PeerAuthentication.Mode?]] = [[:]]
    for first in modes {
      ports.append([80: first])
      for second in modes { ports.append([80: first, 81: second]) }
    }
    return [[]] + modes.flatMap { mode in ports.map { [object("own", "foo", selector, mode, $0)] } }
  }

  @Test func `is refused by the reference where the compiled mode refuses it, in every arrangement`() {
    var counts: [Bool: Int] = [:]
    for workload in Self.workloads() {
      for meshWide in Self.scope("istio-system") {
        for namespaceWide in Self.scope("foo") {
          var set = PolicySet()
          set.peerAuthentications = meshWide + namespaceWide + workload
          let reference = ReferenceEvaluator(policies: set, mesh: MeshSettings())
          let snapshot = Snapshot(set, mesh: MeshSettings(), dataPlane: .ztunnel)
          let target = snapshot.target(namespace: "foo", labels: ["app": "a"])
          for port: UInt16 in [80, 81, 82] {
            var request = Request()
            request.setPeerKnown()
            request.setPort(port)
            let expected = reference.decide(request, namespace: "foo", labels: ["app": "a"], profile: .ztunnel)
            let decision = snapshot.decide(request, on: target, profile: .ztunnel)
            counts[decision.reason == .mtlsRequired, default: 0] += 1
            guard decision.reason == expected.reason else {
              Issue.record("port \(port): reference \(expected.reason), compiled \(decision.reason)\n\(set.peerAuthentications)")
              return
            }
          }
        }
      }
    }
    #expect(counts[true, default: 0] > 1000 && counts[false, default: 0] > 1000, "\(counts)")
  }
}
