// Which rules (or clauses) of an index a request could satisfy.
// Enters: an index, a request. Leaves: stretches of postings, each with the word whether the key that leads to it is met or not known.
// Never here: a rule that is skipped because something about the request is not known: a dimension that cannot be asked nominates all that
// stands in it.

internal import PolicyModel

extension Dimension.Text {
  /// Whether it stays the same on a connection.
  var isOfConnection: Bool {
    switch self {
    case .identity, .workloadPath, .workloadNamespace, .sni, .sourceIP, .destinationIP, .port: true
    case .host, .method, .path, .pathSegment, .target, .authority, .header, .claim, .metadata, .headerNames, .claimNames, .metadataNames,
      .remoteIP:
      false
    }
  }
}

extension CompiledPolicies {
  /// Calls `visit` with everything that the dimension nominates, until it returns false. It is handed the request, so that it need not
  /// capture it (which would copy it). The flag says that the dimension's text is not known:
  /// a rule can then not match by a key of this dimension, it only may.
  @inline(__always)
  func nominate(_ dimension: IndexDimension, _ request: borrowing Request, _ visit: (Stretch, _ isUnknown: Bool, borrowing Request) -> Bool)
  {
    switch dimension.dimension.text {
    case .identity:
      guard request.isPeerKnown else { return _ = visit(dimension.rules, true, request) }
      for index in request.identities.indices where request.isTested(request.identities[index]) {
        guard look(dimension, request.identities[index].slice, request, visit) else { return }
      }
    case .workloadPath, .workloadNamespace:
      guard request.isPeerKnown else { return _ = visit(dimension.rules, true, request) }
      for index in request.identities.indices where request.isTested(request.identities[index]) {
        let identity = request.identities[index]
        switch identity.form {
        case .plain: break
        case .istio: guard lookAtWorkload(dimension, identity.workloadPath, request, visit) else { return }
        case .irregular: guard visit(dimension.rules, false, request) else { return }
        }
      }
    case .host:
      guard request.host.knowledge == .present else { return look(dimension, request.host, request, visit) }
      _ = look(dimension, request.foldedHost, request, visit)
    case .authority: look(dimension, request.host, request, visit)
    case .method: look(dimension, request.method, request, visit)
    case .path: look(dimension, request.path, request, visit)
    case .pathSegment: segments(dimension, request, visit)
    case .target: look(dimension, request.target, request, visit)
    case .sni: look(dimension, request.sni, request, visit)
    case .header: header(dimension, request, visit)
    case .claim:
      guard request.areClaimsKnown, !request.areClaimsHidden else { return _ = visit(dimension.rules, true, request) }
      entries(request.claims, dimension, request, visit)
    case .metadata:
      guard request.isMetadataComplete else { return _ = visit(dimension.rules, false, request) }
      entries(request.metadata, dimension, request, visit)
    case .headerNames:
      guard request.areHeadersKnown else { return _ = visit(dimension.rules, true, request) }
      for index in request.headers.indices {
        let line = request.headers[index]
        guard let named = self.named(request.bytes(line.name), dimension) else { continue }
        guard line.isAmbiguous ? visit(named.rules, false, request) : look(named, line.value, request, visit) else { return }
      }
    case .claimNames:
      guard request.areClaimsKnown, !request.areClaimsHidden else { return _ = visit(dimension.rules, true, request) }
      namedEntries(request.claims, dimension, request, visit)
    case .metadataNames:
      guard request.isMetadataComplete else { return _ = visit(dimension.rules, false, request) }
      namedEntries(request.metadata, dimension, request, visit)
    case .sourceIP: address(dimension, request.sourceIP, request, visit)
    case .remoteIP: address(dimension, request.remoteIP, request, visit)
    case .destinationIP: address(dimension, request.destinationIP, request, visit)
    case .port:
      guard request.isPortKnown else { return _ = visit(dimension.rules, true, request) }
      let lookup = lookups[Int(dimension.lookup)]
      let always = search.always(lookup)
      if !always.isEmpty { guard visit(always, false, request) else { return } }
      if let rules = search.number(lookup, UInt64(request.port)) { _ = visit(rules, false, request) }
    }
  }

  @inline(__always)
  private func look(
    _ dimension: IndexDimension, _ field: Request.TextField, _ request: borrowing Request,
    _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) {
    switch field.knowledge {
    case .unknown: _ = visit(dimension.rules, true, request)
    case .absent: break
    case .present: _ = look(dimension, field.slice, request, visit)
    }
  }

  @inline(__always)
  private func look(
    _ dimension: IndexDimension, _ slice: Request.Slice, _ request: borrowing Request, _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) -> Bool {
    look(lookups[Int(dimension.lookup)], slice, request, visit)
  }

  /// Everything under patterns that the text satisfies.
  @inline(__always)
  private func look(
    _ lookup: PatternLookup, _ slice: Request.Slice, _ request: borrowing Request, _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) -> Bool {
    let always = search.always(lookup)
    if !always.isEmpty { guard visit(always, false, request) else { return false } }
    if let rules = search.exact(lookup, request.bytes(slice), in: literals.span) {
      guard visit(rules, false, request) else { return false }
    }
    var walk = TrieWalk()
    while let rules = search.prefix(&walk, lookup, request.bytes(slice), in: literals.span) {
      guard visit(rules, false, request) else { return false }
    }
    walk = TrieWalk()
    while let rules = search.suffix(&walk, lookup, request.bytes(slice), in: literals.span) {
      guard visit(rules, false, request) else { return false }
    }
    return true
  }

  /// The whole of `N/sa/S`, or, for values that begin with a star, what can stand in front of a slash: `N` and `N/sa`.
  @inline(__always)
  private func lookAtWorkload(
    _ dimension: IndexDimension, _ workload: Request.Slice, _ request: borrowing Request,
    _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) -> Bool {
    guard dimension.dimension.text == .workloadNamespace else { return look(dimension, workload, request, visit) }
    let text = request.bytes(workload)
    var end = 0
    while end < text.count, text[end] != UInt8(ascii: "/") { end += 1 }
    let namespace = Request.Slice(start: workload.start, count: UInt32(truncatingIfNeeded: end))
    guard look(dimension, namespace, request, visit) else { return false }
    guard end + 3 <= text.count else { return true }
    return look(dimension, Request.Slice(start: workload.start, count: UInt32(truncatingIfNeeded: end + 3)), request, visit)
  }

  /// Every segment of the path: the bytes between two slashes, or behind the last.
  @inline(__always)
  private func segments(_ dimension: IndexDimension, _ request: borrowing Request, _ visit: (Stretch, Bool, borrowing Request) -> Bool) {
    switch request.path.knowledge {
    case .unknown: return _ = visit(dimension.rules, true, request)
    case .absent: return
    case .present: break
    }
    let path = request.bytes(request.path.slice)
    let lookup = lookups[Int(dimension.lookup)]
    var start = 0
    while start < path.count {
      start += 1
      var end = start
      while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
      let place = Request.Slice(
        start: request.path.slice.start &+ UInt32(truncatingIfNeeded: min(start, end)),
        count: UInt32(truncatingIfNeeded: end - min(start, end)))
      guard look(lookup, place, request, visit) else { return }
      start = end
    }
  }

  @inline(__always)
  private func address(
    _ dimension: IndexDimension, _ field: Request.AddressField, _ request: borrowing Request,
    _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) {
    switch field.knowledge {
    case .unknown: _ = visit(dimension.rules, true, request)
    case .absent: break
    case .present:
      let lookup = lookups[Int(dimension.lookup)]
      let always = search.always(lookup)
      if !always.isEmpty { guard visit(always, false, request) else { return } }
      for place in search.lengths(lookup, field.address) {
        if let rules = search.block(lookup, field.address, ofLengthAt: place) { guard visit(rules, false, request) else { return } }
      }
    }
  }

  @inline(__always)
  private func header(_ dimension: IndexDimension, _ request: borrowing Request, _ visit: (Stretch, Bool, borrowing Request) -> Bool) {
    guard request.areHeadersKnown else { return _ = visit(dimension.rules, true, request) }
    var isThere = false
    for index in request.headers.indices {
      let line = request.headers[index]
      guard equal(request.bytes(line.name), literal(dimension.dimension.name)) else { continue }
      isThere = true
      if line.isAmbiguous {
        guard visit(dimension.rules, false, request) else { return }
      } else {
        guard look(dimension, line.value, request, visit) else { return }
      }
    }
    if !isThere, dimension.dimension.name == names.schemeHeader { _ = visit(dimension.rules, true, request) }
  }

  @inline(__always)
  private func entries(
    _ entries: [Request.TreeEntry], _ dimension: IndexDimension, _ request: borrowing Request,
    _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) {
    for index in entries.indices {
      let entry = entries[index]
      guard equal(request.bytes(entry.path), literal(dimension.dimension.name)) else { continue }
      guard look(dimension, entry.value, request, visit) else { return }
    }
  }

  @inline(__always)
  private func namedEntries(
    _ entries: [Request.TreeEntry], _ dimension: IndexDimension, _ request: borrowing Request,
    _ visit: (Stretch, Bool, borrowing Request) -> Bool
  ) {
    for index in entries.indices {
      let entry = entries[index]
      guard let named = named(request.bytes(entry.path), dimension) else { continue }
      guard look(named, entry.value, request, visit) else { return }
    }
  }

  /// The dimension of this name, behind one of names.
  @inline(__always)
  private func named(_ name: Span<UInt8>, _ names: IndexDimension) -> IndexDimension? {
    search.exact(lookups[Int(names.lookup)], name, in: literals.span).map { dimensions[Int($0.start)] }
  }
}
