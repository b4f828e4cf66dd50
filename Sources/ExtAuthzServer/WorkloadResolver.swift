// Which workload a request is about.
// Enters: hints, the destination as the proxy describes it, the snapshot. Leaves: what is attached to the workload, or why nobody can tell.
// Order (design: "what crosses the wire"): the proxy's hints, then `destination.labels` with the namespace of `destination.principal`, then,
// only if asked to, the inventory by principal or address.
// Never here: a second try after something was found to be wrong.

internal import CExtAuthz
internal import PolicyEngine
internal import PolicyModel

/// What is attached, or the reason of the denial.
enum Resolution {
  case target(Target)
  case denied(Reason)
}

/// One worker's resolver. Not shared.
struct WorkloadResolver {
  private let belief: Belief
  private let pin: [UInt8]?
  /// What the pinned workload has attached in the current snapshot.
  private var pinned: Resolution?
  /// Targets by namespace and labels as they came; forgotten with the snapshot.
  private var byLabels: [[UInt8]: Target] = [:]
  private var key: [UInt8] = []
  /// How many targets are remembered, and how long their keys may be: together they bound the memory.
  private static let (limit, keyLimit) = (4096, 4096)

  init(_ belief: Belief) {
    self.belief = belief
    pin = belief.workload.map { Array($0.utf8) }
  }

  /// Forgets what the last snapshot said.
  mutating func forget() {
    byLabels.removeAll(keepingCapacity: true)
    pinned = nil
  }

  mutating func resolve(_ hints: borrowing Hints, _ request: UnsafePointer<extauthz_request>, _ snapshot: Snapshot) -> Resolution {
    if hints.profile == .waypoint { return waypoint(hints, snapshot) }
    let named = unsafe namedTarget(hints, request, snapshot)
    guard let pin else { return named ?? .denied(.unknownWorkload) }
    return checkPin(pin, named, hints, snapshot)
  }

  /// The first source that answers; `nil` when none does.
  private mutating func namedTarget(
    _ hints: borrowing Hints, _ request: UnsafePointer<extauthz_request>, _ snapshot: Snapshot
  ) -> Resolution? {
    let destination = unsafe request.pointee.destination
    if unsafe !hints.namespace.isEmpty, unsafe !snapshot.knows(namespace: hints.namespace.span) { return .denied(.unknownWorkload) }
    if unsafe !hints.workload.isEmpty {
      let found = unsafe Self.resolution(snapshot.target(workload: hints.workload.span), snapshot) ?? .denied(.unknownWorkload)
      guard unsafe !hints.namespace.isEmpty, case .target(let target) = found else { return found }
      // Both forms of hint: they must mean the same.
      guard let other = hintedTarget(hints, snapshot) else { return .denied(.badHint) }
      let isSameNamespace = unsafe Self.namespace(of: hints.workload.copy) == hints.namespace.copy
      return isSameNamespace && other == target ? found : .denied(.badHint)
    }
    if unsafe !hints.namespace.isEmpty { return hintedTarget(hints, snapshot).map { .target($0) } ?? .denied(.badHint) }
    if unsafe destination.label_count > 0, let target = unsafe labelledTarget(destination, snapshot) { return .target(target) }
    return belief.infersWorkload ? unsafe inferred(destination, snapshot) : nil
  }

  /// The target of `portcullis.namespace` and `portcullis.labels`; `nil` when the labels are malformed, or not those of a waypoint.
  private mutating func hintedTarget(_ hints: borrowing Hints, _ snapshot: Snapshot, service: ServiceName? = nil) -> Target? {
    let isWaypoint = hints.profile == .waypoint
    key.removeAll(keepingCapacity: true)
    key.append(isWaypoint ? 3 : 0)
    if isWaypoint { Self.append(service, to: &key) }
    unsafe Self.append(hints.namespace, to: &key)
    unsafe Self.append(hints.labels, to: &key)
    if let known = byLabels[key] { return known }
    guard let labels = unsafe WorkloadText.labels(hints.labels.copy) else { return nil }
    let namespace = unsafe ExactText(String(decoding: hints.namespace.copy, as: UTF8.self))
    guard isWaypoint else { return remember(snapshot.target(namespace: namespace, labels: labels)) }
    return snapshot.target(waypointIn: namespace, labels: labels, service: service).map { remember($0) }
  }

  /// The target of `destination.labels`; `nil` when the destination's principal names no namespace.
  private mutating func labelledTarget(_ destination: extauthz_peer, _ snapshot: Snapshot) -> Target? {
    guard let pairs = unsafe destination.labels else { return nil }
    key.removeAll(keepingCapacity: true)
    key.append(1)
    unsafe Self.append(destination.principal, to: &key)
    for index in unsafe 0..<destination.label_count {
      unsafe Self.append(pairs[index].key, to: &key)
      unsafe Self.append(pairs[index].value, to: &key)
    }
    if let known = byLabels[key] { return known }
    guard let namespace = unsafe Self.identity(destination.principal)?.namespace else { return nil }
    let namespaceBytes = namespace.bytes
    guard snapshot.knows(namespace: namespaceBytes.span) else { return nil }
    var labels: [ExactText: ExactText] = [:]
    for index in unsafe 0..<destination.label_count {
      let name = unsafe ExactText(String(decoding: pairs[index].key.copy, as: UTF8.self))
      unsafe labels[name] = ExactText(String(decoding: pairs[index].value.copy, as: UTF8.self))
    }
    return remember(snapshot.target(namespace: namespace, labels: labels))
  }

  private mutating func remember(_ target: Target) -> Target {
    guard key.count <= Self.keyLimit else { return target }
    if byLabels.count >= Self.limit { byLabels.removeAll(keepingCapacity: true) }
    byLabels[key] = target
    return target
  }

  /// The inventory's workload with the destination's principal or address. Where both name one, they must agree; the principal must be of
  /// this mesh; `default` names nobody; and no workload that cannot be read may be the one that is meant.
  private func inferred(_ destination: extauthz_peer, _ snapshot: Snapshot) -> Resolution? {
    var byAccount: Resolution?
    if let identity = unsafe Self.identity(destination.principal), identity.serviceAccount != "default",
      snapshot.mesh.allTrustDomains.contains(identity.trustDomain)
    {
      guard snapshot.isInventoryComplete(namespace: identity.namespace) else { return .denied(.ambiguousWorkload) }
      let name = Array("\(identity.namespace)/\(identity.serviceAccount)".utf8)
      byAccount = Self.resolution(snapshot.target(namespaceAndAccount: name.span), snapshot)
    }
    guard unsafe destination.address.kind == EXTAUTHZ_ADDRESS_SOCKET, let address = unsafe IPAddress(destination.address.text.span),
      let byAddress = Self.resolution(snapshot.target(address: address), snapshot)
    else { return byAccount }
    // A broken workload could have this address, wherever it is.
    guard snapshot.isInventoryComplete(namespace: nil) else { return .denied(.ambiguousWorkload) }
    guard case .target(let first) = byAccount, case .target(let second) = byAddress, first != second else { return byAccount ?? byAddress }
    return .denied(.ambiguousWorkload)
  }

  // MARK: Waypoints

  /// The target of a waypoint: it names itself, and says what is addressed. Its own destination is a service, so nothing else names it.
  private mutating func waypoint(_ hints: borrowing Hints, _ snapshot: Snapshot) -> Resolution {
    guard let hint = hints.service else { return .denied(.unknownService) }
    var service: ServiceName?
    if case .named(let name) = hint {
      guard snapshot.mayBe(service: name) else { return .denied(.unknownService) }
      service = name
    }
    if let pin {
      if unsafe !hints.workload.isEmpty, unsafe !Self.isSameWorkload(pin, hints.workload.copy) { return .denied(.wrongWorkload) }
      if unsafe !hints.namespace.isEmpty, unsafe Self.namespace(of: pin) != hints.namespace.copy { return .denied(.wrongWorkload) }
    }
    if unsafe !hints.namespace.isEmpty, unsafe !snapshot.knows(namespace: hints.namespace.span) { return .denied(.unknownWorkload) }
    guard let name = unsafe hints.workload.isEmpty ? pin : hints.workload.copy else {
      if unsafe hints.namespace.isEmpty { return .denied(.unknownWorkload) }
      return hintedTarget(hints, snapshot, service: service).map { .target($0) } ?? .denied(.badHint)
    }
    key.removeAll(keepingCapacity: true)
    key.append(2)
    Request.appendPathComponent(name.span, to: &key)
    Self.append(service, to: &key)
    let isNamedOnce = unsafe hints.namespace.isEmpty
    if isNamedOnce, let known = byLabels[key] { return .target(known) }
    guard let target = snapshot.target(waypoint: name.span, service: service) else { return .denied(.unknownWorkload) }
    if isNamedOnce { return .target(remember(target)) }
    // Both forms of hint: they must mean the same.
    let isSameNamespace = unsafe Self.namespace(of: name) == hints.namespace.copy
    guard isSameNamespace, let other = hintedTarget(hints, snapshot, service: service), other == target else { return .denied(.badHint) }
    return .target(target)
  }

  private static func append(_ service: ServiceName?, to key: inout [UInt8]) {
    guard let service else { return key.append(0) }
    key.append(service.kind == .service ? 1 : 2)
    let (namespace, name) = (service.namespace.bytes, service.name.bytes)
    Request.appendPathComponent(namespace.span, to: &key)
    Request.appendPathComponent(name.span, to: &key)
  }

  // MARK: A pinned server

  /// The pinned workload, unless the request names another.
  private mutating func checkPin(
    _ pin: [UInt8], _ named: Resolution?, _ hints: borrowing Hints, _ snapshot: Snapshot
  ) -> Resolution {
    let own: Resolution
    if let pinned {
      own = pinned
    } else {
      own = Self.resolution(snapshot.target(workload: pin.span), snapshot) ?? .denied(.unknownWorkload)
      pinned = own
    }
    guard case .target(let target) = own else { return own }
    switch named {
    case nil: return own
    case .denied(let reason): return .denied(reason)
    case .target(let other):
      if unsafe !hints.workload.isEmpty, unsafe !hints.workload.equals(pin), unsafe !Self.isSameWorkload(pin, hints.workload.copy) {
        return .denied(.wrongWorkload)
      }
      if unsafe !hints.namespace.isEmpty, unsafe Self.namespace(of: pin) != hints.namespace.copy { return .denied(.wrongWorkload) }
      return other == target ? own : .denied(.wrongWorkload)
    }
  }

  /// Equal namespace and name, and equal kind where both say one.
  private static func isSameWorkload(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    let slash = UInt8(ascii: "/")
    let (a, b) = (left.split(separator: slash), right.split(separator: slash))
    guard a.first == b.first, a.last == b.last else { return false }
    guard a.count == 3, b.count == 3 else { return true }
    return a[1].map { $0 | 0x20 } == b[1].map { $0 | 0x20 }
  }

  // MARK: Text

  private static func resolution(_ lookup: TargetLookup, _ snapshot: Snapshot) -> Resolution? {
    switch lookup {
    case .found(let number): snapshot.targets.indices.contains(number) ? .target(snapshot.targets[number]) : .denied(.internalError)
    case .ambiguous: .denied(.ambiguousWorkload)
    case .unknown: nil
    }
  }

  private static func identity(_ principal: extauthz_bytes) -> SPIFFEID? {
    unsafe principal.isEmpty || principal.size > 2048 ? nil : SPIFFEID(ExactText(String(decoding: principal.copy, as: UTF8.self)))
  }

  private static func namespace(of workload: [UInt8]) -> [UInt8] {
    Array(workload.prefix { $0 != UInt8(ascii: "/") })
  }

  private static func append(_ bytes: extauthz_bytes, to key: inout [UInt8]) {
    unsafe Request.appendPathComponent(bytes.span, to: &key)
  }
}
