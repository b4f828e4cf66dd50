// From a workload's name, identity or address to its place in the inventory.
// Enters: the inventory, once. Leaves: a place, or that nothing or too much fits.
// Never here: a guess between workloads to which different policies are attached.

internal import PolicyModel

final class WorkloadIndex: Sendable {
  let workloads: [Workload]
  private let names: PatternLookup
  private let accounts: PatternLookup
  private let addresses: PatternLookup
  private let search: Lookups
  private let literals: FlatArray<UInt8>
  /// The places of the workloads that share a key.
  private let places: FlatArray<UInt32>
  private let storage: FlatStorage

  init(_ workloads: [Workload]) {
    var names: [IndexPattern: [UInt32]] = [:]
    var accounts: [IndexPattern: [UInt32]] = [:]
    var addresses: [IndexPattern: [UInt32]] = [:]
    for (place, workload) in workloads.enumerated() {
      let place = UInt32(truncatingIfNeeded: place)
      let key = workload.metadata.key
      let kinds: Set<ExactText> = [key.kind, ExactText(key.kind.string.lowercased())]
      names[.exact(Array("\(key.namespace)/\(key.name)".utf8)), default: []].append(place)
      for kind in kinds { names[.exact(Array("\(key.namespace)/\(kind)/\(key.name)".utf8)), default: []].append(place) }
      // Every pod without a service account of its own runs as `default`: that names nobody.
      if workload.serviceAccount != "default" {
        accounts[.exact(Array("\(key.namespace)/\(workload.serviceAccount)".utf8)), default: []].append(place)
      }
      for address in workload.addresses { addresses[.block(AddressBlock(address, length: address.bitCount)), default: []].append(place) }
    }
    let storage = FlatStorage()
    var search = LookupTables(hash: ByteHash(seed: UInt64.random(in: .min ... .max)))
    var pool = LiteralPool()
    var places: [UInt32] = []
    func add(_ entries: [IndexPattern: [UInt32]]) -> PatternLookup {
      let stretches = entries.mapValues { numbers in
        let stretch = Stretch(start: UInt32(truncatingIfNeeded: places.count), count: UInt32(truncatingIfNeeded: numbers.count))
        places += numbers
        return stretch
      }
      return search.add(stretches, to: &pool)
    }
    self.names = add(names)
    self.accounts = add(accounts)
    self.addresses = add(addresses)
    self.search = search.sealed(in: storage)
    literals = storage.store(pool.bytes)
    self.places = storage.store(places)
    self.storage = storage
    self.workloads = workloads
  }

  /// Whether it is the index of these workloads. O(their size).
  func isSame(as others: [Workload]) -> Bool {
    workloads.count == others.count
      && zip(workloads, others).allSatisfy { left, right in
        left.metadata.key == right.metadata.key && left.labels == right.labels && left.serviceAccount == right.serviceAccount
          && left.addresses == right.addresses
      }
  }

  func named(_ name: Span<UInt8>, _ targets: [Target]) -> TargetLookup {
    result(search.exact(names, name, in: literals.span), targets)
  }

  func running(as account: Span<UInt8>, _ targets: [Target]) -> TargetLookup {
    result(search.exact(accounts, account, in: literals.span), targets)
  }

  func at(_ address: IPAddress, _ targets: [Target]) -> TargetLookup {
    for place in search.lengths(addresses, address) {
      if let found = search.block(addresses, address, ofLengthAt: place) { return result(found, targets) }
    }
    return .unknown
  }

  /// One place, or several with the same attached.
  private func result(_ found: Stretch?, _ targets: [Target]) -> TargetLookup {
    guard let found else { return .unknown }
    let first = Int(places[Int(found.start)])
    for index in found.range.dropFirst() where targets[Int(places[index])] != targets[first] { return .ambiguous }
    return .found(first)
  }
}

/// The namespaces that objects are in, or are.
struct KnownNamespaces: Sendable {
  private let lookup: PatternLookup
  private let search: Lookups
  private let literals: FlatArray<UInt8>
  private let storage: FlatStorage

  init(_ names: Set<ExactText>) {
    let storage = FlatStorage()
    var search = LookupTables(hash: ByteHash(seed: UInt64.random(in: .min ... .max)))
    var pool = LiteralPool()
    let entries = names.map { (IndexPattern.exact($0.bytes), Stretch(start: 0, count: 1)) }
    lookup = search.add(Dictionary(entries) { first, _ in first }, to: &pool)
    self.search = search.sealed(in: storage)
    literals = storage.store(pool.bytes)
    self.storage = storage
  }

  func contains(_ name: Span<UInt8>) -> Bool { search.hasMatch(lookup, name, in: literals.span) }
}
