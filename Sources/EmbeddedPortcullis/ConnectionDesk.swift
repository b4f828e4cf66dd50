// What is constant on a connection, and the memory in which its requests are decided.
// Enters: the host's facts, once; then requests, and the snapshot that is in force. Leaves: decisions. A new snapshot resolves the workload anew.
// Never here: an anonymous peer that nobody called anonymous, a workload that is guessed, a fact that contradicts another.

internal import CPortcullis
internal import PeerIdentity
internal import PolicyEngine
internal import PolicyModel

/// One connection. A value of its own, so that the runtime checks once a request that nobody else uses it.
struct ConnectionDesk {
  /// How the workload is named.
  private enum Naming {
    case nobody
    /// By `workload`.
    case name
    case labels(ExactText, [ExactText: ExactText])
  }

  /// Where what is attached to the workload is, or why nobody can tell.
  private enum Place {
    /// Among the targets of the snapshot.
    case inventory(Int)
    /// Among those that the reader keeps.
    case kept(Int)
    case denied(Reason)
  }

  private(set) var profile = Profile.sidecar
  private var naming = Naming.nobody
  private(set) var workload: [UInt8] = []
  private(set) var service: ServiceName?
  private var isServiceKnown = false
  /// The denial before any policy that the peer's certificate earns.
  private(set) var peerRefusal: Reason?
  /// The client's address of a TCP connection for which the host says no other: that of the connection's peer.
  private var tcpRemote: IPAddress??
  private var place = Place.denied(.internalError)
  /// In which epoch of its reader that was found out; 0 never is one.
  private var epoch: UInt64 = 0
  private(set) var request = Request()

  // MARK: Facts

  /// Takes the facts of a connection. When it throws, the desk must not be asked.
  mutating func take(_ facts: portcullis_connection_facts, _ settings: EngineSettings) throws(Refusal) {
    epoch = 0
    request.reset()
    request.honorsRequestAuthentication = settings.honorsRequestAuthentication
    profile = try Self.profile(unsafe facts.profile, settings)
    var budget = Budget()
    try unsafe takeWorkload(facts, settings, &budget)
    try unsafe takeService(facts.service, &budget)
    peerRefusal = try unsafe PeerFacts.fill(facts, &budget, into: &request)
    try unsafe takeAddresses(facts)
    if unsafe facts.sni.isKnown {
      try unsafe budget.take(facts.sni, "sni: too long")
      guard unsafe !facts.sni.hasNUL else { throw Refusal("sni: holds a NUL") }
      unsafe request.setSNI(facts.sni.span)
    } else {
      try unsafe budget.take(facts.sni, "sni: null with a size")
    }
    request.keepConnection()
  }

  private static func profile(_ number: Int32, _ settings: EngineSettings) throws(Refusal) -> Profile {
    guard number != PORTCULLIS_PROFILE_DEFAULT else { return settings.profile }
    guard let profile = Profile(number: number) else { throw Refusal("profile: unknown value") }
    return profile
  }

  private mutating func takeWorkload(
    _ facts: portcullis_connection_facts, _ settings: EngineSettings, _ budget: inout Budget
  ) throws(Refusal) {
    workload.removeAll(keepingCapacity: true)
    naming = .nobody
    try unsafe budget.take(facts.workload, "workload: null with a size, or too long")
    try unsafe budget.take(facts.workload_namespace, "workload_namespace: null with a size, or too long")
    try unsafe budget.take(facts.workload_labels, "workload_labels: null with a size, or too long")
    guard unsafe facts.workload_namespace.isKnown == facts.workload_labels.isKnown else {
      throw Refusal("workload_namespace and workload_labels: one without the other")
    }
    if unsafe facts.workload_labels.isKnown {
      guard unsafe !facts.workload.isKnown else { throw Refusal("workload: given beside workload_labels") }
      guard unsafe WorkloadText.isNamespace(facts.workload_namespace.span) else { throw Refusal("workload_namespace: not a namespace") }
      let text = unsafe facts.workload_labels.copy
      guard let labels = text.isEmpty ? [:] : WorkloadText.labels(text) else { throw Refusal("workload_labels: not `k=v,k=v`") }
      naming = .labels(ExactText(String(decoding: unsafe facts.workload_namespace.copy, as: UTF8.self)), labels)
      return
    }
    if unsafe facts.workload.isKnown {
      let bytes = unsafe facts.workload.span
      guard !bytes.isEmpty else { throw Refusal("workload: empty") }
      for index in bytes.indices { workload.append(bytes[index]) }
      naming = .name
    } else if !settings.workload.isEmpty {
      workload.append(contentsOf: settings.workload)
      naming = .name
    }
  }

  private mutating func takeService(_ text: portcullis_bytes, _ budget: inout Budget) throws(Refusal) {
    service = nil
    isServiceKnown = unsafe text.isKnown
    try unsafe budget.take(text, "service: null with a size, or too long")
    guard isServiceKnown else { return }
    guard profile == .waypoint else { throw Refusal("service: only a waypoint is asked for one") }
    if unsafe text.equals("none") { return }
    guard let name = unsafe text.text.flatMap({ ServiceName($0) }) else {
      throw Refusal("service: not `namespace/name`, `namespace/serviceentry/name` or `none`")
    }
    service = name
  }

  private mutating func takeAddresses(_ facts: portcullis_connection_facts) throws(Refusal) {
    let source = try unsafe AddressFact(facts.source, "source: not an address")
    let destination = try unsafe AddressFact(facts.destination, "destination: not an address")
    let remote = try unsafe AddressFact(facts.remote, "remote: not an address")
    // HBONE hands requests on to a listener inside the waypoint, so that policies see no address of the connection's peer.
    if profile == .waypoint { request.setSourceIP(nil) } else if let address = source.address { request.setSourceIP(address) }
    if let address = destination.address { request.setDestinationIP(address) }
    if let address = remote.address { request.setRemoteIP(address) }
    tcpRemote = remote.address ?? source.address
    let port = unsafe facts.port
    guard port <= 65_535 else { throw Refusal("port: greater than 65535") }
    if port != 0 {
      request.setPort(UInt16(truncatingIfNeeded: port))
    } else {
      switch destination.port {
      // None, and Istio's own, behind which every port of the workload may stand.
      case 0, 15_001, 15_006, 15_008: break
      default: request.setPort(UInt16(truncatingIfNeeded: destination.port))
      }
    }
  }

  // MARK: Deciding

  /// Decides one request by the reader's snapshot, which is handed over once, because counting who uses it costs.
  /// - Parameter residual: the connection's own, changed with its facts.
  mutating func decide(
    _ wire: UnsafePointer<portcullis_request>, _ snapshot: Snapshot, _ shared: inout ReaderCore.Desk,
    remembering residual: inout ResidualTable
  ) throws(Refusal) -> Decision {
    locate(&shared, snapshot)
    request.forgetRequest()
    try unsafe shared.facts.fill(wire, tcpRemote: tcpRemote, snapshot, into: &request)
    if case .denied(let reason) = place { return Decision(.deny, reason) }
    guard let target = target(shared.targets, snapshot) else { return Decision(.deny, .internalError) }
    if let peerRefusal { return Decision(.deny, peerRefusal) }
    return snapshot.decide(&request, on: target, profile: profile, remembering: &residual)
  }

  /// The facts on which the decisions of this connection can depend, by the reader's snapshot. Without a target and with a peer that is refused
  /// there are none.
  mutating func testedFacts(_ shared: inout ReaderCore.Desk) -> TestedFacts {
    let snapshot = shared.snapshot
    locate(&shared, snapshot)
    guard peerRefusal == nil, let target = target(shared.targets, snapshot) else { return [] }
    var facts = target.testedFacts(profile: profile, honorsRequestAuthentication: request.honorsRequestAuthentication)
    // What stands in for a client's address that is not known.
    if facts.contains(.remoteIP) { facts.insert(.sourceIP) }
    return facts
  }

  @inline(__always)
  private mutating func locate(_ shared: inout ReaderCore.Desk, _ snapshot: Snapshot) {
    guard epoch != shared.epoch else { return }
    shared.makeRoom()
    place = find(&shared.targets, snapshot)
    epoch = shared.epoch
  }

  @inline(__always)
  private func target(_ targets: borrowing KeptTargets, _ snapshot: Snapshot) -> Target? {
    switch place {
    case .denied: nil
    case .inventory(let number): snapshot.targets.indices.contains(number) ? snapshot.targets[number] : nil
    case .kept(let number): targets[number]
    }
  }

  /// Forgets where the target is: another reader is asked next.
  mutating func forgetPlace() { epoch = 0 }

  /// Whether the last decision found the workload.
  var hasTarget: Bool { if case .denied = place { false } else { true } }

  private func find(_ targets: inout KeptTargets, _ snapshot: Snapshot) -> Place {
    if profile == .waypoint { return findWaypoint(&targets, snapshot) }
    switch naming {
    case .nobody: return .denied(.unknownWorkload)
    case .name:
      switch snapshot.target(workload: workload.span) {
      case .found(let number): return .inventory(number)
      case .ambiguous: return .denied(.ambiguousWorkload)
      case .unknown: return .denied(.unknownWorkload)
      }
    case .labels(let namespace, let labels):
      let description = KeptTargets.Description.labels(namespace, labels)
      if let place = targets.place(of: description) { return .kept(place) }
      guard Self.knows(namespace, snapshot) else { return .denied(.unknownWorkload) }
      return .kept(targets.keep(snapshot.target(namespace: namespace, labels: labels), for: description))
    }
  }

  private func findWaypoint(_ targets: inout KeptTargets, _ snapshot: Snapshot) -> Place {
    guard isServiceKnown else { return .denied(.unknownService) }
    let description: KeptTargets.Description? =
      switch naming {
      case .nobody: nil
      case .name: .waypoint(workload, service)
      case .labels(let namespace, let labels): .waypointLabels(namespace, labels, service)
      }
    if let description, let place = targets.place(of: description) { return .kept(place) }
    if let service, !snapshot.mayBe(service: service) { return .denied(.unknownService) }
    guard let description else { return .denied(.unknownWorkload) }
    if case .labels(let namespace, let labels) = naming {
      guard Self.knows(namespace, snapshot) else { return .denied(.unknownWorkload) }
      let target = snapshot.target(waypointIn: namespace, labels: labels, service: service)
      return target.map { .kept(targets.keep($0, for: description)) } ?? .denied(.badHint)
    }
    let target = snapshot.target(waypoint: workload.span, service: service)
    return target.map { .kept(targets.keep($0, for: description)) } ?? .denied(.unknownWorkload)
  }

  private static func knows(_ namespace: ExactText, _ snapshot: Snapshot) -> Bool {
    let bytes = namespace.bytes
    return snapshot.knows(namespace: bytes.span)
  }

  /// Namespace and labels of the workload; of several of one name, which have the same policies, the first. `nil` when it is not known.
  func pods(in snapshot: Snapshot, _ policies: PolicySet) -> (namespace: ExactText, labels: [ExactText: ExactText])? {
    switch naming {
    case .nobody: return nil
    case .labels(let namespace, let labels): return (namespace, labels)
    case .name where profile == .waypoint: return snapshot.waypoint(named: workload.span)
    case .name:
      let parts = workload.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
        ExactText(String(decoding: $0, as: UTF8.self))
      }
      let found = policies.workloads.first { workload in
        let key = workload.metadata.key
        let isKind = parts.count < 3 || ExactText(key.kind.string.lowercased()) == ExactText(parts[1].string.lowercased())
        return parts.count >= 2 && key.namespace == parts[0] && key.name == parts[parts.count - 1] && isKind
      }
      return found.map { ($0.metadata.key.namespace, $0.labels) }
    }
  }
}
