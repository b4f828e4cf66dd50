// The peer as ztunnel sees it.
// Enters: a request's identities. Leaves: the one that counts, the outcome of tests on it, and whether the connection stands at all.
// Unlike the rest of this directory it allocates: ztunnel asks nobody, so no request waits for it.
// Never here: DNS names and subjects, aliases of the trust domain, or a second identity in policies.

internal import PolicyModel

extension Request {
  /// An identity of exactly the five parts `TD/ns/N/sa/S` behind `spiffe://`; any of TD, N and S may be empty (ztunnel, src/identity).
  struct ZtunnelIdentity {
    /// All of it.
    var whole: Slice
    /// `N`.
    var namespace: Slice
    /// `N/sa/S`.
    var workloadPath: Slice
  }

  /// The first identity that ztunnel can read; it looks at no other one. O(length of the identities).
  var ztunnelIdentity: ZtunnelIdentity? {
    for index in identities.indices where identities[index].kind == .uri {
      if let identity = ztunnelIdentity(identities[index].slice) { return identity }
    }
    return nil
  }

  /// Reads one.
  func ztunnelIdentity(_ slice: Slice) -> ZtunnelIdentity? {
    let text = bytes(slice)
    let marks = Self.ztunnelMarks
    guard hasPrefix(text, marks.scheme.span) else { return nil }
    var slashes: [Int] = []
    for index in marks.scheme.count..<text.count where text[index] == UInt8(ascii: "/") {
      slashes.append(index)
      if slashes.count > 4 { return nil }
    }
    guard slashes.count == 4, equal(text.extracting(slashes[0]..<slashes[1] + 1), marks.namespace.span),
      equal(text.extracting(slashes[2]..<slashes[3] + 1), marks.account.span)
    else { return nil }
    let start = slashes[1] + 1
    func part(_ count: Int) -> Slice {
      Slice(start: slice.start + UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: count))
    }
    return ZtunnelIdentity(whole: slice, namespace: part(slashes[2] - start), workloadPath: part(text.count - start))
  }

  private static let ztunnelMarks = (scheme: Array("spiffe://".utf8), namespace: Array("/ns/".utf8), account: Array("/sa/".utf8))
}

extension CompiledPolicies {
  /// A test on the peer. One without identity has no principal and no account, and the empty text for its namespace (ztunnel, src/rbac.rs).
  func ztunnelPeer(_ test: Test, _ request: borrowing Request) -> Outcome {
    guard request.isPeerKnown else { return .unknown(.unknownPeer) }
    let identity = request.ztunnelIdentity
    switch test.subject {
    case .ztunnelNamespace: return Outcome(matchesAny(test, request.bytes(identity?.namespace ?? Request.Slice())))
    case .ztunnelServiceAccount: return Outcome(identity.map { matchesAny(test, request.bytes($0.workloadPath)) } ?? false)
    default: return Outcome(identity.map { matchesAny(test, request.bytes($0.whole)) } ?? false)
    }
  }
}

extension PeerGate {
  /// Plaintext is refused where PeerAuthentication says so. A certificate must have an identity in ztunnel's own trust domain, any of its
  /// URI names, or the handshake fails (ztunnel, src/tls/workload.rs).
  func ztunnelGate(_ request: borrowing Request, _ target: Target) -> Gate {
    guard request.isPeerKnown else { return .unknown(.unknownPeer) }
    guard request.identities.isEmpty else {
      for index in request.identities.indices where request.identities[index].kind == .uri {
        guard let identity = request.ztunnelIdentity(request.identities[index].slice) else { continue }
        if accepts(request.bytes(identity.whole)) { return .open }
      }
      return .closed(.untrustedDomain)
    }
    if target.strictExceptions.isEmpty { return target.isStrict ? .closed(.mtlsRequired) : .open }
    guard request.isPortKnown else { return .unknown(.unknownPort) }
    return target.isStrict != target.strictExceptions.contains(request.port) ? .closed(.mtlsRequired) : .open
  }
}
