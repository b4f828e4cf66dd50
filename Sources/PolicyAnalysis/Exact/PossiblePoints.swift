// Which points of a space some request has. Enters: a space. Leaves: a function. Never here: what policies say.

extension Space {
  /// Points that some request has: only CONNECT goes without a path, and a value is a text or a list.
  func possible(_ diagrams: inout Diagrams) throws -> Diagram {
    var result = Diagrams.always
    if let path = places[.path]?.scalar, let method = places[.method], let dimension = method.scalar {
      let connect = LanguageMaker.bytes("CONNECT")
      let own = (method.texts?.atoms ?? []).indices.filter { method.texts?.atoms[$0].witness == connect }.map { method.atom(Int32($0)) }
      let withoutPath = try diagrams.test(path, [0])
      result = try diagrams.and(result, try diagrams.or(try diagrams.not(withoutPath), try diagrams.test(dimension, own)))
    }
    for field in fields {
      guard let place = places[field], let scalar = place.scalar, let elements = place.elements, let texts = place.texts else { continue }
      var none = Diagrams.always
      for index in texts.atoms.indices.reversed() { none = try diagrams.and(try diagrams.test(elements + index, [0]), none) }
      result = try diagrams.and(result, try diagrams.or(try diagrams.test(scalar, [0]), none))
    }
    // A claim that holds others is neither a text nor a list.
    for outer in fields {
      guard case .claim(let path) = outer else { continue }
      for inner in fields {
        guard case .claim(let longer) = inner, longer.count > path.count, longer.starts(with: path) else { continue }
        result = try diagrams.and(result, try diagrams.or(try isMissing(outer, &diagrams), try isMissing(inner, &diagrams)))
      }
    }
    return result
  }

  /// Where a field that may be missing is.
  private func isMissing(_ field: Field, _ diagrams: inout Diagrams) throws -> Diagram {
    guard let place = places[field] else { return Diagrams.always }
    var result = try place.scalar.map { try diagrams.test($0, [0]) } ?? Diagrams.always
    guard let elements = place.elements, let texts = place.texts else { return result }
    for index in texts.atoms.indices { result = try diagrams.and(result, try diagrams.test(elements + index, [0])) }
    return result
  }
}
