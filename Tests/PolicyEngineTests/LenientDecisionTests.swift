// Objects as they are written, in whole: texts enter the loader, decisions of the engine and of the reference leave.
// Each case says what every proxy decides; never here: what the loader says about the text.

import PolicyLoading
import PolicyModel
import Testing

@testable import PolicyEngine

/// The decisions of the engine and of the reference on a request to `foo` with these texts loaded, which must be the same.
private func decision(
  _ texts: [String], _ profile: Profile = .sidecar, isTCP: Bool = false, peer: String? = "spiffe://cluster.local/ns/bar/sa/s",
  address: String = "10.0.0.1"
) throws -> String {
  var set = PolicySet()
  for (number, text) in texts.enumerated() {
    let file = loadPolicies(text: Array(text.utf8), file: ExactText("\(number).yaml"), isLenient: true)
    #expect(file.broken.isEmpty, "\(file.diagnostics.map(\.description))")
    for object in file.objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .peerAuthentication(let policy): set.peerAuthentications.append(policy)
      default: Issue.record("\(object.key.description)")
      }
    }
  }
  var request = Request()
  if let peer { request.addIdentity(Array(peer.utf8).span) } else { request.setPeerKnown() }
  let source: IPAddress = try #require(IPAddress(address))
  request.setSourceIP(source)
  request.setPort(80)
  request.setSNI([UInt8]().span)
  request.setMetadataComplete()
  request.isTCP = isTCP
  if !isTCP {
    request.setMethod(Array("GET".utf8).span)
    request.setPath(Array("/".utf8).span)
    request.setHost(Array("h".utf8).span)
    request.setHeadersKnown()
    request.setClaimsKnown()
  }
  let snapshot = Snapshot(set, mesh: MeshSettings(), dataPlane: profile.dataPlane)
  let target = snapshot.target(namespace: "foo", labels: [:])
  let reference = ReferenceEvaluator(policies: set, mesh: MeshSettings()).decide(request, namespace: "foo", labels: [:], profile: profile)
  let decided = snapshot.decide(&request, on: target, profile: profile)
  #expect(decided.verdict == reference.verdict && decided.reason == reference.reason, "\(decided) \(reference)")
  return "\(decided.verdict) \(decided.reason.code)"
}

private func object(_ spec: String, kind: String = "AuthorizationPolicy", name: String = "p", more: String = "") -> String {
  "apiVersion: security.istio.io/v1\nkind: \(kind)\nmetadata: {name: \(name), namespace: foo\(more)}\nspec: \(spec)\n"
}

@Suite struct `Decisions on what Istio's webhook refuses` {
  @Test(arguments: [
    "\"request.headers[x]\"", "source.ip", "remote.ip", "connection.sni", "request.auth.principal", "destination.port", "request.headers",
    "\"experimental.envoy.filters.a[b]\"",
  ])
  func `a condition without values demands nothing of Envoy, and lets no rule match at ztunnel`(_ key: String) throws {
    for empty in ["values: []", "notValues: []", "values: [], notValues: []"] {
      let rules = "rules: [{from: [{source: {namespaces: [bar]}}], when: [{key: \(key), \(empty)}]}]"
      for isTCP in [false, true] {
        #expect(try decision([object("{\(rules)}")], isTCP: isTCP) == "allow allowed-by-policy", "\(key) TCP \(isTCP)")
        #expect(try decision([object("{action: DENY, \(rules)}")], isTCP: isTCP) == "deny denied-by-policy", "\(key) TCP \(isTCP)")
      }
      #expect(try decision([object("{\(rules)}")], .ztunnel, isTCP: true) == "deny no-allow-matched")
      #expect(try decision([object("{action: DENY, \(rules)}")], .ztunnel, isTCP: true) == "allow allowed-by-default")
    }
    // Beside a condition that demands something, nothing changes.
    let both = "{rules: [{when: [{key: \(key), values: []}, {key: source.namespace, values: [baz]}]}]}"
    #expect(try decision([object(both)]) == "deny no-allow-matched")
  }

  @Test func `metadata of a filter without a name is never there`() throws {
    let condition = "when: [{key: \"experimental.envoy.filters.[k]\""
    #expect(try decision([object("{action: DENY, rules: [{\(condition), values: [\"*\"]}]}]}")]) == "allow allowed-by-default")
    #expect(try decision([object("{action: DENY, rules: [{\(condition), notValues: [\"*\"]}]}]}")]) == "deny denied-by-policy")
    #expect(try decision([object("{rules: [{\(condition), values: [\"*\"]}]}]}")]) == "deny no-allow-matched")
    #expect(try decision([object("{rules: [{\(condition), notValues: [a]}]}]}")]) == "allow allowed-by-policy")
  }

  @Test(arguments: [Profile.sidecar, .ztunnel]) func `the zone of an address does not count`(_ profile: Profile) throws {
    let denied = object("{action: DENY, rules: [{from: [{source: {ipBlocks: [\"fe80::1%eth0\"]}}]}]}")
    #expect(try decision([denied], profile, isTCP: true, address: "fe80::1") == "deny denied-by-policy")
    #expect(try decision([denied], profile, isTCP: true, address: "fe80::2") == "allow allowed-by-default")
    let allowed = object("{rules: [{from: [{source: {ipBlocks: [\"fe80::1%eth0\"]}}]}]}")
    #expect(try decision([allowed], profile, isTCP: true, address: "fe80::1") == "allow allowed-by-policy")
    #expect(try decision([allowed], profile, isTCP: true, address: "fe80::2") == "deny no-allow-matched")
  }

  @Test(arguments: [Profile.sidecar, .ztunnel])
  func `a PeerAuthentication without a time of creation does not outdo one that has been created`(_ profile: Profile) throws {
    func peer(_ name: String, _ mode: String, _ time: String = "") -> String {
      object("{mtls: {mode: \(mode)}}", kind: "PeerAuthentication", name: name, more: time)
    }
    let created = peer("z", "STRICT", ", creationTimestamp: \"2025-01-01T00:00:00Z\"")
    let new = peer("a", "PERMISSIVE")
    for order in [[created, new], [new, created]] {
      #expect(try decision(order, profile, isTCP: true, peer: nil) == "deny mtls-required")
    }
    // Among those that are yet to be created, the first name counts.
    #expect(try decision([peer("z", "STRICT"), new], profile, isTCP: true, peer: nil) == "allow allowed-by-default")
  }
}
