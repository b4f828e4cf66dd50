// The policies of one namespace, compiled: what a new snapshot takes over from the one before when nothing in the namespace changed.
// Enters: what the namespace holds, once. Leaves: tables, names, and what attaches to a proxy.
// Never here: anything that depends on another namespace, or change.

internal import PolicyModel

final class CompiledNamespace: Sendable {
  let namespace: ExactText
  let tables: FlatValue<CompiledPolicies>
  let names: SealedRuleNames
  let policyCount: Int
  /// A hash of all that the namespace holds.
  let contentHash: UInt64
  /// The services that target references name, and the headers that rules test.
  let servicesNamed: Set<ServiceName>
  let headers: Set<[UInt8]>
  private let attachments: NamespaceAttachments
  /// Owns what `tables` and `names` read.
  private let storage: FlatStorage

  /// Compiles a namespace. O(total size, n log n).
  init(_ source: NamespaceSource, mesh: MeshSettings, dataPlane: DataPlane) {
    namespace = source.namespace
    let storage = FlatStorage()
    // Each has a key of its own, so that nobody outside may choose which texts collide.
    var compiler = RuleCompiler(mesh: mesh, dataPlane: dataPlane, hash: ByteHash(seed: UInt64.random(in: .min ... .max)))
    let groups = GroupCompiler(source, mesh: mesh).compile(with: &compiler)
    let sealed = compiler.finish(in: storage)
    tables = storage.store(sealed)
    names = SealedRuleNames(groups.origins, namespace: source.namespace, in: storage)
    policyCount = source.policies.count
    contentHash = ContentHash.number(of: source)
    servicesNamed = WaypointNames.servicesNamed(by: source.policies)
    headers = sealed.testedHeaders
    attachments = NamespaceAttachments(groups, source, dataPlane: dataPlane)
    self.storage = storage
  }

  /// How many bytes its tables take.
  var byteCount: Int { storage.byteCount }

  /// The groups that attach to a proxy, ascending, and the token rules.
  func attached(to scope: AttachmentScope) -> (groups: [UInt32], providers: Set<ExactText>, tokenRules: [TokenRule]) {
    attachments.attached(to: scope)
  }

  /// Its PeerAuthentications, oldest first (Istio: creation time, then name, then namespace).
  var peerAuthentications: [PeerAuthentication] { attachments.peerAuthentications }
}

extension CompiledPolicies {
  /// The names of the headers that rules test.
  fileprivate var testedHeaders: Set<[UInt8]> {
    var found: Set<[UInt8]> = []
    func add(_ name: Literal) {
      let text = literal(name)
      found.insert(text.indices.map { text[$0] })
    }
    for index in tests.indices where tests[index].subject == .header { add(tests[index].name) }
    for index in dimensions.indices where dimensions[index].dimension.text == .header { add(dimensions[index].dimension.name) }
    return found
  }
}
