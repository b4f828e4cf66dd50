// The rules of the last good version for the kinds besides policies: what bears on decisions is never silently gone, the rest is reported.

internal import PolicyLoading
internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

private func tokens(_ issuer: String, name: String = "t", app: String? = nil, isBroken: Bool = false) -> String {
  let selector = app.map { "selector: {matchLabels: {app: \($0)}}, " } ?? ""
  return """
    ---
    apiVersion: security.istio.io/v1
    kind: RequestAuthentication
    metadata: {name: \(name), namespace: shop}
    spec: {\(selector)jwtRules: [{\(isBroken ? "isuer" : "issuer"): \(issuer)}]}

    """
}

private func rule(_ host: String, name: String = "d") -> String {
  """
  ---
  apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: \(name), namespace: shop}
  spec: {host: \(host)}

  """
}

extension World {
  fileprivate var issuers: [String] { state.policySet().requestAuthentications.flatMap(\.jwtRules).compactMap { $0.issuer?.string } }
  fileprivate var hosts: [String] { state.policySet().destinationRules.map(\.host.value.string) }
}

@Suite struct `The last good version of token and traffic rules` {
  @Test func `a broken RequestAuthentication keeps the version that was in force`() {
    var world = World()
    world.step(["p.yaml": policy("p"), "t.yaml": tokens("a")])
    #expect(world.issuers == ["a"])
    world.step(["p.yaml": policy("p"), "t.yaml": tokens("b", isBroken: true)])
    #expect(world.issuers == ["a"] && world.unusable.isEmpty)
    #expect(world.stale == ["RequestAuthentication shop/t"])
    world.step(["p.yaml": policy("p"), "t.yaml": tokens("b")])
    #expect(world.issuers == ["b"] && world.stale.isEmpty)
    world.step(["p.yaml": policy("p")])
    #expect(world.issuers.isEmpty)
  }

  @Test func `a new one that is broken puts the workloads that it selects in doubt`() {
    var world = World()
    world.step(["p.yaml": policy("p"), "t.yaml": tokens("b", app: "web", isBroken: true)])
    #expect(world.unusable == [.namespace("shop", LabelSelector(matchLabels: ["app": "web"]))])
    world.step(["p.yaml": policy("p"), "t.yaml": tokens("b", app: "web")])
    #expect(world.unusable.isEmpty && world.issuers == ["b"])
  }

  @Test func `one that two files define from the start is in doubt as well`() {
    var world = World()
    world.step(["p.yaml": policy("p"), "a.yaml": tokens("a", app: "web"), "b.yaml": tokens("b", app: "web")])
    #expect(world.issuers.isEmpty && world.codes == ["duplicate-object"])
    #expect(world.unusable == Array(repeating: .namespace("shop", LabelSelector(matchLabels: ["app": "web"])), count: 2))
  }

  @Test func `a broken DestinationRule keeps its last version, and a new one is only reported`() {
    var world = World()
    world.step(["p.yaml": policy("p"), "d.yaml": rule("a"), "e.yaml": rule("a_b", name: "e")])
    #expect(world.hosts == ["a"] && world.unusable.isEmpty && world.codes == ["host-invalid"])
    world.step(["p.yaml": policy("p"), "d.yaml": rule("a_b"), "e.yaml": rule("b", name: "e")])
    #expect(world.hosts == ["b", "a"] && world.unusable.isEmpty && world.codes == ["host-invalid"])
    #expect(world.stale == ["DestinationRule shop/d"])
    #expect(world.policies == ["shop/p ALLOW"])
  }
}
