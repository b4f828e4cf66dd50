// What the server side of a workload accepts, and which objects say so.
// Enters: the PeerAuthentications of each namespace; a workload's namespace and labels. Leaves: the effective mode of the workload and of
// its ports (Istio: mesh, namespace, workload, port; the oldest object of each scope; UNSET inherits). Never here: what a client sends.

package import PolicyModel

/// The server modes of one mesh.
package struct ServerModes: Sendable {
  package let root: ExactText
  /// Those of a namespace, oldest first.
  let peerAuthentications: @Sendable (ExactText) -> [PeerAuthentication]?

  init(root: ExactText, peerAuthentications: @escaping @Sendable (ExactText) -> [PeerAuthentication]?) {
    self.root = root
    self.peerAuthentications = peerAuthentications
  }

  /// The modes of a set. O(objects, n log n).
  package init(_ set: PolicySet, mesh: MeshSettings) {
    let byNamespace = Dictionary(grouping: set.peerAuthentications) { $0.metadata.key.namespace }.mapValues { Self.oldestFirst($0) }
    self.init(root: mesh.rootNamespace) { byNamespace[$0] }
  }

  /// The order in which the first object of a scope wins.
  package static func oldestFirst(_ objects: [PeerAuthentication]) -> [PeerAuthentication] {
    objects.sorted { ($0.metadata.creationTime, $0.metadata.key.name) < ($1.metadata.creationTime, $1.metadata.key.name) }
  }

  /// The effective mode of a workload, by Envoy's reading.
  package func effective(namespace: ExactText, labels: [ExactText: ExactText]) -> EffectiveServerMode {
    var found = inherited(namespace: namespace)
    guard namespace != root,
      let own = peerAuthentications(namespace)?.first(where: { !$0.selector.isEmpty && $0.selector.selects(labels) })
    else { return found }
    if let mode = own.mode { (found.mode, found.decider) = (mode, own.metadata) }
    (found.portModes, found.workload) = (own.portModes, own.metadata)
    return found
  }

  /// What a workload of the namespace has when no object selects it: what the control plane takes for the mode of a service.
  package func inherited(namespace: ExactText) -> EffectiveServerMode {
    var found = EffectiveServerMode()
    func take(_ object: PeerAuthentication?) {
      if let object, let mode = object.mode { (found.mode, found.decider) = (mode, object.metadata) }
    }
    take(peerAuthentications(root)?.first(where: \.selector.isEmpty))
    if namespace != root { take(peerAuthentications(namespace)?.first(where: \.selector.isEmpty)) }
    return found
  }

  /// The same as a decision needs it: whether plaintext is refused, and the ports where it is the other way round.
  func serverMode(namespace: ExactText, labels: [ExactText: ExactText]) -> (isStrict: Bool, exceptions: [UInt16]) {
    let found = effective(namespace: namespace, labels: labels)
    let isStrict = found.mode == .strict
    let exceptions = found.portModes.filter { (($0.value ?? found.mode) == .strict) != isStrict }.keys.sorted()
    return (isStrict, exceptions)
  }

  /// Whether ztunnel refuses plaintext on a port.
  package func isStrictForZtunnel(namespace: ExactText, labels: [ExactText: ExactText], port: UInt16?) -> Bool {
    let (isStrict, exceptions) = ztunnelServerMode(namespace: namespace, labels: labels)
    return isStrict != port.map(exceptions.contains) ?? false
  }
}

/// The mode of a workload's server side, and who decided it.
package struct EffectiveServerMode: Sendable {
  /// The mode of all ports that `portModes` does not name otherwise.
  package var mode = PeerAuthentication.Mode.permissive
  /// The object that says so; `nil` for Istio's default.
  package var decider: ObjectMetadata?
  /// The modes of container ports; a `nil` mode is `mode`.
  package var portModes: [UInt16: PeerAuthentication.Mode?] = [:]
  /// The object that selects the workload, if any.
  package var workload: ObjectMetadata?

  /// The mode of a container port, and who decided it.
  package func mode(port: UInt16?) -> (mode: PeerAuthentication.Mode, decider: ObjectMetadata?) {
    if let port, let own = portModes[port], let mode = own { return (mode, workload) }
    return (mode, decider)
  }
}
