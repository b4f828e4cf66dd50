// The rules of the last good version, one by one, without a file: texts enter the loader, readings enter the state.

internal import Glibc
internal import PolicyLoading
internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

/// A world of texts by file name.
struct World {
  private(set) var state = LastGoodState()
  /// The state that the rules alone come to, if it is asked for.
  private(set) var byRules = LastGoodState()
  var mustCompare = false
  private var parsed: [String: (text: String, content: FileContent)] = [:]
  private var version: UInt64 = 0
  var now: Int64 = 1_000
  var allowEmpty = false

  /// Applies the texts as one step.
  @discardableResult
  mutating func step(
    _ files: [String: String], unreadable: [String] = [], hiding: [String] = [], heldBack: [String] = []
  ) -> LastGoodState {
    var reading = SourceReading()
    for (name, text) in files.sorted(by: { $0.key < $1.key }) {
      if parsed[name]?.text != text {
        version += 1
        parsed[name] = (text, FileContent(loadPolicies(text: Array(text.utf8), file: ExactText(name)), version: version))
      }
      if let content = parsed[name]?.content { reading.files.append(.init(name: ExactText(name), content: content)) }
    }
    reading.unreadable = unreadable.map { .init(path: ExactText($0), reason: "cannot be read: gone") }
    reading.unreadable += hiding.map { .init(path: ExactText($0), reason: "cannot be read: permission denied", isHiding: true) }
    reading.heldBack = heldBack.map { .init(path: ExactText($0), reason: "the file is still being written") }
    now += 10
    state = state.next(reading, allowEmpty: allowEmpty, now: now)
    if mustCompare { byRules = byRules.nextByRules(reading, allowEmpty: allowEmpty, now: now) }
    return state
  }

  /// `namespace/name action` of each policy in force.
  var policies: [String] {
    state.policySet().policies.map { "\($0.metadata.key.namespace)/\($0.metadata.key.name) \($0.action.rawValue)" }.sorted()
  }
  var stale: [String] { state.status.stale.map(\.key.description) }
  var codes: [String] { state.status.diagnostics.filter { $0.severity == .error }.map(\.code) }
  var unusable: [UnusablePolicy.Reach] { state.policySet().unusable.map(\.reach) }
}

/// The text of a policy.
func policy(_ name: String, _ action: String = "ALLOW", namespace: String = "shop", app: String? = nil, extra: String = "") -> String {
  let selector = app.map { "  selector: {matchLabels: {app: \($0)}}\n" } ?? ""
  return """
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata:
      name: \(name)
      namespace: \(namespace)
    spec:
    \(selector)  action: \(action)
      rules: [{}]
    \(extra)

    """
}

/// A policy that cannot be used: its action is none.
func broken(_ name: String, namespace: String = "shop", app: String? = nil) -> String {
  policy(name, "DNEY", namespace: namespace, app: app)
}

@Suite struct `The last good version of each object` {
  private let anchor = policy("anchor")

  @Test func `of two PeerAuthentications for the same workloads the one without effect is warned of`() throws {
    func peer(_ name: String, time: String? = nil, spec: String = "{mtls: {mode: STRICT}}", namespace: String = "shop") -> String {
      let time = time.map { ", creationTimestamp: \"\($0)\"" } ?? ""
      return """
        ---
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {name: \(name), namespace: \(namespace)\(time)}
        spec: \(spec)

        """
    }
    func warnings(_ texts: String...) -> [String] {
      var world = World()
      var files = ["anchor.yaml": anchor]
      for (number, text) in texts.enumerated() { files["f\(number).yaml"] = text }
      return world.step(files).status.diagnostics.filter { $0.code == "peer-authentication-outdone" }.map {
        "\($0.location.file) \($0.severity) \($0.message)"
      }
    }
    let old = peer("z", time: "2024-01-01T00:00:00Z")
    // Across files; the one with a time wins over the one without, whatever their names.
    #expect(
      warnings(peer("a"), old) == [
        "f0.yaml warning `PeerAuthentication shop/a` has no effect: `PeerAuthentication shop/z` is for the same workloads and wins"
      ])
    #expect(warnings(peer("a") + peer("b") + peer("c")).count == 2)
    let selected = "{selector: {matchLabels: {app: x}}, mtls: {mode: STRICT}}"
    #expect(warnings(peer("a", spec: selected), peer("b", spec: selected)).count == 1)
    // An empty selector is none; other labels and other namespaces are other scopes.
    #expect(warnings(peer("a", spec: "{selector: {}}"), peer("b")).count == 1)
    #expect(warnings(peer("a", spec: selected), peer("b"), peer("c", namespace: "other")).isEmpty)
    #expect(warnings(peer("a", spec: selected), peer("b", spec: selected.replacing("app: x", with: "app: y"))).isEmpty)
  }

  @Test func `an emergency DENY goes live while another file is broken`() {
    var world = World()
    world.step(["a.yaml": policy("a"), "b.yaml": policy("b")])
    world.step(["a.yaml": broken("a"), "b.yaml": policy("b"), "deny.yaml": policy("stop", "DENY")])
    #expect(world.policies == ["shop/a ALLOW", "shop/b ALLOW", "shop/stop DENY"])
    #expect(world.stale == ["AuthorizationPolicy shop/a"])
    #expect(world.unusable.isEmpty)
    #expect(world.state.status.outcome == .applied)
  }

  @Test func `a broken object stays in its last version until it is repaired, and says since when`() {
    var world = World()
    world.step(["a.yaml": policy("a", "DENY")])
    let since = world.now + 10
    for _ in 0..<3 { world.step(["a.yaml": broken("a")]) }
    #expect(world.policies == ["shop/a DENY"])
    #expect(world.state.status.stale.first?.since == since)
    #expect(world.state.status.stale.first?.age(at: world.now) == 20)
    #expect(world.state.status.outcome == .unchanged)
    world.step(["a.yaml": policy("a")])
    #expect(world.policies == ["shop/a ALLOW"])
    #expect(world.stale.isEmpty)
    #expect(world.state.status.isCurrent)
  }

  @Test func `a new broken policy denies exactly what it could attach to`() {
    var world = World()
    world.step(["a.yaml": anchor, "b.yaml": broken("new", app: "db")])
    #expect(world.unusable == [.namespace("shop", LabelSelector(matchLabels: ["app": "db"]))])
    world.step(["a.yaml": anchor, "b.yaml": broken("new", namespace: "istio-system")])
    #expect(world.unusable == [.namespace("istio-system", LabelSelector())])
    world.step(["a.yaml": anchor, "b.yaml": "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ["])
    #expect(world.unusable == [.everywhere])
    world.step(["a.yaml": anchor, "b.yaml": "\"cut off"])
    #expect(world.unusable == [.everywhere])
    world.step(["a.yaml": anchor, "b.yaml": policy("new", app: "db")])
    #expect(world.unusable.isEmpty)
    #expect(world.policies == ["shop/anchor ALLOW", "shop/new ALLOW"])
  }

  private func pod(_ name: String, app: String) -> String {
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: \(name), namespace: shop, labels: {app: \(app)}}\n"
  }

  @Test func `a new workload that is written twice is not there, and its place is marked`() {
    var world = World()
    let files = ["a.yaml": anchor, "b.yaml": pod("app", app: "left"), "c.yaml": pod("app", app: "right") + pod("web", app: "web")]
    for _ in 0..<2 {
      world.step(files)
      let set = world.state.policySet()
      #expect(set.workloads.map(\.metadata.key.name) == ["web"])
      #expect(set.unusableWorkloads.map(\.name) == ["app", "app"])
      #expect(set.unusableWorkloads.allSatisfy { $0.kind == "Pod" && $0.namespace == "shop" })
      #expect(world.unusable.isEmpty)
      #expect(world.codes == ["duplicate-object"])
    }
    world.step(["a.yaml": anchor, "c.yaml": pod("app", app: "right")])
    #expect(world.state.policySet().workloads.map(\.labels) == [["app": "right"]])
    #expect(world.state.policySet().unusableWorkloads.isEmpty)
    // Now one is in force: a newcomer does not drive it out.
    world.step(["a.yaml": anchor, "b.yaml": pod("app", app: "left"), "c.yaml": pod("app", app: "right")])
    #expect(world.state.policySet().workloads.map(\.labels) == [["app": "right"]])
    world.step(["a.yaml": anchor, "c.yaml": pod("app", app: "left") + pod("app", app: "right")])
    #expect(world.state.policySet().workloads.map(\.labels) == [["app": "right"]])
    #expect(world.stale == ["Pod shop/app"])
  }

  @Test func `a namespace that is written twice is there`() {
    var world = World()
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    world.step(["a.yaml": anchor, "b.yaml": namespace, "c.yaml": namespace])
    #expect(world.state.policySet().inventory.count == 1)
    #expect(world.state.policySet().unusableWorkloads.isEmpty)
  }

  @Test func `a broken workload is marked as far as it can be read, unless a good version is in force`() {
    var world = World()
    let broken = pod("app", app: "[1]")
    func marks() -> [String] {
      world.state.policySet().unusableWorkloads.map { "\($0.kind ?? "?") \($0.namespace ?? "?")/\($0.name ?? "?")" }
    }
    world.step(["a.yaml": anchor, "b.yaml": broken])
    #expect(marks() == ["Pod shop/app"])
    #expect(world.state.status.outcome == .applied)
    let generation = world.state.status.generation
    world.step(["a.yaml": anchor, "b.yaml": broken.replacing("name: app", with: "name: 7")])
    #expect(marks() == ["Pod shop/?"])
    #expect(world.state.status.generation == generation + 1)
    world.step(["a.yaml": anchor, "b.yaml": "[", "c.yaml": broken.replacing("kind: Pod", with: "kind: Service")])
    #expect(marks() == ["? ?/?"])
    world.step(["a.yaml": anchor, "b.yaml": "\(policy("p").replacing("AuthorizationPolicy", with: "AuthorizationPolcy"))"])
    #expect(marks() == [])
    world.step(["a.yaml": anchor, "b.yaml": broken], unreadable: [])
    world.step(["a.yaml": anchor], unreadable: ["b.yaml"])
    #expect(marks() == ["Pod shop/app"])
    world.step(["a.yaml": anchor, "b.yaml": pod("app", app: "app")])
    world.step(["a.yaml": anchor, "b.yaml": broken])
    #expect(marks() == [])
    #expect(world.stale == ["Pod shop/app"])
    world.step(["a.yaml": anchor, "b.yaml": "["])
    #expect(marks() == [])
  }

  @Test func `a new file that nobody may look into denies everywhere, one that leads nowhere does not`() {
    var world = World()
    world.step(["a.yaml": anchor, "b.yaml": policy("b")])
    for _ in 0..<2 {
      world.step(["a.yaml": anchor, "b.yaml": policy("b")], hiding: ["new.yaml"])
      #expect(world.unusable == [.everywhere])
      #expect(world.state.policySet().unusableWorkloads.map(\.name) == [nil])
      #expect(world.state.status.unreadable.map(\.path) == ["new.yaml"])
    }
    world.step(["a.yaml": anchor, "b.yaml": policy("b"), "new.yaml": policy("new", "DENY")])
    #expect(world.unusable.isEmpty && world.state.policySet().unusableWorkloads.isEmpty)
    // What was read before has its last content.
    world.step(["a.yaml": anchor, "b.yaml": policy("b")], hiding: ["new.yaml"])
    #expect(world.unusable.isEmpty)
    #expect(world.policies == ["shop/anchor ALLOW", "shop/b ALLOW", "shop/new DENY"])
    world.step(["a.yaml": anchor, "b.yaml": policy("b")], unreadable: ["other.yaml"])
    #expect(world.unusable.isEmpty)
    #expect(SystemError(code: EACCES).isHiding && SystemError(code: EIO).isHiding && !SystemError(code: ENOENT).isHiding)
  }

  @Test func `a file that is held back is stale since then`() {
    var world = World()
    world.step(["a.yaml": anchor])
    let since = world.now + 10
    for _ in 0..<2 { world.step(["a.yaml": anchor], heldBack: ["a.yaml", "new.yaml"]) }
    #expect(world.stale == ["AuthorizationPolicy shop/anchor"])
    #expect(world.state.status.stale.first?.since == since)
    #expect(world.state.status.stale.first?.reason == "the file is still being written")
    #expect(world.state.status.unreadable.map(\.path) == ["new.yaml"])
    #expect(world.state.status.unreadable.first?.since == since)
    #expect(world.state.status.outcome == .unchanged)
    world.step(["a.yaml": anchor])
    #expect(world.state.status.isCurrent)
  }

  @Test func `a new broken object of the inventory is only reported`() {
    var world = World()
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: 7, namespace: shop, labels: [1]}\n"
    world.step(["a.yaml": anchor, "b.yaml": pod])
    #expect(world.unusable.isEmpty)
    #expect(!world.codes.isEmpty)
  }

  @Test func `a file that cannot be parsed keeps all its objects`() {
    var world = World()
    world.step(["a.yaml": policy("one", "DENY") + policy("two"), "b.yaml": anchor])
    world.step(["a.yaml": "---\nkind: [", "b.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY", "shop/two ALLOW"])
    #expect(world.stale.count == 2)
    #expect(world.unusable.isEmpty)
    // The same again, with another error: nothing is forgotten.
    world.step(["a.yaml": "\"", "b.yaml": anchor])
    #expect(world.stale.count == 2)
    world.step(["b.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW"])
  }

  @Test func `a file that is cut off keeps what is not readable any more`() {
    var world = World()
    world.step(["a.yaml": policy("one") + policy("two", "DENY")])
    world.step(["a.yaml": policy("one", "DENY") + "---\napiVersion: security.istio.io/v1\nkind: \"Autho"])
    #expect(world.policies == ["shop/one DENY", "shop/two DENY"])
    #expect(world.stale == ["AuthorizationPolicy shop/two"])
    #expect(world.unusable.isEmpty)
  }

  @Test func `a misspelt kind or namespace field does not take a DENY away`() {
    var world = World()
    world.step(["a.yaml": policy("one", "DENY"), "b.yaml": anchor])
    let text = policy("one", "DENY")
    world.step(["a.yaml": text.replacing("AuthorizationPolicy", with: "AuthorizationPolcy"), "b.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
    #expect(world.unusable.isEmpty)
    world.step(["a.yaml": text.replacing("namespace:", with: "namespce:"), "b.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
    world.step(["a.yaml": text.replacing("name:", with: "nmae:"), "b.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
    world.step(["a.yaml": text.replacing("security.istio.io", with: "security.istio.oi"), "b.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
  }

  @Test func `a new policy with a misspelt kind or group denies its reach`() {
    var world = World()
    let text = policy("one", "DENY", app: "db")
    world.step(["a.yaml": text.replacing("AuthorizationPolicy", with: "AuthorizationPolcy"), "b.yaml": anchor])
    #expect(world.unusable == [.namespace("shop", LabelSelector(matchLabels: ["app": "db"]))])
    world.step(["a.yaml": text.replacing("security.istio.io", with: "security.istio.oi"), "b.yaml": anchor])
    #expect(world.unusable.count == 1)
  }

  @Test func `an object that moves to another file is never lost`() {
    var world = World()
    world.step(["a.yaml": policy("one", "DENY"), "b.yaml": anchor])
    world.step(["b.yaml": anchor, "c.yaml": policy("one", "DENY")])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
    #expect(world.stale.isEmpty && world.codes.isEmpty)
    // Broken on arrival.
    world.step(["b.yaml": anchor, "d.yaml": broken("one")])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
    #expect(world.stale == ["AuthorizationPolicy shop/one"])
    // The old file turns to garbage while the object arrives elsewhere.
    world.step(["b.yaml": anchor, "d.yaml": policy("one")])
    world.step(["b.yaml": anchor, "d.yaml": "[", "e.yaml": policy("one", "DENY")])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
    #expect(world.stale.isEmpty && world.unusable.isEmpty)
  }

  @Test func `of duplicates the version in force stays and the newcomer is reported`() throws {
    var world = World()
    world.step(["b.yaml": policy("one", "DENY")])
    world.step(["a.yaml": policy("one"), "b.yaml": policy("one", "DENY")])
    #expect(world.policies == ["shop/one DENY"])
    #expect(world.stale.isEmpty)
    let finding = try #require(world.state.status.diagnostics.first)
    #expect(
      finding.description
        == """
        a.yaml:5:9: error: AuthorizationPolicy shop/one is defined a second time, first at b.yaml:5:9 [duplicate-object]
          = help: keep one of the two, or give one another name
        """)
    // An edit of the one in force is still taken up; a broken one keeps its version.
    world.step(["a.yaml": policy("one"), "b.yaml": policy("one", "AUDIT")])
    #expect(world.policies == ["shop/one AUDIT"])
    world.step(["a.yaml": policy("one"), "b.yaml": broken("one")])
    #expect(world.policies == ["shop/one AUDIT"])
    world.step(["a.yaml": policy("one")])
    #expect(world.policies == ["shop/one ALLOW"])
    #expect(world.codes.isEmpty)
  }

  @Test func `of two new duplicates neither is in force and both reaches are denied`() {
    var world = World()
    let files = ["a.yaml": policy("one", app: "left"), "b.yaml": policy("one", "DENY", app: "right"), "c.yaml": anchor]
    for _ in 0..<2 {
      world.step(files)
      #expect(world.policies == ["shop/anchor ALLOW"])
      #expect(
        world.unusable == ["left", "right"].map { .namespace("shop", LabelSelector(matchLabels: ["app": $0])) })
      #expect(world.codes == ["duplicate-object"])
    }
    world.step(["b.yaml": policy("one", "DENY", app: "right"), "c.yaml": anchor])
    #expect(world.policies == ["shop/anchor ALLOW", "shop/one DENY"])
  }

  @Test func `an object written twice in its file keeps its version`() {
    var world = World()
    world.step(["a.yaml": policy("one", "DENY")])
    world.step(["a.yaml": policy("one", "DENY") + policy("one")])
    #expect(world.policies == ["shop/one DENY"])
    #expect(world.stale == ["AuthorizationPolicy shop/one"])
  }

  @Test func `a deleted object goes away, with its file or without`() {
    var world = World()
    world.step(["a.yaml": policy("one", "DENY") + policy("two"), "b.yaml": policy("three")])
    world.step(["a.yaml": policy("two"), "b.yaml": policy("three")])
    #expect(world.policies == ["shop/three ALLOW", "shop/two ALLOW"])
    world.step(["b.yaml": policy("three")])
    #expect(world.policies == ["shop/three ALLOW"])
  }

  @Test func `no policies at all must be meant`() {
    var world = World()
    world.step(["a.yaml": ""])
    #expect(world.codes == ["no-policies"])
    #expect(world.state.status.outcome == .refusedEmpty)
    world = World()
    world.step(["a.yaml": policy("one", "DENY")])
    world.step([:])
    #expect(world.policies == ["shop/one DENY"])
    #expect(world.state.status.outcome == .refusedEmpty)
    #expect(world.codes == ["no-policies"])
    world.step(["b.yaml": policy("two")])
    #expect(world.policies == ["shop/two ALLOW"])
    #expect(world.state.status.isCurrent)
    world.allowEmpty = true
    world.step([:])
    #expect(world.policies.isEmpty)
    #expect(world.state.status.outcome == .applied)
  }

  @Test func `what is below an unreadable path stays, with its unusable policies, while the rest goes on`() {
    var world = World()
    world.step(["r/a.yaml": policy("one", "DENY"), "r/b.yaml": broken("two"), "s/c.yaml": policy("three"), "rr/d.yaml": policy("four")])
    world.step(["s/c.yaml": policy("three", "DENY")], unreadable: ["r"])
    #expect(world.policies == ["shop/one DENY", "shop/three DENY"])
    #expect(world.stale == ["AuthorizationPolicy shop/one"])
    #expect(world.unusable.count == 1)
    #expect(world.codes == ["source-unreadable"])
    let since = world.state.status.unreadable.first?.since
    world.step(["s/c.yaml": policy("three", "DENY") + policy("one")], unreadable: ["r"])
    #expect(world.policies == ["shop/one ALLOW", "shop/three DENY"])
    #expect(world.state.status.unreadable.first?.since == since)
    world.step(["s/c.yaml": policy("three", "DENY")])
    #expect(world.policies == ["shop/three DENY"])
    #expect(world.unusable.isEmpty)
  }

  @Test(arguments: (0..<10).map { _ in UInt64.random(in: 0 ... .max) })
  func `a step repeated changes nothing, and repaired files are as if nothing had happened`(seed: UInt64) {
    print("seed \(seed)")
    var random = Random(seed)
    var world = World()
    world.allowEmpty = true
    for _ in 0..<300 {
      var files: [String: String] = [:]
      for name in ["a.yaml", "b.yaml", "c.yaml"] where Int.random(in: 0..<5, using: &random) > 0 {
        files[name] = randomText(&random)
      }
      let unreadable = ["a.yaml", "b.yaml", "c.yaml"].filter { files[$0] == nil && Bool.random(using: &random) }
      world.step(files, unreadable: unreadable)
      let (policies, stale, reach) = (world.policies, world.stale, world.unusable)
      let context = "seed \(seed): \(files), unreadable \(unreadable)"
      world.step(files, unreadable: unreadable)
      #expect(
        world.policies == policies && world.stale == stale && world.unusable == reach,
        "\(context) gives \(policies) \(stale) \(reach), then \(world.policies) \(world.stale) \(world.unusable)")
      #expect(world.state.status.outcome == .unchanged, "\(context)")
    }
    let whole = ["a.yaml": policy("p0") + policy("p1", "DENY"), "c.yaml": policy("p2")]
    world.step(whole)
    #expect(world.policies == ["shop/p0 ALLOW", "shop/p1 DENY", "shop/p2 ALLOW"])
    #expect(world.state.status.isCurrent)
  }
}

/// A few documents, good and bad.
func randomText(_ random: inout Random) -> String {
  var text = ""
  for _ in 0..<Int.random(in: 0..<4, using: &random) {
    let name = "p\(Int.random(in: 0..<4, using: &random))"
    switch Int.random(in: 0..<8, using: &random) {
    case 0: text += broken(name)
    case 1: text += "---\nkind: [\n"
    case 2: text += policy(name, "DENY").replacing("kind: A", with: "kind: B")
    case 3: text += policy(name).replacing("name: p", with: "nmae: p")
    case 4: text += policy(name, "DENY")
    default: text += policy(name)
    }
  }
  return text
}

/// A repeatable sequence (SplitMix64).
struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

extension String {
  /// The text with every `old` replaced, without Foundation.
  func replacing(_ old: String, with new: String) -> String {
    var result = ""
    var rest = self[...]
    while let first = rest.first {
      if rest.hasPrefix(old) {
        result += new
        rest = rest.dropFirst(old.count)
      } else {
        result.append(first)
        rest = rest.dropFirst()
      }
    }
    return result
  }
}
