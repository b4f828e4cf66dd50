// From a workload's name, identity or address to what is attached to it.
// Enters: the inventory, once. Leaves: a target's number, or that nothing or too much fits.
// Never here: a guess between workloads to which different policies are attached.

internal import PolicyModel

struct WorkloadIndex: Sendable {
  private let names: PatternLookup
  private let accounts: PatternLookup
  private let addresses: PatternLookup
  private let namespaces: PatternLookup

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
    self.names = PatternLookup(names, hash: hash)
    self.accounts = PatternLookup(accounts, hash: hash)
    self.addresses = PatternLookup(addresses, hash: hash)
    let known = namespaces.map { (IndexPattern.exact($0.bytes), Stretch(start: 0, count: 1)) }
    self.namespaces = PatternLookup(Dictionary(known) { first, _ in first }, hash: hash)
  }

  func knows(namespace: Span<UInt8>) -> Bool { !namespaces.forEachMatch(text: namespace) { _ in false } }

  func named(_ name: Span<UInt8>) -> TargetLookup { Self.result { names.forEachMatch(text: name, $0) } }

  func running(as account: Span<UInt8>) -> TargetLookup { Self.result { accounts.forEachMatch(text: account, $0) } }

  func at(_ address: IPAddress) -> TargetLookup { Self.result { addresses.forEachMatch(address: address, $0) } }

  private static func result(_ search: ((Stretch) -> Bool) -> Bool) -> TargetLookup {
    var result = TargetLookup.unknown
    _ = search { entry in
      result = entry.count == 1 ? .found(Int(entry.start)) : .ambiguous
      return false
    }
    return result
  }
}
