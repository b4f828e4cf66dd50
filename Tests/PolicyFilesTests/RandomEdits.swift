// Random sequences of edits of a few small files: what appears, moves, breaks, is written twice, cannot be read and goes away.

internal import PolicyModel

/// SplitMix64: the same seed gives the same edits on every machine.
struct Randomness: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    return bits ^ (bits >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
  mutating func happens(_ percent: Int) -> Bool { below(100) < percent }
}

/// What one step of a world meets.
struct RandomStep {
  var files: [String: String] = [:]
  var unreadable: [String] = []
  var hiding: [String] = []
  var heldBack: [String] = []
}

/// Edits without end.
struct RandomEdits {
  private var random: Randomness
  private var files: [String: String] = [:]
  /// How many of a hundred edits leave something that is broken, written twice or unreadable.
  private let trouble: Int

  init(seed: UInt64, trouble: Int) {
    random = Randomness(state: seed)
    self.trouble = trouble
  }

  /// Changes at most three files.
  mutating func step() -> RandomStep {
    for _ in 0..<random.below(4) {
      let name = "\(["a", "b"][random.below(2)])/f\(random.below(5)).yaml"
      if random.happens(15) { files[name] = nil } else { files[name] = text(of: name) }
    }
    var step = RandomStep(files: files)
    guard random.happens(trouble) else { return step }
    let name = "a/f\(random.below(5)).yaml"
    switch random.below(4) {
    case 0:
      step.files[name] = nil
      step.unreadable = [name]
    case 1:
      step.files[name] = nil
      step.hiding = [name]
    case 2:
      for name in files.keys where name.hasPrefix("b/") { step.files[name] = nil }
      step.hiding = ["b"]
    default: step.heldBack = [name]
    }
    return step
  }

  private mutating func text(of file: String) -> String {
    var text = String(repeating: "#\n", count: random.below(3))
    for number in 0..<random.below(5) {
      // Without trouble each name belongs to one file.
      let isRival = random.happens(trouble / 2)
      let name = isRival ? "p\(random.below(4))" : "\(file.filter { $0 != "/" && $0 != "." })-\(random.below(2) * 5 + number)"
      text += object(name)
    }
    if random.happens(trouble / 3) { text += "---\nkind: [\n" }
    return text
  }

  private mutating func object(_ name: String) -> String {
    let namespace = ["n0", "n1", "n2", "n3", "istio-system"][random.below(5)]
    let place = "metadata: {name: \(name), namespace: \(namespace)}\n"
    switch random.below(12) {
    case 0: return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: \(name), namespace: \(namespace), labels: {app: x}}\n"
    case 1: return "---\napiVersion: v1\nkind: ServiceAccount\n\(place)"
    case 2: return "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: \(name)}\n"
    case 3: return "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\(place)spec: {host: \(name)}\n"
    case 4, 5:
      let mode = ["STRICT", "PERMISSIVE"][random.below(2)]
      return "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\(place)spec: {mtls: {mode: \(mode)}}\n"
    default:
      if random.happens(trouble / 2) {
        return random.happens(20)
          ? "---\napiVersion: v1\nkind: Pod\nmetadata: {namespace: \(namespace), labels: {app: []}}\n"
          : broken(name, namespace: namespace, app: random.happens(50) ? "x" : nil)
      }
      return policy(name, ["ALLOW", "DENY"][random.below(2)], namespace: namespace)
    }
  }
}

extension PolicySet {
  /// All that the set holds, in words, by namespace; what has none is under nil.
  var parts: [ExactText?: [String]] {
    var parts: [ExactText?: [String]] = [:]
    func note(_ namespace: ExactText?, _ object: Any) {
      // Unlike a description, a dump looks into shared storage.
      var text = ""
      dump(object, to: &text)
      parts[namespace, default: []].append(text)
    }
    for object in policies { note(object.metadata.key.namespace, object) }
    for object in peerAuthentications { note(object.metadata.key.namespace, object) }
    for object in requestAuthentications { note(object.metadata.key.namespace, object) }
    for object in destinationRules { note(object.metadata.key.namespace, object) }
    for object in workloads { note(object.metadata.key.namespace, object) }
    for object in inventory { note(object.metadata.key.namespace, object) }
    for object in unusable {
      if case .namespace(let namespace, _) = object.reach { note(namespace, object) } else { note(nil, object) }
    }
    for object in unusableWorkloads { note(object.namespace, object) }
    return parts
  }
}
