// From what a rule demands to tests on single fields of a request.
// Enters: demands of attached rules, and the mesh's settings. Leaves: formulas whose leaves are languages, ports and address blocks.
// Never here: classes or diagrams. Correlated fields meet here: principals, namespaces, service accounts and trust domains are languages of
// one text, and so are `:path` and `paths`, `:authority` and `hosts`, `:method` and `methods`.

internal import PolicyEngine
internal import PolicyModel

/// One thing about a request that can be chosen independently of all others (but for what `Space` says).
enum Field: Hashable, Sendable {
  case port, identity, sourceIP, remoteIP, destinationIP, sni, method, host, path
  /// By name in lower case.
  case header([UInt8])
  case claim([ExactText])
  case metadata(filter: ExactText, key: ExactText)
}

/// Which form of a field's value a test looks at.
enum Part: Hashable, Sendable {
  /// The one text that it is.
  case scalar
  /// Any element of the list that it is.
  case element
  /// Either.
  case either
}

/// A Boolean combination of tests.
indirect enum Formula: Sendable {
  case constant(Bool)
  /// A language, and the policy's words for it.
  case text(Field, Part, Language, String)
  case ports([UInt16])
  case block(Field, AddressBlock)
  case all([Formula])
  case any([Formula])
  case not(Formula)

  /// Whether it looks at a token's claims.
  var looksAtClaims: Bool {
    var fields: Set<Field> = []
    collectFields(&fields)
    return fields.contains { if case .claim = $0 { true } else { false } }
  }

  /// Adds the fields that it looks at.
  func collectFields(_ fields: inout Set<Field>) {
    switch self {
    case .constant: break
    case .text(let field, _, _, _), .block(let field, _): fields.insert(field)
    case .ports: fields.insert(.port)
    case .all(let list), .any(let list): for formula in list { formula.collectFields(&fields) }
    case .not(let formula): formula.collectFields(&fields)
    }
  }
}

/// Makes formulas under the settings of one side.
struct FormulaMaker {
  let mesh: MeshSettings
  let profile: Profile

  /// A rule: of each group one entry, of an entry all demands.
  func formula(_ groups: [[[AttachedProgram.Demand]]]) -> Formula {
    .all(groups.map { group in .any(group.map { entry in .all(entry.map(formula)) }) })
  }

  private func formula(_ demand: AttachedProgram.Demand) -> Formula {
    var parts: [Formula] = []
    if !demand.values.isEmpty { parts.append(.any(demand.values.map { formula($0, demand) })) }
    if !demand.notValues.isEmpty { parts.append(.not(.any(demand.notValues.map { formula($0, demand) }))) }
    return .all(parts)
  }

  private func formula(_ value: ExactText, _ demand: AttachedProgram.Demand) -> Formula {
    let bytes = value.bytes
    func identity(_ language: Language, _ words: String) -> Formula { .text(.identity, .scalar, language, words) }
    let maker = LanguageMaker(hasWildDots: mesh.hasWildDots)
    switch demand.subject {
    case .attribute(.sourcePrincipal):
      return .any(mesh.expandingPrincipal(value).map { identity(maker.principal($0.bytes), "principal \($0)") })
    case .attribute(.sourceNamespace): return identity(maker.namespace(bytes), "namespace \(value)")
    case .attribute(.sourceServiceAccount):
      let name = bytes.contains(0x2f) ? "\(value)" : "\(demand.namespace)/\(value)"
      return identity(maker.serviceAccount(bytes, own: demand.namespace.bytes), "service account \(name)")
    case .attribute(.sourceTrustDomain):
      return .any(mesh.expandingTrustDomain(value).map { identity(maker.trustDomain($0.bytes), "trust domain \($0)") })
    case .ztunnelPrincipal:
      return .all([Self.ztunnelForm, identity(LanguageMaker.ztunnelPrincipal(bytes), "principal \(value)")])
    case .ztunnelNamespace:
      // Without identity there is still a namespace to compare with, the empty one.
      if bytes.isEmpty {
        return .any([.not(Self.ztunnelForm), identity(LanguageMaker.ztunnelIdentity(namespace: []), "namespace without a name")])
      }
      return LanguageMaker.ztunnelNamespace(bytes).map { identity($0, "namespace \(value)") } ?? .constant(false)
    case .ztunnelServiceAccount:
      return LanguageMaker.ztunnelServiceAccount(bytes).map { identity($0, "service account \(value)") } ?? .constant(false)
    case .attribute(let attribute): return formula(attribute, value, bytes)
    }
  }

  static let ztunnelForm = Formula.text(.identity, .scalar, LanguageMaker.ztunnelIdentity(), "identity of Istio's form")

  private func formula(_ attribute: Attribute, _ value: ExactText, _ bytes: [UInt8]) -> Formula {
    let maker = LanguageMaker()
    func text(_ field: Field, _ part: Part = .scalar, matchesEmpty: Bool) -> Formula {
      .text(field, part, maker.text(bytes, matchesEmpty: matchesEmpty), value.string)
    }
    func block(_ field: Field) -> Formula { AddressBlock(value.string).map { .block(field, $0) } ?? .constant(false) }
    switch attribute {
    case .sourceIP: return profile == .waypoint ? .constant(false) : block(.sourceIP)
    case .remoteIP: return block(.remoteIP)
    case .destinationIP: return block(.destinationIP)
    case .destinationPort: return UInt16(value.string).map { .ports([$0]) } ?? .constant(false)
    case .host:
      return .text(
        .host, .scalar, Language(maker.text(Self.lower(bytes), matchesEmpty: true).sequences, .folded), value.string)
    case .method: return text(.method, matchesEmpty: true)
    case .sni: return text(.sni, matchesEmpty: false)
    case .path: return .text(.path, .scalar, Language(LanguageMaker(alphabet: .ofPath).path(bytes).sequences, .path), value.string)
    case .requestHeader(let name):
      let folded = Self.lower(name.bytes)
      switch folded {
      case LanguageMaker.bytes(":method"): return text(.method, matchesEmpty: true)
      case LanguageMaker.bytes(":path"): return .text(.path, .scalar, maker.text(bytes, matchesEmpty: true), "target \(value)")
      case LanguageMaker.bytes(":authority"), LanguageMaker.bytes("host"):
        return .text(.host, .scalar, maker.text(bytes, matchesEmpty: true), "authority \(value)")
      default: return text(.header(folded), .element, matchesEmpty: true)
      }
    case .requestPrincipal: return requestPrincipal(bytes, value.string)
    case .requestAudiences: return text(.claim(["aud"]), .either, matchesEmpty: false)
    case .requestPresenter: return text(.claim(["azp"]), .either, matchesEmpty: false)
    case .requestClaim(let path): return text(.claim(path), .either, matchesEmpty: false)
    case .envoyMetadata(let filter, let key): return metadata(.metadata(filter: filter, key: key), bytes, value.string)
    case .sourcePrincipal, .sourceNamespace, .sourceServiceAccount, .sourceTrustDomain, .malformedKey, .unknownKey: return .constant(false)
    }
  }

  static func lower(_ bytes: [UInt8]) -> [UInt8] { bytes.map { (0x41...0x5a).contains($0) ? $0 + 32 : $0 } }

  /// Issuer and subject, split at the last slash; a value with a star has the star in one of them.
  private func requestPrincipal(_ value: [UInt8], _ words: String) -> Formula {
    let star = LanguageMaker.star
    let slash = value.lastIndex(of: 0x2f)
    let left = slash.map { Array(value[..<$0]) } ?? value
    let right = slash.map { Array(value[($0 + 1)...]) } ?? []
    let (any, exact) = (Step.run(.any), LanguageMaker.steps)
    let some: [Step] = [.one(.any), any]
    func both(_ issuer: [Step], _ subject: [Step]) -> Formula {
      .all([
        .text(.claim(["iss"]), .scalar, Language([issuer]), "issuer of \(words)"),
        .text(.claim(["sub"]), .scalar, Language([subject]), "subject of \(words)"),
      ])
    }
    if value == [star] { return both(some, some) }
    if value.first == star {
      guard slash != nil else { return both(some, [any] + exact(Array(value.dropFirst()))) }
      if left == [star] { return both(some, exact(right)) }
      return both([any] + exact(Array(left.dropFirst())), exact(right))
    }
    if value.last == star {
      guard slash != nil else { return both(exact(Array(value.dropLast())) + [any], some) }
      if right == [star] { return both(exact(left), some) }
      return both(exact(left), exact(Array(right.dropLast())) + [any])
    }
    return both(exact(left), exact(right))
  }

  /// `[v]` is an element of a list, anything else the text itself.
  private func metadata(_ field: Field, _ value: [UInt8], _ words: String) -> Formula {
    let brackets: Set<UInt8> = [UInt8(ascii: "["), UInt8(ascii: "]")]
    guard value.first == UInt8(ascii: "["), value.last == UInt8(ascii: "]") else {
      return .text(field, .scalar, LanguageMaker().text(value, matchesEmpty: false), words)
    }
    let front = value.drop { brackets.contains($0) }
    let inner = Array(front.prefix(front.count - front.reversed().prefix { brackets.contains($0) }.count))
    return .text(field, .element, LanguageMaker().text(inner, matchesEmpty: false), words)
  }
}
