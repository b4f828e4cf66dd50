// Boolean functions over the classes of all dimensions, as decision diagrams.
// Enters: tests on single dimensions. Leaves: their combinations. Two functions are equal if and only if they are one number.
// Never here: what a dimension means, or a function that is given up in silence: too many nodes are an error.
//
// A node asks one dimension, in the order of their numbers. Most classes lead to where class 0 leads; only the others are kept, ascending, so
// a node of ten thousand principals that no rule names costs nothing.

/// A function; the numbers 0 and 1 are the constants.
typealias Diagram = Int32

/// All functions of one analysis.
struct Diagrams {
  /// Where one class leads.
  struct Branch: Hashable {
    var atom: Int32
    var to: Diagram
  }

  private struct Node: Hashable {
    var dimension: Int32
    /// Where class 0 leads, and every class that has no branch.
    var rest: Diagram
    var branches: [Branch]
  }

  private enum Operation: UInt8 { case and, or, without, differ }

  private struct Question: Hashable {
    var operation: Operation
    var left: Diagram
    var right: Diagram
  }

  static let never: Diagram = 0
  static let always: Diagram = 1

  /// How many classes each dimension has.
  let counts: [Int32]
  private let limit: Int
  private var nodes: [Node] = []
  private var numbers: [Node: Diagram] = [:]
  private var answers: [Question: Diagram] = [:]
  private let workLimit: WorkLimit
  private var steps = 0
  /// More answers than this are forgotten: they save time, and are not needed.
  private static let answerLimit = 4_000_000

  /// - Parameters:
  ///   - limit: the number of nodes that is not exceeded.
  ///   - workLimit: when to stop.
  init(counts: [Int32], limit: Int = 2_000_000, workLimit: WorkLimit = WorkLimit()) {
    self.counts = counts
    self.limit = limit
    self.workLimit = workLimit
    // The constants: never looked into.
    for _ in 0..<2 { nodes.append(Node(dimension: .max, rest: 0, branches: [])) }
  }

  /// How many nodes there are.
  var count: Int { nodes.count }

  private func dimension(_ diagram: Diagram) -> Int32 { nodes[Int(diagram)].dimension }

  private mutating func node(_ dimension: Int32, rest: Diagram, _ branches: [Branch]) throws -> Diagram {
    if branches.isEmpty { return rest }
    let node = Node(dimension: dimension, rest: rest, branches: branches)
    if let known = numbers[node] { return known }
    guard nodes.count < limit else { throw LimitReached(what: "cases that rules tell apart together") }
    let number = Diagram(nodes.count)
    nodes.append(node)
    numbers[node] = number
    return number
  }

  /// Whether the dimension's class is one of these (ascending).
  mutating func test(_ dimension: Int, _ atoms: [Int32]) throws -> Diagram {
    guard atoms.first == 0 else {
      return try node(Int32(dimension), rest: Self.never, atoms.map { Branch(atom: $0, to: Self.always) })
    }
    let held = Set(atoms)
    let others = (0..<counts[dimension]).filter { !held.contains($0) }
    return try node(Int32(dimension), rest: Self.always, others.map { Branch(atom: $0, to: Self.never) })
  }

  mutating func and(_ left: Diagram, _ right: Diagram) throws -> Diagram { try apply(.and, left, right) }
  mutating func or(_ left: Diagram, _ right: Diagram) throws -> Diagram { try apply(.or, left, right) }
  /// What is in `left` and not in `right`.
  mutating func subtract(_ right: Diagram, from left: Diagram) throws -> Diagram { try apply(.without, left, right) }
  mutating func not(_ diagram: Diagram) throws -> Diagram { try apply(.without, Self.always, diagram) }
  /// Where the two differ.
  mutating func difference(_ left: Diagram, _ right: Diagram) throws -> Diagram { try apply(.differ, left, right) }
  /// Whether all of `left` is in `right`.
  mutating func implies(_ left: Diagram, _ right: Diagram) throws -> Bool { try subtract(right, from: left) == Self.never }

  /// All or any of many, halves first, so that large ones meet late.
  mutating func all(_ diagrams: [Diagram]) throws -> Diagram { try fold(diagrams[...], .and, empty: Self.always) }
  mutating func any(_ diagrams: [Diagram]) throws -> Diagram { try fold(diagrams[...], .or, empty: Self.never) }

  private mutating func fold(_ diagrams: ArraySlice<Diagram>, _ operation: Operation, empty: Diagram) throws -> Diagram {
    if diagrams.count < 2 { return diagrams.first ?? empty }
    let middle = diagrams.startIndex + diagrams.count / 2
    let left = try fold(diagrams[..<middle], operation, empty: empty)
    return try apply(operation, left, try fold(diagrams[middle...], operation, empty: empty))
  }

  private mutating func apply(_ operation: Operation, _ left: Diagram, _ right: Diagram) throws -> Diagram {
    let (never, always) = (Self.never, Self.always)
    switch operation {
    case .and:
      if left == never || right == never { return never }
      if left == always || left == right { return right }
      if right == always { return left }
    case .or:
      if left == always || right == always { return always }
      if left == never || left == right { return right }
      if right == never { return left }
    case .without:
      if left == never || right == always || left == right { return never }
      if right == never { return left }
    case .differ:
      if left == right { return never }
      if left == never { return right }
      if right == never { return left }
    }
    let isOrderless = operation != .without && left > right
    let question = Question(operation: operation, left: isOrderless ? right : left, right: isOrderless ? left : right)
    if let known = answers[question] { return known }
    steps += 1
    if steps % 4096 == 0 { try workLimit.check() }
    if answers.count > Self.answerLimit { answers.removeAll(keepingCapacity: true) }
    let top = min(dimension(left), dimension(right))
    let (one, two) = (parts(left, top), parts(right, top))
    let rest = try apply(operation, one.rest, two.rest)
    var branches: [Branch] = []
    var (i, j) = (0, 0)
    while i < one.branches.count || j < two.branches.count {
      let first = i < one.branches.count ? one.branches[i].atom : .max
      let second = j < two.branches.count ? two.branches[j].atom : .max
      let atom = min(first, second)
      let to = try apply(operation, first == atom ? one.branches[i].to : one.rest, second == atom ? two.branches[j].to : two.rest)
      if to != rest { branches.append(Branch(atom: atom, to: to)) }
      if first == atom { i += 1 }
      if second == atom { j += 1 }
    }
    let result = try node(top, rest: rest, branches)
    answers[question] = result
    return result
  }

  private func parts(_ diagram: Diagram, _ dimension: Int32) -> (rest: Diagram, branches: [Branch]) {
    let node = nodes[Int(diagram)]
    return node.dimension == dimension ? (node.rest, node.branches) : (diagram, [])
  }

  // MARK: Looking in

  /// The value at a point, given by its class in each dimension.
  func value(_ diagram: Diagram, at point: [Int32]) -> Bool {
    var at = diagram
    while at > Self.always {
      let node = nodes[Int(at)]
      let atom = point[Int(node.dimension)]
      at = node.branches.first { $0.atom == atom }?.to ?? node.rest
    }
    return at == Self.always
  }

  /// A point at which the function is true, of each dimension the most preferred class that leads to one; nil where there is none.
  /// `preferred` lists classes, best first; classes that it does not list come last.
  func point(in diagram: Diagram, preferred: [[Int32]]) -> [Int32]? {
    guard diagram != Self.never else { return nil }
    var point: [Int32] = []
    var at = diagram
    for dimension in counts.indices {
      guard at > Self.always, nodes[Int(at)].dimension == Int32(dimension) else {
        point.append(preferred[dimension].first ?? 0)
        continue
      }
      let node = nodes[Int(at)]
      func to(_ atom: Int32) -> Diagram { node.branches.first { $0.atom == atom }?.to ?? node.rest }
      // One that is listed, one with a branch, or any other.
      let atom =
        preferred[dimension].first { to($0) != Self.never } ?? node.branches.first { $0.to != Self.never }?.atom
        ?? firstWithoutBranch(node)
      point.append(atom)
      at = to(atom)
    }
    return point
  }

  private func firstWithoutBranch(_ node: Node) -> Int32 {
    var atom: Int32 = 0
    for branch in node.branches {
      if branch.atom != atom { break }
      atom += 1
    }
    return atom
  }

  /// The classes of a dimension with which the function can be true.
  func atoms(of dimension: Int, in diagram: Diagram) -> AtomSet {
    var result = AtomSet()
    var seen: Set<Diagram> = []
    var left = [diagram]
    while let at = left.popLast() {
      if at == Self.never || !seen.insert(at).inserted { continue }
      let node = nodes[Int(at)]
      if node.dimension > Int32(dimension) {
        result.isComplement = true
        result.atoms = []
        return result
      }
      if node.dimension == Int32(dimension) {
        let live = node.branches.filter { $0.to != Self.never }.map(\.atom)
        if node.rest == Self.never {
          result.add(live)
        } else {
          result.addAll(except: node.branches.filter { $0.to == Self.never }.map(\.atom))
        }
        continue
      }
      left.append(node.rest)
      left += node.branches.map(\.to)
    }
    return result
  }

  /// A set of classes, or all but a set.
  struct AtomSet {
    var isComplement = false
    var atoms: Set<Int32> = []

    func contains(_ atom: Int32) -> Bool { atoms.contains(atom) != isComplement }

    mutating func add(_ more: [Int32]) {
      if isComplement { atoms.subtract(more) } else { atoms.formUnion(more) }
    }

    mutating func addAll(except few: [Int32]) {
      if isComplement {
        atoms.formIntersection(few)
      } else {
        atoms = Set(few).subtracting(atoms)
        isComplement = true
      }
    }
  }
}
