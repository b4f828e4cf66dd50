// A region in the policies' own words.
// Enters: a box of a space. Leaves: for each field that matters what it may be, by the values of rules; where no value says it, an example.
// Never here: a phrase that means more or less than the box, but for examples, which say that they are one.

internal import PolicyModel

/// What one field of a request may be in a region.
public struct FieldWords: Sendable, Hashable {
  /// `source`, `port`, `method`, `path`, `header x-role` and so on.
  public var field: String
  /// What it may be: any of these.
  public var any: [String]
  /// And none of these.
  public var except: [String]

  /// One phrase.
  public var text: String {
    let base = any.joined(separator: " or ")
    return except.isEmpty ? base : "\(base), except \(except.joined(separator: " and "))"
  }
}

extension Space {
  /// The fields that matter in a box. The words cover all classes of `told` and none beside those of `box`: what is in between no request
  /// that gets past the gate has, so that nothing need be said of it.
  func words(of box: Diagrams.Box, told: Diagrams.Box) -> [FieldWords] {
    var found: [FieldWords] = []
    for field in fields {
      guard let place = places[field] else { continue }
      if let scalar = place.scalar, let atoms = box.atoms[scalar] {
        found.append(words(field, place, told.atoms[scalar] ?? atoms, within: atoms))
      }
      guard let elements = place.elements, let texts = place.texts else { continue }
      var absent: Set<Int32> = []
      for index in texts.atoms.indices {
        guard let atoms = box.atoms[elements + index] else { continue }
        if atoms == [1] {
          let (any, except) = cover(field, [Int32(index)], within: [Int32(index)])
          found.append(FieldWords(field: "some \(name(field))", any: any, except: except))
        } else {
          absent.insert(Int32(index))
        }
      }
      if absent.count == texts.atoms.count {
        found.append(FieldWords(field: name(field), any: ["missing"], except: []))
      } else if !absent.isEmpty {
        let (any, except) = cover(field, absent, within: absent)
        found.append(FieldWords(field: "no \(name(field))", any: any, except: except))
      }
    }
    return found
  }

  private func name(_ field: Field) -> String {
    switch field {
    case .port: "port"
    case .identity: "source"
    case .sourceIP: "source ip"
    case .remoteIP: "remote ip"
    case .destinationIP: "destination ip"
    case .sni: "sni"
    case .method: "method"
    case .host: "host"
    case .path: "path"
    case .header(let name): "header \(String(decoding: name, as: UTF8.self))"
    case .claim(let path): "claim " + path.map { "[\($0)]" }.joined()
    case .metadata(let filter, let key): "metadata \(filter)[\(key)]"
    }
  }

  private func words(_ field: Field, _ place: Place, _ atoms: [Int32], within room: [Int32]) -> FieldWords {
    if field == .port {
      let listed = atoms.filter { ports.named(ports.witnesses[Int($0)]) == $0 }.map { "\(ports.witnesses[Int($0)])" }
      if listed.count == atoms.count { return FieldWords(field: "port", any: listed, except: []) }
      let held = Set(atoms)
      let others = counts.isEmpty ? [] : ports.witnesses.indices.filter { !held.contains(Int32($0)) }.map { "\(ports.witnesses[$0])" }
      return FieldWords(field: "port", any: ["any port"], except: others)
    }
    if place.texts == nil {
      let (any, except) = cover(field, Set(atoms), within: Set(room))
      return FieldWords(field: name(field), any: any, except: except)
    }
    let texts = Set(atoms.compactMap(place.text))
    let open = Set(room.compactMap(place.text))
    var (any, except) = texts.isEmpty ? ([], []) : cover(field, texts, within: open)
    if !texts.isEmpty, open.count == place.texts?.atoms.count {
      (any, except) = ([field == .identity ? "any authenticated peer" : "any \(name(field))"], [])
    }
    if place.canBeAbsent, atoms.first == 0 { any.append(field == .identity ? "anonymous peers" : "no \(name(field))") }
    return FieldWords(field: name(field), any: any, except: except)
  }

  /// Values whose classes hold this set and lie in the room, or one that holds the set and what of it lies outside.
  private func cover(_ field: Field, _ atoms: Set<Int32>, within room: Set<Int32>) -> (any: [String], except: [String]) {
    let values = values(field)
    let (parts, left) = cover(atoms, within: room, values, field)
    if left.isEmpty { return (parts, []) }
    // The smallest value that holds what is left, and as exceptions what of it is outside.
    let everything = Set((0..<Int32(count(field))).map { $0 })
    let base =
      values.filter { left.isSubset(of: $0.extent) }.min { $0.extent.count < $1.extent.count } ?? ("any \(name(field))", everything)
    let outside = base.extent.subtracting(room)
    let (exceptions, rest) = cover(outside, within: everything.subtracting(atoms), values, field)
    if !rest.isEmpty, let named = parted(left, of: atoms, values, within: room) { return (parts + named, []) }
    let others = rest.sorted().map { "texts such as \(witness(field, $0))" }
    // What holds everything needs no other parts beside it.
    if atoms.isSubset(of: base.extent) { return ([base.word], exceptions + others) }
    if exceptions.isEmpty && others.isEmpty { return (parts + [base.word], exceptions + others) }
    // With other parts, an exception must be seen to belong to this one.
    return (parts + ["\(base.word) (except \((exceptions + others).joined(separator: " and ")))"], [])
  }

  /// What is left, part by part: values with exceptions of their own, all in the words of values; nil where that is not to be had.
  private func parted(_ left: Set<Int32>, of atoms: Set<Int32>, _ values: [Value], within room: Set<Int32>) -> [String]? {
    // Of many values it would take too long to find the best.
    if values.count > 64 || values.contains(where: { $0.extent.count > 512 }) { return nil }
    var left = left
    var words: [String] = []
    while !left.isEmpty {
      var best: (word: String, held: Set<Int32>)?
      for value in values where !value.extent.isDisjoint(with: left) {
        guard let (exceptions, held) = excepted(value, values, atoms, within: room), !held.isDisjoint(with: left) else { continue }
        if best.map({ $0.held.intersection(left).count < held.intersection(left).count }) ?? true {
          best = (exceptions.isEmpty ? value.word : "\(value.word) (except \(exceptions.joined(separator: " and ")))", held)
        }
      }
      guard let best else { return nil }
      words.append(best.word)
      left.subtract(best.held)
    }
    // One value with exceptions is better said as such.
    return words.count > 1 ? words : nil
  }

  /// Exceptions that leave nothing of a value outside a set, and what of it they leave inside; nil where values cannot say it.
  private func excepted(_ value: Value, _ values: [Value], _ atoms: Set<Int32>, within room: Set<Int32>) -> (
    words: [String], held: Set<Int32>
  )? {
    var held = value.extent.intersection(room)
    var outside = value.extent.subtracting(room)
    var words: [String] = []
    while !outside.isEmpty {
      let able = values.filter { !$0.extent.isDisjoint(with: outside) }
      // What takes least away; of several what says most.
      let best = able.min { one, two in
        (held.intersection(atoms).intersection(one.extent).count, -outside.intersection(one.extent).count)
          < (held.intersection(atoms).intersection(two.extent).count, -outside.intersection(two.extent).count)
      }
      guard let best else { return nil }
      words.append(best.word)
      held.subtract(best.extent)
      outside.subtract(best.extent)
    }
    return held.isEmpty ? nil : (words, held)
  }

  private typealias Value = (word: String, extent: Set<Int32>)

  /// Values in the room that reach into the set, largest first, then single texts; and what no value covers.
  private func cover(_ atoms: Set<Int32>, within room: Set<Int32>, _ values: [Value], _ field: Field) -> ([String], Set<Int32>) {
    var left = atoms
    var words: [String] = []
    for value in values where !left.isEmpty {
      if value.extent.isSubset(of: room), !value.extent.isDisjoint(with: left) {
        words.append(value.word)
        left.subtract(value.extent)
      }
    }
    guard let texts = places[field]?.texts else { return (words, left) }
    for atom in left.sorted() where texts.atoms[Int(atom)].isSingle {
      words.append(witness(field, atom))
      left.remove(atom)
    }
    return (words, left)
  }

  private func count(_ field: Field) -> Int { places[field]?.texts?.atoms.count ?? addresses[field]?.witnesses.count ?? 0 }

  private func values(_ field: Field) -> [Value] {
    var values: [Value] = []
    if let texts = places[field]?.texts, let words = words[field] {
      for (number, word) in words.enumerated() where !texts.extents[number].isEmpty { values.append((word, Set(texts.extents[number]))) }
    } else if let classes = addresses[field] {
      for (number, block) in classes.blocks.enumerated() where !classes.extents[number].isEmpty {
        values.append(("\(block)", Set(classes.extents[number])))
      }
    }
    return values.enumerated().sorted {
      ($1.element.extent.count, $0.offset) < ($0.element.extent.count, $1.offset)
    }.map(\.element)
  }

  private func witness(_ field: Field, _ atom: Int32) -> String {
    if let texts = places[field]?.texts { return "\"\(String(decoding: texts.atoms[Int(atom)].witness, as: UTF8.self))\"" }
    return addresses[field].map { "\($0.witnesses[Int(atom)])" } ?? ""
  }
}
