// The names of all sets of policies. What enters is a word of the command line; what leaves are sets.
internal import PolicyEngine

/// A kind of set that can be asked for by name.
enum DecisionSets {
  case shop
  case flat(DecisionKind)
  case mesh
  case hard(HardKind)

  /// The kind, or the kinds, of this name.
  static func named(_ name: String) throws -> [DecisionSets] {
    switch name {
    case "shop": return [.shop]
    case "mesh": return [.mesh]
    case "flat": return [.shop] + [.principals, .paths, .hosts, .mixed].map { .flat($0) }
    case "hard": return HardKind.allCases.map { .hard($0) }
    default:
      if let kind = DecisionKind(rawValue: name) { return [.flat(kind)] }
      if let kind = HardKind(rawValue: name) { return [.hard(kind)] }
      throw BenchError("`\(name)` is not a kind of policies")
    }
  }

  /// Whether it can have any number of policies.
  var hasSizes: Bool { if case .shop = self { false } else { true } }

  /// The set; the size means nothing to a kind that has one size only.
  func set(size: Int, count: Int, random: inout SplitMix) -> DecisionSet {
    switch self {
    case .shop: Self.shopSet(count: count)
    case .flat(let kind): kind.set(size: size, count: count, random: &random)
    case .mesh: MeshSet.set(size: size, count: count, random: &random)
    case .hard(let kind): kind.set(size: size, count: count, random: &random)
    }
  }

  /// The shop's backend: its one caller, and 30 others.
  private static func shopSet(count: Int) -> DecisionSet {
    let cases = (0..<count).map { index in
      let peer = index.isMultiple(of: 2) ? ShopTraffic.peers[0] : ShopTraffic.peers[index / 2 % ShopTraffic.peers.count]
      return DecisionCase(
        principal: peer.principal, path: "/api/v1/orders/\(index)?page=1", verdict: peer == ShopTraffic.peers[0] ? .allow : .deny)
    }
    return DecisionSet(name: "shop", size: 2, text: ShopPolicies.text, cases: cases)
  }
}
