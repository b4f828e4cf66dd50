// What stands in front of the policies: which peers a proxy's server takes at all.
// Enters: the mesh's trust domains, once; a request and its target. Leaves: open, closed with a reason, or not known.
// Never here: policies, or a name that is no URI name.

internal import PolicyModel

/// The gate of one mesh.
struct PeerGate: Sendable {
  /// `spiffe://`, then `spiffe://TD/` for each accepted trust domain.
  private let literals: FlatArray<UInt8>
  private let prefixes: FlatArray<Literal>
  private let storage: FlatStorage
  private static let schemeLength = 9

  init(trustDomains: [ExactText]) {
    var bytes = Array("spiffe://".utf8)
    var prefixes: [Literal] = []
    for domain in trustDomains {
      let text = Array("spiffe://\(domain)/".utf8)
      prefixes.append(Literal(start: UInt32(truncatingIfNeeded: bytes.count), count: UInt32(truncatingIfNeeded: text.count)))
      bytes += text
    }
    storage = FlatStorage()
    literals = storage.store(bytes)
    self.prefixes = storage.store(prefixes)
  }

  /// Whether an identity is of an accepted trust domain.
  func accepts(_ identity: Span<UInt8>) -> Bool {
    for index in prefixes.indices {
      let prefix = prefixes[index]
      if hasPrefix(identity, literals.span.extracting(Int(prefix.start)..<Int(prefix.start) + Int(prefix.count))) { return true }
    }
    return false
  }

  /// What the server does with a connection (Istio). Mutual TLS takes a peer with SPIFFE names only when one is of an accepted trust domain,
  /// in every mode. Peers without such a name pass, but for STRICT and HBONE, which a waypoint terminates. A gateway's servers have settings
  /// of their own.
  func callAsFunction(_ request: borrowing Request, _ target: Target, _ profile: Profile) -> Gate {
    if profile == .gateway { return .open }
    if profile == .ztunnel { return ztunnelGate(request, target) }
    var isStrict = profile == .waypoint || target.isStrict
    var isModeKnown = true
    if profile == .sidecar, !target.strictExceptions.isEmpty {
      if !request.isPortKnown {
        isModeKnown = false
      } else if target.strictExceptions.contains(request.port) {
        isStrict.toggle()
      }
    }
    guard request.isPeerKnown else { return isModeKnown && !isStrict ? .open : .unknown(.unknownPeer) }
    var hasSPIFFE = false
    for index in request.identities.indices {
      guard request.identities[index].kind == .uri else { continue }
      let identity = request.bytes(request.identities[index].slice)
      guard hasPrefix(identity, literals.span.extracting(first: Self.schemeLength)) else { continue }
      hasSPIFFE = true
      if accepts(identity) { return .open }
    }
    if hasSPIFFE { return .closed(.untrustedDomain) }
    if !isModeKnown { return .unknown(.unknownPort) }
    return isStrict ? .closed(.mtlsRequired) : .open
  }
}
