// The regions of a function: boxes that are as large as they can be. Enters: a function. Leaves: boxes that together are all of it.
// Never here: what a dimension means, or a box that holds a point of no function.

extension Diagrams {
  /// One region: for each dimension that matters the classes, ascending. All their combinations belong to it.
  struct Box: Hashable {
    var atoms: [Int: [Int32]]
  }

  /// The boxes of a function: each as large as it can be inside `whole`, together all of `diagram`. They may overlap. `body` is called with
  /// each, until it returns false.
  ///
  /// - Parameter points: points that cannot be anyway; a box may grow over them.
  mutating func forEachBox(
    of diagram: Diagram, within whole: Diagram, orElse impossible: Diagram, preferred: [[Int32]], _ body: (Box, [Int32]) throws -> Bool
  ) throws {
    let room = try or(whole, impossible)
    var left = diagram
    while let point = point(in: left, preferred: preferred) {
      let box = try grown(from: point, inside: room)
      if try !body(box, point) { return }
      left = try subtract(try self.diagram(of: box), from: left)
    }
  }

  /// The function of a box.
  mutating func diagram(of box: Box) throws -> Diagram {
    var result = Self.always
    for dimension in box.atoms.keys.sorted(by: >) { result = try and(try test(dimension, box.atoms[dimension] ?? []), result) }
    return result
  }

  /// The point, grown dimension by dimension as far as everything stays inside.
  private mutating func grown(from point: [Int32], inside room: Diagram) throws -> Box {
    // First every dimension that does not matter at all, so that what is left over is said in few words.
    var box = Box(atoms: [:])
    for (dimension, atom) in point.enumerated() { box.atoms[dimension] = [atom] }
    for dimension in point.indices.reversed() {
      box.atoms[dimension] = nil
      if try !implies(try diagram(of: box), room) { box.atoms[dimension] = [point[dimension]] }
    }
    for dimension in box.atoms.keys.sorted() {
      let own = box.atoms[dimension] ?? []
      box.atoms[dimension] = nil
      // What is outside, with everything but this dimension as it is: classes that lead to none of it may join.
      let outside = try subtract(room, from: try diagram(of: box))
      let bad = atoms(of: dimension, in: outside)
      box.atoms[dimension] = own
      var grownAtoms: [Int32] = []
      for atom in 0..<counts[dimension] where !bad.contains(atom) { grownAtoms.append(atom) }
      box.atoms[dimension] = grownAtoms.count == Int(counts[dimension]) ? nil : grownAtoms
    }
    return box
  }
}
