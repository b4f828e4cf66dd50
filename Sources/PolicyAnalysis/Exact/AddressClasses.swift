// Addresses and ports, cut into the classes that no rule tells apart.
// Enters: blocks and ports of both sides. Leaves: classes, each with an address or a port that lies in it.
// Never here: a class without a member. Two blocks are disjoint or one holds the other, so the class of an address is its smallest block.

internal import PolicyModel

/// The classes of one address dimension.
struct AddressClasses {
  let blocks: [AddressBlock]
  private(set) var witnesses: [IPAddress] = []
  /// For each block its classes, ascending.
  private(set) var extents: [[Int32]]
  /// The class whose smallest block this is; for addresses in none, by family.
  private var classes: [AddressBlock?: Int32] = [:]

  private static let families = [
    AddressBlock(IPAddress(isIPv4: true, high: 0, low: 0), length: 0), AddressBlock(IPAddress(isIPv4: false, high: 0, low: 0), length: 0),
  ]

  init(_ blocks: [AddressBlock]) {
    self.blocks = blocks
    extents = Array(repeating: [], count: blocks.count)
    let distinct = Set(blocks).union(Self.families).sorted {
      if $0.base.isIPv4 != $1.base.isIPv4 { return $0.base.isIPv4 }
      if $0.base != $1.base { return ($0.base.high, $0.base.low) < ($1.base.high, $1.base.low) }
      return $0.length < $1.length
    }
    // In this order a block stands behind those that hold it, and the blocks inside it follow it.
    for (index, block) in distinct.enumerated() {
      var free: IPAddress? = block.base
      for inner in distinct[(index + 1)...] {
        guard let candidate = free, block.contains(inner.base), inner.base.isIPv4 == block.base.isIPv4 else { break }
        // Blocks come by their first address, so a gap in front of one stays free.
        if inner.contains(candidate) { free = Self.behind(inner).flatMap { block.contains($0) ? $0 : nil } }
      }
      guard let witness = free else { continue }
      let number = Int32(witnesses.count)
      classes[block] = number
      witnesses.append(witness)
      for (place, other) in blocks.enumerated() where other.length <= block.length && other.contains(block.base) {
        extents[place].append(number)
      }
    }
  }

  /// The address behind the last of a block.
  private static func behind(_ block: AddressBlock) -> IPAddress? {
    let (base, length) = (block.base, block.length)
    if length == 0 { return nil }
    if length <= 64 {
      let (high, overflow) = base.high.addingReportingOverflow(1 << UInt64(64 - length))
      return overflow ? nil : IPAddress(isIPv4: base.isIPv4, high: high, low: 0)
    }
    let (low, carry) = base.low.addingReportingOverflow(1 << UInt64(128 - length))
    let (high, overflow) = base.high.addingReportingOverflow(carry ? 1 : 0)
    return overflow ? nil : IPAddress(isIPv4: false, high: high, low: low)
  }

  /// The class of an address. O(blocks).
  func atom(of address: IPAddress) -> Int32? {
    let smallest = (blocks + Self.families).filter { $0.contains(address) }.max { $0.length < $1.length }
    return smallest.flatMap { classes[$0] }
  }
}

/// The classes of ports, 1 to 65535.
struct PortClasses {
  private(set) var witnesses: [UInt16] = []
  private var classes: [UInt16: Int32] = [:]
  private var other: Int32?

  init(_ ports: Set<UInt16>) {
    let named = ports.subtracting([0]).sorted()
    // The first port that people know and no rule names.
    let free = ([8080, 80, 443] + Array(1...UInt16.max)).first { !ports.contains($0) }
    if let free {
      other = 0
      witnesses.append(free)
    }
    for port in named {
      classes[port] = Int32(witnesses.count)
      witnesses.append(port)
    }
  }

  /// The class of a port.
  func atom(of port: UInt16) -> Int32? { classes[port] ?? (port == 0 ? nil : other) }
  /// The class of a port that a rule names.
  func named(_ port: UInt16) -> Int32? { classes[port] }
}
