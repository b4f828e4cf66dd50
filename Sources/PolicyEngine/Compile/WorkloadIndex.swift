// From a workload's name, identity or address to what is attached to it.
// Enters: the inventory, once. Leaves: a target's number, or that nothing or too much fits.
// Never here: a guess between workloads to which different policies are attached.

internal import PolicyModel

struct WorkloadIndex: Sendable {
  private let names: PatternLookup
  private let accounts: PatternLookup
  private let addresses: PatternLookup
  private let namespaces: PatternLookup
  private let search: LookupTables
  private let literals: [UInt8]

  init(_ workloads: [Workload], namespaces: Set<ExactText>, hash: ByteHash, target: (Workload) -> Int) {
    var names: [IndexPattern: Stretch] = [:]
    var accounts: [IndexPattern: Stretch] = [:]
    var addresses: [IndexPattern: Stretch] = [:]
    /// One target: a stretch of one; several different: a stretch of two.
    func add(_ pattern: IndexPattern, _ number: UInt32, to entries: inout [IndexPattern: Stretch]) {
      if let known = entries[pattern], known.start != number || known.count > 1 {
        entries[pattern] = Stretch(start: known.start, count: 2)
      } else {
        entries[pattern] = Stretch(start: number, count: 1)
      }
    }
    for workload in workloads {
      let number = UInt32(truncatingIfNeeded: target(workload))
      let key = workload.metadata.key
      let kinds: Set<ExactText> = [key.kind, ExactText(key.kind.string.lowercased())]
      add(.exact(Array("\(key.namespace)/\(key.name)".utf8)), number, to: &names)
      for kind in kinds { add(.exact(Array("\(key.namespace)/\(kind)/\(key.name)".utf8)), number, to: &names) }
      // Every pod without a service account of its own runs as `default`: that names nobody.
      if workload.serviceAccount != "default" {
        add(.exact(Array("\(key.namespace)/\(workload.serviceAccount)".utf8)), number, to: &accounts)
      }
      for address in workload.addresses { add(.block(AddressBlock(address, length: address.bitCount)), number, to: &addresses) }
    }
    var search = LookupTables(hash: hash)
    var pool = LiteralPool()
    self.names = search.add(names, to: &pool)
    self.accounts = search.add(accounts, to: &pool)
    self.addresses = search.add(addresses, to: &pool)
    let known = namespaces.map { (IndexPattern.exact($0.bytes), Stretch(start: 0, count: 1)) }
    self.namespaces = search.add(Dictionary(known) { first, _ in first }, to: &pool)
    self.search = search
    literals = pool.bytes
  }

  func knows(namespace: Span<UInt8>) -> Bool { !search.forEachMatch(namespaces, text: namespace, in: literals.span) { _ in false } }

  func named(_ name: Span<UInt8>) -> TargetLookup { Self.result { search.forEachMatch(names, text: name, in: literals.span, $0) } }

  func running(as account: Span<UInt8>) -> TargetLookup {
    Self.result { search.forEachMatch(accounts, text: account, in: literals.span, $0) }
  }

  func at(_ address: IPAddress) -> TargetLookup { Self.result { search.forEachMatch(addresses, address: address, $0) } }

  private static func result(_ search: ((Stretch) -> Bool) -> Bool) -> TargetLookup {
    var result = TargetLookup.unknown
    _ = search { entry in
      result = entry.count == 1 ? .found(Int(entry.start)) : .ambiguous
      return false
    }
    return result
  }
}
