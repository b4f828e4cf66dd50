// Whether one rule matches whatever another one matches, told from how they are written. "Yes" is certain; "no" may mean "cannot tell".
// Enters: two rules and the mesh's settings. Leaves: yes or no. Never here: a comparison by examples; `diff` and `verify` are exact.

internal import PolicyEngine
internal import PolicyModel

/// Compares rules of a mesh.
struct RuleCover {
  let mesh: MeshSettings

  /// Whether `wide`, of a policy in `wideNamespace`, matches whatever `narrow` matches, on HTTP and on TCP chains.
  func covers(
    _ wide: AuthorizationPolicy.Rule, in wideNamespace: ExactText, _ narrow: AuthorizationPolicy.Rule, in narrowNamespace: ExactText
  ) -> Bool {
    if narrow.allConstraints.contains(where: { $0.attribute.isUndecidable }) { return false }
    if wide.allConstraints.contains(where: { $0.attribute.isUndecidable }) { return false }
    func clauses(_ list: [AuthorizationPolicy.Clause]) -> [[Constraint]] { list.isEmpty ? [[]] : list.map(\.constraints) }
    // A rule is one of its sources and one of its operations; each such pair of the narrow rule must be inside one pair of the wide one.
    return clauses(narrow.sources).allSatisfy { source in
      clauses(narrow.operations).allSatisfy { operation in
        let given = source + operation + narrow.conditions
        return clauses(wide.sources).contains { wideSource in
          clauses(wide.operations).contains { wideOperation in
            (wideSource + wideOperation + wide.conditions).allSatisfy { wanted in
              implies(given, wanted, isSameNamespace: wideNamespace == narrowNamespace)
            }
          }
        }
      }
    }
  }

  /// Whether constraints that all hold make another one hold.
  private func implies(_ given: [Constraint], _ wanted: Constraint, isSameNamespace: Bool) -> Bool {
    if wanted.demandsNothing { return true }
    // A bare account is one of the policy's own namespace.
    if wanted.attribute == .sourceServiceAccount, !isSameNamespace { return false }
    let same = given.filter { $0.attribute == wanted.attribute }
    let isInside =
      wanted.values.isEmpty
      || same.contains { one in
        !one.values.isEmpty
          && one.values.allSatisfy { value in wanted.values.contains { covers($0.value, value.value, wanted.attribute) } }
      }
    guard isInside else { return false }
    return wanted.notValues.allSatisfy { excluded in
      same.contains { one in one.notValues.contains { covers($0.value, excluded.value, wanted.attribute) } }
    }
  }

  /// Whether one value matches whatever the other matches.
  func covers(_ wide: ExactText, _ narrow: ExactText, _ attribute: Attribute) -> Bool {
    if wide == narrow { return true }
    switch attribute {
    case .sourceIP, .remoteIP, .destinationIP:
      guard let outer = AddressBlock(wide.string), let inner = AddressBlock(narrow.string) else { return false }
      return outer.length <= inner.length && outer.contains(inner.base)
    case .destinationPort: return portNumber(wide) != nil && portNumber(wide) == portNumber(narrow)
    case .sourceServiceAccount, .sourceTrustDomain, .sourceNamespace, .requestPrincipal: return false
    case .sourcePrincipal:
      // Values of five parts stand for other names as well.
      return wide == "*"
        || (isLiteral(narrow) && isPattern(wide) && wide.bytes.count { $0 == UInt8(ascii: "/") } != 4 && pattern(wide, narrow))
    case .host: return pattern(ExactText(wide.string.lowercased()), ExactText(narrow.string.lowercased()))
    case .path:
      let braces = UInt8(ascii: "{")
      return !wide.bytes.contains(braces) && !narrow.bytes.contains(braces) && pattern(wide, narrow)
    default: return pattern(wide, narrow)
    }
  }

  private func isLiteral(_ value: ExactText) -> Bool { !isPattern(value) }

  private func isPattern(_ value: ExactText) -> Bool {
    value.bytes.first == UInt8(ascii: "*") || value.bytes.last == UInt8(ascii: "*")
  }

  /// The generic matcher: a star alone, at the start, or at the end.
  private func pattern(_ wide: ExactText, _ narrow: ExactText) -> Bool {
    let star = UInt8(ascii: "*")
    let (outer, inner) = (wide.bytes, narrow.bytes)
    if outer == inner { return true }
    // A star alone demands one character or more, which every value but the empty one does.
    if outer == [star] { return !inner.isEmpty }
    if inner == [star] { return false }
    if outer.first == star {
      return inner.last != star || inner.first == star
        ? inner.suffix(outer.count - 1).elementsEqual(outer.dropFirst()) && inner.count >= outer.count - 1 : false
    }
    if outer.last == star { return inner.first != star && inner.starts(with: outer.dropLast()) }
    return false
  }
}

extension Attribute {
  /// Whether rules with it cannot be compared.
  fileprivate var isUndecidable: Bool {
    switch self {
    case .malformedKey, .unknownKey: true
    default: false
    }
  }
}
